"""Sealing: a tree that only grows, on every store; what keeps a seal from being made; proofs; a kill at any moment."""

import json
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGKILL
from typing import Any

import attrs
import pytest

from ledger import Ledger
from ledger.audit.seal import SealRefused, prove_consistency, prove_inclusion, seal, verify_proof
from ledger.audit.seal.checkpoint import SignedCheckpoint
from ledger.audit.seal.folder import SealFolder
from ledger.audit.seal.leaf import leaf
from ledger.cli.app import main
from ledger.events import RECEIPT
from tests import seal_worker
from tests.crash_worker import Location
from tests.processes import fork
from tests.raw_sql import change
from tests.seals import (
    EVENTS,
    KEY,
    OTHER,
    contents,
    fill,
    found,
    insert,
    naive_root,
    reader,
    seal_here,
    set_column,
    spread,
    stored,
)

KILLS = 150 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 6


@pytest.fixture
def memory() -> Iterator[Ledger]:
    """A ledger in memory with four plans."""
    with Ledger.open("memory://") as ledger:
        fill(ledger, 4)
        yield ledger


def _root(ledger: Ledger) -> str:
    return naive_root([leaf(event) for event in stored(ledger)]).hex()


# ---- growing


def test_a_seal_grows_by_what_was_recorded_since(ledger: Ledger, tmp_path: Path) -> None:
    """Each root is the one that the definition gives for all events; every checkpoint is kept; nothing is wrong."""
    sizes: list[int] = []
    plans = 0
    for more in (0, 0, 3, 37, 1, 79):
        fill(ledger, more, first=plans)
        plans += more
        sealed = seal(reader(ledger), tmp_path / "s", key=KEY, quick=more == 79)
        events = len(stored(ledger))
        assert (sealed.origin, sealed.size, sealed.root) == ("example.com/books", events, _root(ledger))
        assert sealed.added == events - (sizes[-1] if sizes else 0)
        sizes.append(events)
        assert found(ledger, tmp_path / "s") == []
    assert SealFolder(tmp_path / "s").sizes() == sorted(set(sizes))
    assert max(sizes) > 512


def test_the_same_events_give_the_same_files(tmp_path: Path, shared_url: str, name: str) -> None:
    """Sealed in one go or in many, in any store: the tree is the same to the byte, and so is its latest checkpoint."""
    with Ledger.open("memory://") as one, Ledger.open(shared_url, name=name) as other:
        for ledger in (one, other):
            for first in range(0, 90, 30):
                fill(ledger, 30, first=first)
                if ledger is other:
                    seal_here(ledger, tmp_path / "many")
        seal_here(one, tmp_path / "once")
    once, many = contents(tmp_path / "once"), contents(tmp_path / "many")
    assert once.keys() <= many.keys()
    assert {path: many[path] for path in once} == once


def test_other_sequences_are_the_same_seal(ledger: Ledger, tmp_path: Path, url: str) -> None:
    """A ledger that was restored with other sequences, with gaps, has the same root, and its seal goes on."""
    if url == "memory://":
        pytest.skip("its sequences are the places in a list")
    fill(ledger, 80)
    seal_here(ledger, tmp_path / "s")
    spread(ledger)
    change(ledger, "UPDATE books_events SET sequence = sequence - 100000")  # below 0 as well
    assert found(ledger, tmp_path / "s") == []
    change(ledger, "UPDATE books_events SET sequence = sequence + 200000")
    insert(ledger, stored(ledger)[5]._replace(sequence=900_000, stream_id="P-new"))
    sealed = seal(reader(ledger), tmp_path / "s", key=KEY, quick=True)
    assert (sealed.added, sealed.root) == (1, _root(ledger))
    assert found(ledger, tmp_path / "s") == []


def test_partial_tiles_go_when_they_are_full(memory: Ledger, tmp_path: Path) -> None:
    """Those of an earlier checkpoint are there until then, and the proofs for it are given out of the full ones."""
    fill(memory, 20, first=4)
    seal_here(memory, tmp_path)
    early = len(stored(memory))
    assert (tmp_path / f"tile/0/000.p/{early}").is_file()
    fill(memory, 60, first=24)
    seal_here(memory, tmp_path)
    assert not (tmp_path / "tile/0/000.p").exists()
    assert (tmp_path / "tile/0/000").stat().st_size == 8_192
    assert found(memory, tmp_path) == []
    verify_proof(prove_consistency(tmp_path, earlier=early), key=KEY.verifier)
    verify_proof(prove_inclusion(reader(memory), tmp_path, stream_id="P-1", version=1, size=early), key=KEY.verifier)


def test_an_empty_ledger_can_be_sealed(tmp_path: Path) -> None:
    """RFC 6962: the root of no leaves is the hash of nothing; the first event comes to it."""
    with Ledger.open("memory://") as ledger:
        sealed = seal(reader(ledger), tmp_path, key=KEY)
        assert (sealed.size, sealed.root) == (0, naive_root([]).hex())
        assert found(ledger, tmp_path) == []
        fill(ledger, 1)
        assert seal(reader(ledger), tmp_path, key=KEY).added == EVENTS + 1
        assert found(ledger, tmp_path) == []
        verify_proof(prove_consistency(tmp_path, earlier=0), key=KEY.verifier)


# ---- refusals


def _refused(ledger: Ledger, folder: Path, *, key: Any = KEY, quick: bool = False) -> SealRefused:
    """Return the error of a seal that is refused, after which everything is as it was."""
    before = contents(folder)
    with pytest.raises(SealRefused) as caught:
        seal(reader(ledger), folder, key=key, quick=quick)
    assert contents(folder) == before
    return caught.value


@pytest.mark.parametrize("place", ["first", "early", "last"])
@pytest.mark.parametrize("how", ["changed", "removed", "inserted", "swapped"])
def test_a_ledger_that_was_changed_is_not_sealed_again(
    shared_url: str, name: str, tmp_path: Path, how: str, place: str
) -> None:
    """The error names the first leaf that differs, and its plan and version; nothing is written."""
    with Ledger.open(shared_url, name=name) as ledger:
        folder = tmp_path / "s"
        fill(ledger, 120)
        spread(ledger)
        seal_here(ledger, folder)
        fill(ledger, 1, first=900)
        events = stored(ledger)[: -EVENTS - 1]
        index = {"first": 0, "early": 7, "last": len(events) - 2}[place]
        event = events[index]
        if how == "changed":
            set_column(ledger, event, "state", event.state.replace(b"2025", b"2026"))
        elif how == "removed":
            change(ledger, "DELETE FROM books_events WHERE sequence = ?", event.sequence)
        elif how == "inserted":
            insert(ledger, event._replace(sequence=event.sequence - 5, stream_id="P-inserted"))
        else:
            set_column(ledger, event, "sequence", -5)
            set_column(ledger, events[index + 1], "sequence", event.sequence)
            set_column(ledger, event._replace(sequence=-5), "sequence", events[index + 1].sequence)
        error = _refused(ledger, folder)
        assert error.index == index
        assert (error.plan_id or error.receipt, error.version) == (event.stream_id, event.version)
        assert "no longer has what was sealed as leaf" in str(error)
        if place == "last":
            assert str(_refused(ledger, folder, quick=True)) == str(error)
        elif how == "changed":
            assert seal(reader(ledger), folder, key=KEY, quick=True).added == EVENTS + 1, (
                "it looks at the last ones only"
            )
            assert [one.kind for one in found(ledger, folder)] == ["sealed_event_changed"]


def test_a_shorter_ledger_is_not_sealed_again(memory: Ledger, tmp_path: Path) -> None:
    """A backup that lacks what was sealed since is no continuation of it."""
    fill(memory, 70, first=4)
    seal_here(memory, tmp_path)
    with Ledger.open("memory://") as older:
        fill(older, 70)
        error = _refused(older, tmp_path)
    assert "found" in str(error)


def test_the_seal_of_another_key_is_not_extended(memory: Ledger, tmp_path: Path) -> None:
    """Nor is one whose checkpoint was changed, lost or set back, or whose tiles or index are damaged."""
    seal_here(memory, tmp_path)
    assert "another key" in str(_refused(memory, tmp_path, key=OTHER))
    fill(memory, 1, first=7)
    early = (tmp_path / "checkpoint").read_bytes()
    seal_here(memory, tmp_path)
    late = (tmp_path / "checkpoint").read_bytes()
    size = len(stored(memory))
    for content, message in (
        (early, "an earlier one"),
        (late.replace(f"\n{size}\n".encode(), f"\n{size + 1}\n".encode()), "does not verify"),
        (b"text", "no signed checkpoint"),
        (None, "is missing"),
    ):
        (tmp_path / "checkpoint").unlink()
        if content is not None:
            (tmp_path / "checkpoint").write_bytes(content)
        assert message in str(_refused(memory, tmp_path))
    (tmp_path / "checkpoint").write_bytes(late)
    for path, message in ((f"tile/0/000.p/{size}", "missing or has another length"), ("index/000", "has lost lines")):
        kept = (tmp_path / path).read_bytes()
        (tmp_path / path).unlink()
        fill(memory, 1, first=8 if path.startswith("t") else 9)
        assert message in str(_refused(memory, tmp_path))
        (tmp_path / path).write_bytes(kept)
    tile = tmp_path / f"tile/0/000.p/{size}"
    tile.write_bytes(b"\x00" + tile.read_bytes()[1:])
    assert "do not lead to the root" in str(_refused(memory, tmp_path))


def test_one_process_seals_at_a_time(memory: Ledger, tmp_path: Path) -> None:
    """The second is refused, and says why."""
    with SealFolder(tmp_path).writing(), pytest.raises(SealRefused, match="another process is sealing into it"):
        seal(reader(memory), tmp_path, key=KEY)
    assert seal(reader(memory), tmp_path, key=KEY).size > 0


def test_a_folder_that_cannot_be_written_is_refused(memory: Ledger, tmp_path: Path) -> None:
    """One sentence, no traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SealRefused, match="cannot be written"):
        seal(reader(memory), tmp_path / "file", key=KEY)


# ---- proofs


def test_a_proof_holds_until_anything_of_it_is_changed(memory: Ledger, tmp_path: Path) -> None:
    """Every field of both kinds, event and checkpoint included."""
    fill(memory, 70, first=4)
    seal_here(memory, tmp_path)
    early = len(stored(memory))
    fill(memory, 30, first=74)
    seal_here(memory, tmp_path)
    for made in (
        prove_inclusion(reader(memory), tmp_path, stream_id="P-33", version=2),
        prove_inclusion(reader(memory), tmp_path, stream_id="R-33", version=1, kind=RECEIPT),
        prove_consistency(tmp_path, earlier=early),
    ):
        proof = json.loads(json.dumps(made))
        verify_proof(proof, key=KEY.verifier)
        with pytest.raises(SealRefused, match="is not signed by"):
            verify_proof(proof, key=attrs.evolve(OTHER.verifier))
        for changed in _changed_proofs(proof):
            with pytest.raises(SealRefused, match="do not rely on it"):
                verify_proof(changed, key=KEY.verifier)


def _changed_proofs(proof: dict[str, Any]) -> list[dict[str, Any]]:
    changed = [{name: value for name, value in proof.items() if name != missing} for missing in proof]
    for name, value in proof.items():
        others: list[Any] = [None, []]
        if isinstance(value, int):
            others += [value + 1, value - 1, str(value)]
        elif isinstance(value, str):
            others += [value[:-1], chr(ord(value[0]) ^ 1) + value[1:], value + "A"]
        elif isinstance(value, list):
            others += [value[1:], value[:-1], [*value, value[0]], value[::-1], ["A" * 44, *value[1:]]]
        else:
            others += _changed_proofs(value)
        changed += [{**proof, name: other} for other in others]
    return changed


def test_what_cannot_be_proved_is_said(memory: Ledger, tmp_path: Path) -> None:
    """Not stored, not sealed yet, no such checkpoint, damaged tiles."""
    seal_here(memory, tmp_path)
    early = len(stored(memory))
    fill(memory, 1, first=5)

    def error(prove: Callable[[], object]) -> str:
        with pytest.raises(SealRefused) as caught:
            prove()
        return str(caught.value)

    assert "has no version 9" in error(lambda: prove_inclusion(reader(memory), tmp_path, stream_id="P-1", version=9))
    unsealed = error(lambda: prove_inclusion(reader(memory), tmp_path, stream_id="P-5", version=1))
    assert "seal again" in unsealed
    assert "there is no checkpoints/99" in error(lambda: prove_consistency(tmp_path, earlier=99))
    seal_here(memory, tmp_path)
    assert "smaller size first" in error(lambda: prove_consistency(tmp_path, earlier=len(stored(memory)), size=early))
    for tile in (tmp_path / "tile" / "0" / "000.p").iterdir():
        tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
    damaged = error(lambda: prove_inclusion(reader(memory), tmp_path, stream_id="P-1", version=1))
    assert "its tiles give no proof" in damaged


# ---- the command line


def test_the_commands_make_a_key_a_seal_and_proofs(
    shared_url: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As text and as JSON; what is wrong is one sentence and an exit code."""
    location = ("--db", shared_url, "--name", name)
    with Ledger.open(shared_url, name=name) as ledger:
        fill(ledger, 5)
    key, folder = str(tmp_path / "key"), str(tmp_path / "s")

    def run(*arguments: str, code: int = 0) -> str:
        assert main([*location, *arguments]) == code
        printed = capsys.readouterr()
        assert (printed.err == "") == (code == 0)
        return printed.out or printed.err

    assert json.loads(run("keygen", key, "--json"))["origin"] == name
    assert "no key is ever replaced" in run("keygen", key, code=1)
    assert "sealed as" in run("seal", "--to", folder, "--key", key)
    assert json.loads(run("seal", "--to", folder, "--key", key, "--quick", "--json"))["added"] == 0
    proof = json.loads(run("prove", "--seal", folder, "--plan", "P-3", "--version", "2"))
    assert (proof["type"], proof["event"]["stream_id"]) == ("inclusion", "P-3")
    assert json.loads(run("prove", "--seal", folder, "--from-size", str(proof["size"])))["path"] == []
    assert json.loads(run("prove", "--seal", folder, "--receipt", "R-3", "--version", "1"))["event"]["kind"] == RECEIPT
    for wrong in (
        ("--plan", "P-3"),
        ("--version", "1"),
        ("--plan", "P-3", "--receipt", "R-3", "--version", "1"),
        ("--from-size", "3", "--version", "1"),
    ):
        assert "prove takes" in run("prove", "--seal", folder, *wrong, code=2)
    assert "as keygen writes it" in run("seal", "--to", folder, "--key", f"{key}.pub", code=1)


def test_a_proof_is_checked_by_somebody_who_has_neither_ledger_nor_seal(
    memory: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 0 where it holds, 1 where it does not, 2 where file or key cannot be read."""
    seal_here(memory, tmp_path / "s")
    early = len(stored(memory))
    fill(memory, 3, first=4)
    seal_here(memory, tmp_path / "s")
    size, file = len(stored(memory)), tmp_path / "proof.json"

    def check(proof: Any, *options: str, key: str = str(KEY.verifier), code: int = 0) -> str:
        file.write_text(proof if isinstance(proof, str) else json.dumps(proof))
        assert main(["check-proof", str(file), "--key", key, *options]) == code
        printed = capsys.readouterr()
        return printed.out or printed.err

    proof = prove_inclusion(reader(memory), tmp_path / "s", stream_id="P-2", version=1)
    assert f"plan P-2, version 1, is among the {size} events of {KEY.verifier.name}.\nplan_opened" in check(proof)
    told = json.loads(check(proof | {"event": proof["event"] | {"note": "unsealed"}}, "--json"))
    assert told.pop("event") == proof["event"]
    assert told == {"holds": True, "type": "inclusion", "origin": KEY.verifier.name, "size": size}
    continued = prove_consistency(tmp_path / "s", earlier=early)
    assert f"begin with the {early} of the earlier checkpoint" in check(continued)
    assert json.loads(check(continued, "--json"))["earlier_size"] == early
    assert "does not have this leaf hash" in check(proof | {"event": proof["event"] | {"version": 2}}, code=1)
    assert "is not signed by" in check(proof, key=str(OTHER.verifier), code=1)
    for nothing in ("", "[]", "[" * 100_000, "no JSON"):
        assert "the JSON that `prove` prints" in check(nothing, code=2)
    assert "expected" in check(proof, key="no key", code=2)
    file.unlink()
    assert main(["check-proof", str(file), "--key", str(KEY.verifier)]) == 2
    assert "No such file" in capsys.readouterr().err
    assert main(["check-proof", str(file), "--key", str(KEY.verifier), "--db", "memory://"]) == 2


def test_a_seal_needs_its_ledger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped name begins no seal."""
    assert main(["keygen", str(tmp_path / "key")]) == 0
    location = ("--db", f"sqlite:///{tmp_path}/missing.db")
    assert main(["seal", "--to", str(tmp_path / "s"), "--key", str(tmp_path / "key"), *location]) == 1
    assert "the file does not exist" in capsys.readouterr().err
    assert not (tmp_path / "s").exists()


# ---- kills


@pytest.fixture
def location(shared_url: str, name: str) -> Location:
    """The location of a ledger whose events fill two tiles, and a part of a third."""
    with Ledger.open(shared_url, name=name) as ledger:
        fill(ledger, 110)
    return Location(shared_url, name)


def test_a_killed_seal_goes_on(location: Location, tmp_path: Path) -> None:
    """Killed, for real, before any step that changes the folder, or at a random moment.

    What is there is whole, and so is what the next seal makes of it: the same files as if nobody had been killed.
    """
    dice = random.Random(int(os.environ.get("KILL_SEED", "9")))
    with location.open() as ledger:
        half = len(stored(ledger)) // 2
        seal(reader(ledger).at(reader(ledger).raw_events(after=0, limit=half)[-1].sequence), tmp_path / "half", key=KEY)
    steps, seconds = _undisturbed(location, tmp_path / "half", tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    kills: list[int | None] = [*range(1, steps + 1)]
    if len(kills) > KILLS:
        kills = [1, steps, *dice.sample(kills, KILLS - 2)]
    for number, deadly in enumerate([*kills, *[None] * (KILLS // 4)]):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "half", folder)
        running = fork(seal_worker.run, location, folder, deadly)
        running.receive()
        if deadly is None:
            time.sleep(dice.random() * seconds)
            assert running.kill() in (-SIGKILL, 0)
        else:
            assert running.end() == -SIGKILL, f"killed before step {deadly} of {steps}"
        with location.open() as ledger:
            assert found(ledger, folder) == [], f"after a kill before step {deadly} of {steps}"
            head = SignedCheckpoint.parse((folder / "checkpoint").read_bytes())
            assert head is not None
            assert head.checkpoint.size in (half, len(stored(ledger)))
            seal_here(ledger, folder)
            assert found(ledger, folder) == []
        assert contents(folder) == whole


def _undisturbed(location: Location, before: Path, folder: Path) -> tuple[int, float]:
    """Seal into a copy; return the number of steps that change it, and the seconds that they took."""
    shutil.copytree(before, folder)
    running = fork(seal_worker.run, location, folder, None)
    running.receive()
    begun = time.monotonic()
    steps = running.receive()
    assert running.end() == 0
    return int(steps), time.monotonic() - begun


def test_a_first_seal_that_was_killed_begins_again(location: Location, tmp_path: Path) -> None:
    """Tiles without a checkpoint are no seal yet."""
    running = fork(seal_worker.run, location, tmp_path / "s", 30)
    running.receive()
    assert running.end() == -SIGKILL
    assert not (tmp_path / "s" / "checkpoint").exists()
    with location.open() as ledger:
        sealed = seal(reader(ledger), tmp_path / "s", key=KEY)
        assert (sealed.added, sealed.root) == (len(stored(ledger)), _root(ledger))
        assert found(ledger, tmp_path / "s") == []
