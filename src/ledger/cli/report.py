"""The command that writes the report for people."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

from ledger.audit import audit
from ledger.audit.exports.files import new_file
from ledger.audit.language import language
from ledger.cli import rendering
from ledger.cli.evidence import evidence
from ledger.cli.explain import Lang
from ledger.cli.options import AsOf, KnownAt, Location, QuestionOptions, UsageError, progress_bar


def report(*, out: Path, lang: Lang = "en", as_of: AsOf = None, known_at: KnownAt = None, location: Location) -> None:
    """Write a page for people: the portfolio over time, arrears, cohorts, promises, acts at discretion and findings.

    One self-contained HTML file, which loads nothing. Each number is linked to the rows behind it.

    Parameters
    ----------
    out
        The new file.
    lang
        The language of the page: English, Hindi or Russian.
    as_of
        The date of the report, such as 2024-06-30; default: the day of --known-at, else today, in UTC.
    known_at
        As the ledger knew it at this instant, such as 2024-06-30T12:00:00+00:00, or at the end of this day.
    """
    asked, spoken, page_of = QuestionOptions(as_of=as_of, known_at=known_at), language(lang), _renderer()
    with new_file(out, argument="--out") as file, evidence(location) as ledger:
        with progress_bar("Auditing") as progress:
            audited = audit(ledger, progress=progress)
        with progress_bar(f"Writing {out}") as progress:
            page = page_of(
                ledger.store, as_of=_day(asked), known_at=asked.known, audit=audited, language=spoken, progress=progress
            )
        size = file.write(page.encode())
    rendering.say(f"Wrote {out}, {size:,} bytes.")


def _renderer() -> Callable[..., str]:
    """Return the function that makes the page; its libraries are loaded by this command only."""
    try:
        from ledger.audit.report.report import report as page_of  # noqa: PLC0415 - as said
    except ImportError as error:
        raise UsageError(f"report needs {error.name}: install installment-ledger[audit]") from None
    return page_of


def _day(asked: QuestionOptions) -> date:
    """Return the one date of a report on plans of many time zones."""
    if asked.as_of is not None:
        return asked.as_of
    at = asked.known_at or datetime.now(UTC)
    return at.astimezone(UTC).date() if isinstance(at, datetime) else at
