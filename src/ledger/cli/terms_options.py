"""The options that state a plan's terms: those of the columns of `plans.csv`, in the same forms."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from cyclopts import Parameter

from ledger.books import columns
from ledger.errors import InvalidArgument
from ledger.money import Money
from ledger.terms import PlanTerms

T = TypeVar("T")


def read(option: str, given: str, reader: Callable[[str], T]) -> T:
    """Return the value of an option. Raises `InvalidArgument` that names the option."""
    try:
        return reader(given)
    except InvalidArgument as error:
        raise InvalidArgument(argument=option, given=given, expected=error.expected) from None


def money(option: str, amount: str, currency: str) -> Money:
    """Return an amount above zero in major units of a currency. Raises `InvalidArgument`."""
    code = read("--currency", currency, lambda given: Money(0, given).currency)
    given = read(option, amount, lambda given: Money.of(given, code))
    if given.minor <= 0:
        raise InvalidArgument(argument=option, given=amount, expected="an amount above zero")
    return given


@dataclass(frozen=True, kw_only=True)
class TermsOptions:
    """The terms of a plan, as text.

    Parameters
    ----------
    price
        In major units of the currency: 3000.00.
    currency
        A code of ISO 4217: USD.
    shares
        Whole shares of the package.
    installments
        Their number.
    release
        per_unit:RATE, portion:FRACTION or explicit:a,b,…
    timezone
        Of the plan's dates: Europe/Moscow.
    rounding_unit
        Regular installments are rounded up to a multiple of it, in minor units.
    schedule
        monthly, every:DAYS or lines:DATE=AMOUNT,…
    first_due_on
        The due date of installment 1; default: the day of the opening.
    grace_days
        Days after a due date that still count.
    promos
        A list with ; between on_time:BP[:by_due_date], campaign:BP, double_payment:BP:BASE:CREDIT and
        early_repayment:BP:BASE:CREDIT.
    stacking
        additive, exclusive or compound.
    reinstatement
        closed, full_cover or partial_cover:MINIMUM.
    """

    price: str
    currency: str
    shares: str
    installments: str
    release: str
    timezone: str
    rounding_unit: str = "1"
    schedule: str = "monthly"
    first_due_on: str | None = None
    grace_days: str = "19"
    promos: str = ""
    stacking: str = "additive"
    reinstatement: str = "closed"

    def terms(self) -> PlanTerms:
        """Return the terms. Raises `InvalidArgument`."""
        price = money("--price", self.price, self.currency)
        first = None if self.first_due_on is None else read("--first-due-on", self.first_due_on, columns.civil_date)
        return PlanTerms(
            price=price,
            shares=read("--shares", self.shares, columns.whole),
            installments=read("--installments", self.installments, columns.whole),
            rounding_unit=read("--rounding-unit", self.rounding_unit, columns.whole),
            release=read("--release", self.release, columns.release),
            schedule=read("--schedule", self.schedule, columns.schedule(price.currency)),
            first_due_on=first,
            timezone=self.timezone,
            grace_days=read("--grace-days", self.grace_days, columns.whole),
            promos=read("--promos", self.promos, columns.promos),
            stacking=read("--stacking", self.stacking, columns.stacking),
            reinstatement=read("--reinstatement", self.reinstatement, columns.reinstatement),
        )


Terms = Annotated[TermsOptions, Parameter(name="*")]
