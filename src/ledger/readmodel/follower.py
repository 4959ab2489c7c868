"""Following: a process that keeps the read model caught up, the only one of several that do."""

import logging
import time
from threading import Event

from ledger.errors import StoreUnavailable
from ledger.readmodel.runner import ReadModel
from ledger.store import Store
from ledger.telemetry import Progress

_log = logging.getLogger(__name__)

_ATTENTION = 0.5
"""Seconds after which a follower that waits for news notices that it is to stop."""


def follow(store: Store, *, stop: Event, every: float, progress: Progress | None = None) -> None:
    """Take in events as they are recorded, until `stop` is set; look at least once in `every` seconds.

    PostgreSQL tells of news at once, other stores are asked. Of several followers one works and the others stand by;
    when it is gone, however it went, the next one goes on from its checkpoint. A database that is away is waited for.
    Raises `CorruptHistory` at what cannot be taken in.
    """
    while not stop.is_set():
        try:
            _lead(store, stop=stop, every=every, progress=progress)
        except StoreUnavailable as error:
            _log.warning("%s", error)
        stop.wait(every)


def _lead(store: Store, *, stop: Event, every: float, progress: Progress | None) -> None:
    """Work as long as nobody else does."""
    with store.tables.alone() as alone:
        if not alone():
            _log.debug("another follower is at work")
            return
        model = ReadModel(store)
        model.check()
        with store.news() as wait:
            _log.info("following %s from %s on", store.label, model.live().reached)
            while not stop.is_set() and alone():
                model.catch_up(progress)
                ends = time.monotonic() + every
                while not stop.is_set() and (left := ends - time.monotonic()) > 0 and not wait(min(left, _ATTENTION)):
                    pass
