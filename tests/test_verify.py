"""verify.py: it finds nothing in what the ledger records, and every planted error, on a machine without the library."""

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.audit import verify
from ledger.audit.packs.pack import pack
from ledger.events import RecordedEvent
from ledger.events.codec import CURRENT, Codec
from ledger.store import RawEvent, open_store
from tests.planted import PLANTED, Planted, sound
from tests.strategies import History, histories
from tests.test_golden import golden

CODEC = Codec()


def stored(events: Iterable[RecordedEvent]) -> list[verify.Stored]:
    """Return recorded events as the lines of a pack."""
    lines = []
    for number, recorded in enumerate(events, 1):
        tag, state = CODEC.encode(recorded)
        lines.append(verify.Stored(number, recorded.kind, recorded.stream_id, recorded.version, tag, state))
    return lines


def packed(events: Sequence[RawEvent], to: Path) -> Path:
    """Pack events as they are, from a ledger in memory that holds nothing else."""
    store = open_store("memory://", "books")
    with closing(store):
        store.restore(events)
        pack(store, to)
    return to


def run(program: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run verify.py as on a machine without the library: nothing but the standard library can be imported."""
    command = [sys.executable, "-I", "-S", str(program), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=program.parent)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program as it lies in a pack."""
    folder = tmp_path_factory.mktemp("auditor")
    with ZipFile(packed(sound(), folder / "sound.zip")) as archive:
        archive.extract("verify.py", folder)
    return folder / "verify.py"


@pytest.fixture(scope="module")
def results(program: Path) -> dict[str, Any]:
    """What the program says of each planted error, by its name: one run, as starting takes longer than verifying."""
    paths = {
        str(packed(planted.plant([*sound()]), program.with_name(f"{number}.zip"))): planted.name
        for number, planted in enumerate(PLANTED)
    }
    done = run(program, *paths, "--json")
    assert (done.returncode, done.stderr) == (1, "")
    return {paths[result["pack"]]: result for result in map(json.loads, done.stdout.splitlines())}


# ---- nothing is found where nothing is wrong


@given(history=histories())
def test_it_finds_nothing_in_what_the_ledger_records(history: History) -> None:
    """After every command the recorded outcomes are those that follow day by day, for the reasons that are recorded."""
    assert verify.check_plan("P-1", stored(history.events), {}) == []


def test_a_sound_pack_is_sound(program: Path) -> None:
    """Nothing is found in it, and the exit status says so."""
    done = run(program, "sound.zip")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "no findings"


# ---- everything is found that is planted


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_a_planted_error_is_named(planted: Planted, results: dict[str, Any]) -> None:
    """A finding of its kind names its plan or receipt and its version."""
    places = [
        (one["kind"], one["plan_id"] or one["receipt"], one["version"]) for one in results[planted.name]["findings"]
    ]
    assert (planted.kind, planted.stream, planted.version) in places, places


def test_no_id_moves_the_cursor_of_a_terminal() -> None:
    """What somebody has written into a ledger is shown, whatever it is, on its own line and without control."""
    lines = [verify.Stored(1, "plan", "P\x1b[2J\n1", 1, "plan_opened.v1", b"{}")]
    shown = [
        *verify.in_text("books.zip", verify.Verification(findings=verify.check_plan(lines[0].stream_id, lines, {})))
    ]
    assert shown[0] == "stream_unknown: plan P?[2J?1, version 1 (line 1)"
    assert all(line.isprintable() for line in shown)


def test_every_kind_of_finding_is_planted() -> None:
    """No kind that verify.py knows is without an example, here or in `test_packs`."""
    of_packs = {kind for kind, rule in verify.RULES.items() if rule in (verify.PACKED, verify.SEALED)}
    assert {planted.kind for planted in PLANTED} == verify.RULES.keys() - of_packs


# ---- its own readings of formats


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_its_canonical_json_is_that_of_the_codec(text: str) -> None:
    """Whatever text somebody enters, both write the same bytes."""
    value = {"b": [text, 1, None, True], "a": {text: -1}}
    assert verify.canonical(value) == msgspec.json.encode(value, order="sorted")


@pytest.mark.parametrize("tag", CURRENT)
def test_it_reads_golden_events(tag: str) -> None:
    """Every event that was ever written is read by it, and none of its fields is left out."""
    kind = "receipt" if tag.partition(".")[0] in verify.RECEIPTS else "plan"
    read = verify.read_event(verify.Stored(1, kind, "P-1", 1, tag, golden(tag)))
    assert {*read.fields, "effective_on"} == json.loads(golden(tag))["event"].keys()


PUBLISHED = """
d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a
-
e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155
5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b

3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c
72
92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da
085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00

fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025
af82
6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac
18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a
"""
"""Public keys, messages and signatures of RFC 8032, section 7.1, tests 1 to 3."""

SIGNED = [
    (bytes.fromhex(key), bytes.fromhex(message.strip("-")), bytes.fromhex("".join(signature)))
    for key, message, *signature in map(str.split, PUBLISHED.strip().split("\n\n"))
]


@pytest.mark.parametrize(("public", "message", "signature"), SIGNED)
def test_signatures_of_rfc_8032(public: bytes, message: bytes, signature: bytes) -> None:
    """The published signatures hold; with a byte changed none does."""
    assert verify.signed_by(public, message, signature)
    for place in (0, 31, 32, 63):
        changed = bytearray(signature)
        changed[place] ^= 1
        assert not verify.signed_by(public, message, bytes(changed))
    assert not verify.signed_by(public, message + b"x", signature)
    assert not verify.signed_by(public, message, signature[:-1])


def test_a_signature_has_one_form() -> None:
    """S is below the order, y below the field: the same signature written otherwise is refused (RFC 8032, 5.1.7)."""
    key, text, signed = SIGNED[1]
    s = int.from_bytes(signed[32:], "little") + verify.ORDER
    assert not verify.signed_by(key, text, signed[:32] + s.to_bytes(32, "little"))
    assert verify.point((verify.FIELD + 1).to_bytes(32, "little")) is None
    assert verify.point((1 | 1 << 255).to_bytes(32, "little")) is None  # x is 0 and claims a sign


ROOTS = (  # of the leaves of RFC 6962's reference implementation, by their number
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
LEAVES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")


def test_roots_of_rfc_6962() -> None:
    """The published roots of the trees of 0 to 8 leaves."""
    tree = verify.Tree()
    assert tree.root().hex() == ROOTS[0]
    for leaf, root in zip(LEAVES, ROOTS[1:], strict=True):
        tree.add(sha256(b"\0" + bytes.fromhex(leaf)).digest())
        assert tree.root().hex() == root
