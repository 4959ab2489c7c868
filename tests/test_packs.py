"""Packs: the same events give the same bytes, nothing foreign is touched, and what is restored is what was packed."""

import hashlib
import json
import signal
import subprocess
import sys
import zipfile
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import attrs
import pytest
from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa
from hypothesis import given
from hypothesis import strategies as st

from ledger import InvalidArgument, Ledger
from ledger.audit import Finding, verify
from ledger.audit.packs import unpack
from ledger.audit.packs.pack import pack
from ledger.audit.packs.unpack import PackRefused, import_pack, verified_pack
from ledger.cli.app import main
from ledger.errors import ConcurrentChange
from ledger.store import RawEvent, open_store
from tests.planted import PLANTED, sound
from tests.strategies import History, histories, one_in

FINDING = Finding(
    kind="outcome_missing",
    plan_id="P-1",
    version=2,
    sequence=7,
    rule="RULES.md section 1",
    expected="a payment missed",
    found="not recorded",
)


def packed(to: Path, events: Sequence[RawEvent] | None = None, **options: Any) -> Path:
    """Pack events as they are: by default the sound ones."""
    with closing(open_store("memory://", "books")) as store:
        store.restore(sound() if events is None else events)
        pack(store, to, **options)
    return to


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A sound pack."""
    return packed(tmp_path / "whole.zip")


def rewritten(path: Path, to: Path, change: Callable[[str, bytes], bytes | None], **options: Any) -> Path:
    """Write a zip again with other contents of its members; None leaves one out."""
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(to, "w", **options) as after:
        for name in before.namelist():
            content = change(name, before.read(name))
            if content is not None:
                after.writestr(name, content)
    return to


def kinds(path: Path, *keys: verify.Key) -> list[str]:
    """Return the kinds of findings in a pack."""
    return [finding.kind for finding in verify.verify(str(path), keys).findings]


# ---- the same bytes


def test_the_same_events_give_the_same_bytes(url: str, name: str, whole: Path, tmp_path: Path) -> None:
    """Whatever store they lie in, and with whatever sequences: a save that failed leaves a gap in PostgreSQL."""
    events = sound()
    with closing(open_store(url, name)) as store:
        store.restore(events[:20])
        with pytest.raises(ConcurrentChange):
            store.restore(events[10:21])
        store.restore(events[20:])
        for number in (1, 2):
            pack(store, tmp_path / f"{number}.zip")
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes() == whole.read_bytes()


def test_the_members_of_a_pack(whole: Path) -> None:
    """They are stored, of one date, in one order; schemas and program are those of the library."""
    home = files("ledger")
    schemas = sorted(one.name for one in home.joinpath("events", "schemas").iterdir())
    with zipfile.ZipFile(whole) as archive:
        names = archive.namelist()
        assert names == [
            *("README.md", "verify.py"),
            *(f"schemas/{name}" for name in schemas),
            *("events.jsonl", "findings.jsonl", "pack.json"),
        ]
        for info in archive.infolist():
            assert (info.compress_type, info.date_time) == (zipfile.ZIP_STORED, (1980, 1, 1, 0, 0, 0))
        assert archive.read("verify.py") == home.joinpath("audit", "verify.py").read_bytes()
        assert archive.read("schemas/payment_made.v1.json") == (
            home.joinpath("events", "schemas", "payment_made.v1.json").read_bytes()
        )
        lines = list(map(json.loads, archive.read("events.jsonl").splitlines()))
        assert [(line["stream_id"], line["version"], line["state"].encode()) for line in lines] == [
            (event.stream_id, event.version, event.state) for event in sound()
        ]
        contents = json.loads(archive.read("pack.json"))
    assert (contents["events"], contents["plans"], contents["receipts"]) == (len(sound()), 4, 1)


def test_findings_are_packed_without_their_sequences(tmp_path: Path) -> None:
    """Another store gives the same event another sequence; plan and version name it in both."""
    path = packed(tmp_path / "pack.zip", findings=[FINDING, attrs.evolve(FINDING, sequence=None)])
    with zipfile.ZipFile(path) as archive:
        one, other = map(json.loads, archive.read("findings.jsonl").splitlines())
    expected = attrs.asdict(FINDING)
    del expected["sequence"]
    assert one == other == expected


def test_an_empty_ledger_is_packed_and_restored(tmp_path: Path) -> None:
    """No events: the root is that of the empty tree, and restoring records nothing."""
    path = packed(tmp_path / "empty.zip", [])
    assert verify.verify(str(path)).root == hashlib.sha256().hexdigest()
    with closing(open_store("memory://", "books")) as store:
        assert import_pack(store, verified_pack(path)).new == 0


# ---- files


def test_no_file_is_replaced(whole: Path, tmp_path: Path) -> None:
    """A file that exists stays as it is, a pack or not, a link into nowhere too; nothing is left beside it."""
    foreign, link = tmp_path / "foreign", tmp_path / "link"
    foreign.write_text("mine")
    link.symlink_to(tmp_path / "nowhere")
    before = whole.read_bytes()
    for path in (whole, foreign, link):
        with pytest.raises(InvalidArgument, match="a new path; one that exists is not replaced"):
            packed(path)
    with pytest.raises(InvalidArgument, match="a folder that can be written"):
        packed(tmp_path / "missing" / "pack.zip")
    assert (whole.read_bytes(), foreign.read_text()) == (before, "mine")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["foreign", "link", "whole.zip"]


def test_a_pack_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """An error half-way leaves neither the file nor a part of it."""

    def failing() -> Any:
        yield FINDING
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        packed(tmp_path / "pack.zip", findings=failing())
    with pytest.raises(InvalidArgument, match="the folder of a seal"):
        packed(tmp_path / "pack.zip", seal=tmp_path)
    assert list(tmp_path.iterdir()) == []


# ---- files that are no packs


def _compressed(whole: Path, to: Path) -> Path:
    return rewritten(whole, to, lambda _, content: content, compression=zipfile.ZIP_DEFLATED)


def _bomb(_: Path, to: Path) -> Path:
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("events.jsonl", b"0" * 50_000_000)
        archive.writestr("pack.json", b"{}")
    return to


def _cut(whole: Path, to: Path) -> Path:
    to.write_bytes(whole.read_bytes()[:-100])
    return to


def _flipped(whole: Path, to: Path) -> Path:
    content = bytearray(whole.read_bytes())
    content[content.index(b"bank-77")] ^= 1
    to.write_bytes(content)
    return to


def _twice(whole: Path, to: Path) -> Path:
    to.write_bytes(whole.read_bytes())
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(to, "a") as archive:
        archive.writestr("pack.json", b"{}")
    return to


def _named(name: str) -> Callable[[Path, Path], Path]:
    def make(whole: Path, to: Path) -> Path:
        to.write_bytes(whole.read_bytes())
        with zipfile.ZipFile(to, "a") as archive:
            archive.writestr(name, b"")
        return to

    return make


def _without(name: str) -> Callable[[Path, Path], Path]:
    return lambda whole, to: rewritten(whole, to, lambda one, content: None if one == name else content)


def _text(_: Path, to: Path) -> Path:
    to.write_text("events")
    return to


NO_PACKS = {
    "text": (_text, "not a zip file"),
    "missing": (lambda _, to: to, "No such file"),
    "a folder": (lambda _, to: to.parent, "Is a directory"),
    "cut off": (_cut, "not a zip file"),
    "a flipped bit": (_flipped, "another checksum|Bad CRC"),
    "compressed": (_compressed, "those of a pack are stored"),
    "a zip bomb": (_bomb, "those of a pack are stored"),
    "a member twice": (_twice, "two members of one name"),
    "a path outside": (_named("../evil"), "is none of a pack"),
    "an absolute path": (_named("/etc/passwd"), "is none of a pack"),
    "a strange schema": (_named("schemas/../x.v1.json"), "is none of a pack"),
    "no events": (_without("events.jsonl"), "it has no events.jsonl"),
    "no contents": (_without("pack.json"), "it has no pack.json"),
}


@pytest.mark.parametrize("name", NO_PACKS)
def test_a_file_that_is_no_pack_is_refused(
    name: str, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It cannot be verified, and import-pack creates no ledger: exit status 2 of both, and one sentence."""
    make, sentence = NO_PACKS[name]
    path = make(whole, tmp_path / "no-pack.zip")
    with pytest.raises(verify.Unusable, match=sentence):
        verify.verify(str(path))
    assert verify.main([str(path)]) == 2
    assert main(["--db", f"sqlite:///{tmp_path}/new.db", "import-pack", str(path)]) == 2
    printed = capsys.readouterr()
    assert (printed.out, len(printed.err.splitlines())) == ("", 2)
    assert not (tmp_path / "new.db").exists()


# ---- what is wrong with a pack itself


def test_contents_that_are_not_those_of_the_pack(whole: Path, tmp_path: Path) -> None:
    """A line that is none, one in another form, and numbers that are others: each is a finding."""

    def change(old: bytes, new: bytes) -> Callable[[str, bytes], bytes]:
        return lambda name, content: content.replace(old, new, 1) if name in ("events.jsonl", "pack.json") else content

    def made(number: int, old: bytes, new: bytes) -> list[str]:
        return kinds(rewritten(whole, tmp_path / f"{number}.zip", change(old, new)))

    assert made(1, b'"plans":4', b'"plans":5') == ["pack_contents_differ"]
    assert made(2, b'"format":"installment', b'"format":"another') == ["pack_contents_differ"]
    assert made(3, b'{"kind"', b'{ "kind"')[:2] == ["pack_line_unreadable", "pack_contents_differ"]
    assert made(4, b'{"kind"', b'{"kin')[0] == "pack_line_unreadable"
    assert made(5, b'}\n{"kind"', b'}{"kind"')[0] == "pack_line_unreadable"


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize(
    "member",
    [
        *("README.md", "verify.py", "schemas/plan_opened.v1.json", "findings.jsonl"),
        *("seal/checkpoint", "seal/tile/0/000.p/", "seal/key.pub"),
    ],
)
def test_every_member_is_the_one_that_was_packed(member: str, seal: Path, tmp_path: Path, *, gone: bool) -> None:
    """A program, a schema, a key or a tile that was replaced or taken away beside sound events is a finding."""
    path = packed(tmp_path / "sound.zip", seal=seal)
    assert kinds(path) == []

    def change(name: str, content: bytes) -> bytes | None:
        if not name.startswith(member):
            return content
        return None if gone else content + b"\n"

    found = verify.verify(str(rewritten(path, tmp_path / "changed.zip", change))).findings
    assert "pack_contents_differ" in {one.kind for one in found}
    assert any(member.partition("/0/")[0] in one.expected for one in found)


def test_contents_nested_without_end_are_a_finding(whole: Path, tmp_path: Path) -> None:
    """What no reader of JSON can hold is no reason to end without a result."""
    nested = rewritten(whole, tmp_path / "n.zip", lambda name, one: b"[" * 100_000 if name == "pack.json" else one)
    assert set(kinds(nested)) == {"pack_contents_differ"}


@pytest.mark.parametrize(
    "planted", [one for one in PLANTED if one.name in ("no UTF-8", "a bonus cut out")], ids=lambda one: one.name
)
def test_a_pack_with_findings_is_not_restored(planted: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Damaged events are packed as they are stored; nobody restores them."""
    path = packed(tmp_path / "pack.zip", planted.plant([*sound()]))
    with pytest.raises(PackRefused, match=planted.kind):
        verified_pack(path)
    assert main(["--db", f"sqlite:///{tmp_path}/new.db", "import-pack", str(path)]) == 1
    assert f"plan {planted.stream}, version {planted.version}" in capsys.readouterr().err
    assert not (tmp_path / "new.db").exists()


# ---- seals

SIGNER = ECC.generate(curve="Ed25519")
PUBLIC = b"\x01" + SIGNER.public_key().export_key(format="raw")
KEY_ID = hashlib.sha256(b"books\n" + PUBLIC).digest()[:4]
KEY = f"books+{KEY_ID.hex()}+{b64encode(PUBLIC).decode()}"


def note(size: int, root: bytes) -> bytes:
    """Return a checkpoint, signed by another implementation of Ed25519."""
    text = f"books\n{size}\n{b64encode(root).decode()}\n".encode()
    signature = eddsa.new(SIGNER, "rfc8032").sign(text)
    return text + f"\n— books {b64encode(KEY_ID + signature).decode()}\n".encode()


@pytest.fixture
def seal(tmp_path: Path) -> Path:
    """A seal over the sound events: checkpoints at 10 events and at all, and the tile of the leaves."""
    folder, tree, notes, hashes = tmp_path / "seal", verify.Tree(), {}, b""
    for number, event in enumerate(sound(), 1):
        leaf = verify.leaf_hash(verify.Stored(number, *event[1:]))
        tree.add(leaf)
        hashes += leaf
        notes[number] = note(number, tree.root())
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "tile" / "0" / "000.p").mkdir(parents=True)
    (folder / "index").mkdir()
    for size in (10, tree.size):
        (folder / "checkpoints" / str(size)).write_bytes(notes[size])
    (folder / "checkpoint").write_bytes(notes[tree.size])
    (folder / "tile" / "0" / "000.p" / str(tree.size)).write_bytes(hashes)
    (folder / ".lock").touch()
    (folder / "key.pub").write_text(f"{KEY}\n")
    return folder


def test_the_seal_of_a_pack_is_verified(seal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its checkpoints lead to the roots of the events, its tiles hold their hashes, the key has signed it."""
    path = packed(tmp_path / "pack.zip", seal=seal)
    size = len(sound())
    result = verify.verify(str(path), [verify.key_of(KEY)])
    assert result.findings == []
    assert result.checkpoints == [
        {"file": f"seal/{name}", "origin": "books", "size": of, "signed": True}
        for name, of in (("checkpoint", size), ("checkpoints/10", 10), (f"checkpoints/{size}", size))
    ]
    assert {one["signed"] for one in verify.verify(str(path)).checkpoints} == {None}
    assert verify.main([str(path), "--key", str(seal / "key.pub")]) == 0
    assert verify.main([str(path), "--key", "nobody"]) == 2
    printed = capsys.readouterr()
    assert printed.out.count("signed by the key") == 3
    assert printed.err == "error: --key: expected a verifier key NAME+ID+BASE64\n"


def places(path: Path) -> list[tuple[str, str | None, int | None]]:
    """Return the findings of a pack: kind, plan, version."""
    return [(one.kind, one.plan_id, one.version) for one in verify.verify(str(path)).findings]


def test_events_that_are_not_those_of_the_seal(seal: Path, tmp_path: Path) -> None:
    """What no rule forbids the seal finds, and its tiles tell where: a change, a cut, an insertion, another order."""
    changed, (first, *others), more = [*sound()], sound(), verify.canonical
    value = json.loads(first.state)
    value["event"]["investor"] = "I-8"
    changed[0] = first._replace(state=more(value))
    late = others[-1]._replace(stream_id="P-9", kind="plan", version=1, tag=first.tag, state=first.state)
    cases = {
        "changed": (changed, ("sealed_event_changed", "P-1", 1)),
        "missing": (sound()[:-1], ("sealed_event_missing", None, None)),
        "inserted": ([first, late, *others], ("sealed_event_inserted", "P-9", 1)),
        "moved": ([*others, first], ("sealed_event_moved", "P-1", 2)),
    }
    for name, (events, expected) in cases.items():
        assert expected in places(packed(tmp_path / f"{name}.zip", events, seal=seal)), name
    assert places(packed(tmp_path / "unsealed.zip", changed)) == []  # nobody can tell
    names = [json.dumps([event.kind, event.stream_id, event.version]) for event in sound()]
    (seal / "index" / "000").write_text("\n".join(names) + "\n")
    path = packed(tmp_path / "named.zip", sound()[1:], seal=seal)
    assert ("sealed_event_missing", "P-1", 1) in places(path)


def test_events_that_are_cut_off_before_a_seal_without_tiles(seal: Path, tmp_path: Path) -> None:
    """Without tiles nobody can tell which event it is; that something is wrong stays known."""
    next(seal.glob("tile/0/000.p/*")).unlink()
    assert kinds(packed(tmp_path / "whole.zip", seal=seal)) == []
    assert set(kinds(packed(tmp_path / "cut.zip", sound()[:-1], seal=seal))) == {"seal_inconsistent"}


def test_a_seal_that_was_changed(seal: Path, tmp_path: Path) -> None:
    """A tile, a signature, a checkpoint that is none, one of another tree or of somebody else."""
    key, stranger = verify.key_of(KEY), verify.Key("books", KEY_ID, bytes(31) + b"\x02")
    path = packed(tmp_path / "0.zip", seal=seal)
    assert set(kinds(path, stranger)) == {"seal_signature"}
    assert set(kinds(path, verify.Key("looks", KEY_ID, key.public))) == {"seal_key"}
    assert kinds(path, stranger, key) == []
    checkpoint, tile = seal / "checkpoint", next(seal.glob("tile/0/000.p/*"))
    before = checkpoint.read_bytes(), tile.read_bytes()
    tile.write_bytes(b"\0" + before[1][1:])
    assert kinds(packed(tmp_path / "1.zip", seal=seal), key) == ["seal_tile"]
    tile.write_bytes(before[1])
    checkpoint.write_bytes(before[0].replace(b"\n\n", b"\n"))
    assert kinds(packed(tmp_path / "2.zip", seal=seal), key) == ["seal_checkpoint"]
    checkpoint.write_bytes(before[0])
    (seal / "checkpoints" / "10").write_bytes(note(10, bytes(32)))
    assert kinds(packed(tmp_path / "3.zip", seal=seal), key) == ["seal_inconsistent"]


# ---- restoring


def answers(ledger: Ledger, as_of: date | None, known_at: datetime | None) -> list[Any]:
    """Return the answers to every question about plans."""
    asked: Any = {"as_of": as_of, "known_at": known_at}
    lists = (ledger.positions, ledger.overdue, ledger.balances, ledger.portfolio, ledger.unallocated, ledger.receipts)
    return [list(ask(**asked)) for ask in lists]


@one_in(5)
@given(history=histories(), days=st.integers(0, 700), hours=st.none() | st.integers(-48, 48))
def test_a_restored_ledger_gives_the_same_answers(
    tmp_path_factory: pytest.TempPathFactory, history: History, days: int, hours: int | None
) -> None:
    """As of any date, and as known at any instant."""
    folder = tmp_path_factory.mktemp("packs")
    as_of = history.opened.effective_on + timedelta(days=days)
    known_at = None if hours is None else history.events[0].recorded_at + timedelta(hours=hours)
    with Ledger.open("memory://") as before, Ledger.open("memory://") as after:
        before.store.append(history.events)
        pack(before.store, folder / "pack.zip")
        import_pack(after.store, verified_pack(folder / "pack.zip"))
        assert answers(after, as_of, known_at) == answers(before, as_of, known_at)
        assert after.history("P-1") == before.history("P-1")
        assert after.statement("P-1", as_of=as_of) == before.statement("P-1", as_of=as_of)


def test_a_ledger_is_restored_in_every_store(url: str, name: str, whole: Path, tmp_path: Path) -> None:
    """Packed again it is the same pack; imported again nothing is recorded; it goes on as a ledger does."""
    with Ledger.open(url, name=name) as ledger:
        assert import_pack(ledger.store, verified_pack(whole)).new == len(sound())
        assert import_pack(ledger.store, verified_pack(whole)).new == 0
        pack(ledger.store, tmp_path / "again.zip")
        assert (tmp_path / "again.zip").read_bytes() == whole.read_bytes()
        assert len(ledger.positions(as_of=date(2024, 4, 2))) == 4
        ledger.close_books(through=date(2025, 6, 3), recorded_at=datetime(2025, 6, 4, tzinfo=UTC))
        with pytest.raises(PackRefused, match="holds events that are not the first ones"):
            import_pack(ledger.store, verified_pack(whole))


def test_a_ledger_with_other_events_is_left_alone(whole: Path) -> None:
    """Events of another ledger are refused before anything is recorded."""
    with closing(open_store("memory://", "books")) as store:
        store.restore(sound()[1:2])
        with pytest.raises(PackRefused, match="import it into a new ledger"):
            import_pack(store, verified_pack(whole))
        assert store.last_sequence() == 1


KILLED = """
import os, signal, sys
from pathlib import Path
from ledger.audit.packs import unpack
from ledger.store import open_store

unpack._CHUNK = 10

def progress(done, total):
    if done == 30:
        os.kill(os.getpid(), signal.SIGKILL)

unpack.import_pack(open_store(sys.argv[1], "ledger"), unpack.verified_pack(Path(sys.argv[2])), progress=progress)
"""


def test_an_import_that_was_killed_goes_on(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is recorded is a beginning of the pack, and the next import records the rest."""
    url = f"sqlite:///{tmp_path}/new.db"
    done = subprocess.run([sys.executable, "-c", KILLED, url, str(whole)], check=False)
    assert done.returncode == -signal.SIGKILL
    with closing(open_store(url, "ledger")) as store:
        assert store.last_sequence() == 30
    monkeypatch.setattr(unpack, "_CHUNK", 10)
    assert main(["--db", url, "import-pack", str(whole)]) == 0
    assert f"{len(sound()) - 30} new." in capsys.readouterr().out
    with closing(open_store(url, "ledger")) as store:
        assert [event[1:] for event in store.raw_events(after=0, limit=1_000)] == [event[1:] for event in sound()]


# ---- the command line


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str], seal: Path) -> None:
    """Pack and import-pack, in words and as JSON; a file that exists is an error."""
    url, file = f"sqlite:///{tmp_path}/books.db", str(tmp_path / "books.zip")
    with closing(open_store(url, "ledger")) as store:
        store.restore(sound())
    assert main(["--db", url, "pack", "--to", file, "--seal", str(seal)]) == 0
    printed = capsys.readouterr().out
    root = verify.verify(file).root
    size = Path(file).stat().st_size
    assert printed == f"{file}: {len(sound())} events, no findings, {size:,} bytes.\nRoot {root}\n"
    assert main(["--db", url, "pack", "--to", file]) == 2
    assert "one that exists is not replaced" in capsys.readouterr().err
    assert main(["--db", f"sqlite:///{tmp_path}/new.db", "import-pack", file, "--json"]) == 0
    imported = json.loads(capsys.readouterr().out)
    assert (imported["new"], imported["plans"], imported["receipts"], imported["root"]) == (len(sound()), 4, 1, root)
    assert main(["--db", f"sqlite:///{tmp_path}/none.db", "pack", "--to", f"{file}2", "--json"]) == 2
    assert not (tmp_path / "none.db").exists()
