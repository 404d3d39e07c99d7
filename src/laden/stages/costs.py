"""What a tier costs beside its price: the least days, and that the archive tier cannot be read. No prices, no network.

Source: Microsoft Learn, "Access tiers for blob data" and "Overview of blob rehydration from the archive tier".
"""

from __future__ import annotations

from laden.relations import Relations
from laden.store.manage.limits import LEAST_DAYS
from laden.values.units import plural, size

ARCHIVE = "Archive"
_DAY_S = 24 * 3600


def of_tier(tier: str) -> list[str]:
    """What whoever chooses a tier should know."""
    told = []
    if days := LEAST_DAYS.get(tier):
        told.append(f"in the tier {tier} each blob is billed for {days} days at least, however soon it is removed")
    if tier == ARCHIVE:
        told.append(
            "blobs in the archive tier cannot be read, trained on or verified by their bytes until they are rehydrated,"
            " which takes up to 15 hours and is billed"
        )
    return told


def of_moving(relations: Relations, tier: str, now_s: float) -> list[str]:
    """What moving blobs to a tier costs beside the requests.

    Args:
        relations: with `moving` (name, size_bytes, tier, modified_s), those that are to move.
        tier: where they go.
        now_s: Unix time.
    """
    told = []
    (count, size_bytes) = relations.one(
        "SELECT count(*), coalesce(sum(size_bytes), 0)::BIGINT FROM moving WHERE tier = ?", [ARCHIVE]
    )
    if count:
        told.append(
            f"{plural(count, 'blob')} ({size(size_bytes)}) must be rehydrated from the archive tier: up to 15 hours, in"
            " which they cannot be read, and what is read from there is billed"
        )
    for before, days in LEAST_DAYS.items():
        count, size_bytes = relations.one(
            "SELECT count(*), coalesce(sum(size_bytes), 0)::BIGINT FROM moving WHERE tier = ? AND modified_s > ?",
            [before, int(now_s - days * _DAY_S)],
        )
        if days and count:
            told.append(
                f"{plural(count, 'blob')} ({size(size_bytes)}) were changed less than {days} days ago, and the tier"
                f" {before} is billed for {days} days: the rest is due when they leave it"
            )
    return [*told, *of_tier(tier)]
