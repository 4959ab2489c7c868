"""The store in memory: for tests, demonstrations and what-ifs. Nothing of it outlives the process."""

from collections.abc import Sequence
from uuid import UUID

from eventsourcing.persistence import Notification, StoredEvent
from eventsourcing.popo import POPOApplicationRecorder

from ledger.store.port import Store
from ledger.store.recording import RecorderStore
from ledger.store.sqlite import tables_in_memory


class PlanRecorder(POPOApplicationRecorder):
    """The library's recorder, with the sequence beside each event of a plan."""

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """Return a plan's events as notifications."""
        stored = super().select_events(originator_id, gt=gt, lte=lte, desc=desc, limit=limit)
        places = self._stored_events_index[str(originator_id)]
        return [
            Notification(
                id=places[event.originator_version] + 1,
                originator_id=event.originator_id,
                originator_version=event.originator_version,
                topic=event.topic,
                state=event.state,
            )
            for event in stored
        ]


def open_memory(name: str) -> Store:
    """Open an empty ledger in memory."""
    tables, datastore = tables_in_memory(name)
    return RecorderStore("memory", PlanRecorder(), tables, datastore.close)
