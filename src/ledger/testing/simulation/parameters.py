"""The parameters of a market: a TOML file of chances, weights and numbers of days, read strictly.

Chances are in basis points, weights relative to each other, times in whole days, hours or minutes. Nothing is a float:
the same file and seed give the same market on every machine.
"""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import msgspec

from ledger.books import columns
from ledger.books.files import UnusableFile
from ledger.errors import LedgerError
from ledger.money import Money
from ledger.terms import PlanTerms, schedule

FORMAT = "installment-ledger-market/1"

PACKAGED = ("default", "published")
"""The markets that come with the library: one with every trouble, and one fitted to published figures."""

Chance = Annotated[int, msgspec.Meta(ge=0, le=10_000)]
Weight = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=1_000)]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file."""


class Package(_Table, frozen=True):
    """A package that is sold, in the forms of the columns of a book, and how often beside the others."""

    weight: Weight
    price: str
    currency: str
    shares: int
    installments: int
    release: str
    rounding_unit: int = 1
    grace_days: int = 19
    schedule: str = "monthly"
    stacking: str = "additive"
    promos: str = ""
    reinstatement: str = "closed"

    def terms(self, timezone: str) -> PlanTerms:
        """Return the terms of a plan of this package. Raises `LedgerError`."""
        return PlanTerms(
            price=Money.of(self.price, self.currency),
            shares=self.shares,
            installments=self.installments,
            rounding_unit=self.rounding_unit,
            release=columns.release(self.release),
            schedule=columns.schedule(self.currency)(self.schedule),
            timezone=timezone,
            grace_days=self.grace_days,
            stacking=columns.stacking(self.stacking),
            promos=columns.promos(self.promos),
            reinstatement=columns.reinstatement(self.reinstatement),
        )


class Kinds(_Table, frozen=True):
    """Weights of the kinds of investor."""

    punctual: Weight = 0  # pays on the due date or shortly before
    late: Weight = 0  # pays within grace
    forgetful: Weight = 0  # forgets some installments, and pays them with the next one
    automatic: Weight = 0  # believes after the first installments that the rest is debited
    parts: Weight = 0  # pays each installment in parts
    prepays: Weight = 0  # pays some installments together, or the rest early
    upfront: Weight = 0  # pays all at the opening
    stops: Weight = 0  # pays some installments, and no more


class Investors(_Table, frozen=True):
    """How investors behave."""

    kinds: Kinds
    early_days: Count = 3
    late_days: Count = 18
    forgets_bp: Chance = 1_500
    remembers_bp: Chance = 7_000  # of what is forgotten: is paid within grace
    stops_after_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] = 60
    asks_bp: Chance = 1_000  # of those who stop: asks for the cancellation
    letters_bp: Chance = 0  # of those who ask: by a letter that is found later, while the standing order pays on
    letter_days: Positive = 60
    overpays_bp: Chance = 0  # of the payments: more than the whole price comes first, and is refused
    returns_bp: Chance = 2_000  # of those whose plan is cancelled: comes back with the money
    returns_after_days: Positive = 90
    reinstated_bp: Chance = 5_000  # of those who come back: is reinstated, where the terms allow it
    plans_most: Positive = 3


class Banks(_Table, frozen=True):
    """How the rows of payments arrive."""

    instants_bp: Chance = 3_000
    repeats_bp: Chance = 300
    conflicts_bp: Chance = 10  # a row comes again, with another amount
    delays_bp: Chance = 500
    delay_days: Positive = 15
    found_bp: Chance = 0  # of the rows and of the errors: are found after months
    found_after_days: Positive = 150
    chargebacks_bp: Chance = 60
    repaid_bp: Chance = 7_000  # of the chargebacks: the money is paid again; else the investor pays no more
    errors_bp: Chance = 60
    corrected_bp: Chance = 7_000  # of the errors: the money is booked again


class Partners(_Table, frozen=True):
    """Partners bring plans and rows; while one is on leave, the rows wait."""

    plans_each: Positive = 40
    leaves_a_year: Count = 2
    leave_days: Positive = 14


class Operations(_Table, frozen=True):
    """Our own side: outages, restarts, clocks, closings."""

    outages_a_year: Count = 6
    outage_hours: Positive = 30
    clock_steps_a_year: Count = 4
    clock_step_minutes: Annotated[int, msgspec.Meta(ge=1, le=240)] = 90
    closes_every_days: Count = 7  # 0: never
    rebuilds_a_year: Count = 1


class Market(_Table, frozen=True, kw_only=True):
    """A market: its packages, time zones, investors, banks, partners and operations."""

    format: str
    about: str = ""
    first_day: str = "2020-01-01"
    time_zones: dict[str, Weight]
    packages: Annotated[list[Package], msgspec.Meta(min_length=1)]
    investors: Investors
    banks: Banks = Banks()
    partners: Partners = Partners()
    operations: Operations = Operations()


def read_market(source: str | Path) -> Market:
    """Return a market that comes with the library, by its name, or that of a file. Raises `UnusableFile`."""
    name = str(source)
    path = files("ledger.testing.simulation").joinpath(f"{name}.toml") if name in PACKAGED else Path(source)
    try:
        market = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Market)
    except OSError as error:
        expected = f"a TOML file that can be read ({error.strerror}), or one of {', '.join(PACKAGED)}"
        raise _unusable(name, expected) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise _unusable(name, f"the parameters of a market: {error}") from error
    _check(name, market)
    return market


def _check(name: str, market: Market) -> None:
    if market.format != FORMAT:
        raise _unusable(name, f"format = {FORMAT!r}, not {market.format!r}")
    weights: dict[str, Mapping[str, int]] = {
        "time_zones": market.time_zones,
        "investors.kinds": msgspec.structs.asdict(market.investors.kinds),
        "packages": {str(number): one.weight for number, one in enumerate(market.packages)},
    }
    for table, given in weights.items():
        if not sum(given.values()):
            raise _unusable(name, f"a weight above zero in {table}")
    try:
        first_day = columns.civil_date(market.first_day)
    except LedgerError as error:
        raise _unusable(name, f"first_day: {error}") from error
    for number, package in enumerate(market.packages, 1):
        try:
            for zone in market.time_zones:
                schedule.schedule(package.terms(zone), first_day)
        except LedgerError as error:
            raise _unusable(name, f"package {number}: {error}") from error


def _unusable(name: str, expected: str) -> UnusableFile:
    return UnusableFile(argument="market", given=name, expected=expected)
