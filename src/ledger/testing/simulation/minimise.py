"""Minimising: from the history of a failure to a short one that still fails by the same check."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from ledger.testing.comparison import TIMEOUT, Clockwork, LedgerDiffers
from ledger.testing.simulation.adapter import Factory
from ledger.testing.simulation.observer import Entry, Observer

T = TypeVar("T")

TRIALS = 2_000
"""Histories that are tried, at most."""


def replay(factory: Factory, history: Sequence[Entry], *, timeout: float = TIMEOUT) -> LedgerDiffers | None:
    """Make the calls of a history on an empty ledger; return the failure, or None if every check holds."""
    with factory() as ledger:
        observer = Observer(ledger, clockwork=Clockwork(timeout))
        try:
            observer.repeat(history)
        except LedgerDiffers as error:
            return error
    return None


def minimise(
    factory: Factory, history: Sequence[Entry], error: LedgerDiffers, *, trials: int = TRIALS
) -> tuple[list[Entry], LedgerDiffers]:
    """Return a short history that fails by the same check, with its failure: fewer plans first, then fewer calls.

    The history comes back as it was where it does not fail again.
    """
    return _Minimiser(factory, error, trials).shortest([*history])


class _Minimiser:
    """Tries histories, and remembers the last that failed."""

    def __init__(self, factory: Factory, error: LedgerDiffers, trials: int) -> None:
        self._factory, self._error, self._left = factory, error, trials

    def shortest(self, history: list[Entry]) -> tuple[list[Entry], LedgerDiffers]:
        """Return the shortest history found."""
        history = self._of_few_plans(history)
        apart = [Entry(entry.call) for entry in history]
        if self._fails(apart):
            history = apart
        return _shortened(history, self._fails), self._error

    def _of_few_plans(self, history: list[Entry]) -> list[Entry]:
        culprit = self._error.call.plan_id
        if culprit is not None:
            only = _of(history, [culprit])
            for some in ([entry for entry in only if entry.call.plan_id is not None], only):
                if self._fails(some):
                    return some
        plans = list(dict.fromkeys(entry.call.plan_id for entry in history if entry.call.plan_id is not None))
        return _of(history, _shortened(plans, lambda some: self._fails(_of(history, some))))

    def _fails(self, history: Sequence[Entry]) -> bool:
        if self._left == 0:
            return False
        self._left -= 1
        error = replay(self._factory, history)
        if error is None or error.check != self._error.check:
            return False
        self._error = error
        return True


def _of(history: Sequence[Entry], plans: Sequence[str]) -> list[Entry]:
    """Return a history of some plans only; what concerns no single plan stays."""
    kept = {None, *plans}
    return [entry for entry in history if entry.call.plan_id in kept]


def _shortened(items: list[T], fails: Callable[[list[T]], bool]) -> list[T]:
    """Return items without those that a failure does not need: halves first, then ever smaller parts."""
    size = max(1, len(items) // 2)
    while True:
        at, shorter = 0, False
        while at < len(items):
            rest = items[:at] + items[at + size :]
            if rest and fails(rest):
                items, shorter = rest, True
            else:
                at += size
        if size == 1 and not shorter:
            return items
        size = max(1, size // 2)
