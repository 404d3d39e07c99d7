"""Fills the relations `rows` and `sizes` from the tables' records, and tells what is wrong with them.

Rows are numbered through all tables: those of the second follow those of the first. The relation `table_starts` says
where each begins, so that a message can name table and row as a person counts them.

The cells that are needed go into the relation `cells`, once; `rows` and `sizes` are asked of it, so a further column of
`rows` is a further expression over cells.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from laden.dataset.profile import MAX_SHOWN, NO_PLACE, PLACE_SEPARATOR, WHICH_FOLDER, Profile, TableShape, Template
from laden.dataset.selection.keys import fold, folded, row_key, spell
from laden.dataset.table import BATCH, Block, Table, TableWatch, columns, count
from laden.relations import Relations
from laden.run.findings import FindingLog
from laden.run.ticks import Ticks
from laden.stages.charted import Charted
from laden.stages.survey.blanks import SCHEMA as BLANKS
from laden.stages.survey.tables import SourceTable
from laden.values.arrow import Stream
from laden.values.errors import UsageError
from laden.values.events import Observer, ignore
from laden.values.names import plain_in_sql, problem, reserved
from laden.values.records import Finding, Severity


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
    observer: Observer = ignore,
    *,
    charts: bool = False,
) -> tuple[PlacedTable, ...]:
    """Fill `rows` and `table_starts`; returns where the rows of each table are.

    Args:
        relations: to fill.
        log: gets what is wrong with tables and rows.
        profile: its `tables` are the shapes of these.
        tables: in the profile's order.
        homes: file names of the archives asked for, or None for all.
        observer: told how many rows were read.
        charts: whether what a report counts is kept (`Charted`).

    Raises:
        SourceError: a table cannot be read, or lacks its key.
        UsageError: the layout names a column that there is none of.
    """
    placed: list[PlacedTable] = []
    before = 0
    ticks = Ticks(observer, "rows read")
    relations.run(BLANKS)
    for number, (source, shape) in enumerate(zip(tables, profile.tables, strict=True)):
        charted = Charted.of(number, source.table, shape) if charts else None
        count = _feed(relations, log, profile, shape, source.table, homes, before, ticks, charted)
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
    ticks: Ticks,
    charted: Charted | None,
) -> int:
    layout = profile.layout_of(shape)
    archive = profile.archive if profile.places_rows else None
    places = profile.place_fields
    cells = _Cells(table)
    # A table without a column of places says nothing of them, unless its names are made of it.
    shown = (name for name in places if name in table.columns)
    fields = dict.fromkeys([*_table_fields(layout, archive, table), *shown])
    named = {name: cells.of(name) for name in fields}
    key = cells.of(shape.key)
    home = f"nfc_normalize({archive.sql(named)})" if archive else "NULL"
    sizes = [cells.of(name) for name in (shape.width, shape.height) if name in table.columns]
    texts = [name for name, kind in shape.columns.items() if kind == "text"]
    watch = TableWatch(table, shape.key, texts, [*named, *shape.columns])
    cells.take(charted.needed if charted else ())
    cells.read(relations, watch, ticks)
    watch.refuse_doubled([shape.key, *named])
    if charted:
        relations.run(charted.declared)
        relations.run(charted.taken("cells", before))
    for name, cell in ((name, cell) for name, cell in named.items() if profile.is_respelled(name)):
        spell(relations, "cells", cell, partial(profile.spelled, name))
    named[WHICH_FOLDER] = f"'{profile.folder_of(shape)}'"
    place = folded(shape, _place([named.get(name) for name in places]))
    _insert(relations, before, homes, row_key(shape, key), key, home, layout.sql(named), place)
    fold(relations, "rows", shape, ("key", "place"))
    if len(sizes) == 2:
        _feed_sizes(relations, sizes[0], sizes[1], before)
    _feed_odd(relations, watch, before, selected=homes is None)
    _judge_names(relations, layout, table, before)
    for finding in heapq.merge(watch.of_rows(), _refused_rows(relations, before), key=lambda one: one.row or 0):
        log.add(finding)
    for finding in watch.of_table():
        log.add(finding)
    return count(table)


def _insert(
    relations: Relations,
    before: int,
    homes: frozenset[str] | None,
    key: str,
    name: str,
    home: str,
    blob: str,
    place: str,
) -> None:
    """Fill `rows` from `cells`; what rows are made of comes as SQL, and those that name no image have nothing of it."""
    relations.run(
        "INSERT INTO rows (row, key, name, home, blob, usable, selected, place)"  # noqa: S608 - own names, quoted
        f" SELECT row + {before}, CASE WHEN named THEN {key} END, {name}, CASE WHEN named THEN {home} END,"
        f" CASE WHEN named THEN {blob} END, named,"
        f" ? IS NULL OR named AND coalesce(list_contains(?::VARCHAR[], {home}), false),"
        f" CASE WHEN named THEN {place} ELSE '' END FROM (SELECT *, {name} <> '' AS named FROM cells)",
        [wanted := None if homes is None else sorted(homes), wanted],
    )


def _feed_odd(relations: Relations, watch: TableWatch, before: int, *, selected: bool) -> None:
    """Feed the records that are no rows, and those with blanks around their key."""
    relations.absorb(
        f"INSERT INTO rows (row, name, usable, selected, place)"  # noqa: S608 - own names
        f" SELECT row + {before}, '', false, {selected}, '' FROM batch",
        _numbers(watch.misshapen()),
    )
    relations.absorb(
        f"INSERT INTO blanks SELECT row + {before}, before, after FROM batch",  # noqa: S608 - own names
        _numbers(*watch.blank(), names=("row", "before", "after")),
    )


class _Cells:
    """The columns that are needed of a table, as texts, in the relation `cells`."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._places: set[int] = set()

    def of(self, name: str) -> str:
        """SQL for a cell of that column, trimmed, and never NULL."""
        place = self._table.column(name)
        self._places.add(place)
        return f"c{place}"

    def take(self, places: Iterable[int]) -> None:
        """Take the columns at these places, too."""
        self._places.update(places)

    def read(self, relations: Relations, watch: TableWatch, ticks: Ticks) -> None:
        def see(block: Block) -> None:
            watch.see(block)
            ticks.add(len(block.widths))

        places = sorted(self._places)
        texts = [f"c{place}" for place in places]
        declared = "".join(f", {text} VARCHAR" for text in texts)
        relations.run(f"CREATE OR REPLACE TABLE cells (row BIGINT{declared})")
        relations.absorb(
            f"INSERT INTO cells SELECT row, {', '.join(texts)} FROM {BATCH}",  # noqa: S608 - own names
            columns(self._table, places, see),
        )


def _place(cells: Sequence[str | None]) -> str:
    """SQL for what cells say of a place (`Profile.place`); None is a column that the table has not."""
    nothing = ", ".join(f"'{text}'" for text in sorted(NO_PLACE))
    separator = f"chr({ord(PLACE_SEPARATOR)})"
    known = "CASE WHEN {0} IN (" + nothing + ") THEN '' ELSE replace({0}, " + separator + ", '\ufffd') END"
    return f" || {separator} || ".join(known.format(cell) if cell else "''" for cell in cells) or "''"


def _feed_sizes(relations: Relations, width: str, height: str, before: int) -> None:
    """Take the sizes that rows give their images; whatever is no size, such as `None` and `nan`, is left out."""
    # Most are plain numbers, which a cast tells in half the time of an expression.
    whole = (
        "CASE WHEN strlen({0}) < 10 AND try_cast({0} AS UINTEGER)::VARCHAR = {0} THEN {0}::INTEGER"
        " WHEN regexp_full_match({0}, '[0-9]{{1,9}}([.]0)?') THEN split_part({0}, '.', 1)::INTEGER ELSE 0 END"
    )
    relations.run(
        f"INSERT INTO sizes SELECT row + {before}, width, height FROM (SELECT row, {whole.format(width)} AS width,"  # noqa: S608
        f" {whole.format(height)} AS height FROM cells) WHERE width > 0 AND height > 0"
    )


def _numbers(*columns: NDArray[np.int64], names: Sequence[str] = ("row",)) -> Stream:
    count = len(columns[0])
    return Stream(dict.fromkeys(names, "integer"), iter([(count, columns)] if count else []))


def _judge_names(relations: Relations, layout: Template, table: Table, before: int) -> None:
    """Fill `refused` with the names that no row may have.

    Most names are plainly fine, which SQL sees; of the others, each different one is judged once.

    Raises:
        UsageError: all are such, though what the rows call their images is fine.
    """
    doubtful = relations.stream(
        f"SELECT DISTINCT blob FROM rows WHERE row > ? AND blob IS NOT NULL AND NOT ({plain_in_sql('blob')})",  # noqa: S608 - own text
        [before],
    )
    judged = ((blob, problem(blob) or reserved(blob)) for (blob,) in doubtful)
    relations.run("CREATE OR REPLACE TABLE refused (blob VARCHAR, reason VARCHAR)")
    if not relations.feed("refused", ((blob, reason) for blob, reason in judged if reason is not None)):
        return
    good = "SELECT 1 FROM rows WHERE row > ? AND blob IS NOT NULL AND blob NOT IN (SELECT blob FROM refused) LIMIT 1"
    if next(iter(relations.stream(good, [before])), None) is None:
        example, reason = relations.one("SELECT min(blob), arg_min(reason, blob) FROM refused")
        (name,) = relations.one("SELECT min(name) FROM rows WHERE row > ? AND blob = ?", [before, example])
        if problem(name) is not None:
            # The table's matter: no layout makes a good name of it, and what is near it may be told.
            return
        raise UsageError(
            f"the layout '{str(layout)[:MAX_SHOWN]}' gives each row of {table.name} a name that no blob may have:"
            f" '{example[:MAX_SHOWN]}' {reason}; choose another --layout"
        )


def _refused_rows(relations: Relations, before: int) -> Iterator[Finding]:
    """What is wrong with the rows' names; a row whose name is `refused` has none afterwards."""
    for row, blob, reason in relations.stream(
        "SELECT row, blob, reason FROM rows JOIN refused USING (blob) WHERE row > ? ORDER BY row", [before]
    ):
        yield _refused_row(row - before, blob, reason)
    relations.run(
        "UPDATE rows SET blob = NULL, usable = false WHERE row > ? AND blob IN (SELECT blob FROM refused)", [before]
    )


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
