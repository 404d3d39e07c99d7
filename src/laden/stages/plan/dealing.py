"""Leaves in a plan what falls to one share of it: neighbours in an archive stay together, and every share gets some.

An archive is cut into runs of 1 GB by the offsets of its members, and its runs are dealt in turn; where the dealing
begins follows from the archive's name. So it depends on nothing but names, offsets and the number of shares: machines
that see other archives, or see them later, agree on every entry. Files that are no members go by their path.

Which names a share asks the destination for is known before the plan: those of rows whose key one of its entries has.
"""

from __future__ import annotations

import math
from itertools import pairwise

from laden.relations import Relations
from laden.store.listing import NAMES_IN_RANGE, Span
from laden.values.names import OWN_FOLDER
from laden.values.share import Share

RUN_BYTES = 1 << 30

_SHARE = """
CASE WHEN archive = '' THEN md5_number_lower(member) % ?
    ELSE (md5_number_lower(parse_filename(archive)) % ? + coalesce(offset_bytes, 0) // ?) % ?
END
"""
"""Of an entry, counted from 0. MD5, since DuckDB's own hash may be another in another version."""

_DEAL = f"DELETE FROM todo WHERE id IN (SELECT id FROM entries WHERE ? <> {_SHARE})"  # noqa: S608 - own text

_SPANS = f"""
WITH own AS (SELECT DISTINCT key FROM entries WHERE ? = {_SHARE}),
names AS (SELECT blob AS name, bool_or(key IN (SELECT key FROM own)) AS own FROM (
    SELECT blob, key FROM rows WHERE blob IS NOT NULL UNION ALL
    SELECT blob, key FROM entries WHERE blob IS NOT NULL) GROUP BY blob),
numbered AS (SELECT name, own, row_number() OVER (ORDER BY name) AS number FROM names)
SELECT min(name), max(name), min(number), max(number) FROM numbered WHERE own
GROUP BY number // {NAMES_IN_RANGE} ORDER BY min(name)
"""  # noqa: S608 - own text
"""Of each page of all names: the first and the last that may be a share's, and the how many-th of all they are."""


def deal(relations: Relations, share: Share) -> None:
    """Take what falls to other shares out of `todo`."""
    relations.run(_DEAL, [share.number - 1, *_parameters(share)])


def spans_of(relations: Relations, share: Share) -> list[Span]:
    """The spans of names in which all images of a share lie, and laden's own notes.

    Args:
        relations: with `rows` and `entries` filled.
        share: whose.

    Returns:
        Empty where names cannot be asked for so, as some hold other letters than ASCII's.
    """
    found = [*relations.stream(_SPANS, [share.number - 1, *_parameters(share)])]
    if not all(first.isascii() and last.isascii() for first, last, *_ in found):
        return []
    spans = [Span(f"{OWN_FOLDER}/", f"{OWN_FOLDER}0")]
    for (first, last, _, number), (following, _, next_number, _) in pairwise([*found, ("", "", math.inf, 0)]):
        # With less than a page of others' between, it is one span, whose joint is proved; else it ends with its last
        # name: of names, none that begins with that one comes before it with a blank.
        near = next_number - number <= NAMES_IN_RANGE
        spans.append(Span(first, following if near else f"{last} "))
    return sorted(spans)


def _parameters(share: Share) -> list[int]:
    return [share.of, share.of, RUN_BYTES, share.of]
