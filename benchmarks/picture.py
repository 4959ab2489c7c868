"""A picture of a run, as SVG: how many times as fast as stock each step is, on a logarithmic scale, with its aim.

Everything is drawn in middle tones without a background, legible on light and dark pages.
"""

from collections.abc import Iterator, Sequence
from math import log10
from pathlib import Path
from textwrap import wrap
from xml.sax.saxutils import escape

from benchmarks import report
from benchmarks.common import Result

_WIDTH = 900
_LEFT, _RIGHT = 165, 590
"""The ends of the scale; step names are to its left, figures to its right."""

_SLOWEST, _FASTEST = 0.5, 200
_TICKS = (1, 2, 5, 10, 20, 50, 100)
_ROW, _BAR = 30, 16
_TOP = 84
_TEXT, _LINE, _FILL, _MARK = "#6e7781", "#8c959f", "#3f83d8", "#d1772b"

_KEY = (
    "Filled: the aim, marked by the upright line, is reached. Outlined: not yet. Aims against the floor are in figures."
)


def draw(svg: Path, run: Path) -> None:
    """Draw a run that `--out` wrote."""
    results, environment = report.read(run)
    svg.write_text("\n".join(_lines(results, environment)) + "\n")


def _lines(results: Sequence[Result], environment: Sequence[str]) -> Iterator[str]:
    """Yield the lines of the file."""
    with_stock = [result for result in results if result.stock]
    without_stock = [result for result in results if not result.stock]
    bottom = _TOP + len(with_stock) * _ROW
    below = [*_in_words(without_stock, results), "", *wrap(" · ".join(environment), 118)]
    height = bottom + 40 + len(below) * 18
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" font-family="system-ui, sans-serif" font-size="13" fill="{_TEXT}">'
    )
    yield "<title>Benchmarks: this library against stock eventsourcing and the floor</title>"
    yield _text(16, 26, "How many times as fast as stock eventsourcing", weight="bold", size=16)
    yield _text(16, 46, _KEY)
    yield from _scale(bottom)
    for index, result in enumerate(with_stock):
        yield from _bar(result, results, _TOP + index * _ROW)
    for index, line in enumerate(below):
        yield _text(16, bottom + 34 + index * 18, line)
    yield "</svg>"


def _scale(bottom: int) -> Iterator[str]:
    for tick in _TICKS:
        x = _at(tick)
        width = 1.5 if tick == 1 else 0.5
        yield (
            f'<line x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{bottom}" stroke="{_LINE}" stroke-width="{width}"/>'
        )
        yield _text(x, _TOP - 12, "stock" if tick == 1 else f"{tick} ×", anchor="middle")


def _bar(result: Result, results: Sequence[Result], top: int) -> Iterator[str]:
    """Yield a step: its name, its bar from 1 on, the mark of its aim, and both ratios in figures."""
    ratio, of_floor = report.times_stock(result) or 1, report.times_floor(result)
    all_aims = report.AIMS.get(result.step, ())
    aims = [aim for aim in all_aims if aim.of_floor is None]
    floors = [f" (aim {aim.of_floor:g})" for aim in all_aims if aim.of_floor is not None]
    others = [f"; aim: {aim.words}" for aim in aims if aim.of_stock is None]
    reached = all(aim.reached(result, {other.step: other for other in results}) for aim in aims)
    begin, end = sorted((_at(1), _at(ratio)))
    y = top + (_ROW - _BAR) / 2
    yield _text(_LEFT - 10, top + 20, result.step, anchor="end")
    yield (
        f'<rect x="{begin:.1f}" y="{y:.1f}" width="{end - begin:.1f}" height="{_BAR}" rx="2" fill="{_FILL}" '
        f'fill-opacity="{0.9 if reached else 0.15}" stroke="{_FILL}" stroke-width="1.5"/>'
    )
    for factor in (aim.of_stock for aim in aims if aim.of_stock is not None):
        x = _at(factor)
        yield (
            f'<line x1="{x:.1f}" y1="{y - 4:.1f}" x2="{x:.1f}" y2="{y + _BAR + 4:.1f}" stroke="{_MARK}" '
            'stroke-width="3"/>'
        )
    stock = result.step.rpartition("/")[2] if result.step.startswith("check") else "stock"
    floor = "" if of_floor is None else f", {of_floor:.2f} × floor{''.join(floors)}"
    yield _text(_RIGHT + 16, top + 20, f"{ratio:.1f} × {stock}{floor}{''.join(others)}")


def _in_words(without_stock: Sequence[Result], results: Sequence[Result]) -> Iterator[str]:
    """Yield the steps without stock, in words."""
    named = {result.step: result for result in results}
    for result in without_stock:
        aims = ", ".join(
            f"{aim.words}: {report.verdict(aim.reached(result, named))}" for aim in report.AIMS.get(result.step, ())
        )
        yield f"{result.step}: {_pace(result)}{f' ({aims})' if aims else ''}"


def _pace(result: Result) -> str:
    if result.floor:
        floor = "the mean of each alone" if result.step.startswith("mixed") else "the floor"
        return f"{result.ours:,.0f} a second, {result.ours / result.floor:.2f} of {floor}"
    return f"{result.ours:,.0f} plans a second" if "close" in result.step else f"{1_000 / result.ours:.2f} ms"


def _at(ratio: float) -> float:
    """Return the coordinate of a ratio on the scale."""
    part = log10(min(max(ratio, _SLOWEST), _FASTEST) / _SLOWEST) / log10(_FASTEST / _SLOWEST)
    return _LEFT + part * (_RIGHT - _LEFT)


def _text(x: float, y: float, words: str, *, anchor: str = "start", weight: str = "normal", size: int = 13) -> str:
    position = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {position} font-weight="{weight}" font-size="{size}">{escape(words)}</text>'
