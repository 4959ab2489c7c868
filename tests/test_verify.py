"""verify.py against the ledger: it finds nothing in random histories, and every planted error."""

from collections.abc import Iterable

from hypothesis import given

from ledger.audit import verify
from ledger.events import RecordedEvent
from ledger.events.codec import Codec
from tests.strategies import History, histories

CODEC = Codec()


def stored(events: Iterable[RecordedEvent]) -> list[verify.Stored]:
    """Return recorded events as the lines of a pack."""
    lines = []
    for number, recorded in enumerate(events, 1):
        tag, state = CODEC.encode(recorded)
        lines.append(verify.Stored(number, recorded.kind, recorded.stream_id, recorded.version, tag, state))
    return lines


@given(history=histories())
def test_it_finds_nothing_in_what_the_ledger_records(history: History) -> None:
    """The outcomes that the ledger records are those that follow day by day, after every command."""
    assert verify.check_plan("P-1", stored(history.events), {}) == []
