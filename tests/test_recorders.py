"""The conformance suites of the `eventsourcing` library, on our recorders behind its interface."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from eventsourcing.tests.persistence import (
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
    ProcessRecorderTestCase,
    TrackingRecorderTestCase,
)

from ledger.store import schema, sqlite
from ledger.store.port import LAST, Batch, RawEvent
from ledger.store.sql import Database
from tests.library_recorder import LibraryRecorder

_names = count(1)


class OnSqlite:
    """Fresh SQLite files."""

    folder: ClassVar[Path]
    databases: ClassVar[list[Database]]

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> Iterator[None]:
        type(self).folder, type(self).databases = tmp_path, []
        yield
        for database in self.databases:
            database.close()

    def create_recorder(self) -> LibraryRecorder:
        path = str(self.folder / f"{next(_names)}.db")
        connected = sqlite.connect(path, create=True, connections=20, timeout=30)
        self.databases.append(connected.database)
        recorder = LibraryRecorder(connected.recorder(connected.database, "books"))
        schema.prepare(connected.database, "test", "books", recorder.ddl(), create=True)
        return recorder

    def new_originator_id(self) -> UUID | str:
        return f"plan-{uuid4()}"


class OnPostgres:
    """Fresh ledgers in the session's server."""

    url: ClassVar[str]
    databases: ClassVar[list[Database]]

    @pytest.fixture(autouse=True)
    def _server(self, postgres_url: str) -> Iterator[None]:
        type(self).url, type(self).databases = postgres_url, []
        yield
        for database in self.databases:
            database.close()

    def create_recorder(self) -> LibraryRecorder:
        from ledger.store import postgres  # noqa: PLC0415 - needs the extra

        name, connected = (
            f"conforms_{next(_names)}_{uuid4().hex[:6]}",
            postgres.connect(self.url, connections=20, timeout=30),
        )
        self.databases.append(connected.database)
        recorder = LibraryRecorder(connected.recorder(connected.database, name))
        schema.prepare(connected.database, "test", name, recorder.ddl(), create=True)
        return recorder

    def new_originator_id(self) -> UUID | str:
        return f"plan-{uuid4()}"


class TestSqliteEvents(OnSqlite, ApplicationRecorderTestCase[Any]):
    """Inserting, selecting, ten threads at once."""


class TestSqliteSequences(OnSqlite, NonInterleavingNotificationIDsBaseCase):
    """Sequences of two writers do not interleave within a save."""

    insert_num = 1000


class TestSqliteTracking(OnSqlite, TrackingRecorderTestCase):
    """Checkpoints move forward only."""


class TestSqliteProcess(OnSqlite, ProcessRecorderTestCase):
    """Events and a checkpoint, both or neither."""


class TestPostgresEvents(OnPostgres, ApplicationRecorderTestCase[Any]):
    """Inserting, selecting, ten threads at once."""

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestPostgresSequences(OnPostgres, NonInterleavingNotificationIDsBaseCase):
    """Sequences of two writers do not interleave within a save."""

    insert_num = 1000


class TestPostgresTracking(OnPostgres, TrackingRecorderTestCase):
    """Checkpoints move forward only."""


class TestPostgresProcess(OnPostgres, ProcessRecorderTestCase):
    """Events and a checkpoint, both or neither."""


@pytest.mark.parametrize("store", [OnSqlite, OnPostgres])
@pytest.mark.parametrize("size", [1, 499, 500, 2_000])
@pytest.mark.parametrize("ordered", [False, True])
def test_a_save_of_any_size_is_whole_and_in_order(
    store: type[OnSqlite | OnPostgres], size: int, tmp_path: Path, request: pytest.FixtureRequest, *, ordered: bool
) -> None:
    """Parameters or COPY: sequences come back in the order of the events, or nothing is saved."""
    OnSqlite.folder, OnSqlite.databases = tmp_path, []
    OnPostgres.url, OnPostgres.databases = request.getfixturevalue("postgres_url"), []
    recorder = store().create_recorder().recorder
    events = [
        RawEvent(0, "plan", f"P-{number % 7}", number, "tag.v1", bytes([number % 256]) * 900) for number in range(size)
    ]
    try:
        _, sequences = recorder.insert(lambda: Batch((), events), ordered=ordered)
        saved = recorder.log(after=0, through=LAST, limit=size + 1)
        assert [row[0] for row in saved] == sequences == sorted(sequences)
        assert [row[1:] for row in saved] == [event[1:] for event in events]
        more = [RawEvent(0, "plan", "P-new", number, "tag.v1", b"x") for number in range(size)]
        with pytest.raises(Exception, match="UNIQUE|unique"):
            recorder.insert(lambda: Batch((), [*more, events[0]]), ordered=ordered)
        assert recorder.last_sequence() == sequences[-1]
        assert recorder.stream("plan", "P-new", through=LAST) == []
    finally:
        for database in store.databases:
            database.close()
