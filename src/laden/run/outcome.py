"""What became of the images of a run, asked of its relations: the plan's `todo` and the `receipts`.

Counted at any moment, also where a run broke off: what was received counts, what was not is unfinished.
"""

from __future__ import annotations

from typing import NamedTuple

from laden.dataset.images import DOUBTFUL, UNSETTLED, WHOLE
from laden.relations import Relations

_COUNTED = """
SELECT planned.*, received.* FROM (
SELECT count(*) FILTER (action IN ('send', 'replace', 'compare')), count(*) FILTER (action = 'done'),
       count(*) FILTER (action = 'conflict')
FROM todo) planned, (
SELECT count(*) FILTER (outcome = 'sent'), count(*) FILTER (outcome = 'already_there'),
       count(*) FILTER (outcome = 'conflict'), count(*) FILTER (outcome = 'damaged'),
       count(*) FILTER (outcome = 'failed'), count(*) FILTER (outcome = 'read'),
       count(*) FILTER (outcome IN ('sent', 'already_there', 'read') AND NOT list_contains($fine, state)),
       count(*) FILTER (outcome = 'held'),
       count(*) FILTER (outcome IN ('sent', 'already_there', 'read') AND list_contains($unsettled, state)),
       coalesce(sum(size_bytes) FILTER (outcome = 'sent'), 0)::BIGINT,
       coalesce(sum(size_bytes) FILTER (outcome = 'read'), 0)::BIGINT
FROM receipts) received
"""
_UNLISTED = """
SELECT count(*) FROM receipts r JOIN todo t USING (blob)
WHERE r.outcome = 'sent' OR (r.outcome = 'already_there' AND t.action <> 'compare')
"""
_BROKEN_BEFORE = """
SELECT count(*) FROM todo t JOIN blobs b ON b.name = t.blob LEFT JOIN known k ON k.blob = t.blob
WHERE t.action = 'done' AND NOT list_contains($fine, coalesce(nullif(split_part(b.image, ';', 5), ''), k.state))
"""


class Outcomes(NamedTuple):
    """Counts of images, and bytes."""

    unfinished: int = 0
    """To be read by the plan, and neither received nor given up for good."""
    there: int = 0
    """In the destination: found there, or sent."""
    sent: int = 0
    already_there: int = 0
    conflicts: int = 0
    damaged: int = 0
    """Members that are not what their archive declares, and images broken inside."""
    failed: int = 0
    held: int = 0
    """Not sent, because they may say who a person is."""
    examined: int = 0
    unseen: int = 0
    """Read, and not looked into, or not to the end."""
    bytes_sent: int = 0
    bytes_examined: int = 0

    def counts(self) -> dict[str, int]:
        """The fields that a summary has too."""
        fields = self._asdict()
        return {name: fields[name] for name in fields if name not in ("unfinished", "there")}


def outcomes(relations: Relations) -> Outcomes:
    """Count what became of the plan's images; nothing of a run that has no plan yet."""
    if not relations.has("todo"):
        return Outcomes()
    fine = {"fine": list({WHOLE, *DOUBTFUL, *UNSETTLED})}
    to_read, done, left_alone, *received = relations.one(_COUNTED, {**fine, "unsettled": list(UNSETTLED)})
    sent, there, conflicts, damaged, failed, examined, broken_now, held, unseen, sent_bytes, read_bytes = received
    return Outcomes(
        unfinished=to_read - (sent + there + conflicts + damaged + examined + held),
        there=done + sent + there,
        sent=sent,
        already_there=done + there,
        conflicts=left_alone + conflicts,
        damaged=damaged + broken_now + (relations.one(_BROKEN_BEFORE, fine)[0] if done else 0),
        failed=failed,
        held=held,
        unseen=unseen,
        examined=examined,
        bytes_sent=sent_bytes,
        bytes_examined=read_bytes,
    )


def unlisted(relations: Relations) -> int:
    """How many blobs are there that the listing before the transfer does not show."""
    count: int = relations.one(_UNLISTED)[0]
    return count


def failed(relations: Relations) -> int:
    """How many images could not be sent."""
    count: int = relations.one("SELECT count(*) FROM receipts WHERE outcome = 'failed'")[0]
    return count
