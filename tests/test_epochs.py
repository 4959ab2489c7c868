"""Identity and epoch: views that were filled from another past are noticed, whoever asks, and never answer."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import pytest

from ledger import Ledger, NotCaughtUp, StoreUnavailable
from tests.examples import OPENED_ON, open_plan, pay
from tests.processes import until
from tests.raw_sql import change

DAY = OPENED_ON + timedelta(days=5)


@pytest.fixture(params=["sqlite", "postgres"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database for the views alone."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path}/views.db"


@pytest.fixture
def restored(tmp_path: Path, name: str, elsewhere: str) -> Iterator[Ledger]:
    """A ledger that was restored from an older backup and has grown past the checkpoint of its views."""
    path = tmp_path / "books.db"
    with Ledger.open(f"sqlite:///{path}", name=name, views=elsewhere) as ledger:
        open_plan(ledger, "P-1")
    shutil.copy(path, tmp_path / "backup.db")
    with Ledger.open(f"sqlite:///{path}", name=name, views=elsewhere) as ledger:
        open_plan(ledger, "P-lost")
        assert len(ledger.balances(as_of=DAY)) == 1
    shutil.copy(tmp_path / "backup.db", path)
    with Ledger.open(f"sqlite:///{path}", name=name, views=elsewhere) as ledger:
        for number in range(3):
            open_plan(ledger, f"P-new-{number}")
        yield ledger


def _true(ledger: Ledger, plans: int) -> None:
    """Check that the lists answer with what the ledger holds."""
    assert [row.plans for row in ledger.portfolio(as_of=DAY)] == [plans]
    assert {row.plan_id for row in ledger.positions(as_of=DAY)} == {event.plan_id for event in ledger.events()}
    assert ledger.verify().differences == ()
    assert ledger.status().problems == ()


_ASK: tuple[Callable[[Ledger], object], ...] = (
    lambda ledger: ledger.portfolio(),
    lambda ledger: ledger.positions(investor="I-7"),
    lambda ledger: ledger.overdue(),
    lambda ledger: ledger.payments(reference="x"),
    lambda ledger: ledger.close_books(through=DAY),
    lambda ledger: ledger.verify(),
    lambda ledger: ledger.wait(1),
    lambda ledger: ledger.read_model("periods").query("SELECT plan_id FROM {periods}"),
)


def test_an_older_backup_that_has_grown_on_is_noticed(restored: Ledger) -> None:
    """Every answer from the views is refused, status names them, and says which command begins a new epoch."""
    assert restored.payments(reference="x") == ()  # its views are filled now, from this past
    for ask in (ask for index, ask in enumerate(_ASK) if index != 3):
        with pytest.raises(
            StoreUnavailable, match="does not fit the ledger's event 2; after a restore begin a new epoch"
        ):
            ask(restored)
    assert any("installment-ledger migrate --new-epoch" in problem for problem in restored.status().problems)
    before = restored.status()
    restored.begin_epoch()
    after = restored.status()
    assert after.identity == before.identity
    assert [epoch.partition("-")[0] for epoch in (before.epoch, after.epoch)] == ["1", "2"]
    assert any("was filled in epoch 1 of the ledger, which is in epoch 2" in problem for problem in after.problems)
    assert restored.payments(reference="x") == ()
    _true(restored, 4)


def test_a_rebuild_keeps_the_evidence_until_a_new_epoch(restored: Ledger) -> None:
    """What has read events that are gone is not replaced before somebody says that they are; then it is."""
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="does not fit the ledger's event 2; after a restore begin a new"):
            restored.rebuild()
    assert [one.reached for one in restored.status().read_models if one.projection == "periods"] == [2]
    restored.begin_epoch()
    assert restored.rebuild().differences == ()
    _true(restored, 4)


def test_without_catching_up_another_past_answers_neither(restored: Ledger, elsewhere: str, tmp_path: Path) -> None:
    """A service whose follower is away, and a file that is only read: refused, then not caught up, then answered."""
    name = restored._store.views.prefix
    for url in (f"sqlite:///{tmp_path}/books.db", f"sqlite:///{tmp_path}/books.db?mode=ro"):
        with Ledger.open(url, name=name, views=elsewhere, catch_up=False) as reader:
            for ask in (
                reader.portfolio,
                lambda: reader.wait(1),
                lambda: reader.read_model("periods").reached,
            ):
                with pytest.raises(StoreUnavailable, match="does not fit"):
                    ask()
    restored.begin_epoch()
    with Ledger.open(f"sqlite:///{tmp_path}/books.db", name=name, views=elsewhere, catch_up=False) as reader:
        with pytest.raises(NotCaughtUp):
            reader.portfolio()
        with pytest.raises(NotCaughtUp):
            reader.wait(1, timeout=0.05)
        restored.wait(4)
        assert reader.wait(4) >= 4
        assert reader.portfolio(as_of=DAY)[0].plans == 4


def test_a_restore_under_an_open_ledger_is_noticed(shared_url: str, name: str, tmp_path: Path) -> None:
    """It is looked for with every question, not once per object: sequences that are used again are others."""
    views = f"sqlite:///{tmp_path}/views.db"
    with Ledger.open(shared_url, name=name, views=views) as ledger:
        open_plan(ledger, "P-1")
        open_plan(ledger, "P-lost")
        _true(ledger, 2)
        change(ledger, "DELETE FROM books_events WHERE stream_id = 'P-lost'")
        if shared_url.startswith("sqlite"):
            change(ledger, "UPDATE sqlite_sequence SET seq = 1")
        else:
            change(ledger, "ALTER TABLE books_events ALTER COLUMN sequence RESTART WITH 2")
        open_plan(ledger, "P-new")
        open_plan(ledger, "P-newer")
        assert [event.sequence for event in ledger.events()] == [1, 2, 3]
        with pytest.raises(StoreUnavailable, match="does not fit the ledger's event 2"):
            ledger.portfolio()
        ledger.begin_epoch()
        _true(ledger, 3)


def test_two_ledgers_on_one_database_of_views(tmp_path: Path, name: str, elsewhere: str) -> None:
    """The second one is refused, and named; a rebuild takes the views over, and then the first one is refused."""
    first, second = (f"sqlite:///{tmp_path}/{one}.db" for one in ("first", "second"))
    with (
        Ledger.open(first, name=name, views=elsewhere) as one,
        Ledger.open(second, name=name, views=elsewhere) as other,
    ):
        assert one.status().identity != other.status().identity
        for number in range(2):
            open_plan(one, f"P-{number}")
        _true(one, 2)
        for number in range(3):
            open_plan(other, f"Q-{number}")
        with pytest.raises(StoreUnavailable, match="filled from another ledger, .* name a database of its own"):
            other.portfolio()
        assert len(other.status().problems) == 1
        _true(one, 2)
        assert other.rebuild().differences == ()
        _true(other, 3)
        with pytest.raises(StoreUnavailable, match="filled from another ledger"):
            one.portfolio()


def test_two_restores_of_one_backup_are_two_epochs(tmp_path: Path, name: str, elsewhere: str) -> None:
    """Both are the second of the same ledger; views of one are filled again for the other, and follow it then."""
    paths = [tmp_path / f"{one}.db" for one in ("left", "right")]
    with Ledger.open(f"sqlite:///{paths[0]}", name=name, views=elsewhere) as left:
        open_plan(left, "P-1")
    shutil.copy(paths[0], paths[1])
    with (
        Ledger.open(f"sqlite:///{paths[0]}", name=name, views=elsewhere) as left,
        Ledger.open(f"sqlite:///{paths[1]}", name=name, views=elsewhere) as right,
    ):
        for ledger, plan_id in ((left, "P-left"), (right, "P-right")):
            ledger.begin_epoch()
            open_plan(ledger, plan_id)
            _true(ledger, 2)
        assert left.status().identity == right.status().identity
        assert left.status().epoch[:2] == right.status().epoch[:2] == "2-"
        assert left.status().epoch != right.status().epoch


_EDITS = {
    "lowered": "UPDATE books_checkpoints SET sequence = 2",
    "raised": "UPDATE books_checkpoints SET sequence = 4",
    "to nothing": "UPDATE books_checkpoints SET sequence = 0",
    "beyond the end": "UPDATE books_checkpoints SET sequence = 4000",
    "not live": "UPDATE books_checkpoints SET live = 0",
    "not live, lowered": "UPDATE books_checkpoints SET live = 0, sequence = 2",
    "not live, to nothing": "UPDATE books_checkpoints SET live = 0, sequence = 0",
    "being filled": "UPDATE books_checkpoints SET live = 0, sequence = 0, target = 3, filled = 'P-0'",
    "moved": "UPDATE books_checkpoints SET generation = 7",
    "of another name": "UPDATE books_checkpoints SET projection = 'perhaps'",
    "another version": "UPDATE books_checkpoints SET version = 1",
    "another epoch": "UPDATE books_checkpoints SET epoch = '0-x'",
    "another ledger": "UPDATE books_checkpoints SET ledger = 'x'",
    "without a mark": "UPDATE books_checkpoints SET mark = ''",
    "twice": "INSERT INTO books_checkpoints (projection, generation, version, definition, sequence, live) "
    "SELECT projection, 2, version, definition, sequence, 1 FROM books_checkpoints",
    "gone": "DELETE FROM books_checkpoints",
}


def _said(ask: Callable[[Ledger], object], ledger: Ledger) -> str:
    """Return the sentence of the documented errors that a question ends in; "" for an answer."""
    try:
        ask(ledger)
    except (StoreUnavailable, NotCaughtUp) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("edit", _EDITS)
def test_checkpoints_that_somebody_edits_end_in_documented_errors(shared_url: str, name: str, edit: str) -> None:
    """The next answers are true or refused in a sentence that says what to do; a new epoch or a rebuild cures them."""
    with Ledger.open(shared_url, name=name) as ledger:
        for number in range(3):
            open_plan(ledger, f"P-{number}")
        ledger.portfolio()
        change(ledger, _EDITS[edit], views=True)
        open_plan(ledger, "P-3")
    for _ in range(2):
        with Ledger.open(shared_url, name=name) as ledger:
            for ask in _ASK:
                said = _said(ask, ledger)
                assert not any(word in said for word in ("UNIQUE", "duplicate", "no such table", "relation")), said
            with suppress(StoreUnavailable):
                assert ledger.portfolio(as_of=DAY)[0].plans == 4
    with Ledger.open(shared_url, name=name) as ledger:
        if any("begin a new epoch" in problem for problem in ledger.status().problems):
            ledger.begin_epoch()
        assert ledger.rebuild().differences == ()
        assert ledger.portfolio(as_of=DAY)[0].plans == 4
        assert ledger.verify().differences == ()


def test_a_build_that_another_past_began_begins_again(
    shared_url: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restore between two parts of a backfill: nothing of the first part is kept."""
    monkeypatch.setattr("ledger.readmodel.runner._PLANS", 2)

    def cut_off(*_: int) -> None:
        raise KeyboardInterrupt

    views = f"sqlite:///{tmp_path}/views.db"
    with Ledger.open(shared_url, name=name, views=views) as ledger:
        for number in range(5):
            open_plan(ledger, f"P-{number}")
        with pytest.raises(KeyboardInterrupt):
            ledger.rebuild(progress=cut_off)
        change(ledger, "DELETE FROM books_events WHERE stream_id = 'P-0'")
        ledger.begin_epoch()
        _true(ledger, 4)


def test_a_follower_fills_a_new_epoch(restored: Ledger) -> None:
    """What it could not follow it follows again once the epoch has begun."""
    stop = Event()
    follower = Thread(target=restored.follow, kwargs={"stop": stop, "every": 0.05})
    follower.start()
    try:
        restored.begin_epoch()
        pay(restored, OPENED_ON, "bank-1")
        until(lambda: all(one.lag == 0 for one in restored.status().read_models if one.live))
    finally:
        stop.set()
        follower.join()
    _true(restored, 4)
