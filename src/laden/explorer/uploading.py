"""Whether files may be uploaded to where a person says: asked of the store at the moment that the upload begins.

In order: the name; in a folder, links on the way, for a name tells nothing of what lies behind one; the pages of loads
above, whose images may lie there; the page of a load right there; then what is listed there, for shares, and loads that
broke off, leave images and no page. What the explorer listed earlier is believed of a load alone that is still the
same. Nothing is written here.
"""

from __future__ import annotations

from dataclasses import replace

from laden.explorer.stored import StoredPlace
from laden.stages.loadpage import COMPLETE, LOAD, MOST_PAGE_BYTES, LoadPage, read_load_page
from laden.stages.metadata import OWN
from laden.store import Destination, FolderDestination
from laden.store.disk import link_between
from laden.store.listing import Progress
from laden.store.manage import open_manage
from laden.values.errors import BlobMissing, ContainerMissing, StoreError, UsageError
from laden.values.names import OWN_FOLDER, problem, reserved

_FILES = "files"
"""The profile of uploads."""
_ELSEWHERE = "name a folder of its own, as in uploads/"


async def refuse_taking_over(place: StoredPlace, prefix: str) -> None:
    """What is uploaded is a load of its own, and none may lie where images of another do: they would be its own then.

    Args:
        place: what is shown.
        prefix: where files would go, without slashes at its ends; empty for the root.

    Raises:
        UsageError: nothing can be put there.
        LadenError: the store cannot be asked.
    """
    if prefix and (reason := problem(prefix) or reserved(prefix)):
        raise UsageError(f"nothing can be put into {prefix}: it {reason}: {_ELSEWHERE}")
    _refuse_links(place.destination, prefix)
    segments = prefix.split("/") if prefix else []
    for above in ("/".join(segments[:count]) for count in range(len(segments))):
        if (page := await _page(place, above)) is None:
            continue
        if above:
            raise UsageError(f"{above}/ is the place of another load, whose images may lie in {prefix}/: {_ELSEWHERE}")
        _refuse_within(place, page, prefix)
    page = await _page(place, prefix)
    if page is not None and prefix and page.profile == _FILES:
        # An earlier upload, which this one goes on with.
        return
    if page is not None or await _has_images(place, prefix):
        where = f"in {prefix}/" if prefix else "here"
        raise UsageError(f"{where} lies a load, or a part of one, that this would take over: {_ELSEWHERE}")


def _refuse_links(destination: Destination | FolderDestination, prefix: str) -> None:
    """A link leads among the images of a load by another name, or out of what is shown."""
    if not prefix or not isinstance(destination, FolderDestination):
        return
    # The folder that is asked for may be the link itself.
    if link := link_between(destination.path, destination.path / prefix / LOAD):
        raise UsageError(f"nothing can be put into {prefix}/: {link} is a link to another place: {_ELSEWHERE}")


def _refuse_within(place: StoredPlace, page: LoadPage, prefix: str) -> None:
    """Of the load at the root: an upload below it must lie beside its images."""
    if page.state != COMPLETE:
        raise UsageError("a load is under way here, or was interrupted: end it before anything is uploaded below it")
    (known,) = place.relations.one("SELECT count(*) FROM known")
    if place.load is None or place.load.manifest != page.manifest or (page.images and not known):
        raise UsageError("another load was completed here since this page looked: look again with Refresh, then upload")
    (images,) = place.relations.one("SELECT count(*) FROM known WHERE starts_with(blob, ?)", [f"{prefix}/"])
    if images:
        raise UsageError(f"below {prefix}/ lies a load, whose images this would take over: {_ELSEWHERE}")


async def _page(place: StoredPlace, prefix: str) -> LoadPage | None:
    name = f"{prefix}/{LOAD}" if prefix else LOAD
    try:
        return read_load_page(await place.store.get(name, 0, MOST_PAGE_BYTES))
    except (BlobMissing, ContainerMissing):
        return None
    except StoreError as error:
        raise UsageError(f"{name} cannot be read, so nobody can say whose images lie there: {error}") from None


async def _has_images(place: StoredPlace, prefix: str) -> bool:
    """Whether laden put images below a prefix that belong to no load which has a page below it."""
    folders: set[str] = set()
    loads: set[str] = set()
    manage = open_manage(below(place.destination, prefix), place.sas)
    marker, progress = "", Progress()
    try:
        while True:
            page = await manage.list_details(marker)
            progress.see(page.marker, page.details[0].blob.name if page.details else None)
            for name, metadata in ((one.blob.name, one.blob.metadata) for one in page.details if one.current):
                if name.endswith(f"/{LOAD}"):
                    loads.add(name.removesuffix(LOAD))
                elif f"{OWN_FOLDER}/" not in name and any(key.startswith(OWN) for key in metadata):
                    folders.add(name[: name.rfind("/") + 1])
            marker = page.marker
            if not marker:
                break
    except ContainerMissing:
        return False
    finally:
        await manage.close()
    return any(not any(folder.startswith(load) for load in loads) for folder in folders)


def below(destination: Destination | FolderDestination, prefix: str) -> Destination | FolderDestination:
    """A folder of what is shown, as a place of its own."""
    if not prefix:
        return destination
    if isinstance(destination, FolderDestination):
        return FolderDestination(destination.path / prefix)
    return replace(destination, prefix="/".join(part for part in (destination.prefix, prefix) if part))
