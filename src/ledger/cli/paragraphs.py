"""Paragraphs for people, wrapped to a width behind what stands before them; no word, amount or date is broken."""

from collections.abc import Iterator
from textwrap import wrap

_NARROWEST = 20
"""Columns that a text has, however far to the right it stands."""


def paragraph(text: str, *, width: int, first: str = "", others: str = "") -> Iterator[str]:
    """Yield the lines of a text, the first behind `first`, the others behind `others`; both are of one length."""
    room = max(width - len(first), _NARROWEST)
    for number, line in enumerate(wrap(text, room, break_long_words=False, break_on_hyphens=False)):
        yield (others if number else first) + line
