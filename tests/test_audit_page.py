"""The page of findings: the table of all kinds, as the code has them."""

import re
from pathlib import Path

from ledger.audit import ACTS, KINDS
from ledger.audit.examination.kinds import SECTIONS

PAGE = Path(__file__).parents[1] / "docs" / "audit-findings.md"

_ROW = re.compile(r"^\| `(?P<kind>\w+)` \| (?P<meaning>.*?) \| (?P<section>.*?) \|$", re.MULTILINE)


def test_the_page_has_every_kind_of_finding_with_its_meaning() -> None:
    """No kind is missing, none is left from before, and each says what the code says."""
    assert {row["kind"]: row["meaning"] for row in _ROW.finditer(PAGE.read_text())} == dict(KINDS)


def test_the_page_names_the_section_that_a_kind_violates() -> None:
    """The section of the rules, or the page and its heading, as the findings have it."""
    shown = {row["kind"]: row["section"] for row in _ROW.finditer(PAGE.read_text())}
    for kind, section in SECTIONS.items():
        number = re.fullmatch(r"RULES.md (section \d+)", section)
        page = re.fullmatch(r"docs/([\w-]+).md, (.+)", section)
        assert (number is None) != (page is None), section
        expected = number[1] if number else f"[{page[1]}]({page[1]}.md), {page[2]}" if page else ""
        assert shown[kind] == expected
        if page:
            assert f"## {page[2]}" in PAGE.with_name(f"{page[1]}.md").read_text()


def test_the_page_has_every_discretionary_act() -> None:
    """Each kind of act with its meaning."""
    for kind, meaning in ACTS.items():
        assert f"| {kind.replace('_', ' ')} | {meaning} |" in PAGE.read_text()
