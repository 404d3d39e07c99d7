"""Which rows of the label table are joined to an item: those that mean it, and no others.

In order: of a load's table, rows are linked with the blobs of its manifest, as every verb does it (`stages.linking`);
of a table that no load left, with the files that are called as the profile's layout calls them, or else by key, where
one file alone has it, and rows agree on it; in a source, as a load would match them (`stages.plan.matching`). Then only
items are left that are there, and are what the manifest says. What could mean several images has none.
"""

from __future__ import annotations

from typing import NamedTuple

from laden.dataset.profile import Profile, TableShape, Template, recognise
from laden.dataset.selection import Part
from laden.dataset.selection.keys import entry_key, fold, is_ascii, is_image, row_key
from laden.dataset.table import Table
from laden.explorer.database import PACKED, Shared
from laden.explorer.index import LINES, SAME
from laden.relations import Relations
from laden.stages.linking import link, name_rows, shape_of

NAMES = f"{PACKED}.names"
"""Of each row of the table the name that its image has, and its key."""
_FILE = "names.parquet"


class Naming(NamedTuple):
    """How the rows of a table that lies beside images say which one they mean."""

    layout: Template
    """That made the images' names."""
    profile: Profile
    """That spells the cells which these are made of."""
    manifest: bool
    """Whether a manifest says the keys of the images; else only their names do."""


class Meant(NamedTuple):
    """A table of which a profile knows how its rows are meant."""

    part: Part
    naming: Naming


def recognised(name: str, table: Table) -> Meant | None:
    """How a table that no load left is meant, where some profile knows it by its name and columns."""
    profile, _ = recognise([], {name: table.columns})
    shape = shape_of(profile, name)
    if shape is None or shape.key not in table.columns:
        return None
    return Meant(Part(table, shape), Naming(profile.layout_of(shape), profile, manifest=False))


def keep_names(own: Relations, relations: Shared, part: Part, naming: Naming) -> None:
    """Bring names and keys of a table's rows into the shown database, where `take_names` finds them.

    Args:
        own: where the table is read.
        relations: the shown one.
        part: the table, with its shape.
        naming: how its rows are meant.
    """
    rows, _ = name_rows(own, part, naming.layout, profile=naming.profile)
    path = own.to_parquet(f"SELECT row, made, named FROM {rows}", _FILE, "laden_names")  # noqa: S608 - own name
    path.replace(relations.folder / _FILE)


def take_names(relations: Shared, shape: TableShape, naming: Naming) -> None:
    """Take in what `keep_names` left."""
    path = relations.folder / _FILE
    file = "read_parquet('{}')".format(str(path).replace("'", "''"))
    named = "named" if naming.manifest else row_key(shape, "named")
    relations.run(f"CREATE OR REPLACE TABLE {NAMES} AS SELECT row, made, {named} AS named FROM {file}")  # noqa: S608 - own path
    if not naming.manifest:
        fold(relations, NAMES, shape, ("named",))
    relations.pack()
    path.unlink()


def join_lines(relations: Shared, shape: TableShape, naming: Naming | None) -> None:
    """Make `LINES` for the items that are there now.

    Args:
        relations: with `items`, and `NAMES`; of a source, with `matches`.
        shape: of the table.
        naming: None for a source.
    """
    if naming is None:
        lines = "SELECT i.pos, m.row AS line FROM matches m JOIN items i ON i.entry = m.id"
        relations.run(f"CREATE OR REPLACE TABLE {LINES} AS {lines}")
        return
    # Those that are gone or changed are no stranger's: what could mean them means no other.
    of_load = "FROM items WHERE fate <> 'foreign'"
    if naming.manifest:
        blobs = f"(SELECT pos, name AS blob, key {of_load})"
    else:
        blobs = (
            f"(SELECT pos, name AS blob, {entry_key(shape, 'name')} AS key {of_load}"
            f" AND {is_image(shape, 'name')} AND NOT starts_with(name, '_laden/'))"
        )
        if shape.ignore_case and relations.one(f"SELECT count(*) FROM items WHERE NOT {is_ascii('name')}")[0]:  # noqa: S608
            # A million keys beside their names take a third of the memory that the database has.
            relations.run(f"CREATE OR REPLACE TABLE candidates AS FROM {blobs}")
            blobs = "candidates"
            fold(relations, blobs, shape)
    link(relations, NAMES, blobs, many=shape.many, shapes=[shape], taken="pos", known=naming.manifest)
    relations.run(
        f"CREATE OR REPLACE TABLE {LINES} AS SELECT l.pos, l.row AS line FROM linked l JOIN items i USING (pos)"  # noqa: S608 - own names
        f" WHERE {SAME.format('i.fate')}"
    )
    relations.run("DROP TABLE IF EXISTS candidates; DROP TABLE linked")
