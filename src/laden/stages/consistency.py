"""Holds images against the table and against each other: their size, their depth, and whether two are the same.

Then it names what was not looked into at all.

One question each, asked of a relation that has name, place, MD5 and header of every image: `receipts` after a check,
`loaded` after a load. Nothing is read here; an image whose header could not be read has no size to compare.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from laden.relations import Relations
from laden.values.records import UNSEEN, Finding, Severity

_TWICE = """
CREATE OR REPLACE TABLE twice AS
SELECT md5, size_bytes FROM {seen} WHERE md5 IS NOT NULL AND size_bytes > 0 GROUP BY ALL HAVING count(*) > 1
"""
_TWINS = """
WITH alike AS (
    SELECT s.blob, s.archive, s.member, s.md5, s.size_bytes FROM {seen} s JOIN twice USING (md5, size_bytes)),
first AS (SELECT md5, size_bytes, min(blob) AS blob FROM alike GROUP BY ALL)
SELECT a.blob, a.archive, a.member, f.blob FROM alike a JOIN first f USING (md5, size_bytes)
WHERE a.blob <> f.blob AND (a.blob IN (SELECT blob FROM wanted) OR f.blob IN (SELECT blob FROM wanted))
ORDER BY a.blob
"""
"""Which are there twice is asked of their MD5 alone: of a million images that are not, no name is held."""
_SIZES = """
SELECT DISTINCT ON (s.blob) r.row - (SELECT max(before) FROM table_starts WHERE before < r.row),
       s.blob, s.archive, s.member, s.width, s.height, z.width, z.height
FROM {seen} s JOIN rows r ON r.blob = s.blob JOIN sizes z USING (row) JOIN wanted w ON w.blob = s.blob
WHERE r.usable AND r.selected AND s.width > 0 AND (s.width <> z.width OR s.height <> z.height)
ORDER BY s.blob, r.row
"""
_BITS = """
SELECT s.blob, s.archive, s.member, s.bits FROM {seen} s JOIN wanted w ON w.blob = s.blob
WHERE s.bits BETWEEN 1 AND ? - 1 ORDER BY s.blob
"""


_UNSEEN = """
SELECT kind, count(*) FROM (
    SELECT regexp_extract(lower(member), '(\\.[a-z][a-z0-9_-]*(\\.gz)?)$', 1) AS kind
    FROM {seen} s SEMI JOIN wanted w ON w.blob = s.blob WHERE s.state = ?{read})
GROUP BY kind ORDER BY count(*) DESC, kind
"""
_NAMED = 8


def not_looked_into(relations: Relations, seen: Literal["receipts", "loaded"]) -> Iterator[Finding]:
    """How many files of what kind nobody looked into, because laden has no check for them."""
    # What could not be read has a finding of its own.
    read = " AND s.outcome IN ('sent', 'already_there', 'read')" if seen == "receipts" else ""
    if not relations.one(f"SELECT count(*) FROM {seen} WHERE state = ?", [UNSEEN])[0]:  # noqa: S608 - own names
        return
    kinds = list(relations.stream(_UNSEEN.format(seen=seen, read=read), [UNSEEN]))
    if count := sum(files for _, files in kinds):
        named = [f"{kind or 'without an ending'} ({files:,})" for kind, files in kinds[:_NAMED]]
        if len(kinds) > _NAMED:
            named.append(f"{len(kinds) - _NAMED:,} others")
        files = "1 file was" if count == 1 else f"{count:,} files were"
        message = f"{files} not looked into: {', '.join(named)}; nobody knows whether they are whole"
        yield Finding("image-unseen", Severity.INFO, message)


def contradictions(relations: Relations, seen: Literal["receipts", "loaded"], bits: int | None) -> Iterator[Finding]:
    """What images say against the table or their dataset, and which have the same bytes.

    Args:
        relations: `rows`, `sizes` and `wanted` are filled, and the relation that is asked.
        seen: the relation with what was seen of every image.
        bits: that a sample of the dataset's images has, where the profile says.
    """
    has_table, has_sizes = relations.one("SELECT (SELECT count(*) FROM table_starts), (SELECT count(*) FROM sizes)")
    labelled = ", which another row may label otherwise" if has_table else ""
    has_twins = relations.run(_TWICE.format(seen=seen))
    for blob, archive, member, first in relations.stream(_TWINS.format(seen=seen)) if has_twins else ():
        yield Finding(
            "image-twin",
            Severity.WARNING,
            f"its bytes are the same as those of {first}{labelled}",
            archive=archive,
            member=member,
            blob=blob,
        )
    for row, blob, archive, member, width, height, columns, rows in (
        relations.stream(_SIZES.format(seen=seen)) if has_sizes else ()
    ):
        turned = (width, height) == (rows, columns)
        reason = "it lies on its side" if turned else "it may be another image than the row means"
        yield Finding(
            "image-turned" if turned else "image-size",
            Severity.WARNING if turned else Severity.ERROR,
            f"the image is {width} x {height} pixels, and row {row} says {columns} x {rows}: {reason}",
            archive=archive,
            member=member,
            row=row,
            blob=blob,
        )
    if bits is None:
        return
    for blob, archive, member, found in relations.stream(_BITS.format(seen=seen), [bits]):
        yield Finding(
            "image-bits",
            Severity.ERROR,
            f"the image has {found} bits a sample where the dataset has {bits}: a conversion took shades of it",
            archive=archive,
            member=member,
            blob=blob,
        )
