"""Plain plans as columns: the very rows of one event at a time, and only of plans that can be read."""

from collections.abc import Mapping, Sequence

import attrs
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import Ledger
from ledger.audit.exports import COLUMNS, Stream, streams
from ledger.audit.exports.flat import rows
from ledger.audit.exports.parquet import plain
from ledger.audit.exports.parquet.plain import SCHEMA, plain_plans
from ledger.audit.exports.streams import stream_of
from ledger.books.importer import import_book
from ledger.books.reader import EXAMPLE, read_book
from ledger.errors import CorruptHistory
from ledger.events import PLAN, PaymentMade, PlanOpened, RecordedEvent
from ledger.events.codec import Codec
from ledger.store import EventReader, RawEvent
from ledger.testing import strategies as kit
from ledger.testing.strategies import History
from ledger.values import TAGS
from tests.examples import OPENED_ON, open_plan, pay

CODEC = Codec()
DUE = OPENED_ON.replace(month=5)


def decode(raw: RawEvent) -> RecordedEvent:
    """Decode a stored event, as every store does."""
    return CODEC.decode(
        raw.tag, raw.state, kind=raw.kind, stream_id=raw.stream_id, version=raw.version, sequence=raw.sequence
    )


class Reading:
    """The part of a reader that a stream needs."""

    decode = staticmethod(decode)


READER: EventReader = Reading()  # type: ignore[assignment]  # it only decodes


def stored(events: Sequence[RecordedEvent]) -> list[RawEvent]:
    """Return events as they are stored."""
    return [RawEvent(one.sequence, one.kind, one.stream_id, one.version, *CODEC.encode(one)) for one in events]


def one_by_one(some: Sequence[Stream]) -> pl.DataFrame:
    """Return the rows of streams as the other forms of an export have them."""
    return pl.DataFrame([row for stream in some for row in rows(stream)], SCHEMA, orient="row")


def decoded(history: Sequence[RawEvent]) -> Stream | None:
    """Return the stream of a plan; None if it cannot be read."""
    try:
        return stream_of(READER, PLAN, history, None)
    except CorruptHistory:
        return None


def a_plan() -> list[RawEvent]:
    """A plan with a payment, a missed installment that is paid late, and another payment."""
    with Ledger.open("memory://") as ledger:
        open_plan(ledger)
        pay(ledger, OPENED_ON, "bank-1")
        ledger.close_books(through=DUE.replace(day=12))
        pay(ledger, DUE.replace(day=15), "bank 2")
        return ledger.store.raw_histories(["P-1"])["P-1"]


@pytest.mark.parametrize("shape", plain._FIELDS)
def test_the_form_of_an_event_has_all_its_fields(shape: type[attrs.AttrsInstance]) -> None:
    """A field that an event gains is missed here, and not as a silent loss of speed."""
    assert set(plain._FIELDS[shape]) == {field.name for field in attrs.fields(shape)}


def test_the_bundled_book_is_plain_but_for_late_knowledge() -> None:
    """Most plans are plain, those that are not have something taken back or decided, and all rows are the same."""
    with Ledger.open("memory://") as ledger:
        import_book(ledger, read_book(EXAMPLE), keep_refused=True)
        found = ledger.store.raw_histories(ledger.store.stream_ids(limit=1_000))
        all_streams = [*streams(ledger.store, kinds=(PLAN,), known_at=None)]
    frame = plain_plans(found, decode)
    done = {*frame["stream_id"]}
    assert frame.equals(one_by_one([one for one in all_streams if one.stream_id in done]))
    assert len(done) > 0.75 * len(found)
    written = {TAGS[PlanOpened], *(TAGS[shape] for shape in plain._FIELDS)}
    for plan_id in found.keys() - done:
        assert {event.tag for event in found[plan_id]} - written, plan_id


@given(st.lists(kit.histories(longest=9), min_size=1, max_size=3))
def test_the_rows_of_random_plans_are_those_of_one_event_at_a_time(histories: Sequence[History]) -> None:
    """Late, doubled, reversed, charged back, cancelled, reinstated: a plan is left out, or its rows are the same."""
    found: Mapping[str, list[RawEvent]] = {
        f"P-{number}": stored([attrs.evolve(one, stream_id=f"P-{number}") for one in history.events])
        for number, history in enumerate(histories)
    }
    frame = plain_plans(found, decode)
    done = {*frame["stream_id"]}
    some = [stream for plan_id, history in found.items() if plan_id in done and (stream := decoded(history))]
    assert frame.equals(one_by_one(some))


LATE: tuple[kit.Trouble, ...] = ("late",)


@given(kit.histories(trouble=LATE, longest=9))
def test_plans_paid_late_or_not_at_all_are_plain(history: History) -> None:
    """Unless a payment came to be known after a later outcome, so that something was voided."""
    tags = {TAGS[PlanOpened], *(TAGS[shape] for shape in plain._FIELDS)}
    events = stored(history.events)
    if {event.tag for event in events} <= tags:
        assert len(plain_plans({"P-1": events}, decode)) == len(events)


BYTES = b'0123456789-:.TZ "\\{},[]anultrefPX\x00\xd0\x7f\xff'


@given(st.data())
def test_a_changed_byte_never_passes_unnoticed(data: st.DataObject) -> None:
    """Whatever stands in a stored event: a plan that is plain can be decoded too, and has the same rows."""
    history = a_plan()
    at = data.draw(st.integers(0, len(history) - 1))
    state = bytearray(history[at].state)
    place = data.draw(st.integers(0, len(state)))
    state[place : place + data.draw(st.integers(0, 2))] = data.draw(
        st.lists(st.sampled_from(BYTES), max_size=2).map(bytes)
    )
    history[at] = history[at]._replace(state=bytes(state))
    frame = plain_plans({"P-1": history}, decode)
    stream = decoded(history) if len(frame) else None
    assert frame.equals(one_by_one([stream] if stream else []))


def replaced(**changes: object) -> list[RawEvent]:
    """Return a plan whose third event has other columns, as somebody may write them into a database."""
    history = a_plan()
    history[2] = history[2]._replace(**changes)  # type: ignore[arg-type]  # of other types, too
    return history


@pytest.mark.parametrize(
    "history",
    [
        [],
        a_plan()[1:],
        [*a_plan()[:2], *a_plan()[3:]],
        [*a_plan(), a_plan()[1]._replace(version=8)],
        [*a_plan(), a_plan()[0]._replace(version=8)],
        replaced(version=2.5),
        replaced(version=None),
        replaced(sequence=-1),
        replaced(tag="payment_made.v1"),
        replaced(tag="payment_made.v9"),
        replaced(state="text"),
        replaced(state=None),
    ],
    ids=str.split("empty unopened gap reference-twice opened-twice half no-version negative tag newer text null"),
)
def test_a_plan_that_cannot_be_read_is_not_plain(history: list[RawEvent]) -> None:
    """It is left to the decoder, which names the event and the reason."""
    assert plain_plans({"P-1": history}, decode).is_empty()
    assert plain_plans({"P-1": history, "P-2": []}, decode).schema == pl.Schema(SCHEMA)


@pytest.mark.parametrize(
    ("reference", "is_plain"),
    [("x" * 200, True), ("two  words", True), ("ключ", False), ('a"b', False), ("a\\b", False)],
)
def test_text_that_is_escaped_or_not_in_ascii_is_left_to_the_decoder(reference: str, *, is_plain: bool) -> None:
    """Its rows are the same then, as they are decoded."""
    with Ledger.open("memory://") as ledger:
        open_plan(ledger)
        pay(ledger, OPENED_ON, reference)
        found = ledger.store.raw_histories(["P-1"])
        frame = plain_plans(found, decode)
        assert len(frame) == (3 if is_plain else 0)
        assert [*COLUMNS] == frame.columns
        if is_plain:
            assert frame.equals(one_by_one([*streams(ledger.store, known_at=None)]))
            assert frame.filter(type=TAGS[PaymentMade])["reference"].to_list() == [reference]
