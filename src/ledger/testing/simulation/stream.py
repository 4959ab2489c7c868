"""The stream of a market: the calls of all plans in the order in which they reach the ledger."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any

import attrs

from ledger.books import columns
from ledger.dates import DAY
from ledger.testing.calls import Call
from ledger.testing.referee import day_of, instant_of
from ledger.testing.simulation.behaviour import Act, Life, life
from ledger.testing.simulation.disturbances import HOUR, Disturbances
from ledger.testing.simulation.parameters import Market
from ledger.testing.simulation.seeded import Dice
from ledger.values import to_dict

_DAY_SECONDS = 24 * 60 * 60


@attrs.frozen(order=True)
class Row:
    """A call that reaches the ledger at an instant; rows of one instant come in the order of `place`."""

    arrives_at: datetime
    place: tuple[int, int]
    call: Call = attrs.field(order=False)


class Stream:
    """The plans of a market and their rows, from a seed: as many plans as asked for, over so many years."""

    def __init__(self, market: Market, *, seed: int, plans: int, years: int) -> None:
        self.market, self.seed, self.plans, self.years = market, seed, plans, years
        self.first_day = columns.civil_date(market.first_day)
        self.last_day = self.first_day + years * 365 * DAY
        begins = datetime.combine(self.first_day, time(), UTC)
        self.ends_at = datetime.combine(self.last_day, time(), UTC)
        self.disturbances = Disturbances(market, seed=seed, begins=begins, years=years)

    @property
    def partners(self) -> int:
        """The number of partners: `N-0001` and so on."""
        return max(1, self.plans // self.market.partners.plans_each)

    def lives(self) -> Iterator[Life]:
        """Yield the life of each plan, by its number."""
        investors = self._investors()
        for number in range(1, self.plans + 1):
            dice = Dice(self.seed, "plan", number)
            opened_on = self.first_day + dice.between(0, self.years * 365 - 1) * DAY
            partner = f"N-{dice.between(1, self.partners):04d}" if dice.happens(9_000) else None
            yield life(
                self.market,
                dice,
                plan_id=f"S-{number:06d}",
                investor=next(investors),
                partner=partner,
                opened_on=opened_on,
            )

    def rows(self) -> Iterator[Row]:
        """Yield the rows of all plans as they arrive, up to the end of the market."""
        waiting = [(one.opened_on, number, one) for number, one in enumerate(self.lives(), 1)]
        heapify(waiting)
        arriving: list[Row] = []
        while waiting or arriving:
            while waiting and (not arriving or waiting[0][0] - 2 * DAY <= arriving[0].arrives_at.date()):
                _, number, one = heappop(waiting)
                for row in self.rows_of(one, number):
                    heappush(arriving, row)
            if arriving and arriving[0].arrives_at >= self.ends_at:
                return
            if arriving:
                yield heappop(arriving)

    def rows_of(self, one: Life, number: int) -> Iterator[Row]:
        """Yield the rows of a plan, in no order, all before the end of the market."""
        bank = _Bank(self, one, number)
        for act in (_opening(one), *one.acts):
            for row in bank.rows(act):
                if row.arrives_at < self.ends_at:
                    yield row

    def _investors(self) -> Iterator[str]:
        """Yield the investor of each plan; an investor has one plan or some."""
        dice = Dice(self.seed, "investors")
        for number in count(1):
            for _ in range(dice.between(1, self.market.investors.plans_most)):
                yield f"I-{number:06d}"


def _opening(one: Life) -> Act:
    given = {"investor": one.investor, "partner": one.partner, "opened_on": one.opened_on}
    return Act(on=one.opened_on, name="open", given={**given, "terms": to_dict(one.terms)})


class _Bank:
    """Turns the acts of one plan into rows: dated, delayed, repeated, taken back."""

    def __init__(self, stream: Stream, one: Life, number: int) -> None:
        self._ways, self._life, self._number = stream.market.banks, one, number
        self._disturbances = stream.disturbances
        self._dice = Dice(stream.seed, "bank", number)
        self._rows = count()
        self._ended_on: date | None = None

    def rows(self, act: Act) -> Iterator[Row]:
        """Yield the rows that come of an act."""
        if self._ended_on is not None and act.on > self._ended_on:
            return
        zone, dice = self._life.terms.timezone, self._dice
        second = 0 if act.name == "open" else dice.between(60, _DAY_SECONDS - 1)
        local = datetime.combine(act.found_on or act.on, time()) + timedelta(seconds=second)
        done_at = instant_of(zone, local)
        if act.name != "pay":
            yield self._row(act.name, dict(act.given), done_at)
            return
        exact = dice.happens(self._ways.instants_bp) and day_of(zone, done_at) == act.on
        given = {**act.given, "paid_at": done_at if exact else act.on}
        arrives_at = done_at + dice.between(1, 20) * HOUR + self._delay() + self._found()
        yield self._row("pay", given, arrives_at)
        yield from self._again(given, arrives_at)
        yield from self._taken_back(given, act.on, arrives_at)

    def _again(self, given: dict[str, Any], arrives_at: datetime) -> Iterator[Row]:
        if self._dice.happens(self._ways.repeats_bp):
            yield self._row("pay", given, arrives_at + self._dice.between(0, 24 * 40) * HOUR)
        if self._dice.happens(self._ways.conflicts_bp):
            other = {**given["amount"], "minor": given["amount"]["minor"] + 1}
            yield self._row("pay", {**given, "amount": other}, arrives_at + self._dice.between(1, 48) * HOUR)

    def _taken_back(self, given: dict[str, Any], paid_on: date, arrives_at: datetime) -> Iterator[Row]:
        dice, reference = self._dice, given["reference"]
        if dice.happens(self._ways.chargebacks_bp):
            on = paid_on + dice.between(1, 60) * DAY
            known_at = instant_of(self._life.terms.timezone, datetime.combine(on, time(20)))
            known_at = max(known_at, arrives_at) + dice.between(1, 72) * HOUR
            yield self._row("reverse", {"reference": reference, "cause": "chargeback", "on": on}, known_at)
            if dice.happens(self._ways.repaid_bp):
                on += dice.between(0, 15) * DAY
                paid_at = instant_of(self._life.terms.timezone, datetime.combine(on, time(12)))
                again = {**given, "reference": f"{reference}-again", "paid_at": on, "kind": "regular"}
                yield self._row("pay", again, max(paid_at, known_at) + dice.between(1, 48) * HOUR)
            else:
                self._ended_on = on + dice.between(0, 60) * DAY
        elif dice.happens(self._ways.errors_bp):
            known_at = arrives_at + dice.between(1, 24 * 12) * HOUR + self._found()
            yield self._row("reverse", {"reference": reference, "cause": "error", "on": None}, known_at)
            if dice.happens(self._ways.corrected_bp):
                corrected = {**given, "reference": f"{reference}-corrected"}
                yield self._row("pay", corrected, known_at + dice.between(0, 48) * HOUR)

    def _delay(self) -> timedelta:
        late = self._dice.happens(self._ways.delays_bp)
        return self._dice.between(1, self._ways.delay_days) * DAY if late else timedelta()

    def _found(self) -> timedelta:
        """Return how long a row or an error lies where nobody looks."""
        ways, dice = self._ways, self._dice
        found = ways.found_bp and dice.happens(ways.found_bp)
        return dice.between(ways.delay_days, ways.found_after_days) * DAY if found else timedelta()

    def _row(self, name: str, given: dict[str, Any], at: datetime) -> Row:
        arrives_at = self._disturbances.arrival(at, self._life.partner)
        given["recorded_at"] = self._disturbances.shown(arrives_at)
        call = Call(name, self._life.plan_id, dict(given))
        return Row(arrives_at, (self._number, next(self._rows)), call)
