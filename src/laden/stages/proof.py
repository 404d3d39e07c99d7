"""Is it there, and is it unchanged? Questions to a listing, or to the bytes themselves.

`confirm` holds a listing made after sending against the receipts; `compare` holds one against the manifest, months
later; `read_back` reads blobs back and hashes them. All of them answer with findings.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from typing import NamedTuple

from laden.relations import Relations
from laden.run.tasks import several
from laden.stages.loadpage import COMPLETE, LOAD, Document, LoadPage
from laden.stages.manifest import MANIFEST, OTHER, find_loads_below
from laden.store import Store, digest
from laden.store.disk import LINK
from laden.values.errors import BlobArchived, BlobConflict, BlobMissing
from laden.values.records import Finding, Severity
from laden.values.share import Share

_READING = 32
"""Blobs read at the same time; with their parts, they bound the memory to a quarter of a gigabyte."""

_GONE = "it is gone: run the load again to send it"
_OTHER_VERSION = "what was to be read back is not the version that was listed a moment before: verify again"


_UNPROVEN_SENT = """
SELECT r.blob, r.archive, r.member, b.name IS NOT NULL FROM receipts r LEFT JOIN blobs b ON b.name = r.blob
WHERE r.outcome IN ('sent', 'already_there')
  AND (b.name IS NULL OR b.md5 <> r.md5 OR (b.md5 IS NULL AND r.outcome = 'sent') OR b.size_bytes <> r.size_bytes)
"""
_UNPROVEN_BEFORE = """
SELECT t.blob, e.archive, e.member, b.name IS NOT NULL
FROM todo t JOIN entries e USING (id) LEFT JOIN blobs b ON b.name = t.blob LEFT JOIN known k ON k.blob = t.blob
WHERE t.action = 'done' AND (b.md5 IS NULL OR b.size_bytes <> t.size_bytes
  OR NOT coalesce(b.crc32 = e.crc32 OR b.mtime_ns = e.mtime_ns OR b.md5 = k.md5, false))
"""


def confirm(relations: Relations) -> Iterator[Finding]:
    """Blobs that were sent or found equal, now or when the plan was made, and that the listing shows otherwise now.

    They count as failed from then on, and neither as sent nor as there.
    """
    before = relations.one("SELECT count(*) FROM todo WHERE action = 'done'")[0]
    unproven = f"{_UNPROVEN_SENT} UNION ALL {_UNPROVEN_BEFORE}" if before else _UNPROVEN_SENT
    found = [*relations.stream(f"{unproven} ORDER BY 1")]
    disprove(relations, (blob for blob, *_ in found))
    for blob, archive, member, listed in found:
        what = "is listed with other content" if listed else "is not in the listing"
        yield Finding(
            "verify-changed" if listed else "verify-missing",
            Severity.ERROR,
            f"it was stored, but afterwards {what}: somebody else may be writing there; run the same command again",
            archive=archive,
            member=member,
            blob=blob,
        )


_DISPROVED = (
    """
INSERT INTO receipts BY NAME SELECT blob, 'failed' AS outcome FROM disproved
WHERE blob NOT IN (SELECT blob FROM receipts)
""",
    "UPDATE receipts SET outcome = 'failed' WHERE blob IN (SELECT blob FROM disproved)",
    "UPDATE todo SET action = 'compare' WHERE action = 'done' AND blob IN (SELECT blob FROM disproved)",
)


def disprove(relations: Relations, blobs: Iterable[str]) -> None:
    """Have images count as failed, whatever was received of them or known before."""
    relations.run("CREATE OR REPLACE TABLE disproved (blob VARCHAR)")
    if relations.feed("disproved", ((blob,) for blob in blobs)):
        for statement in _DISPROVED:
            relations.run(statement)


_OTHER = f"""
SELECT k.blob, b.name IS NOT NULL, k.size_bytes, b.size_bytes FROM promised k LEFT JOIN blobs b ON b.name = k.blob
WHERE {OTHER} ORDER BY k.blob
"""  # noqa: S608 - own text


def compare(relations: Relations, page: LoadPage, *, believed: bool = True) -> Iterator[Finding]:
    """Every deleted, changed and foreign blob: the listing (`blobs`) against the manifest (`known`).

    Args:
        relations: with `blobs` and `known` filled.
        page: names the table and the manifest, which are held against the listing as well.
        believed: whether the manifest is the load's; else it is told, and what it says of images counts for nothing.
    """
    if page.state != COMPLETE:
        yield Finding(
            "load-unfinished",
            Severity.ERROR,
            "a load did not finish (it replaces images, or was the first one): run it again",
            blob=LOAD,
        )
    names = [document.name for document in page.documents]
    if not believed:
        yield manifest_changed()
        relations.clear("known")
    relations.run("CREATE OR REPLACE TABLE promised AS SELECT blob, size_bytes, md5, known FROM known")
    promised = (document for document in page.documents if believed or document.name != MANIFEST)
    relations.feed("promised", ((*document[:3], "sent") for document in promised))
    find_loads_below(relations)
    yield from oddities(relations, page.documents)
    for blob, listed, size_bytes, now_bytes in relations.stream(_OTHER):
        yield _amiss(blob, size_bytes, now_bytes if listed else None)
    if not believed:
        return
    for (blob,) in relations.stream(
        "SELECT name FROM blobs WHERE name NOT IN (SELECT blob FROM known)"
        " AND name NOT IN (SELECT name FROM below)"
        " AND NOT list_contains(?::VARCHAR[], name) AND NOT starts_with(name, '_laden/') ORDER BY name",
        [names],
    ):
        yield Finding("blob-foreign", Severity.INFO, "the manifest does not know it", blob=blob)


def _amiss(blob: str, size_bytes: int, now_bytes: int | None) -> Finding:
    """That it is gone (None), or another one."""
    if now_bytes is None:
        return Finding("blob-deleted", Severity.ERROR, _GONE, blob=blob)
    is_long = now_bytes == size_bytes
    what = "its MD5 is another" if is_long else f"its length is {now_bytes:,} bytes, not {size_bytes:,}"
    return Finding("blob-changed", Severity.ERROR, f"{what}: load it again with --overwrite changed", blob=blob)


def documents_amiss(relations: Relations, page: LoadPage) -> Iterator[tuple[Document, Finding]]:
    """Tables and copied files that the page names and the listing does not show as they landed.

    For those who go by the page without holding all that it names against the listing, as `compare` does.
    """
    for document in page.documents:
        listed = list(relations.stream("SELECT size_bytes, md5 FROM blobs WHERE name = ?", [document.name]))
        if document.name != MANIFEST and listed != [(document.size_bytes, document.md5)]:
            yield document, _amiss(document.name, document.size_bytes, listed[0][0] if listed else None)


def manifest_changed() -> Finding:
    """Told where the manifest is not the one that its load left."""
    message = (
        f"it is not as the last load left it ({LOAD} names another MD5), so nothing in it is believed, and no image"
    )
    message += " was held against it: load again, or bring the version back that was there"
    return Finding("manifest-changed", Severity.ERROR, message, blob=MANIFEST)


_ODD = """
SELECT name, what FROM odd WHERE name IN (SELECT blob FROM known) OR list_contains(?::VARCHAR[], name) ORDER BY name
"""


def oddities(relations: Relations, documents: Iterable[Document]) -> Iterator[Finding]:
    """What lies in the place of an image that the manifest names, or of a document, and is no plain file."""
    for blob, what in relations.stream(_ODD, [[document.name for document in documents]]):
        if what == LINK:
            told = f"{what} lies there, whose content is looked at, wherever it is: put the file itself there"
            yield Finding("blob-link", Severity.WARNING, told, blob=blob)
        else:
            told = f"{what} lies there, which is not looked at: remove it, and load again"
            yield Finding("blob-special", Severity.ERROR, told, blob=blob)


def wrong(relations: Relations, page: LoadPage) -> str:
    """One sentence's part about what `compare` finds wrong, empty where nothing is; arguments as there."""
    found = (finding for finding in compare(relations, page) if finding.severity is Severity.ERROR)
    first = next(found, None)
    if first is None:
        return ""
    more = sum(1 for _ in found)
    return f"{first.blob}: {first.message}" + (f"; and {more:,} more" if more else "")


class Target(NamedTuple):
    """A blob to be read back, and what it must be."""

    blob: str
    size_bytes: int
    md5: bytes
    etag: str
    """As listed: what is read elsewhere under the same name, or was put there since, is no proof of it."""


def to_read_back(relations: Relations, sample: int | None, share: Share | None = None) -> list[Target]:
    """Blobs to read back: all of the manifest's, those of a share, or a sample, first of those laden did not send.

    It is spread by name, so that any two runs read the same. Of those that the listing shows otherwise, or not at all,
    `compare` tells.
    """
    limit = "" if sample is None else f" LIMIT {int(sample)}"
    part = share or Share(1, 1)
    rows = relations.stream(
        "SELECT k.blob, k.size_bytes, k.md5, b.etag FROM known k LEFT JOIN blobs b ON b.name = k.blob"  # noqa: S608
        f" WHERE NOT ({OTHER}) AND md5_number_lower(k.blob) % ? = ?"
        f" ORDER BY k.known = 'sent', md5(k.blob), k.blob{limit}",
        [part.of, part.number - 1],
    )
    return [Target(blob, size_bytes, bytes.fromhex(md5), etag) for blob, size_bytes, md5, etag in rows]


def documents_to_read_back(relations: Relations, documents: Iterable[Document]) -> list[Target]:
    """The documents that the listing shows as they were landed; of the others `compare` tells."""
    listed = "SELECT etag FROM blobs WHERE name = ? AND size_bytes = ? AND md5 = ?"
    return [
        Target(name, size_bytes, bytes.fromhex(md5), etag)
        for name, size_bytes, md5, *_ in documents
        for (etag,) in relations.stream(listed, [name, size_bytes, md5])
    ]


async def doubt_documents(store: Store, relations: Relations, documents: Iterable[Document]) -> list[Finding]:
    """Read what earlier loads landed beside images; of what has other bytes, forget the MD5.

    So it is written again where this load lands it, and lost where it does not.
    """
    found = []
    async for target, finding in read_back(store, documents_to_read_back(relations, documents)):
        if finding is not None and finding.code == "blob-bytes":
            relations.run("UPDATE blobs SET md5 = NULL WHERE name = ?", [target.blob])
            told = "its bytes are not those that an earlier load landed; where this load lands it, it is written again"
            found.append(finding._replace(severity=Severity.WARNING, message=told))
    return found


async def read_back(store: Store, wanted: Iterable[Target]) -> AsyncIterator[tuple[Target, Finding | None]]:
    """Read blobs back and hash them, several at a time; yields each with a finding, or None where it is right."""
    async with aclosing(several((_read_back(store, target) for target in wanted), _READING)) as stream:
        async for read in stream:
            yield read


async def _read_back(store: Store, target: Target) -> tuple[Target, Finding | None]:
    return target, await _wrong(store, target)


async def _wrong(store: Store, target: Target) -> Finding | None:
    try:
        size_bytes, md5 = await digest(store, target.blob, target.size_bytes, target.etag)
    except BlobMissing:
        return Finding("blob-deleted", Severity.ERROR, _GONE, blob=target.blob)
    except BlobConflict:
        return Finding("blob-changed", Severity.ERROR, _OTHER_VERSION, blob=target.blob)
    except BlobArchived as error:
        return Finding("blob-archived", Severity.ERROR, str(error), blob=target.blob)
    if (size_bytes, md5) == (target.size_bytes, target.md5):
        return None
    return Finding(
        "blob-bytes",
        Severity.ERROR,
        f"its bytes read back ({size_bytes:,}) do not hash to the manifest's MD5: delete it, then load again",
        blob=target.blob,
    )
