"""Whether a place lies among the images of another load, which a load or copy to it would take for its own.

In order: the place's name, for laden's own folder is nobody's place; then, where blobs lie there already and no load of
its own left its page, the pages of loads above it, and the manifests that they name. A load that sends has its page
there before its images, so that going on with one asks nothing. Nothing is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from laden.relations import Relations
from laden.stages.history import HISTORY
from laden.stages.inventory import fetch_parts
from laden.stages.loadpage import LOAD, MOST_PAGE_BYTES, LoadPage, read_load_page
from laden.stages.manifest import find_loads_below, named_below
from laden.store import Destination, FolderDestination, open_store
from laden.values.errors import AccessDenied, BlobMissing, ContainerMissing, UsageError
from laden.values.names import OWN_FOLDER
from laden.values.units import plural
from laden.verbs.opening import Opened

_ELSEWHERE = "name a prefix of its own"

Place = Destination | FolderDestination

_RECORDS = f"SELECT count(*) FROM blobs WHERE starts_with(name, '{HISTORY}')"  # noqa: S608 - own text
_OTHERS = """
SELECT count(*) FROM blobs WHERE source IS NOT NULL AND name NOT IN (SELECT name FROM below)
"""


async def refuse_within(
    there: Opened, relations: Relations, page: LoadPage | None, *, leaves_word: bool = False
) -> None:
    """Raise where images of a load above would become the place's own.

    Args:
        there: where a load or copy goes.
        relations: `blobs` is its listing.
        page: what a load of its own left there.
        leaves_word: whether whoever goes there has a record in the history before its first image, as a copy has: any
            images without one are others', of shares, say, or of a load that broke off.

    Raises:
        UsageError: it lies among another load's images, or its notes.
        StoreError: what lies above cannot be read.
    """
    place = there.target
    loads = list(_above(place))
    if _is_among_notes(place, [below for _, below in loads]):
        raise UsageError(f"{place} is where laden keeps its notes about a load: {_ELSEWHERE}")
    if page is not None or not relations.one("SELECT count(*) FROM blobs")[0]:
        return
    for above, below in loads:
        await _refuse_below(there, above, below, relations)
    if leaves_word and not relations.one(_RECORDS)[0]:
        find_loads_below(relations)
        if others := relations.one(_OTHERS)[0]:
            raise UsageError(
                f"here lie {plural(others, 'image')} of a load that is not complete, or of shares of one, which this"
                f" one would take over: {_ELSEWHERE}"
            )


def _is_among_notes(place: Place, called: Iterable[str]) -> bool:
    # A folder that is called so and lies in no load is somebody's own.
    paths = [place.prefix] if isinstance(place, Destination) else called
    return any(OWN_FOLDER in path.split("/") for path in paths)


def _above(place: Place) -> Iterator[tuple[Place, str]]:
    """Every place above it, of folders those with a load, and how it is called from there."""
    if isinstance(place, FolderDestination):
        # Where it really is: a link from elsewhere leads among the images as well.
        path = Path(os.path.realpath(place.path))
        for folder in path.parents:
            if (folder / LOAD).is_file():
                yield FolderDestination(folder), path.relative_to(folder).as_posix()
        return
    for prefix in PurePosixPath(place.prefix).parents if place.prefix else ():
        parent = "" if prefix == PurePosixPath() else str(prefix)
        yield replace(place, prefix=parent), place.prefix.removeprefix(parent).strip("/")


async def _refuse_below(there: Opened, above: Place, below: str, relations: Relations) -> None:
    store = open_store(above, connections=1, sas=there.access.source)
    try:
        page = read_load_page(await store.get(LOAD, 0, MOST_PAGE_BYTES))
        if page.manifest is None:
            raise UsageError(f"a load to {above} is under way, or was interrupted, and its images may lie here: end it")
        path = relations.folder / "above.parquet"
        try:
            await fetch_parts(store, page.manifest.name, path)
        except BlobMissing:
            raise UsageError(
                f"the load in {above} has lost its manifest, so nobody knows whose images lie here: load there again"
            ) from None
        images = named_below(relations, path, f"{below}/")
    except (BlobMissing, ContainerMissing, AccessDenied):
        # A SAS may be for this prefix alone: then nobody can tell.
        return
    finally:
        await store.close()
    if images:
        raise UsageError(
            f"here lie {plural(images, 'image')} of the load in {above}, which this one would take over: {_ELSEWHERE}"
        )
