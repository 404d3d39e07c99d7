"""Draws charts as SVG elements for the page, with pygal.

pygal computes scales and places; its style sheet, scripts, comments and tooltips are taken out, because the page
colours everything itself (light or dark) and allows nothing else. Each chart has a title, a description, and for each
bar a text that browsers show under the pointer. Numbers stand beside the charts in tables, which are not made here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree.ElementTree import Element

from laden.report.markup import clean, h
from laden.report.numbers import round_step

if TYPE_CHECKING:
    from pygal.graph.graph import Graph

WIDTH = 360
"""In units of the drawing, which the page shows as pixels: what a telephone has, and a third of a desktop page."""
FULL_WIDTH = 1104
_FONT_SIZE = 12
_ROW = 22
_HEIGHT = 200
_LABEL_LENGTH = 24
_AXIS = 26
_VALUE_ROOM = 1.22
"""The longest bar leaves this much for the number behind it."""
_VALUE_SHARE = 0.04
"""Of the longest bar, for each letter of what stands behind it, where that is long."""
_GAP = 5
_MARGIN = 12
_HALF_LABEL = 30
"""Beyond the last point, for the half of its label."""
_BASELINE = 4
_TICKS = 4
_LETTER = 7
_AXIS_ROOM = 60
_SLANT = -60
"""Degrees: names end below their bars."""
_BELOW = 16
"""Pixels below slanted names, which hang from the axis by their ends."""
_SLANT_ROOM = 44


class Series(NamedTuple):
    """Numbers of one colour; `kind` is the class that the page colours."""

    kind: str
    name: str
    values: Sequence[float]


Format = Callable[[float], str]


def rows(
    title: str, labels: Sequence[str], series: Sequence[Series], write: Format, *, sums: Sequence[str] = ()
) -> Element:
    """Horizontal bars, stacked where there are several series; `sums` stand behind each, by default what it adds to."""
    pygal = _pygal()

    tops = [sum(values) for values in zip(*(one.values for one in series), strict=True)]
    told = sums or [write(top) for top in tops]
    room = max(_VALUE_ROOM, 1 + max(map(len, told), default=0) * _VALUE_SHARE)
    chart = _made(
        pygal.HorizontalStackedBar, WIDTH, _ROW * len(labels) + 2 * _GAP, series, write,
        # pygal puts the first row at the bottom.
        x_labels=[_cut(label) for label in reversed(labels)], reverse=True, show_x_labels=False,
        range=(0, max(max(tops, default=0) * room, 1)), show_x_guides=False, show_y_guides=False,
    )  # fmt: skip
    svg = _finished(chart, title, series, labels[::-1], write)
    _write_sums(svg, told[::-1])
    return svg


def columns(
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    write: Format,
    *,
    width: int = WIDTH,
    stacked: bool = True,
) -> Element:
    """Vertical bars, stacked or side by side."""
    pygal = _pygal()
    names = [_cut(label) for label in labels]
    # Every bar is named: slanted, where the names have no room side by side.
    slanted = len(names) * (max(map(len, names), default=0) * _LETTER + _LETTER) > width - _AXIS_ROOM
    chart = _made(
        pygal.StackedBar if stacked else pygal.Bar, width, _HEIGHT + (_SLANT_ROOM if slanted else 0), series, write,
        x_labels=names, truncate_label=-1, y_labels=_whole_ticks(series, stacked=stacked), show_x_guides=False,
        x_label_rotation=_SLANT if slanted else 0, margin_bottom=_BELOW if slanted else 0,
    )  # fmt: skip
    return _finished(chart, title, series, labels, write)


def line(
    title: str, points: Sequence[tuple[float, float]], write_x: Format, write: Format, *, kind: str = "good"
) -> Element:
    """An area below a line, from x and y."""
    pygal = _pygal()
    series = [Series(kind, title, [y for _, y in points])]
    chart = _graph(
        pygal.XY, WIDTH, _HEIGHT, write, fill=True, show_dots=False, x_value_formatter=write_x, max_scale=_TICKS,
        min_scale=1, include_x_axis=True,
        show_x_guides=False, margin_right=_HALF_LABEL,
        xrange=(0, points[-1][0]), x_labels=[0, points[-1][0] / 2, points[-1][0]], truncate_label=-1,
    )  # fmt: skip
    chart.add(title, list(points))
    return _finished(chart, title, series, (), write)


def _made(
    kind: type[Graph],
    width: int,
    height: int,
    series: Sequence[Series],
    write: Format,
    *,
    reverse: bool = False,
    **more: Any,
) -> Graph:
    chart = _graph(kind, width, height, write, **more)
    for one in series:
        chart.add(one.name, list(one.values[::-1] if reverse else one.values))
    return chart


def _pygal() -> Any:
    """Import pygal without its hook for imports, of a kind that Python 3.11 warns about and 3.12 no longer knows."""
    import pygal

    sys.meta_path[:] = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]
    return pygal


def _graph(kind: type[Graph], width: int, height: int, write: Format, **more: Any) -> Graph:
    from pygal.style import Style

    more.setdefault("margin_right", _MARGIN)
    return kind(
        width=width, height=height, js=(), css=(), no_prefix=True, show_legend=False, value_formatter=write, margin=0,
        margin_top=8, spacing=4,
        style=Style(label_font_size=_FONT_SIZE, major_label_font_size=_FONT_SIZE), **more,
    )  # fmt: skip


def _whole_ticks(series: Sequence[Series], *, stacked: bool) -> list[int]:
    """A few round whole numbers from 0 to the top of the highest bar or just above."""
    top = max(
        ((sum if stacked else max)(bars) for bars in zip(*(one.values for one in series), strict=True)), default=1
    )
    step = round_step(top / _TICKS)
    return list(range(0, int(top) + step, step))


def _cut(label: str) -> str:
    label = clean(label)
    return label if len(label) <= _LABEL_LENGTH else label[: _LABEL_LENGTH - 1] + "\u2026"


def _finished(chart: Graph, title: str, series: Sequence[Series], labels: Sequence[str], write: Format) -> Element:
    """The drawing without what is not wanted of it, named and coloured by classes of the page."""
    root: Element = chart.render_tree()
    for parent, child in list(_pairs(root)):
        if _is_unwanted(child):
            parent.remove(child)
        elif child.tag == "g" and child.get("class", "").startswith("series"):
            index = int(child.get("class", "").rpartition("-")[2])
            child.set("class", f"series {series[index].kind}")
            _name_bars(child, series[index], labels, write)
    root.attrib.pop("id", None)
    for name in [name for name in root.attrib if name.startswith("xmlns") or "}" in name]:
        del root.attrib[name]
    root.set("role", "img")
    root.set("aria-label", title)
    root.insert(0, h("title", title))
    root.insert(1, h("desc", f"Chart of {', '.join(one.name for one in series)}; the numbers are in the table below."))
    return root


def _pairs(root: Element) -> Iterator[tuple[Element, Element]]:
    for parent in root.iter():
        for child in parent:
            yield parent, child


def _is_unwanted(element: Element) -> bool:
    """Comments, style, scripts, and what only a script would use; also pygal's own titles and backgrounds."""
    classes = element.get("class", "")
    return (
        not isinstance(element.tag, str)
        or element.tag in ("defs", "style", "script", "title")
        or classes in ("background", "titles", "plot overlay", "plot text-overlay", "plot tooltip-overlay")
    )


def _name_bars(drawn: Element, series: Series, labels: Sequence[str], write: Format) -> None:
    """Give each bar the text that shows under the pointer, in place of what pygal keeps for its script."""
    for bar in drawn.iter("g"):
        if bar.get("class") != "bar":
            continue
        told = {part.get("class", ""): part.text or "" for part in bar.iter("desc")}
        for part in list(bar.iter("desc")):
            bar.remove(part)
        label = told.get("x_label", "")
        bar.insert(0, h("title", f"{label + ': ' if label else ''}{told.get('value', '')} {series.name}"))
    for part in list(drawn.iter("desc")):
        part.text = None


def _write_sums(svg: Element, told: Sequence[str]) -> None:
    """Write what is told of each row behind its bars."""
    plot = next(part for part in svg.iter("g") if part.get("class") == "plot")
    ends: dict[str, tuple[float, float]] = {}
    for rect in plot.iter("rect"):
        end = float(rect.get("x", 0)) + float(rect.get("width", 0))
        middle = float(rect.get("y", 0)) + float(rect.get("height", 0)) / 2
        ends[f"{middle:.1f}"] = max(ends.get(f"{middle:.1f}", (0.0, middle)), (end, middle))
    lowest_first = sorted(ends.values(), key=lambda place: -place[1])
    for (end, middle), words in zip(lowest_first, told, strict=True):
        text = h("text", words, class_="value", x=f"{end + _GAP:.1f}", y=f"{middle + _BASELINE:.1f}")
        plot.append(text)
