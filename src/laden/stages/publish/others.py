"""Whether what lies under a document's name speaks of images that this dataset does not know.

A table of laden's may give way to the next version of itself. Another dataset's must not: it says which images are
which. That two datasets come together at all is told before anything is sent (`other_dataset`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from laden.dataset.profile import Profile, TableShape
from laden.dataset.table import Table
from laden.relations import Relations
from laden.stages.loadpage import LOAD, LoadPage
from laden.stages.publish.putting import md5_of
from laden.store import Store
from laden.values.errors import BlobMissing, SourceError
from laden.values.records import Finding, Severity
from laden.values.units import plural

_PART_BYTES = 16 << 20

_OTHERS = "loaded.blob NOT IN (SELECT blob FROM rows WHERE usable AND blob IS NOT NULL)"

_NAMED = f"""
SELECT count(*) FROM former f
WHERE f.blob NOT IN (SELECT blob FROM rows WHERE usable AND blob IS NOT NULL)
  AND (f.blob IN (SELECT blob FROM loaded) OR f.name IN (SELECT key FROM loaded WHERE key <> '' AND {_OTHERS}))
"""  # noqa: S608 - own text


_IN_CONFLICT = """
SELECT count(*) FROM kept WHERE NOT lost
  AND blob IN (SELECT blob FROM rows WHERE usable AND row >= ? AND row < ?)
  AND (blob IN (SELECT blob FROM todo WHERE action = 'conflict')
    OR blob IN (SELECT blob FROM receipts WHERE outcome = 'conflict'))
"""


_IN_COMMON = """
SELECT count(*) FROM rows WHERE usable
  AND (blob IN (SELECT blob FROM known) OR blob IN (SELECT name FROM blobs WHERE source_bytes IS NOT NULL))
"""


_NOT_OURS = """
SELECT count(*) FROM known ANTI JOIN (SELECT blob FROM rows WHERE blob IS NOT NULL) r USING (blob)
ANTI JOIN todo t USING (blob)
"""


def other_dataset(
    relations: Relations, page: LoadPage | None, profile: str, tables: Mapping[str, Path]
) -> list[Finding]:
    """Tell that another dataset lies where this one goes: another profile's or table's, with no image in common.

    Also where this one lies there already, beside another.

    Args:
        relations: with rows, listing, plan and earlier manifest.
        page: of the last load; None where there is none.
        profile: name of this load's.
        tables: contents of its tables as they came, by all names that they may land under.
    """
    if page is None:
        return []
    if (page.profile == profile and page.table is None) or relations.one(_IN_COMMON)[0]:
        return _beside(relations, page, profile, tables)
    if page.profile == profile and page.table is not None and page.table.original in _originals(tables):
        return []
    named = f"the table {page.table.name}" if page.table else f"a dataset of the profile '{page.profile}'"
    reason = (
        f"{named} was loaded here ({plural(page.images, 'image')}), and this is another dataset: no image in common;"
        " both would share one manifest, and status and verify would tell of the two as of one"
    )
    return [_told(reason)]


def _beside(relations: Relations, page: LoadPage, profile: str, tables: Mapping[str, Path]) -> list[Finding]:
    """Tell that another dataset lies beside this one, of which images are there already."""
    (images,) = relations.one(_NOT_OURS)
    if not images:
        return []
    originals = _originals(tables)
    others = [one.name for one in page.documents if one.original not in ("", *originals) and one.name not in tables]
    if not others and page.profile == profile:
        return []
    named = f"the table {others[0]}" if others else f"a dataset of the profile '{page.profile}'"
    reason = (
        f"{named} was loaded here too, with {plural(images, 'image')} that this dataset does not name: both share one"
        " manifest, and status and verify tell of the two as of one"
    )
    return [_told(reason)]


def _told(reason: str) -> Finding:
    message = f"{reason}; to keep them apart, load to a prefix or folder of its own"
    return Finding("dataset-other", Severity.WARNING, message, blob=LOAD)


def _originals(tables: Mapping[str, Path]) -> set[str]:
    return set(map(original_md5, set(tables.values())))


def original_md5(content: Path) -> str:
    """Hexadecimal MD5 of a table as it came."""
    with content.open("rb") as file:
        return md5_of(file).hex()


def in_conflict(relations: Relations, rows: range) -> int:
    """How many images of an earlier manifest are there unchanged, of which those rows have others."""
    return int(relations.one(_IN_CONFLICT, [rows.start, rows.stop])[0])


def table_kept(name: str, images: int, beside: str) -> Finding:
    """The finding for an earlier load's table that stays.

    Args:
        name: of the table.
        images: how many there are in conflict.
        beside: name of the table that landed too; empty where none did.
    """
    these = "1 image that is" if images == 1 else f"{images:,} images that are"
    why = f"it names {these} there as landed, and this source has others" if images else "no row has its image now"
    fate = (
        f"stays beside {beside}, which holds the rows that have their image"
        if beside
        else "stays, and no new one lands"
    )
    act = "load to another prefix, or with the --layout of that load, or replace such images with --overwrite changed"
    return Finding("table-kept", Severity.ERROR, f"an earlier load's table {fate}: {why}; {act}", blob=name)


def holds_others(relations: Relations) -> bool:
    """Whether the manifest has images that a row named once, and none of this dataset's rows does."""
    return bool(relations.one(f"SELECT count(*) FROM loaded WHERE key <> '' AND {_OTHERS}")[0])  # noqa: S608 - own text


def shares_images(relations: Relations) -> bool:
    """Whether the table that `names_others` read last names an image of this load's rows too: then it is a version."""
    return bool(
        relations.one(
            "SELECT count(*) FROM former WHERE blob IN (SELECT blob FROM rows WHERE usable AND blob IS NOT NULL)"
        )[0]
    )


async def names_others(store: Store, relations: Relations, profile: Profile, shape: TableShape, name: str) -> bool:
    """Whether a landed table names images that are there and that no row of this load's tables names.

    Args:
        store: where it lies.
        relations: with `rows` and `loaded`.
        profile: of this load, by which the table is read.
        shape: of the table that is to land in its place.
        name: of the blob.
    """
    if not holds_others(relations):
        return False
    path = relations.folder / "former-table"
    try:
        with path.open("wb") as file:
            while part := await store.get(name, file.tell(), _PART_BYTES):
                file.write(part)
                if len(part) < _PART_BYTES:
                    break
        table = Table.open(path)
        relations.run("CREATE OR REPLACE TABLE former (name VARCHAR, blob VARCHAR)")
        relations.feed("former", _images(table, profile, shape))
    except BlobMissing:
        return False
    except SourceError:
        # Whatever it is, it is not an earlier version of this table.
        return True
    return bool(relations.one(_NAMED)[0])


def _images(table: Table, profile: Profile, shape: TableShape) -> Iterator[tuple[str, str]]:
    """Name and blob of every image that the records name, as this load would call them; raises SourceError."""
    layout = profile.layout_of(shape)
    key = table.column(shape.key)
    missing = [field for field in layout.fields if field not in table.columns]
    if missing:
        raise SourceError(f"the table {table.name} has no column {missing[0]}")
    columns = {field: table.column(field) for field in layout.fields}
    for record in table.records():
        if table.width_of(record) == len(table.columns):
            values = {field: profile.spelled(field, record.fields[at].strip()) for field, at in columns.items()}
            yield record.fields[key].strip(), layout.render(values)
