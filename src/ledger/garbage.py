"""Garbage collection around work on many events: they stay, and form no cycles, so it would find nothing."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """Within, Python looks for no garbage; it does so again before more work begins.

    Looking through all that is kept, again and again, took a third of an import. Threads may nest it: the first that
    leaves it switches the collector on again. A collector that the caller has switched off stays so.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
