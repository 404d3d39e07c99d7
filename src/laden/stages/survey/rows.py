"""Fills the relations `rows` and `sizes` from the tables' records, and tells what is wrong with them.

Rows are numbered through all tables: those of the second follow those of the first. The relation `table_starts` says
where each begins, so that a message can name table and row as a person counts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from laden.dataset.profile import Profile, TableShape, Template
from laden.dataset.table import Record, Table, TableWatch
from laden.relations import Relations
from laden.run.findings import FindingLog
from laden.stages.survey.tables import SourceTable
from laden.values.errors import UsageError
from laden.values.names import problem, reserved
from laden.values.records import Finding, Severity

_SIZES_AT_ONCE = 50_000
_SPELLINGS = 10_000


@dataclass(frozen=True, slots=True)
class PlacedTable:
    """A table whose rows are in the relation `rows`."""

    table: Table
    shape: TableShape
    rows: range
    """Its rows in the relation `rows`."""


def feed_tables(
    relations: Relations,
    log: FindingLog,
    profile: Profile,
    tables: list[SourceTable],
    homes: frozenset[str] | None,
) -> tuple[PlacedTable, ...]:
    """Fill `rows` and `table_starts`; returns where the rows of each table are.

    Args:
        relations: to fill.
        log: gets what is wrong with tables and rows.
        profile: its `tables` are the shapes of these.
        tables: in the profile's order.
        homes: file names of the archives asked for, or None for all.

    Raises:
        SourceError: a table cannot be read, or lacks its key.
        UsageError: the layout names a column that there is none of.
    """
    placed: list[PlacedTable] = []
    before = 0
    for source, shape in zip(tables, profile.tables, strict=True):
        count = _feed(relations, log, profile, shape, source.table, homes, before)
        placed.append(PlacedTable(source.table, shape, range(before + 1, before + count + 1)))
        before += count
    relations.feed("table_starts", [(one.table.name, one.rows.start - 1) for one in placed])
    return tuple(placed)


def _feed(
    relations: Relations,
    log: FindingLog,
    profile: Profile,
    shape: TableShape,
    table: Table,
    homes: frozenset[str] | None,
    before: int,
) -> int:
    key = table.column(shape.key)
    layout = profile.layout_of(shape)
    archive = profile.archive if profile.places_rows else None
    places = profile.place_fields
    named = _table_fields(layout, archive, table)
    # A table without a column of places says nothing of them, unless its names are made of it.
    named += [name for name in places if name not in named and name in table.columns]
    fields = {name: table.column(name) for name in named}
    # Of few values there are many rows.
    spelled = lru_cache(_SPELLINGS)(profile.spelled)
    texts = [name for name, kind in shape.columns.items() if kind == "text"]
    watch = TableWatch(table, shape.key, texts)
    sizes = _Sizes(relations, table, shape, before)

    def rows() -> Iterator[tuple[Any, ...]]:
        for record in table.records():
            row = before + record.row
            finding = watch.see(record)
            if finding is not None:
                log.add(finding)
                yield row, None, "", None, None, False, homes is None, ""
                continue
            values = {name: spelled(name, record.fields[index].strip()) for name, index in fields.items()}
            home = archive.render(values) if archive else None
            blob: str | None = layout.render(values)
            if (refusal := problem(blob or "") or reserved(blob or "")) is not None:
                log.add(_refused_row(record.row, blob or "", refusal))
                blob = None
            name = record.fields[key].strip()
            sizes.add(record)
            selected, place = homes is None or home in homes, profile.place(values, places)
            yield row, shape.row_key(name), name, home, blob, blob is not None, selected, place

    count = relations.feed("rows", rows())
    sizes.close()
    for finding in watch.finish():
        log.add(finding)
    return count


class _Sizes:
    """Takes the sizes that rows give their images into the relation `sizes`, where the table has such columns."""

    def __init__(self, relations: Relations, table: Table, shape: TableShape, before: int) -> None:
        self._relations = relations
        self._before = before
        columns = [table.column(name) for name in (shape.width, shape.height) if name in table.columns]
        self._columns = columns if len(columns) == 2 else []
        self._pending: list[tuple[int, ...]] = []

    def add(self, record: Record) -> None:
        if not self._columns:
            return
        width, height = (_pixels(record.fields[column]) for column in self._columns)
        if width and height:
            self._pending.append((self._before + record.row, width, height))
        if len(self._pending) >= _SIZES_AT_ONCE:
            self.close()

    def close(self) -> None:
        """Hand over what is pending."""
        self._relations.feed("sizes", self._pending)
        self._pending.clear()


def _pixels(text: str) -> int | None:
    """Width or height in a cell; None for whatever is no size, such as `None` and `nan`."""
    whole = text.strip().removesuffix(".0")
    return int(whole) if whole.isdecimal() and len(whole) < 10 else None


def _table_fields(layout: Template, archive: Template | None, table: Table) -> list[str]:
    """Columns that names are made of."""
    fields = dict.fromkeys([*layout.fields, *(archive.fields if archive else ())])
    unknown = [field for field in fields if field not in table.columns]
    if unknown:
        raise UsageError(
            f"the layout '{layout}' uses {{{unknown[0]}}}, which is no column of {table.name};"
            f" its columns are {', '.join(filter(None, table.columns))}"
        )
    return list(fields)


def _refused_row(row: int, blob: str, reason: str) -> Finding:
    return Finding(
        "row-name",
        Severity.ERROR,
        f"row {row} would be stored as '{blob}', which no blob may be called: {reason}",
        row=row,
    )
