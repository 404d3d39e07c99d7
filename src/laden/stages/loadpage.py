"""The page `_laden/load.json` beside a manifest: what landed, of which documents, and whether a load is under way.

Written last by a load that ended, and before one that sends; the next one reads it. Nothing here asks a store.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from laden._version import VERSION
from laden.dataset.images import BROKEN
from laden.relations import Relations
from laden.values.errors import NotAsLanded
from laden.values.records import Step
from laden.values.told import from_json

LOAD = "_laden/load.json"


COMPLETE = "complete"
UNFINISHED = "unfinished"
"""State of the page while a first load is under way."""


MOST_PAGE_BYTES = 16 << 20
"""Far more than any page takes."""
FORMAT = 1
"""Of both files; raised when a reader of the old form would misread the new one."""


class Document(NamedTuple):
    """A blob that belongs to a load and is no image."""

    name: str
    size_bytes: int
    md5: str
    """Hexadecimal."""
    selection: tuple[Step, ...] = ()
    """Of a table of selected rows: the steps that left them."""
    original: str = ""
    """Of a table: the hexadecimal MD5 of the publisher's whole one, by which its versions are told from each other."""
    layout: str = ""
    """Of a table: template of its images' names, where a load with another layout than the last one's landed it."""

    @property
    def asked(self) -> tuple[tuple[str, str], ...]:
        """What the selection asked for, without what came of it."""
        return tuple((step.step, step.about) for step in self.selection if step.step != "table")


class Planned(NamedTuple):
    """What a load that is under way has before it; nothing of it stays once the load is complete."""

    begun: str
    """ISO 8601, UTC, by the clock of the machine that sends."""
    images: int
    """That should be there at its end."""
    size_bytes: int
    """Of all of them."""


@dataclass(frozen=True, slots=True)
class LoadPage:
    """What `_laden/load.json` says that laden itself reads again."""

    state: str
    """`complete`; `unfinished` while a first load sends; `changing` while one replaces what the manifest names."""
    profile: str
    """Name of the profile that it was loaded with."""
    layout: str
    """Template of its images' names."""
    rows: int
    """Of the table that was loaded from, or those that a selection chose of it."""
    rows_with_image: int
    images: int
    size_bytes: int
    """Of all images."""
    table: Document | None
    """The label table."""
    manifest: Document | None
    others: tuple[Document, ...]
    """Further tables, and what was copied as it is."""
    planned: Planned | None = None
    """Of an unfinished load."""
    pruned: str = ""
    """Name of the plan by which images were taken out since the last load; empty where none were."""

    def layout_of(self, document: Document) -> str:
        """Template of the names of a table's images."""
        return document.layout or self.layout

    @property
    def landed(self) -> tuple[Document, ...]:
        """All documents, as they are named on by a load that may have another layout."""
        return tuple(
            one._replace(layout=self.layout_of(one)) if one == self.table or one.original or one.selection else one
            for one in self.documents
        )

    @property
    def documents(self) -> tuple[Document, ...]:
        """All that there is of them."""
        return tuple(document for document in (self.manifest, self.table, *self.others) if document)


def write_load_page(
    relations: Relations,
    *,
    profile: str,
    layout: str,
    state: str,
    table: Document | None,
    others: Sequence[Document],
    manifest: Document | None,
) -> bytes:
    """The JSON page about the load: what, how much, from where, by which version; the same for the same data.

    `others` are what goes with the label table, and the tables of earlier selections that are still there. Where the
    table holds a selection's rows, those that it chose are counted, else all.
    """
    rows, named = relations.one(
        "SELECT count(*), count(*) FILTER (usable AND blob IN (SELECT blob FROM loaded)"  # noqa: S608
        " AND row NOT IN (SELECT row FROM misled)) FROM rows"
        f" WHERE {'selected' if table is not None and table.selection else 'true'}"
    )
    page = {
        "format": FORMAT,
        "state": state,
        "profile": profile,
        "layout": layout,
        "rows": rows,
        "rows_with_image": named,
        **_loaded_counts(relations),
        "table": _written(table, layout) if table else None,
        "documents": [_written(other, layout) for other in others],
        "manifest": _written(manifest) if manifest else None,
        "laden": VERSION,
    }
    return _as_bytes(page)


def amend_load_page(data: bytes, relations: Relations, *, state: str, manifest: Document | None, pruned: str) -> bytes:
    """The page that was read, for a manifest from which images were taken out on purpose; nothing else changes.

    Args:
        data: the page, of this version's form.
        relations: with what is left in `loaded`.
        state: as in `LoadPage`.
        manifest: the new one; None while it does not hold.
        pruned: name of the plan by which they were taken out.
    """
    page = from_json(data)
    page |= {"state": state, **_loaded_counts(relations), "manifest": _written(manifest) if manifest else None}
    return _as_bytes({**page, "pruned": pruned})


def _as_bytes(page: dict[str, Any]) -> bytes:
    return (json.dumps(page, indent=2, ensure_ascii=False) + "\n").encode()


def _loaded_counts(relations: Relations) -> dict[str, Any]:
    """What the page says of the images in `loaded`."""
    archives = {
        archive: {"images": images, "bytes": size_bytes}
        for archive, images, size_bytes in relations.stream(
            "SELECT archive, count(*), sum(size_bytes)::BIGINT FROM loaded GROUP BY archive ORDER BY archive"
        )
    }
    images, size_bytes, broken = relations.one(
        "SELECT count(*), coalesce(sum(size_bytes), 0)::BIGINT,"
        " count(*) FILTER (list_contains(?::VARCHAR[], state)) FROM loaded",
        [list(BROKEN)],
    )
    return {"images": images, "images_broken_inside": broken, "bytes": size_bytes, "archives": archives}


def write_unfinished_page(*, profile: str, layout: str, rows: int, planned: Planned) -> bytes:
    """The page about a load that begins: what it has before it. The one of its end takes its place."""
    page = {
        "format": FORMAT,
        "state": UNFINISHED,
        "profile": profile,
        "layout": layout,
        "rows": rows,
        "rows_with_image": 0,
        "images": 0,
        "bytes": 0,
        "planned": planned._asdict(),
        "table": None,
        "documents": [],
        "manifest": None,
        "laden": VERSION,
    }
    return (json.dumps(page, indent=2, ensure_ascii=False) + "\n").encode()


def read_load_page(data: bytes) -> LoadPage:
    """The page again.

    Raises:
        NotAsLanded: it is not a page this version can read.
    """
    try:
        page = from_json(data)
        table, manifest = (_read(**page[part]) if page[part] else None for part in ("table", "manifest"))
        read = LoadPage(
            str(page["state"]),
            str(page["profile"]),
            str(page["layout"]),
            int(page["rows"]),
            int(page["rows_with_image"]),
            int(page["images"]),
            int(page["bytes"]),
            table,
            manifest,
            tuple(_read(**part) for part in page.get("documents", [])),
            Planned(**page["planned"]) if "planned" in page else None,
            str(page.get("pruned", "")),
        )
        known = page["format"] == FORMAT
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise NotAsLanded(f"{LOAD} is not a page this version can read: run the load again to have it made anew")
    return read


def _written(document: Document, of_page: str = "") -> dict[str, Any]:
    name, size_bytes, md5, steps, original, layout = document
    written: dict[str, Any] = {"name": name, "size_bytes": size_bytes, "md5": md5}
    written |= {"original": original} if original else {}
    written |= {"layout": layout} if layout not in ("", of_page) else {}
    return {**written, "selection": [asdict(step) for step in steps]} if steps else written


def _read(selection: Sequence[dict[str, Any]] = (), **document: Any) -> Document:
    return Document(**document, selection=tuple(Step(**step) for step in selection))
