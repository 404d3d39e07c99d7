"""Leaves in a plan what falls to one share of it: neighbours in an archive stay together, and every share gets some.

An archive is cut into runs of 1 GB by the offsets of its members, and its runs are dealt in turn; where the dealing
begins follows from the archive's name. So it depends on nothing but names, offsets and the number of shares: machines
that see other archives, or see them later, agree on every entry. Files that are no members go by their path.
"""

from __future__ import annotations

from laden.relations import Relations
from laden.values.share import Share

RUN_BYTES = 1 << 30

_DEAL = """
DELETE FROM todo WHERE id IN (
    SELECT id FROM entries WHERE ? <> CASE
        WHEN archive = '' THEN md5_number_lower(member) % ?
        ELSE (md5_number_lower(parse_filename(archive)) % ? + coalesce(offset_bytes, 0) // ?) % ?
    END)
"""
"""MD5, since DuckDB's own hash may be another in another version."""


def deal(relations: Relations, share: Share) -> None:
    """Take what falls to other shares out of `todo`."""
    of = share.of
    relations.run(_DEAL, [share.number - 1, of, of, RUN_BYTES, of])
