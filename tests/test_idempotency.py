"""Idempotency: a key names one command for good. Repeated it records nothing, with other content it is a conflict.

The key is the plan id for an opening, the payment's reference for a reversal, else the command's own reference.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, cast

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ledger import Ledger, Money, PaymentNotFound, PlanNotFound, ReferenceConflict, TermsRefused
from ledger.commands import (
    CancelPlan,
    Change,
    ClosePlan,
    Command,
    Metadata,
    OpenPlan,
    RecordPayment,
    ReinstatePlan,
    ReversePayment,
)
from ledger.decide import decide, repeats
from ledger.plan import Plan
from ledger.terms import Closed, EveryDays, ExplicitSchedule, FullCover, Monthly, PackageBonus, PlanTerms, Portion
from tests import examples
from tests.attempts import attempts_with_closings
from tests.examples import OPENED_ON, TERMS, open_plan, usd
from tests.plans import (
    DAY,
    DUE,
    TEN,
    D,
    attempt,
    cancel,
    charge_back,
    close,
    opening,
    pay,
    record,
    reinstate,
    reverse,
)
from tests.strategies import METADATA, RECORDED_AT, History, histories, one_in

# ---- the envelope


@one_in(6)
@given(commands=attempts_with_closings())
def test_an_envelope_carries_the_key_and_the_metadata_of_its_command(commands: list[Command]) -> None:
    """Versions count on without a gap; key, actor and instant are those of the command."""
    version = 0
    for attempted in attempt(commands):
        for recorded in attempted.events:
            version += 1
            assert (recorded.plan_id, recorded.version, recorded.sequence) == ("P-1", version, 0)
            assert (recorded.actor, recorded.correlation, recorded.recorded_at) == ("decider", None, RECORDED_AT)
            match attempted.command:
                case OpenPlan():
                    key = "P-1"
                case ClosePlan(through=through):
                    key = through.isoformat()
                case Change(reference=reference):
                    key = reference
            assert recorded.key == key


def test_events_carry_the_correlation_of_their_command() -> None:
    """All of them, and those of a later command its own."""
    events = record(pay(D, installments=2), metadata=attrs.evolve(METADATA, correlation="case-7"))
    assert [recorded.correlation for recorded in events] == ["case-7"] * 4
    assert {recorded.correlation for recorded in decide(events, close(DUE[3]), METADATA)} == {None}


# ---- repeated


@one_in(6)
@given(history=histories())
def test_an_accepted_command_repeated_records_nothing(history: History) -> None:
    """Repeated at any time, by any actor, under any correlation, the very same command records nothing."""
    again = Metadata(recorded_at=RECORDED_AT + 30 * DAY, actor="somebody else", correlation="second try")
    for command in (history.opening, *history.accepted):
        assert decide(history.events, command, METADATA) == ()
        assert decide(history.events, command, again) == ()


@one_in(6)
@given(history=histories())
def test_a_repeat_is_known_before_it_is_decided(history: History) -> None:
    """Each accepted command repeats what is recorded; with one argument changed, and before it was recorded, none."""
    plan, opened = Plan(history.events), Plan(history.events[:1])
    for command in (history.opening, *history.accepted):
        assert repeats(plan, command) is True
        assert repeats(opened, command) is (command == history.opening)
        for other, _ in with_other_content(command):
            assert repeats(plan, other) is False
    assert repeats(plan, ClosePlan(plan_id="P-1", through=plan.horizon)) is False
    unknown = ReversePayment(plan_id="P-1", reference="no such payment", cause="error", on=None)
    assert repeats(plan, unknown) is False


def test_a_repeated_command_returns_an_empty_tuple(books: Ledger) -> None:
    """The same key and content is the same command, whoever repeats it and whenever."""
    assert open_plan(books) == ()
    assert examples.pay(books, OPENED_ON, "bank-1") == ()
    assert (
        books.record_payment(
            "P-1",
            reference="bank-1",
            amount=usd("150.00"),
            paid_at=datetime(2023, 4, 10, 23, 59, tzinfo=timezone(timedelta(hours=3))),
            actor="someone else",
            correlation="a retry",
        )
        == ()
    )
    books.cancel_plan("P-1", reference="crm-1", on=D, reason="asked")
    assert books.cancel_plan("P-1", reference="crm-1", on=D, reason="asked", actor="x") == ()
    assert examples.pay(books, OPENED_ON, "bank-1") == ()
    books.reverse_payment("P-1", reference="bank-1", cause="chargeback", on=D)
    assert books.reverse_payment("P-1", reference="bank-1", cause="chargeback", on=D) == ()
    assert len(books.history("P-1")) == 7


def test_a_civil_date_stands_for_its_instant() -> None:
    """A payment repeated with an instant of the same day in the plan's zone is the same payment; of another, not."""
    events = record(pay(D))
    midnight_in_moscow = datetime(D.year, D.month, D.day, tzinfo=UTC) - timedelta(hours=3)
    second = timedelta(seconds=1)
    for instant, dated in (
        (midnight_in_moscow - second, D - DAY),
        (midnight_in_moscow, D),
        (midnight_in_moscow + DAY - second, D),
        (midnight_in_moscow + DAY, D + DAY),
    ):
        again = attrs.evolve(pay(D), paid_at=instant)
        if dated == D:
            assert decide(events, again, METADATA) == ()
        else:
            with pytest.raises(ReferenceConflict) as caught:
                decide(events, again, METADATA)
            assert (caught.value.field, caught.value.recorded, caught.value.given) == ("paid_at", D, dated)


def test_a_reversal_for_error_is_the_same_under_any_stated_date() -> None:
    """An error is effective from the payment's own date: a stated date is no content of it."""
    events = record(pay(D), reverse())
    stated = ReversePayment(plan_id="P-1", reference="bank-1", cause="error", on=D + 7 * DAY)
    assert decide(events, stated, METADATA) == ()
    with pytest.raises(ReferenceConflict) as caught:
        decide(events, charge_back(D + 7 * DAY), METADATA)
    assert caught.value.field == "cause"


# ---- other content


def conflict(before: Sequence[Command], command: Command) -> ReferenceConflict:
    """Return the conflict of a command with what is recorded."""
    with pytest.raises(ReferenceConflict) as caught:
        decide(record(*before), command, METADATA)
    return caught.value


def test_a_conflict_says_what_is_recorded() -> None:
    """The plan, the key, the argument, and both values; of another kind of command both kinds."""
    other = "repeat it with the same content, or use a new reference"
    opened = "a plan stays as it was opened: repeat the opening as it is recorded"
    money, day = attrs.evolve(pay(D), amount=Money(10_001, "USD")), cancel(D + DAY)
    later = attrs.evolve(TEN, grace_days=20)
    for before, command, (key, field, values, remedy) in (
        ([pay(D)], money, ("bank-1", "amount", (Money(10_000, "USD"), Money(10_001, "USD")), other)),
        ([pay(D)], pay(D + DAY), ("bank-1", "paid_at", (D, D + DAY), other)),
        ([cancel(D)], day, ("crm-1", "on", (D, D + DAY), other)),
        ([cancel(D)], pay(D, "crm-1"), ("crm-1", "command", ("CancellationRequested", "PaymentMade"), other)),
        ([pay(D)], cancel(D, "bank-1"), ("bank-1", "command", ("PaymentMade", "CancellationRequested"), other)),
        ([pay(D), reverse()], charge_back(D), ("bank-1", "cause", ("error", "chargeback"), other)),
        ([], opening(TEN, OPENED_ON + DAY), ("P-1", "opened_at", (OPENED_ON, OPENED_ON + DAY), opened)),
        ([], opening(later), ("P-1", "terms.grace_days", (19, 20), opened)),
    ):
        found = conflict(before, command)
        assert (found.plan_id, found.reference, found.field, found.remedy) == ("P-1", key, field, remedy)
        assert (found.recorded, found.given, found.item, found.items) == (*values, None, None)


def test_terms_of_other_kinds_conflict_without_an_item() -> None:
    """A schedule of lines has an item that differs from another of lines, and none from a monthly one."""
    lines = ExplicitSchedule(tuple((due_on, 10_000) for due_on in DUE))
    history = record(terms=attrs.evolve(TEN, schedule=lines))
    for other in (Monthly(), EveryDays(30)):
        with pytest.raises(ReferenceConflict) as caught:
            decide(history, opening(attrs.evolve(TEN, schedule=other)), METADATA)
        found = caught.value
        assert (found.field, found.recorded, found.given) == ("terms.schedule", lines, other)
        assert (found.item, found.items) == (None, None)
    assert conflict([], opening(attrs.evolve(TEN, schedule=lines))).item is None


def test_a_reversal_of_no_payment_names_both() -> None:
    """The plan and the reference."""
    with pytest.raises(PaymentNotFound) as caught:
        decide(record(), reverse("bank-404"), METADATA)
    assert (caught.value.plan_id, caught.value.reference) == ("P-1", "bank-404")


def test_the_command_of_an_unknown_plan_names_it() -> None:
    """Whatever the command is, but for an opening."""
    for command in (pay(D), cancel(D), reverse(), close(D)):
        with pytest.raises(PlanNotFound) as caught:
            decide((), command, METADATA)
        assert (caught.value.plan_id, caught.value.as_of) == ("P-1", None)


def test_terms_that_are_refused_are_those_of_the_plan() -> None:
    """The refusal names it."""
    with pytest.raises(TermsRefused) as caught:
        decide((), opening(attrs.evolve(TEN, first_due_on=OPENED_ON - DAY)), METADATA)
    assert caught.value.plan_id == "P-1"


def with_other_content(command: Command) -> list[tuple[Command, str]]:
    """Return the command with one argument changed at a time, and the name of that argument."""
    changed: dict[str, Any] = {}
    match command:
        case OpenPlan(investor=investor, opened_at=opened_at, terms=terms):
            changed = {"investor": f"{investor}-2", "partner": None, "opened_at": opened_at - DAY}
            return [
                *_evolved(command, changed),
                *(
                    (attrs.evolve(command, terms=attrs.evolve(terms, **{field: value})), f"terms.{field}")
                    for field, value in _other_terms(terms).items()
                ),
            ]
        case RecordPayment(amount=amount, paid_at=paid_at, kind=kind):
            other = "early_repayment" if kind == "regular" else "regular"
            changed = {"amount": Money(amount.minor + 1, amount.currency), "paid_at": paid_at + DAY, "kind": other}
        case ReversePayment(cause="error"):
            changed = {"cause": "chargeback"}
        case ReversePayment(on=date() as on):
            changed = {"cause": "error", "on": on + DAY}
        case CancelPlan(on=on, reason=reason):
            changed = {"on": on - DAY, "reason": f"{reason} again"}
        case ReinstatePlan(on=on, amount=amount, revised_shares=shares):
            changed = {
                "on": on + DAY,
                "amount": Money(amount.minor, "EUR"),
                "approved_by": "somebody else",
                "reason": "another",
                "revised_shares": 1 if shares is None else None,
            }
    return _evolved(command, changed)


def _evolved(command: Command, changed: dict[str, Any]) -> list[tuple[Command, str]]:
    return [(attrs.evolve(command, **{field: value}), field) for field, value in changed.items()]


def _other_terms(terms: PlanTerms) -> dict[str, Any]:
    return {
        "shares": terms.shares + 1,
        "timezone": "UTC" if terms.timezone != "UTC" else "Europe/Moscow",
        "grace_days": terms.grace_days + 1,
        "stacking": "compound" if terms.stacking != "compound" else "additive",
        "promos": (*terms.promos, PackageBonus(code="one more", rate_bp=1)),
        "reinstatement": Closed() if terms.reinstatement != Closed() else FullCover(),
    }


@one_in(6)
@given(data=st.data())
def test_one_argument_changed_is_a_conflict_that_names_it(data: st.DataObject) -> None:
    """The same key with other content is a conflict with the field, the recorded value and the given one."""
    history = data.draw(histories())
    command = data.draw(st.sampled_from((history.opening, *history.accepted)))
    for other, field in with_other_content(command):
        with pytest.raises(ReferenceConflict) as caught:
            decide(history.events, other, METADATA)
        conflict = caught.value
        assert conflict.field == field
        assert conflict.recorded != conflict.given
        name = field.removeprefix("terms.")
        source = other.terms if isinstance(other, OpenPlan) and name != field else other
        assert conflict.given == getattr(source, name)
        assert conflict.reference == getattr(command, "reference", "P-1")
        assert f"recorded with {field} " in str(conflict)


@one_in(6)
@given(data=st.data())
def test_a_key_taken_by_another_kind_of_command_is_a_conflict(data: st.DataObject) -> None:
    """Payments, reinstatements and cancellations share their references: the kind itself is in conflict."""
    history = data.draw(histories())
    opened = history.opened
    keyed = [command for command in history.accepted if isinstance(command, (RecordPayment, CancelPlan, ReinstatePlan))]
    assume(keyed)
    command = data.draw(st.sampled_from(keyed))
    reference, on, currency = command.reference, opened.effective_on, opened.terms.price.currency
    others: list[Command] = [
        cancel(on, reference),
        attrs.evolve(pay(on, reference), amount=Money(1, currency)),
        attrs.evolve(reinstate(on, reference), amount=Money(1, currency)),
    ]
    for other in others:
        if type(other) is not type(command):
            with pytest.raises(ReferenceConflict) as caught:
                decide(history.events, other, METADATA)
            assert caught.value.field == "command"


def test_every_argument_of_every_command_is_content(books: Ledger) -> None:
    """Whichever argument differs, the conflict names it and nothing is recorded."""
    books.cancel_plan("P-1", reference="crm-1", on=D, reason="asked")
    books.reverse_payment("P-1", reference="bank-1", cause="chargeback", on=D)
    payment: dict[str, Any] = {"reference": "bank-1", "amount": usd("150.00"), "paid_at": OPENED_ON}
    opening: dict[str, Any] = {"investor": "I-7", "partner": "N-3", "terms": TERMS, "opened_at": OPENED_ON}
    calls: dict[str, Callable[[], Any]] = {
        "amount": lambda: books.record_payment("P-1", **payment | {"amount": usd("150.01")}),
        "paid_at": lambda: books.record_payment("P-1", **payment | {"paid_at": OPENED_ON + DAY}),
        "kind": lambda: books.record_payment("P-1", **payment, kind="early_repayment"),
        "investor": lambda: books.open_plan("P-1", **opening | {"investor": "I-8"}),
        "partner": lambda: books.open_plan("P-1", **opening | {"partner": None}),
        "opened_at": lambda: books.open_plan(
            "P-1", **opening | {"opened_at": OPENED_ON - DAY, "terms": attrs.evolve(TERMS, first_due_on=OPENED_ON)}
        ),
        "terms.grace_days": lambda: books.open_plan("P-1", **opening | {"terms": attrs.evolve(TERMS, grace_days=20)}),
        "on": lambda: books.cancel_plan("P-1", reference="crm-1", on=D + DAY, reason="asked"),
        "reason": lambda: books.cancel_plan("P-1", reference="crm-1", on=D, reason="asked again"),
        "cause": lambda: books.reverse_payment("P-1", reference="bank-1", cause="error"),
        "command": lambda: books.record_payment("P-1", **payment | {"reference": "crm-1"}),
    }
    for field, call in calls.items():
        with pytest.raises(ReferenceConflict, match="is recorded with") as caught:
            call()
        assert caught.value.field == field
    assert len(books.history("P-1")) == 7


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("price", Money.of("1000.00", "EUR")),
        ("price", Money.of("1000.01", "USD")),
        ("installments", 11),
        ("rounding_unit", 2),
        ("release", Portion("1/2")),
        ("schedule", EveryDays(30)),
        ("first_due_on", D + DAY),
        *_other_terms(TEN).items(),
    ],
)
def test_an_opening_under_other_terms_is_a_conflict_that_names_the_term(field: str, other: object) -> None:
    """The plan id is the key of an opening, and each of the terms is its content."""
    with pytest.raises(ReferenceConflict) as caught:
        decide(record(), opening(attrs.evolve(TEN, **cast(Any, {field: other}))), METADATA)
    assert (caught.value.field, caught.value.recorded, caught.value.given) == (
        f"terms.{field}",
        getattr(TEN, field),
        other,
    )


def test_an_opening_on_another_day_is_a_conflict_that_names_the_day() -> None:
    """Also where the first due date is left to be the opening date: the caller changed `opened_at`."""
    terms = attrs.evolve(TEN, first_due_on=None)
    for other in (OPENED_ON - DAY, OPENED_ON + DAY):
        with pytest.raises(ReferenceConflict) as caught:
            decide(record(terms=terms), opening(terms, other), METADATA)
        assert caught.value.field == "opened_at"
    assert decide(record(terms=terms), opening(terms, OPENED_ON), METADATA) == ()
