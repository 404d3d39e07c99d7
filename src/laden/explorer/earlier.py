"""What a store keeps of blobs beside a listing: properties, tags, versions and snapshots, and what was deleted.

Asked for when somebody looks; where a credential may not ask for a part, the rest is told with a note. Nothing is
changed here.
"""

from __future__ import annotations

import asyncio
from typing import Any

from laden.explorer.database import Shared
from laden.store.manage import Detail, Manage
from laden.values.errors import LadenError


async def properties_of(manage: Manage, name: str, *, folder: bool) -> dict[str, Any]:
    """What the store tells of one blob; a folder has neither tags nor a history. Raises `LadenError`."""
    properties = await manage.properties(name)
    found: dict[str, Any] = {"properties": properties, "tags": {}, "history": [], "notes": []}
    if folder:
        return found
    try:
        found["tags"] = await manage.tags(name)
    except LadenError as error:
        found["notes"].append(f"Tags cannot be read: {error}")
    try:
        found["history"] = [
            {
                "version": detail.version,
                "snapshot": detail.snapshot,
                "deleted": detail.deleted,
                "days_left": detail.days_left,
                "current": detail.current,
                "modified_s": detail.modified_s,
                "size_bytes": detail.blob.size_bytes,
            }
            for detail in await manage.history(name)
        ]
    except LadenError as error:
        found["notes"].append(f"Versions and snapshots cannot be listed: {error}")
    return found


async def deleted_of(manage: Manage, relations: Shared, marker: str) -> tuple[list[dict[str, Any]], str]:
    """What one page of a listing shows that is gone and can be brought back, and where the next page starts.

    Raises:
        LadenError: the service does not list it, or this credential may not.
    """
    page = await manage.list_details(marker, earlier=True)
    gone: dict[str, Detail] = {}
    for detail in page.details:
        if not detail.snapshot and not (detail.current and not detail.deleted):
            gone[detail.blob.name] = detail
    with relations.aside("name VARCHAR", ((name,) for name in gone)) as asked:
        there = f"SELECT name FROM items WHERE fate <> 'deleted' AND name IN (SELECT name FROM {asked})"  # noqa: S608
        for (name,) in await asyncio.to_thread(relations.all, there):
            gone.pop(name, None)
    current = {one.blob.name for one in page.details if one.current and not one.deleted}
    found = [
        {"name": name, "bytes": one.blob.size_bytes, "days_left": one.days_left}
        for name, one in gone.items()
        if name not in current
    ]
    return found, page.marker
