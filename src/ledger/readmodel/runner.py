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

from ledger import garbage, telemetry
from ledger.errors import InvalidArgument, NotCaughtUp, StoreUnavailable
from ledger.events import PLAN
from ledger.plan import Plan
from ledger.projections.projection import Projection
from ledger.readmodel.compatibility import Misfit, misfit
from ledger.readmodel.tables import PlanRows, Tables, derived_rows, without_rows
from ledger.readmodel.verification import Verification, verify
from ledger.replay import Replayed, replay_one, replay_plans
from ledger.store import LAST, Generation, Head, Partition, Quarantined, RawEvent, Store, dropped
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

_LONGEST_NAME = 63
"""Characters of a table's name that PostgreSQL tells apart."""

_RETRIED = 100
"""Plans in quarantine that a catch-up tries again, at most."""


_Seen = tuple[Generation | None, Head, bool]
"""The live generation, where the ledger stands, and whether the next catch-up replaces that generation."""


def _is_too_large(rows: PlanRows) -> bool:
    """Return whether a number in a plan's rows has more than the 64 bits of a column."""
    values = (value for of_table in rows.values() for row in of_table for value in row)
    return any(isinstance(value, int) and not -LAST <= value <= LAST for value in values)


class Runner:
    """Builds, catches up, verifies and rebuilds the generations of one projection on a store."""

    def __init__(self, store: Store, projection: Projection) -> None:
        for table in projection.all_tables():
            too_long = len(f"{store.views.prefix}_{projection.name}_9999_{table.name}_99") - _LONGEST_NAME
            if too_long > 0:
                given, expected = f"{projection.name}, {table.name}", f"names that are shorter by {too_long} letters"
                raise InvalidArgument(argument="projections", given=given, expected=expected)
        self.projection = projection
        self._store = store
        self._views = store.views
        self._definition = projection.definition()
        self._checked = ""  # the generation whose rows were found to be there
        self._working = Lock()
        self._done: Generation | None = None  # where the last catch-up of this process came to
        self._latest: Tables | None = None

    # ---- generations

    def reached(self) -> int:
        """Return the sequence that the live generation has reached; 0 while it is being built, or is to be replaced.

        Raises `StoreUnavailable` if it cannot be that of this ledger, or is that of a newer version.
        """
        live, _, stale = self._look()
        return 0 if live is None or stale else live.reached

    def _look(self) -> _Seen:
        """Return the live generation, where the ledger stands, and whether the next catch-up replaces that generation.

        Raises `StoreUnavailable` if it cannot be that of this ledger, or is that of a newer version.
        """
        live = self._live()
        head = self._store.head(0 if live is None else live.at)
        found = None if live is None else misfit(live, self.projection, head)
        if live is not None and found is not None and not found.rebuilt:
            raise StoreUnavailable(store=f"Read model {live.name}", reason=found.reason, remedy=found.remedy)
        return live, head, found is not None

    def _live(self) -> Generation | None:
        """Return the live generation, whatever its state: the last of several, which only an edit can leave."""
        return next((one for one in reversed(self._generations()) if one.live), None)

    def _misfit(self, generation: Generation) -> Misfit | None:
        return misfit(generation, self.projection, self._store.head(generation.at))

    def current(self, *, catch_up: bool, progress: Progress | None = None) -> Tables:
        """Return the live tables, caught up with the ledger or, without `catch_up`, as they are.

        Raises `NotCaughtUp` where there are none yet and, without `catch_up`, where they are those of an older version.
        """
        if catch_up:
            return self._tables(self.catch_up(progress))
        live, head, stale = self._look()
        if live is None or stale:
            raise NotCaughtUp(wanted=head.last, reached=0, seconds=0)
        self._check_rows(live)
        return self._tables(live)

    def ask(self, question: Callable[[Tables], T], *, catch_up: bool) -> T:
        """Return what the live tables answer, again if another generation was promoted meanwhile."""
        while True:
            tables = self.current(catch_up=catch_up)
            try:
                return question(tables)
            except StoreUnavailable:
                live = self._live()
                if live is None or live.number == tables.generation.number:
                    raise

    def _generations(self) -> list[Generation]:
        return self._views.generations(self.projection.name)

    def _tables(self, generation: Generation) -> Tables:
        """Return the tables of a generation; those of the one asked for last know their statements already."""
        latest = self._latest
        if latest is None or latest.generation.number != generation.number:
            self._latest = latest = Tables(self._views, self.projection, generation)
        return latest.at(generation)

    def _check_rows(self, live: Generation) -> None:
        """Raise `StoreUnavailable` if a generation has lost its rows, as after a partial restore."""
        if live.reached and self._checked != live.name:
            if self._tables(live).lost() and not live.quarantined:
                reason = "its rows are missing"
                raise StoreUnavailable(store=f"Read model {live.name}", reason=reason, remedy="rebuild it")
            self._checked = live.name

    def quarantined(self, *, limit: int, catch_up: bool) -> list[Quarantined]:
        """Return plans that the live tables leave out, by plan id."""
        return self.ask(lambda tables: self._views.quarantine(tables.generation, limit=limit), catch_up=catch_up)

    # ---- catching up

    def catch_up(self, progress: Progress | None = None) -> Generation:
        """Apply all events recorded so far and return the live generation. The first one is built if there is none.

        Others may go on writing: it ends where the ledger ended when it was called. One thread of a process works at a
        time, and one process: the others wait for it, and return what it has reached if that is far enough for them.
        """
        before = self._done
        live, head, stale = self._look()
        if live is not None and live.reached >= head.last and not (live.quarantined or stale):
            self._check_rows(live)
            return live
        with self._working:
            done = None if self._done is before else self._done
            if done and live and not stale and (done.number, done.epoch) == (live.number, head.epoch):
                live = done  # the thread before this one has come so far since this one looked
                if live.reached >= head.last and not live.quarantined:
                    return live  # it has applied all that was recorded when this one asked
            self._done = self._catch_up_in_turn((live, head, stale), progress)
            return self._done

    def _catch_up_in_turn(self, seen: _Seen, progress: Progress | None) -> Generation:
        """Catch up as the only process that does, or wait while another one gets on with it."""
        last = seen[1].last
        before, ends = list[Generation](), time.monotonic() + _STALLED
        while True:
            with self._views.catch_up_lock(self.projection.name) as works:
                if works() or time.monotonic() > ends:
                    return self._catch_up(seen, progress)
            time.sleep(_POLL_INTERVAL)
            live, _, stale = seen = self._look()
            if live is not None and live.reached >= last and not stale:
                return live
            generations = self._generations()
            if generations != before:  # the other one gets on; if it stands still, its work is done again here
                before, ends = generations, time.monotonic() + _STALLED

    def _catch_up(self, seen: _Seen, progress: Progress | None) -> Generation:
        """Catch up from where the generation was seen, or is; if it is not there any more, from where it is then."""
        live, head, stale = seen
        if live is None or stale:
            live, head, stale = self._look()  # another one may have built it meanwhile
        while True:
            try:
                if live is None or stale:
                    return self._promote(self._build(self._next(live, head), head.last, progress), over=live)
                self._check_rows(live)
                return self._advance(live, head.last, progress)
            except StoreUnavailable:
                now = self._live()
                if now is None or (live is not None and now.number == live.number):
                    raise  # no other generation has been promoted meanwhile
                live, head, stale = self._look()

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
        after = attrs.evolve(generation, reached=batch[-1].sequence).marked(batch[-1].mark)
        reader = self._store.at(after.reached)
        attributes = {"events": len(batch), "plans": len(histories), "reached": after.reached}
        with telemetry.span("ledger.catch_up", **attributes), garbage.paused():
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

        def advance() -> bool:
            changes = self._tables(before).changes(list(rows.values()), replaced)
            return self._views.advance(before, after, changes=changes, quarantine=unreadable, release=release)

        try:
            moved = advance()
        except StoreUnavailable:
            if not (too_large := [plan for plan, of_plan in rows.items() if _is_too_large(of_plan)]):
                raise
            for plan in too_large:
                del rows[plan]
                unreadable.append(without_rows(self.projection, plan, "a number has more than 64 bits"))
            moved = advance()
        if moved:
            for one in unreadable:
                _log.error("%s leaves out plan %s, version %s (%s)", after.name, one.plan_id, one.version, one.event)
            if not unreadable and not release:
                return after
        found = self._found(before)
        if before.live and not found.live:
            raise dropped(before)  # or will be at once: another one answers
        return found

    def _derive(self, replayed: Iterable[Replayed]) -> tuple[dict[Plan, PlanRows], list[Quarantined]]:
        """Return the rows of plans, and the plans that have none since they cannot be read or derived."""
        rows: dict[Plan, PlanRows] = {}
        unreadable: list[Quarantined] = []
        for _, plan, error in replayed:
            if error is not None:
                unreadable.append(Quarantined.of(error))
            if plan is None:
                continue
            derived = derived_rows(self.projection, plan)
            if isinstance(derived, Quarantined):
                unreadable.append(derived)
            else:
                rows[plan] = derived
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

    def _next(self, live: Generation | None, head: Head) -> Generation:
        """Create the generation after the live one, or go on with one that was begun."""
        for one in self._generations():
            older = live is not None and one.number < live.number
            if older or (not one.live and self._misfit(one)):
                self._views.drop(one)  # a build that was cut off has left it
        number = 1 if live is None else live.number + 1
        version, definition = self.projection.version, self._definition
        fresh = Generation(self.projection.name, number, version, definition, ledger=head.ledger, epoch=head.epoch)
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
            after = attrs.evolve(generation, reached=target, filled="", target=0).marked(self._store.head(target).mark)
            self._views.advance(generation, after, changes=())
            return 0
        with telemetry.span("ledger.catch_up", plans=len(page), reached=target), garbage.paused():
            replayed = replay_plans(self._store.at(target), page)
            after = attrs.evolve(generation, filled=page[-1], target=target).marked(self._store.head(target).mark)
            self._move(generation, after, replayed, replaced=())
        return len(page)

    def _promote(self, fresh: Generation, *, over: Generation | None) -> Generation:
        """Make a generation live; the one before it, which goes on reading meanwhile, must not have read further."""
        while True:
            generation = self._build(fresh, self._store.last_sequence())
            found = None if over is None else self._misfit(over)
            last = 0 if found and found.of_another_past else LAST  # sequences of another past need not be reached
            if not generation.live and self._views.promote(generation, over=over, last=last):
                _log.info("%s has been promoted", generation.name)
                if over is not None:
                    self._views.drop(over)
                self._checked = generation.name
                return self._found(generation)
            live = self._live()
            if live is not None and (over is None or live.number != over.number):
                return live  # another process was faster

    # ---- operations

    def verify(self, progress: Progress | None = None, *, catch_up: bool = False) -> Verification:
        """Compare the live tables with a replay of the events that they have applied."""
        return self.ask(lambda tables: verify(self._store, tables, progress), catch_up=catch_up)

    def rebuild(self, progress: Progress | None = None) -> Verification:
        """Build the next generation beside the live one, which answers on; verify it; promote it if nothing differs.

        A rebuild that was cut off goes on where it stopped. Raises `StoreUnavailable` where the live one is of a newer
        version, or has read events which the ledger does not have: it is the evidence, until a new epoch begins.
        """
        live = self._live()
        if live is not None and (found := self._misfit(live)) and found.cause in ("newer", "checkpoint"):
            raise StoreUnavailable(store=f"Read model {live.name}", reason=found.reason, remedy=found.remedy)
        head = self._store.head(0)
        built = self._build(self._next(live, head), head.last, progress)
        verification = verify(self._store, self._tables(built), progress)
        if verification.differences:
            self._views.drop(built)
        else:
            self._promote(built, over=live)
        return verification
