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
QUIET_S = 180
"""When nothing came for so long, a load is taken for interrupted: a large image takes a slow line that long."""


class Arrivals(NamedTuple):
    """What a listing's dates say."""

    ago_s: float
    """Since the last image."""
    bytes_per_s: float
    """In the window; 0 where nothing came in it, or all at once."""
    window_s: float
    """From the first of the images that count, ten minutes back at most, until now."""

    @property
    def runs(self) -> bool:
        """Whether a load runs, or was stopped a moment ago."""
        return self.ago_s < QUIET_S

    def left_s(self, left_bytes: int) -> float | None:
        """Seconds that the rest takes at this speed; None where there is none, or no speed."""
        return left_bytes / self.bytes_per_s if self.bytes_per_s and left_bytes > 0 and self.runs else None


def since_s(now_s: float) -> float:
    """From when on images count for the speed of now."""
    return now_s - _WINDOW_S


def pace(last_s: int, first_s: int, size_bytes: int, now_s: float) -> Arrivals:
    """What dates and bytes say.

    Args:
        last_s: when the last image came.
        first_s: when the first of those came that count.
        size_bytes: of those that count.
        now_s: the time as it is.
    """
    window_s = max(0.0, now_s - first_s)
    return Arrivals(max(0.0, now_s - last_s), size_bytes / window_s if window_s >= 1 else 0.0, window_s)


async def arrivals(manage: Manage, now_s: float) -> Arrivals | None:
    """List, and look at the dates of all images that laden sent; None where there are none.

    Raises:
        StoreError: the destination cannot be listed.
    """
    came: Counter[int] = Counter()
    last_s = 0
    marker, progress = "", Progress()
    while True:
        page = await manage.list_details(marker)
        progress.see(page.marker, page.details[0].blob.name if page.details else None)
        for detail in page.details:
            if not detail.modified_s or not is_own(detail.blob):
                continue
            last_s = max(last_s, detail.modified_s)
            if detail.modified_s > since_s(now_s):
                came[detail.modified_s] += detail.blob.size_bytes
        marker = page.marker
        if not marker:
            break
    if not last_s:
        return None
    return pace(last_s, min(came, default=last_s), came.total(), now_s)
