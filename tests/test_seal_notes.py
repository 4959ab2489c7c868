"""Keys, signed notes and checkpoints: as other implementations write them, and refused when malformed."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import InvalidArgument
from ledger.audit.seal import SignerKey, VerifierKey, generate_key, read_verifier_key
from ledger.audit.seal.checkpoint import Checkpoint, SignedCheckpoint
from ledger.audit.seal.note import split_note
from tests.seals import KEY, OTHER

PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PETERS_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETERS_SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
PETERS_NOTE = f"{PETERS_TEXT}\n— PeterNeumann {PETERS_SIGNATURE}\n"
"""Keys and note in the documentation of Go's package for notes, golang.org/x/mod/sumdb/note."""

CHECKPOINT = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— example.com/behind-the-sofa "
    "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
"""The example in the specification of checkpoints, C2SP tlog-checkpoint."""


def test_notes_are_those_of_go(tmp_path: Path) -> None:
    """The same seed gives the same verifier key, and the same text the same signed note, to the byte."""
    file = tmp_path / "key"
    file.write_text(f"{PETERS_SECRET}\n")
    key = SignerKey.read(file)
    assert (str(key.verifier), key.text()) == (PETER, PETERS_SECRET)
    assert key.sign(PETERS_TEXT) == PETERS_NOTE
    found = split_note(PETERS_NOTE.encode())
    assert found is not None
    text, (signature,) = found
    assert text == PETERS_TEXT.encode()
    verifier = VerifierKey.parse(PETER)
    assert verifier.made(signature)
    assert verifier.verifies(text, signature)
    assert not verifier.verifies(text.replace(b"think", b"thank"), signature)


def test_a_checkpoint_is_that_of_the_specification() -> None:
    """Origin, size and root are read; the text that is signed is the three lines."""
    found = SignedCheckpoint.parse(CHECKPOINT.encode())
    assert found is not None
    assert (found.checkpoint.origin, found.checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert found.checkpoint.text() == "".join(CHECKPOINT.splitlines(keepends=True)[:3])
    assert found.signatures[0].name == "example.com/behind-the-sofa"


def test_further_signatures_and_lines_are_let_be() -> None:
    """A witness may sign beside the origin, and a line may extend the text; both are of no consequence."""
    note = Checkpoint("example.com/books", 5, bytes(32)).signed(KEY)
    cosigned = note + note.splitlines(keepends=True)[-1].replace(b"example.com/books", b"witness.example")
    found = SignedCheckpoint.parse(cosigned)
    assert found is not None
    assert found.signed_by(KEY.verifier) is True
    assert found.signed_by(OTHER.verifier) is None
    extended = SignedCheckpoint.parse(KEY.sign(f"{found.checkpoint.text()}more\n").encode())
    assert extended is not None
    assert (extended.checkpoint, extended.signed_by(KEY.verifier)) == (found.checkpoint, True)


@given(st.data())
def test_no_changed_checkpoint_verifies(data: st.DataObject) -> None:
    """Any byte changed, removed or inserted: it is no checkpoint, or not of this key, or the signature fails."""
    note = Checkpoint("example.com/books", 12_345, bytes(range(32))).signed(KEY)
    at, byte = data.draw(st.integers(0, len(note) - 1)), bytes([data.draw(st.integers(0, 255))])
    for changed in (
        note[:at] + byte + note[at + 1 :],
        note[:at] + note[at + 1 :],
        note[:at] + byte + note[at:],
        note[:at],
    ):
        found = SignedCheckpoint.parse(changed)
        assert changed == note or found is None or not found.signed_by(KEY.verifier)


@pytest.mark.parametrize(
    "text",
    [
        "example.com/books\n05\n" + "A" * 43 + "=\n",
        "example.com/books\n-1\n" + "A" * 43 + "=\n",
        "example.com/books\n5\n" + "A" * 40 + "\n",
        "example.com/books\n5\n" + "A" * 42 + "B=\n",
        "example.com/books\n5\n",
        "\n5\n" + "A" * 43 + "=\n",
    ],
    ids=["leading zero", "negative", "short root", "two texts for a root", "no root", "no origin"],
)
def test_a_signed_text_that_is_no_checkpoint_is_none(text: str) -> None:
    """The form is strict: there is one text for each checkpoint."""
    assert SignedCheckpoint.parse(KEY.sign(text).encode()) is None


# ---- keys


def test_keygen_writes_a_new_file_for_its_owner_alone(tmp_path: Path) -> None:
    """Mode 0600 whatever the umask; the verifier key beside it; an existing file of either name is left as it is."""
    mask = os.umask(0)
    try:
        verifier = generate_key(tmp_path / "key", origin="example.com/books")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert SignerKey.read(tmp_path / "key").verifier == verifier
    assert read_verifier_key(str(tmp_path / "key.pub")) == verifier == read_verifier_key(str(verifier))
    secret = (tmp_path / "key").read_bytes()
    for taken in ("key", "key.pub"):
        with pytest.raises(InvalidArgument, match="it exists, and no key is ever replaced") as caught:
            generate_key(tmp_path / "key", origin="example.com/books")
        assert str(tmp_path / taken) in str(caught.value)
        assert (tmp_path / "key").exists() == (taken == "key")
        (tmp_path / "key").unlink(missing_ok=True)
    generate_key(tmp_path / "other", origin="example.com/books")
    assert (tmp_path / "other").read_bytes() != secret


def test_two_keys_differ_and_neither_is_shown() -> None:
    """A key is random, and its secret is in no representation."""
    one, other = SignerKey.generate("a"), SignerKey.generate("a")
    assert one.seed != other.seed
    assert repr(one) == "SignerKey(name='a')"


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\n", "a\u2003b", "a" * 201])
def test_a_name_that_no_key_may_have_is_refused(origin: str) -> None:
    """C2SP signed-note: a name has neither space nor plus."""
    with pytest.raises(InvalidArgument, match="origin is .*; expected 1 to 200 characters without space or plus"):
        SignerKey.generate(origin)


@pytest.mark.parametrize(
    "content",
    [
        PETER,
        PETERS_SECRET[:-4],
        PETERS_SECRET.replace("c74f20a3", "c74f20a4"),
        PETERS_SECRET.replace("PeterNeumann", "Peter"),
        "",
        "\udcff",
    ],
    ids=["verifier key", "cut off", "id of another", "name of another", "empty", "no text"],
)
def test_a_file_that_is_no_private_key_is_refused_without_a_word_of_it(tmp_path: Path, content: str) -> None:
    """The error names the file and the form, never the content."""
    file = tmp_path / "key"
    file.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(InvalidArgument, match="as keygen writes it") as caught:
        SignerKey.read(file)
    assert content[12:30] == "" or content[12:30] not in str(caught.value)


@pytest.mark.parametrize(
    "given_key", [PETER[:-1], PETER.replace("c74", "d74"), PETER.replace("+", "-"), "missing.pub", "a\0b"]
)
def test_a_verifier_key_that_is_none_is_refused(given_key: str) -> None:
    """Neither such a key nor such a file."""
    with pytest.raises(InvalidArgument, match="expected a verifier key"):
        read_verifier_key(given_key)


def test_the_private_key_is_no_verifier_key(tmp_path: Path) -> None:
    """Who confuses the two files is told, without a word of the secret."""
    (tmp_path / "key").write_text(PETERS_SECRET)
    for given_key in (str(tmp_path / "key"), PETERS_SECRET):
        with pytest.raises(InvalidArgument, match="ends in .pub; this is the private one") as caught:
            read_verifier_key(given_key)
        assert "AYEKFALV" not in str(caught.value)


def test_without_cryptography_an_error_names_the_extra(tmp_path: Path) -> None:
    """A real interpreter that cannot import it."""
    program = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from pathlib import Path\n"
        "from ledger.audit.seal import SealRefused, generate_key\n"
        "try:\n    generate_key(Path(sys.argv[1]), origin='a')\n"
        "except SealRefused as error:\n    print(error)\n"
    )
    command = (sys.executable, "-c", program, str(tmp_path / "key"))
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "install installment-ledger[audit]" in run.stdout
    assert not (tmp_path / "key").exists()
