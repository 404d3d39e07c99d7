"""What laden writes into a blob's metadata, and reads back from a listing.

With these few ASCII values a listing is the journal: the next run, on any machine, knows of every blob where it came
from, what its content was, and whether the image in it is whole, without reading a byte back. They hold no name
that the blob's own name does not show already, and nothing of the table. Tools that write other bytes under a name may
keep them: they vouch only for the content whose MD5 they name, and are nothing beside another.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

from laden.dataset.images import FACTS, STATES, WHOLE, facts_to_text
from laden.relations import BATCH_ROWS, Relations
from laden.store import quoted
from laden.store.pages import METADATUM, PlainBlobs
from laden.values.arrow import Column, Kind, Stream, every_second
from laden.values.errors import UsageError
from laden.values.records import UNSEEN, Blob, Digests, Entry, ImageFacts

OWN = "laden_"
"""How all keys begin that are laden's."""
_DOCUMENT = "laden_document"
"""Key of the table, the manifest and the page: blobs that laden may replace without being asked."""
_MD5 = "laden_md5"
"""In Base64, as a listing gives the blob's own."""
_CRC32 = "laden_crc32"
_SIZE = "laden_size"
_MTIME = "laden_mtime"
_IMAGE = "laden_image"
_SOURCE = "laden_source"
_ORIGIN = "laden_origin"
"""Of what was read on another machine: its address without the query, what vouched for the content, and the offset."""


def refuse_own(names: Iterable[str]) -> None:
    """Raises `UsageError` where a person's metadata would have a name of laden's: they would be taken for laden's."""
    for name in names:
        if name.lower().startswith(OWN):
            raise UsageError(f"{name}: metadata that begin with {OWN} are laden's own; choose another name")


def to_metadata(entry: Entry, digests: Digests, image: ImageFacts, origin: str = "") -> dict[str, str]:
    """The metadata of an image's blob; `origin` is where its archive lay, if that was not this machine."""
    metadata = {
        _MD5: _text(digests.md5),
        _CRC32: f"{digests.crc32:08x}",
        _SIZE: str(digests.size_bytes),
        _IMAGE: facts_to_text(image),
        _SOURCE: f"{quoted(entry.archive)}:{quoted(entry.member)}",
    }
    if entry.mtime_ns is not None:
        metadata[_MTIME] = str(entry.mtime_ns)
    if origin:
        metadata[_ORIGIN] = origin
    return metadata


def to_copy(row: Copied, md5: bytes) -> dict[str, str]:
    """The metadata that laden writes with an image that it has copied: as its first load wrote them, or would have."""
    facts = ImageFacts(row.kind, row.width, row.height, row.bits, row.state)
    source = f"{quote(row.archive, safe='/')}:{quote(row.member, safe='/')}"
    metadata = {
        _MD5: _text(md5),
        _CRC32: f"{row.crc32:08x}",
        _SIZE: str(row.size_bytes),
        _IMAGE: row.image or facts_to_text(facts),
        _SOURCE: row.source or source,
    }
    return metadata | ({_MTIME: str(row.mtime_ns)} if row.mtime_ns is not None else {})


class Copied(NamedTuple):
    """What is known of an image that is copied, of its manifest and its listing."""

    archive: str
    member: str
    size_bytes: int
    crc32: int
    kind: str
    width: int
    height: int
    bits: int
    state: str
    mtime_ns: int | None
    image: str | None
    source: str | None
    identity: str
    """What the manifest says of a look at its header."""


def is_own(blob: Blob) -> bool:
    """Whether laden put it there, with these bytes: then the service checked its MD5."""
    return _SIZE in blob.metadata and _vouches(blob, _MD5)


def of_document(md5: bytes) -> dict[str, str]:
    """The metadata of a document."""
    return {_DOCUMENT: _text(md5)}


def is_document(blob: Blob) -> bool:
    """Whether laden put it there as a document, with these bytes."""
    return _vouches(blob, _DOCUMENT)


def _vouches(blob: Blob, key: str) -> bool:
    return blob.md5 is not None and blob.metadata.get(key) == _text(blob.md5)


def _text(md5: bytes) -> str:
    return b64encode(md5).decode("ascii")


def to_columns(blobs: Sequence[Blob]) -> dict[str, list[Any]]:
    """Listed blobs as columns of the relation `blobs`; what is not laden's own, or not well formed, is None."""
    metadata = [blob.metadata if _vouches(blob, _MD5) else {} for blob in blobs]
    return {
        "name": [blob.name for blob in blobs],
        "size_bytes": [blob.size_bytes for blob in blobs],
        "md5": [blob.md5.hex() if blob.md5 else None for blob in blobs],
        "etag": [blob.etag for blob in blobs],
        "crc32": [_number(one.get(_CRC32), 16) for one in metadata],
        "source_bytes": [_number(one.get(_SIZE), 10) for one in metadata],
        "mtime_ns": [_number(one.get(_MTIME), 10) for one in metadata],
        "image": [one.get(_IMAGE) for one in metadata],
        "source": [one.get(_SOURCE) for one in metadata],
    }


def to_origins(blobs: Sequence[Blob]) -> dict[str, list[Any]]:
    """Of listed blobs, those that came from another machine, as columns of the relation `origins`."""
    came = [(blob.name, blob.metadata[_ORIGIN]) for blob in blobs if _ORIGIN in blob.metadata]
    return {"name": [name for name, _ in came], "origin": [origin for _, origin in came]}


def feed(relations: Relations, blobs: Sequence[Blob]) -> None:
    """Add a page of listed blobs to the relation `blobs`, as `to_columns`; of a plain one without an object for each.

    Of those that came from other machines, where from goes into the relation `origins`. For many pages see `feeding`.
    """
    if isinstance(blobs, PlainBlobs):
        feed_origins(relations, blobs)
        relations.absorb(FEED, Stream(KINDS, iter([(2 * len(blobs), columns(blobs))] if blobs else [])))
        return
    if (origins := to_origins(blobs))["name"]:
        relations.feed_columns("origins", origins)
    for start in range(0, len(blobs), BATCH_ROWS):
        relations.feed_columns("blobs", to_columns(blobs[start : start + BATCH_ROWS]))


def feed_origins(relations: Relations, blobs: PlainBlobs) -> None:
    """Add to the relation `origins` those of a plain page that came from other machines."""
    if blobs.has(METADATUM + _ORIGIN):
        relations.absorb(_FEED_ORIGINS, Stream(_ORIGINS, iter([(2 * len(blobs), _origins(blobs))])))


def note_odd(relations: Relations, odd: Sequence[tuple[str, str]]) -> None:
    """Remember in the relation `odd` under which names no plain file lies, and what does."""
    relations.run("DELETE FROM odd")
    relations.feed("odd", odd)


FEED = """
INSERT INTO blobs (name, size_bytes, md5, etag, crc32, source_bytes, mtime_ns, image, source)
SELECT name, size_bytes, CASE WHEN length(md5) = 24 AND ends_with(md5, '==') THEN lower(hex(TRY(from_base64(md5)))) END,
       CASE WHEN etag = '' OR ends_with(etag, '"') THEN etag ELSE '"' || etag || '"' END,
       CASE WHEN own AND crc32 >= 0 THEN crc32 END, CASE WHEN own AND source_bytes >= 0 THEN source_bytes END,
       CASE WHEN own AND mtime_ns >= 0 THEN mtime_ns END,
       CASE WHEN own AND has_image = 1 THEN image END, CASE WHEN own AND has_source = 1 THEN source END
FROM (SELECT *, md5 <> '' AND own_md5 = md5 AS own FROM batch WHERE is_blob = 1)
"""
"""Adds plain pages to the relation `blobs`, as columns of `KINDS`."""


_FEED_ORIGINS = "INSERT INTO origins SELECT name, origin FROM batch WHERE has_origin = 1"
_ORIGINS: dict[str, Kind] = {"has_origin": "integer", "name": "text", "origin": "text"}
KINDS: dict[str, Kind] = {
    "is_blob": "integer",
    "size_bytes": "integer",
    "crc32": "integer",
    "source_bytes": "integer",
    "mtime_ns": "integer",
    "has_image": "integer",
    "has_source": "integer",
    "name": "text",
    "md5": "text",
    "etag": "text",
    "own_md5": "text",
    "image": "text",
    "source": "text",
}


def columns(blobs: PlainBlobs) -> tuple[Column, ...]:
    """What `FEED` reads, in the order of `KINDS`."""
    image, has_image = blobs.texts(METADATUM + _IMAGE)
    source, has_source = blobs.texts(METADATUM + _SOURCE)
    numbers = (
        np.ones(len(blobs), np.int64),
        blobs.size_bytes,
        blobs.numbers(METADATUM + _CRC32, 16),
        blobs.numbers(METADATUM + _SIZE, 10),
        blobs.numbers(METADATUM + _MTIME, 10),
        has_image,
        has_source,
    )
    texts = (blobs.texts(key)[0] for key in ("Name", "Content-MD5", "Etag", METADATUM + _MD5))
    return (*map(every_second, numbers), *texts, image, source)


def _origins(blobs: PlainBlobs) -> tuple[Column, ...]:
    """What `_FEED_ORIGINS` reads, in the order of `_ORIGINS`."""
    origin, has_origin = blobs.texts(METADATUM + _ORIGIN)
    return every_second(has_origin), blobs.texts("Name")[0], origin


def source_in_sql(column: str) -> tuple[str, str]:
    """SQL for archive and member out of a column with the metadata's text; the archive is empty for a plain file."""
    colon = f"strpos({column}, ':')"
    archive = f"CASE WHEN {colon} = 0 THEN {column} ELSE left({column}, {colon} - 1) END"
    member = f"CASE WHEN {colon} = 0 THEN '' ELSE substring({column}, {colon} + 1) END"
    # What cannot be decoded was not written by laden; it stays as it is.
    return tuple(f"coalesce(TRY(url_decode({part})), {part}, '')" for part in (archive, member))  # type: ignore[return-value]


def facts_in_sql(column: str) -> str:
    """SQL for the text of an image's facts, NULL where a column holds none that laden wrote (`facts_from_text`)."""
    states = ", ".join(f"'{state}'" for state in (WHOLE, UNSEEN, *STATES))
    wrote = f"regexp_full_match({column}, '{FACTS}') AND split_part({column}, ';', 5) IN ({states})"
    return f"CASE WHEN {wrote} THEN {column} END"


def _number(text: str | None, base: int) -> int | None:
    if text is None or not _DIGITS[base].fullmatch(text):
        return None
    number = int(text, base)
    return number if number < 1 << 63 else None


_DIGITS = {10: re.compile("[0-9]{1,19}"), 16: re.compile("[0-9A-Fa-f]{1,16}")}
