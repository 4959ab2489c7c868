"""Following: one process of several keeps the read models caught up with the ledger."""

import logging
import time
from collections.abc import Sequence
from threading import Event

from ledger.errors import StoreUnavailable
from ledger.readmodel.runner import Runner
from ledger.store import Store
from ledger.telemetry import Progress

_log = logging.getLogger(__name__)

_STOP_INTERVAL = 0.5
"""Seconds after which a follower that waits for events checks whether it is to stop."""


def follow(
    store: Store, runners: Sequence[Runner], *, stop: Event, every: float, progress: Progress | None = None
) -> None:
    """Apply events as they are recorded, until `stop` is set; check at least once in `every` seconds.

    PostgreSQL notifies at once, other stores are polled. Of several followers one leads and the others stand by; when
    it is gone, however it went, the next one goes on from its checkpoints. A database that is away is waited for.
    """
    while not stop.is_set():
        try:
            _lead(store, runners, stop=stop, every=every, progress=progress)
        except StoreUnavailable as error:
            _log.warning("%s", error)
        stop.wait(every)


def _lead(store: Store, runners: Sequence[Runner], *, stop: Event, every: float, progress: Progress | None) -> None:
    """Keep the read models caught up for as long as this process leads."""
    with store.views.leader_lock() as leads:
        if not leads():
            _log.debug("another follower leads")
            return
        with store.wait_for_events() as wait:
            _log.info("following %s", store.label)
            while not stop.is_set() and leads():
                for runner in runners:
                    runner.catch_up(progress)
                ends = time.monotonic() + every
                while not stop.is_set() and (left := ends - time.monotonic()) > 0:
                    if wait(min(left, _STOP_INTERVAL)):
                        break
