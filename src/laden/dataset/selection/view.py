"""The table as a relation with types: `records`, one column for each of the table's, for DuckDB to ask.

A dataset may have several tables of one kind (train and test, say): they are one relation, as if one followed
the other.

The columns that are wanted pass, trimmed, from the run's copy of the table into a relation of texts. The view above it
types them as the profile declares: what is missing is NULL, and so is what its type cannot hold, which is counted and
told. Of lists each different text is read once (`lists`). Records with too many or too few fields are not in it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from laden.dataset.profile import TableShape
from laden.dataset.selection.keys import fold, row_key
from laden.dataset.selection.lists import LISTS, declare_lists, read_lists
from laden.dataset.selection.marks import COLUMNS as MARKS
from laden.dataset.selection.marks import JOIN as MARKS_JOIN
from laden.dataset.selection.marks import declare_marks, read_marks, refuse_doubtful
from laden.dataset.table import BATCH, Table, TableWatch, columns, count
from laden.dataset.table.cells import MISSING
from laden.relations import Relations
from laden.values.errors import UsageError
from laden.values.records import Finding, Severity

RELATION = "records"
"""What a condition calls the table, where it must."""

ROW = "laden_row"
"""Column of the relation with the number of the record; a column of the table that is called so is renamed."""

_OF_MARKS = -1
"""Place of a column that no table has."""

_PRESENT = "CASE WHEN {0} NOT IN (" + ", ".join(f"'{spelling}'" for spelling in sorted(MISSING)) + ") THEN {0} END"

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
        self,
        relations: Relations,
        parts: Sequence[Part],
        tell: Callable[[Finding], None] | None = None,
        marks: Path | None = None,
    ) -> None:
        """Declare nothing yet.

        Args:
            relations: where the relation will be.
            parts: what is read, the label table first. What a column is called and holds, the first that has it says.
            tell: gets what is wrong with records, where nobody has looked at them before.
            marks: a table of marks, whose columns are there beside the tables' own.
        """
        self.parts = tuple(parts)
        self.shape = parts[0].shape
        self.columns = _united(parts)
        self._relations = relations
        self._tell = tell
        self._filled: tuple[Column, ...] = ()
        self._by_name = {column.name.casefold(): column for column in self.columns}
        self._marks = marks
        marked = (Column(name, name, _OF_MARKS, "text") for name in MARKS)
        # A table's own column of that name stays what it is.
        self._marked = tuple(one for one in marked if marks is not None and one.name not in self._by_name)
        self._by_name |= {column.name: column for column in self._marked}

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
        own = (column for column in set(wanted) if column.place != _OF_MARKS)
        self._filled = tuple(sorted(own, key=lambda column: column.place))
        texts = "".join(f", c{column.place} VARCHAR" for column in self._filled)
        self._relations.run(f"CREATE OR REPLACE TABLE fields (row BIGINT, key VARCHAR{texts})")
        lists = [column for column in self._filled if column.kind in LISTS]
        for column in lists:
            declare_lists(self._relations, column.place)
        cells = "".join(f", {self._typed(column)} AS {column.quoted}" for column in self.columns)
        joined = "".join(f" LEFT JOIN lists{column.place} ON c{column.place} = text{column.place}" for column in lists)
        if self._marked:
            declare_marks(self._relations)
            cells += "".join(f", marked.{MARKS[column.name]} AS {column.name}" for column in self._marked)
            joined += MARKS_JOIN
        self._relations.run(
            f"CREATE OR REPLACE VIEW {RELATION} AS SELECT row AS {ROW}{cells} FROM fields{joined}"  # noqa: S608 - quoted
        )

    def _typed(self, column: Column) -> str:
        if column not in self._filled:
            return f"NULL::{_SQL_TYPES[column.kind]}"
        return typed(column)

    def read(self) -> int:
        """Fill the relation from the tables; returns how many records there are. Raises SourceError."""
        if self._marked and self._marks is not None:
            read_marks(self._relations, self._marks, self.shape, self.name)
        rows = sum(map(self._read, self.parts))
        if self._marked and self._marks is not None and self.shape is not None:
            refuse_doubtful(self._relations, self._marks, self.shape, self.name)
        for column in self._filled:
            if column.kind in LISTS:
                read_lists(self._relations, "fields", column.place, column.kind)
        return rows

    def _read(self, part: Part) -> int:
        table, shape, before = part.table, part.shape, part.before
        own = {column.name.casefold(): column.place for column in _named(table, shape)}
        places = [own.get(column.name.casefold()) for column in self._filled]
        key = f"nullif({row_key(shape, f'c{table.column(shape.key)}')}, '')" if shape else "NULL"
        cells = "".join(", NULL" if place is None else f", {_PRESENT.format(f'c{place}')}" for place in places)
        needed = {place for place in places if place is not None} | ({table.column(shape.key)} if shape else set())
        watch = _watch(part) if self._tell is not None else None
        self._relations.absorb(
            f"INSERT INTO fields SELECT row + {before}, {key}{cells} FROM {BATCH}",  # noqa: S608 - own names
            columns(table, sorted(needed), watch.see if watch is not None else lambda _: None),
        )
        if shape is not None:
            fold(self._relations, "fields", shape)
        if watch is not None and self._tell is not None:
            watch.refuse_doubled([shape.key] if shape else [])
            for finding in (*watch.of_rows(), *watch.of_table()):
                self._tell(finding)
        return count(table)

    def unreadable(self) -> Iterator[Finding]:
        """One finding for each column that was read and holds texts which its type does not."""
        for column in (column for column in self._filled if column.kind != "text"):
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
                yield Finding(
                    "value-unreadable",
                    Severity.WARNING,
                    f"{column.name} is declared as {column.kind}, and {count:,} rows hold what is none, first"
                    f" {where}: '{example[:40]}'; conditions take these for NULL",
                    row=row - part.before,
                )


def typed(column: Column) -> str:
    """SQL for what a cell of a column holds, of one that was declared; of lists, the relation of theirs is needed."""
    return f"items{column.place}" if column.kind in LISTS else _TYPED[column.kind].format(f"c{column.place}")


def _watch(part: Part) -> TableWatch:
    texts = [name for name, kind in part.shape.columns.items() if kind == "text"] if part.shape else []
    return TableWatch(
        part.table, part.shape.key if part.shape else None, texts, part.shape.columns if part.shape else ()
    )


def _united(parts: Sequence[Part]) -> tuple[Column, ...]:
    """The columns of all tables, each name once."""
    found: dict[str, Column] = {}
    for part in parts:
        for column in _named(part.table, part.shape):
            found.setdefault(column.name.casefold(), column._replace(place=len(found)))
    return tuple(found.values())


def _named(table: Table, shape: TableShape | None) -> tuple[Column, ...]:
    """The columns with names of their own in any case; what the header calls so once is called so."""
    kinds = shape.columns if shape else {}
    given = [header or f"column{index}" for index, header in enumerate(table.columns)]
    first = {name.casefold(): index for index, name in reversed(list(enumerate(given)))}
    taken = {ROW}
    columns: list[Column] = []
    for index, header in enumerate(table.columns):
        name = given[index]
        number = 0
        while name.casefold() in taken or first.get(name.casefold(), index) != index:
            number += 1
            name = f"{given[index]}_{number}"
        taken.add(name.casefold())
        columns.append(Column(name, header, index, kinds.get(header, "text")))
    return tuple(columns)
