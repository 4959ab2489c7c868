"""The stored form of events: canonical, read through constructors, refused where it was edited, versioned by tag."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.commands import Metadata
from ledger.decide import decide
from ledger.errors import CorruptHistory, InvalidArgument, WrittenByNewerVersion
from ledger.events import (
    RECEIPT,
    AllocationReversed,
    MoneyAllocated,
    MoneyReceived,
    MoneyReturned,
    OutcomeVoided,
    PaymentMade,
    PlanOpened,
    ReceiptEvent,
    RecordedEvent,
)
from ledger.events.codec import CURRENT, Codec
from ledger.events.upcasters import Retired
from ledger.money import Money
from ledger.terms import (
    DoublePayment,
    EarlyRepayment,
    ExplicitRelease,
    ExplicitSchedule,
    FullCover,
    OnTimeBonus,
    PackageBonus,
    PerUnit,
    PlanTerms,
    Portion,
)
from tests.plans import DAY, D, cancel, charge_back, close, opening, pay, record, reinstate
from tests.strategies import RECORDED_AT, History, histories

CODEC = Codec()
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=40)
INSTANTS = st.integers(-2_208_988_800_000_000, 4_102_444_800_000_000).map(
    lambda microseconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)


def every_kind() -> tuple[RecordedEvent, ...]:
    """Return a plan's history in which each of the twelve events occurs."""
    terms = PlanTerms(
        price=Money.of("400.00", "USD"),
        shares=34_000,
        installments=4,
        release=PerUnit("23"),
        timezone="Europe/Moscow",
        promos=(
            OnTimeBonus(code="on_time", rate_bp=500),
            PackageBonus(code="spring", rate_bp=1_000),
            DoublePayment(code="double", rate_bp=50, base="package", credit="at_once"),
            EarlyRepayment(code="early", rate_bp=100, base="released", credit="on_completion"),
        ),
        reinstatement=FullCover(),
    )

    metadata = Metadata(recorded_at=RECORDED_AT, actor="decider", correlation="import-7")
    return record(
        pay(D, "bank-1", 2),
        charge_back(D + 40 * DAY, "bank-1"),
        close(D + 41 * DAY),
        pay(D + 42 * DAY, "bank-2", 2),
        cancel(D + 43 * DAY),
        reinstate(D + 70 * DAY, "bank-3"),
        pay(D + 100 * DAY, "bank-4"),
        terms=terms,
        opened_on=D,
        metadata=metadata,
    )


def every_kind_of_receipts() -> tuple[RecordedEvent, ...]:
    """Return the history of money that was received, allocated to the wrong plan, and returned."""
    cents = Money(10_001, "USD")
    received = MoneyReceived(
        effective_on=D,
        reference="bank-9",
        amount=cents,
        timezone="Europe/Moscow",
        received_at=datetime(2023, 4, 9, 22, 30, tzinfo=UTC),
        plan_id="P-1",
        code="overpayment",
        reason="it would be overpaid",
    )
    events: Sequence[ReceiptEvent] = (
        received,
        MoneyAllocated(effective_on=D, plan_id="P-2", payment="bank-9", amount=cents),
        AllocationReversed(effective_on=D, plan_id="P-2", payment="bank-9"),
        MoneyReturned(effective_on=D, reference="out-1", amount=cents, reason="sent back"),
    )
    return tuple(
        RecordedEvent(
            kind=RECEIPT,
            stream_id="bank-9",
            version=version,
            recorded_at=RECORDED_AT,
            actor="clerk",
            correlation=None,
            key="bank-9",
            event=event,
        )
        for version, event in enumerate(events, 1)
    )


EVERY_KIND = (*every_kind(), *every_kind_of_receipts())


def decoded(tag: str, state: bytes, codec: Codec = CODEC) -> RecordedEvent:
    """Decode a stored event as version 3 of plan P-7."""
    return codec.decode(tag, state, stream_id="P-7", version=3, sequence=11)


def refused(tag: str, state: bytes, codec: Codec = CODEC) -> CorruptHistory:
    """Return the refusal of a stored event, which names its plan, version and tag."""
    with pytest.raises(CorruptHistory) as caught:
        decoded(tag, state, codec)
    error = caught.value
    assert (error.plan_id, error.version, error.event) == ("P-7", 3, tag)
    assert str(error).startswith(f"Plan P-7, version 3 ({tag}): {error.reason}")
    return error


def attempt(tag: str, state: bytes, codec: Codec = CODEC) -> RecordedEvent | CorruptHistory:
    """Return the event that the bytes are, or the refusal of them, which names plan, version and tag."""
    try:
        return decoded(tag, state, codec)
    except CorruptHistory as error:
        return error


def assert_same_or_refused(tag: str, state: bytes) -> None:
    """Check that edited bytes are refused by name, or are exactly the encoding of the event that they hold."""
    result = attempt(tag, state)
    if isinstance(result, CorruptHistory):
        assert (result.plan_id, result.version, result.event) == ("P-7", 3, tag)
    else:
        assert CODEC.encode(result) == (tag, state)


@st.composite
def stored_events(draw: st.DrawFn) -> tuple[str, bytes]:
    """The stored form of an event of any kind, from a random history or from the one with all kinds."""
    history = draw(st.one_of(histories(longest=4).map(lambda made: made.events), st.just(EVERY_KIND)))
    return CODEC.encode(draw(st.sampled_from(history)))


# ---- round trip


def test_a_history_with_every_event() -> None:
    """The example used below has all events that are written today."""
    assert {CODEC.encode(recorded)[0] for recorded in EVERY_KIND} == set(CURRENT)


@given(history=histories())
def test_an_encoded_event_decodes_to_the_same(history: History) -> None:
    """Every event of every history comes back equal, in the same envelope, from the same bytes each time."""
    for recorded in history.events:
        tag, state = CODEC.encode(recorded)
        again = CODEC.decode(
            tag, state, stream_id=recorded.plan_id, version=recorded.version, sequence=recorded.sequence
        )
        assert again == recorded
        assert type(again.event) is type(recorded.event)
        assert CODEC.encode(again) == (tag, state)


@given(
    number=st.integers(0, len(EVERY_KIND) - 1),
    plan_id=TEXTS,
    version=st.integers(1, 10**9),
    sequence=st.integers(0, 10**15),
    recorded_at=INSTANTS,
    actor=st.none() | TEXTS,
    correlation=st.none() | TEXTS,
    key=TEXTS,
)
def test_every_event_in_any_envelope(
    *,
    number: int,
    plan_id: str,
    version: int,
    sequence: int,
    recorded_at: datetime,
    actor: str | None,
    correlation: str | None,
    key: str,
) -> None:
    """Plan, version and sequence come from their columns, the rest of the envelope from the stored form."""
    recorded = RecordedEvent(
        stream_id=plan_id,
        version=version,
        sequence=sequence,
        recorded_at=recorded_at,
        actor=actor,
        correlation=correlation,
        key=key,
        event=EVERY_KIND[number].event,
    )
    tag, state = CODEC.encode(recorded)
    assert CODEC.decode(tag, state, stream_id=plan_id, version=version, sequence=sequence) == recorded


@st.composite
def rows(draw: st.DrawFn) -> list[tuple[int, str, str, int, str, bytes]]:
    """Rows of any kind and order, some of them edited, joined with the next or cut where a line could end."""
    found = draw(st.lists(stored_events(), min_size=1, max_size=8))
    made: list[tuple[int, str, str, int, str, bytes]] = []
    for number, (tag, state) in enumerate(found, 1):
        at = draw(st.integers(0, len(state)))
        edits = {
            "whole": ("plan", tag, state),
            "line": ("plan", tag, state[:at] + b"\n" + state[at:]),
            "two": ("plan", tag, state + b"\n" + state),
            "cut": ("plan", tag, state[:at]),
            "digit": ("plan", tag, state.replace(b"1", b"01", 1)),
            "tag": ("plan", draw(st.sampled_from([*CURRENT, "unknown.v1"])), state),
            "kind": ("unknown", tag, state),
            "text": ("plan", tag, cast("bytes", state.decode())),  # which SQLite keeps among bytes
        }
        kind, tag_then, edited = edits[draw(st.sampled_from(["whole", "whole", *edits]))]
        made.append((number, kind, "P-7", number, tag_then, edited))
    return made


@given(stored=rows())
def test_rows_decoded_together_are_those_decoded_alone(stored: list[tuple[int, str, str, int, str, bytes]]) -> None:
    """Each row comes as it would alone, or with the error that it would have alone; no row hides behind another."""
    assert list(map(repr, CODEC.decode_all(stored))) == [repr(_alone(row)) for row in stored]


def _alone(row: tuple[int, str, str, int, str, bytes]) -> RecordedEvent | CorruptHistory:
    sequence, kind, stream_id, version, tag, state = row
    try:
        return CODEC.decode(tag, state, kind=kind, stream_id=stream_id, version=version, sequence=sequence)
    except CorruptHistory as error:
        return error


def test_two_rows_that_swap_a_line_break_are_not_taken_for_whole_ones() -> None:
    """Two events in one row, none in the next: as many lines as rows, and neither row is as it was written."""
    tag, state = CODEC.encode(EVERY_KIND[1])
    swapped = [(1, "plan", "P-7", 1, tag, state + b"\n" + state), (2, "plan", "P-7", 2, tag, b"")]
    assert [type(one) for one in CODEC.decode_all(swapped)] == [CorruptHistory, CorruptHistory]


@given(stored=stored_events())
def test_the_stored_form_is_canonical_json(stored: tuple[str, bytes]) -> None:
    """Keys are sorted at every level, there is no space between the parts, and no number is a float."""
    _, state = stored
    content = msgspec.json.decode(state)
    assert msgspec.json.encode(content, order="sorted") == state
    assert not _floats(content)


def _floats(content: Any) -> list[float]:
    if isinstance(content, Mapping):
        return [number for value in content.values() for number in _floats(value)]
    if isinstance(content, list):
        return [number for value in content for number in _floats(value)]
    return [content] if isinstance(content, float) else []


def test_a_stored_event_as_it_is_written() -> None:
    """One example, to the byte."""
    payment = PaymentMade(
        effective_on=D,
        reference="bank-1",
        amount=Money(15_000, "USD"),
        kind="regular",
        paid_at=datetime(2023, 5, 9, 21, 30, tzinfo=UTC),
    )
    recorded = RecordedEvent(
        stream_id="P-7",
        version=3,
        sequence=11,
        recorded_at=datetime(2023, 5, 11, 8, 0, 0, 250_000, tzinfo=UTC),
        actor="decider",
        correlation=None,
        key="bank-1",
        event=payment,
    )
    tag, state = CODEC.encode(recorded)
    assert tag == "payment_made.v1"
    assert state == (
        b'{"actor":"decider","correlation":null,"event":{"amount":{"currency":"USD","minor":15000},'
        b'"effective_on":"2023-05-10","kind":"regular","paid_at":"2023-05-09T21:30:00Z","reference":"bank-1"},'
        b'"key":"bank-1","recorded_at":"2023-05-11T08:00:00.250000Z"}'
    )
    assert decoded(tag, state) == recorded


def test_an_envelope_needs_a_version_a_sequence_and_an_instant_in_utc() -> None:
    """A version counts from 1, a sequence is not negative, and an instant with another offset is not stored."""
    first = EVERY_KIND[0]
    wrong: Sequence[Mapping[str, Any]] = (
        {"version": 0},
        {"sequence": -1},
        {"recorded_at": RECORDED_AT.replace(tzinfo=None)},
        {"recorded_at": datetime.fromisoformat("2035-01-01T12:00:00+03:00")},
    )
    for change in wrong:
        with pytest.raises(InvalidArgument) as caught:
            attrs.evolve(first, **change)
        assert {caught.value.argument} == set(change)


# ---- edited bytes


@given(stored=stored_events(), data=st.data())
def test_one_byte_changed(stored: tuple[str, bytes], data: st.DataObject) -> None:
    """One byte replaced is refused, or makes another event that is stored in exactly these bytes."""
    tag, state = stored
    at = data.draw(st.integers(0, len(state) - 1))
    byte = data.draw(st.integers(0, 255) | st.sampled_from(list(b'0123456789-"{}[],:. ')))
    assert_same_or_refused(tag, state[:at] + bytes([byte]) + state[at + 1 :])


@given(stored=stored_events(), data=st.data())
def test_one_byte_more_or_less(stored: tuple[str, bytes], data: st.DataObject) -> None:
    """One byte put in or left out is refused, or makes another event that is stored in exactly these bytes."""
    tag, state = stored
    at = data.draw(st.integers(0, len(state)))
    byte = data.draw(st.integers(0, 255) | st.sampled_from(list(b'0123456789-"{}[],:. ')))
    assert_same_or_refused(tag, state[:at] + bytes([byte]) + state[at:])
    assert_same_or_refused(tag, state[:at] + state[at + 1 :])


@pytest.mark.parametrize("recorded", EVERY_KIND, ids=lambda recorded: f"{recorded.kind}-{recorded.version}")
def test_every_byte_of_every_kind_of_event(recorded: RecordedEvent) -> None:
    """Each byte replaced by another digit, another letter, a space and a quote is refused or another event."""
    tag, state = CODEC.encode(recorded)
    for at, byte in enumerate(state):
        for other in {byte ^ 1, byte ^ 0x20, byte ^ 0x80, 0x20, 0x22, 0x2D, 0x30} - {byte}:
            assert_same_or_refused(tag, state[:at] + bytes([other]) + state[at + 1 :])


@given(stored=stored_events(), data=st.data())
def test_a_truncated_event_is_refused(stored: tuple[str, bytes], data: st.DataObject) -> None:
    """However much is cut off, at the end or at the beginning, the rest is no event."""
    tag, state = stored
    cut = data.draw(st.integers(1, len(state)))
    refused(tag, state[:-cut])
    refused(tag, state[cut:])


@given(stored=stored_events(), padding=st.binary(min_size=1, max_size=20) | st.sampled_from([b" ", b"\n", b"\x00"]))
def test_a_padded_event_is_refused(stored: tuple[str, bytes], padding: bytes) -> None:
    """Nothing may stand before or after it, a space or a line end included."""
    tag, state = stored
    refused(tag, state + padding)
    refused(tag, padding + state)


@given(stored=stored_events(), data=st.data())
def test_digits_put_into_numbers(stored: tuple[str, bytes], data: st.DataObject) -> None:
    """Numbers grown beyond all bounds are refused or another event; they break nothing."""
    tag, state = stored
    at = data.draw(st.sampled_from([at for at, byte in enumerate(state) if byte in b"0123456789"]))
    digits = data.draw(st.text("0123456789", min_size=1, max_size=60)).encode()
    assert_same_or_refused(tag, state[:at] + digits + state[at:])


@given(stored=stored_events(), other=st.sampled_from(sorted(CURRENT)))
def test_an_event_under_another_tag_is_refused(stored: tuple[str, bytes], other: str) -> None:
    """The bytes of one kind of event are no other kind."""
    tag, state = stored
    if other == tag:
        decoded(other, state)
    else:
        refused(other, state)


def _written(tag: str = "payment_made.v1") -> tuple[dict[str, Any], bytes]:
    state = next(CODEC.encode(recorded)[1] for recorded in EVERY_KIND if CODEC.encode(recorded)[0] == tag)
    content = msgspec.json.decode(state)
    assert isinstance(content, dict)
    return content, state


def test_an_unknown_field_is_refused() -> None:
    """An unknown field is refused at every level, the envelope included."""
    paths: Sequence[tuple[str, Sequence[str | int]]] = (
        ("payment_made.v1", ()),
        ("payment_made.v1", ("event",)),
        ("payment_made.v1", ("event", "amount")),
        ("plan_opened.v1", ("event", "lines", 0)),
        ("plan_opened.v1", ("event", "terms")),
        ("plan_opened.v1", ("event", "terms", "schedule")),
        ("plan_opened.v1", ("event", "terms", "promos", 0)),
        ("schedule_revised.v1", ("event", "lines", 0)),
    )
    for tag, path in paths:
        content, _ = _written(tag)
        part: Any = content
        for step in path:
            part = part[step]
        part["zzz"] = None
        refused(tag, msgspec.json.encode(content, order="sorted"))


@pytest.mark.parametrize("tag", sorted(CURRENT))
def test_a_missing_field_is_refused(tag: str) -> None:
    """Every field of every event is stored, and none of them may be left out, a default included."""
    content, _ = _written(tag)
    for field in content["event"]:
        less = {**content, "event": {key: value for key, value in content["event"].items() if key != field}}
        refused(tag, msgspec.json.encode(less, order="sorted"))
    for field in content:
        less = {key: value for key, value in content.items() if key != field}
        refused(tag, msgspec.json.encode(less, order="sorted"))
    for field in content["event"].get("terms", ()):
        terms = {key: value for key, value in content["event"]["terms"].items() if key != field}
        less = {**content, "event": {**content["event"], "terms": terms}}
        refused(tag, msgspec.json.encode(less, order="sorted"))


def test_a_duplicate_key_is_refused() -> None:
    """A key that comes twice is refused, with the same value as with another."""
    _, state = _written()
    for field in (b'"reference":"bank-1"', b'"reference":"bank-2"'):
        edited = state.replace(b'"reference":"bank-1"', field + b',"reference":"bank-1"')
        assert edited != state
        refused("payment_made.v1", edited)


def test_reordered_keys_are_refused() -> None:
    """Keys in any order but the sorted one are refused."""
    for tag in CURRENT:
        content, _ = _written(tag)
        refused(tag, msgspec.json.encode({key: content[key] for key in reversed(content)}))
        event = content["event"]
        backwards = {**content, "event": {key: event[key] for key in reversed(event)}}
        refused(tag, msgspec.json.encode(backwards))


@pytest.mark.parametrize("space", [b" ", b"\n", b"\t"])
def test_whitespace_is_refused(space: bytes) -> None:
    """A space anywhere between the parts is refused."""
    _, state = _written()
    for mark in (b",", b":", b"{", b"}"):
        refused("payment_made.v1", state.replace(mark, mark + space, 1))
        refused("payment_made.v1", state.replace(mark, space + mark, 1))


@pytest.mark.parametrize(
    ("tag", "before", "after"),
    [
        ("payment_made.v1", b'"minor":20000', b'"minor":-5'),
        ("payment_made.v1", b'"minor":20000', b'"minor":0'),
        ("payment_made.v1", b'"minor":20000', b'"minor":20000.0'),
        ("payment_made.v1", b'"minor":20000', b'"minor":2e4'),
        ("payment_made.v1", b'"minor":20000', b'"minor":"20000"'),
        ("payment_made.v1", b'"currency":"USD"', b'"currency":"USX"'),
        ("payment_made.v1", b'"kind":"regular"', b'"kind":"irregular"'),
        ("payment_made.v1", b'"2023-05-10"', b'"2023-02-29"'),
        ("payment_made.v1", b'"2023-05-10"', b'"2023-5-10"'),
        ("payment_made.v1", b'"2023-05-10"', b'"2023-05-10T00:00:00"'),
        ("payment_made.v1", b'"paid_at":null', b'"paid_at":"2023-05-10T09:00:00"'),
        ("payment_made.v1", b'"paid_at":null', b'"paid_at":"2023-05-10T09:00:00+00:00"'),
        ("payment_made.v1", b'"paid_at":null', b'"paid_at":"2023-05-10T09:00:00+03:00"'),
        ("payment_made.v1", b'"reference":"bank-1"', b'"reference":"bank-\\u0031"'),
        ("payment_made.v1", b'"reference":"bank-1"', b'"reference":""'),
        ("payment_made.v1", b'"reference":"bank-1"', b'"reference":null'),
        ("payment_made.v1", b'"actor":"decider"', b'"actor":7'),
        ("payment_reversed.v1", b'"cause":"chargeback"', b'"cause":"whim"'),
        ("installment_settled.v1", b'"number":1', b'"number":0'),
        ("installment_settled.v1", b'"shares":2300', b'"shares":-2300'),
        ("promo_applied.v1", b'"shares":170', b'"shares":0'),
        ("plan_cancelled.v1", b'"cause":"requested"', b'"cause":"grace_ended"'),
        ("plan_cancelled.v1", b'"request":"crm-1"', b'"request":null'),
        ("plan_completed.v1", b'"shares":', b'"shares":-'),
        ("outcome_voided.v1", b'"voids":', b'"voids":-'),
        ("plan_opened.v1", b'"rate":"23"', b'"rate":"46/2"'),
        ("plan_opened.v1", b'"kind":"per_unit"', b'"kind":"per_dozen"'),
        ("plan_opened.v1", b'"kind":"per_unit"', b'"kind":"portion"'),
        ("plan_opened.v1", b'"kind":"full_cover"', b'"kind":["full_cover"]'),
        ("plan_opened.v1", b'"timezone":"Europe/Moscow"', b'"timezone":"Europe Moscow"'),
        ("plan_opened.v1", b'"grace_days":19', b'"grace_days":-1'),
        ("plan_opened.v1", b'"code":"spring"', b'"code":"double"'),
        ("plan_opened.v1", b'"rate_bp":500', b'"rate_bp":0'),
        ("plan_opened.v1", b'"shares":34000', b'"shares":9199'),
        ("plan_opened.v1", b'"amount":10000', b'"amount":10001'),
    ],
)
def test_an_event_is_read_through_its_constructor(tag: str, before: bytes, after: bytes) -> None:
    """A value refused by its constructor is refused in the store too, however neatly it was edited."""
    _, state = _written(tag)
    assert before in state
    refused(tag, state.replace(before, after, 1))


def _explicit_terms() -> bytes:
    terms = PlanTerms(
        price=Money.of("2.00", "USD"),
        shares=100,
        installments=2,
        schedule=ExplicitSchedule(((D, 120), (D + DAY, 80))),
        release=ExplicitRelease((20, 30)),
        timezone="UTC",
    )
    (recorded,) = decide((), opening(terms, D), Metadata(recorded_at=RECORDED_AT))
    return CODEC.encode(recorded)[1]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'[["2023-05-10",120]', b'[["2023-05-10",-5]'),
        (b'[["2023-05-10",120]', b'[["2023-05-10",0]'),
        (b'[["2023-05-10",120]', b'[["2023-05-12",120]'),
        (b'[["2023-05-10",120]', b'[["2023-05-10",120,1]'),
        (b'"shares":[20,30]', b'"shares":[20,-30]'),
    ],
)
def test_explicit_lines_and_releases_are_read_through_their_constructors(before: bytes, after: bytes) -> None:
    """In the store too, explicit lines have positive amounts on increasing dates, and no release is negative."""
    state = _explicit_terms()
    assert before in state
    refused("plan_opened.v1", state.replace(before, after, 1))


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"7",
        b'"event"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"actor":' + b"[" * 100_000,
        b'{"zzz":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=[
        "nothing",
        "null",
        "list",
        "empty",
        "number",
        "text",
        "bytes",
        "deep list",
        "deep",
        "deep field",
        "deep extra",
    ],
)
def test_anything_but_an_event_is_refused(state: bytes) -> None:
    """The refusal names plan, version and tag for any bytes in the store."""
    for tag in CURRENT:
        refused(tag, state)


@pytest.mark.parametrize("tag", ["payment_made.v2", "payment_made", "PaymentMade", "payment_made.v1 ", "", "x.v1"])
def test_an_unknown_tag_is_refused_by_name(tag: str) -> None:
    """An event that this version does not know is refused with its tag, and the way out is a newer version."""
    _, state = _written()
    error = refused(tag, state)
    assert isinstance(error, WrittenByNewerVersion)
    assert error.reason == "unknown event"
    assert str(error).endswith("; written by a newer version of this library: upgrade installment-ledger.")


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (b'"kind":"on_time"', b'"kind":"loyalty"', "unknown kind 'loyalty' of promo"),
        (b'"kind":"double_payment"', b'"kind":"triple_payment"', "unknown kind 'triple_payment' of promo"),
        (b'"kind":"per_unit"', b'"kind":"per_dozen"', "unknown kind 'per_dozen' of release"),
        (b'"kind":"monthly"', b'"kind":"weekly"', "unknown kind 'weekly' of schedule"),
        (b'"kind":"full_cover"', b'"kind":"no_cover"', "unknown kind 'no_cover' of reinstatement"),
    ],
)
def test_an_unknown_kind_of_terms_was_written_by_a_newer_version(before: bytes, after: bytes, reason: str) -> None:
    """A kind of promotion, release, schedule or reinstatement that this version does not know asks for an upgrade."""
    _, state = _written("plan_opened.v1")
    assert before in state
    error = refused("plan_opened.v1", state.replace(before, after, 1))
    assert isinstance(error, WrittenByNewerVersion)
    assert error.reason == reason
    assert error.remedy == "written by a newer version of this library: upgrade installment-ledger"


@pytest.mark.parametrize(
    "kind", [b"null", b"7", b'["per_unit"]', b'{"per":"unit"}'], ids=["none", "number", "list", "object"]
)
def test_a_kind_that_is_no_word_was_written_by_nobody(kind: bytes) -> None:
    """A kind is a word: anything else is no newer version's, and the history is to be compared with a backup."""
    _, state = _written("plan_opened.v1")
    error = refused("plan_opened.v1", state.replace(b'"kind":"per_unit"', b'"kind":' + kind, 1))
    assert not isinstance(error, WrittenByNewerVersion)
    assert error.remedy == "stop, and compare the stored history with a backup"


@pytest.mark.parametrize(
    ("tag", "before", "after"),
    [
        ("payment_made.v1", b'"minor":20000', b'"minor":-5'),
        ("payment_made.v1", b'"reference":"bank-1"', b'"reference":" bank-1"'),
        ("payment_made.v1", b"}", b"}}"),
        ("payment_made.v1", b'"recorded_at":"2035-01-01T12:00:00Z"', b'"recorded_at":"2035-01-01T12:00:00"'),
        ("plan_opened.v1", b'"rate":"23"', b'"rate":"46/2"'),
    ],
)
def test_a_refusal_is_one_sentence(tag: str, before: bytes, after: bytes) -> None:
    """The fault and the remedy are one sentence with one full stop, wherever it was found."""
    _, state = _written(tag)
    assert before in state
    sentence = str(refused(tag, state.replace(before, after, 1)))
    assert sentence.endswith("; stop, and compare the stored history with a backup.")
    assert not {". ", ".;"} & {sentence[at : at + 2] for at in range(len(sentence))}


# ---- versions


@attrs.frozen(kw_only=True)
class PaymentMadeV0:
    """How a payment might once have been stored: in dollars and cents, and without its kind."""

    effective_on: date
    reference: str
    dollars: int
    cents: int

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.cents <= 99:
            raise InvalidArgument(argument="cents", given=self.cents, expected="0 to 99")


@attrs.frozen(kw_only=True)
class PaymentMadeV2:
    """How a payment might one day be stored: with the channel by which it came."""

    effective_on: date
    reference: str
    amount: Money
    kind: str
    paid_at: datetime | None
    channel: str

    def __attrs_post_init__(self) -> None:
        if self.channel not in ("bank", "unknown"):
            raise InvalidArgument(argument="channel", given=self.channel, expected="'bank' or 'unknown'")


def from_v0(old: PaymentMadeV0) -> PaymentMade:
    """Return a payment of version 0 as version 1."""
    amount = Money(old.dollars * 100 + old.cents, "USD")
    return PaymentMade(
        effective_on=old.effective_on, reference=old.reference, amount=amount, kind="regular", paid_at=None
    )


def from_v1(old: PaymentMade) -> PaymentMadeV2:
    """Return a payment of version 1 as version 2."""
    return PaymentMadeV2(
        effective_on=old.effective_on,
        reference=old.reference,
        amount=old.amount,
        kind=old.kind,
        paid_at=old.paid_at,
        channel="unknown",
    )


V0 = Retired(shape=PaymentMadeV0, next_tag="payment_made.v1", upcast=from_v0)
V1 = Retired(shape=PaymentMade, next_tag="payment_made.v2", upcast=from_v1)
ONE_STEP = Codec(current=CURRENT, retired={"payment_made.v0": V0})
TWO_STEPS = Codec(
    current={tag: shape for tag, shape in CURRENT.items() if tag != "payment_made.v1"}
    | {"payment_made.v2": PaymentMadeV2},
    retired={"payment_made.v0": V0, "payment_made.v1": V1},
)
STATE_V0 = (
    b'{"actor":"decider","correlation":null,"event":{"cents":5,"dollars":150,"effective_on":"2023-05-10",'
    b'"reference":"bank-1"},"key":"bank-1","recorded_at":"2023-05-11T08:00:00Z"}'
)
READ_V0 = PaymentMade(effective_on=D, reference="bank-1", amount=Money(15_005, "USD"), kind="regular", paid_at=None)


def test_a_retired_version_is_read_as_the_next_one() -> None:
    """Bytes of a retired version come back as the current event, in their own envelope."""
    recorded = decoded("payment_made.v0", STATE_V0, ONE_STEP)
    assert recorded == RecordedEvent(
        stream_id="P-7",
        version=3,
        sequence=11,
        recorded_at=datetime(2023, 5, 11, 8, tzinfo=UTC),
        actor="decider",
        correlation=None,
        key="bank-1",
        event=READ_V0,
    )


def test_a_retired_version_is_no_longer_written() -> None:
    """An event read from an old version is written in the current one; the codec writes no event of the old shape."""
    recorded = decoded("payment_made.v0", STATE_V0, ONE_STEP)
    tag, state = ONE_STEP.encode(recorded)
    assert tag == "payment_made.v1"
    assert decoded(tag, state, ONE_STEP) == recorded


def test_the_other_events_are_read_as_before() -> None:
    """Retiring one version changes nothing for all others."""
    for recorded in EVERY_KIND:
        tag, state = CODEC.encode(recorded)
        assert ONE_STEP.encode(recorded) == (tag, state)
        assert decoded(tag, state, ONE_STEP) == decoded(tag, state)


def test_versions_are_upcast_step_by_step() -> None:
    """Version 0 becomes 1 and then 2, version 1 becomes 2, and both end in the same current event."""
    expected: object = from_v1(READ_V0)
    _, state_v1 = ONE_STEP.encode(decoded("payment_made.v0", STATE_V0, ONE_STEP))
    for tag, state in (("payment_made.v0", STATE_V0), ("payment_made.v1", state_v1)):
        recorded = decoded(tag, state, TWO_STEPS)
        event: object = recorded.event
        assert event == expected
        new_tag, new_state = TWO_STEPS.encode(recorded)
        assert new_tag == "payment_made.v2"
        assert decoded(new_tag, new_state, TWO_STEPS) == recorded


@pytest.mark.parametrize(
    "edited",
    [
        STATE_V0.replace(b'"cents":5,"dollars":150', b'"dollars":150,"cents":5'),
        STATE_V0.replace(b'"cents":5', b'"cents": 5'),
        STATE_V0.replace(b'"cents":5', b'"cents":5,"cents":5'),
        STATE_V0.replace(b'"cents":5', b'"cents":5.0'),
        STATE_V0.replace(b'"cents":5', b'"amount":1,"cents":5'),
        STATE_V0.replace(b'"cents":5,', b""),
        STATE_V0 + b" ",
        STATE_V0[:-1],
        STATE_V0.replace(b'"bank-1"},', b'"bank-\\u0031"},'),
    ],
)
def test_bytes_that_are_not_canonical_in_the_old_form_are_refused(edited: bytes) -> None:
    """An old event must re-encode to its bytes in its own old form; the refusal names the old tag."""
    assert edited != STATE_V0
    for codec in (ONE_STEP, TWO_STEPS):
        refused("payment_made.v0", edited, codec)


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (b'"cents":5', b'"cents":100', "cents is 100; expected 0 to 99"),
        (b'"cents":5', b'"cents":-1', "cents is -1; expected 0 to 99"),
        (b'"cents":5,"dollars":150', b'"cents":0,"dollars":0', "amount is 0; expected a whole number from 1"),
        (b'"reference":"bank-1"', b'"reference":""', "reference is ''"),
    ],
)
def test_an_old_event_is_checked_by_its_own_constructor_and_by_the_next(
    before: bytes, after: bytes, reason: str
) -> None:
    """A value refused by the old shape, or by the current one after the upcast, is a corrupt history."""
    assert before in STATE_V0
    for codec in (ONE_STEP, TWO_STEPS):
        assert reason in refused("payment_made.v0", STATE_V0.replace(before, after), codec).reason


@given(data=st.data())
def test_one_byte_changed_in_an_old_event(data: st.DataObject) -> None:
    """One byte replaced in an old event is refused by its tag, or makes another old event of exactly these bytes."""
    at = data.draw(st.integers(0, len(STATE_V0) - 1))
    byte = data.draw(st.integers(0, 255) | st.sampled_from(list(b'0123456789-"{}[],:. ')))
    edited = STATE_V0[:at] + bytes([byte]) + STATE_V0[at + 1 :]
    written_then = Codec(current={**CURRENT, "payment_made.v0": PaymentMadeV0}, retired={})
    result = attempt("payment_made.v0", edited, ONE_STEP)
    if isinstance(result, CorruptHistory):
        assert (result.plan_id, result.version, result.event) == ("P-7", 3, "payment_made.v0")
    else:
        assert isinstance(result.event, PaymentMade)
        assert written_then.encode(decoded("payment_made.v0", edited, written_then)) == ("payment_made.v0", edited)


def test_todays_codec_does_not_know_the_versions_of_these_tests() -> None:
    """A version is known only where it is registered, as current or as retired."""
    assert isinstance(refused("payment_made.v0", STATE_V0), WrittenByNewerVersion)
    assert isinstance(refused("payment_made.v2", STATE_V0, ONE_STEP), WrittenByNewerVersion)


# ---- impossible values


def test_events_refuse_impossible_values() -> None:
    """A voiding names versions from 1, an opening readable text."""
    with pytest.raises(InvalidArgument, match="voids is 0; expected a whole number from 1"):
        OutcomeVoided(D, voids=0, shares=0, because=1)
    with pytest.raises(InvalidArgument, match="because is 0; expected a whole number from 1"):
        OutcomeVoided(D, voids=1, shares=0, because=0)
    opened = EVERY_KIND[0].event
    assert isinstance(opened, PlanOpened)
    with pytest.raises(InvalidArgument, match="investor is ''"):
        attrs.evolve(opened, investor="")
    with pytest.raises(InvalidArgument, match="opened_at is .*; expected an instant in UTC"):
        attrs.evolve(opened, opened_at=datetime.fromisoformat("2023-05-10T12:00:00+03:00"))


def test_a_portion_is_kept_as_it_was_agreed() -> None:
    """A third stays a third in the store: no fraction is written as a decimal."""
    opened = EVERY_KIND[0].event
    assert isinstance(opened, PlanOpened)
    terms = attrs.evolve(opened.terms, release=Portion("1/3"))
    recorded = attrs.evolve(EVERY_KIND[0], event=attrs.evolve(opened, terms=terms))
    assert b'"release":{"fraction":"1/3","kind":"portion"}' in CODEC.encode(recorded)[1]
