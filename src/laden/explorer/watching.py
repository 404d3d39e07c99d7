"""How far a load is that runs on this machine or elsewhere, as the listing and its page tell: counts, speed, time left.

What it has before it, a first load writes into its page before it sends; how fast images come, their dates tell. A
later load writes no plan, so of that only the speed is known. Nothing is asked of the store here.
"""

from __future__ import annotations

import time
from typing import Any

from laden.explorer.stored import StoredPlace
from laden.stages.arrivals import pace, since_s
from laden.stages.loadpage import UNFINISHED

_CAME = """
SELECT count(*), coalesce(sum(size_bytes), 0)::BIGINT, max(modified_s), min(modified_s) FILTER (modified_s > $since),
  count(*) FILTER (modified_s > $since), coalesce(sum(size_bytes) FILTER (modified_s > $since), 0)::BIGINT
FROM items WHERE coalesce(kind, crc32::VARCHAR) IS NOT NULL AND fate <> 'deleted' AND NOT starts_with(name, '_laden/')
"""


def progress(place: StoredPlace) -> dict[str, Any]:
    """Images that are there and, where it is known, that are wanted; `left_s` is None where nobody can tell."""
    now_s = time.time()
    images, size_bytes, last_s, first_s, recent, recent_bytes = place.relations.one(_CAME, {"since": since_s(now_s)})
    planned = place.load.planned if place.load is not None and place.load.state == UNFINISHED else None
    found: dict[str, Any] = {"images": images, "bytes": size_bytes, "left_s": None, "runs": False}
    if planned is not None:
        found |= {"images_in_all": planned.images, "bytes_in_all": planned.size_bytes}
    if not last_s:
        return found
    came = pace(last_s, first_s or last_s, recent_bytes, now_s)
    rate = recent / came.window_s if came.bytes_per_s else 0.0
    found |= {"ago_s": came.ago_s, "runs": came.runs, "bytes_per_s": came.bytes_per_s, "images_per_s": rate}
    if planned is not None:
        found["left_s"] = came.left_s(planned.size_bytes - size_bytes)
    return found
