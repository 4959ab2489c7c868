"""Tables for people: nothing is cut off. Where it is narrow, columns leave the row, in a stated order, for lines below.

Data are shown as they are, without markup; characters that do not print, or change the direction of reading, are shown
as escapes. A table of any length takes time in proportion to it.
"""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

import attrs
from rich.cells import cell_len

from ledger.errors.excerpt import visible

_WIDTH_WITHOUT_TERMINAL = 120
_WIDTH_OF_UNKNOWN_TERMINAL = 80
_NARROWEST = 20
"""Columns of a terminal: what claims to be narrower is taken for this."""

_GAPS = (3, 2, 1)
"""Spaces between columns; the widest that fits."""

_INDENT = "  "


@attrs.frozen
class Column:
    """A column: its heading, and how it behaves where the terminal is narrow.

    Columns with a `leaves` go first, in its order, to the lines below the row, under the name `below`; the others
    follow, the last one first, and the first column stays. A `text` column wraps at `narrowest` or more.
    """

    heading: str
    number: bool = False
    leaves: int | None = None
    below: str = ""
    text: bool = False
    narrowest: int = 0


@attrs.frozen
class Table:
    """A title, columns, and rows of one cell per column.

    `balances`: the columns that leave the row are running balances, shown below it only where they change.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    balances: bool = False


def width_of_output() -> int:
    """Return the width of standard output: that of the terminal or `COLUMNS`; 120 for a pipe or a file."""
    fallback = _WIDTH_OF_UNKNOWN_TERMINAL if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL
    if not sys.stdout.isatty() and not os.environ.get("COLUMNS", "").isdecimal():
        return fallback
    return max(shutil.get_terminal_size((fallback, 24)).columns, _NARROWEST)


def styled_output() -> bool:
    """Return whether standard output is a terminal that understands styles."""
    plain = os.environ.get("TERM") in ("dumb", "unknown") or "NO_COLOR" in os.environ
    return sys.stdout.isatty() and not plain


def print_table(table: Table) -> None:
    """Print a table and an empty line."""
    style = styled_output()
    for number, line in enumerate(lines_of(table, width=width_of_output())):
        print(f"\x1b[1m{line}\x1b[0m" if style and number == 0 else line)
    print()


def lines_of(table: Table, *, width: int) -> Iterator[str]:
    """Yield the lines of a table for a width, without spaces at their ends. Empty columns are left out."""
    cells = [[visible(cell) for cell in row] for row in table.rows]
    shown = [number for number in range(len(table.columns)) if not cells or any(row[number] for row in cells)]
    layout = _layout(
        [table.columns[number] for number in shown], [[row[number] for number in shown] for row in cells], width
    )
    yield from wrap(visible(table.title), width) or [""]
    yield ""
    yield from layout.heading()
    before: list[str] = []
    for row in cells:
        across, below = layout.row([row[number] for number in shown])
        yield from across
        if not (table.balances and below == before):
            yield from below
        before = below


@attrs.frozen
class _Layout:
    """The columns in the row, with their widths, and those below it."""

    columns: Sequence[Column]
    across: Sequence[int]
    widths: dict[int, int]
    gap: int
    below: Sequence[int]
    width: int

    def heading(self) -> Iterator[str]:
        """Yield the headings, at the bottom of as many lines as the longest takes, and the rule below them."""
        wrapped = {number: wrap(self.columns[number].heading, self.widths[number]) or [""] for number in self.across}
        height = max(map(len, wrapped.values()))
        yield from self._rows({number: [""] * (height - len(lines)) + lines for number, lines in wrapped.items()})
        yield "─" * min(sum(self.widths.values()) + self.gap * (len(self.across) - 1), self.width)

    def row(self, cells: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return the lines of a row, and those below it."""
        across = list(self._rows({number: self._cell(number, cells[number]) for number in self.across}))
        items = [(self.columns[number], cells[number]) for number in self.below if cells[number]]
        named = [f"{column.below or column.heading} {cell}" for column, cell in items]
        return across, list(_joined(named, [column.text for column, _ in items], self.width))

    def _cell(self, number: int, text: str) -> list[str]:
        if not self.columns[number].text:
            return [text]
        return wrap(text, self.widths[number], break_on_hyphens=False, break_long_words=False) or [""]

    def _rows(self, cells: dict[int, list[str]]) -> Iterator[str]:
        for at in range(max(map(len, cells.values()))):
            parts = (self._padded(number, cell[at] if at < len(cell) else "") for number, cell in cells.items())
            yield (" " * self.gap).join(parts).rstrip()

    def _padded(self, number: int, text: str) -> str:
        space = " " * (self.widths[number] - cell_len(text))
        return space + text if self.columns[number].number else text + space


def _layout(columns: Sequence[Column], cells: Sequence[Sequence[str]], width: int) -> _Layout:
    """Return the first layout that fits: with as few columns below the row, and with gaps as wide, as possible."""
    widths = {number: _width(column, [row[number] for row in cells]) for number, column in enumerate(columns)}
    across, below = list(range(len(columns))), list[int]()
    leaving = iter(_leaving(columns))
    while True:
        for gap in _GAPS:
            free = width - sum(widths[number] for number in across) - gap * (len(across) - 1)
            if free >= 0 or len(across) == 1:
                taken = {number: widths[number] for number in across}
                _widen(columns, [[row[number] for row in cells] for number in across], taken, max(free, 0))
                return _Layout(columns, across, taken, gap, sorted(below), width)
        leaves = next(leaving)
        across.remove(leaves)
        below.append(leaves)


def _leaving(columns: Sequence[Column]) -> Iterator[int]:
    """Yield the columns in the order in which they leave the row."""
    stated = {number: column.leaves for number, column in enumerate(columns) if column.leaves is not None}
    yield from sorted(stated, key=lambda number: stated[number])
    yield from (number for number in reversed(range(1, len(columns))) if number not in stated)


def _width(column: Column, cells: Iterable[str]) -> int:
    """Return the least width of a column: its longest cell, or for text its longest word or `narrowest`."""
    longest = max(map(cell_len, cells), default=0)
    if column.text:
        return min(max(longest, 1), column.narrowest)
    return max(longest, *map(cell_len, column.heading.split() or [""]), 1)


def _widen(columns: Sequence[Column], cells: Sequence[Sequence[str]], widths: dict[int, int], free: int) -> None:
    """Give the free space to the columns of text, as far as they need it."""
    for (number, width), texts in zip(list(widths.items()), cells, strict=True):
        if columns[number].text:
            wanted = max(map(cell_len, texts), default=0)
            widths[number] = width + min(free, max(wanted - width, 0))
            free -= widths[number] - width


def _joined(items: Sequence[str], texts: Sequence[bool], width: int) -> Iterator[str]:
    """Yield items on indented lines, as many on each as fit, none broken but a text that fits on no line."""
    line = ""
    for number, (item, text) in enumerate(zip(items, texts, strict=True), 1):
        longer = f"{line}; {item}" if line else _INDENT + item
        end = ";" if number < len(items) else ""
        if line and cell_len(longer + end) > width:
            yield f"{line};"
            longer = _INDENT + item
        line = longer
        if text and cell_len(line + end) > width:
            yield from wrap(
                line + end, width, subsequent_indent=2 * _INDENT, break_on_hyphens=False, break_long_words=False
            )
            line = ""
    if line:
        yield line
