"""What a page shows of a place: some of its items, in some order, a window at a time; and what it holds in folders.

A view is a range of names, or the order kept as a table of positions; both are paged by position, so any window of a
million items costs the same. What is in a view of a folder is a range also where another order is shown: asked by its
ends, where a list of a million positions would take a third of the server's memory. The last few views are kept. Counts
are the database's.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from laden.dataset.selection.marks import COLUMNS as MARKS
from laden.explorer.database import Shared
from laden.explorer.labels import Labels
from laden.relations import Relations
from laden.values.errors import UsageError

_KEPT = 5
MOST_ROWS = 2_000
"""Of one window."""
MOST_FOLDERS = 5_000
COLUMNS = (
    "name", "size_bytes", "modified_s", "kind", "width", "height", "bits", "state", "fate", "tier", "archive", "mark",
    "note", "type", "md5",
)  # fmt: skip
"""Of an item, as a page gets them, in this order."""
_SORTS = frozenset(COLUMNS) - {"note"}
_OF_MARKS = ("mark", "note", *MARKS)
"""What a view may be sorted by."""
_NUMBERS = count(1)
"""Of views: none twice in a server, whatever places it shows, so that no page takes one for another."""


@dataclass(frozen=True)
class Query:
    """What a person asked to see."""

    folder: str = ""
    """With a slash at its end; empty for all."""
    find: str = ""
    how: str = "part"
    """How `find` is meant: `part` of a name in any case, `glob`, or `regex` (RE2)."""
    where: tuple[str, ...] = ()
    """Conditions, all of which must be true."""
    sort: str = "name"
    """One of `COLUMNS`, or a column of the table."""
    descending: bool = False


@dataclass(frozen=True)
class View:
    """Items in an order."""

    number: int
    query: Query
    generation: int
    epoch: int
    rows: int
    size_bytes: int
    table: str
    """Relation with the order; empty where it is that of the names."""
    start: int | None = None
    """First position, where all of a folder is in it and its positions follow each other, which no order of names
    promises: a service's listing may be in another one (UTF-16, or folder by folder)."""
    marks: int = 0
    """How often marks had changed."""
    by_marks: bool = False
    """Whether marks may decide what is in it, or in which order."""


class Views:
    """The views of one place."""

    def __init__(self, relations: Shared, labels: Labels) -> None:
        self._relations = relations
        self._labels = labels
        self._kept: OrderedDict[int, View] = OrderedDict()
        self._marks = 0
        self._lock = threading.Lock()

    def open(self, query: Query, generation: int, epoch: int = 0) -> View:
        """Make a view.

        Raises:
            UsageError: the pattern or a condition is wrong, or there is no such column.
        """
        with self._lock:
            for view in self._kept.values():
                same = (view.query, view.generation) == (query, generation)
                if same and (view.marks == self._marks or not view.by_marks):
                    self._kept.move_to_end(view.number)
                    return view
            view = self._made(next(_NUMBERS), query, generation, epoch)
            self._kept[view.number] = view
            while len(self._kept) > _KEPT:
                _, old = self._kept.popitem(last=False)
                if old.table:
                    self._relations.run(f"DROP TABLE IF EXISTS {old.table}")
            return view

    def marked(self) -> None:
        """Marks have changed: who looks by them again sees something else."""
        with self._lock:
            self._marks += 1

    def get(self, number: int) -> View | None:
        """The view of that number, where it is still kept; that longest asked for goes first."""
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
            return self._kept.get(number)

    def _made(self, number: int, query: Query, generation: int, epoch: int) -> View:
        marks, start = self._marks, None
        if not query.find and not query.where:
            rows, size_bytes, first, last = self._relations.one(
                "SELECT count(*), coalesce(sum(size_bytes), 0)::BIGINT, coalesce(min(pos), 0), coalesce(max(pos), -1)"
                " FROM items WHERE starts_with(name, ?)",
                [query.folder],
            )
            if last - first + 1 == rows:
                start = first
                if query.sort == "name":
                    return View(number, query, generation, epoch, rows, size_bytes, "", start, marks)
        table = f"view_{number}"
        order, source = self._order(query)
        conditions, parameters = self._conditions(query)
        direction = "DESC" if query.descending else "ASC"
        try:
            self._relations.run(
                f"CREATE OR REPLACE TABLE {table} AS"  # noqa: S608
                " SELECT (row_number() OVER () - 1)::INTEGER AS slot, pos::INTEGER AS pos FROM"
                f" (SELECT i.pos FROM items i {source} WHERE {conditions}"
                f" ORDER BY {order} {direction} NULLS LAST, i.pos {direction})",
                parameters,
            )
        except Relations.Error as error:
            raise UsageError(_reason(query, error)) from error
        if start is None:
            rows, size_bytes = self._relations.one(
                f"SELECT count(*), coalesce(sum(size_bytes), 0)::BIGINT FROM {table} JOIN items USING (pos)"  # noqa: S608
            )
        # As the conditions were proved: a column is read by many a writing that does not spell it.
        by_marks = query.sort in _OF_MARKS or self._labels.names_marks(query.where)
        return View(number, query, generation, epoch, rows, size_bytes, table, start, marks, by_marks)

    def _order(self, query: Query) -> tuple[str, str]:
        if query.sort in _SORTS:
            return f"i.{query.sort}", ""
        column = self._labels.column(query.sort)
        if column is None:
            raise UsageError(f"there is no column '{query.sort}' to sort by")
        source = (
            f"LEFT JOIN (SELECT laden_pos, min({column.quoted}) AS s FROM records GROUP BY 1) o ON o.laden_pos = i.pos"  # noqa: S608
        )
        return "o.s", source

    def _conditions(self, query: Query) -> tuple[str, list[object]]:
        conditions, parameters = ["starts_with(i.name, ?)"], [query.folder]
        if query.find:
            conditions.append(
                {
                    "part": "contains(lower(i.name), lower(?))",
                    "glob": "i.name GLOB ?",
                    "regex": "regexp_matches(i.name, ?)",
                }[query.how]
            )
            parameters.append(query.find if query.how != "glob" else _whole(query.find))
        if condition := self._labels.prove(query.where):
            conditions.append(f"i.pos IN (SELECT laden_pos FROM records WHERE {condition})")  # noqa: S608 - proved
        return " AND ".join(conditions), list(parameters)

    def window(self, view: View, start: int, count: int, extra: Sequence[str] = ()) -> list[list[Any]]:
        """Rows of a view from a position on, each with its position; `extra` are columns of the table."""
        count = min(count, MOST_ROWS)
        columns = ", ".join(f"i.{column}" for column in COLUMNS)
        labels = [column for name in extra if (column := self._labels.column(name)) is not None]
        more = "".join(f", r.{column.quoted}::VARCHAR" for column in labels)
        aggregates = "".join(f", any_value({column.quoted}) AS {column.quoted}" for column in labels)
        join = (
            f"LEFT JOIN (SELECT laden_pos{aggregates} FROM records WHERE laden_pos IN (SELECT pos FROM page)"  # noqa: S608
            " GROUP BY 1) r ON r.laden_pos = i.pos"
            if labels
            else ""
        )
        page, parameters = page_of(view, start, count)
        rows = self._relations.all(
            f"WITH page AS MATERIALIZED ({page}) SELECT p.slot, {columns}{more}"  # noqa: S608 - own text, quoted names
            f" FROM page p JOIN items i USING (pos) {join} ORDER BY p.slot",
            parameters,
        )
        return [list(row) for row in rows]

    def place_of(self, view: View, name: str) -> int | None:
        """Where a name stands in a view."""
        found = self._relations.all("SELECT pos FROM items WHERE name = ?", [name])
        if not found:
            return None
        pos: int = found[0][0]
        if view.table:
            at = self._relations.all(f"SELECT slot FROM {view.table} WHERE pos = ?", [pos])  # noqa: S608 - own name
            return int(at[0][0]) if at else None
        offset = pos - (view.start or 0)
        if not 0 <= offset < view.rows:
            return None
        return view.rows - 1 - offset if view.query.descending else offset

    def folders(self, view: View) -> list[tuple[str, int, int]]:
        """Folders right below the view's, with items and bytes of each, in the order of their names."""
        return self._relations.all(
            "SELECT split_part(substr(name, length($1) + 1), '/', 1) AS folder, count(*), sum(size_bytes)::BIGINT"  # noqa: S608
            f" FROM items WHERE contains(substr(name, length($1) + 1), '/') AND {self.within(view, 'pos')}"
            f" GROUP BY 1 ORDER BY 1 LIMIT {MOST_FOLDERS}",
            [view.query.folder],
        )

    def is_outdated(self, view: View) -> bool:
        """Whether marks have changed since, by which it was made: it may be read, and nothing be done by it."""
        return view.by_marks and view.marks != self._marks

    def within(self, view: View, column: str) -> str:
        """The condition that a position, in that column, is in a view."""
        if view.start is None:
            return f"{column} IN (SELECT pos FROM {view.table})"  # noqa: S608 - own name
        return f"{column} BETWEEN {view.start} AND {view.start + view.rows - 1}"

    def is_all(self, view: View) -> bool:
        """Whether nothing is left out."""
        return view.start is not None and not view.query.folder


def page_of(view: View, start: int, count: int) -> tuple[str, list[object]]:
    """The query of a view's rows from a position on, as `slot` and `pos`, with its parameters."""
    if view.table:
        return f"SELECT slot, pos FROM {view.table} WHERE slot BETWEEN ? AND ?", [start, start + count - 1]  # noqa: S608
    count = max(0, min(count, view.rows - start))
    at = view.start or 0
    if view.query.descending:
        last = at + view.rows - 1
        return f"SELECT {last} - pos AS slot, pos FROM items WHERE pos BETWEEN ? AND ?", [  # noqa: S608 - numbers
            last - start - count + 1,
            last - start,
        ]
    first = at + start
    return f"SELECT pos - {at} AS slot, pos FROM items WHERE pos BETWEEN ? AND ?", [first, first + count - 1]  # noqa: S608


def _whole(pattern: str) -> str:
    """A glob that is meant for the end of a name, as `*.png` and `a.png` are."""
    return pattern if pattern.startswith("*") else f"*{pattern}"


def _reason(query: Query, error: Exception) -> str:
    words = " ".join(str(error).split())[:200]
    what = f"the pattern {query.find}" if query.find else f"the condition {' AND '.join(query.where)}"
    return f"{what} cannot be used: {words}"
