"""The charts of a report, each with its numbers in a table to unfold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from xml.etree.ElementTree import Element

from laden.report import charts
from laden.report.charts import Series
from laden.report.facts import ArchiveCounts, ColumnCounts, Facts, Sizes, Speed
from laden.report.markup import Child, h, name
from laden.values.units import amount, duration, plural, size

_BARS = 12
"""Values of a column that get a bar; its table has more."""
_LEAST_SHARE = 0.1
"""Of what is charted of a table: below it, the rest is not drawn."""
_TABLE_ROWS = 100
_ARCHIVE_ROWS = 12
"""Up to so many archives are rows of one column of the page; more of them are columns across it."""
_MOST_ARCHIVES = 80
_LEAST_MOMENTS = 5
_LEAST_SECONDS = 1.0
_LEAST_STAGE_S = 0.05
_POINTS = 48
_MINUTE_S = 60
_PLAIN_FILES = "plain files"
_UNKNOWN = "archive unknown"
_STAGES = {
    "listing": "Listing the destination",
    "source": "Looking at the source",
    "table": "Reading the table",
    "archives": "Reading the archives' directories",
    "plan": "Holding rows against files",
    "images": "Looking into every image",
    "checksums": "Hashing what the publisher's checksums name",
    "measure": "Measuring the link",
    "word": "Leaving word at the destination",
    "transfer": "Sending",
    "fetch": "Fetching",
    "reading": "Reading blobs back",
    "verify": "Verifying",
    "noted": "Verifying",
    "manifest": "Writing table and manifest",
    "report": "Reading samples for this page",
}


def figures(facts: Facts) -> Iterator[Element]:
    """Every chart that there is something to show for."""
    if facts.archives:
        yield _archives(facts.archives, facts.summary.command)
    for column in facts.columns:
        if column.values:
            yield _column(column)
    if facts.sizes is not None:
        if facts.sizes.widths:
            yield _edges(facts.sizes)
        yield _lengths(facts.sizes)
    yield from _speed(facts.speed)


def _archives(counts: Sequence[ArchiveCounts], command: str) -> Element:
    wording = {
        "load": ("loaded whole", "missing", "not loaded"),
        "check": ("there", "missing", "not usable"),
        "verify": ("there, whole", "gone or changed", "other"),
    }
    good, missing, other = wording[command]
    drawn = counts if len(counts) <= _MOST_ARCHIVES else sorted(counts, key=_trouble, reverse=True)[:_MOST_ARCHIVES]
    series = [
        Series("good", good, [one.good for one in drawn]),
        Series("bad", "damaged", [one.damaged for one in drawn]),
        Series("missing", missing, [one.missing for one in drawn]),
        Series("other", other, [one.other for one in drawn]),
    ]
    series = [one for one in series if any(one.values) or one.kind == "good"]
    labels = [_UNKNOWN if one.archive is None else one.archive or _PLAIN_FILES for one in drawn]
    title = "Images per archive"
    across = len(drawn) > _ARCHIVE_ROWS
    pictures: list[Element] = [
        h("div", charts.rows(title, labels, series, _count), class_="narrow" if across else None)
    ]
    if across:
        short = [label.rpartition("/")[2].removesuffix(".zip") for label in labels]
        wide = charts.columns(title, short, series, _count, width=charts.FULL_WIDTH)
        pictures.append(h("div", wide, class_="wide"))
    table = _table(
        ("archive", *(one.name for one in series)),
        ((name(label), *(amount(int(one.values[place])) for one in series)) for place, label in enumerate(labels)),
        len(drawn),
    )
    about = f"the {len(drawn)} with most trouble, of {amount(len(counts))}" if len(drawn) < len(counts) else None
    return _figure(title, about, _legend(series), pictures, table, across=across)


def _trouble(counts: ArchiveCounts) -> int:
    return counts.damaged + counts.missing + counts.other


def _column(column: ColumnCounts) -> Element:
    shown = column.values[:_BARS]
    title = f"Most frequent {column.column}" if column.different > len(shown) else column.column
    labels, numbers = [one.name for one in shown], [one.number for one in shown]
    several = " (a row may have several)" if column.lists else ""
    empty = f", {amount(column.empty)} rows without" if column.empty else ""
    about = f"{amount(column.different)} different values{several}{empty}"
    if column.loaded is None:
        chart = charts.rows(title, labels, [Series("good", "rows", numbers)], _count)
        table = _table(
            (column.column, "rows"), ((name(one.name), amount(one.number)) for one in column.values), column.different
        )
        return _figure(title, about, None, [chart], table)
    here = column.loaded[:_BARS]
    series = [
        Series("good", "rows loaded", here),
        Series("rest", "other rows of the table", [number - one for number, one in zip(numbers, here, strict=True)]),
    ]
    sums = [f"{amount(one)} of {amount(number)}" for number, one in zip(numbers, here, strict=True)]
    if sum(here) < _LEAST_SHARE * sum(numbers):
        # What is loaded would be no more than a line at the edge.
        series = series[:1]
        about += "; bars show the rows loaded alone"
    chart = charts.rows(title, labels, series, _count, sums=sums)
    rows = zip(column.values, column.loaded, strict=True)
    table = _table(
        (column.column, "loaded", "in the table"),
        ((name(value.name), amount(one), amount(value.number)) for value, one in rows),
        column.different,
    )
    return _figure(title, about, _legend(series), [chart], table)


def _edges(sizes: Sizes) -> Element:
    common = sizes.commonest[0]
    if sizes.different == 1:
        even = h("p", f"All are {common[0]:,} \u00d7 {common[1]:,}.", class_="about")
        return h("figure", h("figcaption", h("h3", "Width and height, pixels"), even))
    series = [
        Series("good", "width", [one.number for one in sizes.widths]),
        Series("second", "height", [one.number for one in sizes.heights]),
    ]
    title = "Width and height, pixels"
    chart = charts.columns(title, [amount(one.low) for one in sizes.widths], series, _count, stacked=False)
    about = f"{amount(sizes.different)} different sizes; {common[0]:,} \u00d7 {common[1]:,} most often"
    table = _table(
        ("width", "height", "images"), (map(amount, size_of) for size_of in sizes.commonest), sizes.different
    )
    return _figure(title, about, _legend(series), [chart], table)


def _lengths(sizes: Sizes) -> Element:
    title = "File size"
    counts = [one.number for one in sizes.bytes]
    chart = charts.columns(title, [size(one.low) for one in sizes.bytes], [Series("good", "images", counts)], _count)
    about = f"{size(sizes.bytes_in_all)} in all, {size(sizes.bytes_in_all // max(sum(counts), 1))} on average"
    table = _table(
        ("from", "to", "images"),
        ((size(one.low), size(one.high), amount(one.number)) for one in sizes.bytes if one.number),
        sum(map(bool, counts)),
    )
    return _figure(title, about, None, [chart], table)


def _speed(speed: Speed) -> Iterator[Element]:
    stages = [(_STAGES.get(stage, stage), seconds) for stage, seconds in speed.stages if seconds >= _LEAST_STAGE_S]
    if not stages:
        return
    points = list(_rates([moment[:2] for moment in speed.moments]))
    title = "Speed of the transfer"
    pictures: list[Element] = []
    if points:
        pictures = [
            charts.line(title, points, duration, _rate),
            _numbers(_table(("after", "speed"), ((duration(at), _rate(rate)) for at, rate in points), len(points))),
        ]
    table = h(
        "table",
        h("tbody", (h("tr", h("td", stage), h("td", duration(seconds), class_="number")) for stage, seconds in stages)),
        class_="stages",
    )
    yield h(
        "figure",
        h("figcaption", h("h3", title if points else "Time")),
        pictures,
        h("div", table, class_="scroll"),
    )
    yield from _weather(speed)


def _weather(speed: Speed) -> Iterator[Element]:
    """Attempts that were repeated, on the same time line as the speed, and outages."""
    retried = speed.moments[-1].retries if speed.moments else 0
    if not retried and not speed.outages:
        return
    points = list(_rates([(at, retries * _MINUTE_S) for at, _, retries in speed.moments]))
    title = "Attempts that were repeated"
    about = f"{amount(retried)} in all"
    if speed.outages:
        out_s = sum(end - begin for begin, end in speed.outages)
        about += f"; {plural(len(speed.outages), 'outage')}, {duration(out_s)} in all"
    pictures: list[Element] = []
    if points:
        pictures = [charts.line(title, points, duration, _per_minute, kind="bad")]
        numbers = ((duration(at), _per_minute(rate)) for at, rate in points)
        pictures.append(_numbers(_table(("after", "repeated"), numbers, len(points))))
    if speed.outages:
        lasted = ((duration(begin), duration(end - begin)) for begin, end in speed.outages)
        table = _table(("outage after", "lasted"), lasted, len(speed.outages))
        pictures.append(h("div", table, class_="scroll"))
    yield h("figure", h("figcaption", h("h3", title), h("p", about, class_="about")), pictures)


def _rates(moments: Sequence[tuple[float, int]]) -> Iterator[tuple[float, float]]:
    """How much a second over equal parts of the time; nothing for a transfer too short to tell."""
    if len(moments) < _LEAST_MOMENTS or moments[-1][0] < _LEAST_SECONDS:
        return
    step_s = moments[-1][0] / min(_POINTS, len(moments) - 1)
    before_s, before_bytes = 0.0, 0
    for seconds, settled in moments:
        if seconds - before_s >= step_s or seconds == moments[-1][0]:
            elapsed_s = seconds - before_s
            if elapsed_s > 0:
                rate = (settled - before_bytes) / elapsed_s
                if not before_s:
                    yield 0.0, rate
                yield seconds, rate
            before_s, before_bytes = seconds, settled


def _figure(
    title: str,
    about: str | None,
    legend: Element | None,
    pictures: list[Element],
    table: Element,
    *,
    across: bool = False,
) -> Element:
    return h(
        "figure",
        h("figcaption", h("h3", title), h("p", about, class_="about") if about else None, legend),
        pictures,
        _numbers(table),
        class_="across" if across else None,
    )


def _numbers(table: Element) -> Element:
    return h("details", h("summary", "Numbers"), h("div", table, class_="scroll"))


def _legend(series: Sequence[Series]) -> Element:
    entries = (
        h("li", h("span", class_=f"swatch {one.kind}"), f"{one.name} ", h("b", _count(sum(one.values))))
        for one in series
    )
    return h("ul", entries, class_="legend")


def _table(head: Sequence[str], body: Iterable[Iterable[Child]], in_all: int) -> Element:
    """A table of numbers; the first column holds names unless it is a number."""
    rows = [list(cells) for _, cells in zip(range(_TABLE_ROWS), body, strict=False)]
    more = in_all - len(rows)
    named = bool(rows) and not isinstance(rows[0][0], str)
    kinds = [None if named and place == 0 else "number" for place in range(len(head))]
    return h(
        "table",
        h("thead", h("tr", (h("th", text, class_=kind, scope="col") for text, kind in zip(head, kinds, strict=True)))),
        h(
            "tbody",
            (h("tr", (h("td", cell, class_=kind) for cell, kind in zip(row, kinds, strict=True))) for row in rows),
            h("tr", h("td", f"and {amount(more)} more", colspan=len(head))) if more > 0 else None,
        ),
    )


def _rate(bytes_per_s: float) -> str:
    return f"{size(int(bytes_per_s))}/s"


def _per_minute(number: float) -> str:
    return f"{amount(round(number))}/min"


def _count(number: float) -> str:
    return amount(int(number))
