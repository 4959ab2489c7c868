"""Histories and books as values: the attempts, the events that they recorded, and the errors of those refused."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from operator import attrgetter
from typing import Any

import attrs

from ledger.commands import Command, Metadata, OpenPlan
from ledger.errors import LedgerError
from ledger.events import PlanOpened, RecordedEvent
from ledger.plan import Plan
from ledger.service import Ledger


@attrs.frozen
class Attempt:
    """A command as sent, with the events that it recorded, none for a repetition, or the error of its refusal."""

    command: Command
    metadata: Metadata
    events: tuple[RecordedEvent, ...]
    error: LedgerError | None = None

    def __str__(self) -> str:
        """Return the command, the instant, and what came of it, in a line."""
        recorded = ", ".join(type(event.event).__name__ for event in self.events) or "nothing recorded"
        answer = recorded if self.error is None else f"refused: {self.error}"
        return f"{self.command}, recorded at {self.metadata.recorded_at:%Y-%m-%d %H:%M}: {answer}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: FBT001 - as Hypothesis calls it
        """Print a failing example without the events, which follow from the command."""
        printer.text(str(self))


@attrs.frozen(slots=False)
class History:
    """A plan as recorded, and the attempts that made it, in the order in which they became known.

    The first attempt is the opening, and is accepted.
    """

    attempts: tuple[Attempt, ...]

    @property
    def opening(self) -> OpenPlan:
        """The command that opened the plan."""
        command = self.attempts[0].command
        assert isinstance(command, OpenPlan), command
        return command

    @property
    def opened(self) -> PlanOpened:
        """The opening event."""
        opened = self.attempts[0].events[0].event
        assert isinstance(opened, PlanOpened), opened
        return opened

    @property
    def accepted(self) -> tuple[Command, ...]:
        """The commands after the opening that were not refused."""
        return tuple(attempt.command for attempt in self.attempts[1:] if attempt.error is None)

    @property
    def refused(self) -> tuple[Attempt, ...]:
        """The attempts that were refused."""
        return tuple(attempt for attempt in self.attempts if attempt.error is not None)

    @cached_property
    def events(self) -> tuple[RecordedEvent, ...]:
        """The recorded events of the plan, oldest first."""
        return tuple(event for attempt in self.attempts for event in attempt.events)

    @property
    def plan(self) -> Plan:
        """The plan, folded from its events."""
        return Plan(self.events)

    @property
    def commands(self) -> tuple[tuple[Command, Metadata], ...]:
        """All attempts as a ledger takes them: `ledger.execute_all(history.commands)`."""
        return tuple((attempt.command, attempt.metadata) for attempt in self.attempts)

    def record_in(self, ledger: Ledger) -> None:
        """Send every attempt to a ledger. Raises `AssertionError` where it answers otherwise than this history."""
        _record(ledger, self.attempts)


@attrs.frozen
class Book:
    """Several plans of several investors, with their attempts mixed in the order in which they became known."""

    histories: tuple[History, ...]

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts on all plans, in the order of their recording; those of one plan keep their order."""
        attempts = (attempt for history in self.histories for attempt in history.attempts)
        return tuple(sorted(attempts, key=attrgetter("metadata.recorded_at")))

    @property
    def commands(self) -> tuple[tuple[Command, Metadata], ...]:
        """All attempts as a ledger takes them: `ledger.execute_all(book.commands)`."""
        return tuple((attempt.command, attempt.metadata) for attempt in self.attempts)

    def record_in(self, ledger: Ledger) -> None:
        """Send every attempt to a ledger. Raises `AssertionError` where it answers otherwise than this book."""
        _record(ledger, self.attempts)


def _record(ledger: Ledger, attempts: Sequence[Attempt]) -> None:
    decided = ledger.execute_all([(attempt.command, attempt.metadata) for attempt in attempts])
    for attempt, answer in zip(attempts, decided, strict=True):
        found = str(answer) if isinstance(answer, LedgerError) else _content(answer)
        expected = _content(attempt.events) if attempt.error is None else str(attempt.error)
        assert found == expected, f"{attempt.command}: {found}, not {expected}"


def _content(events: Iterable[RecordedEvent]) -> list[RecordedEvent]:
    return [attrs.evolve(event, sequence=0) for event in events]
