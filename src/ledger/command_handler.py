"""The handler: load, decide, append, retry. Where commands become recorded events."""

import logging
import random
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from itertools import count, islice

from ledger import telemetry
from ledger.commands import Command, Metadata
from ledger.decide import Decider
from ledger.errors import ConcurrentChange, CorruptHistory, LedgerError, StoreUnavailable
from ledger.events import RecordedEvent
from ledger.store import Store

Decided = tuple[RecordedEvent, ...] | LedgerError
"""The events that a command records, or the error with which it is refused."""

_log = logging.getLogger(__name__)

_ATTEMPTS = 30


class CommandHandler:
    """Executes commands on a store, many in one transaction.

    A handler can keep the deciders of plans for the next commands, so that a history that comes in pieces, as in an
    import, is loaded and derived once. Plans may be written by others meanwhile: a kept decider that refuses, or finds
    nothing new, is asked again after loading, and a version that is taken drops all deciders.
    """

    def __init__(self, store: Store, *, keep: int = 0) -> None:
        self._store = store
        self._keep = keep
        self._kept: OrderedDict[str, Decider] = OrderedDict()

    def execute(self, commands: Sequence[tuple[Command, Metadata]], *, dry_run: bool = False) -> list[Decided]:
        """Decide the commands in order and record all that they bring at once, or nothing.

        Returns for each the events that it recorded, or the error with which it was refused: a refused command does not
        keep the others from being recorded. Raises `ConcurrentChange`, `StoreUnavailable`.
        """
        kind = type(commands[0][0]).__name__ if commands else ""
        with telemetry.span("ledger.command", command=kind, commands=len(commands)):
            for attempt in count(1):
                try:
                    return self._attempt(commands, dry_run=dry_run)
                except ConcurrentChange as error:
                    if attempt == _ATTEMPTS:
                        raise ConcurrentChange(plan_id=error.plan_id, attempts=attempt) from error
                    _log.debug("plan %s was changed meanwhile, attempt %s", error.plan_id, attempt)
                    time.sleep(random.uniform(0, min(0.001 * 2**attempt, 0.1)))  # noqa: S311 - only to take turns
        raise AssertionError  # count does not end

    def _attempt(self, commands: Sequence[tuple[Command, Metadata]], *, dry_run: bool) -> list[Decided]:
        if dry_run:
            self._kept.clear()  # no append would tell that others wrote meanwhile
        deciders = UnitOfWork(self._store, self._kept)
        try:
            decided = deciders.decide(commands)
            recorded = decided if dry_run else self._append(decided)
        except BaseException:
            self._kept.clear()  # they know of what was not recorded
            raise
        if not dry_run:
            self._keep_deciders(deciders)
        return recorded

    def _append(self, decided: Sequence[Decided]) -> list[Decided]:
        brought = [events for events in decided if not isinstance(events, LedgerError)]
        appended = [event for events in brought for event in events]
        if not appended:
            return list(decided)
        with telemetry.span("ledger.append", events=len(appended)):
            recorded = iter(self._store.append(appended))
        return [
            events if isinstance(events, LedgerError) else tuple(islice(recorded, len(events))) for events in decided
        ]

    def _keep_deciders(self, deciders: "UnitOfWork") -> None:
        if not self._keep:
            return
        for plan_id, decider in deciders.by_plan.items():
            self._kept[plan_id] = decider
            self._kept.move_to_end(plan_id)
        while len(self._kept) > self._keep:
            self._kept.popitem(last=False)


class UnitOfWork:
    """The deciders of one transaction."""

    def __init__(self, store: Store, kept: OrderedDict[str, Decider]) -> None:
        self._store = store
        self._kept = kept
        self._unsure = set[str]()  # kept deciders who have decided nothing yet: what they do will tell if others wrote
        self._histories: dict[str, list[RecordedEvent]] = {}
        self.by_plan: dict[str, Decider] = {}

    def decide(self, commands: Sequence[tuple[Command, Metadata]]) -> list[Decided]:
        """Return what each command brings, decided as if those before it were recorded."""
        self._load(sorted({command.plan_id for command, _ in commands} - self._kept.keys()))
        return [self._decide(command, metadata) for command, metadata in commands]

    def _load(self, plan_ids: Sequence[str]) -> None:
        """Load many plans at once; if one cannot be read, each is loaded when its turn comes."""
        if len(plan_ids) > 1:
            with suppress(CorruptHistory):
                self._histories = self._store.histories(plan_ids)

    def _decide(self, command: Command, metadata: Metadata) -> Decided:
        plan_id, decided = command.plan_id, self._ask(command, metadata)
        if plan_id in self._unsure:
            self._unsure.discard(plan_id)
            if not decided or isinstance(decided, LedgerError):
                del self.by_plan[plan_id], self._kept[plan_id]
                decided = self._ask(command, metadata)
        return decided

    def _ask(self, command: Command, metadata: Metadata) -> Decided:
        try:
            return self._decider(command.plan_id).decide(command, metadata)
        except StoreUnavailable:
            raise
        except LedgerError as error:
            return error

    def _decider(self, plan_id: str) -> Decider:
        if plan_id in self.by_plan:
            return self.by_plan[plan_id]
        if plan_id in self._kept:
            decider = self._kept[plan_id]
            self._unsure.add(plan_id)
        else:
            history = self._histories.pop(plan_id, None)
            history = self._store.history(plan_id) if history is None else history
            telemetry.replayed(len(history))
            decider = Decider(history)
        self.by_plan[plan_id] = decider
        return decider
