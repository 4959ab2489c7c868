"""The golden vectors replayed: ours gives every answer, and each wrong ledger is seen in a vector that is named."""

import os
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from itertools import count

import pytest

from ledger.testing import LedgerPort, vectors
from ledger.testing.ledger_adapter import opened
from tests.vector_replay import Case, Operation, difference
from tests.wrong_ledgers import WRONG

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
CASES = {case["name"]: case for case in vectors() if case["name"] != "refused-reinstate-own-decision"}
"""All vectors but one: who records a command is no part of the port."""

Factory = Callable[[], AbstractContextManager[LedgerPort]]


def differing(
    factory: Factory, cases: Collection[Case], *, copies: int = 1, before_asking: Operation | None = None
) -> list[str]:
    replayed = ((case["name"], difference(factory, *[case] * copies, before_asking=before_asking)) for case in cases)
    return [f"{name}: {words}" for name, words in replayed if words is not None]


def test_our_ledger_gives_every_answer() -> None:
    """Replayed through the port, as in anybody's ledger."""
    assert differing(opened, CASES.values()) == []


@pytest.mark.long
@pytest.mark.skipif(not LONG, reason="the long form")
def test_our_ledger_gives_every_answer_twice_and_rebuilt() -> None:
    """Each vector as two plans of one investor, and with read models that are derived again."""
    assert differing(opened, CASES.values(), copies=2, before_asking="rebuild") == []


def test_our_ledger_gives_every_answer_after_a_restart(shared_url: str, name: str) -> None:
    """On SQLite and PostgreSQL, over all vectors in the long form."""
    numbers = count()

    def fresh() -> AbstractContextManager[LedgerPort]:
        return opened(shared_url, name=f"{name}_{next(numbers)}")

    cases = [*CASES.values()][:: 10 if LONG else 100]
    assert differing(fresh, cases, before_asking="restart") == []


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_ledger_is_seen_in_a_vector(name: str) -> None:
    """Whoever has the vectors alone finds the mistake too; our ledger, with the same calls, does not differ."""
    wrong = WRONG[name]
    cases = [CASES[vector] for vector in wrong.vectors]
    patience = 1 if name == "hangs" else 60
    assert difference(wrong.factory, *cases, before_asking=wrong.before_asking, timeout=patience) is not None
    if wrong.before_asking != "restart":  # which a ledger in memory does not survive
        assert difference(opened, *cases, before_asking=wrong.before_asking) is None
