"""The report of a ledger: its plans replayed once, their figures, and the page."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime

from ledger.audit import Audit
from ledger.audit.language import Language
from ledger.audit.report import words
from ledger.audit.report.audited import audit_sections
from ledger.audit.report.figures import figures
from ledger.audit.report.page import Part, page
from ledger.audit.report.plan_histories import Life, life
from ledger.audit.report.sections import Cell, Sections, Table
from ledger.dates import EndOfDay, Known
from ledger.money import Money
from ledger.plan import Plan
from ledger.replay import replay
from ledger.store import EventReader
from ledger.telemetry import Progress


def report(
    reader: EventReader,
    *,
    as_of: date,
    known_at: Known | None = None,
    audit: Audit,
    language: Language,
    progress: Progress | None = None,
) -> str:
    """Return the report of a ledger on a date as HTML, with the result of its audit.

    The same events, date, instant and language give the same text. Raises `StoreUnavailable`.
    """
    by_currency: dict[str, list[Life]] = {}
    notes = [] if known_at is None else [language.say(words.KNOWN, {"known": _known(known_at)})]
    unreadable = 0
    for plan in _plans_of(reader, known_at, progress):
        if plan is None:
            unreadable += 1
        elif (found := life(plan, as_of)) is not None:
            by_currency.setdefault(found.periods[0].currency, []).append(found)
    if unreadable:
        notes.append(language.say(words.UNREADABLE, {"number": unreadable}))
    return page(
        title=language.say(words.TITLE),
        subtitle=language.say(words.SUBTITLE, {"ledger": reader.label, "date": as_of}),
        notes=notes,
        parts=[_part(currency, by_currency[currency], as_of, language) for currency in sorted(by_currency)],
        audit=audit_sections(audit, language),
        language=language,
    )


def _known(known_at: Known) -> date | datetime:
    return known_at.day if isinstance(known_at, EndOfDay) else known_at


def _plans_of(reader: EventReader, known_at: Known | None, progress: Progress | None) -> Iterator[Plan | None]:
    """Yield every plan; None for one that cannot be read."""
    done, plans = 0, reader.count()
    for replayed in replay(reader, known_at=known_at):
        yield from (one.plan for one in replayed)
        done += len(replayed)
        if progress is not None:
            progress(done, plans)


def _part(currency: str, lives: Sequence[Life], as_of: date, language: Language) -> Part:
    sections = Sections(figures(lives, currency=currency, as_of=as_of), language)
    parts = list(sections.all())
    return Part(currency, parts, sections.behind, _plans(currency, lives, as_of, language))


def _plans(currency: str, lives: Sequence[Life], as_of: date, language: Language) -> Table:
    """Return the plans, each with its standing on the date of the report."""
    rows = []
    for one in lives:
        period = one.on(as_of)
        assert period is not None
        days = one.days_past_due(as_of)
        rows.append(
            (
                Cell(one.plan_id, one.plan_id),
                Cell(period.investor, period.investor),
                Cell(period.partner or "", period.partner or ""),
                Cell(language.date(one.opened_on), one.opened_on.isoformat()),
                Cell(language.say(words.STATUSES[period.status]), period.status),
                Cell(language.number(days), days),
                *(Cell(language.money(Money(value, currency)), value) for value in (period.price, period.paid)),
                *(
                    Cell(language.number(value), value)
                    for value in (period.shares_credited, period.shares_promised, period.shares_forfeited)
                ),
            )
        )
    headings = (
        *(words.PLAN, words.INVESTOR, words.PARTNER, words.OPENED, words.STATUS, words.DAYS_PAST_DUE, words.PRICE),
        *(words.PAID, words.SHARES_CREDITED, words.SHARES_PROMISED, words.SHARES_FORFEITED),
    )
    caption = language.say(words.PLANS_IN, {"currency": currency})
    return Table(caption, tuple(map(language.say, headings)), rows)
