"""Given, when, then: a plan's story with a calendar, on a real ledger.

    given(terms, opened="2023-04-10").pays("150.00", on="2023-04-10").after(days=50).then(status="cancelled")

A story stands on a day. Acts happen on that day unless they say when, and the day moves to theirs; an act dated before
it is recorded late, on the day of the story. A check that fails raises `AssertionError` with the story by date.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Self

import attrs

from ledger.commands import (
    CancelPlan,
    ClosePlan,
    Command,
    Metadata,
    OpenPlan,
    RecordPayment,
    ReinstatePlan,
    ReversePayment,
)
from ledger.dates import DAY, EndOfDay, civil_date, date_or_instant, day_in, midnight
from ledger.errors import InvalidArgument, LedgerError
from ledger.errors.arguments import text
from ledger.events import RecordedEvent
from ledger.events.facts import PaymentKind, ReversalCause
from ledger.money import Money
from ledger.service import Ledger
from ledger.terms import PlanTerms
from ledger.testing.story_report import Asked, Step, differing, repeated, told

When = str | date | datetime
"""A day or, where an act takes one, an instant: ISO 8601 text, or a value of `datetime`."""

_NOON = timedelta(hours=12)


def given(
    terms: PlanTerms,
    *,
    opened: When,
    ledger: Ledger | None = None,
    plan_id: str = "P-1",
    investor: str = "I-1",
    partner: str | None = None,
) -> "Story":
    """Begin a story: a plan opened under these terms, in a ledger in memory or in the one given.

    In memory a story can be told on in several ways from any of its steps. In a given ledger it happens as it is told,
    and the plan is one that the ledger does not have yet.
    """
    story = Story(_Stage(ledger), terms, text("plan_id", plan_id), day=date.min)
    at = _when("opened", opened)
    command = OpenPlan(plan_id=plan_id, investor=investor, partner=partner, terms=terms, opened_at=at)
    extras = {"plan_id": (plan_id, "P-1"), "investor": (investor, "I-1"), "partner": (partner, None)}
    stated = "".join(f", {name}={value!r}" for name, (value, default) in extras.items() if value != default)
    return story._act(command, at, None, f"given(terms, opened={str(opened)!r}{stated})")  # noqa: SLF001 - its own module


class _Stage:
    """The ledger on which a story happens, and how many of its steps have."""

    def __init__(self, ledger: Ledger | None) -> None:
        self.given = ledger is not None
        self.ledger = ledger or Ledger.open("memory://")
        self.steps = 0

    def at(self, steps: Sequence[Step]) -> "_Stage":
        """Return a stage on which exactly these steps have happened."""
        if self.steps == len(steps) or self.given:
            return self
        stage = _Stage(None)
        for step in steps:
            stage.send(step.command, step.recorded_at)
        return stage

    def send(self, command: Command, recorded_at: datetime) -> tuple[RecordedEvent, ...] | LedgerError:
        """Send a command, and return what it recorded or why it was refused."""
        self.steps += 1
        (answer,) = self.ledger.execute_all([(command, Metadata(recorded_at=recorded_at, actor="clerk"))])
        return answer


@attrs.frozen
class Story:
    """A plan's story so far: what was done, and the day on which it stands. Made by `given`."""

    _stage: _Stage
    _terms: PlanTerms
    _plan_id: str
    _day: date = attrs.field(alias="day")
    _steps: tuple[Step, ...] = ()
    _code: tuple[str, ...] = ()
    _waited_since: date | None = None
    _pending: LedgerError | None = None
    _as_of: date | None = None
    _known_at: EndOfDay | None = None

    # ---- when

    def pays(
        self,
        amount: str | Money,
        *,
        on: When | None = None,
        reference: str | None = None,
        kind: PaymentKind = "regular",
        recorded: When | None = None,
    ) -> Self:
        """Pay an amount, text in the terms' currency; the reference is bank-1, bank-2, … unless it is stated.

        `recorded` is the day on which the ledger learns of it, that of the story if it is later than the payment.
        """
        reference, at = reference or self._reference("bank"), self._at("on", on)
        command = RecordPayment(
            plan_id=self._plan_id, reference=reference, amount=self._money(amount), paid_at=at, kind=kind
        )
        return self._act(command, at, recorded, _call("pays", amount, on=on, reference=reference, kind=kind))

    def reverses(
        self,
        reference: str | None = None,
        *,
        cause: ReversalCause = "error",
        on: When | None = None,
        recorded: When | None = None,
    ) -> Self:
        """Take a payment back, the latest unless its reference is stated: never made, or charged back on a day."""
        paid = [step.command.reference for step in self._steps if isinstance(step.command, RecordPayment)]
        if reference is None and not paid:
            raise InvalidArgument(argument="reference", given=None, expected="the reference of a payment")
        reference, at = reference or paid[-1], civil_date("on", self._at("on", on))
        day = at if cause == "chargeback" else None
        command = ReversePayment(plan_id=self._plan_id, reference=reference, cause=cause, on=day)
        return self._act(
            command, self._day if day is None else at, recorded, _call("reverses", reference, cause=cause, on=on)
        )

    def cancels(
        self,
        *,
        on: When | None = None,
        reference: str | None = None,
        reason: str = "asked by the investor",
        recorded: When | None = None,
    ) -> Self:
        """Cancel the plan by request, on a day that may lie before that of the story."""
        reference, at = reference or self._reference("crm"), civil_date("on", self._at("on", on))
        command = CancelPlan(plan_id=self._plan_id, reference=reference, on=at, reason=reason)
        return self._act(command, at, recorded, _call("cancels", on=on, reference=reference, reason=reason))

    def reinstates(
        self,
        amount: str | Money,
        *,
        on: When | None = None,
        reference: str | None = None,
        revised_shares: int | None = None,
        approved_by: str = "head of sales",
        reason: str = "the investor came back",
        recorded: When | None = None,
    ) -> Self:
        """Reinstate the cancelled plan with a payment, text in the terms' currency."""
        reference, at = reference or self._reference("bank"), civil_date("on", self._at("on", on))
        command = ReinstatePlan(
            plan_id=self._plan_id,
            reference=reference,
            on=at,
            amount=self._money(amount),
            approved_by=approved_by,
            reason=reason,
            revised_shares=revised_shares,
        )
        stated = {"on": on, "reference": reference, "revised_shares": revised_shares, "approved_by": approved_by}
        return self._act(command, at, recorded, _call("reinstates", amount, **stated, reason=reason))

    def closes(self, *, through: When | None = None) -> Self:
        """Close the books of the plan through a day, that of the story unless it is stated."""
        day = civil_date("through", self._at("through", through))
        command = ClosePlan(plan_id=self._plan_id, through=day)
        return self._act(command, day, None, _call("closes", through=through))

    def after(self, *, days: int) -> Self:
        """Let so many days pass."""
        return self._wait(self._day + days * DAY, f"after(days={days})")

    def until(self, day: When) -> Self:
        """Let the days pass until a later one."""
        return self._wait(civil_date("day", _when("day", day)), f"until({str(day)!r})")

    def as_of(self, day: When) -> Self:
        """Ask about another day than that of the story, until the story goes on."""
        self._refuse_pending()
        code = (*self._code, f"as_of({str(day)!r})")
        return attrs.evolve(self, as_of=civil_date("day", _when("day", day)), code=code)

    def as_known(self, day: When) -> Self:
        """Ask with what was known by the end of a day in the plan's zone, until the story goes on."""
        self._refuse_pending()
        known = EndOfDay(civil_date("day", _when("day", day)))
        return attrs.evolve(self, known_at=known, code=(*self._code, f"as_known({str(day)!r})"))

    # ---- then

    def then(self, **expected: Any) -> Self:
        """Expect these fields of the position, or of the row of the overdue list, on the day of the story.

        Money is text in the terms' currency, a date ISO text, `next_installment` its number; of a plan that is not
        overdue the fields of the row are None. Raises `AssertionError`, and `InvalidArgument` for an unknown field.
        """
        self._refuse_pending()
        code = (*self._code, _call("then", **expected))
        asked = self._asked()
        if problem := differing(asked, expected):
            raise AssertionError(told(asked, code, problem=problem))
        return attrs.evolve(self, code=code)

    def then_refused(self, error: type[LedgerError] = LedgerError, **facts: Any) -> Self:
        """Expect that the last act was refused with this error, and with these facts as its attributes."""
        code = (*self._code, _call("then_refused", error, **facts))
        found, last = self._pending, self._steps[-1]
        problem = ""
        if found is None or self._waited_since is not None:
            problem = f"{last.word} of {last.day} was not refused; expected {error.__name__}"
        elif not isinstance(found, error):
            problem = (
                f"{last.word} of {last.day} was refused with {type(found).__name__}, not {error.__name__}: {found}"
            )
        else:
            wrong = {
                name: getattr(found, name, None) for name, value in facts.items() if getattr(found, name, None) != value
            }
            problem = ", ".join(f"{name} is {value!r}, expected {facts[name]!r}" for name, value in wrong.items())
        if problem:
            raise AssertionError(told(self._asked(), code, problem={None: problem}))
        return attrs.evolve(self, code=code, pending=None)

    def then_nothing(self) -> Self:
        """Expect that the last act recorded nothing, or that nothing came due on the days that have passed since it."""
        self._refuse_pending()
        code, last = (*self._code, "then_nothing()"), self._steps[-1]
        if self._waited_since is None:
            happened = [type(recorded.event).__name__ for recorded in last.events]
        else:
            due = self._stage.at(self._steps).ledger.execute_all(
                [(ClosePlan(plan_id=self._plan_id, through=self._day), Metadata(recorded_at=self._noon(self._day)))],
                dry_run=True,
            )
            events = [recorded.event for recorded in due[0]] if not isinstance(due[0], LedgerError) else []
            happened = [
                f"{type(event).__name__} of {event.effective_on}"
                for event in events
                if event.effective_on > self._waited_since
            ]
        if happened:
            problem = f"{', '.join(happened)} happened; expected nothing"
            raise AssertionError(told(self._asked(), code, problem={None: problem}))
        return attrs.evolve(self, code=code)

    # ---- the story itself

    @property
    def steps(self) -> tuple[Step, ...]:
        """The acts so far, the opening first, each with the events that it recorded or the error that refused it."""
        return self._steps

    @property
    def day(self) -> date:
        """The day on which the story stands."""
        return self._day

    @property
    def pending(self) -> LedgerError | None:
        """The error that refused the last act, until it is expected."""
        return self._pending

    @property
    def ledger(self) -> Ledger:
        """The ledger in which the story happens."""
        return self._stage.at(self._steps).ledger

    def code(self) -> str:
        """Return Python that tells this story again."""
        return repeated(self._terms, self._code)

    def _act(self, command: Command, at: date | datetime, recorded: When | None, code: str) -> Self:
        self._refuse_pending()
        zone = self._terms.timezone
        day = day_in(zone, at) if isinstance(at, datetime) else at
        today = max(self._day, day)
        if recorded is not None:
            today = civil_date("recorded", _when("recorded", recorded))
            if today < max(self._day, day):
                expected = f"{max(self._day, day)} or later, as an act is recorded after its day and those before it"
                raise InvalidArgument(argument="recorded", given=today, expected=expected)
            code = f"{code[:-1]}, recorded={str(recorded)!r})"
        recorded_at = self._noon(today)
        stage = self._stage.at(self._steps)
        answer = stage.send(command, recorded_at)
        refused = answer if isinstance(answer, LedgerError) else None
        step = Step(command, day, recorded_at, () if isinstance(answer, LedgerError) else answer, refused)
        return attrs.evolve(
            self,
            stage=stage,
            day=today,
            steps=(*self._steps, step),
            code=(*self._code, code),
            waited_since=None,
            pending=refused,
            as_of=None,
            known_at=None,
        )

    def _wait(self, day: date, code: str) -> Self:
        self._refuse_pending()
        if day < self._day:
            raise InvalidArgument(argument="day", given=day, expected=f"{self._day}, where the story stands, or later")
        since = self._day if self._waited_since is None else self._waited_since
        return attrs.evolve(self, day=day, waited_since=since, code=(*self._code, code), as_of=None, known_at=None)

    def _refuse_pending(self) -> None:
        """Raise `AssertionError` if the last act was refused and nobody expected it."""
        if self._pending is not None:
            last = self._steps[-1]
            problem = f"{last.word} of {last.day} was refused: {self._pending}"
            raise AssertionError(told(self._asked(), self._code, problem={None: problem}))

    def _asked(self) -> Asked:
        ledger = self._stage.at(self._steps).ledger
        return Asked(ledger, self._plan_id, self._terms, self._as_of or self._day, self._known_at, self._steps)

    def _noon(self, day: date) -> datetime:
        return midnight(self._terms.timezone, day) + _NOON

    def _at(self, name: str, when: When | None) -> date | datetime:
        return self._day if when is None else _when(name, when)

    def _money(self, amount: str | Money) -> Money:
        return amount if isinstance(amount, Money) else Money.of(amount, self._terms.price.currency)

    def _reference(self, word: str) -> str:
        counted = (CancelPlan,) if word == "crm" else (RecordPayment, ReinstatePlan)
        return f"{word}-{1 + sum(isinstance(step.command, counted) for step in self._steps)}"


def _when(name: str, when: When) -> date | datetime:
    """Read a day or an instant. Raises `InvalidArgument`."""
    if not isinstance(when, str):
        return date_or_instant(name, when)
    read: Callable[[str], date] = date.fromisoformat if len(when) == len("2023-04-10") else datetime.fromisoformat
    try:
        return date_or_instant(name, read(when))
    except ValueError:
        expected = "a date such as '2023-04-10', or an instant such as '2023-04-10T12:00:00+03:00'"
        raise InvalidArgument(argument=name, given=when, expected=expected) from None


_DEFAULTS = {
    "kind": "regular",
    "cause": "error",
    "approved_by": "head of sales",
}


def _call(name: str, *values: Any, **named: Any) -> str:
    """Return the code of a call, without what is so by default."""
    reasons = ("asked by the investor", "the investor came back")
    left_out = {key for key, value in named.items() if value is None or _DEFAULTS.get(key) == value or value in reasons}
    if name in ("then", "then_refused"):
        left_out = set()
    stated = [f"{key}={_written(value)}" for key, value in named.items() if key not in left_out]
    return f"{name}({', '.join([*map(_written, values), *stated])})"


def _written(value: Any) -> str:
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, (date, datetime)):
        return repr(value.isoformat())
    if isinstance(value, Money):
        return repr(str(value.major))
    return repr(value)
