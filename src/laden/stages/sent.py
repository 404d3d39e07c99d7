"""How many of laden's images a listing shows, whether or not a load was completed. Nothing is read or proved."""

from __future__ import annotations

from typing import NamedTuple

from laden.dataset.images import BROKEN
from laden.relations import Relations
from laden.stages.manifest import OTHER, find_loads_below


class Sent(NamedTuple):
    """What a listing shows of laden's images."""

    images: int
    size_bytes: int
    broken: int
    """Broken inside, as their metadata say."""
    newer: int
    """Not in the manifest."""


def count_sent(relations: Relations, *, landed: bool = False) -> Sent:
    """Count the images in the listing that laden sent, whether or not a load was completed.

    Args:
        relations: with `blobs`, and `known` where there is a manifest.
        landed: whether the manifest holds: of what it names then all that is as it says counts, as does what `get`
            brought, and nothing else of these names.
    """
    find_loads_below(relations)
    return Sent(*relations.one(_SENT, [list(BROKEN), landed]))


_SENT = f"""
SELECT count(*), coalesce(sum(b.size_bytes), 0)::BIGINT,
       count(*) FILTER (list_contains(?::VARCHAR[], coalesce(split_part(b.image, ';', 5), k.state))),
       count(*) FILTER (k.blob IS NULL)
FROM blobs b LEFT JOIN known k ON k.blob = b.name ANTI JOIN below o ON o.name = b.name
WHERE NOT starts_with(b.name, '_laden/') AND CASE WHEN ? AND k.blob IS NOT NULL THEN NOT ({OTHER})
      ELSE b.source IS NOT NULL AND b.source_bytes IS NOT NULL END
"""  # noqa: S608 - own text
