"""Reading the log while others write: a tailing reader misses nothing."""

import os
import random
from itertools import groupby

import pytest

from ledger import Ledger
from tests import crash_worker, workers
from tests.crash_worker import Location
from tests.processes import forked

EVENTS = 100_000 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 10_000
WRITERS = 4


def _sizes(events: int, dice: random.Random) -> list[int]:
    """Return sizes of saves that add up: one event, some, or as many as are copied in."""
    sizes: list[int] = []
    while events:
        most = dice.choice([1, 5, 50, 600])
        sizes.append(min(events, dice.randint(1, most)))
        events -= sizes[-1]
    return sizes


def test_a_tailing_reader_misses_nothing(postgres_url: str, name: str) -> None:
    """Four processes write as fast as they can, one reads on from its last sequence: every event once, in order."""
    dice = random.Random(EVENTS)
    location = Location(postgres_url, name)
    with Ledger.open(postgres_url, name=name) as ledger:
        history = crash_worker.story()
        sizes = [_sizes(EVENTS // WRITERS, dice) for _ in range(WRITERS)]
        read: list[tuple[int, str, int]] = []
        with forked(workers.append_copies, location, history, sizes, times=WRITERS) as writers:
            for writer in writers:
                assert writer.receive() == "ready"
            for writer in writers:
                writer.send("go")
            writing, passes = set(writers), 0
            while writing:
                writing = {writer for writer in writing if not writer.pipe.poll()}
                after = read[-1][0] if read else 0
                read += [(event.sequence, event.plan_id, event.version) for event in ledger.events(after=after)]
                passes += 1
            assert sum(writer.receive() for writer in writers) == EVENTS
        assert passes > 10, "it was reading while they wrote"
        assert [event.sequence for event in ledger.events(after=read[-1][0])] == []
    assert len(read) == EVENTS
    assert [sequence for sequence, _, _ in read] == sorted({sequence for sequence, _, _ in read})
    versions: dict[str, int] = {}
    for _, plan_id, version in read:
        assert version == versions.get(plan_id, 0) + 1
        versions[plan_id] = version


@pytest.mark.parametrize("size", [1, 600])
def test_sequences_of_a_save_do_not_mix_with_those_of_another(postgres_url: str, name: str, size: int) -> None:
    """Saves by statement and by copying take the same lock: the events of a save follow each other."""
    location = Location(postgres_url, name)
    with Ledger.open(postgres_url, name=name) as ledger:
        sizes = [[size] * 4, [3] * 40]
        with forked(workers.append_copies, location, crash_worker.story(), sizes, times=2) as writers:
            for writer in writers:
                assert writer.receive() == "ready"
            for writer in writers:
                writer.send("go")
            assert [writer.receive() for writer in writers] == [4 * size, 120]
        for number, events in groupby(ledger.events(), key=lambda event: event.plan_id.split("-")[1]):
            assert len(list(events)) % (size if number == "0" else 3) == 0
