"""The charts of the report: inline SVG whose colours are the page's, so that they follow its light and dark mode.

No text but numbers and months stands in a chart; the page holds titles, legends and the table behind it.
"""

import io
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "installment-ledger",  # the same figures, the same bytes
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_WIDTH, _HEIGHT = 7.2, 2.8
"""Inches; the page scales the chart to its column."""

_LABELS = 9
"""Labels below a chart, at most; of more, every second or third stands there."""

COLOURS: Mapping[str, str] = {f"#0000{number:02x}": f"var(--series-{number})" for number in range(1, 7)}
"""Stand-ins that the drawing library knows, and the colours of the page that take their place."""

_TEXT, _GRID = "#000100", "#000200"
_SERIES = tuple(COLOURS)


class Series(NamedTuple):
    """A row of values, drawn in the page's colour of this number, from 1."""

    colour: int
    values: Sequence[float]


def lines(labels: Sequence[str], series: Sequence[Series], *, percent: bool = False) -> str:
    """Return a chart of lines over months."""
    figure, axes = _axes()
    for one in series:
        axes.plot(range(len(labels)), one.values, color=_SERIES[one.colour - 1], linewidth=2)
    axes.set_ylim(bottom=0)
    return _svg(figure, axes, labels, percent=percent)


def bars(labels: Sequence[str], series: Sequence[Series], *, percent: bool = False) -> str:
    """Return a chart of bars beside each other, one of each series for each label."""
    figure, axes = _axes()
    width = 0.8 / len(series)
    for index, one in enumerate(series):
        places = [place + (index - (len(series) - 1) / 2) * width for place in range(len(labels))]
        axes.bar(places, one.values, width=width, color=_SERIES[one.colour - 1])
    return _svg(figure, axes, labels, percent=percent)


def stacked(labels: Sequence[str], series: Sequence[Series], *, percent: bool = False) -> str:
    """Return a chart of bars on top of each other, one of each series for each label."""
    figure, axes = _axes()
    below = [0.0] * len(labels)
    for one in series:
        axes.bar(range(len(labels)), one.values, width=0.9, bottom=below, color=_SERIES[one.colour - 1])
        below = [base + value for base, value in zip(below, one.values, strict=True)]
    return _svg(figure, axes, labels, percent=percent)


def _axes() -> tuple[Figure, Axes]:
    with mpl.rc_context(_SETTINGS):
        figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
    axes.tick_params(colors=_TEXT, labelcolor=_TEXT)
    axes.grid(axis="y", color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_color(_GRID)
    return figure, axes


def _svg(figure: Figure, axes: Axes, labels: Sequence[str], *, percent: bool) -> str:
    """Return the chart as an element of a page, hidden from a screen reader: the table behind it is read instead."""
    every = -(-len(labels) // _LABELS)
    places = range(0, len(labels), every)
    axes.set_xticks(places, [labels[place] for place in places])
    axes.margins(x=0.02)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=not percent))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}" if percent else f"{value:,.0f}"))
    file = io.StringIO()
    with mpl.rc_context(_SETTINGS):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inline(file.getvalue())


def _inline(text: str) -> str:
    """Return a drawing as a part of a page: its colours, its fonts, its size and no ids are its own."""
    text = text[text.index("<svg") :]
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*<defs>\s*<style.*?</style>\s*</defs>", "", text, flags=re.DOTALL)
    text = re.sub(r" font-family: [^;\"]*;?", "", text)
    text = re.sub(r'<svg [^>]*(viewBox="[^"]*")[^>]*>', r'<svg aria-hidden="true" focusable="false" \1>', text, count=1)
    for stand_in, colour in {**COLOURS, _TEXT: "currentColor", _GRID: "var(--grid)"}.items():
        text = text.replace(stand_in, colour)
    return _with_ids_of(f"c{zlib.crc32(text.encode()):08x}", text)


def _with_ids_of(chart: str, text: str) -> str:
    """Return a drawing whose ids no other drawing of the page has; those that nothing refers to are gone."""
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda found: f' id="{chart}-{found[1]}"' if found[1] in used else "", text)
    return re.sub(r'(href="|url\()#', rf"\1#{chart}-", text).replace("xlink:href", "href")
