"""The process is killed in the midst of its work, for real: nothing is lost and nothing is doubled."""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from signal import SIGKILL
from typing import Any

import attrs
import pytest

from ledger import Ledger
from tests import crash_worker
from tests.crash_worker import TASKS, Location, answers, histories
from tests.processes import fork
from tests.raw_sql import names

KILLS = 100 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 5
"""Of each task in each store."""

STORES = ("sqlite", "postgres")
ELSEWHERE = ("sqlite for postgres", "postgres for sqlite")
"""Stores whose views are in another database."""


@attrs.frozen
class Undisturbed:
    """A task that nobody killed: what it sent, how long it took, and what was and is in the ledger."""

    kinds: list[str]
    seconds: float
    before: dict[str, Any]
    after: dict[str, Any]
    answers: list[Any]


@attrs.frozen
class Blow:
    """When to kill: right before a statement, by its number from 1, or so many seconds after the beginning."""

    statement: int | None
    seconds: float | None


@contextmanager
def _with_metadata(*what: object) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        error.add_note(" ".join(map(str, what)))
        raise


def _undisturbed(location: Location, task: str) -> Undisturbed:
    with location.open() as ledger:
        before = histories(ledger)
    running = fork(crash_worker.run, location, task, None)
    running.receive()
    begun = time.monotonic()
    kinds = running.receive()
    seconds = time.monotonic() - begun
    assert running.end() == 0
    with location.open() as ledger:
        return Undisturbed(kinds, seconds, before, histories(ledger), answers(ledger))


def _blows(whole: Undisturbed, count: int, dice: random.Random) -> list[Blow]:
    """Return blows for every gap between statements of different kinds first, others and moments at random."""
    last = len(whole.kinds)
    gaps = [1, *(number for number, (one, two) in enumerate(pairwise(whole.kinds), 2) if one != two)]
    chosen = dice.sample(gaps, min(len(gaps), max(1, count - 2)))
    moments = max(1, count // 5)
    chosen += [dice.randint(1, last) for _ in range(count - moments - len(chosen))]
    by_clock = [Blow(None, dice.random() * whole.seconds) for _ in range(moments)]
    return [*(Blow(number, None) for number in chosen), *by_clock]


def _strike(location: Location, task: str, blow: Blow) -> None:
    running = fork(crash_worker.run, location, task, blow.statement)
    running.receive()
    if blow.seconds is None:
        assert running.end() == -SIGKILL
    else:
        time.sleep(blow.seconds)
        assert running.kill() in (-SIGKILL, 0)


def _check_whole(ledger: Ledger, task: str, whole: Undisturbed) -> None:
    """Of each plan there is what was before the task, or what is after it; a save is there as a whole, or not."""
    found = histories(ledger)
    for plan_id in whole.after:
        assert found.get(plan_id) in (whole.before.get(plan_id), whole.after[plan_id]), plan_id
    assert found.keys() <= whole.after.keys()
    if task != "close":
        assert found in (whole.before, whole.after)
    sequences = [event.sequence for event in ledger.events()]
    assert sequences == sorted(set(sequences))


def _check_again(ledger: Ledger, task: str, whole: Undisturbed) -> None:
    """Run the task again, to its end: it comes to what it comes to when nobody is killed."""
    if task == "rebuild":
        _check_resumed(ledger)
    else:
        TASKS[task](ledger)
    assert histories(ledger) == whole.after
    assert answers(ledger) == whole.answers
    assert ledger.verify().differences == ()
    (live,) = ledger._store.views.generations()
    assert (live.live, live.reached, live.filled) == (True, ledger._store.last_sequence(), "")
    tables = {f"{live.name}_{table}" for table in ("periods", "closings", "totals")}
    assert {table for table in names(ledger, views=True) if table.startswith("periods")} == tables


def _check_resumed(ledger: Ledger) -> None:
    """Rebuild again: plans that were derived before the kill are not derived again."""
    fresh = [view for view in ledger._store.views.generations() if not view.live]
    left = [plan for plan in histories(ledger) if not fresh or (plan > fresh[0].filled and not fresh[0].reached)]
    told: list[int] = []
    assert ledger.rebuild(progress=lambda done, _: told.append(done)).differences == ()
    assert told[0] in ({len(left)} if left else {0, crash_worker.PLANS}), (
        "plans that it fills, then those that it verifies"
    )


@pytest.fixture
def location_of(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> Callable[[str, object], Location]:
    """Makes the location of a fresh ledger in a store."""

    def make(store: str, number: object) -> Location:
        files = f"sqlite:///{tmp_path}/{number}"
        if store == "sqlite":
            return Location(f"{files}.db", "books")
        server = str(request.getfixturevalue("postgres_url"))
        ours = f"{name}_{number}"
        if store == "postgres":
            return Location(server, ours)
        if store == "sqlite for postgres":
            return Location(server, ours, f"{files}.db")
        return Location(f"{files}.db", ours, server)

    return make


def _kill(location_of: Callable[[str, object], Location], store: str, task: str, kills: int) -> None:
    seed = int(os.environ.get("KILL_SEED") or random.randrange(2**32))
    first = location_of(store, "whole")
    crash_worker.prepare(first, task)
    whole = _undisturbed(first, task)
    for number, blow in enumerate(_blows(whole, kills, random.Random(seed))):
        location = location_of(store, number)
        crash_worker.prepare(location, task)
        with _with_metadata(
            f"KILL_SEED={seed}, kill {number}: {blow} of {len(whole.kinds)} statements in {whole.seconds:.3f} s"
        ):
            _strike(location, task, blow)
            with location.open() as ledger:
                _check_whole(ledger, task, whole)
                assert ledger.wait(ledger._store.last_sequence()) == ledger._store.last_sequence()
                assert ledger.verify().differences == ()
                _check_again(ledger, task, whole)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("task", TASKS)
def test_a_killed_task_leaves_whole_commands_and_can_be_run_again(
    location_of: Callable[[str, object], Location], store: str, task: str
) -> None:
    """Killed between any two statements: events are whole commands, lists are right, and the task is run to its end."""
    _kill(location_of, store, task, KILLS)


@pytest.mark.parametrize("store", ELSEWHERE)
@pytest.mark.parametrize("task", ["catch up", "rebuild"])
def test_views_in_another_database_take_in_every_event_once(
    location_of: Callable[[str, object], Location], store: str, task: str
) -> None:
    """Events here, views there, and the process killed between: checkpoint and rows are of one transaction."""
    _kill(location_of, store, task, max(3, KILLS // 2))
