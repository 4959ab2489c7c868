"""The command that hands the books to other programs: export."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ledger.audit.exports import Form
from ledger.audit.exports import export as write
from ledger.cli import rendering
from ledger.cli.evidence import reading
from ledger.cli.options import AsJson, KnownAt, Location, known_by, progress_bar
from ledger.cli.rendering import counted

To = Annotated[Path, Parameter(name="--to")]


def export(form: Form, *, to: To, known_at: KnownAt = None, json: AsJson = False, location: Location) -> None:
    """Write the whole ledger as double entry, one transaction per event, for other programs to check and add up.

    hledger, beancount, csv and jsonl are written to a file, parquet to a folder (extra audit).

    Parameters
    ----------
    form
        hledger, beancount, csv, jsonl or parquet.
    to
        A path that does not exist yet.
    known_at
        As the ledger knew it at this instant, such as 2024-06-30T12:00:00+00:00, or at the end of this day.
    json
        Print JSON instead of text.
    """
    with reading(location) as reader, progress_bar(f"Writing {to}") as progress:
        written = write(reader, form, to, known_at=known_by(known_at), progress=progress)
    if json:
        rendering.print_json({"to": str(to), "form": form, "exported": written})
        return
    receipts = f" and {counted(written.receipts, 'receipt')}" if written.receipts else ""
    events = f"{counted(written.events, 'event')} of {counted(written.plans, 'plan')}{receipts}"
    rendering.say(f"{events}, up to sequence {written.through:,}, written to {to}.")
