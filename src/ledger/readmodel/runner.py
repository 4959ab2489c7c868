"""The read model, caught up with the ledger exactly once per event, and rebuilt beside itself.

Events are taken in by batches of thousands: the rows of each plan that a batch touches are derived anew and replaced,
in one transaction with the checkpoint. Rows that have read nothing yet are filled plan by plan instead, so that each is
derived once however its events lie in the ledger. Several processes may catch up at once: what another one took in
first is not taken in again.
"""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from ledger import telemetry
from ledger.errors import CorruptHistory, NotCaughtUp, StoreUnavailable
from ledger.events import RecordedEvent
from ledger.plan import Plan
from ledger.readmodel.tables import Rows
from ledger.readmodel.verification import Verification, verify
from ledger.store import Store, View
from ledger.telemetry import Progress

T = TypeVar("T")

_log = logging.getLogger(__name__)

_FAMILY = "periods_"
_BATCH = 20_000
"""Events that are taken in per transaction, at most; each plan among them is derived once."""

_PLANS = 2_000
"""Plans that are derived per transaction, at most: so much is in memory."""


class ReadModel:
    """The rows of all plans of a ledger, as far as the last `catch_up` brought them.

    One generation of rows is live: it answers. A rebuild fills the next one, which takes over when it is verified.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tables = store.tables
        if not any(view.live for view in self._tables.views()):
            first = self._rows(f"{_FAMILY}1")
            self._tables.create(first.view, first.ddl())

    def _rows(self, view: str) -> Rows:
        return Rows(self._tables, view)

    def live(self) -> View:
        """Return the view that answers."""
        return next(view for view in self._tables.views() if view.live)

    def check(self) -> None:
        """Raise `StoreUnavailable` if the live rows cannot be those of this ledger, as after a partial restore."""
        self._with_live(self._check)

    def _check(self, view: View) -> None:
        last = self._store.last_sequence()
        lost = "its rows are missing" if view.reached and not self._rows(view.name).whole() else None
        ahead = f"it has read up to {view.reached}, and the ledger ends at {last}" if view.reached > last else None
        if reason := lost or ahead:
            raise StoreUnavailable(store=f"Read model {view.name}", reason=reason, remedy="rebuild it")

    def ask(self, question: Callable[[Rows], T]) -> T:
        """Return what the live rows answer. Raises `NotCaughtUp` while they are filled for the first time."""
        return self._with_live(lambda view: question(self._filled(view)))

    def _filled(self, view: View) -> Rows:
        if view.filled:
            raise NotCaughtUp(wanted=view.target, reached=0, seconds=0)
        return self._rows(view.name)

    def _with_live(self, task: Callable[[View], T]) -> T:
        """Do a task with the live view, and again if others took over meanwhile."""
        while True:
            view = self.live()
            try:
                return task(view)
            except StoreUnavailable:
                if self.live().name == view.name:
                    raise

    # ---- catching up

    def catch_up(self, progress: Progress | None = None) -> int:
        """Take in all events recorded so far and return the sequence reached.

        Raises `CorruptHistory` at what cannot be taken in, with everything before it taken in.
        """
        return self._with_live(lambda _: self._bring(self.live, progress))

    def _bring(self, find: Callable[[], View], progress: Progress | None) -> int:
        """Bring a view to where the ledger ends now: others may go on writing without keeping it busy for ever.

        What has read nothing is filled plan by plan, everything else brought on by batches of events; so is what has
        read nothing if an event cannot be taken in, to come as far as that event.
        """
        last, limit, plan_by_plan = self._store.last_sequence(), _BATCH, True
        filled, plans = 0, 0 if progress is None else self._store.count_plans()
        while (view := find()).reached < last:  # wherever it is: another process may have been faster
            rows = self._rows(view.name)
            try:
                if view.reached == 0 and plan_by_plan:
                    filled += self._fill(rows, view, view.target or last)
                elif view.filled:  # in part, before it was found out that the whole cannot be read
                    self._tables.fill(view.name, expected=view.filled, filled="", target=0, changes=rows.clear())
                else:
                    self._take_in(rows, self._batch(view.reached, limit), view.reached)
            except CorruptHistory as error:
                if limit == 1:
                    _log.error("%s stops at %s: %s", view.name, view.reached, error)
                    self._tables.stop(view.name, at=view.reached, reason=str(error))
                    raise
                if view.reached == 0 and plan_by_plan:
                    plan_by_plan = False
                    self._tables.create(view.name, rows.indexes())
                else:
                    limit = max(1, limit // 10)
            if progress is not None:
                progress(*((view.reached, last) if view.reached else (min(filled, plans), plans)))
        return view.reached

    def _fill(self, rows: Rows, view: View, target: int) -> int:
        """Derive the next plans once, as they stood at one sequence, from which the view then goes on."""
        page = self._store.plan_ids(after=view.filled, limit=_PLANS)
        if not page:
            self._tables.create(view.name, rows.indexes())
            self._tables.advance(view.name, expected=0, filled=view.filled, reached=target, changes=())
            return 0
        with telemetry.span("ledger.catch_up", plans=len(page), reached=target):
            histories = self._store.histories(page, through=target)
            changes = rows.changes([Plan(history) for history in histories.values() if history], ())
            self._tables.fill(view.name, expected=view.filled, filled=page[-1], target=target, changes=changes)
        return len(page)

    def _batch(self, after: int, limit: int) -> list[RecordedEvent]:
        """Return the next events, of not too many plans."""
        batch = self._store.events(after=after, limit=limit)
        plans = set[str]()
        for place, recorded in enumerate(batch):
            plans.add(recorded.plan_id)
            if len(plans) > _PLANS:
                return batch[:place]
        return batch

    def _take_in(self, rows: Rows, batch: Sequence[RecordedEvent], after: int) -> None:
        """Bring rows from one checkpoint to the end of a batch, unless another process has moved them on."""
        touched: dict[str, list[RecordedEvent]] = {}
        for recorded in batch:
            touched.setdefault(recorded.plan_id, []).append(recorded)
        reached = batch[-1].sequence
        with telemetry.span("ledger.catch_up", events=len(batch), plans=len(touched), reached=reached):
            known = [plan_id for plan_id, events in touched.items() if events[0].version > 1]
            histories = touched | self._store.histories(known, through=reached)
            plans = [Plan(events) for events in histories.values()]
            changes = rows.changes(plans, known)
            if self._tables.advance(rows.view, expected=after, reached=reached, changes=changes):
                _log.debug("%s took in %s events up to %s", rows.view, len(batch), reached)

    # ---- rebuilding

    def verify(self, progress: Progress | None = None) -> Verification:
        """Compare the live rows with a replay of the events that they have taken in. Raises as `ask` does."""
        return self._with_live(lambda view: verify(self._store, self._filled(view), progress))

    def rebuild(self, progress: Progress | None = None) -> Verification:
        """Fill the next generation beside the live one, which answers on; verify it; let it take over if it is equal.

        A rebuild that was cut off goes on where it stopped. Raises `CorruptHistory` as `catch_up` does.
        """
        live = self.live()
        for view in self._tables.views():
            if _generation(view) < _generation(live):  # what a rebuild that was cut off left behind
                self._remove(view.name)
        fresh = self._rows(f"{_FAMILY}{_generation(live) + 1}")
        self._tables.create(fresh.view, fresh.ddl())

        def find() -> View:
            for view in self._tables.views():
                if view.name == fresh.view:
                    return view
            reason = "another rebuild that found a difference has removed it"
            raise StoreUnavailable(store=f"Read model {fresh.view}", reason=reason, remedy="rebuild again")

        self._bring(find, progress)
        verification = verify(self._store, fresh, progress)
        if verification.differences:
            self._remove(fresh.view)
            return verification
        while self.live().name == live.name:  # which goes on reading meanwhile: nobody is to see less than before
            self._bring(find, None)
            if self._tables.take_over(fresh.view, of=live.name, last=self._store.last_sequence()):
                _log.info("%s has taken over from %s", fresh.view, live.name)
        self._remove(live.name)
        return verification

    def _remove(self, view: str) -> None:
        self._tables.remove(view, drop=self._rows(view).drop())


def _generation(view: View) -> int:
    return int(view.name.removeprefix(_FAMILY))
