"""The audit and what-if on a cluster: two real workers, one of which is killed at work; the same as on one machine."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
from distributed import versions

from ledger import InvalidArgument, Ledger, StoreUnavailable
from ledger.audit import audit
from ledger.audit import cluster as door
from ledger.audit.cluster import cluster
from ledger.audit.examination import run
from ledger.audit.examination.partition import Part, audit_part
from ledger.audit.parallel import _work
from ledger.audit.what_if import OtherTerms, partitioned, what_if
from ledger.books.importer import import_book
from ledger.books.reader import read_book
from ledger.cli.app import main
from ledger.store import WHOLE, open_store
from tests.audits import first_plans
from tests.dask_cluster import DaskCluster, dask_cluster
from tests.examples import open_plan
from tests.raw_sql import change

QUESTION: dict[str, Any] = {
    "other": OtherTerms(grace_days=10),
    "as_of": date(2024, 6, 30),
    "known_at": None,
    "now": datetime(2024, 7, 1, tzinfo=UTC),
}


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """A cluster; each test says how many workers it needs."""
    with dask_cluster(tmp_path_factory.mktemp("dask")) as one:
        yield one


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first plans of the bundled book, as a folder."""
    return first_plans(tmp_path_factory.mktemp("book") / "book")


@pytest.fixture
def wrong(shared_url: str, name: str, plans: Path) -> str:
    """The URL of a ledger with a wrong outcome; there is a password in it, where a URL has one."""
    with Ledger.open(shared_url, name=name) as ledger:
        import_book(ledger, read_book(plans))
        where = "stream_id = 'P-00003' AND version = 3"
        store: Any = ledger._store
        ((state,),) = store._recorder.database.query(f"SELECT state FROM {name}_events WHERE {where}")
        change(ledger, f"UPDATE books_events SET state = ? WHERE {where}", state.replace(b"7350", b"9999"))
    return shared_url.replace("postgres:@", f"postgres:{PASSWORD}@")


PASSWORD = "a-pass-word"


def test_the_audit_is_the_same_when_a_worker_is_killed_half_way(
    wrong: str, name: str, dask: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker is stopped at half of the plans and killed with calls in its hands: findings, acts, counts, order."""
    monkeypatch.setattr(run, "STREAMS", 2)
    dask.need(2)
    with Ledger.open(wrong, name=name, create=False, catch_up=False) as ledger:
        alone = audit(ledger, processes=1)
        with cluster(dask.address) as workers, dask.killed_at_half() as progress:
            together = audit(ledger, workers=workers, progress=progress)
    assert together == alone
    assert [(one.kind, one.plan_id, one.version) for one in alone.findings] == [("outcome_differs", "P-00003", 3)]
    assert PASSWORD not in dask.log()


def test_what_if_is_the_same_on_a_cluster_and_in_processes(
    wrong: str, name: str, dask: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of five plans add up to the whole, wherever they are compared."""
    monkeypatch.setattr(partitioned, "STREAMS", 5)
    dask.need(1)
    seen: list[tuple[int, int]] = []
    with closing(open_store(wrong, name, create=False)) as store:
        whole = what_if(store, **QUESTION)
        assert partitioned.what_if_in_parts(store, processes=2, **QUESTION) == whole
        with cluster(dask.address) as workers:
            options: dict[str, Any] = {"workers": workers, "progress": lambda done, of: seen.append((done, of))}
            assert partitioned.what_if_in_parts(store, **options, **QUESTION) == whole
    assert whole.comparisons[0].departed > 0
    assert (len(seen), seen[-1]) == (10, (49, 49))


def test_the_commands_print_the_same(
    wrong: str, name: str, dask: DaskCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --cluster and without, on a path that is relative; a number of processes is another place."""
    dask.need(1)
    located = "--db", wrong, "--name", name, "--json"
    for command, code in ((("audit",), 1), (("what-if", "--grace-days", "10", "--as-of", "2024-06-30"), 0)):
        assert main([*command, *located]) == code
        alone = capsys.readouterr().out
        assert main([*command, *located, "--cluster", dask.address]) == code
        assert capsys.readouterr() == (alone, "")
        assert main([*command, *located, "--cluster", dask.address, "--processes", "2"]) == 2
        assert "--processes are those of this machine" in capsys.readouterr().err


def test_a_worker_that_finds_another_ledger_refuses(wrong: str, name: str, dask: DaskCluster) -> None:
    """Another identity at the same address is an error; the worker logs the call that failed, without the password."""
    dask.need(1)
    with Ledger.open(wrong, name=name, create=False, catch_up=False) as ledger:
        reader = ledger.store.at(ledger.store.last_sequence())
        other = attrs.evolve(reader.head(reader.through), ledger="another")
        with cluster(dask.address) as workers:
            call = workers.executor.submit(_work, audit_part, Part("plan", WHOLE), reader.address(), other)
            with pytest.raises(StoreUnavailable, match="another ledger, or another state of it, at this address"):
                call.result()
    log = dask.log()
    assert "Compute Failed" in log
    assert PASSWORD not in log


def test_workers_of_another_version_are_refused(
    dask: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both versions and the worker are named."""
    (tmp_path / "installment_ledger-9.9.dist-info").mkdir()
    (tmp_path / "installment_ledger-9.9.dist-info" / "METADATA").write_text("Name: installment-ledger\nVersion: 9.9\n")
    monkeypatch.syspath_prepend(tmp_path)
    versions._version_cached.cache_clear()
    dask.need(1)
    expected = r"worker tcp://127.0.0.1:\d+ has installment-ledger 0.1.0, and this machine has 9.9"
    try:
        with pytest.raises(StoreUnavailable, match=expected), cluster(dask.address):
            pass
    finally:
        versions._version_cached.cache_clear()


@pytest.mark.parametrize("address", ["", "127.0.0.1:8786", "tcp://127.0.0.1", "http://127.0.0.1:8786", None])
def test_an_address_that_is_none_is_refused(address: Any) -> None:
    """Without an address Dask would start a cluster of its own."""
    with pytest.raises(InvalidArgument, match="the address of a Dask scheduler"), cluster(address):
        pass


def test_without_a_scheduler_it_could_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one sentence, as for a database that is away."""
    monkeypatch.setattr(door, "_TIMEOUT", 1)
    with Ledger.open(f"sqlite:///{tmp_path}/books.db") as ledger:
        open_plan(ledger)
    assert main(["audit", "--db", f"sqlite:///{tmp_path}/books.db", "--cluster", "tcp://127.0.0.1:1"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: Cluster tcp://127.0.0.1:1: no scheduler answers")
    assert printed.err.count("\n") == 1


def test_a_ledger_in_memory_has_no_address_for_a_cluster(dask: DaskCluster) -> None:
    """Unlike processes of this machine, which are not asked for by name."""
    dask.need(1)
    with Ledger.open("memory://") as ledger, cluster(dask.address) as workers:
        open_plan(ledger)
        with pytest.raises(InvalidArgument, match="a database that another process can open"):
            audit(ledger, workers=workers)


def test_the_extra_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command works without Dask, and says what --cluster needs."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    url = f"sqlite:///{tmp_path}/books.db"
    with Ledger.open(url) as ledger:
        open_plan(ledger)
    assert main(["audit", "--db", url]) == 0
    capsys.readouterr()
    assert main(["audit", "--db", url, "--cluster", "tcp://127.0.0.1:8786"]) == 2
    assert "install installment-ledger[cluster]" in capsys.readouterr().err


# ---- what cannot be repaired


def test_a_scheduler_without_workers_and_one_that_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is an error that names the cluster: none joins in time, or the scheduler dies while a call runs."""
    with dask_cluster(tmp_path) as one:
        monkeypatch.setattr(door, "_TIMEOUT", 1)
        with pytest.raises(StoreUnavailable, match="it has no worker after 1 second"), cluster(one.address):
            pass
        monkeypatch.setattr(door, "_TIMEOUT", 30)
        one.need(1)

        def lost() -> None:
            with cluster(one.address) as workers:
                waiting = workers.executor.submit(time.sleep, 60)
                one.scheduler.kill()
                waiting.result()

        with pytest.raises(StoreUnavailable, match="the scheduler was lost"):
            lost()


@pytest.mark.skipif(os.environ.get("HYPOTHESIS_PROFILE") != "long", reason="it costs four workers")
def test_work_that_kills_every_worker_is_given_up(dask: DaskCluster) -> None:
    """Dask repeats it on three other workers, and then says so."""
    dask.need(4)

    def killing() -> None:
        with cluster(dask.address) as workers:
            workers.executor.submit(os._exit, 1).result()

    with pytest.raises(StoreUnavailable, match="one part of the work has lost 4 workers"):
        killing()
