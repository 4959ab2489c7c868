"""The cases of the golden vectors: stories, each with the section of RULES.md that it shows."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import permutations, product
from typing import Any, Literal

import attrs

from ledger import (
    DoublePayment,
    EarlyRepayment,
    EveryDays,
    ExplicitRelease,
    ExplicitSchedule,
    FullCover,
    LedgerError,
    Money,
    Monthly,
    OnTimeBonus,
    PackageBonus,
    PartialCover,
    PerUnit,
    PlanTerms,
    Portion,
)
from ledger.commands import CancelPlan, ClosePlan, Command, Metadata, RecordPayment, ReversePayment
from ledger.dates import midnight
from ledger.testing import Story, given
from ledger.testing.story_report import Step

DAY = timedelta(days=1)
OPENED = date(2023, 4, 10)
DUE = date(2023, 5, 10)
TEN = PlanTerms(
    price=Money.of("1000.00", "USD"),
    shares=34_000,
    installments=10,
    release=PerUnit("23"),
    timezone="Europe/Moscow",
    first_due_on=DUE,
)
"""Ten installments of 100.00 USD, each releasing 2,300 of 34,000 shares; the first is due on 2023-05-10."""

FOUR = attrs.evolve(TEN, price=Money.of("400.00", "USD"), shares=13_600, installments=4)
"""Four installments of 100.00 USD, due on the 10th from May to August 2023."""


@attrs.frozen
class Case:
    """A story, the days and the instants of knowledge for which it is asked beside its own, and its section."""

    name: str
    section: str
    title: str
    story: Story
    on: tuple[date, ...] = ()
    known: tuple[datetime, ...] = ()


def told(terms: PlanTerms = TEN, opened: date | datetime = OPENED) -> Story:
    """Begin a story."""
    return given(terms, opened=opened, partner="N-1")


def refused(story: Story) -> Story:
    """Expect that the last act was refused, whatever the error: the vector names it."""
    return story.then_refused(LedgerError)


def cases() -> Iterator[Case]:
    """Yield all cases."""
    for family in (
        grace,
        zones,
        schedules,
        impossible,
        releases,
        bonuses,
        earned,
        stacking,
        payments,
        refusals,
        back_dated,
        reversals,
        chargebacks,
        requests,
        reinstatements,
        completions,
        anchored,
        repetitions,
        closings,
        as_known,
        tomorrow,
    ):
        yield from family()


# ---- section 6


def grace() -> Iterator[Case]:
    """Each day from D on, and the days around the end of grace, for four lengths of it: unpaid, and paid that day."""
    each = [(19, day) for day in range(-1, 22)]
    each += [(long, day) for long in (0, 1, 45) for day in sorted({0, 1, long - 1, long, long + 1, long + 2})]
    for days, day in each:
        terms = attrs.evolve(TEN, grace_days=days)
        on = DUE + day * DAY
        unpaid = told(terms).until(on)
        name = f"grace-{days}-day-{'before' if day < 0 else day}"
        words = f"grace of {days} days, D{day:+d}"
        yield Case(f"{name}-unpaid", "6", f"Nothing is paid: {words}.", unpaid)
        paid = unpaid.pays("100.00")
        over = day > days
        yield Case(
            f"{name}-paid",
            "6",
            f"A payment {'is refused' if over else 'counts'}: {words}.",
            refused(paid) if over else paid,
        )


def zones() -> Iterator[Case]:
    """The last second of grace and the first one after it, in zones far from UTC and where clocks change that day."""
    last_days = {
        "Europe/Moscow": [date(2023, 5, 29)],
        "Europe/Berlin": [date(2023, 3, 26), date(2023, 10, 29)],
        "America/New_York": [date(2023, 3, 12), date(2023, 11, 5)],
        "America/Mexico_City": [date(2023, 5, 29)],
        "Asia/Kolkata": [date(2023, 5, 29)],
        "Pacific/Kiritimati": [date(2023, 12, 31)],
        "Pacific/Pago_Pago": [date(2023, 12, 31)],
        "Australia/Lord_Howe": [date(2023, 4, 2), date(2023, 10, 1)],
    }
    for zone, days in last_days.items():
        for last in days:
            due = last - 19 * DAY
            terms = attrs.evolve(TEN, timezone=zone, first_due_on=due)
            begun = told(terms, due - 30 * DAY)
            end = midnight(zone, last + DAY)
            name = f"zone-{zone.lower().replace('/', '-').replace('_', '-')}-{last}"
            title = f"{{}} in {zone}, whose last day of grace is {last}."
            saved = begun.pays("100.00", on=end - timedelta(seconds=1))
            yield Case(f"{name}-last-second", "6", title.format("The last second of grace"), saved, (last,))
            late = refused(begun.pays("100.00", on=end))
            yield Case(f"{name}-too-late", "6", title.format("The first second after grace"), late, (last,))


# ---- sections 3 and 4


def schedules() -> Iterator[Case]:
    """Months from the anchor, steps of days, explicit lines, rounding units and what they leave for the last."""
    for year, day in product((2023, 2024), (28, 29, 30, 31)):
        terms = attrs.evolve(TEN, first_due_on=None)
        title = f"Months counted from {date(year, 1, day)}, never chained."
        yield Case(f"monthly-{date(year, 1, day)}", "3", title, told(terms, date(year, 1, day)), (date(year, 3, 1),))
    for anchor in (date(2023, 8, 31), date(2023, 11, 30), date(2024, 2, 29), date(2023, 12, 31)):
        terms = attrs.evolve(TEN, first_due_on=anchor)
        yield Case(f"monthly-{anchor}", "3", f"Months counted from {anchor}.", told(terms), (anchor + DAY,))
    for days in (1, 7, 14, 30, 31, 365):
        terms = attrs.evolve(TEN, schedule=EveryDays(days))
        yield Case(f"every-{days}-days", "3", f"An installment every {days} days.", told(terms), (DUE + DAY,))
    for price, count, unit in (
        ("5000.00", 30, 100),
        ("5000.00", 30, 1),
        ("1000.00", 3, 1),
        ("1000.00", 3, 7),
        ("1000.00", 7, 100),
        ("100.00", 6, 300),
        ("0.03", 3, 1),
        ("999.99", 10, 1),
        ("999.99", 10, 10),
    ):
        terms = attrs.evolve(
            TEN, price=Money.of(price, "USD"), installments=count, rounding_unit=unit, release=Portion("1/3")
        )
        title = f"{price} USD in {count}, rounded up to {unit} cents; the last is the rest."
        yield Case(f"amounts-{price}-in-{count}-unit-{unit}", "3", title, told(terms))
    explicit = ExplicitSchedule(((date(2023, 5, 10), 30_000), (date(2023, 5, 11), 10_000), (date(2024, 2, 29), 60_000)))
    terms = attrs.evolve(TEN, schedule=explicit, installments=3, first_due_on=None)
    story = told(terms).pays("300.00", on="2023-05-10").pays("100.00", on="2023-05-30")
    yield Case("explicit-lines", "3", "Explicit lines are taken as they are.", story, (date(2023, 5, 12),))
    uneven = attrs.evolve(terms, rounding_unit=700)
    yield Case("explicit-lines-and-unit", "3", "The rounding unit says nothing about explicit lines.", told(uneven))


def impossible() -> Iterator[Case]:
    """Terms that contradict each other."""
    lines = ExplicitSchedule(((DUE, 30_000), (DUE + DAY, 70_000)))
    changed: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
        ("nothing-left", "3", "Rounding up leaves nothing for the last one.", {"rounding_unit": 12_500}),
        ("due-before-opening", "3", "Due before the opening.", {"first_due_on": OPENED - DAY}),
        ("line-missing", "3", "Two lines for ten installments.", {"schedule": lines, "first_due_on": None}),
        (
            "other-price",
            "3",
            "Lines of another price.",
            {"schedule": lines, "first_due_on": None, "installments": 2, "price": Money.of("1000.01", "USD")},
        ),
        ("release-count", "4", "Nine releases for ten installments.", {"release": ExplicitRelease((1,) * 9)}),
        ("release-too-much", "4", "A negative completion tranche.", {"release": PerUnit("35")}),
        ("release-one-too-much", "4", "One share too much.", {"release": ExplicitRelease((3_400,) * 9 + (3_401,))}),
    )
    for name, section, title, terms in changed:
        yield Case(f"impossible-{name}", section, f"Refused: {title}", refused(told(attrs.evolve(TEN, **terms))))
    none = attrs.evolve(TEN, release=ExplicitRelease((3_400,) * 10))
    yield Case(
        "release-all", "4", "Everything is released before completion: the tranche is 0.", told(none).pays("1000.00")
    )


def releases() -> Iterator[Case]:
    """Each release in currencies with two decimals, none and three, the last installment included."""
    amounts = {"USD": "1000.01", "JPY": "10001", "KWD": "100.001"}
    kinds: list[tuple[str, Any]] = [
        *((f"per-unit-{rate.replace('/', '-')}", PerUnit(rate)) for rate in ("0", "1", "7/3", "1/7")),
        *((f"portion-{fraction.replace('/', '-')}", Portion(fraction)) for fraction in ("0", "1/3", "61/100", "1")),
        ("explicit", ExplicitRelease((0, 5_000, 1))),
    ]
    for (currency, price), (word, release) in product(amounts.items(), kinds):
        money = Money.of(price, currency)
        terms = attrs.evolve(TEN, price=money, shares=34_001, installments=3, release=release)
        story = told(terms).pays(Money(terms_amount(terms), currency), on="2023-05-10")
        story = story.pays(money - Money(terms_amount(terms), currency), on="2023-06-10")
        title = f"Release {word} of {price} {currency}: by installment, and with the last."
        yield Case(f"release-{word}-{currency.lower()}", "4", title, story, (date(2023, 5, 10),))


def terms_amount(terms: PlanTerms) -> int:
    """Return the regular installment of terms without a rounding unit, in minor units."""
    return -(-terms.price.minor // terms.installments)


# ---- section 7


def bonuses() -> Iterator[Case]:
    """The on-time bonus under both standards, and a campaign, on plans paid in time, within grace, and once late."""
    standards: tuple[Literal["within_grace", "by_due_date"], ...] = ("within_grace", "by_due_date")
    for standard, (word, days) in product(standards, {"in-time": 0, "a-day-late": 1, "last-day": 19}.items()):
        promos = (OnTimeBonus("on_time", rate_bp=500, standard=standard),)
        story = told(attrs.evolve(FOUR, promos=promos)).pays("100.00", on=DUE + days * DAY).then(settled=1)
        paid = story.pays("300.00", on="2023-06-10")
        name = f"on-time-{standard.replace('_', '-')}-{word}"
        yield Case(name, "7", f"{standard}, the first installment paid {word}.", paid, (DUE + DAY, DUE + 2 * DAY))
    for rate in (1, 999, 1_000, 5_000):
        campaign = (PackageBonus("spring", rate_bp=rate),)
        story = told(attrs.evolve(FOUR, promos=campaign)).pays("100.00", on=DUE)
        title = f"A campaign of {rate} basis points, promised and credited on completion."
        yield Case(f"campaign-{rate}-bp", "7", title, story.pays("300.00", on="2023-06-10"), (DUE,))
    tiny = attrs.evolve(FOUR, shares=9_999, release=Portion("1/3"), promos=(PackageBonus("tiny", rate_bp=1),))
    story = told(tiny).pays("400.00", on=DUE)
    yield Case("bonus-rounds-to-nothing", "7", "A bonus that rounds to nothing is not recorded.", story)
    lost = told(attrs.evolve(FOUR, promos=(PackageBonus("spring", rate_bp=1_000),))).until("2023-05-30")
    yield Case("bonus-forfeited", "7", "A cancellation takes the promise of a bonus.", lost, (date(2023, 5, 29),))


Base = Literal["package", "released"]
Credit = Literal["at_once", "on_completion"]
Stacking = Literal["additive", "exclusive", "compound"]
BASES: tuple[Base, ...] = ("package", "released")
CREDITS: tuple[Credit, ...] = ("at_once", "on_completion")
STACKINGS: tuple[Stacking, ...] = ("additive", "exclusive", "compound")


def earned() -> Iterator[Case]:
    """Double payments and early repayments, by base and credit: in time and late, of two, three and all."""
    spans = {"one": "100.00", "two": "200.00", "three": "300.00", "all": "400.00", "one-and-a-half": "150.00"}
    for base, credit, (span, amount), days in product(BASES, CREDITS, spans.items(), (0, 1)):
        if days and span not in ("two", "all"):
            continue
        late = "late" if days else "in-time"
        double = attrs.evolve(FOUR, promos=(DoublePayment("double", rate_bp=50, base=base, credit=credit),))
        paid = told(double).pays(amount, on=DUE + days * DAY)
        done = paid if span == "all" else paid.pays(str(Decimal("400.00") - Decimal(amount)), on="2023-06-10")
        name = f"double-{base}-{credit.replace('_', '-')}-{span}-{late}"
        yield Case(
            name, "7", f"A double payment of {span}, {late}: base {base}, credited {credit}.", done, (DUE + DAY,)
        )
    for base, credit, span in product(BASES, CREDITS, ("one", "two", "three", "all")):
        early = attrs.evolve(FOUR, promos=(EarlyRepayment("early", rate_bp=100, base=base, credit=credit),))
        paid = told(early).pays(spans[span], on=DUE, kind="early_repayment")
        done = paid if span == "all" else paid.pays(str(Decimal("400.00") - Decimal(spans[span])), on="2023-06-10")
        name = f"early-{base}-{credit.replace('_', '-')}-{span}"
        yield Case(name, "7", f"An early repayment of {span}: base {base}, credited {credit}.", done, (DUE,))
    both = (
        DoublePayment("double", rate_bp=50, base="package", credit="at_once"),
        EarlyRepayment("early", rate_bp=100, base="package", credit="at_once"),
    )
    terms = attrs.evolve(FOUR, promos=both)
    story = told(terms).pays("200.00", on=DUE, kind="early_repayment").pays("200.00", on="2023-07-10")
    yield Case("early-is-no-double", "7", "An early repayment is no double payment; a later one earns its own.", story)
    after = told(terms).pays("300.00", on="2023-07-10", kind="early_repayment")
    yield Case("early-and-cancelled", "7", "Earned after a cancellation: the payment is refused.", refused(after))
    overdue = told(attrs.evolve(terms, grace_days=45)).pays("200.00", on="2023-06-10", kind="early_repayment")
    title = "An early repayment that settles an installment due today prepays nothing, and is late for a double one."
    yield Case("early-prepays-nothing", "7", title, overdue)


def stacking() -> Iterator[Case]:
    """Three bonuses in each order under each stacking, with a waiting award among them."""
    promos = (
        OnTimeBonus("on_time", rate_bp=500),
        PackageBonus("spring", rate_bp=1_000),
        DoublePayment("double", rate_bp=700, base="package", credit="on_completion"),
    )
    for way, order in product(STACKINGS, permutations(promos)):
        terms = attrs.evolve(FOUR, promos=order, stacking=way)
        story = told(terms).pays("200.00", on=DUE).pays("200.00", on="2023-07-10")
        codes = "-".join(promo.code.replace("_", "-") for promo in order)
        yield Case(f"stacking-{way}-{codes}", "7", f"Stacking {way}, in the order {codes}.", story, (DUE,))
    equal = (PackageBonus("first", rate_bp=500), PackageBonus("second", rate_bp=500))
    story = told(attrs.evolve(FOUR, promos=equal, stacking="exclusive")).pays("400.00", on=DUE)
    yield Case("stacking-exclusive-equal", "7", "Of equal bonuses the first in the order of the terms stands.", story)


# ---- section 5


def payments() -> Iterator[Case]:
    """Parts, exact amounts, several installments, early ones, and repetitions."""
    for name, title, amounts in (
        ("part", "A part payment settles nothing and counts.", ("40.00",)),
        ("parts", "Two parts settle an installment on the day of the second.", ("40.00", "60.00")),
        ("cent-short", "A cent less leaves the installment open.", ("99.99",)),
        ("cent-more", "A cent more is kept for the next installment.", ("100.01",)),
        ("two-and-a-half", "Two and a half installments at once.", ("250.00",)),
        ("all", "The whole price at once completes the plan.", ("1000.00",)),
        ("many-parts", "Many parts, in the order of their arrival.", ("33.33", "33.33", "33.33", "100.01")),
    ):
        story = told()
        for number, amount in enumerate(amounts):
            story = story.pays(amount, on=OPENED + 10 * number * DAY)
        yield Case(f"payment-{name}", "5", title, story, (DUE + DAY, DUE + 20 * DAY))
    early = told().pays("100.00", on=OPENED)
    yield Case("payment-on-opening", "5", "A payment on the day of the opening.", early, (DUE + DAY,))
    again = told().pays("100.00", on=DUE).pays("100.00", on=DUE, reference="bank-1").then_nothing()
    yield Case("payment-repeated", "5", "The same reference and content: nothing happens again.", again)
    same = told().pays("60.00", on=DUE + DAY).pays("40.00").pays("100.00")
    yield Case("payments-of-one-day", "5", "Payments of one day settle in the order in which they were recorded.", same)
    partly = told().pays("40.00", on=DUE).until("2023-06-11")
    yield Case(
        "amount-due-of-two", "6", "A part payment does not stop the clock.", partly, (DUE + 19 * DAY, DUE + 20 * DAY)
    )
    two = told(attrs.evolve(TEN, grace_days=45)).pays("40.00", on=DUE).until("2023-06-11")
    yield Case(
        "two-open",
        "6",
        "Two open installments are one row; its days are those of the older.",
        two,
        (date(2023, 6, 10),),
    )


def refusals() -> Iterator[Case]:
    """Each way in which a command is refused, with its kind."""
    begun = told().pays("100.00", on=DUE)
    done = told(FOUR).pays("400.00", on=DUE)
    open_to = told(attrs.evolve(FOUR, reinstatement=FullCover())).until("2023-06-20")
    part_to = told(attrs.evolve(FOUR, reinstatement=PartialCover(2))).until("2023-08-20")
    for name, section, title, story in (
        ("overpayment", "5", "More than the price.", told().pays("1000.01")),
        (
            "overpayment-later",
            "5",
            "More than the price with a later payment.",
            told().pays("950.00", on=DUE).pays("50.01", on=OPENED),
        ),
        ("before-opening", "5", "Before the opening.", told().pays("1.00", on=OPENED - DAY)),
        ("on-cancelled", "5", "On a cancelled plan.", told().pays("100.00", on="2023-06-30")),
        ("on-completed", "5", "On a completed plan.", done.pays("0.01", on="2023-06-10")),
        ("other-amount", "5", "A reference with another amount.", begun.pays("99.00", on=DUE, reference="bank-1")),
        ("other-day", "5", "A reference with another day.", begun.pays("100.00", on=DUE + DAY, reference="bank-1")),
        (
            "other-kind",
            "5",
            "A reference with another kind.",
            begun.pays("100.00", on=DUE, reference="bank-1", kind="early_repayment"),
        ),
        ("reversal-unknown", "10", "The reversal of a payment that is not there.", begun.reverses("bank-7")),
        (
            "reversed-twice",
            "10",
            "A payment is reversed once, in either way.",
            begun.reverses().reverses("bank-1", cause="chargeback"),
        ),
        (
            "chargeback-before",
            "10",
            "A chargeback before its payment.",
            begun.reverses(cause="chargeback", on=DUE - DAY),
        ),
        ("request-cancelled", "6", "A request on a cancelled plan.", told().until("2023-06-30").cancels()),
        ("request-completed", "6", "A request on a completed plan.", done.cancels(on="2023-06-10")),
        ("request-before-opening", "6", "A request before the opening.", told().cancels(on=OPENED - DAY)),
        (
            "reinstate-closed",
            "9",
            "Terms that allow no reinstatement.",
            told().until("2023-06-30").reinstates("100.00"),
        ),
        (
            "reinstate-active",
            "9",
            "A plan that is not cancelled.",
            told(attrs.evolve(FOUR, reinstatement=FullCover())).reinstates("100.00"),
        ),
        ("reinstate-too-little", "9", "Less than all that is overdue.", open_to.reinstates("199.99")),
        ("reinstate-own-decision", "9", "Approved by its actor.", open_to.reinstates("200.00", approved_by="clerk")),
        ("reinstate-larger", "9", "A larger package.", open_to.reinstates("200.00", revised_shares=13_601)),
        (
            "reinstate-below-released",
            "9",
            "A package smaller than its releases.",
            open_to.reinstates("200.00", revised_shares=9_199),
        ),
        ("reinstate-overpays", "9", "More than the price.", open_to.reinstates("400.01")),
        (
            "reinstate-partial-too-little",
            "9",
            "Fewer installments than the minimum.",
            part_to.reinstates("199.99", revised_shares=9_200),
        ),
        (
            "reinstate-partial-unrevised",
            "9",
            "Not everything covered, and no revised package.",
            part_to.reinstates("200.00"),
        ),
    ):
        yield Case(f"refused-{name}", section, f"Refused: {title}", refused(story))


# ---- section 10


def back_dated() -> Iterator[Case]:
    """Payments within grace that are recorded late, in part and in whole, by one day and by months."""
    for recorded, paid in product(("2023-05-30", "2023-06-05", "2023-09-01"), (DUE, DUE + DAY, DUE + 19 * DAY)):
        story = told().pays("100.00", on=paid, recorded=recorded)
        name = f"back-dated-{paid}-recorded-{recorded}"
        yield Case(name, "10", f"Paid on {paid}, recorded on {recorded}.", story, (date(2023, 5, 30),))
    closed = told().until("2023-06-05").closes().pays("100.00", on=DUE, recorded="2023-06-06")
    yield Case("back-dated-after-closing", "10", "A closing changes no answer.", closed, (date(2023, 5, 30),))
    swapped = told(FOUR).pays("200.00", on="2023-05-15").pays("200.00", on="2023-05-12")
    yield Case("back-dated-order", "10", "A payment recorded second and paid first settles first.", swapped)
    promos = (DoublePayment("double", rate_bp=50, base="package", credit="at_once"),)
    moved = told(attrs.evolve(FOUR, promos=promos)).pays("200.00", on=DUE).pays("100.00", on=OPENED)
    title = "An earlier payment changes which installments the later one settled, and its award."
    yield Case("back-dated-award", "10", title, moved)
    early = (EarlyRepayment("early", rate_bp=100, base="released", credit="on_completion"),)
    fewer = (
        told(attrs.evolve(FOUR, promos=early)).pays("300.00", on=DUE, kind="early_repayment").pays("100.00", on=OPENED)
    )
    yield Case("back-dated-early", "10", "An earlier payment moves the count of an early repayment.", fewer)


def reversals() -> Iterator[Case]:
    """Reversals for error: recorded at once, after the cancellation, of a completing payment, of an award's."""
    for days in (0, 1, 19, 20, 40):
        story = told().pays("100.00", on=DUE).until(DUE + days * DAY).reverses()
        title = f"Reversed for error {days} days later: never made."
        yield Case(f"reversed-after-{days}", "10", title, story, (DUE + DAY, DUE + 20 * DAY))
    done = told(FOUR).pays("100.00", on=DUE).pays("300.00", on="2023-06-10").until("2023-06-15").reverses("bank-1")
    yield Case("reversed-under-completion", "10", "A completed plan was not, without its first payment.", done)
    promos = (DoublePayment("double", rate_bp=50, base="package", credit="at_once"),)
    award = told(attrs.evolve(FOUR, promos=promos)).pays("200.00", on=DUE).until("2023-05-20").reverses()
    yield Case("reversed-award", "10", "An award falls with its payment.", award)
    kept = told(FOUR).pays("100.00", on=DUE).pays("100.00", on="2023-06-05").until("2023-06-07").reverses("bank-1")
    title = "The second payment had found the plan cancelled, and waits unapplied."
    yield Case("reversed-leaves-unapplied", "10", title, kept, (date(2023, 5, 30), date(2023, 6, 5)))
    gone = kept.reverses("bank-2")
    yield Case("reversed-unapplied", "10", "Unapplied money that is reversed is no longer unapplied.", gone)
    saved = kept.pays("100.00", on=DUE, reference="bank-9", recorded="2023-06-08")
    yield Case("unapplied-applies-again", "10", "It applies again when late knowledge revives the plan.", saved)


def chargebacks() -> Iterator[Case]:
    """Chargebacks before and after the due date, on active, completed and cancelled plans, with their clocks."""
    for days in (0, 1, 10, 30, 31, 45):
        story = told().pays("100.00", on=DUE - 5 * DAY).pays("100.00", on="2023-06-01")
        day = DUE - 5 * DAY + days * DAY
        back = story.until(max(day, date(2023, 6, 1))).reverses("bank-1", cause="chargeback", on=day)
        name = f"charged-back-after-{days}"
        asked = (day + DAY, day + 19 * DAY, day + 20 * DAY)
        yield Case(name, "10", f"Charged back {days} days after the payment.", back, asked)
    done = told(attrs.evolve(FOUR, promos=(PackageBonus("spring", rate_bp=1_000),))).pays("400.00", on=DUE)
    for days in (0, 20, 60):
        day = DUE + days * DAY
        back = done.reverses(cause="chargeback", on=day)
        title = f"A completed plan is active again, {days} days after its only payment."
        yield Case(f"charged-back-completed-{days}", "10", title, back, (day + DAY, day + 20 * DAY))
    ended = told(FOUR).pays("100.00", on=DUE).until("2023-07-15").reverses(cause="chargeback", on="2023-07-15")
    yield Case("charged-back-cancelled", "10", "A cancelled plan stays so, and its shares are forfeited.", ended)
    for base, credit in product(BASES, CREDITS):
        promos = (DoublePayment("double", rate_bp=50, base=base, credit=credit),)
        story = told(attrs.evolve(FOUR, promos=promos)).pays("200.00", on=DUE).pays("200.00", on="2023-07-01")
        back = story.reverses("bank-1", cause="chargeback", on="2023-07-05")
        name = f"charged-back-award-{base}-{credit.replace('_', '-')}"
        asked = (date(2023, 7, 1), date(2023, 7, 24), date(2023, 7, 25))
        yield Case(name, "10", f"An award, base {base}, credited {credit}, falls with its payment only.", back, asked)
    on_time = (OnTimeBonus("on_time", rate_bp=500, standard="by_due_date"),)
    story = (
        told(attrs.evolve(FOUR, promos=on_time)).pays("200.00", on=DUE).reverses(cause="chargeback", on="2023-05-20")
    )
    again = story.pays("400.00", on="2023-05-25")
    reopened = told().pays("100.00", on=DUE).until("2023-06-15").reverses(cause="chargeback", on="2023-06-15")
    title = "Number 1 is open again from 15 June, number 2 since 10 June: a payment on 20 June settles number 1."
    around = tuple(date(2023, 6, day) for day in (19, 20, 21, 29, 30))
    yield Case("charged-back-two-clocks", "10", title, reopened.pays("100.00", on="2023-06-20"), around)
    yield Case("charged-back-on-time", "7", "Settled for the last time after its due date.", again)
    for stacking in STACKINGS:
        promos = (DoublePayment("double", rate_bp=500, base="package", credit="on_completion"),)
        agreed = attrs.evolve(FOUR, promos=(*promos, PackageBonus("spring", rate_bp=500)), stacking=stacking)
        story = told(agreed).pays("200.00", on=OPENED).pays("200.00", on=DUE)
        kept = story.reverses("bank-1", cause="chargeback", on=DUE).pays("200.00", on=OPENED)
        title = f"Money of the day keeps the plan completed; the award falls all the same, {stacking}."
        yield Case(f"charged-back-completed-{stacking}", "10", title, kept, (DUE - DAY, DUE))


def requests() -> Iterator[Case]:
    """Requests today, in the past and before payments that become unapplied; taken over by a later fact."""
    story = told().pays("100.00", on=DUE)
    for name, on in (("today", "2023-05-20"), ("on-due-date", "2023-05-10"), ("before-payment", "2023-05-09")):
        asked = story.until("2023-05-20").cancels(on=on)
        yield Case(f"request-{name}", "6", f"Cancelled by request on {on}, recorded on 2023-05-20.", asked, (DUE,))
    in_grace = told().until("2023-05-20").cancels()
    yield Case("request-in-grace", "6", "A request ends the grace.", in_grace, (date(2023, 5, 19), date(2023, 5, 30)))
    deadline = told().until("2023-05-29").cancels()
    yield Case("request-last-day", "6", "A request on the last day of grace.", deadline, (date(2023, 5, 30),))
    late = told().pays("100.00", on=DUE).until("2023-07-15").cancels(on="2023-06-29")
    yield Case(
        "request-late",
        "6",
        "A request dated before the cancellation takes its place.",
        refused(late) if late.steps[-1].error else late,
    )


# ---- section 9


def reinstatements() -> Iterator[Case]:
    """Each policy and schedule; covered in whole and in part; revised, completed, reversed, and charged back."""
    kinds: dict[str, Any] = {"monthly": Monthly(), "every-30": EveryDays(30)}
    for (word, schedule), day in product(kinds.items(), ("2023-05-30", "2023-06-10", "2023-06-11", "2023-07-31")):
        terms = attrs.evolve(FOUR, schedule=schedule, reinstatement=FullCover())
        cancelled = told(terms).until(day)
        overdue = sum(line.due_on < cancelled.day for line in cancelled.steps[0].events[0].event.lines)  # type: ignore[union-attr]  # the opening
        back = cancelled.reinstates(f"{overdue}00.00")
        title = f"Reinstated on {day} with all {overdue} overdue: re-dated {word}."
        yield Case(
            f"reinstated-{word}-{day}",
            "9",
            title,
            back,
            (cancelled.day - DAY, cancelled.day + 31 * DAY, cancelled.day + 50 * DAY),
        )
    lines = ExplicitSchedule(((DUE, 10_000), (DUE + 3 * DAY, 10_000), (DUE + 100 * DAY, 20_000)))
    explicit = attrs.evolve(FOUR, schedule=lines, installments=3, first_due_on=None, reinstatement=FullCover())
    back = told(explicit).until("2023-06-30").reinstates("200.00")
    yield Case("reinstated-explicit", "9", "Explicit lines keep their distances.", back, (date(2023, 7, 31),))
    twice = (
        told(attrs.evolve(explicit, reinstatement=PartialCover(1)))
        .until("2023-06-30")
        .reinstates("100.00", revised_shares=10_000)
    )
    twice = twice.until("2023-09-30").reinstates("300.00")
    yield Case("reinstated-twice-explicit", "9", "However often they are re-dated.", twice, (date(2023, 8, 20),))
    for minimum, covered, revised in product((1, 2, 9), (1, 2, 3), (9_200, 12_000, 13_600)):
        terms = attrs.evolve(FOUR, reinstatement=PartialCover(minimum), promos=(PackageBonus("spring", rate_bp=1_000),))
        cancelled = told(terms).until("2023-07-20")
        back = cancelled.reinstates(f"{covered}00.00", revised_shares=revised)
        enough = covered >= min(minimum, 3)
        name = f"reinstated-partial-{minimum}-covers-{covered}-revised-{revised}"
        title = f"{covered} of 3 overdue covered where {minimum} are demanded, revised to {revised:,} shares."
        yield Case(name, "9", title, back if enough else refused(back), (date(2023, 8, 20),) if enough else ())
    full = told(attrs.evolve(FOUR, reinstatement=FullCover())).until("2023-06-20")
    whole = full.reinstates("400.00")
    yield Case("reinstated-and-completed", "9", "Everything is paid: nothing is re-dated.", whole)
    error = full.reinstates("200.00").until("2023-07-01").reverses("bank-1")
    yield Case("reinstatement-reversed", "9", "Reversed for error with its payment, the reinstatement falls.", error)
    back = full.reinstates("200.00").until("2023-07-01").reverses("bank-1", cause="chargeback", on="2023-07-01")
    yield Case(
        "reinstatement-charged-back",
        "9",
        "Charged back, it stands and installments reopen.",
        back,
        (date(2023, 7, 2), date(2023, 7, 20)),
    )
    after_all = full.reinstates("200.00").pays("100.00", on=DUE, reference="late", recorded="2023-06-25")
    title = "Not cancelled after all: the money is an ordinary payment."
    yield Case("reinstatement-needless", "9", title, after_all, (date(2023, 5, 30), date(2023, 6, 20)))
    promos = (
        DoublePayment("double", rate_bp=50, base="package", credit="at_once"),
        OnTimeBonus("on_time", rate_bp=500),
    )
    lost = told(attrs.evolve(FOUR, reinstatement=FullCover(), promos=promos)).until("2023-06-20").reinstates("300.00")
    lost = lost.pays("100.00", on="2023-07-01")
    yield Case(
        "reinstated-without-bonuses",
        "9",
        "Bonuses on completion are lost, and the reinstating payment earns none.",
        lost,
    )
    waits = (
        told(attrs.evolve(FOUR, reinstatement=FullCover()))
        .pays("100.00", on=DUE)
        .until("2023-05-20")
        .cancels(on="2023-05-09")
    )
    revived = waits.until("2023-06-20").reinstates("200.00")
    yield Case(
        "reinstated-with-unapplied",
        "9",
        "Unapplied money applies after the reinstating payment.",
        revived,
        (date(2023, 5, 20),),
    )


# ---- section 8


def completions() -> Iterator[Case]:
    """The worked examples of section 11, to the last share."""
    for name, price, count, shares, rate, amount in (
        ("3000", "3000.00", 20, 351_000, "49", "150.00"),
        ("1000", "1000.00", 10, 34_000, "23", "100.00"),
    ):
        terms = PlanTerms(
            price=Money.of(price, "USD"),
            shares=shares,
            installments=count,
            release=PerUnit(rate),
            timezone="Europe/Moscow",
            promos=(OnTimeBonus("on_time", rate_bp=500),),
        )
        story = told(terms)
        for number, line in enumerate(story.steps[0].events[0].event.lines, 1):  # type: ignore[union-attr]  # the opening
            story = story.pays(amount, on=line.due_on)
            if number in (1, count - 1, count):
                title = f"{number} of {count} installments of the package of {price} USD paid when due."
                yield Case(f"worked-{name}-paid-{number}", "8", title, story)


# ---- what a wrong ledger hides: docs/wrong-ledgers.md


def anchored() -> Iterator[Case]:
    """The third month from the end of January, once two are paid: on the anchor's day again."""
    for year, last in ((2023, 28), (2024, 29)):
        story = told(attrs.evolve(TEN, first_due_on=None), date(year, 1, 31))
        story = story.pays("100.00").pays("100.00", on=date(year, 2, last))
        title = f"After {last} February the third installment is due on 31 March, and missed on 1 April."
        around = (date(year, 3, last), date(year, 3, last + 1), date(year, 3, 31), date(year, 4, 1))
        yield Case(f"monthly-{year}-01-31-third", "3", title, story, around)


def repetitions() -> Iterator[Case]:
    """Each command sent a second time: at once, later, and where it would be refused if it were new."""
    paid = told().pays("100.00", on=DUE)
    completed = told(FOUR).pays("400.00", on=DUE)
    taken_back = paid.reverses()
    charged = paid.until("2023-05-20").reverses(cause="chargeback", on="2023-05-20")
    asked = paid.until("2023-05-20").cancels()
    back = told(attrs.evolve(FOUR, reinstatement=FullCover())).until("2023-06-20").reinstates("200.00")
    for name, title, story, amount in (
        ("later", "A payment sent again weeks later", paid.until("2023-05-29"), "100.00"),
        ("on-cancelled", "A payment sent again on the plan, cancelled since", paid.until("2023-07-10"), "100.00"),
        ("on-completed", "The payment that completed the plan sent again", completed.until("2023-06-10"), "400.00"),
    ):
        again = story.pays(amount, on=DUE, reference="bank-1")
        yield Case(f"repeated-{name}", "5", f"{title}: nothing happens again.", again.then_nothing(), (DUE,))
    for name, section, title, story in (
        ("reversal", "10", "A reversal", taken_back.reverses("bank-1")),
        ("chargeback", "10", "A chargeback", charged.reverses("bank-1", cause="chargeback", on="2023-05-20")),
        ("request", "6", "A request", asked.cancels(reference="crm-1")),
        ("reinstatement", "9", "A reinstatement", back.reinstates("200.00", reference="bank-1")),
    ):
        yield Case(f"repeated-{name}", section, f"{title} sent again: nothing happens again.", story.then_nothing())


def closings() -> Iterator[Case]:
    """Books closed while a plan is in grace, every day, and months late: each answer is that of books never closed."""
    in_grace = told().until(DUE + 5 * DAY).closes()
    around = (DUE + 5 * DAY, DUE + 19 * DAY, DUE + 20 * DAY)
    yield Case("closed-in-grace", "10", "A closing in grace cancels nothing.", in_grace, around)
    saved = in_grace.until(DUE + 18 * DAY).closes().pays("100.00", on=DUE + 19 * DAY)
    title = "Closed on the last day of grace but one, and paid on the last."
    yield Case("closed-in-grace-and-saved", "10", title, saved, (DUE + 5 * DAY, DUE + 20 * DAY))
    daily = told()
    for day in range(22):
        daily = daily.until(DUE + day * DAY).closes()
    yield Case("closed-daily", "10", "Closed every day from D to D+21.", daily, (DUE + 5 * DAY, *around[1:]))
    late = told().until("2023-08-31").closes(through=DUE + 5 * DAY).closes(through="2023-08-31")
    yield Case("closed-late", "10", "Closed once after an outage of months, in two steps.", late, around)


def as_known() -> Iterator[Case]:
    """Asked as known at the very instant of a recording, which counts, and a microsecond earlier, when it does not."""
    first = told().pays("100.00", on=DUE)
    late = first.until("2023-06-20").pays("100.00", on="2023-06-12")
    taken = first.until("2023-05-20").reverses(cause="chargeback", on="2023-05-20")
    asked = told().until("2023-05-20").cancels()
    back = told(attrs.evolve(FOUR, reinstatement=FullCover())).until("2023-06-20").reinstates("200.00")
    for name, title, story in (
        ("payment", "A late payment", late),
        ("chargeback", "A chargeback", taken),
        ("request", "A request", asked),
        ("reinstatement", "A reinstatement", back),
    ):
        at = story.steps[-1].recorded_at
        shown = f"{title} is known from the instant of its recording on, that instant included."
        yield Case(f"known-{name}", "1", shown, story, (), (at - timedelta(microseconds=1), at))


def tomorrow() -> Iterator[Case]:
    """Commands dated after the day of their recording in the plan's zone, at its last second; and on that day."""
    begun = told().pays("100.00", on=DUE).until("2023-05-20")
    day = date(2023, 5, 20)
    last = midnight("Europe/Moscow", day + DAY) - timedelta(seconds=1)
    paid: dict[str, Any] = {
        "plan_id": "P-1",
        "reference": "bank-2",
        "amount": Money.of("100.00", "USD"),
        "kind": "regular",
    }
    asked: dict[str, Any] = {"plan_id": "P-1", "reference": "crm-1", "reason": "asked by the investor"}
    back: dict[str, Any] = {"plan_id": "P-1", "reference": "bank-1", "cause": "chargeback"}
    for name, title, command in (
        ("payment", "A payment", RecordPayment(**paid, paid_at=day + DAY)),
        ("request", "A request", CancelPlan(**asked, on=day + DAY)),
        ("chargeback", "A chargeback", ReversePayment(**back, on=day + DAY)),
        ("closing", "A closing", ClosePlan(plan_id="P-1", through=day + DAY)),
    ):
        story = sent(begun, command, on=day + DAY, recorded_at=last)
        shown = f"Refused: {title} dated the day after its recording in the plan's zone."
        yield Case(f"refused-tomorrow-{name}", "1", shown, story)
    moscow = midnight("Europe/Moscow", day)  # 21:00 of the day before in UTC
    today = sent(begun, RecordPayment(**paid, paid_at=day), on=day, recorded_at=moscow)
    yield Case("recorded-at-midnight", "1", "The day of a recording is that of the plan's zone, not of UTC.", today)


def sent(story: Story, command: Command, *, on: date, recorded_at: datetime) -> Story:
    """Send a command that is recorded at an instant; a story records at noon, and nothing before its day."""
    (answer,) = story.ledger.execute_all([(command, Metadata(recorded_at=recorded_at, actor="clerk"))])
    error = answer if isinstance(answer, LedgerError) else None
    step = Step(command, on, recorded_at, () if isinstance(answer, LedgerError) else answer, error)
    return attrs.evolve(story, steps=(*story.steps, step))
