"""The table beside the images: joined to them, and asked by conditions that were proved first.

In order: the table's records are read and typed as a selection reads them, and kept as the relation `labels`; then the
relation `records` is made, one row for each image and each row that names it, with the table's columns and what is
known of the image (`laden_width`, `laden_state`, `laden_mark` ...), which alone is the relation `images`. A condition
is proved by `laden.dataset.selection` in a database of its own, against an empty table with these columns, and only
its very text is executed here.
"""

from __future__ import annotations

import csv
import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from laden.dataset.profile import TableShape
from laden.dataset.selection import Part, Records
from laden.dataset.selection.condition import Condition, parse_condition
from laden.dataset.selection.marks import COLUMNS as MARKS
from laden.dataset.table import Table
from laden.explorer.database import PACKED, Shared
from laden.explorer.index import LINES, NO_LINES
from laden.explorer.joined import NAMES, Naming, join_lines, keep_names, take_names
from laden.relations import Relations

IMAGE_COLUMNS = {
    "laden_name": ("name", "text"),
    "laden_bytes": ("size_bytes", "integer"),
    "laden_archive": ("archive", "text"),
    "laden_kind": ("kind", "text"),
    "laden_width": ("width", "integer"),
    "laden_height": ("height", "integer"),
    "laden_bits": ("bits", "integer"),
    "laden_state": ("state", "text"),
    "laden_fate": ("fate", "text"),
    "laden_tier": ("tier", "text"),
    "laden_mark": ("mark", "text"),
    "laden_note": ("note", "text"),
}
"""What a condition may name beside the table's columns: the column of `items`, and its type."""

_OF_ITEMS = ", ".join(f"nullif(i.{column}, '') AS {name}" if kind == "text" else f"i.{column} AS {name}"
                      for name, (column, kind) in IMAGE_COLUMNS.items())  # fmt: skip
_IMAGES = f"CREATE OR REPLACE VIEW images AS SELECT i.pos AS laden_pos, {_OF_ITEMS} FROM items i"  # noqa: S608
_NO_TABLE = "CREATE OR REPLACE VIEW records AS SELECT * FROM images"


_REMEMBERED = 1_000
_PART_ROWS, _PART_BYTES = 10_000, 5 << 20
"""Of a table, packed at once: of twice as many, packing takes three times the memory."""
_QUOTE = "'"
_READING_MB, _NARROW, _PROOF_MB = 64, 40, 64
"""Of the databases beside the one that is shown: for a table that is read, of so many columns (each has blocks of its
own in each thread), and for proving conditions."""


class LabelColumn(NamedTuple):
    """A column that can be asked for."""

    name: str
    kind: str
    """One of `laden.dataset.profile.COLUMN_TYPES`."""

    @property
    def quoted(self) -> str:
        """The name as SQL text, whatever letters it has."""
        return '"' + self.name.replace('"', '""') + '"'


class Labels:
    """The columns of one place, and the conditions over them."""

    def __init__(self, relations: Shared) -> None:
        self._relations = relations
        self._lock = threading.Lock()
        self.columns: tuple[LabelColumn, ...] = ()
        """Of the table."""
        self.table = ""
        self.shape: TableShape | None = None
        self._naming: Naming | None = None
        relations.run(f"{_IMAGES}; {_NO_TABLE}")
        self._proof = Relations(_PROOF_MB)
        self._prepare()

    def close(self) -> None:
        """Let go of the second database, once nobody asks it any more."""
        with self._lock, self._proof:
            pass

    def read(self, parts: Sequence[Part], naming: Naming | None) -> None:
        """Read the tables of a dataset.

        Args:
            parts: the tables; one alone where there is a `naming`.
            naming: how rows are linked with images; None for a source, whose rows are matched.

        Raises:
            SourceError: they cannot be read.
        """
        # What a listing took is given back before a table takes as much.
        self._relations.give_back()
        columns = max(len(part.table.columns) for part in parts)
        with Relations(_READING_MB + max(0, columns - _NARROW) // 2) as own:
            records = Records(own, parts)
            records.declare(records.columns)
            rows = records.read()
            size_bytes = sum(part.table.content.stat().st_size for part in parts)
            paths = self._kept(own, min(_PART_ROWS, max(1, rows * _PART_BYTES // max(1, size_bytes))))
            if naming is not None:
                keep_names(own, self._relations, parts[0], naming)
        with self._relations.positions:
            self._relations.settled = False
            self._take(paths)
            self.table, self.shape, self._naming = records.name, records.shape, naming
            if naming is not None and self.shape is not None:
                take_names(self._relations, self.shape, naming)
            self.columns = tuple(LabelColumn(column.name, column.kind) for column in records.columns)
        self._prepare()

    def clear(self) -> None:
        """Have no table: its columns are gone, and no image has a row."""
        with self._relations.positions:
            self._relations.settled = False
            self.shape, self.table, self.columns = None, "", ()
            self._relations.run(f"BEGIN; {_NO_TABLE}; DROP VIEW IF EXISTS labels; COMMIT")
            self._relations.run(
                f"BEGIN; {NO_LINES}; DROP TABLE IF EXISTS {PACKED}.labels; DROP TABLE IF EXISTS {NAMES}; COMMIT"
            )
        self._prepare()

    def _kept(self, own: Relations, part_rows: int) -> list[Path]:
        """The typed records as files of the shown database: the reading one, and its views, are closed before.

        In parts: one answer with all columns of a long table would not fit into the memory that either has.
        """
        (last,) = own.one("SELECT coalesce(max(row), 0) FROM fields")
        paths = []
        for number, since in enumerate(range(0, last + 1, part_rows)):
            until = since + part_rows - 1
            path = own.to_parquet(
                f"SELECT * FROM records WHERE laden_row BETWEEN {since} AND {until}",  # noqa: S608 - numbers
                f"labels-{number}.parquet",
                "laden_labels",
            )
            paths.append(path.replace(self._relations.folder / path.name))
        return paths

    def _take(self, paths: list[Path]) -> None:
        run, table = self._relations.run, f"{PACKED}.labels"
        # Rows of another table must never be taken for those that were joined.
        run(f"BEGIN; DROP TABLE IF EXISTS {table}; {NO_LINES}; COMMIT")
        for path in paths:
            file = f"SELECT * FROM read_parquet('{str(path).replace(_QUOTE, _QUOTE * 2)}')"  # noqa: S608 - own path
            run(f"CREATE TABLE IF NOT EXISTS {table} AS {file} LIMIT 0")
            run(f"INSERT INTO {table} {file}")
            # Each before the next: unpacked, a table is several times larger.
            self._relations.pack()
            self._relations.give_back()
            path.unlink()
        run(f"CREATE OR REPLACE VIEW labels AS SELECT * FROM {table}")  # noqa: S608 - own text

    def join(self) -> None:
        """Make `records` anew, for the items that are there now: after them, and after each other."""
        with self._relations.positions:
            if self.shape is None:
                self._relations.run(_NO_TABLE)
            else:
                self._join(self.shape)

    def _join(self, shape: TableShape) -> None:
        join_lines(self._relations, shape, self._naming)
        # A view: a million items with all that their rows say would not fit into the memory that the database has.
        self._relations.run(
            "CREATE OR REPLACE VIEW records AS SELECT i.*, l.*"  # noqa: S608 - own names
            f" FROM images i LEFT JOIN {LINES} n ON n.pos = i.laden_pos LEFT JOIN labels l ON l.laden_row = n.line"
        )
        self._relations.give_back()

    @property
    def all_columns(self) -> tuple[LabelColumn, ...]:
        """The table's, then the images'."""
        return (*self.columns, *(LabelColumn(name, kind) for name, (_, kind) in IMAGE_COLUMNS.items()))

    def column(self, name: str) -> LabelColumn | None:
        """The column of that name."""
        return next((column for column in self.all_columns if column.name == name), None)

    def prove(self, parts: Iterable[str]) -> str:
        """One condition that is true where all parts are, each of them proved; empty for no parts.

        Raises:
            UsageError: one of them is no condition over the columns.
        """
        conditions = list(parts)
        for text in conditions:
            self._parsed(text)
        return " AND ".join(f"(\n{text}\n)" for text in conditions)

    def names_images(self, parts: Iterable[str]) -> bool:
        """Whether a condition asks what neither a table nor marks say, so that no other command can be given it."""
        return bool(self._named(parts) & (IMAGE_COLUMNS.keys() - MARKS.keys()))

    def names_marks(self, parts: Iterable[str]) -> bool:
        """Whether a condition asks for marks."""
        return bool(self._named(parts) & MARKS.keys())

    def _named(self, parts: Iterable[str]) -> set[str]:
        return {column.name for text in parts for column in self._parsed(text).columns}

    def _parsed(self, text: str) -> Condition:
        """A condition, proved once: the page sends those that are on with every request."""
        with self._lock:
            if text not in self._proved:
                if len(self._proved) > _REMEMBERED:
                    self._proved.clear()
                self._proved[text] = parse_condition(text, self._records, self._proof)
            return self._proved[text]

    def _prepare(self) -> None:
        """The empty table that conditions are held against."""
        columns = self.all_columns
        path = self._proof.folder / "columns.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow([column.name for column in columns])
        shape = replace(_PLAIN, columns={column.name: column.kind for column in columns}, key=columns[0].name)
        with self._lock:
            self._records = Records(
                self._proof, [Part(replace(Table.open(path), name=self.table or "the images"), shape)]
            )
            self._proved: dict[str, Condition] = {}


_PLAIN = TableShape(
    name="*", subset="", key="", labels=None, columns={}, suffixes=(), ignore_case=False, match="name", segments=0,
    many=True, recognised_by=(), layout=None, folder=None, charts=(), age=(), photometric=None, height=None, width=None,
    bits=None,
)  # fmt: skip
