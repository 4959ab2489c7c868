"""Refusals: each says which plan, fact and date it is about, and the remedy; the sentences are held letter by letter.

On the other side of each boundary the same fact is accepted (RULES.md sections 1, 5, 6, 9 and 10).
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import attrs
import pytest

from ledger.commands import Command, Metadata
from ledger.decide import decide
from ledger.errors import (
    CommandRefused,
    Overpayment,
    PaymentRefused,
    PlanIsCancelled,
    PlanIsCompleted,
    ReinstatementRefused,
)
from ledger.events import RecordedEvent
from ledger.money import Money
from ledger.terms import Closed, FullCover, PartialCover, PlanTerms
from tests.examples import OPENED_ON
from tests.plans import (
    DAY,
    DUE,
    TEN,
    D,
    agreed,
    cancel,
    charge_back,
    close,
    opening,
    pay,
    pay_each,
    record,
    reinstate,
)
from tests.strategies import METADATA

NIGHT = Metadata(recorded_at=datetime(2023, 7, 1, 22, tzinfo=UTC), actor="clerk")
"""Recorded at 22:00 in UTC: on 2 July in Moscow."""

TODAY = date(2023, 7, 2)
CANCELLED = (pay(D), cancel(D + 9 * DAY))
COMPLETED = pay_each(DUE)


def refusal(
    command: Command, before: Sequence[Command] = (), *, terms: PlanTerms = TEN, metadata: Metadata = METADATA
) -> CommandRefused:
    """Return the refusal of a command on a plan with a history."""
    with pytest.raises(CommandRefused) as caught:
        decide(record(*before, terms=terms, metadata=metadata), command, metadata)
    return caught.value


def euros(command: Any) -> Any:
    """Return a command with its money in another currency than the plan's."""
    return attrs.evolve(command, amount=attrs.evolve(command.amount, currency="EUR"))


# ---- dates


@pytest.mark.parametrize(
    ("late", "in_time", "kind", "reference"),
    [
        (pay(TODAY + DAY), pay(TODAY), PaymentRefused, "bank-1"),
        (charge_back(TODAY + DAY, "bank-0"), charge_back(TODAY, "bank-0"), PaymentRefused, "bank-0"),
        (cancel(TODAY + DAY), cancel(TODAY), CommandRefused, "crm-1"),
        (reinstate(TODAY + DAY), reinstate(TODAY), ReinstatementRefused, "bank-9"),
    ],
)
def test_a_fact_dated_after_the_day_of_its_recording_says_so(
    late: Command, in_time: Command, kind: type[CommandRefused], reference: str
) -> None:
    """The day after is refused, by the plan's clock and not by that of UTC; the day of the recording is not."""
    before = [pay(OPENED_ON, "bank-0"), *([cancel(D)] if kind is ReinstatementRefused else [])]
    refused = refusal(late, before, metadata=NIGHT)
    assert type(refused) is kind
    assert getattr(refused, "reference", reference) == reference
    assert str(refused) == (
        f"Plan P-1: {reference!r} is dated 2023-07-03, after 2023-07-02, the day of its recording; "
        "record it on that day or later."
    )
    terms = attrs.evolve(TEN, grace_days=60)
    assert decide(record(*before, terms=terms, metadata=NIGHT), in_time, NIGHT)


def test_an_opening_or_a_closing_after_the_day_of_its_recording_says_so() -> None:
    """They are acts and not facts of an opened plan, and name the time zone."""
    terms = attrs.evolve(TEN, first_due_on=None)
    acts: list[tuple[str, Command, Command, tuple[RecordedEvent, ...]]] = [
        ("closing", close(TODAY + DAY), close(TODAY), record(metadata=NIGHT)),
        ("opening", opening(terms, TODAY + DAY), opening(terms, TODAY), ()),
    ]
    for act, late, in_time, history in acts:
        with pytest.raises(CommandRefused) as caught:
            decide(history, late, NIGHT)
        assert type(caught.value) is CommandRefused
        assert str(caught.value) == (
            f"Plan P-1: the {act} is dated 2023-07-03, after 2023-07-02, the day of its recording in Europe/Moscow; "
            "record it on that day or later."
        )
        assert decide(history, in_time, NIGHT)


@pytest.mark.parametrize(
    ("command", "kind", "reference"),
    [
        (pay(OPENED_ON - DAY), PaymentRefused, "bank-1"),
        (charge_back(OPENED_ON - DAY, "bank-0"), PaymentRefused, "bank-0"),
        (cancel(OPENED_ON - DAY), CommandRefused, "crm-1"),
        (reinstate(OPENED_ON - DAY), ReinstatementRefused, "bank-9"),
    ],
)
def test_a_fact_dated_before_the_opening_says_so(command: Command, kind: type[CommandRefused], reference: str) -> None:
    """The day before the opening is refused, with both dates."""
    refused = refusal(command, [pay(OPENED_ON, "bank-0")])
    assert type(refused) is kind
    assert getattr(refused, "reference", reference) == reference
    assert str(refused) == (
        f"Plan P-1: {reference!r} is dated 2023-04-09, before the opening on 2023-04-10; check the plan and the date."
    )


@pytest.mark.parametrize(("shift", "accepted"), [(-1, False), (0, True), (1, True)])
def test_a_chargeback_before_its_payment_says_so(shift: int, *, accepted: bool) -> None:
    """A payment can be charged back on its own date."""
    if accepted:
        assert decide(record(pay(D)), charge_back(D + shift * DAY), METADATA)
        return
    refused = refusal(charge_back(D + shift * DAY), [pay(D)])
    assert (type(refused), refused.plan_id) == (PaymentRefused, "P-1")
    assert str(refused) == (
        "Plan P-1: payment 'bank-1' of 2023-05-10 cannot be charged back on 2023-05-09; check the payment and the date."
    )


@pytest.mark.parametrize(("shift", "accepted"), [(-1, True), (0, False), (1, False)])
def test_a_chargeback_whose_grace_would_leave_the_calendar_says_so(shift: int, *, accepted: bool) -> None:
    """Cancelled on the last day of the year 9999 at the latest: for that the chargeback has to come 20 days before."""
    terms, opened_on = agreed(2, grace_days=19), date(9999, 8, 1)
    metadata = attrs.evolve(METADATA, recorded_at=datetime(9999, 12, 30, tzinfo=UTC))
    history = record(*pay_each([opened_on] * 2), terms=terms, opened_on=opened_on, metadata=metadata)
    on = date(9999, 12, 12) + shift * DAY
    if accepted:
        assert decide(history, charge_back(on), metadata)
        return
    with pytest.raises(PaymentRefused) as caught:
        decide(history, charge_back(on), metadata)
    assert str(caught.value) == (
        f"Plan P-1: after a chargeback on {on} its grace would run beyond the year 9999; check the date."
    )
    error = attrs.evolve(charge_back(on), cause="error", on=None)
    assert decide(history, error, metadata)  # which is effective from the payment's own date


# ---- money


def test_money_in_another_currency_says_so() -> None:
    """A payment and a reinstatement alike, each with an error of its own."""
    for command, before, kind in (
        (pay(D), (), PaymentRefused),
        (reinstate(D + 9 * DAY, "bank-1"), CANCELLED[1:], ReinstatementRefused),
    ):
        refused = refusal(euros(command), before)
        assert (type(refused), getattr(refused, "reference", None)) == (kind, "bank-1")
        assert str(refused) == "Plan P-1: 'bank-1' is in EUR, the plan in USD; pay in USD."


@pytest.mark.parametrize(
    ("minor", "remedy"), [(-1, "nothing is left to pay"), (0, "nothing is left to pay"), (1, "pay at most 0.01 USD")]
)
def test_an_overpayment_says_what_could_be_paid(minor: int, remedy: str) -> None:
    """With a cent to go 0.01 can be paid; with the price paid, or on the way, nothing."""
    later = pay(D + DAY, "bank-2", 9, minor=10_000 - minor if minor > 0 else 10_000)
    on = D if minor else D - DAY
    refused = refusal(pay(on, "bank-3", 1), [later])
    assert isinstance(refused, Overpayment)
    standing = 100_000 + 10_000 - max(minor, 0)
    assert str(refused) == (
        f"Plan P-1: with 'bank-3' {Money(standing, 'USD')} would stand on 2023-05-11, more than its price of "
        f"1000.00 USD; {remedy}."
    )
    found = (refused.plan_id, refused.reference, refused.price, refused.standing, refused.currency, refused.on)
    assert found == ("P-1", "bank-3", 100_000, standing, "USD", D + DAY)


def test_an_overpayment_of_the_day_says_what_could_be_paid() -> None:
    """In the order of the days the money of that day is judged, that of a reinstatement included."""
    refused = refusal(pay(D, "bank-2", 9, minor=1), [pay(D)])
    assert isinstance(refused, Overpayment)
    assert str(refused) == (
        "Plan P-1: with 'bank-2' 1000.01 USD would stand on 2023-05-10, more than its price of 1000.00 USD; "
        "pay at most 900.00 USD."
    )
    assert (refused.standing, refused.on, refused.reference) == (100_001, D, "bank-2")
    again = refusal(reinstate(D + 9 * DAY, installments=9, minor=1), CANCELLED)
    assert isinstance(again, Overpayment)
    assert (again.standing, again.on, again.reference) == (100_001, D + 9 * DAY, "bank-9")
    assert decide(record(*CANCELLED), reinstate(D + 9 * DAY, installments=9), METADATA)


# ---- plans that have ended


@pytest.mark.parametrize(
    ("command", "act", "policy", "remedy"),
    [
        (pay(D + 9 * DAY, "x"), "payment", Closed(), "return the money: its terms allow no reinstatement"),
        (pay(D + 9 * DAY, "x"), "payment", FullCover(), "reinstate the plan, or return the money"),
        (cancel(D + 9 * DAY, "x"), "request", Closed(), "nothing is left to cancel"),
        (cancel(D + 9 * DAY, "x"), "request", FullCover(), "nothing is left to cancel"),
    ],
)
def test_a_cancelled_plan_says_what_can_be_done(
    command: Command, act: str, policy: Closed | FullCover, remedy: str
) -> None:
    """Money is offered the reinstatement that the terms allow; a request is told that there is nothing to do."""
    refused = refusal(command, CANCELLED, terms=attrs.evolve(TEN, reinstatement=policy))
    assert isinstance(refused, PlanIsCancelled)
    assert (refused.plan_id, refused.cancelled_on) == ("P-1", date(2023, 5, 19))
    assert str(refused) == (
        f"Plan P-1: {act} 'x' is dated 2023-05-19 and the plan was cancelled on 2023-05-19; {remedy}."
    )


@pytest.mark.parametrize(
    ("command", "act", "remedy"),
    [
        (pay(DUE[9], "x"), "payment", "nothing is left to pay"),
        (cancel(DUE[9], "x"), "request", "nothing is left to cancel"),
    ],
)
def test_a_completed_plan_says_that_nothing_is_left(command: Command, act: str, remedy: str) -> None:
    """On the day of its completion already."""
    refused = refusal(command, COMPLETED)
    assert isinstance(refused, PlanIsCompleted)
    assert (refused.plan_id, refused.completed_on) == ("P-1", DUE[9])
    assert str(refused) == (
        f"Plan P-1: {act} 'x' is dated 2024-02-10 and the plan was completed on 2024-02-10; {remedy}."
    )


# ---- reinstatements


def reinstatement_refused(
    decision: Command, terms: PlanTerms = TEN, before: Sequence[Command] = CANCELLED, *, actor: str = "decider"
) -> str:
    """Return the sentence of a refused reinstatement, without the plan."""
    refused = refusal(decision, before, terms=terms, metadata=attrs.evolve(METADATA, actor=actor))
    assert isinstance(refused, ReinstatementRefused)
    assert (refused.plan_id, refused.reference) == ("P-1", "bank-9")
    return str(refused).removeprefix("Plan P-1: ")


def test_a_reinstatement_says_why_it_cannot_be() -> None:
    """Closed terms, an approver who records it, a plan that is not cancelled, less money than is demanded."""
    on = DUE[3] + DAY  # numbers 2 to 4 are overdue
    assert reinstatement_refused(reinstate(on), attrs.evolve(TEN, reinstatement=Closed())) == (
        "its terms do not allow a reinstatement; leave it cancelled."
    )
    assert reinstatement_refused(reinstate(on, installments=3), actor="head of sales") == (
        "'head of sales' cannot approve what 'head of sales' records; let somebody else approve it."
    )
    assert reinstatement_refused(reinstate(D + 8 * DAY)) == (
        "it is not cancelled on 2023-05-18; record the money as an ordinary payment."
    )
    assert reinstatement_refused(reinstate(on, installments=3, minor=-1)) == (
        "299.99 USD do not cover 3 overdue installments; pay at least 300.00 USD."
    )
    two = attrs.evolve(TEN, reinstatement=PartialCover(minimum=2))
    assert reinstatement_refused(reinstate(on, installments=2, minor=-1, revised_shares=34_000), two) == (
        "199.99 USD do not cover 2 overdue installments; pay at least 200.00 USD."
    )


def test_a_revised_number_of_shares_says_what_it_can_be() -> None:
    """From the 23,000 that the installments release to the 34,000 of the package, both included."""
    on = DUE[3] + DAY
    two = attrs.evolve(TEN, reinstatement=PartialCover(minimum=2))
    partly = reinstate(on, installments=2)
    assert reinstatement_refused(partly, two) == (
        "not everything overdue is covered, so the package must be revised; "
        "state revised_shares, from 23,000 to 34,000."
    )
    for shares in (22_999, 34_001):
        assert reinstatement_refused(attrs.evolve(partly, revised_shares=shares), two) == (
            f"a package of 34,000 shares cannot be revised to {shares:,}; "
            "state 23,000, which its installments release, to 34,000."
        )
    for shares in (23_000, 34_000):
        assert decide(record(*CANCELLED, terms=two), attrs.evolve(partly, revised_shares=shares), METADATA)
    for covered in (reinstate(on, installments=3), reinstate(on, installments=3, revised_shares=23_000)):
        assert decide(record(*CANCELLED, terms=two), covered, METADATA)
    assert reinstatement_refused(reinstate(on, installments=3, minor=-1), two) == (
        "not everything overdue is covered, so the package must be revised; "
        "state revised_shares, from 23,000 to 34,000."
    )


def test_a_reinstatement_that_would_leave_the_calendar_says_so() -> None:
    """The grace of the last of three installments, all re-dated as late knowledge may ask, ends in the year 9999."""
    opened_on, terms = date(9999, 8, 1), agreed(3)
    metadata = attrs.evolve(METADATA, recorded_at=datetime(9999, 12, 30, tzinfo=UTC))
    history = record(pay(opened_on), cancel(date(9999, 8, 2)), terms=terms, opened_on=opened_on, metadata=metadata)
    for on, accepted in ((date(9999, 9, 10), True), (date(9999, 9, 11), True), (date(9999, 9, 12), False)):
        decision = reinstate(on, installments=2)
        if accepted:
            assert decide(history, decision, metadata)
        else:
            with pytest.raises(ReinstatementRefused) as caught:
                decide(history, decision, metadata)
            assert str(caught.value) == ("Plan P-1: its schedule would run beyond the year 9999; leave it cancelled.")
