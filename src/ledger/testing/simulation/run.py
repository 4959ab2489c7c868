"""The run of a simulation: a market's rows drive a ledger beside the referee, and checks are judged as they pass."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

import attrs

from ledger.dates import DAY
from ledger.telemetry import Progress
from ledger.testing.calls import Call
from ledger.testing.comparison import Clockwork, LedgerDiffers, question
from ledger.testing.referee import Referee
from ledger.testing.simulation.adapter import Factory
from ledger.testing.simulation.history import Failure
from ledger.testing.simulation.observer import Entry, Observer
from ledger.testing.simulation.seeded import Dice
from ledger.testing.simulation.stream import Row, Stream

_TOGETHER = 500
"""Rows in one delivery, at most."""

_RARE_AS_MANY = 10
"""Rows other than payments and openings are watched so many times as often."""

_LISTED = 40
"""Plans up to which the lists are asked for each time: the referee lives every plan for them."""

_ASKED_AT_THE_END = 400
"""Plans whose position is asked for at the end, at most; the balances cover all."""

_PATIENCE = 60
"""Seconds that a call may take where nobody says otherwise; longer with many plans, which a rebuild derives again."""

_MICROSECOND = timedelta(microseconds=1)


@attrs.frozen(kw_only=True)
class Report:
    """What a simulation did: calls by name and verdict, refusals by code, and how often each check was judged.

    `in_cancelled` is the share of the money paid that sits in cancelled plans on the last day, by currency, according
    to the referee; `digest` the SHA-256 of all calls with their verdicts. `not_run` names checks with the capabilities
    that the ledger lacks for them; none where no market can run the check.
    """

    seed: int
    plans: int
    years: int
    last_day: date
    calls: Mapping[str, Mapping[str, int]]
    refused: Mapping[str, int]
    questions: int
    restarts: int
    checks: Mapping[str, int]
    not_run: Mapping[str, tuple[str, ...]]
    in_cancelled: Mapping[str, Fraction]
    digest: str
    failure: Failure | None


@attrs.frozen(kw_only=True)
class Simulated:
    """A simulation that has ended: the report and, where a check failed, the error with the history up to it."""

    report: Report
    error: LedgerDiffers | None
    history: list[Entry]


def simulate(
    factory: Factory, stream: Stream, *, progress: Progress | None = None, timeout: float | None = None
) -> Simulated:
    """Drive an empty ledger through a market, and judge every check that it can run, up to the first that fails.

    `factory` opens an adapter of `LedgerPort`; one with a method `tell_all` is told many calls at a time. `timeout` is
    the number of seconds that a call may take; default: a minute, and more with many plans. `progress` counts days.
    """
    patience = _PATIENCE + stream.plans / 50 if timeout is None else timeout
    with factory() as ledger:
        run = _Run(Observer(ledger, clockwork=Clockwork(patience)), stream)
        error: LedgerDiffers | None = None
        try:
            run.whole(progress)
        except LedgerDiffers as failed:
            error = failed
        return Simulated(report=run.report(error), error=error, history=run.observer.history)


class _Run:
    """The state of a run."""

    def __init__(self, observer: Observer, stream: Stream) -> None:
        self.observer = observer
        self._stream = stream
        self._dice = Dice(stream.seed, "checks")
        self._every = max(5, min(200, stream.plans // 25))  # of the payments, the one that is watched
        self._passed: Counter[str] = Counter()
        self._plans: list[str] = []
        self._month = 0
        self._closed_on = stream.first_day
        self._outages = list(stream.disturbances.outages)
        self._rebuilds = 0
        self._restarts = 0

    @property
    def _referee(self) -> Referee:
        return self.observer.referee

    def whole(self, progress: Progress | None) -> None:
        """Run from the first day to the last, with what is asked at the end."""
        days = (self._stream.last_day - self._stream.first_day).days
        for delivery in _deliveries(self._stream.rows()):
            self._operate(delivery[0].arrives_at)
            self._deliver(delivery)
            if progress is not None:
                progress((delivery[0].arrives_at.date() - self._stream.first_day).days, days)
        self._end()
        if progress is not None:
            progress(days, days)

    # ---- rows

    def _deliver(self, delivery: list[Row]) -> None:
        """Tell the rows together, but for those that are watched."""
        together: list[Call] = []
        for row in delivery:
            if self._is_watched(row.call):
                self._tell(together)
                together = []
                self._watch(row.call)
            else:
                together.append(row.call)
        self._tell(together)

    def _tell(self, calls: list[Call]) -> None:
        if calls:
            self.observer.tell_all(calls)
            for call in calls:
                self._opened(call)

    def _opened(self, call: Call) -> None:
        if call.name == "open" and call.plan_id in self._referee.plans:
            self._plans.append(str(call.plan_id))

    def _is_watched(self, call: Call) -> bool:
        rare = call.name not in ("open", "pay")
        self._passed[call.name] += 1
        return self._passed[call.name] % max(1, self._every // (_RARE_AS_MANY if rare else 1)) == 0

    def _watch(self, call: Call) -> None:
        """Ask about its plan, also as known before, and another one; make the call, and ask about the days around."""
        plan = self._referee.plans.get(str(call.plan_id))
        if plan is None:
            self.observer.tell(call)
            self._opened(call)
            return
        on = _day(call, plan.opened_on)
        for day in (on - DAY, on):
            self.observer.ask(question("position", call.plan_id, day))
        if "known_at" in self.observer.can:
            known_at = self._dice.one_of(self._referee.instants(str(call.plan_id)))
            self.observer.ask(question("position", call.plan_id, on, known_at))
        self._ask_about_one()
        self.observer.tell(call, days=lambda: {on - DAY, on, on + DAY, *self._referee.days(str(call.plan_id), on)})

    # ---- our own side

    def _operate(self, now: datetime) -> None:
        """Do what is due before a delivery: restart after an outage, close, rebuild, and look at plans and lists."""
        due = self._stream.market.operations
        restart = bool(self._outages) and self._outages[0].ends <= now
        while self._outages and self._outages[0].ends <= now:
            self._outages.pop(0)
        month = (now.date() - self._stream.first_day).days // 30
        rebuilds = (
            (now.date() - self._stream.first_day).days * due.rebuilds_a_year + 182
        ) // 365  # the first one early
        closes = bool(due.closes_every_days) and now.date() - self._closed_on >= due.closes_every_days * DAY
        if restart or month > self._month or rebuilds > self._rebuilds:
            self._look(now.date(), lists=month > self._month)
        if closes and not self._stream.disturbances.clock_is_wrong_near(now):
            self._closed_on = now.date()
            self._do("close", through=now.date() - 2 * DAY, recorded_at=now)
        if rebuilds > self._rebuilds:
            self._do("rebuild")
        if restart:
            self._restarts += self._do("restart")
        self._month, self._rebuilds = month, rebuilds

    def _do(self, name: str, **given: Any) -> bool:
        if name in self.observer.can:
            self.observer.tell(Call(name, None, given))
        return name in self.observer.can

    def _look(self, today: date, *, lists: bool) -> None:
        """Ask about some plans, now and as known then, and for the lists where they are short, or rarely."""
        for _ in range(6):
            self._ask_about_one(known=True)
        every = max(1, len(self._plans) // _LISTED)
        if lists and self._plans and today.toordinal() // 30 % every == 0:
            self._ask_for_lists(today)

    def _ask_about_one(self, *, known: bool = False) -> None:
        """Ask for the position of any plan, on any day of its life; with `known`, also as known at a fact of it."""
        if not self._plans:
            return
        plan_id = self._dice.one_of(self._plans)
        plan = self._referee.plans[plan_id]
        day = plan.opened_on + self._dice.between(0, 900) * DAY
        self.observer.ask(question("position", plan_id, day))
        if known and "known_at" in self.observer.can:
            at = self._dice.one_of(self._referee.instants(plan_id)) - self._dice.between(0, 1) * _MICROSECOND
            self.observer.ask(question("position", plan_id, day, at))

    def _ask_for_lists(self, day: date) -> None:
        for name in ("overdue", "balances"):
            if name in self.observer.can:
                self.observer.ask(question(name, None, day))

    def _end(self) -> None:
        """Ask about plans and lists on the last day, and audit."""
        day = self._stream.last_day
        step = max(1, len(self._plans) // _ASKED_AT_THE_END)
        for plan_id in self._plans[::step]:
            self.observer.ask(question("position", plan_id, day))
        self._ask_for_lists(day)
        self.observer.audit()

    # ---- the report

    def report(self, error: LedgerDiffers | None) -> Report:
        """Return the report; after a failure without the money, as the market did not end."""
        observer, stream = self.observer, self._stream
        failure = None if error is None else Failure.of(error, seed=stream.seed, step=observer.told)
        return Report(
            seed=stream.seed,
            plans=len(self._referee.plans),
            years=stream.years,
            last_day=stream.last_day,
            calls={name: dict(sorted(counts.items())) for name, counts in sorted(observer.counts.items())},
            refused=dict(sorted(observer.refusals.items())),
            questions=sum(1 for entry in observer.history if entry.call.name in ("position", "overdue", "balances")),
            restarts=self._restarts,
            checks=observer.checks,
            not_run=observer.not_run,
            in_cancelled={} if error else _in_cancelled(self._referee, stream.last_day),
            digest=observer.digest,
            failure=failure,
        )


def _deliveries(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Yield the rows of each day, UTC, some hundreds at a time."""
    delivery: list[Row] = []
    for row in rows:
        if delivery and (len(delivery) == _TOGETHER or row.arrives_at.date() != delivery[0].arrives_at.date()):
            yield delivery
            delivery = []
        delivery.append(row)
    if delivery:
        yield delivery


def _day(call: Call, otherwise: date) -> date:
    """Return the day of a call, near enough to ask around it."""
    day = call.arguments.get("paid_at") or call.arguments.get("on") or otherwise
    return day.date() if isinstance(day, datetime) else day


def _in_cancelled(referee: Referee, day: date) -> Mapping[str, Fraction]:
    """Return the share of the money paid that sits in cancelled plans, by currency."""
    paid: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for plan in referee.plans.values():
        report = plan.report(day)
        paid[plan.currency] += report.paid
        lost[plan.currency] += report.paid if report.status == "cancelled" else 0
    return {currency: Fraction(lost[currency], max(1, paid[currency])) for currency in sorted(paid)}
