"""The runner: keeps the read model of one projection caught up with the ledger, exactly once per event.

A generation is built beside the live one: backfilled plan by plan as of one sequence, so that each plan is derived
once, then caught up by batches of events, verified where it replaces another, and promoted. The first generation is
built in the same way, with none before it. A plan whose history cannot be read is put into quarantine and stops no
other. One thread of one process works at a time; should several do, the checkpoint moves in the transaction that
changes the rows, and only from where it was.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import TypeVar

import attrs

from ledger import telemetry
from ledger.errors import NotCaughtUp, StoreUnavailable
from ledger.events import PLAN
from ledger.projections.projection import Projection
from ledger.readmodel.tables import PlanRows, Tables
from ledger.readmodel.verification import Verification, verify
from ledger.replay import Replayed, replay_one, replay_plans
from ledger.store import LAST, Generation, Partition, Quarantined, RawEvent, Store, dropped
from ledger.telemetry import Progress

T = TypeVar("T")

_log = logging.getLogger(__name__)

_BATCH = 20_000
"""Events that are applied per transaction, at most; each plan among them is derived once."""

_PLANS = 2_000
"""Plans that are derived per transaction, at most: so many are in memory."""

_POLL_INTERVAL = 0.01
"""Seconds between two looks at how far another process has come."""

_STALLED = 5
"""Seconds after which the work of another process that has not come further is done again."""

_RETRIED = 100
"""Plans in quarantine that a catch-up tries again, at most."""


class Runner:
    """Builds, catches up, verifies and rebuilds the generations of one projection on a store."""

    def __init__(self, store: Store, projection: Projection) -> None:
        self.projection = projection
        self._store = store
        self._views = store.views
        self._definition = projection.definition()
        self._checked = ""  # the generation whose rows were found to be there
        self._working = Lock()
        self._done: Generation | None = None  # where the last catch-up of this process came to

    # ---- generations

    def live(self) -> Generation | None:
        """Return the generation that answers; None while the first one is being built.

        Raises `StoreUnavailable` if it cannot be that of this ledger, or is that of a newer version.
        """
        live = next((one for one in self._generations() if one.live), None)
        if live is not None:
            self._check_version(live)
        return live

    def current(self, *, catch_up: bool, progress: Progress | None = None) -> Tables:
        """Return the live tables, caught up with the ledger or, without `catch_up`, as they are.

        Raises `NotCaughtUp` where there are none yet and, without `catch_up`, where they are those of an older version.
        """
        if catch_up:
            return self._tables(self.catch_up(progress))
        live, last = self.live(), self._store.last_sequence()
        if live is None or self._is_older(live):
            raise NotCaughtUp(wanted=last, reached=0, seconds=0)
        self._check_ledger(live, last)
        return self._tables(live)

    def ask(self, question: Callable[[Tables], T], *, catch_up: bool) -> T:
        """Return what the live tables answer, again if another generation was promoted meanwhile."""
        while True:
            tables = self.current(catch_up=catch_up)
            try:
                return question(tables)
            except StoreUnavailable:
                live = self.live()
                if live is None or live.number == tables.generation.number:
                    raise

    def _generations(self) -> list[Generation]:
        return self._views.generations(self.projection.name)

    def _tables(self, generation: Generation) -> Tables:
        return Tables(self._views, self.projection, generation)

    def _check_version(self, live: Generation) -> None:
        name, ours = self.projection.name, self.projection.version
        if live.version > ours:
            reason = f"its tables have version {live.version}, and this library knows {ours}"
            raise StoreUnavailable(store=f"Projection {name}", reason=reason, remedy="upgrade it on this machine")
        if live.version == ours and live.definition != self._definition:
            reason = f"its tables are not those that version {ours} declares here"
            raise StoreUnavailable(store=f"Projection {name}", reason=reason, remedy="raise its version, or rebuild it")

    def _check_ledger(self, live: Generation, last: int) -> None:
        """Raise `StoreUnavailable` if a generation cannot be that of this ledger, as after a partial restore."""
        reason = None
        if live.reached > last:
            reason = f"it has read up to {live.reached}, and the ledger ends at {last}"
        elif live.reached and self._checked != live.name:
            if self._tables(live).lost() and not live.quarantined:
                reason = "its rows are missing"
            else:
                self._checked = live.name
        if reason:
            raise StoreUnavailable(store=f"Read model {live.name}", reason=reason, remedy="rebuild it")

    def quarantined(self, *, limit: int, catch_up: bool) -> list[Quarantined]:
        """Return plans that the live tables leave out, by plan id."""
        return self.ask(lambda tables: self._views.quarantine(tables.generation, limit=limit), catch_up=catch_up)

    # ---- catching up

    def catch_up(self, progress: Progress | None = None) -> Generation:
        """Apply all events recorded so far and return the live generation. The first one is built if there is none.

        Others may go on writing: it ends where the ledger ended when it was called. One thread of a process works at a
        time, and one process: the others wait for it, and return what it has reached if that is far enough for them.
        """
        live, last = self.live(), self._store.last_sequence()
        if live is not None and live.reached >= last and not (live.quarantined or self._is_older(live)):
            self._check_ledger(live, last)
            return live
        with self._working:
            done = self._done
            known = done and live and done.number == live.number and not live.quarantined  # those are tried again
            if done and known and done.reached >= last:
                return done  # the thread before this one has applied all that was recorded when this one asked
            self._done = self._catch_up_in_turn(last, progress)
            return self._done

    def _catch_up_in_turn(self, last: int, progress: Progress | None) -> Generation:
        """Catch up as the only process that does, or wait while another one gets on with it."""
        before, ends = self._generations(), time.monotonic() + _STALLED
        while True:
            with self._views.catch_up_lock(self.projection.name) as works:
                if works() or time.monotonic() > ends:
                    return self._catch_up(progress)
            time.sleep(_POLL_INTERVAL)
            generations = self._generations()
            for one in generations:
                if one.live and one.reached >= last and not self._is_older(one):
                    return one
            if generations != before:  # the other one gets on; if it stands still, its work is done again here
                before, ends = generations, time.monotonic() + _STALLED

    def _catch_up(self, progress: Progress | None) -> Generation:
        while True:
            live, last = self.live(), self._store.last_sequence()
            try:
                if live is None or self._is_older(live):
                    return self._promote(self._build(self._next(live), last, progress), over=live)
                self._check_ledger(live, last)
                return self._advance(live, last, progress)
            except StoreUnavailable:
                now = self.live()
                if now is None or (live is not None and now.number == live.number):
                    raise  # no other generation has been promoted meanwhile

    def _is_older(self, generation: Generation) -> bool:
        return generation.version < self.projection.version

    def _advance(self, generation: Generation, last: int, progress: Progress | None = None) -> Generation:
        """Apply events by batches up to a sequence, and try plans in quarantine again."""
        if generation.quarantined:
            generation = self._retry(generation)
        begin = generation.reached
        while generation.reached < last:
            generation = self._apply_batch(generation)
            if progress is not None:
                progress(min(generation.reached, last) - begin, last - begin)
        return generation

    def _apply_batch(self, generation: Generation) -> Generation:
        """Derive the plans of the next events anew; return the generation as another process may have moved it."""
        batch = self._batch(generation.reached)
        histories: dict[str, list[RawEvent]] = {}
        for raw in batch:
            if raw.kind == PLAN:
                histories.setdefault(raw.stream_id, []).append(raw)
        known = [plan_id for plan_id, events in histories.items() if events[0].version > 1]
        after = attrs.evolve(generation, reached=batch[-1].sequence)
        reader = self._store.at(after.reached)
        with telemetry.span("ledger.catch_up", events=len(batch), plans=len(histories), reached=after.reached):
            histories |= reader.raw_histories(known)
            replayed = [replay_one(reader, plan_id, history) for plan_id, history in histories.items()]
            return self._move(generation, after, [one for one in replayed if one], replaced=known)

    def _batch(self, after: int) -> list[RawEvent]:
        """Return the next events, of not too many plans."""
        batch = self._store.raw_events(after=after, limit=_BATCH)
        plans = set[str]()
        for index, raw in enumerate(batch):
            plans.add(raw.stream_id)
            if len(plans) > _PLANS:
                return batch[:index]
        return batch

    def _move(
        self, before: Generation, after: Generation, replayed: Iterable[Replayed], *, replaced: Sequence[str]
    ) -> Generation:
        """Replace plans' rows and move the checkpoint; quarantine plans that cannot be read or derived."""
        rows, unreadable = self._derive(replayed)
        release = replaced if before.quarantined else ()
        changes = self._tables(before).changes(rows, replaced)
        if self._views.advance(before, after, changes=changes, quarantine=unreadable, release=release):
            for one in unreadable:
                _log.error("%s leaves out plan %s, version %s: %s", after.name, one.plan_id, one.version, one.reason)
            if not unreadable and not release:
                return after
        found = self._found(before)
        if before.live and not found.live:
            raise dropped(before)  # or will be at once: another one answers
        return found

    def _derive(self, replayed: Iterable[Replayed]) -> tuple[list[PlanRows], list[Quarantined]]:
        """Return the rows of plans, and the plans that have none since they cannot be read or derived."""
        rows: list[PlanRows] = []
        unreadable: list[Quarantined] = []
        for plan_id, plan, error in replayed:
            if error is not None:
                unreadable.append(Quarantined.of(error))
            if plan is None:
                continue
            try:
                rows.append(self.projection.rows(plan))
            except Exception as failure:  # noqa: BLE001 - a function of the user's own: it stops one plan, not all
                reason = " ".join(f"{type(failure).__name__}: {failure}".split())
                unreadable.append(Quarantined(plan_id, plan.version, f"projection {self.projection.name}", reason))
        return rows, unreadable

    def _found(self, generation: Generation) -> Generation:
        """Return a generation as it is now. Raises `StoreUnavailable` if it has been dropped."""
        for found in self._generations():
            if found.number == generation.number:
                return found
        raise dropped(generation)

    def _retry(self, generation: Generation) -> Generation:
        """Derive plans in quarantine again: their history may have been repaired, or the library upgraded."""
        left_out = self._views.quarantine(generation, limit=_RETRIED)
        replayed = replay_plans(self._store.at(generation.reached), [one.plan_id for one in left_out])
        readable = [one for one in replayed if one.plan]
        if not readable:
            return generation
        return self._move(generation, generation, readable, replaced=[one.plan_id for one in readable])

    # ---- building

    def _next(self, live: Generation | None) -> Generation:
        """Create the generation after the live one, or go on with one that was begun."""
        for one in self._generations():
            older = live is not None and one.number < live.number
            other = (one.version, one.definition) != (self.projection.version, self._definition)
            if older or (other and not one.live):
                self._views.drop(one)  # a build that was cut off has left it
        number = 1 if live is None else live.number + 1
        fresh = Generation(self.projection.name, number, self.projection.version, self._definition)
        self._views.create(fresh, self._tables(fresh).ddl())
        return fresh

    def _build(self, fresh: Generation, last: int, progress: Progress | None = None) -> Generation:
        """Bring a new generation up to a sequence: backfilled plan by plan as of one sequence, then by batches."""
        generation, done = self._found(fresh), 0
        plans = 0 if progress is None else self._store.count()
        while not (generation.live or generation.reached or last == 0):
            done += self._backfill(generation, generation.target or last)
            generation = self._found(generation)
            if progress is not None:
                progress(min(done, plans), plans)
        return self._advance(generation, last)

    def _backfill(self, generation: Generation, target: int) -> int:
        """Derive the next plans once, as of one sequence, and return how many they are."""
        page = self._store.stream_ids(within=Partition(generation.filled, None), limit=_PLANS)
        if not page:
            self._views.create(generation, self._tables(generation).indexes())
            self._views.advance(generation, attrs.evolve(generation, reached=target, filled="", target=0), changes=())
            return 0
        with telemetry.span("ledger.catch_up", plans=len(page), reached=target):
            replayed = replay_plans(self._store.at(target), page)
            self._move(generation, attrs.evolve(generation, filled=page[-1], target=target), replayed, replaced=())
        return len(page)

    def _promote(self, fresh: Generation, *, over: Generation | None) -> Generation:
        """Make a generation live; the one before it, which goes on reading meanwhile, must not have read further."""
        while True:
            generation = self._build(fresh, self._store.last_sequence())
            last = self._store.last_sequence()
            if over is None or over.reached <= last:
                last = LAST  # only what has read past the end, as after restoring the ledger, need not be reached
            if not generation.live and self._views.promote(generation, over=over, last=last):
                _log.info("%s has been promoted", generation.name)
                if over is not None:
                    self._views.drop(over)
                self._checked = generation.name
                return self._found(generation)
            live = self.live()
            if live is not None and (over is None or live.number != over.number):
                return live  # another process was faster

    # ---- operations

    def verify(self, progress: Progress | None = None, *, catch_up: bool = False) -> Verification:
        """Compare the live tables with a replay of the events that they have applied."""
        return self.ask(lambda tables: verify(self._store, tables, progress), catch_up=catch_up)

    def rebuild(self, progress: Progress | None = None) -> Verification:
        """Build the next generation beside the live one, which answers on; verify it; promote it if nothing differs.

        A rebuild that was cut off goes on where it stopped.
        """
        live = next((one for one in self._generations() if one.live), None)
        if live is not None and live.version > self.projection.version:
            self._check_version(live)
        built = self._build(self._next(live), self._store.last_sequence(), progress)
        verification = verify(self._store, self._tables(built), progress)
        if verification.differences:
            self._views.drop(built)
        else:
            self._promote(built, over=live)
        return verification
