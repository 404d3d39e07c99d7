"""Rows whose blob is there as another image's: they have none, and no table that lands may say otherwise.

A row that this load matched has its image if that is there now: sent, or found equal; or if the row is of a table that
was landed with what is there, though its image has another version by now, which could not be sent. Any other row (its
archive was not asked for, or is not here) has one that an earlier load landed under its name, if what that load said of
it, archive and member, agrees with the row's key and place as an entry of the source would have to
(`linking.disagreement`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter

from laden.dataset.profile import Profile
from laden.dataset.profile.described import Described
from laden.relations import Relations
from laden.stages.linking import disagreement
from laden.stages.manifest import found_source
from laden.values.records import Finding, Severity

_SUSPECTS = f"""
CREATE OR REPLACE TABLE suspects AS
SELECT r.row, r.key, r.place, {found_source("archive")} AS archive, {found_source("member")} AS member
FROM rows r JOIN blobs b ON b.name = r.blob LEFT JOIN known k ON k.blob = r.blob
ANTI JOIN (SELECT row FROM matches JOIN rows USING (row) WHERE selected) m USING (row)
WHERE r.usable AND r.key IS NOT NULL AND (k.blob IS NOT NULL OR b.source IS NOT NULL)
"""  # noqa: S608 - own text
_PLACED = "CREATE OR REPLACE TABLE placed (row BIGINT, key VARCHAR, place VARCHAR)"
_DISAGREE = "INSERT INTO misled SELECT r.row FROM suspects r JOIN placed e USING (row) WHERE {0}"
_FAILED = """
INSERT INTO misled SELECT row FROM rows SEMI JOIN matches USING (row)
WHERE selected AND row >= ? AND row < ? AND blob IN (SELECT blob FROM todo WHERE action IN ('replace', 'compare'))
  AND blob NOT IN (SELECT blob FROM receipts WHERE outcome IN ('sent', 'already_there'))
"""
_TOLD = """
SELECT r.row, r.name, r.blob, s.archive, s.member FROM misled JOIN rows r USING (row) JOIN suspects s USING (row)
WHERE r.blob IN (SELECT blob FROM loaded) AND (r.selected OR NOT ?)
  AND r.blob NOT IN (SELECT blob FROM shared) ORDER BY r.row
"""


def find_misled(relations: Relations, profile: Profile, renewed: Iterable[range]) -> bool:
    """Fill the relation `misled`: rows whose blob is there, and is not their image; whether there may be any.

    Args:
        relations: with the plan, the last listing, the receipts and the earlier manifest.
        profile: of this load.
        renewed: rows of the tables that no earlier load landed: where one has a next version of its image, what is
            there is none of it.
    """
    relations.clear("misled")
    failed = [relations.run(_FAILED, [rows.start, rows.stop]) for rows in renewed]
    if not relations.run(_SUSPECTS):
        return any(failed)
    relations.run(_PLACED)
    relations.feed("placed", _placed(relations, Described(profile)))
    return relations.run(_DISAGREE.format(disagreement(len(profile.place_fields)))) > 0 or any(failed)


def _placed(relations: Relations, described: Described) -> Iterator[tuple[int, str, str]]:
    """Row, key and place of each suspect's blob, as what it was loaded from says them."""
    found = relations.stream("SELECT archive, row, member FROM suspects ORDER BY archive")
    for archive, some in groupby(found, key=itemgetter(0)):
        rows = [(row, member) for _, row, member in some]
        said = described.of(archive, [member for _, member in rows])
        keys, places = said["key"], said["place"]
        assert isinstance(keys, list)
        for at, (row, _) in enumerate(rows):
            yield row, keys[at], places[at] if isinstance(places, list) else str(places)


def told_misled(relations: Relations, *, selected: bool) -> Iterator[Finding]:
    """Rows that are in no table that lands, because their blob is another image's.

    Args:
        relations: after `find_misled` and `manifest.collect`.
        selected: whether a table lands with selected rows alone, so that of others nothing is expected.
    """
    for row, name, blob, archive, member in relations.stream(_TOLD, [selected]):
        there = ": ".join(filter(None, (archive, member)))
        message = (
            f"the row means the image {name}, and what is there under its name is another one, {there}, which this load"
            " did not replace: the row is in no table that landed; load its own image with --overwrite changed"
        )
        yield Finding("blob-conflict", Severity.ERROR, message, row=row, blob=blob)
