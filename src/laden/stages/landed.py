"""What a load left about itself, read for those who use it: page, manifest and tables, as far as they are the load's.

In order: the place is listed; the page and the manifest that it names are read; then its tables, whole. What is gone
or another one is refused (`NotAsLanded`). Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from laden.dataset.table import Table
from laden.relations import Relations
from laden.stages.inventory import (
    Listing,
    fetch,
    is_listed,
    lacks_manifest,
    lacks_page,
    not_as_landed,
    read_known,
    read_page,
    refuse_doubtful,
    refuse_other,
)
from laden.stages.loadpage import LOAD, Document, LoadPage
from laden.stages.manifest import MANIFEST
from laden.store import Store
from laden.values.errors import NotAsLanded, SourceError
from laden.values.events import Observer, ignore

_TABLE_BYTES = 512 << 20
"""PADCHEST's is 99 MB; a larger one is not worth its transfer for a few counts."""


async def read_load(store: Store, relations: Relations, tell: Observer = ignore) -> LoadPage | None:
    """List, and bring in what a load left about itself; None where none was completed."""
    await Listing(store, relations, tell).repeat()
    page = await read_page(store, relations)
    return page if page is not None and await read_known(store, relations) else None


async def read_table(store: Store, relations: Relations, page: LoadPage) -> Table | None:
    """The table that a load landed, copied into the run's own folder; None where there is none, or it cannot be had."""
    landed = page.table
    if landed is None or landed.size_bytes > _TABLE_BYTES or not is_listed(relations, landed.name):
        return None
    try:
        return await fetch_table(store, relations, landed)
    except (SourceError, NotAsLanded):
        return None


def refuse_without_page(relations: Relations) -> None:
    """Raise `NotAsLanded` where the page about a load is gone, and its manifest is there."""
    if lacks_page(relations):
        raise NotAsLanded(
            f"{LOAD} is gone, which vouches for the manifest beside it, so nobody knows what was loaded: the same"
            " 'laden load' makes it anew, of what is there"
        )


async def read_proved(store: Store, relations: Relations) -> LoadPage | None:
    """As `read_load`, for those who use what the manifest says; raises `NotAsLanded` where it is gone or another."""
    page = await read_load(store, relations)
    if page is not None:
        refuse_doubtful(relations, page)
    elif lacks_manifest(relations, await read_page(store, relations)):
        raise NotAsLanded(
            f"{MANIFEST} is gone ({LOAD} names it), so nobody knows what was loaded: the same 'laden load' makes it"
            " anew, of what is there"
        )
    refuse_without_page(relations)
    return page


def refuse_lost(relations: Relations, documents: Iterable[Document]) -> None:
    """Raise `NotAsLanded` for documents of which the last listing shows none, or others of their names."""
    for document in documents:
        if is_listed(relations, document.name):
            raise not_as_landed(document.name)
        raise NotAsLanded(
            f"{document.name} is gone ({LOAD} names it), so nobody knows what its rows say: the same 'laden load' lands"
            " it again"
        )


async def fetch_table(store: Store, relations: Relations, landed: Document) -> Table:
    """The table that a load landed, of any size.

    Raises:
        SourceError: it is no table.
        NotAsLanded: it is gone, or another.
        StoreError: as `fetch`.
    """
    if not is_listed(relations, landed.name):
        refuse_lost(relations, [landed])
    path = relations.folder / "landed-table"
    await fetch(store, relations, landed.name, path)
    refuse_other(path, landed)
    return replace(Table.open(path).hold(relations.folder), name=landed.name)
