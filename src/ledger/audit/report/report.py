"""The report of a ledger: its plans replayed once, their figures, and the page."""

from collections.abc import Iterator, Sequence
from datetime import date

from ledger.audit.report.figures import figures
from ledger.audit.report.language import Language
from ledger.audit.report.lives import Life, life
from ledger.audit.report.page import Part, page
from ledger.audit.report.sections import Cell, Section, Sections, Table
from ledger.dates import Known
from ledger.money import Money
from ledger.replay import replay
from ledger.store import EventReader


def report(
    reader: EventReader,
    *,
    as_of: date,
    known_at: Known | None = None,
    audit: Sequence[Section] = (),
    language: Language,
) -> str:
    """Return the report of a ledger on a date as HTML. The same events, date and instant give the same text."""
    by_currency: dict[str, list[Life]] = {}
    for found in _lives(reader, as_of, known_at):
        by_currency.setdefault(found.periods[0].currency, []).append(found)
    _ = language.gettext
    known = _("As known at {instant}.").format(instant=known_at) if known_at else ""
    return page(
        title=_("Report of the ledger"),
        subtitle=_("{ledger}, on {day}").format(ledger=reader.label, day=language.day(as_of)),
        notes=[known] if known else [],
        parts=[_part(currency, by_currency[currency], as_of, language) for currency in sorted(by_currency)],
        audit=audit,
        language=language,
    )


def _lives(reader: EventReader, as_of: date, known_at: Known | None) -> Iterator[Life]:
    for replayed in replay(reader, known_at=known_at):
        for one in replayed:
            if one.plan is not None and (found := life(one.plan, as_of)) is not None:
                yield found


def _part(currency: str, lives: Sequence[Life], as_of: date, language: Language) -> Part:
    sections = Sections(figures(lives, currency=currency, as_of=as_of), language)
    parts = list(sections.all())
    return Part(currency, parts, sections.behind, _plans(currency, lives, as_of, language))


def _plans(currency: str, lives: Sequence[Life], as_of: date, language: Language) -> Table:
    """Return the plans, each with its standing on the date of the report."""
    _ = language.gettext
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
                Cell(language.day(one.opened_on), one.opened_on.isoformat()),
                Cell(language.status(period.status), period.status),
                Cell(language.number(days), days),
                *(Cell(language.money(Money(value, currency)), value) for value in (period.price, period.paid)),
                *(
                    Cell(language.number(value), value)
                    for value in (period.shares_credited, period.shares_promised, period.shares_forfeited)
                ),
            )
        )
    headings = (
        *(_("Plan"), _("Investor"), _("Partner"), _("Opened"), _("Status"), _("Days past due"), _("Price"), _("Paid")),
        *(_("Shares credited"), _("Shares promised"), _("Shares forfeited")),
    )
    return Table(_("Plans in {currency}").format(currency=currency), headings, rows)
