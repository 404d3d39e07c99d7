"""Is an earlier state of a destination still kept? What the service keeps, against a record and its manifest.

Order: list all states of all blobs (versions, snapshots, what was deleted and can come back) into the relation
`states`; find the manifest that the record names among them and read it, by its MD5, into `known`; then ask of each
image, table and note of then whether a state with that MD5 is kept. Nothing is changed, and nothing is brought back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from laden.relations import Relations
from laden.run.ticks import Ticks
from laden.stages.manifest import MANIFEST, read_manifest
from laden.store.listing import Progress
from laden.store.manage import Detail, Manage
from laden.values.errors import BlobMissing
from laden.values.records import Blob, Finding, Severity

_PART_BYTES = 16 << 20
_STATES = """
CREATE OR REPLACE TABLE states (name VARCHAR, size_bytes BIGINT, md5 VARCHAR, etag VARCHAR, version VARCHAR,
    snapshot VARCHAR, current BOOLEAN, deleted BOOLEAN)
"""
_KEPT = """
SELECT size_bytes, etag, version, snapshot, current FROM states WHERE name = ? AND md5 = ? AND NOT deleted
ORDER BY current DESC, version DESC, snapshot DESC
"""
_PROMISED = "CREATE OR REPLACE TABLE promised AS SELECT blob, size_bytes, md5 FROM known"
_FOUND = """
SELECT p.blob,
       coalesce(bool_or(s.md5 = p.md5 AND s.current), false) AS now,
       max(s.version || s.snapshot) FILTER (s.md5 = p.md5 AND NOT s.current AND NOT s.deleted) AS earlier,
       coalesce(bool_or(s.md5 = p.md5 AND s.deleted), false) AS deleted,
       coalesce(bool_or(s.md5 IS NULL AND s.size_bytes = p.size_bytes AND NOT s.deleted), false) AS unknown,
       coalesce(bool_or(s.current), false) AS other
FROM promised p LEFT JOIN states s ON s.name = p.blob
GROUP BY p.blob HAVING NOT now ORDER BY p.blob
"""


async def list_states(manage: Manage, relations: Relations, ticks: Ticks) -> None:
    """Fill `states` with whatever the service keeps. Raises `StoreError`."""
    relations.run(_STATES)
    marker, progress = "", Progress()
    while True:
        page = await manage.list_details(marker, earlier=True)
        first = page.details[0] if page.details else None
        progress.see(page.marker, first and f"{first.blob.name}\0{first.version}\0{first.snapshot}\0{first.deleted}")
        relations.feed("states", map(_row, page.details))
        ticks.add(len(page.details))
        marker = page.marker
        if not marker:
            return


def _row(one: Detail) -> tuple[object, ...]:
    blob = one.blob
    md5 = blob.md5.hex() if blob.md5 else None
    return (blob.name, blob.size_bytes, md5, blob.etag, one.version, one.snapshot, one.current, one.deleted)


def keeps_earlier(relations: Relations) -> bool:
    """Whether anything but the current state of any blob is kept."""
    return bool(relations.one("SELECT count(*) FROM states WHERE NOT current AND NOT deleted")[0])


async def read_manifest_of(manage: Manage, relations: Relations, md5: str) -> bool:
    """Read the manifest that has this MD5 into `known`; False where no such state of it is kept.

    Raises:
        ManifestUnreadable: it is none that this version can read.
        StoreError: it cannot be read.
    """
    for size_bytes, etag, version, snapshot, current in list(relations.stream(_KEPT, [MANIFEST, md5])):
        state = Detail(Blob(MANIFEST, size_bytes, None, etag, {}), 0, "", "", version, snapshot, current=current)
        path = relations.folder / "manifest-then.parquet"
        digest = hashlib.md5(usedforsecurity=False)
        try:
            with path.open("wb") as file:
                for at_bytes in range(0, size_bytes, _PART_BYTES):
                    part = await manage.read(state, at_bytes, min(_PART_BYTES, size_bytes - at_bytes))
                    digest.update(part)
                    file.write(part)
        except BlobMissing:
            continue
        if digest.hexdigest() == md5:
            relations.clear("known")
            read_manifest(relations, path)
            return True
    return False


def find_then(relations: Relations, documents: Mapping[str, str]) -> Iterator[Finding]:
    """What was there then and is not what is there now: kept as an earlier state, or not.

    Args:
        relations: with `states`, and `known` of then.
        documents: MD5s of what else belongs to that state, by name.
    """
    relations.run(_PROMISED)
    relations.feed("promised", ((name, None, md5) for name, md5 in documents.items()))
    for blob, _, earlier, deleted, unknown, other in relations.stream(_FOUND):
        if earlier is not None:
            message = f"what it was then is kept as an earlier state: {earlier}"
            yield Finding("at-earlier", Severity.INFO, message, blob=blob)
        elif unknown:
            message = "nobody gave the MD5 of what is there, so nobody knows whether it is what was there then"
            yield Finding("at-unproved", Severity.ERROR, message, blob=blob)
        else:
            yield Finding("at-gone", Severity.ERROR, _gone(deleted=deleted, other=other), blob=blob)


def _gone(*, deleted: bool, other: bool) -> str:
    if deleted:
        return "what it was then was deleted, and can still be brought back: laden undelete, before its days are over"
    if other:
        return "what it was then is not kept: it was replaced, and the service has no version of it"
    return "what it was then is not kept: it was deleted, and the service has no version of it"
