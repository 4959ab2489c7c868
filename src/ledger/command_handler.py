"""The command handler: load, decide, append, retry. Where commands become recorded events."""

import logging
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext, suppress
from datetime import datetime
from functools import partial
from itertools import chain, count, islice
from threading import Lock

from ledger import garbage, telemetry
from ledger.commands import AllocateUnallocated, AnyCommand, Metadata, ReceiptCommand, ReverseAllocation
from ledger.dates import CLOCKS_DIFFER
from ledger.decide import Decider
from ledger.decide.receipts import ReceiptDecider, allocate, reverse_allocation
from ledger.errors import ConcurrentChange, CorruptHistory, InvalidArgument, LedgerError, StoreUnavailable
from ledger.events import KINDS, PLAN, RECEIPT, RecordedEvent
from ledger.events.recorded import Stream
from ledger.store import Store

Group = Sequence[tuple[AnyCommand, Metadata]]
"""Commands, on one stream or several, that are recorded all or none."""

Decided = tuple[RecordedEvent, ...] | LedgerError
"""The events that a command records, or the error with which it is refused."""

DecidedGroup = list[tuple[RecordedEvent, ...]] | LedgerError
"""The events that a group records, by command, or the error with which one of its commands is refused."""

AnyDecider = Decider | ReceiptDecider

_log = logging.getLogger(__name__)

_ATTEMPTS = 30

_EVENTS_KEPT = 150_000
"""Events of the plans that a handler keeps, at most: some 100 MB."""


class CommandHandler:
    """Executes commands on a store, many in one transaction. An allocation is decided on two streams.

    A handler can keep the deciders of streams for the next commands, so that a history that comes in pieces, as in an
    import, is loaded and derived once: those touched last. Threads that share it then take turns. Streams may be
    written by others meanwhile. The ledger's last sequence tells whether anybody did; then a kept decider that refuses,
    or finds nothing new, is asked again after loading. A version that is taken drops all deciders.

    A command whose metadata state no instant is decided at the clock's, and its events are stamped again when their
    order among all saves is decided: so no answer about what was known changes because a save had to wait.
    """

    def __init__(self, store: Store, *, clock: Callable[[], datetime], keep: int = 0) -> None:
        self._store = store
        self._clock = clock
        self._keep = keep
        self._kept: OrderedDict[Stream, AnyDecider] = OrderedDict()
        self._current = set[Stream]()  # the kept streams that only this one has written to, up to `_through`
        self._through = 0
        self._held = 0
        self._turn = Lock()

    def execute(self, commands: Group, *, dry_run: bool = False) -> list[Decided]:
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
                    with (
                        self._turn if self._keep else nullcontext(),  # deciders change as they decide
                        garbage.paused() if len(commands) > 1 else nullcontext(),
                    ):
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
        if self._keep and (last := self._store.last_sequence()) != self._through:
            self._current.clear()
            self._through = last
        work = UnitOfWork(self._store, self._kept, self._current, now=self._clock())
        try:
            decided = work.decide(groups)
            recorded = decided if dry_run else self._append(groups, decided)
        except BaseException:
            self._kept.clear()  # they know of events that are not recorded
            self._current.clear()
            raise
        if self._keep and not dry_run:
            self._keep_deciders(work, recorded)
        return recorded

    def _append(self, groups: Sequence[Group], decided: list[DecidedGroup]) -> list[DecidedGroup]:
        events: list[RecordedEvent] = []
        stated: list[bool] = []  # whether the caller has stated when the event was recorded
        for group, accepted in zip(groups, decided, strict=True):
            if not isinstance(accepted, LedgerError):
                for (_, metadata), of_command in zip(group, accepted, strict=True):
                    events += of_command
                    stated += [metadata.recorded_at is not None] * len(of_command)
        if not events:
            return decided
        stamp = None if all(stated) else partial(self._stamped, stated)
        with telemetry.span("ledger.append", events=len(events)):
            recorded = iter(self._store.append(events, stamp=stamp))
        return [
            group if isinstance(group, LedgerError) else [tuple(islice(recorded, len(command))) for command in group]
            for group in decided
        ]

    def _stamped(self, stated: Sequence[bool], events: Sequence[RecordedEvent]) -> list[RecordedEvent]:
        """Return events as recorded now, unless it is stated when they were; in a stream time never runs back."""
        now, latest = self._clock(), dict[Stream, datetime]()
        stamped: list[RecordedEvent] = []
        for event, is_stated in zip(events, stated, strict=True):
            at = event.recorded_at if is_stated else max(event.recorded_at, now)
            latest[event.stream] = at = max(at, latest.get(event.stream, at))
            stamped.append(event if at == event.recorded_at else event.stamped(at))
        return stamped

    def _keep_deciders(self, work: "UnitOfWork", recorded: list[DecidedGroup]) -> None:
        """Keep the deciders of a transaction, and note which of them know everything up to its last sequence."""
        self._kept.update(work.deciders)
        for stream in work.deciders:
            self._kept.move_to_end(stream)
        events = [
            one for group in recorded if not isinstance(group, LedgerError) for command in group for one in command
        ]
        for event in events:
            if (decider := work.deciders.get(event.stream)) is not None:
                decider.recorded(event.recorded_at)
        if events and events[0].sequence != self._through + 1:
            self._current.clear()  # somebody wrote meanwhile, or a sequence was left out
        else:
            self._current.update(work.deciders)
        self._through = events[-1].sequence if events else self._through
        while len(self._kept) > self._keep:
            self._drop_oldest()
        self._held += sum(decider.version for decider in work.deciders.values())
        if self._held > _EVENTS_KEPT:  # at most: those of plans that were kept before are counted again
            self._held = sum(decider.version for decider in self._kept.values())
            while self._held > _EVENTS_KEPT * 3 // 4:
                self._held -= self._drop_oldest().version

    def _drop_oldest(self) -> AnyDecider:
        stream, decider = self._kept.popitem(last=False)
        self._current.discard(stream)
        return decider


class UnitOfWork:
    """The deciders of one transaction, and the events of the groups accepted so far."""

    def __init__(
        self, store: Store, kept: OrderedDict[Stream, AnyDecider], current: Collection[Stream], *, now: datetime
    ) -> None:
        self._store = store
        self._now = now
        self._kept = kept
        self._current = current
        self._unproven = set[Stream]()  # streams of the current group whose kept decider others may have overtaken
        self._histories: dict[Stream, list[RecordedEvent]] = {}
        self._accepted: dict[Stream, list[RecordedEvent]] = {}
        self.deciders: dict[Stream, AnyDecider] = {}

    def decide(self, groups: Sequence[Group]) -> list[DecidedGroup]:
        """Return the events of each group, decided as if the accepted ones before it were recorded."""
        wanted = {stream for group in groups for command, _ in group for stream in command.streams}
        self._load(sorted(wanted - self._kept.keys()))
        return [self._decide(group) for group in groups]

    def _load(self, streams: Sequence[Stream]) -> None:
        """Load many streams at once; if one cannot be read, each is loaded when its turn comes."""
        for kind in KINDS:
            ids = [stream.id for stream in streams if stream.kind == kind]
            if len(ids) > 1:
                with suppress(CorruptHistory):
                    found = self._store.histories(ids, kind=kind)
                    self._histories |= {Stream(kind, stream_id): history for stream_id, history in found.items()}

    def _decide(self, group: Group) -> DecidedGroup:
        """Decide a group, with kept deciders only where an append will tell whether others wrote to the stream."""
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
            for stream, of_stream in events.items():
                self._accepted.setdefault(stream, []).extend(of_stream)
        return decided

    def _try(self, group: Group) -> tuple[DecidedGroup, dict[Stream, list[RecordedEvent]]]:
        """Return the outcome for a group, and its events by stream, those decided before a refusal included."""
        decided: list[tuple[RecordedEvent, ...]] = []
        by_stream: dict[Stream, list[RecordedEvent]] = {}
        for command, metadata in group:
            try:
                parts = self._events(command, self._decided_now(metadata))
            except (ConcurrentChange, StoreUnavailable):
                raise
            except LedgerError as error:
                return error, by_stream
            for events in filter(None, parts):
                by_stream.setdefault(events[0].stream, []).extend(events)
            decided.append(tuple(chain.from_iterable(parts)))
        return decided, by_stream

    def _decided_now(self, metadata: Metadata) -> Metadata:
        """Return metadata with the instant of the decision. Raises `InvalidArgument` for a stated one after the clock.

        Source: RULES.md section 1.
        """
        if metadata.recorded_at is None:
            return Metadata(recorded_at=self._now, actor=metadata.actor, correlation=metadata.correlation)
        if metadata.recorded_at > self._now and metadata.recorded_at - self._now > CLOCKS_DIFFER:
            expected = f"an instant up to now, {self._now.isoformat(timespec='seconds')} by the clock of the ledger"
            raise InvalidArgument(argument="recorded_at", given=metadata.recorded_at.isoformat(), expected=expected)
        return metadata

    def _events(self, command: AnyCommand, metadata: Metadata) -> list[tuple[RecordedEvent, ...]]:
        """Return the events of a command, those of one stream together."""
        if isinstance(command, AllocateUnallocated):
            return allocate(self._receipt(command.reference), self._plan(command.plan_id), command, metadata)
        if isinstance(command, ReverseAllocation):
            return reverse_allocation(self._receipt(command.reference), self._plan(command.plan_id), command, metadata)
        if isinstance(command, ReceiptCommand):
            return [self._receipt(command.reference).decide(command, metadata)]
        return [self._plan(command.plan_id).decide(command, metadata)]

    def _forget(self, streams: Collection[Stream]) -> None:
        """Drop deciders: those streams are loaded again, and continued with their accepted events."""
        for stream in streams:
            del self.deciders[stream]
            self._kept.pop(stream, None)
        self._unproven.difference_update(streams)

    def _plan(self, plan_id: str) -> Decider:
        decider = self._decider(Stream(PLAN, plan_id))
        assert isinstance(decider, Decider)
        return decider

    def _receipt(self, reference: str) -> ReceiptDecider:
        decider = self._decider(Stream(RECEIPT, reference))
        assert isinstance(decider, ReceiptDecider)
        return decider

    def _decider(self, stream: Stream) -> AnyDecider:
        if stream in self.deciders:
            return self.deciders[stream]
        decider: AnyDecider
        if stream in self._kept:
            decider = self._kept[stream]
            if stream not in self._current:
                self._unproven.add(stream)
        else:
            history = self._history(stream)
            decider = Decider(history) if stream.kind == PLAN else ReceiptDecider(history)
        self.deciders[stream] = decider
        return decider

    def _history(self, stream: Stream) -> Sequence[RecordedEvent]:
        """Return the recorded and accepted events of a stream. Raises `ConcurrentChange` if others wrote between."""
        history = self._histories.pop(stream, None)
        history = self._store.history(stream.id, kind=stream.kind) if history is None else history
        telemetry.replayed(len(history))
        accepted = self._accepted.get(stream, [])
        if accepted and accepted[0].version != len(history) + 1:
            raise ConcurrentChange(plan_id=stream.id, attempts=1)
        return [*history, *accepted]
