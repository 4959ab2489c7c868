"""The store in memory: for tests, demonstrations and what-ifs. Nothing of it outlives the process."""

from collections.abc import Sequence

from eventsourcing.persistence import StoredEvent
from eventsourcing.popo import POPOApplicationRecorder

from ledger.store.port import Store
from ledger.store.recording import RecorderStore
from ledger.store.sql import StoredRow
from ledger.store.sqlite import tables_in_memory


class PlanRecorder(POPOApplicationRecorder):
    """The library's recorder of plain Python objects, read as rows."""

    def stream(self, plan_id: str) -> Sequence[StoredRow]:
        """Return a plan's rows in the order of version."""
        with self._database_lock:
            return [self._row(place) for place in self._stored_events_index.get(plan_id, {}).values()]

    def log(self, *, after: int, limit: int) -> Sequence[StoredRow]:
        """Return rows with a sequence above `after`; the sequence is one more than the place in the list."""
        with self._database_lock:
            return [self._row(place) for place in range(after, min(after + limit, len(self._stored_events)))]

    def _row(self, place: int) -> StoredRow:
        stored: StoredEvent = self._stored_events[place]
        return place + 1, str(stored.originator_id), stored.originator_version, stored.topic, stored.state


def open_memory(name: str) -> Store:
    """Open an empty ledger in memory."""
    tables, database = tables_in_memory(name)
    return RecorderStore("memory", PlanRecorder(), tables, database.close)
