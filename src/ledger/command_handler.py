"""The command handler: load, decide, append, retry. Where commands become recorded events."""

import logging
import random
import time
from collections import OrderedDict
from collections.abc import Collection, Sequence
from contextlib import nullcontext, suppress
from itertools import count, islice
from threading import Lock

from ledger import telemetry
from ledger.commands import Command, Metadata
from ledger.decide import Decider
from ledger.errors import ConcurrentChange, CorruptHistory, LedgerError, StoreUnavailable
from ledger.events import RecordedEvent
from ledger.store import Store

Group = Sequence[tuple[Command, Metadata]]
"""Commands, on one plan or several, that are recorded all or none."""

Decided = tuple[RecordedEvent, ...] | LedgerError
"""The events that a command records, or the error with which it is refused."""

DecidedGroup = list[tuple[RecordedEvent, ...]] | LedgerError
"""The events that a group records, by command, or the error with which one of its commands is refused."""

_log = logging.getLogger(__name__)

_ATTEMPTS = 30


class CommandHandler:
    """Executes commands on a store, many in one transaction.

    A handler can keep the deciders of plans for the next commands, so that a history that comes in pieces, as in an
    import, is loaded and derived once; threads that share it then take turns. Others may write to a plan meanwhile: a
    group that a kept decider refuses, or to which it adds no event, is decided again after loading, and a version that
    is taken drops all deciders.
    """

    def __init__(self, store: Store, *, keep: int = 0) -> None:
        self._store = store
        self._keep = keep
        self._kept: OrderedDict[str, Decider] = OrderedDict()
        self._turn = Lock()

    def execute(self, commands: Sequence[tuple[Command, Metadata]], *, dry_run: bool = False) -> list[Decided]:
        """Decide the commands in order and record all their events at once, or nothing.

        Returns for each the events that it recorded, or the error with which it was refused: a refused command does not
        keep the others from being recorded. Raises `ConcurrentChange`, `StoreUnavailable`.
        """
        groups = self.execute_groups([[command] for command in commands], dry_run=dry_run)
        return [decided if isinstance(decided, LedgerError) else decided[0] for decided in groups]

    def execute_groups(self, groups: Sequence[Group], *, dry_run: bool = False) -> list[DecidedGroup]:
        """Decide groups of commands in order and record the events of all accepted groups at once, or nothing.

        Returns for each group the events that it recorded, by command, or the error with which one of its commands was
        refused: then none of that group is recorded, as if it had not been tried, and the others are. Raises
        `ConcurrentChange`, `StoreUnavailable`.
        """
        commands = [command for group in groups for command, _ in group]
        kind = type(commands[0]).__name__ if commands else ""
        with telemetry.span("ledger.command", command=kind, commands=len(commands)):
            for attempt in count(1):
                try:
                    with self._turn if self._keep else nullcontext():  # deciders change as they decide
                        return self._attempt(groups, dry_run=dry_run)
                except ConcurrentChange as error:
                    if attempt == _ATTEMPTS:
                        raise ConcurrentChange(plan_id=error.plan_id, attempts=attempt) from error
                    _log.debug("plan %s was changed meanwhile, attempt %s", error.plan_id, attempt)
                    time.sleep(random.uniform(0, min(0.001 * 2**attempt, 0.1)))  # noqa: S311 - only to take turns
        raise AssertionError  # count does not end

    def _attempt(self, groups: Sequence[Group], *, dry_run: bool) -> list[DecidedGroup]:
        if dry_run:
            self._kept.clear()  # no append would tell that others wrote meanwhile
        work = UnitOfWork(self._store, self._kept)
        try:
            decided = work.decide(groups)
            recorded = decided if dry_run else self._append(decided)
        except BaseException:
            self._kept.clear()  # they know of events that are not recorded
            raise
        if not dry_run:
            self._keep_deciders(work)
        return recorded

    def _append(self, decided: list[DecidedGroup]) -> list[DecidedGroup]:
        accepted = [group for group in decided if not isinstance(group, LedgerError)]
        events = [event for group in accepted for command in group for event in command]
        if not events:
            return decided
        with telemetry.span("ledger.append", events=len(events)):
            recorded = iter(self._store.append(events))
        return [
            group if isinstance(group, LedgerError) else [tuple(islice(recorded, len(command))) for command in group]
            for group in decided
        ]

    def _keep_deciders(self, work: "UnitOfWork") -> None:
        if not self._keep:
            return
        for plan_id, decider in work.deciders.items():
            self._kept[plan_id] = decider
            self._kept.move_to_end(plan_id)
        while len(self._kept) > self._keep:
            self._kept.popitem(last=False)


class UnitOfWork:
    """The deciders of one transaction, and the events of the groups accepted so far."""

    def __init__(self, store: Store, kept: OrderedDict[str, Decider]) -> None:
        self._store = store
        self._kept = kept
        self._unproven = set[str]()  # plans of the current group whose kept decider others may have overtaken
        self._histories: dict[str, list[RecordedEvent]] = {}
        self._accepted: dict[str, list[RecordedEvent]] = {}
        self.deciders: dict[str, Decider] = {}

    def decide(self, groups: Sequence[Group]) -> list[DecidedGroup]:
        """Return the events of each group, decided as if the accepted ones before it were recorded."""
        self._load(sorted({command.plan_id for group in groups for command, _ in group} - self._kept.keys()))
        return [self._decide(group) for group in groups]

    def _load(self, plan_ids: Sequence[str]) -> None:
        """Load many plans at once; if one cannot be read, each is loaded when its turn comes."""
        if len(plan_ids) > 1:
            with suppress(CorruptHistory):
                self._histories = self._store.histories(plan_ids)

    def _decide(self, group: Group) -> DecidedGroup:
        """Decide a group, with kept deciders only where an append will tell whether others wrote to the plan."""
        while True:
            decided, events = self._try(group)
            refused = isinstance(decided, LedgerError)
            doubtful = self._unproven if refused else self._unproven - events.keys()
            if not doubtful:
                break
            self._forget(doubtful | events.keys())
        if refused:
            self._forget(events.keys())
        else:
            self._unproven.clear()
            for plan_id, of_plan in events.items():
                self._accepted.setdefault(plan_id, []).extend(of_plan)
        return decided

    def _try(self, group: Group) -> tuple[DecidedGroup, dict[str, list[RecordedEvent]]]:
        """Return the outcome for a group, and its events by plan, those decided before a refusal included."""
        decided: list[tuple[RecordedEvent, ...]] = []
        by_plan: dict[str, list[RecordedEvent]] = {}
        for command, metadata in group:
            try:
                events = self._decider(command.plan_id).decide(command, metadata)
            except (ConcurrentChange, StoreUnavailable):
                raise
            except LedgerError as error:
                return error, by_plan
            decided.append(events)
            if events:
                by_plan.setdefault(command.plan_id, []).extend(events)
        return decided, by_plan

    def _forget(self, plan_ids: Collection[str]) -> None:
        """Drop deciders: those plans are loaded again, and continued with their accepted events."""
        for plan_id in plan_ids:
            del self.deciders[plan_id]
            self._kept.pop(plan_id, None)
        self._unproven.difference_update(plan_ids)

    def _decider(self, plan_id: str) -> Decider:
        if plan_id in self.deciders:
            return self.deciders[plan_id]
        if plan_id in self._kept:
            decider = self._kept[plan_id]
            self._unproven.add(plan_id)
        else:
            decider = Decider(self._history(plan_id))
        self.deciders[plan_id] = decider
        return decider

    def _history(self, plan_id: str) -> Sequence[RecordedEvent]:
        """Return the recorded and the accepted events of a plan. Raises `ConcurrentChange` if others wrote between."""
        history = self._histories.pop(plan_id, None)
        history = self._store.history(plan_id) if history is None else history
        telemetry.replayed(len(history))
        accepted = self._accepted.get(plan_id, [])
        if accepted and accepted[0].version != len(history) + 1:
            raise ConcurrentChange(plan_id=plan_id, attempts=1)
        return [*history, *accepted]
