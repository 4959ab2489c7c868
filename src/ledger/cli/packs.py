"""The commands that take a ledger away and bring it back: pack and import-pack."""

from collections.abc import Iterator
from pathlib import Path

from ledger.audit import Finding, examine, verify
from ledger.audit.packs.pack import pack as write_pack
from ledger.audit.packs.unpack import import_pack as restore
from ledger.audit.packs.unpack import verified_pack
from ledger.cli import rendering
from ledger.cli.evidence import CouldNotRun, evidence
from ledger.cli.options import AsJson, Interrupted, Location, progress_bar
from ledger.cli.rendering import counted
from ledger.store import EventReader

_OF_A_DATABASE = ("sequence_counter", "sequence_gap", "sequence_order")
"""Findings about sequences, which no pack holds."""


def pack(*, to: Path, seal: Path | None = None, json: AsJson = False, location: Location) -> int:
    """Audit the ledger and write it to one zip file: events, schemas, findings, and verify.py, which checks it alone.

    The same events give the same bytes. Nothing is changed. Exit code 1 with findings, which are packed too, 2 if the
    ledger could not be read or the file not be written.

    Parameters
    ----------
    to
        The new file.
    seal
        The folder of a seal, whose checkpoints and tiles are added.
    json
        Print JSON instead of text.
    """
    with evidence(location) as ledger, progress_bar(f"Packing to {to}") as progress:
        reader = ledger.store.at(ledger.store.last_sequence())
        packed = write_pack(reader, to, seal=seal, findings=_findings(reader), progress=progress)
    if json:
        rendering.print_json(packed)
    else:
        findings = counted(packed.findings, "finding") if packed.findings else "no findings"
        rendering.say(f"{to}: {counted(packed.events, 'event')}, {findings}, {packed.bytes:,} bytes.")
        rendering.say(f"Root {packed.root}")
    return 1 if packed.findings else 0


def _findings(reader: EventReader) -> Iterator[Finding]:
    """Yield what an audit finds in the events, whatever database they lie in."""
    for item in examine(reader):
        if isinstance(item, Finding) and item.kind not in _OF_A_DATABASE:
            yield item


def import_pack(file: Path, *, json: AsJson = False, location: Location) -> int:
    """Restore a ledger from a pack into a new or empty one: the same events, byte for byte.

    The pack is verified first; one with findings is refused, and nothing is recorded. An import that was interrupted
    goes on when it is repeated. Exit code 1 if it was refused, 2 if the file is no pack.

    Parameters
    ----------
    file
        The pack.
    json
        Print JSON instead of text.
    """
    try:
        with progress_bar(f"Verifying {file}") as verifying:
            verified = verified_pack(file, progress=verifying)
    except verify.Unusable as error:
        raise CouldNotRun(str(error)) from error
    done, events = 0, verified.result.events
    with location.create() as ledger, progress_bar(f"Importing {file}") as show:

        def progress(recorded: int, total: int) -> None:
            nonlocal done
            done = recorded
            show(recorded, total)

        try:
            imported = restore(ledger.store, verified, progress=progress)
        except KeyboardInterrupt:
            kept = f"{done:,} of {counted(events, 'event')} are recorded and kept"
            raise Interrupted(f"{kept}; run the same import again for the rest") from None
    if json:
        rendering.print_json(imported)
    else:
        streams = f"{counted(imported.plans, 'plan')}, {counted(imported.receipts, 'receipt')}"
        rendering.say(f"{file}: {counted(imported.events, 'event')} of {streams}; {imported.new:,} new.")
        rendering.say(f"Root {imported.root}")
    return 0
