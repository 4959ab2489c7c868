"""The store in memory: for tests, demonstrations and what-ifs. Nothing of it outlives the process."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from eventsourcing.persistence import StoredEvent
from eventsourcing.popo import POPOApplicationRecorder

from ledger.store.sql import StoredRow, poller

_POLL_INTERVAL = 0.01
"""Seconds between two looks at the list whose news one waits for."""


class PlanRecorder(POPOApplicationRecorder):
    """The library's recorder of plain Python objects, read as rows."""

    def stream(self, plan_id: str) -> Sequence[StoredRow]:
        """Return a plan's rows in the order of version."""
        with self._database_lock:
            return [self._row(place) for place in self._stored_events_index.get(plan_id, {}).values()]

    def streams(self, plan_ids: Sequence[str], *, through: int) -> Sequence[StoredRow]:
        """Return the rows of several plans up to a sequence, of each in the order of version."""
        return [row for plan_id in plan_ids for row in self.stream(plan_id) if row[0] <= through]

    def count_plans(self) -> int:
        """Return the number of plans."""
        return len(self._stored_events_index)

    def plan_ids(self, *, after: str, limit: int) -> list[str]:
        """Return up to `limit` ids of plans above `after`, in their order."""
        with self._database_lock:
            above = (str(plan_id) for plan_id in self._stored_events_index if str(plan_id) > after)
            return heapq.nsmallest(limit, above)

    @contextmanager
    def news(self) -> Iterator[Callable[[float], bool]]:
        """Yield a function that waits until the list has grown."""
        yield poller(lambda: len(self._stored_events), interval=_POLL_INTERVAL)

    def log(self, *, after: int, limit: int) -> Sequence[StoredRow]:
        """Return rows with a sequence above `after`; the sequence is one more than the place in the list."""
        with self._database_lock:
            return [self._row(place) for place in range(after, min(after + limit, len(self._stored_events)))]

    def _row(self, place: int) -> StoredRow:
        stored: StoredEvent = self._stored_events[place]
        return place + 1, str(stored.originator_id), stored.originator_version, stored.topic, stored.state
