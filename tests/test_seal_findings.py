"""Checking a seal: every change, removal, insertion, swap and truncation of what was sealed is found and located."""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from ledger import Ledger
from ledger.audit import KINDS
from ledger.audit.seal import SealRefused, check_seal, seal
from ledger.audit.seal.alignment import Ahead, Found, Gap, Leaf, Match, align
from ledger.audit.seal.checkpoint import Checkpoint
from ledger.audit.seal.index import Name
from ledger.store import RawEvent, open_store
from tests.raw_sql import change
from tests.seals import (
    KEY,
    OTHER,
    Place,
    contents,
    files,
    fill,
    found,
    insert,
    places,
    reader,
    remove,
    seal_here,
    set_column,
    spread,
    stored,
)

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
MUTATIONS = None if LONG else 40
"""Of the events in each store; all of them in the long form."""

BYTES = None if LONG else 60
"""Bytes of the files that are changed; in the long form one of every hash and line, and all of the other files."""


@pytest.fixture
def sealed(shared_url: str, name: str, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with room between its sequences, sealed three times in the folder `s`, two tiles and a part of one.

    After the last seal a plan and a receipt were recorded.
    """
    with Ledger.open(shared_url, name=name) as ledger:
        _seal_three_times(ledger, tmp_path / "s")
        spread(ledger)
        yield ledger


def _seal_three_times(ledger: Ledger, folder: Path) -> None:
    for first, plans in ((0, 9), (9, 36), (45, 60)):
        fill(ledger, plans, first=first)
        seal_here(ledger, folder)
    fill(ledger, 1, first=300)


# ---- changes of events


class Mutation(NamedTuple):
    """A change by hand: what is done, how it is taken back, and what has to be found about it, at least and at most."""

    what: str
    do: Callable[[Ledger], None]
    undo: Callable[[Ledger], None]
    wanted: set[Place]
    allowed: set[Place]


def _at(event: RawEvent, kind: str) -> Place:
    return f"sealed_event_{kind}", event.stream_id, event.version


def _set(event: RawEvent, column: str, value: object, wanted: set[Place]) -> Mutation:
    after = event._replace(sequence=value) if column == "sequence" else event  # type: ignore[arg-type]  # an int then
    return Mutation(
        f"{column} of {event[:5]} to {value!r}",
        lambda ledger: set_column(ledger, event, column, value),
        lambda ledger: set_column(ledger, after, column, getattr(event, column)),
        wanted,
        wanted,
    )


def _swap(one: RawEvent, other: RawEvent) -> Mutation:
    def swap(ledger: Ledger, first: RawEvent, second: RawEvent) -> None:
        set_column(ledger, first, "sequence", -5)
        set_column(ledger, second, "sequence", first.sequence)
        set_column(ledger, first._replace(sequence=-5), "sequence", second.sequence)

    moved = {_at(one, "moved"), _at(other, "moved")}
    return Mutation(
        f"swap of {one[:4]} and {other[:4]}",
        lambda ledger: swap(ledger, one, other),
        lambda ledger: swap(ledger, one._replace(sequence=other.sequence), other._replace(sequence=one.sequence)),
        set(),
        moved,
    )


def _mutations(events: list[RawEvent], dice: random.Random) -> Iterator[Mutation]:
    """Yield every kind of change of every sealed event."""
    last = events[-1]
    for index, event in enumerate(events):
        at = dice.randrange(len(event.state))
        flipped = event.state[:at] + bytes([event.state[at] ^ 1 << dice.randrange(8)]) + event.state[at + 1 :]
        for state in (flipped, event.state + b" ", event.state[:-1], b""):
            yield _set(event, "state", state, {_at(event, "changed")})
        yield _set(event, "tag", "payment_missed.v1", {_at(event, "changed")})
        renamed = event._replace(version=event.version + 100), event._replace(stream_id=f"{event.stream_id}x")
        for column, other in zip(("version", "stream_id"), renamed, strict=True):
            inserted = {_at(other, "inserted")} if event != last else set()
            yield _set(event, column, getattr(other, column), {_at(event, "missing"), *inserted})
        yield Mutation(
            f"removal of {event[:4]}",
            lambda ledger, one=event: remove(ledger, one),  # type: ignore[misc]  # mypy sees no default of a lambda
            lambda ledger, one=event: insert(ledger, one),  # type: ignore[misc]
            {_at(event, "missing")},
            {_at(event, "missing")},
        )
        new = event._replace(sequence=event.sequence - 1 if index else -7, stream_id="P-inserted", version=1)
        yield Mutation(
            f"insertion before {event[:4]}",
            lambda ledger, one=new: insert(ledger, one),  # type: ignore[misc]
            lambda ledger, one=new: remove(ledger, one),  # type: ignore[misc]
            {_at(new, "inserted")},
            {_at(new, "inserted")},
        )
        later = {min(index + step, len(events) - 1) for step in (1, 2, 3, dice.randrange(len(events)))} - {index}
        for other_index in sorted(later):
            yield _swap(event, events[other_index])
        yield _set(event, "sequence", last.sequence + 1 if event != last else -9, {_at(event, "moved")})
        tail = events[index:]
        yield Mutation(
            f"truncation from {event[:4]}",
            lambda ledger, some=tail: remove(ledger, *some),  # type: ignore[misc]
            lambda ledger, some=tail: insert(ledger, *some),  # type: ignore[misc]
            {_at(one, "missing") for one in tail},
            {_at(one, "missing") for one in tail},
        )


def test_every_change_of_a_sealed_event_is_found_and_located(sealed: Ledger, tmp_path: Path) -> None:
    """By hand-written SQL, one change at a time: plan or receipt and version of it, and of no other event."""
    dice = random.Random(int(os.environ.get("MUTATION_SEED", "9")))
    folder = tmp_path / "s"
    events = stored(sealed)
    sealed_ones = events[: -(len(events) - _size(folder))]
    mutations = [*_mutations(sealed_ones, dice)]
    if MUTATIONS is not None:
        cheap = [one for one in mutations if len(one.wanted) < 20]
        mutations = dice.sample(cheap, MUTATIONS) + dice.sample(mutations, 3)
    assert found(sealed, folder) == []
    for mutation in mutations:
        mutation.do(sealed)
        findings = found(sealed, folder)
        try:
            assert findings != []
            assert mutation.wanted <= set(places(findings)) <= mutation.allowed
            assert len(findings) == len(set(places(findings)))
            for one in findings:
                assert one.sequence in {event.sequence for event in stored(sealed)} or one.kind.endswith("missing")
        except AssertionError as error:
            error.add_note(mutation.what)
            raise
        mutation.undo(sealed)
    assert stored(sealed) == events
    assert found(sealed, folder) == []


def _size(folder: Path) -> int:
    return int((folder / "checkpoint").read_text().splitlines()[1])


def test_many_changes_are_all_found_each_by_itself(sealed: Ledger, tmp_path: Path) -> None:
    """One hides no other: changed, removed, inserted and moved events in one ledger, and a large hole."""
    events = stored(sealed)
    changed, moved, hole, inserted = events[3:90:7], events[100], events[150:420], events[430]
    for one in changed:
        set_column(sealed, one, "tag", "payment_missed.v1")
    set_column(sealed, moved, "sequence", events[140].sequence + 1)
    remove(sealed, *hole)
    insert(sealed, inserted._replace(sequence=inserted.sequence - 1, stream_id="P-inserted", version=7))
    assert places(found(sealed, tmp_path / "s")) == sorted(
        [
            *(_at(one, "changed") for one in changed),
            _at(moved, "moved"),
            *(_at(one, "missing") for one in hole),
            ("sealed_event_inserted", "P-inserted", 7),
        ],
        key=str,
    )


def test_a_column_of_another_type_hides_no_change(name: str, tmp_path: Path) -> None:
    """SQLite stores text where bytes are declared, as `replace` returns it, and words where numbers are.

    Text counts as its bytes, and a word is no version.
    """
    with Ledger.open(f"sqlite:///{tmp_path}/books.db", name=name) as ledger:
        fill(ledger, 9)
        seal_here(ledger, tmp_path / "s")
        one, other = stored(ledger)[7], stored(ledger)[20]
        change(
            ledger, "UPDATE books_events SET state = replace(state, '30000', '30001') WHERE sequence = ?", one.sequence
        )
        change(ledger, "UPDATE books_events SET version = 'four' WHERE sequence = ?", other.sequence)
        assert b"30001" in stored(ledger)[7].state
        assert places(found(ledger, tmp_path / "s")) == sorted(
            [
                _at(one, "changed"),
                _at(other, "missing"),
                ("sealed_event_inserted", other.stream_id, -1),
            ],
            key=str,
        )
        with pytest.raises(SealRefused, match="no longer has what was sealed as leaf 7"):
            seal_here(ledger, tmp_path / "s")
        with pytest.raises(SealRefused, match="columns of other types"):
            seal_here(ledger, tmp_path / "new")
        assert not (tmp_path / "new" / "checkpoint").exists()


def test_what_was_recorded_after_the_last_seal_is_not_protected(sealed: Ledger, tmp_path: Path) -> None:
    """The documented limit: cut off, changed or added after the last checkpoint, it is not found."""
    events = stored(sealed)
    set_column(sealed, events[-1], "tag", "payment_missed.v1")
    remove(sealed, events[-2])
    assert found(sealed, tmp_path / "s") == []


def test_a_store_of_nothing_has_lost_everything(sealed: Ledger, tmp_path: Path) -> None:
    """An empty ledger beside a seal: every event is named."""
    events = stored(sealed)[: _size(tmp_path / "s")]
    with Ledger.open("memory://") as empty:
        assert places(found(empty, tmp_path / "s")) == sorted((_at(one, "missing") for one in events), key=str)


# ---- changes of files


def _damages(folder: Path, dice: random.Random) -> Iterator[tuple[Path, bytes | None]]:
    """Yield every file with one byte changed, cut off, made longer, and missing."""
    kept_by_nobody = {f"checkpoints/{size}" for size in _sizes(folder)}
    for path in files(folder):
        content = path.read_bytes()
        if str(path.relative_to(folder)) not in kept_by_nobody:
            yield path, None
        if "tile" in path.parts and content[:32] != content[32:64]:
            yield path, content[32:64] + content[:32] + content[64:]  # two hashes change places
            yield path, content[32:] + content[:32]
        yield path, content[:-1]
        if not str(path.relative_to(folder)).startswith("index/"):
            yield path, content + b"\x00"  # further lines of an index are those of a seal that was killed
        step = {"tile": 32, "index": 17}.get(path.relative_to(folder).parts[0], 1)
        for start in range(0, len(content), step):
            at = min(start + dice.randrange(step), len(content) - 1)
            yield path, content[:at] + bytes([content[at] ^ 1 << dice.randrange(8)]) + content[at + 1 :]


def _sizes(folder: Path) -> list[int]:
    return [int(path.name) for path in (folder / "checkpoints").iterdir()]


def test_every_change_of_a_file_is_found_and_no_event_is_accused(tmp_path: Path) -> None:
    """One byte of a tile, a checkpoint, the index or the key, or the whole file: the file is named."""
    with Ledger.open("memory://") as ledger:
        _seal_three_times(ledger, tmp_path / "s")
        _damage_files(ledger, tmp_path / "s", random.Random(int(os.environ.get("MUTATION_SEED", "9"))))


def _damage_files(sealed: Ledger, folder: Path, dice: random.Random) -> None:
    damages = [*_damages(folder, dice)]
    if BYTES is not None:
        whole = [one for one in damages if one[1] is None or len(one[1]) != one[0].stat().st_size]
        damages = whole + dice.sample(damages, BYTES)
    before = contents(folder)
    for path, content in damages:
        original = path.read_bytes()
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        findings = found(sealed, folder)
        try:
            assert findings != []
            assert all(one.kind.startswith("seal_") for one in findings)
            if path.parts[-3:-1] != ("s", "index"):
                assert {one.plan_id for one in findings} == {None}
        except AssertionError as error:
            error.add_note(f"{path}: {original!r} to {content!r}: {findings}")
            raise
        path.write_bytes(original)
    assert contents(folder) == before


def test_a_damaged_tile_and_a_changed_event_are_told_apart(sealed: Ledger, tmp_path: Path) -> None:
    """In one ledger: the tile is proved by the events that are left as they were, and the event by its own tile."""
    event = stored(sealed)[300]
    set_column(sealed, event, "tag", "payment_missed.v1")
    for path in ("tile/0/000", f"tile/0/002.p/{_size(tmp_path / 's') - 512}"):
        tile = tmp_path / "s" / path
        tile.write_bytes(tile.read_bytes()[:32] + bytes(32) + tile.read_bytes()[64:])
    assert places(found(sealed, tmp_path / "s")) == [
        ("seal_tile", None, None),
        ("seal_tile", None, None),
        ("sealed_event_changed", event.stream_id, event.version),
    ]


def test_a_lost_tile_still_names_what_is_removed(sealed: Ledger, tmp_path: Path) -> None:
    """Tile and event are gone together: the index names the event, and accuses none that is there."""
    event = stored(sealed)[100]
    remove(sealed, event)
    (tmp_path / "s" / "tile/0/000").unlink()
    assert places(found(sealed, tmp_path / "s")) == [("seal_tile", None, None), _at(event, "missing")]


def test_without_the_index_everything_is_found_and_what_is_left_is_named(sealed: Ledger, tmp_path: Path) -> None:
    """A changed event has its name; a removed one is known by its leaf only."""
    changed, removed = stored(sealed)[100], stored(sealed)[200]
    set_column(sealed, changed, "tag", "payment_missed.v1")
    remove(sealed, removed)
    shutil.rmtree(tmp_path / "s" / "index")
    findings = found(sealed, tmp_path / "s")
    assert places(findings) == [
        ("seal_index", None, None),
        ("sealed_event_changed", changed.stream_id, changed.version),
        ("sealed_event_missing", None, None),
    ]
    assert findings[-1].expected.startswith("leaf 200, after sequence")


# ---- one planted error of each kind


def _resealed(ledger: Ledger, folder: Path) -> None:
    """Change history and seal it anew, with the stolen key, in the place of the old seal."""
    set_column(ledger, stored(ledger)[70], "tag", "payment_missed.v1")
    shutil.rmtree(folder)
    seal_here(ledger, folder)


def _plant(kind: str, ledger: Ledger, folder: Path) -> list[Path]:  # noqa: C901 - a branch for each kind
    """Plant an error; return the checkpoints that a witness has kept."""
    event, checkpoint, witness = stored(ledger)[40], folder / "checkpoint", folder.parent / "witness"
    early, late = folder / "checkpoints" / str(min(_sizes(folder))), folder / "checkpoints" / str(_size(folder))
    shutil.copy(checkpoint, witness)
    if kind == "sealed_event_changed":
        set_column(ledger, event, "state", event.state.replace(b'"R', b'"r').replace(b'"b', b'"c'))
    elif kind == "sealed_event_missing":
        remove(ledger, event)
    elif kind == "sealed_event_inserted":
        insert(ledger, event._replace(sequence=event.sequence - 1, version=99))
    elif kind == "sealed_event_moved":
        set_column(ledger, event, "sequence", stored(ledger)[60].sequence + 1)
    elif kind == "seal_tile":
        (folder / "tile/0/001").write_bytes(bytes(8_192))
    elif kind == "seal_index":
        index = folder / "index/000"
        index.write_bytes(index.read_bytes().replace(b'["plan","P-1",1]', b'["plan","P-2",1]'))
    elif kind == "seal_checkpoint":
        early.write_bytes(b"no checkpoint")
    elif kind == "seal_signature":
        late.write_bytes(checkpoint.read_bytes()[:-8] + b"AAAAAA=\n")
    elif kind == "seal_key":
        late.write_bytes(Checkpoint("example.com/books", _size(folder), bytes(32)).signed(OTHER))
    elif kind == "seal_inconsistent":
        _resealed(ledger, folder)
        return [witness]
    else:
        checkpoint.write_bytes(early.read_bytes())
    return []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("seal")])
def test_an_error_of_each_kind_is_found(sealed: Ledger, tmp_path: Path, kind: str) -> None:
    """Each kind of finding, planted by itself, with the place where it is."""
    folder = tmp_path / "s"
    event = stored(sealed)[40]
    witnesses = _plant(kind, sealed, folder)
    findings = found(sealed, folder, witnesses=witnesses)
    assert kind in {one.kind for one in findings}
    named = [one for one in findings if one.kind == kind]
    if kind.startswith("sealed_event_"):
        version = 99 if kind.endswith("inserted") else event.version
        assert [(one.plan_id or one.receipt, one.version) for one in named] == [(event.stream_id, version)]
    else:
        assert all(one.expected and one.found for one in named)


# ---- witnesses


def test_a_witness_finds_a_history_that_was_sealed_anew(sealed: Ledger, tmp_path: Path) -> None:
    """With a stolen key and no witness it is not found; with one checkpoint kept elsewhere it is."""
    folder, kept = tmp_path / "s", tmp_path / "kept"
    shutil.copytree(folder, kept)
    _resealed(sealed, folder)
    assert found(sealed, folder) == [], "the documented limit"
    witnesses = sorted((kept / "checkpoints").iterdir(), key=lambda path: int(path.name))
    findings = found(sealed, folder, witnesses=witnesses)
    assert places(findings) == [("seal_inconsistent", None, None)] * 2
    assert "they agree up to leaf 48" in findings[0].found
    (event,) = found(sealed, kept)
    assert (event.kind, event.version) == ("sealed_event_changed", stored(sealed)[70].version)


@pytest.mark.usefixtures("sealed")
def test_a_witness_finds_a_seal_that_was_set_back(tmp_path: Path) -> None:
    """Folder and ledger are those of an earlier day, in agreement; a later checkpoint tells."""
    folder, early = tmp_path / "s", tmp_path / "early"
    with Ledger.open("memory://") as ledger:
        fill(ledger, 9)
        seal_here(ledger, early)
        assert found(ledger, early) == []
        findings = found(ledger, early, witnesses=[folder / "checkpoint"])
    assert places(findings) == [("seal_truncated", None, None)]


def test_what_a_witness_keeps_has_to_be_a_checkpoint_of_the_key(sealed: Ledger, tmp_path: Path) -> None:
    """A file that is none, one of another key, one with a false signature; one that is missing is an error."""
    folder = tmp_path / "s"
    texts = (b"none", Checkpoint("example.com/books", 5, bytes(32)).signed(OTHER))
    for number, content in enumerate(texts):
        (tmp_path / str(number)).write_bytes(content)
    findings = found(sealed, folder, witnesses=[tmp_path / "0", tmp_path / "1"])
    assert {one.kind for one in findings} >= {"seal_checkpoint", "seal_key"}
    with pytest.raises(SealRefused, match="No such file"):
        found(sealed, folder, witnesses=[tmp_path / "missing"])


# ---- what is asked


def test_without_a_key_that_of_the_folder_is_used(sealed: Ledger, tmp_path: Path) -> None:
    """It finds damage, not the seal of somebody else: only a key from elsewhere does."""
    folder = tmp_path / "s"
    assert list(check_seal(reader(sealed), folder)) == []
    shutil.rmtree(folder)
    seal(reader(sealed), folder, key=OTHER)
    assert list(check_seal(reader(sealed), folder)) == []
    assert {one.kind for one in check_seal(reader(sealed), folder, key=KEY.verifier)} == {"seal_key"}


def test_a_size_that_nobody_signed_is_not_believed(tmp_path: Path) -> None:
    """An absurd one costs nothing; events are still compared with the tiles of a checkpoint that has them."""
    folder = tmp_path / "s"
    with Ledger.open("memory://") as ledger:
        fill(ledger, 3)
        seal_here(ledger, folder)
        absurd = KEY.sign(Checkpoint("example.com/books", 10**17, bytes(32)).text()).encode()
        for path in (folder / "checkpoint", folder / "checkpoints" / str(_size(folder))):
            path.write_bytes(absurd[:-10] + b"AAAAAAAA=\n")
        assert {one.kind for one in found(ledger, folder)} <= {"seal_checkpoint", "seal_signature"}


def test_a_folder_without_a_seal_is_an_error(tmp_path: Path) -> None:
    """It is no finding: nothing could be checked."""
    store = open_store("memory://", "books")
    try:
        with pytest.raises(SealRefused, match="there is no seal in it"):
            list(check_seal(store, tmp_path))
    finally:
        store.close()


# ---- the alignment


def _leaf(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _steps(leaves: list[int], events: list[int]) -> list[tuple[list[int], list[int]]]:
    """Return the gaps between two orders of numbers."""
    left = Ahead(Leaf(index, _leaf(number)) for index, number in enumerate(leaves))
    right = Ahead(Found(_leaf(number), at, Name("plan", str(number), 1), "t") for at, number in enumerate(events))
    gaps: list[tuple[list[int], list[int]]] = []
    for step in align(left, right):
        if isinstance(step, Gap):
            gaps.append(([leaves[one.number] for one in step.leaves], [events[one.sequence] for one in step.events]))
        else:
            assert isinstance(step, Match)
    return gaps


@pytest.mark.parametrize("hole", [1, 15, 16, 17, 255, 300, 5_000, 70_000])
def test_a_hole_of_any_size_shifts_nothing(hole: int) -> None:
    """Below, at and beyond the windows in which the next agreement is looked for."""
    numbers = [*range(hole + 40)]
    rest = [*range(20), *range(20 + hole, hole + 40)]
    assert _steps(numbers, rest) == [([*range(20, 20 + hole)], [])]
    assert _steps(rest, numbers) == [([], [*range(20, 20 + hole)])]
    assert _steps(numbers, numbers) == []


def test_a_swap_is_of_the_two_alone() -> None:
    """Next to each other one of them is out of order; further apart both are, and nothing between them."""
    assert _steps([0, 1, 2, 3, 4], [0, 2, 1, 3, 4]) in ([([1], []), ([], [1])], [([], [2]), ([2], [])])
    assert _steps([0, 1, 2, 3, 4], [0, 3, 2, 1, 4]) == [([1], [3]), ([3], [1])]
    assert _steps([0, 1, 2, 3, 4], [4, 1, 2, 3, 0]) == [([0], [4]), ([4], [0])]
