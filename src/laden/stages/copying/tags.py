"""Index tags of the blobs that are to be copied, from one listing."""

from __future__ import annotations

import json

from laden.relations import Relations
from laden.store.listing import Progress
from laden.store.manage import Manage
from laden.values.errors import AccessDenied, AccessEnded

_TAGS = "CREATE OR REPLACE TABLE source_tags (name VARCHAR, tags VARCHAR)"
"""Of blobs that have any: an object of JSON."""


async def read_tags(manage: Manage | None, relations: Relations) -> int:
    """Fill `source_tags`; returns how many blobs have tags that the credential may not read.

    Args:
        manage: the second port of the source; None where it has no tags.
        relations: of the run.

    Raises:
        StoreError: the listing cannot be read.
    """
    relations.run(_TAGS)
    if manage is None:
        return 0
    try:
        await _list(manage, relations, tags=True)
    except AccessEnded:
        raise
    except AccessDenied:
        relations.run(_TAGS)
        return await _list(manage, relations, tags=False)
    return 0


async def _list(manage: Manage, relations: Relations, *, tags: bool) -> int:
    """Every page; returns how many blobs have tags that were not told."""
    marker, progress, hidden = "", Progress(), 0
    while True:
        page = await manage.list_details(marker, tags=tags)
        progress.see(page.marker, page.details[0].blob.name if page.details else None)
        relations.feed("source_tags", ((one.blob.name, json.dumps(dict(one.tags))) for one in page.details if one.tags))
        hidden += sum(one.tag_count > len(one.tags) for one in page.details)
        marker = page.marker
        if not marker:
            return hidden
