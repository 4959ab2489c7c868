"""Pack: a ledger in one zip file that an auditor takes home, and that needs no part of this library to be verified.

The same events give the same bytes, whatever store they lie in: members are stored, not compressed, in one order, with
one date; events carry no sequence, their order says their rank. docs/packs.md specifies every member.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import attrs
import msgspec

from ledger.audit import verify
from ledger.audit.exports.files import new_file
from ledger.audit.finding import Finding
from ledger.audit.seal.leaf import leaf
from ledger.errors import InvalidArgument, StoreUnavailable
from ledger.events import PLAN, RECEIPT
from ledger.store import LAST, EventReader, RawEvent
from ledger.telemetry import Progress

_PAGE = 5_000
"""Events in memory at a time."""

_MODE = 0o100644 << 16
"""A regular file that everybody may read."""

_encode = msgspec.json.Encoder(order="sorted").encode


@attrs.frozen(kw_only=True)
class Packed:
    """A pack that was written: the numbers of events and findings, its root in hexadecimal, and its size in bytes."""

    file: str
    events: int
    findings: int
    root: str
    bytes: int


def pack(
    reader: EventReader,
    to: Path,
    *,
    seal: Path | None = None,
    findings: Iterable[Finding] = (),
    progress: Progress | None = None,
) -> Packed:
    """Write all events of a ledger to a new zip file, with what an auditor needs to verify them.

    `seal` is the folder of a seal, whose checkpoints and tiles are added; `findings` are those of an audit. Nothing is
    judged here: damaged events are packed as they are stored. Raises `InvalidArgument` for a file that exists or cannot
    be written and for a folder that is no seal, `StoreUnavailable` if the ledger or the seal cannot be read.
    """
    sealed = _seal_files(seal) if seal is not None else []
    with new_file(to, argument="file") as file, ZipFile(file, "w", ZIP_STORED) as archive:
        events, root, listed = _write(archive, reader, sealed, findings, progress)
    return Packed(file=str(to), events=events, findings=listed, root=root, bytes=to.stat().st_size)


def _write(
    archive: ZipFile,
    reader: EventReader,
    sealed: Iterable[tuple[str, Path]],
    findings: Iterable[Finding],
    progress: Progress | None,
) -> tuple[int, str, int]:
    """Write all members; return the number of events, their root, and the number of findings."""
    home, digests = files("ledger"), verify.Digests()
    _member(archive, "README.md", [home.joinpath("audit", "packs", "pack_readme.md").read_bytes()], digests)
    _member(archive, "verify.py", [home.joinpath("audit", "verify.py").read_bytes()], digests)
    for schema in sorted(home.joinpath("events", "schemas").iterdir(), key=lambda one: one.name):
        _member(archive, f"schemas/{schema.name}", [schema.read_bytes()], digests)
    for name, path in sealed:
        _member(archive, name, [_read(path)], digests)
    tree, events = verify.Tree(), reader.at(reader.last_sequence())  # after the seal: it has no later events
    _member(archive, "events.jsonl", _events(events, tree, progress))
    listed = _member(archive, "findings.jsonl", map(_finding_line, findings), digests)
    root = tree.root().hex()
    contents = {
        "format": verify.FORMAT,
        "events": tree.size,
        "plans": events.count(kind=PLAN),
        "receipts": events.count(kind=RECEIPT),
        "root": root,
        "members": digests.shown(),
    }
    _member(archive, "pack.json", [_encode(contents) + b"\n"])
    return tree.size, root, listed


def _member(archive: ZipFile, name: str, parts: Iterable[bytes], digests: verify.Digests | None = None) -> int:
    """Write a member part by part, with nothing in its header that depends on place or time; return their number."""
    take = None if digests is None else digests.begin(name)
    info = ZipInfo(name)  # of 1980-01-01
    info.create_system = 3  # Unix, on every system
    info.external_attr = _MODE
    number = 0
    with archive.open(info, "w", force_zip64=True) as member:
        for part in parts:
            member.write(part)
            if take is not None:
                take(part)
            number += 1
    return number


def _events(reader: EventReader, tree: verify.Tree, progress: Progress | None) -> Iterator[bytes]:
    """Yield the lines of the events in the order of sequence; each becomes a leaf of the tree."""
    last, after = reader.last_sequence(), -LAST  # one below 1 was written by hand
    while page := reader.raw_events(after=after, limit=_PAGE):
        for event in page:
            tree.add(sha256(b"\0" + leaf(event)).digest())
        yield b"".join(map(_event_line, page))
        after = page[-1].sequence
        if progress is not None:
            progress(max(0, after), last)


def _event_line(event: RawEvent) -> bytes:
    """Return the line of an event: its state as text or, where it is not that of an event, its bytes in base64."""
    line = {"kind": event.kind, "stream_id": event.stream_id, "version": event.version, "tag": event.tag}
    try:
        return _encode({**line, "state": event.state.decode()}) + b"\n"
    except UnicodeDecodeError:
        return _encode({**line, "state_base64": event.state}) + b"\n"


def _finding_line(finding: Finding) -> bytes:
    """Return the line of a finding, without the sequence: another store may have another one for the same event."""
    shown = attrs.asdict(finding)
    del shown["sequence"]
    return _encode(shown) + b"\n"


def _seal_files(folder: Path) -> list[tuple[str, Path]]:
    """Return the files of a seal that belong in a pack, by their names in it. Raises `InvalidArgument`."""
    if not (folder / "checkpoint").is_file():
        raise InvalidArgument(argument="seal", given=str(folder), expected="the folder of a seal, with its checkpoint")
    found = [(f"seal/{path.relative_to(folder).as_posix()}", path) for path in folder.rglob("*") if path.is_file()]
    return sorted(one for one in found if verify.MEMBER.fullmatch(one[0]))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreUnavailable(store=f"Seal file {path}", reason=reason, remedy="pack it again") from error
