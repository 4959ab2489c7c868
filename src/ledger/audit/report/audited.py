"""The sections of the page about the audit: acts at discretion, and findings, quoted as the audit gives them."""

from collections.abc import Iterator

from ledger.audit import ACTS, Audit, DiscretionaryAct, Finding
from ledger.audit.language import Language
from ledger.audit.messages import Sentence
from ledger.audit.report import words
from ledger.audit.report.sections import Cell, Section, Table


def audit_sections(found: Audit, language: Language) -> list[Section]:
    """Return the sections of an audit's acts and findings; their sentences are in English in every language."""
    sections = _Sections(language)
    return [sections.acts(found.acts), sections.findings(found.findings)]


class _Sections:
    def __init__(self, language: Language) -> None:
        self._language = language
        self._say = language.say

    def acts(self, acts: tuple[DiscretionaryAct, ...]) -> Section:
        """Return the acts with their effects."""
        headings = (
            *(words.PLAN, words.ACT, words.ON, words.RECORDED, words.ACTOR),
            *(words.PAID, words.SHARES_CREDITED, words.SHARES_FORFEITED, words.BONUS_SHARES),
        )
        return self._section("acts", headings, [tuple(self._act(act)) for act in acts])

    def findings(self, findings: tuple[Finding, ...]) -> Section:
        """Return the findings with their places."""
        headings = (words.PLACE, words.FINDING, words.RULE, words.EXPECTED, words.FOUND)
        rows = [
            tuple(Cell(text, text) for text in (_place(one), one.kind, one.rule, one.expected, one.found))
            for one in findings
        ]
        return self._section("findings", headings, rows)

    def _act(self, act: DiscretionaryAct) -> Iterator[Cell]:
        date, effect = self._language.date, act.effect
        yield Cell(act.plan_id, act.plan_id)
        yield Cell(f"{ACTS[act.kind]} {act.what}", act.kind)
        yield Cell(date(act.effective_on), act.effective_on.isoformat())
        yield Cell(date(act.recorded_at), act.recorded_at.isoformat())
        yield Cell(act.actor or "", act.actor or "")
        if effect is not None:
            yield Cell(self._language.money(effect.paid), effect.paid.minor)
            bonus = effect.bonus_credited + effect.bonus_promised
            for shares in (effect.shares_credited, effect.shares_forfeited, bonus):
                yield Cell(self._language.number(shares), shares)
        else:
            yield from [Cell("", 0)] * 4

    def _section(self, name: str, headings: tuple[Sentence, ...], rows: list[tuple[Cell, ...]]) -> Section:
        title, note = map(self._say, words.SECTIONS[name])
        return Section(name=name, title=title, note=note, table=Table(title, tuple(map(self._say, headings)), rows))


def _place(finding: Finding) -> str:
    """Return the place of a finding: its stream, version and sequence, as far as it has them."""
    parts = (
        finding.plan_id or finding.receipt,
        None if finding.version is None else f"version {finding.version}",
        None if finding.sequence is None else f"sequence {finding.sequence}",
    )
    return ", ".join(part for part in parts if part) or "ledger"
