"""Paragraphs for people, wrapped to a width behind what stands before them; nothing joined by a fixed space is broken.

A fixed space (U+00A0) joins an amount and its currency, or the groups of a number. It is printed as a plain one, so
that what is read can be searched for.
"""

from collections.abc import Iterator
from textwrap import wrap

_FIXED = "\N{NO-BREAK SPACE}"

_NARROWEST = 20
"""Columns that a text has, however far to the right it stands."""


def paragraph(text: str, *, width: int, first: str = "", others: str = "") -> Iterator[str]:
    """Yield the lines of a text, the first behind `first`, the others behind `others`; both are of one length."""
    room = max(width - len(first), _NARROWEST)
    for number, line in enumerate(wrap(text, room, break_long_words=False, break_on_hyphens=False)):
        yield (others if number else first) + line.replace(_FIXED, " ")
