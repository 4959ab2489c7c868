"""The command `audit`: every finding, then what is allowed and listed, then the summary."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from textwrap import wrap

from ledger.audit import KINDS, DiscretionaryAct, Finding, SharedReference, Summary, examine
from ledger.audit.examination.run import Check, Item
from ledger.audit.seal import check_seal, read_verifier_key
from ledger.cli import rendering
from ledger.cli.evidence import evidence
from ledger.cli.options import AsJson, Interrupted, Location, UsageError, progress_bar
from ledger.cli.parallel import HERE, Parallel
from ledger.cli.rendering import counted
from ledger.cli.tables import Column, Table, print_table, width_of_output
from ledger.errors.excerpt import visible

_SHOWN = 1_000
"""Rows of a table, at most: JSON has them all."""


def audit(
    *,
    seal: Path | None = None,
    key: str | None = None,
    witness: Sequence[Path] = (),
    parallel: Parallel = HERE,
    json: AsJson = False,
    location: Location,
) -> int:
    """Check every event, derive every outcome again, and report all findings. Nothing is changed.

    Exit code 0 if nothing is wrong, 1 with findings, 2 if the ledger could not be read.

    Parameters
    ----------
    seal
        Also check the events against the seal in this folder.
    key
        The verifier key of the seal, or its file, from elsewhere; default: the one that lies with the seal.
    witness
        An older checkpoint of the seal that somebody else has kept; may be repeated.
    json
        Print JSON Lines: a finding each, then the acts, the shared references, and the summary, each under its name.
    """
    report = _JsonLines() if json else _Text()
    done = found = total = 0
    with evidence(location) as ledger, progress_bar("Auditing") as bar:

        def progress(streams: int, of: int) -> None:
            nonlocal done, total
            done, total = streams, of
            bar(streams, of)

        checks = _checks(seal, key, witness)
        try:
            with (
                parallel.workers() as workers,
                closing(
                    examine(ledger, checks=checks, processes=parallel.processes, workers=workers, progress=progress)
                ) as items,
            ):
                for item in items:
                    found += isinstance(item, Finding)
                    report.show(item)
        except KeyboardInterrupt:
            so_far = f"{done:,} of {counted(total, 'stream')} audited, {counted(found, 'finding')} so far"
            raise Interrupted(f"{so_far}; nothing was changed") from None
    report.end()
    return 1 if found else 0


def _checks(seal: Path | None, key: str | None, witnesses: Sequence[Path]) -> Sequence[Check]:
    """Return the check of a seal, if there is one. Raises `InvalidArgument` for a key that is none."""
    if seal is None:
        if key is not None or witnesses:
            raise UsageError("--key and --witness belong to a seal: name its folder with --seal")
        return ()
    verifier = None if key is None else read_verifier_key(key)
    return (partial(check_seal, folder=seal, key=verifier, witnesses=witnesses),)


class _JsonLines:
    """Each item as one line of JSON: a finding as it is, anything else under its name."""

    def show(self, item: Item) -> None:
        """Print an item."""
        match item:
            case Finding():
                rendering.print_json_line(item)
            case DiscretionaryAct():
                rendering.print_json_line({"act": item})
            case SharedReference():
                rendering.print_json_line({"shared_reference": item})
            case Summary():
                rendering.print_json_line({"summary": item})

    def end(self) -> None:
        """Do nothing: everything is printed."""


class _Text:
    """Findings as they come, by plan; what is allowed in tables; the summary."""

    def __init__(self) -> None:
        self._place: str | None = None
        self._acts: list[DiscretionaryAct] = []
        self._references: list[SharedReference] = []
        self._summary: Summary | None = None

    def show(self, item: Item) -> None:
        """Print a finding; keep what is printed at the end."""
        match item:
            case Finding():
                self._show(item)
            case DiscretionaryAct():
                if len(self._acts) < _SHOWN:
                    self._acts.append(item)
            case SharedReference():
                if len(self._references) < _SHOWN:
                    self._references.append(item)
            case Summary():
                self._summary = item

    def _show(self, finding: Finding) -> None:
        place = _place(finding)
        if place != self._place:
            self._place = place
            rendering.say(place)
        for line in _lines(finding, width=width_of_output()):
            print(line)
        print()

    def end(self) -> None:
        """Print what is allowed, and the summary."""
        summary = self._summary
        if summary is None:
            return
        if self._acts:
            print_table(acts_table(self._acts, title=_title("discretionary act", sum(summary.acts.values()))))
        if self._references:
            title = _title("reference", summary.shared_references, of="in several plans")
            print_table(references_table(self._references, title=title))
        for sentence in summary_lines(summary):
            for line in wrap(visible(sentence), width_of_output(), break_long_words=False, break_on_hyphens=False):
                print(line)


def _place(finding: Finding) -> str:
    if finding.plan_id is not None:
        return f"Plan {finding.plan_id}"
    return "Ledger" if finding.receipt is None else f"Receipt {finding.receipt}"


def _lines(finding: Finding, *, width: int) -> Iterator[str]:
    """Yield a finding in lines: its place and kind, its meaning, expected and found, each wrapped."""
    where = "" if finding.version is None else f"version {finding.version}"
    if finding.sequence is not None:
        where += f"{', ' if where else ''}sequence {finding.sequence}"
    yield from _wrapped(f"{where}: {finding.kind}" if where else finding.kind, "  ", width)
    yield from _wrapped(f"{KINDS[finding.kind]} ({finding.rule})", "    ", width)
    yield from _wrapped(finding.expected, "    ", width, name="expected")
    yield from _wrapped(finding.found, "    ", width, name="found")


def _wrapped(text: str, indent: str, width: int, *, name: str = "") -> Iterator[str]:
    label = f"{name:<10}" if name else ""
    following = indent + " " * len(label)
    yield from wrap(
        visible(text), width, initial_indent=indent + label, subsequent_indent=following, break_on_hyphens=False
    )


def _title(noun: str, number: int, *, of: str = "") -> str:
    title = f"{counted(number, noun)}{' ' if of else ''}{of}"
    return title if number <= _SHOWN else f"The first {_SHOWN:,} of {title}; --json lists all"


def acts_table(acts: Sequence[DiscretionaryAct], *, title: str) -> Table:
    """Return acts at discretion with their effect on money and shares. The acts, plans and dates stay in the row."""
    columns = (
        Column("Act"),
        Column("Plan"),
        Column("Version", number=True),
        Column("Effective"),
        Column("Recorded"),
        Column("Actor", leaves=8, below="actor"),
        Column("Paid", number=True, leaves=10, below="paid"),
        Column("Unapplied", number=True, leaves=7, below="unapplied"),
        Column("Credited", number=True, leaves=9, below="credited"),
        Column("Promised", number=True, leaves=6, below="promised"),
        Column("Forfeited", number=True, leaves=5, below="forfeited"),
        Column("Bonus", number=True, leaves=4, below="bonus"),
        Column("Approved by", leaves=3, below="approved by"),
        Column("What", leaves=2, below="of"),
    )
    return Table(title, columns, [_act_cells(act) for act in acts])


def _act_cells(act: DiscretionaryAct) -> tuple[str, ...]:
    effect = act.effect
    figures = (
        ("",) * 6
        if effect is None
        else (
            f"{effect.paid:,}" if effect.paid.minor else "",
            f"{effect.unapplied:,}" if effect.unapplied.minor else "",
            *(
                f"{shares:+,}" if shares else ""
                for shares in (
                    effect.shares_credited,
                    effect.shares_promised,
                    effect.shares_forfeited,
                    effect.bonus_credited + effect.bonus_promised,
                )
            ),
        )
    )
    return (
        act.kind.replace("_", " "),
        act.plan_id,
        str(act.version),
        str(act.effective_on),
        act.recorded_at.date().isoformat(),
        act.actor or "",
        *figures,
        act.approved_by or "",
        act.what,
    )


def references_table(references: Sequence[SharedReference], *, title: str) -> Table:
    """Return references that payments of several plans have."""
    columns = (Column("Reference"), Column("Plans", number=True), Column("Among them", text=True, narrowest=20))
    rows = [(one.reference, f"{one.plans:,}", ", ".join(one.plan_ids)) for one in references]
    return Table(title, columns, rows)


def summary_lines(summary: Summary) -> Iterator[str]:
    """Yield the summary in sentences."""
    read = f"{counted(summary.plans, 'plan')}, {counted(summary.receipts, 'receipt')}, "
    yield f"Audited {read}{counted(summary.events, 'event')} up to sequence {summary.through:,} of {summary.store}."
    if summary.gaps:
        yield f"{counted(summary.gaps, 'sequence')} up to it without an event, which is allowed."
    if summary.acts:
        yield f"At discretion: {_counts({kind.replace('_', ' '): count for kind, count in summary.acts.items()})}."
    if summary.read_models:
        yield f"Compared with a replay: {', '.join(summary.read_models)}."
    for sentence in summary.unchecked:
        yield f"Not checked: {sentence}"
    total = sum(summary.findings.values())
    yield f"{counted(total, 'finding')}: {_counts(summary.findings)}." if total else "No findings."


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
