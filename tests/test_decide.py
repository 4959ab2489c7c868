"""Deciding one command after another is deciding each on the recorded history."""

from hypothesis import given
from hypothesis import strategies as st

from ledger.commands import ClosePlan, Command, Metadata
from ledger.decide import Decider, decide
from ledger.errors import LedgerError
from ledger.events import PlanOpened, RecordedEvent
from tests.strategies import RECORDED_AT, changes, days, openings


def _outcome(decided: tuple[RecordedEvent, ...] | LedgerError) -> object:
    return (type(decided), str(decided)) if isinstance(decided, LedgerError) else decided


@given(data=st.data())
def test_a_kept_decider_decides_as_one_that_reads_the_whole_history(data: st.DataObject) -> None:
    """A decider that keeps the plan returns the same events and the same refusals, command by command."""
    metadata = Metadata(recorded_at=RECORDED_AT, actor="decider")
    opening = data.draw(openings())
    decider = Decider(())
    history = list(decider.decide(opening, metadata))
    opened = history[0].event
    assert isinstance(opened, PlanOpened)
    assert tuple(history) == decide((), opening, metadata)
    paid: list[object] = []
    for number in range(data.draw(st.integers(1, 14))):
        command: Command = data.draw(changes(opened, number, paid))  # type: ignore[arg-type]  # filled below
        if data.draw(st.integers(0, 4)) == 0:
            command = ClosePlan(plan_id="P-1", through=data.draw(days(opened)))
        kept, read = _attempt(decider, command, metadata), _attempt(Decider(history), command, metadata)
        assert _outcome(kept) == _outcome(read)
        if not isinstance(read, LedgerError):
            history += read
            paid += [command] if hasattr(command, "amount") else []


def _attempt(decider: Decider, command: Command, metadata: Metadata) -> tuple[RecordedEvent, ...] | LedgerError:
    try:
        return decider.decide(command, metadata)
    except LedgerError as error:
        return error
