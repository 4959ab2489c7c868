"""Wrong ledgers: adapters with one mistake each, as people make them; the check and the vectors that find it.

Each is this library's own ledger in memory with a call, an answer or a rule changed. `WRONG` holds them by name.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import attrs
import pytest

from ledger import Ledger, terms, timeline
from ledger.dates import DAY, months_from
from ledger.events import InstallmentSettled, PlanCompleted, PromoApplied
from ledger.money import EXPONENTS
from ledger.state import funds
from ledger.terms import PerUnit, schedule
from ledger.testing.ledger_adapter import LATER, LedgerAdapter
from ledger.testing.port import CAPABILITIES, Answer, Refused
from tests.vector_replay import Operation


@attrs.frozen
class Wrong:
    """A wrong ledger: the mistake in words, the check and the vectors that find it, and what makes the adapter.

    Several vectors are replayed side by side, as `tests.vector_replay` says; with `before_asking` the ledger is rebuilt
    or restarted first.
    """

    mistake: str
    check: str
    factory: Callable[[], AbstractContextManager[LedgerAdapter]]
    vectors: tuple[str, ...]
    before_asking: Operation | None

    def shown_by(self) -> str:
        """Return the vectors that find it in words."""
        first, *others = (f"`{name}`" for name in self.vectors)
        parts = [first] if not others else [first, "replayed twice" if others == [first] else f"beside {others[0]}"]
        parts += [] if self.before_asking is None else [f"after a {self.before_asking}"]
        return ", ".join(parts)


WRONG: dict[str, Wrong] = {}
"""Every wrong ledger, by name."""


def wrong(
    check: str, *vectors: str, before_asking: Operation | None = None
) -> Callable[[type["Mistaken"]], type["Mistaken"]]:
    """Add an adapter to the wrong ledgers; the first sentence of its docstring is the mistake."""

    def add(kind: type[Mistaken]) -> type[Mistaken]:
        name = "".join(f"_{one.lower()}" if one.isupper() else one for one in kind.__name__).strip("_")
        mistake = str(kind.__doc__).partition("\n")[0].rstrip(".")
        WRONG[name] = Wrong(mistake, check, kind.opened, vectors, before_asking)
        return kind

    return add


class Mistaken(LedgerAdapter):
    """A ledger in memory; a subclass makes one mistake."""

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator[LedgerAdapter]:
        """Open an empty ledger with the mistake in it, which is gone afterwards."""
        with Ledger.open("memory://", clock=lambda: LATER) as ledger, pytest.MonkeyPatch.context() as patch:
            cls.break_rule(patch)
            yield cls(ledger)

    @classmethod
    def break_rule(cls, patch: pytest.MonkeyPatch) -> None:
        """Change a rule of the library while the ledger is open."""

    def agreed(self, terms: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the terms under which a plan is opened in place of these."""
        return terms

    def open(self, plan_id: str, *, terms: Answer, **given: Any) -> None:
        super().open(plan_id, terms=self.agreed(terms), **given)

    def seen(self, position: dict[str, Any]) -> Answer:
        """Return the position that is answered in place of this one."""
        return position

    def position(self, plan_id: str, *, as_of: date, known_at: datetime | None) -> Answer:
        return self.seen(dict(super().position(plan_id, as_of=as_of, known_at=known_at)))

    def recorded(self, kinds: tuple[type[Any], ...], plan_id: str, as_of: date) -> int:
        """Return the shares of recorded outcomes of these kinds, whether they still hold or not."""
        events = [recorded.event for recorded in self.ledger.history(plan_id)]
        return sum(event.shares for event in events if isinstance(event, kinds) and event.effective_on <= as_of)


# ---- terms and days


@wrong("position_equals_model", "grace-19-day-20-unpaid")
class GraceADayLonger(Mistaken):
    """Grace lasts one day longer."""

    def agreed(self, terms: Answer) -> Answer:
        return {**terms, "grace_days": terms["grace_days"] + 1}


@wrong("position_equals_model", "grace-19-day-19-unpaid")
class GraceADayShorter(Mistaken):
    """The last day of grace does not count."""

    def agreed(self, terms: Answer) -> Answer:
        return {**terms, "grace_days": max(0, terms["grace_days"] - 1)}


@wrong("position_equals_model", "grace-19-day-20-unpaid")
class GraceInWorkingDays(Mistaken):
    """Grace counts working days."""

    def agreed(self, terms: Answer) -> Answer:
        return {**terms, "grace_days": terms["grace_days"] * 7 // 5}


@wrong("position_equals_model", "zone-america-mexico-city-2023-05-29-last-second")
class DayInUtc(Mistaken):
    """A payment counts on its day in UTC, not on the day in the plan's time zone."""

    def pay(self, plan_id: str, *, paid_at: date | datetime, **given: Any) -> None:
        day = paid_at.astimezone(UTC).date() if isinstance(paid_at, datetime) else paid_at
        super().pay(plan_id, paid_at=day, **given)


@wrong("position_equals_model", "monthly-2023-01-31-third")
class ChainedMonths(Mistaken):
    """Due dates are chained: 31 January, 28 February, 28 March."""

    @classmethod
    def break_rule(cls, patch: pytest.MonkeyPatch) -> None:
        def chained(anchor: date, months: int) -> date:
            for _ in range(months):
                anchor = months_from(anchor, 1)
            return anchor

        patch.setattr(schedule, "months_from", chained)


@wrong("position_equals_model", "monthly-2023-01-31-third")
class ThirtyDaysAMonth(Mistaken):
    """A month is thirty days."""

    def agreed(self, terms: Answer) -> Answer:
        monthly = terms["schedule"]["kind"] == "monthly"
        return {**terms, "schedule": {"kind": "every_days", "days": 30}} if monthly else terms


@wrong("position_equals_model", "amounts-1000.00-in-3-unit-1")
class AmountsRoundedDown(Mistaken):
    """Regular installments are rounded down."""

    @classmethod
    def break_rule(cls, patch: pytest.MonkeyPatch) -> None:
        def down(whole: int, *, parts: int, unit: int) -> tuple[int, ...]:
            regular = max(unit, whole // parts // unit * unit) if parts > 1 else 0
            return (*[regular] * (parts - 1), whole - regular * (parts - 1))

        patch.setattr(schedule, "rounded_up_last_takes_rest", down)


@wrong("position_equals_model", "release-per-unit-7-3-usd")
class SharesRoundedUp(Mistaken):
    """The shares of an installment are rounded up."""

    @classmethod
    def break_rule(cls, patch: pytest.MonkeyPatch) -> None:
        released = schedule._released

        def up(terms: terms.PlanTerms, amounts: Sequence[int]) -> tuple[int, ...]:
            if not isinstance(terms.release, PerUnit):
                return released(terms, amounts)
            rate = Fraction(terms.release.rate) / 10 ** EXPONENTS[terms.price.currency]
            shares = [math.ceil(amount * rate) for amount in amounts]
            return tuple(shares) if sum(shares) <= terms.shares else released(terms, amounts)

        patch.setattr(schedule, "_released", up)


# ---- promotions


@wrong("position_equals_model", "double-package-at-once-two-in-time")
class BonusOnWrongBase(Mistaken):
    """A promotion on the package is taken of the released shares, and the other way round."""

    def agreed(self, terms: Answer) -> Answer:
        other = {"package": "released", "released": "package"}
        promos = [{**one, "base": other[one["base"]]} if "base" in one else one for one in terms["promos"]]
        return {**terms, "promos": promos}


@wrong("position_equals_model", "stacking-additive-on-time-spring-double")
class BonusesCompound(Mistaken):
    """Bonuses that add up are compounded."""

    def agreed(self, terms: Answer) -> Answer:
        return {**terms, "stacking": "compound"} if terms["stacking"] == "additive" else terms


@wrong("position_equals_model", "stacking-exclusive-on-time-spring-double")
class BonusesAddUp(Mistaken):
    """Bonuses that exclude each other add up."""

    def agreed(self, terms: Answer) -> Answer:
        return {**terms, "stacking": "additive"} if terms["stacking"] == "exclusive" else terms


@wrong("position_equals_model", "on-time-by-due-date-a-day-late")
class OnTimeWithinGrace(Mistaken):
    """A bonus for paying by the due date is granted to whoever pays within grace."""

    def agreed(self, terms: Answer) -> Answer:
        promos = [{**one, "standard": "within_grace"} if "standard" in one else one for one in terms["promos"]]
        return {**terms, "promos": promos}


@wrong("position_equals_model", "early-package-at-once-two")
class EarlyIsRegular(Mistaken):
    """The mark of an early repayment is dropped."""

    def pay(self, plan_id: str, *, kind: str, **given: Any) -> None:
        super().pay(plan_id, kind="regular", **given)


@wrong("position_equals_model", "charged-back-award-package-at-once")
class BonusSurvivesChargeback(Mistaken):
    """A bonus survives the chargeback of the payment that earned it."""

    def position(self, plan_id: str, *, as_of: date, known_at: datetime | None) -> Answer:
        answer = super().position(plan_id, as_of=as_of, known_at=known_at)
        return {**answer, "bonus_credited": self.recorded((PromoApplied,), plan_id, as_of)}


# ---- shares and money


@wrong("conservation", "reversed-after-1")
class ForgottenVoid(Mistaken):
    """Shares are summed up from recorded outcomes, and those voided since are not taken off."""

    def position(self, plan_id: str, *, as_of: date, known_at: datetime | None) -> Answer:
        answer = super().position(plan_id, as_of=as_of, known_at=known_at)
        credited = self.recorded((InstallmentSettled, PlanCompleted), plan_id, as_of)
        return {**answer, "shares_credited": credited} if known_at is None else answer


@wrong("conservation", "grace-19-day-20-unpaid")
class NothingForfeited(Mistaken):
    """What a cancelled plan was promised is simply gone."""

    def seen(self, position: dict[str, Any]) -> Answer:
        return {**position, "shares_forfeited": 0}


@wrong("conservation", "reversed-leaves-unapplied")
class UnappliedIsPaid(Mistaken):
    """Money without an installment to settle counts as paid."""

    def seen(self, position: dict[str, Any]) -> Answer:
        paid, unapplied = position["paid"], position["unapplied"]
        return {**position, "paid": {**paid, "minor": paid["minor"] + unapplied["minor"]}}


@wrong("position_equals_model", "reinstated-with-unapplied")
class UnappliedStays(Mistaken):
    """Unapplied money does not apply again when its plan is revived."""

    @classmethod
    def break_rule(cls, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(funds.Funds, "apply_waiting", lambda _: iter(()))


@wrong("position_equals_model", "reinstated-monthly-2023-06-10")
class OldDueDates(Mistaken):
    """A reinstated plan keeps its due dates."""

    @classmethod
    def break_rule(cls, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(timeline, "redated", lambda lines, *_, **__: tuple(lines))


@wrong("position_equals_model", "reinstated-monthly-2023-06-10")
class AMonthAfterReinstatement(Mistaken):
    """The first due date after a reinstatement is a day late."""

    @classmethod
    def break_rule(cls, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(schedule, "REINSTATED_DUE_AFTER", timedelta(days=31))


# ---- facts and their order


@wrong("repeat_changes_nothing", "payment-repeated")
class DoubleCredit(Mistaken):
    """A message that is delivered again is credited again."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self.messages: list[tuple[str, str]] = []

    def pay(self, plan_id: str, *, reference: str, **given: Any) -> None:
        again = self.messages.count((plan_id, reference))
        super().pay(plan_id, reference=reference if not again else f"{reference}-{again}", **given)
        self.messages.append((plan_id, reference))


@wrong("decides_as_the_rules", "refused-other-amount")
class OtherContentPasses(Mistaken):
    """A known reference is taken for a repetition, whatever it says."""

    def pay(self, plan_id: str, **given: Any) -> None:
        try:
            super().pay(plan_id, **given)
        except Refused as refused:
            if refused.code != "reference_conflict":
                raise


@wrong("position_equals_model", "payment-part", "payment-part")
class SharedReferences(Mistaken):
    """A payment whose reference is known on another plan is taken for a repetition."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self.plans: dict[str, str] = {}

    def pay(self, plan_id: str, *, reference: str, **given: Any) -> None:
        if self.plans.setdefault(reference, plan_id) == plan_id:
            super().pay(plan_id, reference=reference, **given)


@wrong("plans_are_apart", "request-today", "closed-in-grace")
class CancelsAll(Mistaken):
    """A request cancels every plan of its investor."""

    def cancel(self, plan_id: str, **given: Any) -> None:
        super().cancel(plan_id, **given)
        investor = self.ledger.position(plan_id).investor
        for other in self.ledger.positions(investor=investor):
            with suppress(Refused):
                super().cancel(other.plan_id, **given)


@wrong("refused_records_nothing", "refused-overpayment")
class KeepsTheRest(Mistaken):
    """An overpayment is refused, after what was still missing has been recorded."""

    def pay(self, plan_id: str, *, reference: str, amount: Answer, **given: Any) -> None:
        try:
            super().pay(plan_id, reference=reference, amount=amount, **given)
        except Refused as refused:
            if refused.code == "overpayment":
                super().pay(plan_id, reference=f"{reference}-rest", amount={**amount, "minor": 1}, **given)
            raise


@wrong("decides_as_the_rules", "refused-on-cancelled")
class TakesMoneyOfTheDead(Mistaken):
    """A payment on a cancelled plan is accepted, and nobody hears of it again."""

    def pay(self, plan_id: str, **given: Any) -> None:
        try:
            super().pay(plan_id, **given)
        except Refused as refused:
            if refused.code != "plan_is_cancelled":
                raise


@wrong("decides_as_the_rules", "refused-tomorrow-payment")
class PaidTomorrow(Mistaken):
    """A payment may be dated after the day of its recording."""

    def pay(self, plan_id: str, *, paid_at: date | datetime, recorded_at: datetime, **given: Any) -> None:
        super().pay(plan_id, paid_at=paid_at, recorded_at=recorded_at + timedelta(days=3), **given)


@wrong("no_answer_from_the_future", "charged-back-after-10")
class ChargebackRewrites(Mistaken):
    """A chargeback takes the payment back from its own date on."""

    def reverse(self, plan_id: str, *, cause: str, **given: Any) -> None:
        super().reverse(plan_id, cause="error", **given)


@wrong("order_of_knowledge", "back-dated-2023-05-10-recorded-2023-09-01")
class LateIsLost(Mistaken):
    """A payment that becomes known two months late is lost."""

    def pay(self, plan_id: str, *, paid_at: date | datetime, recorded_at: datetime, **given: Any) -> None:
        day = paid_at.date() if isinstance(paid_at, datetime) else paid_at
        if recorded_at.date() - day <= timedelta(days=60):
            super().pay(plan_id, paid_at=paid_at, recorded_at=recorded_at, **given)


@wrong("order_of_knowledge", "back-dated-award")
class InOrderOfArrival(Mistaken):
    """A payment counts no earlier than the payments that became known before it."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self.latest: dict[str, date] = {}

    def pay(self, plan_id: str, *, paid_at: date | datetime, **given: Any) -> None:
        day = paid_at.date() if isinstance(paid_at, datetime) else paid_at
        latest = self.latest.get(plan_id, day)
        super().pay(plan_id, paid_at=paid_at if day >= latest else latest, **given)
        self.latest[plan_id] = max(day, latest)


@wrong("position_equals_model", "payment-many-parts")
class LosesACall(Mistaken):
    """Every third payment is answered and lost."""

    payments = 0

    def pay(self, plan_id: str, **given: Any) -> None:
        self.payments += 1
        if self.payments % 3:
            super().pay(plan_id, **given)


# ---- two times


@wrong("as_known_is_a_prefix", "known-payment")
class KnownAtIgnored(Mistaken):
    """Every question is answered from what is known today."""

    def position(self, plan_id: str, *, as_of: date, known_at: datetime | None) -> Answer:
        return super().position(plan_id, as_of=as_of, known_at=None)


@wrong("as_known_is_a_prefix", "known-payment")
class KnownAtExclusive(Mistaken):
    """What was recorded at the very instant of the question is left out."""

    def position(self, plan_id: str, *, as_of: date, known_at: datetime | None) -> Answer:
        before = None if known_at is None else known_at - timedelta(microseconds=1)
        return super().position(plan_id, as_of=as_of, known_at=before)


@wrong("knowledge_stays", "back-dated-2023-05-11-recorded-2023-06-05")
class KnownAsRead(Mistaken):
    """What was known at an instant is cut off by the version of today, not of then."""

    def position(self, plan_id: str, *, as_of: date, known_at: datetime | None) -> Answer:
        late = known_at is not None and len(self.ledger.history(plan_id)) > 3
        return super().position(plan_id, as_of=as_of, known_at=None if late else known_at)


# ---- lists and jobs


@wrong("overdue_equals_model", "grace-19-day-1-unpaid")
class WaitsForAJob(Mistaken):
    """The overdue list is that of the last closing."""

    through = date.min

    def close(self, *, through: date, recorded_at: datetime) -> None:
        super().close(through=through, recorded_at=recorded_at)
        self.through = max(self.through, through)

    def overdue(self, *, as_of: date, known_at: datetime | None) -> Any:
        return super().overdue(as_of=min(as_of, self.through), known_at=known_at)


@wrong("overdue_is_those_in_grace", "grace-19-day-1-unpaid")
class ListOfYesterday(Mistaken):
    """The overdue list is that of the day before."""

    def overdue(self, *, as_of: date, known_at: datetime | None) -> Any:
        return super().overdue(as_of=as_of - DAY, known_at=known_at)


@wrong("overdue_equals_model", "payment-part")
class WholeInstallmentDue(Mistaken):
    """The amount due ignores what was paid in part."""

    def overdue(self, *, as_of: date, known_at: datetime | None) -> Sequence[Answer]:
        rows = super().overdue(as_of=as_of, known_at=known_at)
        return [{**row, "amount_due": self.whole(row, as_of, known_at)} for row in rows]

    def whole(self, row: Answer, as_of: date, known_at: datetime | None) -> Answer:
        """Return the amount of the oldest unsettled installment, if it is more."""
        due = self.ledger.position(row["plan_id"], as_of=as_of, known_at=known_at).next_installment
        assert due is not None
        return {**row["amount_due"], "minor": max(due.amount.minor, row["amount_due"]["minor"])}


@wrong("balances_are_sums", "request-today")
class CancelledDoNotCount(Mistaken):
    """The balances leave cancelled plans out."""

    def balances(self, *, as_of: date, known_at: datetime | None) -> Sequence[Answer]:
        gone = [one for one in self.ledger.positions(as_of=as_of, known_at=known_at) if one.status == "cancelled"]
        rows = [dict(row) for row in super().balances(as_of=as_of, known_at=known_at)]
        for row in rows:
            row["shares_credited"] -= sum(one.shares_credited for one in gone if one.investor == row["investor"])
        return rows


@wrong("balances_equal_model", "payment-part", "payment-part")
class OneRowAPlan(Mistaken):
    """The balances have a row for each plan of an investor."""

    def balances(self, *, as_of: date, known_at: datetime | None) -> Sequence[Answer]:
        rows = super().balances(as_of=as_of, known_at=known_at)
        return [{**row, "plans": 1} for row in rows for _ in range(row["plans"])]


@wrong("late_close_equals_daily_close", "closed-in-grace")
class ClosingCancels(Mistaken):
    """A closing cancels what is overdue on its day."""

    def close(self, *, through: date, recorded_at: datetime) -> None:
        super().close(through=through, recorded_at=recorded_at)
        for row in self.ledger.overdue(as_of=through):
            self.cancel(row.plan_id, reference=f"job-{through}", on=through, reason="overdue", recorded_at=recorded_at)


@wrong("incremental_equals_rebuilt", "payment-part", before_asking="rebuild")
class RebuiltTwice(Mistaken):
    """Balances that are rebuilt are added to those that are there."""

    times = 1

    def rebuild(self) -> None:
        super().rebuild()
        self.times += 1

    def balances(self, *, as_of: date, known_at: datetime | None) -> Sequence[Answer]:
        rows = super().balances(as_of=as_of, known_at=known_at)
        return [{**row, "shares_promised": self.times * row["shares_promised"]} for row in rows]


@wrong("restart_forgets_nothing", "payment-part", before_asking="restart")
class ForgetsTheLast(Mistaken):
    """The last payment was never written to disk, and a restart forgets it."""

    capabilities = frozenset(CAPABILITIES)
    last: tuple[str, dict[str, Any]] | None = None

    def pay(self, plan_id: str, **given: Any) -> None:
        super().pay(plan_id, **given)
        self.last = (plan_id, given)

    def restart(self) -> None:
        """Start again without the last payment."""
        if self.last is not None:
            plan_id, given = self.last
            self.ledger.reverse_payment(plan_id, reference=given["reference"], cause="error", recorded_at=LATER)


# ---- adapters that do not answer


@wrong("answers_every_call", "grace-19-day-20-unpaid")
class Raises(Mistaken):
    """The position of a cancelled plan raises an error."""

    def seen(self, position: dict[str, Any]) -> Answer:
        known = {"active": "active", "in_grace": "in_grace", "completed": "completed"}
        return {**position, "status": known[position["status"]]}


@wrong("answers_every_call", "grace-19-day-1-unpaid")
class Hangs(Mistaken):
    """The position of a plan that is overdue never comes."""

    def seen(self, position: dict[str, Any]) -> Answer:
        if position["status"] == "in_grace":
            time.sleep(600)
        return position


@wrong("answers_every_call", "payment-part")
class AnswersNonsense(Mistaken):
    """Money is a decimal number."""

    def seen(self, position: dict[str, Any]) -> Answer:
        return {**position, "paid": position["paid"]["amount"]}
