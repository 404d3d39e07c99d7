"""What laden writes into a blob's metadata, and reads back from a listing.

With these few ASCII values a listing is the journal: the next run, on any machine, knows of every blob where it came
from, what its content was, and whether the image in it is whole, without reading a byte back. They hold no name
that the blob's own name does not show already, and nothing of the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from laden.dataset.images import facts_to_text
from laden.values.records import Blob, Digests, Entry, ImageFacts

_CRC32 = "laden_crc32"
_SIZE = "laden_size"
_MTIME = "laden_mtime"
_IMAGE = "laden_image"
_SOURCE = "laden_source"


def to_metadata(entry: Entry, digests: Digests, image: ImageFacts) -> dict[str, str]:
    """The metadata of an image's blob."""
    metadata = {
        _CRC32: f"{digests.crc32:08x}",
        _SIZE: str(digests.size_bytes),
        _IMAGE: facts_to_text(image),
        _SOURCE: f"{quote(entry.archive, safe='/')}:{quote(entry.member, safe='/')}",
    }
    if entry.mtime_ns is not None:
        metadata[_MTIME] = str(entry.mtime_ns)
    return metadata


def is_own(blob: Blob) -> bool:
    """Whether laden put it there: then the service checked its MD5."""
    return _SIZE in blob.metadata


def to_row(blob: Blob) -> tuple[Any, ...]:
    """A listed blob as a row of the relation `blobs`; what is not laden's own, or not well formed, is None."""
    metadata = blob.metadata
    return (
        blob.name,
        blob.size_bytes,
        blob.md5.hex() if blob.md5 else None,
        blob.etag,
        _number(metadata, _CRC32, 16),
        _number(metadata, _SIZE, 10),
        _number(metadata, _MTIME, 10),
        metadata.get(_IMAGE),
        metadata.get(_SOURCE),
    )


def source_of(text: str) -> tuple[str, str]:
    """Archive and member from the metadata's text; the archive is empty for a plain file."""
    archive, _, member = text.partition(":")
    return unquote(archive), unquote(member)


def _number(metadata: Mapping[str, str], name: str, base: int) -> int | None:
    try:
        number = int(metadata.get(name, ""), base)
    except ValueError:
        return None
    return number if 0 <= number < 1 << 63 else None
