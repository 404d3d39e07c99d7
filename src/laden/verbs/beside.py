"""What comes to lie beside the images that `get` brought: tables, and what else the load landed.

A table lands whole where all of its rows have their image here, else with the rows that have, byte for byte as they
stand in the load's. With all images, in the container's own layout, manifest and page come too, last: then
`laden verify FOLDER` proves it again, without the container.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from laden.dataset.selection import Selection
from laden.dataset.table import copy, count, write_subset
from laden.run.run import Run
from laden.stages.download import Wanted, download, reading
from laden.stages.download.laying import lay
from laden.stages.download.meaning import meaning
from laden.stages.loadpage import LOAD, Document
from laden.store import Store
from laden.store.intake import Intake
from laden.values.errors import BlobConflict, StoreError
from laden.values.records import Finding, Severity
from laden.verbs.chosen import Landed, Loaded, rows_of


async def lay_beside(
    run: Run, store: Store, loaded: Loaded, intake: Intake, selection: Selection, *, moved: bool
) -> list[Finding]:
    """Lay tables and documents beside the images in `got`; those that are gone, `read_loaded` told.

    Args:
        run: with `links`, `got` and `getting`, and `chosen` where rows were selected.
        store: where the documents are.
        loaded: what there is.
        intake: the folder.
        selection: that was asked for.
        moved: whether the images lie otherwise than in the container.

    Returns:
        What a person should know about it.
    """
    if loaded.page is None:
        return []
    findings = [
        found
        for table, part_name in loaded.landing(run.relations, selection)
        for found in await asyncio.to_thread(_table, run, table, part_name, intake, selection)
    ]
    (absent,) = run.relations.one("SELECT (SELECT count(*) FROM known) - (SELECT count(DISTINCT blob) FROM got)")
    tables = {table.name for table in loaded.tables}
    others = [one for one in loaded.page.others if one.name not in tables and one not in loaded.amiss]
    if not selection.chooses:
        findings += [found async for found in _documents(run, store, intake, others)]
    wrong = any(finding.severity is Severity.ERROR for finding in findings)
    if not (absent or selection.chooses or moved or wrong or loaded.amiss):
        last = [*filter(None, [loaded.page.manifest]), _page(run)]
        for document in last:
            findings += [found async for found in _documents(run, store, intake, [document])]
    return findings


_ALL = "SELECT row FROM links JOIN got USING (blob)"
_CHOSEN = f"{_ALL} SEMI JOIN chosen USING (row)"


def _table(run: Run, landed: Landed, part_name: str, intake: Intake, selection: Selection) -> list[Finding]:
    """Lay one table; without any row that has its image, none, unless it is another dataset's."""
    relations, table = run.relations, landed.part.table
    rows = rows_of(relations, landed, _CHOSEN if selection.chooses else _ALL)
    # Of another dataset in the same place the load's profile knows no key: its table comes as it is.
    is_others = landed.part.shape is None and not len(rows) and not selection.chooses
    if not len(rows) and not is_others:
        return []
    whole = is_others or (not selection.lands_alone and len(rows) == count(table))
    name = landed.name if whole else part_name
    path = relations.folder / "table-beside"
    with path.open("wb") as file:
        if whole:
            copy(table, file)
        else:
            write_subset(table, file, rows)
    try:
        replaced = lay(intake, name, path)
    except StoreError as error:
        act = "name it otherwise with --table-name, or choose another folder"
        return [
            Finding(
                "table-conflict" if isinstance(error, BlobConflict) else "get-failed",
                Severity.ERROR,
                f"{error}: {act}",
                blob=name,
            )
        ]
    if replaced:
        message = "the table that an earlier get had laid here gave way to this one's rows"
        return [Finding("get-replaced", Severity.INFO, message, blob=name)]
    return []


def _page(run: Run) -> Document:
    size_bytes, md5 = run.relations.one("SELECT size_bytes, md5 FROM blobs WHERE name = ?", [LOAD])
    return Document(LOAD, size_bytes, md5 or "")


async def _documents(run: Run, store: Store, intake: Intake, documents: list[Document]) -> AsyncIterator[Finding]:
    """Bring documents of the load as they are."""
    wanted = [Wanted(one.name, one.name, one.size_bytes, bytes.fromhex(one.md5) or None) for one in documents]
    async for came in download(wanted, reading(store), intake, run.stopping):
        for finding in meaning(came):
            yield finding
