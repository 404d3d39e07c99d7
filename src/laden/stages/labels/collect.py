"""Which labels each image of a load has: the table in the container, held against the manifest.

A row belongs to the blob that it is linked with (`stages.linking`). Several rows may name one image; it has the labels
of all of them. Nothing is read from the network here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby

from laden.dataset.images import BROKEN
from laden.dataset.profile import Profile, Template
from laden.dataset.selection import Part
from laden.dataset.table import Table
from laden.dataset.table.labels import labels_of
from laden.relations import Relations
from laden.stages.labels.images import LabelCounts, LabelledImage
from laden.stages.linking import link, name_rows
from laden.values.errors import UsageError


def collect(relations: Relations, table: Table, profile: Profile, layout: Template) -> LabelSet:
    """Read a table's labels.

    Args:
        relations: with the manifest in `known`.
        table: as it lies in the container, held.
        profile: says which column holds labels.
        layout: of the load, which its page names.

    Raises:
        UsageError: the profile knows of no labels, or the table has not the columns that it needs.
        SourceError: the table cannot be read.
    """
    shape = profile.table
    if shape is None or shape.labels is None:
        raise UsageError(
            f"the profile '{profile.name}' names no column of labels: give a TOML file that does with --profile"
        )
    if absent := [name for name in (*layout.fields, shape.labels) if name not in table.columns]:
        raise UsageError(f"the table {table.name} has no column '{absent[0]}', which the labels need: check --profile")
    rows, cells = name_rows(relations, Part(table, shape), layout, (shape.labels,), profile=profile)
    link(relations, rows, "known", many=shape.many)
    relations.run(
        f"CREATE OR REPLACE TABLE labels AS SELECT row, l.blob, {cells[shape.labels]} AS text"  # noqa: S608 - own names
        f" FROM {rows} LEFT JOIN linked l USING (row)"
    )
    return LabelSet(relations, _read(relations, shape.columns[shape.labels]))


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
