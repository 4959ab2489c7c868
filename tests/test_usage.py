"""Usage of terms and references over a whole ledger: the same whatever the partitions, in memory that does not grow."""

import tracemalloc
from collections.abc import Iterator
from contextlib import closing

import pytest

from ledger.audit.examination.across_plans import NOTHING, Profile, Usage, UsageInFile, UsageOf

PROFILES = [Profile("19 days", "closed", f"package {number}", "release") for number in range(200)]


def partitions(number: int) -> Iterator[list[str]]:
    """The plans of some partitions, as many in each as there are profiles."""
    for part in range(number):
        yield [f"P-{part:04}-{plan:03}" for plan in range(len(PROFILES))]


def test_memory_does_not_grow_with_the_partitions() -> None:
    """Of 640 partitions with plans of the same many terms there would be 128,000 places: only a few are kept."""
    tracemalloc.start()
    with closing(UsageInFile()) as usage:
        for plan_ids in partitions(640):
            profiles = {key: f"{plan_id}\n" for key, plan_id in zip(PROFILES, plan_ids, strict=True)}
            usage.add(Usage(profiles, NOTHING.references))
        assert not [*usage.unusual()]
        _, highest = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert highest < 3_000_000


@pytest.mark.parametrize("number", [1, 31, 32, 33, 70])
def test_plans_and_references_of_all_partitions_are_found(number: int) -> None:
    """Whether or not they were written to the file before they were asked for."""
    with closing(UsageInFile()) as found:
        for plan_ids in partitions(number):
            usage = UsageOf()
            for plan_id in plan_ids[:3]:
                usage.add(plan_id, None, ["bank-1", f"own-{plan_id}"])
            found.add(usage.usage())
        (shared,) = found.shared()
    assert (shared.reference, shared.plans) == ("bank-1", 3 * number)
    assert shared.plan_ids[0] == "P-0000-000"
