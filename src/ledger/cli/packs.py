"""The commands that take a ledger away and bring it back: pack and import-pack."""

from pathlib import Path

from ledger.audit import verify
from ledger.audit.pack import pack as write_pack
from ledger.audit.unpack import import_pack as restore
from ledger.audit.unpack import verified_pack
from ledger.cli import rendering
from ledger.cli.options import AsJson, Interrupted, Location, UsageError, progress_bar
from ledger.cli.rendering import counted
from ledger.store import LAST, ReaderAddress, open_reader


def pack(*, to: Path, seal: Path | None = None, json: AsJson = False, location: Location) -> int:
    """Write the whole ledger to one zip file, for an auditor: events, schemas, findings and the program verify.py.

    The same events give the same bytes. The ledger is not changed.

    Parameters
    ----------
    to
        The new file.
    seal
        The folder of a seal, whose checkpoints and tiles are added.
    json
        Print JSON instead of text.
    """
    with (
        open_reader(ReaderAddress(location.url, location.name, LAST)) as reader,
        progress_bar(f"Packing to {to}") as progress,
    ):
        packed = write_pack(reader, to, seal=seal, progress=progress)
    if json:
        rendering.print_json(packed)
    else:
        rendering.say(f"{to}: {counted(packed.events, 'event')} in {packed.bytes:,} bytes.")
        rendering.say(f"Root {packed.root}")
    return 0


def import_pack(file: Path, *, json: AsJson = False, location: Location) -> int:
    """Restore a ledger from a pack into a new or empty one: the same events, byte for byte.

    The pack is verified first; one with findings is refused, and nothing is recorded. An import that was interrupted
    goes on when it is repeated.

    Parameters
    ----------
    file
        The pack.
    json
        Print JSON instead of text.
    """
    try:
        verified = verified_pack(file)
    except verify.Unusable as error:
        raise UsageError(str(error)) from error
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
