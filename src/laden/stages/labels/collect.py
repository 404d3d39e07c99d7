"""Which labels each image of a load has: the tables in the container, held against the manifest.

A row belongs to the blob that it is linked with (`stages.linking`). Several rows may name one image; it has the labels
of all of them. Nothing is read from the network here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from laden.dataset.images import BROKEN
from laden.dataset.profile import Profile, TableShape, Template
from laden.dataset.selection import Part
from laden.dataset.table import Table, count
from laden.dataset.table.labels import labels_of
from laden.relations import Relations
from laden.stages.labels.images import LabelCounts, LabelledImage
from laden.stages.linking import link, name_rows
from laden.values.errors import UsageError


class Naming(NamedTuple):
    """The rows of a table, with what they say of labels."""

    rows: str
    """A query of `row`, `made`, `named` (`stages.linking`) and `text`, the cell with the labels."""
    kind: str
    """Of the column of labels."""
    shape: TableShape
    after: int
    """How many rows there are up to its last one."""


def name_labels(
    relations: Relations,
    table: Table,
    profile: Profile,
    shape: TableShape | None,
    layout: Template,
    *,
    number: int = 0,
    before: int = 0,
) -> Naming:
    """Read a table's cells.

    Args:
        relations: where they will be.
        table: as it lies in the container, held.
        profile: of the load.
        shape: of the table, which says which column holds labels.
        layout: that made the names of its images.
        number: tells the table from others.
        before: rows of those before it.

    Raises:
        UsageError: the profile knows of no labels, or the table has not the columns that it needs.
        SourceError: the table cannot be read.
    """
    if shape is None or shape.labels is None:
        raise UsageError(
            f"the profile '{profile.name}' names no column of labels: give a TOML file that does with --profile"
        )
    if absent := [name for name in (*layout.fields, shape.labels) if name not in table.columns]:
        raise UsageError(f"the table {table.name} has no column '{absent[0]}', which the labels need: check --profile")
    part = Part(table, shape, before)
    rows, cells = name_rows(relations, part, layout, (shape.labels,), profile=profile, number=number)
    query = f"SELECT row, made, named, {cells[shape.labels]} AS text FROM {rows}"  # noqa: S608 - own names
    return Naming(query, shape.columns[shape.labels], shape, before + count(table))


def collect(relations: Relations, named: Sequence[Naming]) -> LabelSet:
    """Link tables that were read with the images of the manifest in `known`; the first one's labels are read as its."""
    rows = " UNION ALL ".join(one.rows for one in named)
    link(
        relations, f"({rows})", "known", many=any(one.shape.many for one in named), shapes=[one.shape for one in named]
    )
    relations.run(
        f"CREATE OR REPLACE TABLE labels AS SELECT row, l.blob, text FROM ({rows}) LEFT JOIN linked l USING (row)"  # noqa: S608
    )
    return LabelSet(relations, _read(relations, named[0].kind))


def _read(relations: Relations, kind: str) -> int:
    """Read each different cell once, into the relation `label_texts`; returns how many rows hold what is no labels."""
    relations.run("CREATE OR REPLACE TABLE label_texts (text VARCHAR, labels VARCHAR, readable BOOLEAN)")
    different = relations.stream("SELECT DISTINCT text FROM labels")
    read = ((text, labels_of(text, kind)) for (text,) in different)
    relations.feed("label_texts", ((text, json.dumps(labels or ()), labels is not None) for text, labels in read))
    unreadable: int = relations.one("SELECT count(*) FROM labels JOIN label_texts USING (text) WHERE NOT readable")[0]
    return unreadable


class LabelSet:
    """The labelled images of a load; may be asked any number of times."""

    def __init__(self, relations: Relations, unreadable: int) -> None:
        self._relations = relations
        self._unreadable = unreadable

    def images(self) -> Iterator[LabelledImage]:
        """Every image of the manifest that is not broken inside, by name."""
        found = self._relations.stream(
            "SELECT k.blob, k.kind, k.width, k.height, t.labels FROM known k LEFT JOIN labels l USING (blob)"
            " LEFT JOIN label_texts t ON t.text = l.text"
            " WHERE NOT list_contains(?::VARCHAR[], k.state) ORDER BY k.blob, l.row",
            [list(BROKEN)],
        )
        for (blob, kind, width, height), rows in groupby(found, key=lambda row: row[:4]):
            labels = (label for *_, text in rows if text is not None for label in json.loads(text))
            yield LabelledImage(blob, kind, width, height, tuple(dict.fromkeys(labels)))

    def counts(self) -> LabelCounts:
        """How many there are."""
        images, whole, labelled = self._relations.one(
            "SELECT count(*), count(*) FILTER (fine), count(*) FILTER (fine"
            " AND blob IN (SELECT blob FROM labels JOIN label_texts USING (text) WHERE labels <> '[]'))"
            " FROM (SELECT blob, NOT list_contains(?::VARCHAR[], state) AS fine FROM known)",
            [list(BROKEN)],
        )
        return LabelCounts(images, labelled, whole - labelled, images - whole, self._unreadable)
