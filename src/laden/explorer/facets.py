"""What a column holds in a view: its commonest values, or a histogram; each with the condition that a click adds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from laden.explorer.database import Shared
from laden.explorer.index import LINES
from laden.explorer.labels import IMAGE_COLUMNS, LabelColumn, Labels
from laden.explorer.views import View, Views

_MOST_VALUES = 40
_BINS = 24
_FEW = 24
"""Numbers of which there are no more are shown as values."""
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LISTS = ("list", "cuis")
_RANGED = ("integer", "number", "date")
_EPOCH = date(1970, 1, 1)
_IMAGE_FACETS = (
    "laden_state", "laden_mark", "laden_fate", "laden_archive", "laden_bits", "laden_kind", "laden_width",
    "laden_bytes", "laden_tier",
)  # fmt: skip


def quoted_text(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def columns(labels: Labels, relations: Shared) -> list[dict[str, Any]]:
    """Columns that are worth a facet, with whether it is open at first: not ids, not texts that are all different."""
    found = []
    open_at_first = {*(labels.shape.charts if labels.shape else ()), labels.shape.labels if labels.shape else None}
    of_images = [column for column in labels.all_columns if column.name in _IMAGE_FACETS]
    counts = _counts("images", of_images, relations)
    if labels.columns:
        named = f"labels WHERE laden_row IN (SELECT line FROM {LINES})"  # noqa: S608 - own names
        counts |= _counts(named, labels.columns, relations)
    for column in (*labels.columns, *of_images):
        rows, distinct, filled = counts[column]
        is_id = column.kind == "text" and distinct > max(200, rows // 20)
        if not filled or is_id or (column.name in IMAGE_COLUMNS and distinct < 2):
            continue
        found.append(
            {
                "name": column.name,
                "kind": column.kind,
                "open": column.name in open_at_first or column.name in ("laden_state", "laden_mark"),
                "of": "image" if column.name in IMAGE_COLUMNS else "table",
            }
        )
    return found


def _counts(source: str, columns: Sequence[LabelColumn], relations: Shared) -> dict[LabelColumn, tuple[int, int, int]]:
    """Of each column its rows, about how many values it has, and how many are filled: by one scan, without a join."""
    counted = ", ".join(f"approx_count_distinct({column.quoted}), count({column.quoted})" for column in columns)
    rows, *counts = relations.one(f"SELECT count(*), {counted} FROM {source}")  # noqa: S608 - quoted names
    return {column: (rows, *pair) for column, *pair in zip(columns, counts[::2], counts[1::2], strict=True)}


def facet(column: LabelColumn, view: View, views: Views, labels: Labels, relations: Shared) -> dict[str, Any]:
    """Values of one column in a view, with counts of images."""
    source, counted = _source(column, view, views, many=bool(labels.shape and labels.shape.many))
    if column.kind in _RANGED:
        distinct, low, high = relations.one(
            f"SELECT approx_count_distinct(value), min({_number(column)}), max({_number(column)}) FROM {source}"  # noqa: S608
        )
        if distinct > _FEW and low is not None and high > low:
            return {"bins": _bins(column, source, counted, low, high, relations)}
    rows = relations.all(
        f"SELECT value::VARCHAR, {counted} AS n FROM {source} GROUP BY value"  # noqa: S608 - own text
        f" ORDER BY n DESC, 1 LIMIT {_MOST_VALUES + 1}"
    )
    values = [{"text": text, "count": count, "condition": condition(column, text)} for text, count in rows]
    return {"values": values[:_MOST_VALUES], "more": len(values) > _MOST_VALUES}


def _source(column: LabelColumn, view: View, views: Views, *, many: bool) -> tuple[str, str]:
    """A relation with the `value`s of a column in a view, and how images are counted there."""
    table = "images" if column.name in IMAGE_COLUMNS else "records"
    within = "" if views.is_all(view) else f" WHERE {views.within(view, 'laden_pos')}"
    if column.kind not in _LISTS:
        counted = "count(DISTINCT laden_pos)" if many and table == "records" else "count(*)"
        return f"(SELECT {column.quoted} AS value, laden_pos FROM {table}{within})", counted  # noqa: S608 - quoted
    if many:
        return f"(SELECT unnest({column.quoted}) AS value, laden_pos FROM {table}{within})", "count(DISTINCT laden_pos)"  # noqa: S608
    # Equal lists are many: taken apart once each.
    lists = f"SELECT {column.quoted} AS list, count(*) AS images FROM {table}{within} GROUP BY 1"  # noqa: S608
    return f"(SELECT unnest(list_distinct(list)) AS value, images FROM ({lists}))", "sum(images)::BIGINT"  # noqa: S608


def _number(column: LabelColumn) -> str:
    return "date_diff('day', DATE '1970-01-01', value)" if column.kind == "date" else "value"


def _bins(
    column: LabelColumn, source: str, counted: str, low: float, high: float, relations: Shared
) -> list[dict[str, Any]]:
    """Equal widths, whole numbers for whole numbers."""
    width = (high - low) / _BINS
    if column.kind != "number":
        width = max(1, -(-(int(high) - int(low) + 1) // _BINS))
    counts = dict(
        relations.all(
            f"SELECT least(floor(({_number(column)} - ?) / ?), {_BINS - 1})::INTEGER AS bin, {counted} FROM {source}"  # noqa: S608
            " WHERE value IS NOT NULL GROUP BY 1",
            [low, width],
        )
    )
    bins = []
    for number in range(max(counts, default=-1) + 1):
        start, end = low + number * width, low + (number + 1) * width
        last = number == max(counts)
        below = "<=" if last else "<"
        end = high if last else end
        name = _name(column.name)
        condition = f"{name} >= {_shown(column, start)} AND {name} {below} {_shown(column, end)}"
        text = f"{_plain(column, start)} to {_plain(column, end)}"
        bins.append({"text": text, "count": counts.get(number, 0), "condition": condition})
    return bins


def _shown(column: LabelColumn, value: float) -> str:
    return f"DATE '{_day(value)}'" if column.kind == "date" else _plain(column, value)


def _plain(column: LabelColumn, value: float) -> str:
    if column.kind == "date":
        return _day(value)
    return str(int(value)) if column.kind == "integer" else f"{value:.6g}"


def _day(value: float) -> str:
    return (_EPOCH + timedelta(days=int(value))).isoformat()


def condition(column: LabelColumn, text: str | None) -> str:
    """The condition that is true for one value, as a person would write it."""
    name = _name(column.name)
    if text is None:
        return f"{name} IS NULL"
    if column.kind in _LISTS:
        return f"list_contains({name}, {quoted_text(text)})"
    if column.kind == "date":
        return f"{name} = DATE '{text}'"
    return f"{name} = {text}" if column.kind in ("integer", "number") else f"{name} = {quoted_text(text)}"


def _name(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'
