"""When images came, as their dates in a listing tell: whether a load runs, and how fast.

Dates are the service's, in whole seconds, and so is none of this a proof; another machine's clock may differ by some.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from laden.stages.metadata import is_own
from laden.store.listing import Progress
from laden.store.manage import Manage

_WINDOW_S = 600
"""What came in the last ten minutes tells the speed of now."""


class Arrivals(NamedTuple):
    """What a listing's dates say."""

    ago_s: float
    """Since the last image."""
    bytes_per_s: float
    """In the window; 0 where nothing came in it, or all at once."""
    window_s: float
    """From the first of the images that count, ten minutes back at most, until now."""


async def arrivals(manage: Manage, now_s: float) -> Arrivals | None:
    """List, and look at the dates of all images that laden sent; None where there are none.

    Raises:
        StoreError: the destination cannot be listed.
    """
    came: Counter[int] = Counter()
    last_s = first_s = 0
    marker, progress = "", Progress()
    while True:
        page = await manage.list_details(marker)
        progress.see(page.marker, page.details[0].blob.name if page.details else None)
        for detail in page.details:
            if not detail.modified_s or not is_own(detail.blob):
                continue
            last_s = max(last_s, detail.modified_s)
            if detail.modified_s > now_s - _WINDOW_S:
                came[detail.modified_s] += detail.blob.size_bytes
        marker = page.marker
        if not marker:
            break
    if not last_s:
        return None
    first_s = min(came, default=last_s)
    window_s = max(0.0, now_s - first_s)
    return Arrivals(max(0.0, now_s - last_s), came.total() / window_s if window_s >= 1 else 0.0, window_s)
