"""Asks the relations of a run for what a report says.

First the relation `shown` is made: one row for each image, with what became of it and what is known of it; everything
else is counted from there. Of a load or a check, the images are those of the plan; of a destination, the manifest's.
"""

from __future__ import annotations

from laden.dataset.images import BROKEN
from laden.relations import Relations
from laden.report.facts import ArchiveCounts, Bin, Count, Sizes
from laden.report.numbers import binned, limits
from laden.values.records import IN_GZIP

PASSED_BYTES = f"CASE WHEN e.method = {IN_GZIP} THEN e.offset_bytes ELSE 0 END"
"""SQL: what must be inflated before an entry `e` can be read."""

_OF_PLAN = f"""
CREATE OR REPLACE TABLE shown AS
SELECT t.blob, e.key, coalesce(e.home, nullif(e.archive, ''), '') AS home, e.id, e.size_bytes,
  {PASSED_BYTES} AS passed_bytes,
  CASE WHEN r.outcome IS NOT NULL THEN r.outcome WHEN t.action = 'done' THEN 'already_there'
       WHEN t.action = 'conflict' THEN 'conflict' ELSE 'pending' END AS fate,
  coalesce(nullif(r.width, 0), TRY_CAST(split_part(b.image, ';', 2) AS INTEGER), k.width, 0) AS width,
  coalesce(nullif(r.height, 0), TRY_CAST(split_part(b.image, ';', 3) AS INTEGER), k.height, 0) AS height,
  coalesce(nullif(r.bits, 0), TRY_CAST(split_part(b.image, ';', 4) AS INTEGER), k.bits, 0) AS bits,
  coalesce(r.state, nullif(split_part(b.image, ';', 5), ''), k.state, 'unseen') AS state
FROM todo t JOIN entries e USING (id)
LEFT JOIN receipts r ON r.blob = t.blob
LEFT JOIN blobs b ON b.name = t.blob AND t.action = 'done'
LEFT JOIN known k ON k.blob = t.blob AND t.action = 'done'
"""  # noqa: S608 - own text
_OF_MANIFEST = """
CREATE OR REPLACE TABLE shown AS
SELECT k.blob, k.key, k.archive AS home, NULL::BIGINT AS id, k.size_bytes, 0 AS passed_bytes,
  CASE WHEN b.name IS NULL THEN 'deleted' WHEN b.md5 IS DISTINCT FROM k.md5 OR b.size_bytes <> k.size_bytes
       THEN 'changed' ELSE 'there' END AS fate,
  k.width, k.height, k.bits, k.state
FROM known k LEFT JOIN blobs b ON b.name = k.blob
"""
LOADED = (
    "SELECT r.row FROM rows r JOIN matches m ON m.row = r.row JOIN shown s ON s.blob = r.blob"
    " WHERE r.selected AND s.fate IN ('sent', 'already_there')"
)
"""Query of the numbers of the rows whose image is in the destination."""
THERE = "SELECT m.row FROM matches m JOIN rows r ON r.row = m.row WHERE r.selected"
"""The same of a source: of those whose image is here."""

_GOOD = "('sent', 'already_there', 'there')"
_LOST = "('deleted', 'changed')"

DAMAGED = f"(fate = 'damaged' OR state IN {tuple(BROKEN)})"
"""Condition on `shown`: not what its archive declares, or broken inside."""

_COMMON_SIZES = 100
_PAIRS = "SELECT width, height, count(*) AS images FROM shown WHERE width > 0 AND height > 0 GROUP BY width, height"
_MOST_DIGITS = 18


def show_plan(relations: Relations) -> None:
    """Make `shown` of a plan and its receipts."""
    relations.run(_OF_PLAN)


def show_manifest(relations: Relations) -> None:
    """Make `shown` of a manifest and a listing."""
    relations.run(_OF_MANIFEST)


def fates(relations: Relations) -> tuple[Count, ...]:
    """What became of the images, and of how many."""
    rows = relations.stream("SELECT fate, count(*) FROM shown GROUP BY fate ORDER BY count(*) DESC, fate")
    return tuple(Count(*row) for row in rows)


def archives(relations: Relations, *, source: bool) -> tuple[ArchiveCounts, ...]:
    """What became of the images of each archive, in the order of their names, numbers as numbers.

    Args:
        relations: with `shown`.
        source: whether nothing was to be sent, so that what is there is good.
    """
    good = "('pending', 'read')" if source else _GOOD
    counts: dict[str | None, list[int]] = {
        home: list(numbers)
        for home, *numbers in relations.stream(
            f"SELECT home, count(*) FILTER (fate IN {good} AND NOT {DAMAGED}), count(*) FILTER ({DAMAGED}),"  # noqa: S608
            f" count(*) FILTER (fate IN {_LOST} AND NOT {DAMAGED}),"
            f" count(*) FILTER (fate NOT IN {good} AND fate NOT IN {_LOST} AND NOT {DAMAGED})"
            " FROM shown GROUP BY home"
        )
    }
    if relations.has("matches"):
        nowhere = None if any(counts) else ""
        for home, missing in relations.stream(
            "SELECT home, count(*) FROM rows WHERE selected AND row NOT IN (SELECT row FROM matches) GROUP BY 1"
        ):
            counts.setdefault(home or nowhere, [0, 0, 0, 0])[2] += missing
    return tuple(ArchiveCounts(home, *counts[home]) for home in sorted(counts, key=_natural))


def sizes(relations: Relations) -> Sizes | None:
    """How large the images are; None where there are none."""
    images, least, most, in_all = relations.one(
        "SELECT count(*), min(size_bytes), max(size_bytes), sum(size_bytes)::BIGINT FROM shown"
    )
    if not images:
        return None
    different, *ends = relations.one(
        f"SELECT count(*), min(least(width, height)), max(greatest(width, height)) FROM ({_PAIRS})"  # noqa: S608
    )
    edges = limits(ends) if different else []
    commonest = relations.stream(f"{_PAIRS} ORDER BY images DESC, width, height LIMIT {_COMMON_SIZES}")
    return Sizes(
        _bins(relations, "width", edges),
        _bins(relations, "height", edges),
        tuple((width, height, count) for width, height, count in commonest),
        different,
        _bins(relations, "size_bytes", limits([least, most])),
        in_all,
    )


def _bins(relations: Relations, column: str, edges: list[int]) -> tuple[Bin, ...]:
    """How many images lie between the edges; those of no width or height are not counted there."""
    counted = "" if column == "size_bytes" else " WHERE width > 0 AND height > 0"
    found = relations.stream(
        f"SELECT list_max(list_filter(?::BIGINT[], lambda edge: edge <= {column})) AS low, count(*)"  # noqa: S608
        f" FROM shown{counted} GROUP BY low HAVING low IS NOT NULL",
        [edges],
    )
    return binned(found, edges)


def _natural(text: str | None) -> tuple[int, int, str]:
    """`2.zip` before `10.zip`; names without a number after those with one; what has no name last."""
    if text is None:
        return (2, 0, "")
    stem = text.rpartition("/")[2].split(".")[0]
    numbered = stem.isdecimal() and stem.isascii() and len(stem) <= _MOST_DIGITS
    return (0, int(stem), text) if numbered else (1, 0, text)
