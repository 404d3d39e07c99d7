"""The table as a relation with types: `records`, one column for each of the table's, for DuckDB to ask.

A dataset may have several tables of one kind (train and test, say): they are one relation, as if one followed
the other.

A record's fields are read once by the CSV reader that all of laden uses, trimmed, and laid into a table of texts; only
the columns that are wanted are. The view above it types them as the profile declares: what is missing is NULL, and so
is what its type cannot hold, which is counted and told. Records with too many or too few fields are not in it.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from laden.dataset.profile import TableShape
from laden.dataset.table import Table, TableWatch
from laden.dataset.table.cells import Items, parse_cuis, parse_list, present
from laden.relations import Relations
from laden.values.errors import UsageError
from laden.values.records import Finding, Severity

RELATION = "records"
"""What a condition calls the table, where it must."""

ROW = "laden_row"
"""Column of the relation with the number of the record; a column of the table that is called so is renamed."""

LISTS = ("list", "cuis")

_UNREADABLE = "!"
"""Stands before a text that should be a list and is none; no JSON begins so."""

_SQL_TYPES = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "date": "DATE",
    "list": "VARCHAR[]",
    "cuis": "VARCHAR[]",
}
_TYPED = {
    "text": "{0}",
    "integer": "CASE WHEN regexp_full_match({0}, '[+-]?[0-9]+([.]0*)?')"
    " THEN TRY_CAST(split_part({0}, '.', 1) AS BIGINT) END",
    "number": "CASE WHEN isfinite(TRY_CAST({0} AS DOUBLE)) THEN TRY_CAST({0} AS DOUBLE) END",
    "date": "CASE WHEN regexp_full_match({0}, '[0-9]{{8}}') THEN TRY_STRPTIME({0}, '%Y%m%d')::DATE END",
    "list": "CASE WHEN starts_with({0}, '[') THEN from_json({0}, '[\"VARCHAR\"]') END",
    "cuis": "CASE WHEN starts_with({0}, '[') THEN from_json({0}, '[\"VARCHAR\"]') END",
}


class Column(NamedTuple):
    """A column of the table, as a condition sees it."""

    name: str
    """How a condition writes it: the header's name; `column0` for one without, `x_1` for a second `x`."""
    header: str
    place: int
    """From 0, among the columns of its table, or of all."""
    kind: str
    """One of `profile.COLUMN_TYPES`."""

    @property
    def quoted(self) -> str:
        """The name as SQL text, whatever letters it has."""
        return '"' + self.name.replace('"', '""') + '"'


class Part(NamedTuple):
    """One of the tables that make up a dataset's."""

    table: Table
    shape: TableShape | None = None
    """Declares the columns' types, and which one names the image; without it, all is text."""
    before: int = 0
    """Records of the tables before it: its own are numbered from there."""


class Records:
    """The relation `records` over the tables of a dataset, which tell the same of different images."""

    def __init__(
        self, relations: Relations, parts: Sequence[Part], tell: Callable[[Finding], None] | None = None
    ) -> None:
        """Declare nothing yet.

        Args:
            relations: where the relation will be.
            parts: what is read, the label table first. What a column is called and holds, the first that has it says.
            tell: gets what is wrong with records, where nobody has looked at them before.
        """
        self.parts = tuple(parts)
        self.shape = parts[0].shape
        self.columns = _united(parts)
        self._relations = relations
        self._tell = tell
        self._filled: tuple[Column, ...] = ()
        self._by_name = {column.name.casefold(): column for column in self.columns}

    @property
    def name(self) -> str:
        """The tables' file names."""
        return ", ".join(part.table.name for part in self.parts)

    def column(self, name: str) -> Column:
        """The column of that name, in any case; raises UsageError with names that are close."""
        column = self._by_name.get(name.casefold())
        if column is None:
            raise UsageError(
                f"the table {self.name} has no column '{name}'{self.like(name)}; 'laden columns' lists them"
            )
        return column

    def has(self, name: str) -> bool:
        """Whether there is a column of that name, in any case."""
        return name.casefold() in self._by_name

    def like(self, name: str) -> str:
        """` (did you mean 'x'?)` where a column has a name close to this one, in any case."""
        close = difflib.get_close_matches(name.casefold(), self._by_name, n=1)
        return f" (did you mean {self._by_name[close[0]].name}?)" if close else ""

    @property
    def key(self) -> Column | None:
        """The column that names the image, where the profile tells."""
        return None if self.shape is None else self.columns[self.parts[0].table.column(self.shape.key)]

    def declare(self, wanted: Iterable[Column]) -> None:
        """Make the relation, still without rows, so that a question can be checked before the table is read."""
        self._filled = tuple(sorted(set(wanted), key=lambda column: column.place))
        texts = "".join(f", c{column.place} VARCHAR" for column in self._filled)
        self._relations.run(f"CREATE OR REPLACE TABLE fields (row BIGINT, key VARCHAR{texts})")
        typed = "".join(f", {self._typed(column)} AS {column.quoted}" for column in self.columns)
        self._relations.run(
            f"CREATE OR REPLACE VIEW {RELATION} AS SELECT row AS {ROW}{typed} FROM fields"  # noqa: S608 - quoted
        )

    def _typed(self, column: Column) -> str:
        if column not in self._filled:
            return f"NULL::{_SQL_TYPES[column.kind]}"
        return _TYPED[column.kind].format(f"c{column.place}")

    def read(self) -> int:
        """Fill the relation from the tables; returns how many records there are. Raises SourceError."""
        return sum(map(self._read, self.parts))

    def _read(self, part: Part) -> int:
        table, shape = part.table, part.shape
        own = {column.name.casefold(): column.place for column in _named(table, shape)}
        cells = [(own.get(column.name.casefold()), _cell_reader(column.kind)) for column in self._filled]
        key = table.column(shape.key) if shape else None
        watch = _watch(part) if self._tell is not None else None
        width = len(table.columns)
        count = 0

        def rows() -> Iterator[tuple[Any, ...]]:
            nonlocal count
            for record in table.records():
                count += 1
                if watch is not None and self._tell is not None and (finding := watch.see(record)) is not None:
                    self._tell(finding)
                fields = record.fields
                if len(fields) == width:
                    name = shape.row_key(fields[key].strip()) or None if shape and key is not None else None
                    texts = [None if place is None else read(fields[place]) for place, read in cells]
                    yield part.before + record.row, name, *texts

        self._relations.feed("fields", rows())
        if watch is not None and self._tell is not None:
            for finding in watch.finish():
                self._tell(finding)
        return count

    def unreadable(self) -> Iterator[Finding]:
        """One finding for each column that was read and holds texts which its type does not."""
        for column in self._filled:
            # Whose column it is must be said: those of the table may have any name, also one that stands here.
            text = f"given.c{column.place}"
            count, row, example = self._relations.one(
                f"SELECT count(*), min(given.row), arg_min({text}, given.row) FROM {RELATION} AS typed"  # noqa: S608
                f" JOIN fields AS given ON given.row = typed.{ROW}"
                f" WHERE {text} IS NOT NULL AND typed.{column.quoted} IS NULL"
            )
            if count:
                part = [part for part in self.parts if part.before < row][-1]
                where = f"row {row - part.before}" + (f" of {part.table.name}" if len(self.parts) > 1 else "")
                example = example.removeprefix(_UNREADABLE) if column.kind in LISTS else example
                yield Finding(
                    "value-unreadable",
                    Severity.WARNING,
                    f"{column.name} is declared as {column.kind}, and {count:,} rows hold what is none, first"
                    f" {where}: '{example[:40]}'; conditions take these for NULL",
                    row=row - part.before,
                )


def _watch(part: Part) -> TableWatch:
    texts = [name for name, kind in part.shape.columns.items() if kind == "text"] if part.shape else []
    return TableWatch(part.table, part.shape.key if part.shape else None, texts)


def _united(parts: Sequence[Part]) -> tuple[Column, ...]:
    """The columns of all tables, each name once."""
    found: dict[str, Column] = {}
    for part in parts:
        for column in _named(part.table, part.shape):
            found.setdefault(column.name.casefold(), column._replace(place=len(found)))
    return tuple(found.values())


def _named(table: Table, shape: TableShape | None) -> tuple[Column, ...]:
    """The columns with names of their own in any case, as DuckDB's CSV reader makes them."""
    kinds = shape.columns if shape else {}
    taken = {ROW}
    columns: list[Column] = []
    for index, header in enumerate(table.columns):
        name = header or f"column{index}"
        number = 0
        while name.casefold() in taken:
            number += 1
            name = f"{header or f'column{index}'}_{number}"
        taken.add(name.casefold())
        columns.append(Column(name, header, index, kinds.get(header, "text")))
    return tuple(columns)


def _cell_reader(kind: str) -> Callable[[str], str | None]:
    if kind not in LISTS:
        return present
    return partial(_list_cell, parse_list if kind == "list" else parse_cuis, {})


def _list_cell(parse: Callable[[str], Items | None], seen: dict[str, str | None], text: str) -> str | None:
    """A list as JSON. The same few lists stand in most rows: each is parsed once."""
    try:
        return seen[text]
    except KeyError:
        found = present(text)
        items = parse(found) if found is not None else None
        given = found if found is None else _UNREADABLE + found if items is None else json.dumps(items)
        if len(seen) < _REMEMBERED:
            seen[text] = given
        return given


_REMEMBERED = 100_000
"""Lists of a column that are kept, so that a table in which no two are alike does not fill the memory."""
