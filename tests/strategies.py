"""Strategies: terms of every shape, and random histories of commands around their due dates."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Literal
from zoneinfo import ZoneInfo

import attrs
from hypothesis import settings
from hypothesis import strategies as st

from ledger.commands import (
    CancelPlan,
    Change,
    Command,
    Metadata,
    OpenPlan,
    RecordPayment,
    ReinstatePlan,
    ReversePayment,
)
from ledger.decide import decide
from ledger.errors import CommandRefused, NotFound, ReferenceConflict
from ledger.events import PlanOpened, RecordedEvent
from ledger.events.facts import ReversalCause
from ledger.money import EXPONENTS, Money
from ledger.terms import (
    Closed,
    DoublePayment,
    EarlyRepayment,
    EveryDays,
    ExplicitRelease,
    ExplicitSchedule,
    FullCover,
    Monthly,
    OnTimeBonus,
    PackageBonus,
    PartialCover,
    PerUnit,
    PlanTerms,
    Portion,
    Promo,
    Release,
)
from ledger.terms.schedule import Installment, installments

ZONES = (
    "Europe/Moscow",
    "Europe/Berlin",
    "America/Mexico_City",
    "Asia/Kolkata",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Australia/Lord_Howe",
    "UTC",
)
ALL_ZONES = st.sampled_from(sorted(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()))
RECORDED_AT = datetime(2035, 1, 1, 12, tzinfo=UTC)
"""The instant of recording in these histories: later than any date in them."""

METADATA = Metadata(recorded_at=RECORDED_AT, actor="decider")

OPENINGS = st.one_of(
    st.dates(date(2023, 1, 1), date(2024, 12, 31)),
    st.sampled_from([date(2023, 1, day) for day in (28, 29, 30, 31)] + [date(2024, 1, day) for day in (29, 30, 31)]),
)
CURRENCIES = st.sampled_from(["USD", "USD", "JPY", "KWD"])
GRACE_DAYS = st.sampled_from([0, 1, 19, 19, 45])


@cache
def clocks(zone: str) -> ZoneInfo:
    """Return a time zone as the package `tzdata` has it: the files of the machine may be older or newer."""
    with files("tzdata").joinpath("zoneinfo", *zone.split("/")).open("rb") as rules:
        return ZoneInfo.from_file(rules, key=zone)


def one_in(number: int) -> settings:
    """Return settings for a property with slow examples: one in `number` of the profile's examples."""
    return settings(max_examples=max(1, settings().max_examples // number))


def rates() -> st.SearchStrategy[int]:
    """Basis points: the published ones, tiny ones that round to nothing, and large ones."""
    return st.one_of(st.sampled_from([50, 100, 500, 1_000, 5_000]), st.integers(1, 20_000))


@st.composite
def promotions(draw: st.DrawFn) -> tuple[Promo, ...]:
    """Up to five promotions in any order, more than one of a kind included."""
    base: st.SearchStrategy[Literal["package", "released"]] = st.sampled_from(["package", "released"])
    credit: st.SearchStrategy[Literal["at_once", "on_completion"]] = st.sampled_from(["at_once", "on_completion"])
    standard: st.SearchStrategy[Literal["within_grace", "by_due_date"]] = st.sampled_from(
        ["within_grace", "by_due_date"]
    )
    kinds = draw(st.lists(st.sampled_from(["on_time", "package", "double", "early"]), max_size=5))
    promos: list[Promo] = []
    for index, kind in enumerate(kinds):
        code, rate = f"{kind}_{index}", draw(rates())
        if kind == "on_time":
            promos.append(OnTimeBonus(code=code, rate_bp=rate, standard=draw(standard)))
        elif kind == "package":
            promos.append(PackageBonus(code=code, rate_bp=rate))
        elif kind == "double":
            promos.append(DoublePayment(code=code, rate_bp=rate, base=draw(base), credit=draw(credit)))
        else:
            promos.append(EarlyRepayment(code=code, rate_bp=rate, base=draw(base), credit=draw(credit)))
    return tuple(promos)


@st.composite
def releases(draw: st.DrawFn, price: Money, shares: int, amounts: list[int]) -> Release:
    """A release of each kind that fits the package."""
    kind = draw(st.sampled_from(["per_unit", "portion", "explicit"]))
    if kind == "portion":
        return Portion(draw(st.sampled_from(["0", "1/3", "2/5", "61/100", "1"])))
    if kind == "explicit":
        left, given_out = shares, []
        for _ in amounts:
            part = draw(st.integers(0, left // 2))
            given_out.append(part)
            left -= part
        return ExplicitRelease(tuple(given_out))
    major = Fraction(price.minor, 10 ** EXPONENTS[price.currency])
    whole = Fraction(shares) / major
    return PerUnit(whole * draw(st.sampled_from([Fraction(0), Fraction(1, 3), Fraction(45, 79), Fraction(1)])))


@st.composite
def terms(draw: st.DrawFn, opened_on: date) -> PlanTerms:
    """Terms of a plan opened on this day that opening accepts."""
    count = draw(st.integers(1, 8))
    currency = draw(CURRENCIES)
    unit = draw(st.sampled_from([1, 1, 7, 100]))
    first = opened_on + timedelta(days=draw(st.sampled_from([0, 0, 1, 30])))
    if draw(st.integers(0, 3)) == 0:
        gaps = draw(st.lists(st.integers(1, 60), min_size=count, max_size=count))
        amounts = draw(st.lists(st.integers(1, 500), min_size=count, max_size=count))
        due = [first + timedelta(days=sum(gaps[:index])) for index in range(count)]
        schedule: Monthly | EveryDays | ExplicitSchedule = ExplicitSchedule(tuple(zip(due, amounts, strict=True)))
        price = Money(sum(amounts), currency)
    else:
        regular = unit * draw(st.integers(1, 30))
        price = Money(regular * count - draw(st.integers(0, unit - 1)), currency)
        amounts = [regular] * count
        schedule = draw(st.one_of(st.just(Monthly()), st.sampled_from([1, 7, 30, 31]).map(EveryDays)))
    shares = draw(st.integers(count, 400_000))
    return PlanTerms(
        price=price,
        shares=shares,
        installments=count,
        rounding_unit=unit,
        release=draw(releases(price, shares, amounts)),
        schedule=schedule,
        first_due_on=None if isinstance(schedule, ExplicitSchedule) else first,
        timezone=draw(st.sampled_from(ZONES)),
        grace_days=draw(GRACE_DAYS),
        promos=draw(promotions()),
        stacking=draw(st.sampled_from(["additive", "exclusive", "compound"])),
        reinstatement=draw(st.sampled_from([FullCover(), PartialCover(1), PartialCover(2), Closed()])),
    )


@st.composite
def schedules(draw: st.DrawFn) -> tuple[PlanTerms, tuple[Installment, ...]]:
    """Terms of every shape, and the installments that they produce."""
    opened_on = draw(OPENINGS)
    agreed = draw(terms(opened_on))
    return agreed, installments("P-1", agreed, opened_on=opened_on)


@st.composite
def openings(draw: st.DrawFn, plan_id: str = "P-1") -> OpenPlan:
    """A command that opens a plan."""
    opened_on = draw(OPENINGS)
    return OpenPlan(plan_id=plan_id, investor="I-1", partner="N-1", terms=draw(terms(opened_on)), opened_at=opened_on)


def opened_in(events: Sequence[RecordedEvent]) -> PlanOpened:
    """Return the opening, the first event of a plan."""
    opened = events[0].event
    assert isinstance(opened, PlanOpened)
    return opened


@attrs.frozen
class History:
    """A plan as recorded, and the commands that were accepted, in the order in which the facts became known."""

    opening: OpenPlan
    accepted: tuple[Command, ...]
    events: tuple[RecordedEvent, ...]

    @property
    def opened(self) -> PlanOpened:
        """The opening event."""
        return opened_in(self.events)


@st.composite
def changes(draw: st.DrawFn, opened: PlanOpened, number: int, paid: list[RecordPayment | ReinstatePlan]) -> Change:
    """One more command on a plan: mostly payments, near due dates and deadlines, often back-dated."""
    kind = draw(st.sampled_from(["pay"] * 7 + ["reverse", "charge back", "charge back", "cancel", "reinstate"]))
    on = draw(days(opened))
    plan_id, price = "P-1", opened.terms.price
    if kind in ("reverse", "charge back") and paid:
        payment = draw(st.sampled_from(paid))
        cause: ReversalCause = "error" if kind == "reverse" else "chargeback"
        return ReversePayment(plan_id=plan_id, reference=payment.reference, cause=cause, on=on)
    if kind == "cancel":
        return CancelPlan(plan_id=plan_id, reference=f"crm-{number}", on=on, reason="asked by the investor")
    amount = Money(draw(amounts(opened.lines)), price.currency)
    if kind == "reinstate":
        released = sum(line.shares for line in opened.lines)
        return ReinstatePlan(
            plan_id=plan_id,
            reference=f"bank-{number}",
            on=on,
            amount=amount,
            approved_by="head of sales",
            reason="investor asked",
            revised_shares=draw(st.none() | st.integers(max(1, released), opened.terms.shares)),
        )
    return RecordPayment(
        plan_id=plan_id,
        reference=f"bank-{number}",
        amount=amount,
        paid_at=on,
        kind=draw(st.sampled_from(["regular", "regular", "early_repayment"])),
    )


@st.composite
def days(draw: st.DrawFn, opened: PlanOpened) -> date:
    """A day near a due date or a deadline of the plan, not before its opening."""
    line = draw(st.sampled_from(opened.lines))
    grace = opened.terms.grace_days
    offset = draw(st.sampled_from([-40, -1, 0, 0, 0, 1, grace - 1, grace, grace + 1, grace + 2, 30, 31]))
    return max(opened.effective_on, line.due_on + timedelta(days=offset))


@st.composite
def amounts(draw: st.DrawFn, lines: tuple[Installment, ...]) -> int:
    """An amount that settles a part of a line, one line, several, or everything."""
    first = draw(st.integers(0, len(lines) - 1))
    count = draw(st.sampled_from([1, 1, 1, 2, 2, 3, len(lines)]))
    whole = sum(line.amount for line in lines[first : first + count])
    return max(1, whole + draw(st.sampled_from([0, 0, 0, 0, -1, 1, -(whole // 2)])))


@st.composite
def histories(draw: st.DrawFn, *, longest: int = 14) -> History:
    """A plan after random commands, refused ones left out, recorded in an order that is not that of their dates."""
    opening = draw(openings())
    events = decide((), opening, METADATA)
    opened = opened_in(events)
    accepted: list[Command] = []
    paid: list[RecordPayment | ReinstatePlan] = []
    for number in range(draw(st.integers(0, longest))):
        command = draw(changes(opened, number, paid))
        try:
            events += decide(events, command, METADATA)
        except (CommandRefused, NotFound, ReferenceConflict):
            continue
        accepted.append(command)
        if isinstance(command, (RecordPayment, ReinstatePlan)):
            paid.append(command)
    return History(opening, tuple(accepted), events)
