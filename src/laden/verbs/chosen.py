"""Which images of a destination are meant: all that its load landed, or those that rows of its table select.

In order: the listing and what the load left about itself are read; where rows are asked for, its tables too; each row
is linked with the blob that the load's layout makes of it (where that names none, with the one whose manifest names the
row's key, if there is one alone); and the selection is taken as everywhere. Where no load was completed, every blob is
meant. Nothing is read of the images, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from laden.dataset.profile import WHOLE_PATH, Profile, TableShape, Template, known_profile, open_profile
from laden.dataset.selection import Part, Records, Selection, choose
from laden.dataset.table import Table, count
from laden.relations import Relations
from laden.run.run import Run
from laden.stages.download.meaning import GONE
from laden.stages.landed import fetch_table, read_proved, refuse_lost
from laden.stages.linking import layout_of, link, name_rows, shape_of
from laden.stages.loadpage import Document, LoadPage
from laden.stages.manifest import OTHER, find_loads_below
from laden.stages.proof import documents_amiss
from laden.store import Store
from laden.values.errors import UsageError
from laden.values.events import Selected
from laden.values.records import Finding, Severity, Step
from laden.values.units import plural

_SCHEMA = """
CREATE OR REPLACE TABLE links (row BIGINT, blob VARCHAR, place VARCHAR);
CREATE OR REPLACE TABLE picked (blob VARCHAR)
"""


@dataclass(frozen=True, slots=True)
class Landed:
    """A table that a load landed."""

    part: Part
    name: str
    """Its name below the destination."""
    subset: str
    """What a part of it is called."""
    selected: bool
    """Whether it holds the rows of a selection."""
    layout: Template
    """That made the names of its images."""
    profile: Profile | None
    """Of the load, where it is known."""
    original: str = ""
    """Hexadecimal MD5 of the publisher's whole table, where the load's page tells it."""


_MEANT = "SELECT row FROM links WHERE blob IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a destination holds."""

    page: LoadPage | None
    """None where no load was completed."""
    tables: tuple[Landed, ...] = ()
    """Those that were asked for, read into the run's folder."""
    amiss: tuple[Document, ...] = ()
    """Tables and copied files of the load that are gone, or other ones now; told where tables were asked for."""
    lost: tuple[Document, ...] = ()
    """Of these, the tables: nothing of them is read, and whoever goes by rows refuses (`refuse_lost`)."""

    def landing(self, relations: Relations, selection: Selection) -> list[tuple[Landed, str]]:
        """The tables of which rows land beside images that were chosen so, and what a part of each is called then.

        Those that earlier selections landed keep their names unless rows are chosen; then tables of which none is, are
        left out. No two get one name.

        Args:
            relations: after `pick`.
            selection: what that was given, and what the first table is to be called.
        """
        alone = selection.lands_alone
        meant = _MEANT + (" AND row IN (SELECT row FROM chosen)" if selection.chooses else "")  # noqa: S608 - own text
        tables = [one for one in self.choosing if len(rows_of(relations, one, meant))] if alone else self.tables
        names = {} if alone else {table.name: table.name for table in tables if table.selected}
        for table in tables:
            wishes = [table.subset, table.name if table.selected else _part_name(table.name)]
            if selection.table_name and not names:
                wishes.insert(0, selection.table_name)
            free = [name for name in wishes if name not in names.values()] or wishes[-1:]
            names.setdefault(table.name, free[0])
        return [(table, names[table.name]) for table in tables]

    @property
    def choosing(self) -> list[Landed]:
        """The tables of which rows are chosen: not what an earlier selection landed beside the one that it is of."""
        wholes = {table.original for table in self.tables if not table.selected}
        return [table for table in self.tables if not (table.selected and table.original in wholes)]

    @property
    def parts(self) -> list[Part]:
        """The tables, as all rows are read."""
        return [table.part for table in self.tables]


async def read_loaded(run: Run, store: Store, profile: str | None, *, tables: bool) -> Loaded:
    """List a destination, and read what its load left there.

    Args:
        run: its relations get `blobs`, and `known`, the manifest; with `tables`, it is told which documents of the
            load are gone or other ones.
        store: the destination.
        profile: of the load, where it is no built-in one.
        tables: whether its tables are needed.

    Raises:
        NotAsLanded: the manifest is not the load's.
        UsageError: the profile cannot be read.
    """
    page = await read_proved(store, run.relations)
    if page is None or not tables:
        return Loaded(page)
    known = open_profile(profile) if profile else known_profile(page.profile)
    amiss = dict(documents_amiss(run.relations, page))
    run.add(amiss.values())
    found: list[Landed] = []
    lost_tables: list[Document] = []
    for document in page.documents:
        shape = shape_of(known, document.name, is_label_table=document == page.table) if known else None
        is_table = document == page.table or shape is not None or document.original or document.selection
        if document == page.manifest or not is_table:
            continue
        if document in amiss:
            lost_tables.append(document)
            continue
        table = _kept(await fetch_table(store, run.relations, document), len(found))
        shape = shape or _shape_of_rows(known, document, table)
        before = found[-1].part.before + count(found[-1].part.table) if found else 0
        found.append(
            Landed(
                Part(table, shape, before),
                document.name,
                shape.subset if shape else document.name if _is_part(document) else _part_name(document.name),
                bool(document.selection),
                layout_of(page.layout_of(document), known, shape),
                known,
                document.original,
            )
        )
    return Loaded(page, tuple(found), tuple(amiss), tuple(lost_tables))


def _shape_of_rows(profile: Profile | None, document: Document, table: Table) -> TableShape | None:
    """Of a table with a selection's rows, which a person named: whose columns it has."""
    if profile is None or not document.selection:
        return None
    columns = set(table.columns)
    fits = (shape for shape in profile.tables if {shape.key, *profile.layout_of(shape).fields} <= columns)
    return next(fits, None)


def _is_part(document: Document) -> bool:
    """Whether a table holds but some rows of the publisher's."""
    return bool(document.selection) or document.original not in ("", document.md5)


def _part_name(whole: str) -> str:
    """What a part of a table is called where no profile says it: not as the whole, lest it be taken for that."""
    path = PurePosixPath(whole)
    return str(path.with_stem(f"{path.stem}_part"))


def _kept(table: Table, number: int) -> Table:
    """The table under a file name of its own: the next one is read into the same."""
    path = table.content.rename(table.content.with_name(f"landed-{number}.csv"))
    return replace(table, path=path, held=path)


def pick(run: Run, loaded: Loaded, selection: Selection, layout: Template | None = None) -> tuple[Step, ...]:
    """Fill the relations `picked`, the blobs that are meant, and `links`: each row's blob, and its place.

    Args:
        run: with `blobs` and `known`.
        loaded: of `read_loaded`; with tables where rows or a layout are asked for.
        selection: which rows; none of its steps for all images.
        layout: what the place of an image is made of; None for the blob's own name.

    Returns:
        What each step of the selection left.

    Raises:
        UsageError: there is no table to select by, or the selection is wrong or leaves nothing.
        NotAsLanded: rows are asked for, and a table is gone, or not the load's.
    """
    relations = run.relations
    relations.run(_SCHEMA)
    needs_rows = selection.chooses or layout is not None
    if needs_rows:
        refuse_lost(relations, loaded.lost)
    if needs_rows and not loaded.tables and selection.names is None:
        raise UsageError("no table of a completed load is there, so there are no rows to choose or name images by")
    if loaded.tables:
        _link(relations, loaded.tables, layout)
    if not selection.chooses:
        _pick_all(relations, loaded)
        return ()
    if selection.names is not None:
        return _pick_named(run, loaded, selection.names)
    parts = [table.part for table in loaded.choosing]
    steps = choose(selection, Records(relations, parts, run.log.add, selection.marks), relations, run.log.add)
    run.tell(Selected(steps))
    run.note(rows=steps[-1].rows, selection=steps)
    relations.run("INSERT INTO picked SELECT DISTINCT blob FROM links JOIN chosen USING (row) WHERE blob IS NOT NULL")
    if not relations.one("SELECT count(*) FROM picked")[0]:
        raise UsageError(
            f"of the {steps[-1].rows:,} rows that are selected none has its image in the manifest: select others"
        )
    return steps


def _pick_named(run: Run, loaded: Loaded, names: Iterable[str]) -> tuple[Step, ...]:
    """Take images by their names, whether rows name them or not, and the rows that mean them."""
    relations = run.relations
    relations.run("CREATE OR REPLACE TABLE asked (name VARCHAR)")
    asked = relations.feed("asked", ((name,) for name in names))
    relations.run("INSERT INTO picked SELECT blob FROM known WHERE blob IN (SELECT name FROM asked)")
    (picked,) = relations.one("SELECT count(*) FROM picked")
    if not picked:
        raise UsageError(f"of the {asked:,} names that were chosen none is in the manifest: choose images of the load")
    relations.run("CREATE OR REPLACE TABLE chosen AS SELECT row FROM links WHERE blob IN (SELECT blob FROM picked)")
    if not loaded.tables:
        return ()
    (rows,) = relations.one("SELECT count(*) FROM links")
    (left,) = relations.one("SELECT count(*) FROM chosen")
    tables = ", ".join(table.part.table.name for table in loaded.choosing)
    steps = (Step("table", tables, rows), Step("images", f"{plural(picked, 'image')} by name", left))
    run.tell(Selected(steps))
    run.note(rows=left, selection=steps)
    return steps


def _pick_all(relations: Relations, loaded: Loaded) -> None:
    if loaded.page is not None:
        relations.run("INSERT INTO picked SELECT blob FROM known")
        return
    find_loads_below(relations)
    relations.run("INSERT INTO picked SELECT name FROM blobs WHERE NOT starts_with(name, '_laden/')")


def _link(relations: Relations, tables: Sequence[Landed], layout: Template | None) -> None:
    """Say of each row of all tables which blob is its image, and where that is to lie."""
    named: list[tuple[str, str]] = []
    for number, landed in enumerate(tables):
        if layout is not None:
            _refuse_unknown(layout, landed.part.table)
        more = layout.fields if layout else ()
        rows, cells = name_rows(relations, landed.part, landed.layout, more, profile=landed.profile, number=number)
        named.append((rows, layout.sql({**cells, WHOLE_PATH: "blob"}) if layout else "blob"))
    together = " UNION ALL ".join(f"SELECT row, made, named FROM {rows}" for rows, _ in named)  # noqa: S608 - own names
    many = any(landed.part.shape is not None and landed.part.shape.many for landed in tables)
    link(relations, f"({together})", "known", many=many, shapes=[landed.part.shape for landed in tables])
    for rows, place in named:
        relations.run(
            f"INSERT INTO links SELECT row, blob, {place} FROM"  # noqa: S608 - own names, quoted
            f" (SELECT n.*, l.blob FROM {rows} n LEFT JOIN linked l USING (row))"
        )
        relations.run(f"DROP VIEW {rows}")
    relations.run("; ".join(f"DROP TABLE linking{number}" for number in range(len(tables))) + "; DROP TABLE linked")


def _refuse_unknown(layout: Template, table: Table) -> None:
    known = {*table.columns, WHOLE_PATH}
    if unknown := [name for name in layout.fields if name not in known]:
        raise UsageError(
            f"the layout '{layout}' uses {{{unknown[0]}}}, which is no column of {table.name};"
            f" its columns are {', '.join(filter(None, table.columns))}, and {{path}} is the name in the container"
        )


def rows_of(relations: Relations, landed: Landed, query: str) -> NDArray[np.int64]:
    """Numbers of a table's records, from 1, ascending, whose rows are among those of a query over all tables."""
    first, last = landed.part.before, landed.part.before + count(landed.part.table)
    found = relations.numbers(
        f"SELECT DISTINCT row FROM ({query}) WHERE row > {first} AND row <= {last} ORDER BY row"  # noqa: S608 - own text
    )
    return found - first


def read_image_labels(run: Run, loaded: Loaded) -> None:
    """Fill the relation `image_labels` from the column that the profile names."""
    relations = run.relations
    relations.run("CREATE OR REPLACE TABLE image_labels (blob VARCHAR, labels VARCHAR[])")
    shape = loaded.tables[0].part.shape if loaded.tables else None
    if shape is None or shape.labels is None:
        return
    records = Records(relations, loaded.parts)
    if not records.has(shape.labels):
        return
    column = records.column(shape.labels)
    records.declare([column])
    records.read()
    found = column.quoted if column.kind in ("list", "cuis") else f"[{column.quoted}]"
    relations.run(
        "INSERT INTO image_labels SELECT blob, list_sort(list_distinct(flatten(list("  # noqa: S608 - quoted
        f"coalesce({found}, []::VARCHAR[]))))) FROM links JOIN records ON laden_row = row"
        " WHERE blob IS NOT NULL GROUP BY blob"
    )


_LOST = f"""
SELECT k.blob, b.name IS NOT NULL FROM known k JOIN picked USING (blob) LEFT JOIN blobs b ON b.name = k.blob
WHERE {OTHER} ORDER BY 1
"""  # noqa: S608 - own text


def lost(relations: Relations) -> Iterator[Finding]:
    """Of the images in `picked`, those that are gone, or not what the manifest says."""
    for blob, listed in relations.stream(_LOST):
        if listed:
            message = "it is not what the manifest says, and is left out: load it again with --overwrite changed"
            yield Finding("blob-changed", Severity.ERROR, message, blob=blob)
        else:
            yield Finding("blob-deleted", Severity.ERROR, GONE, blob=blob)
