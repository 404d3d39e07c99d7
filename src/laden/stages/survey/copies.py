"""Two files that are copied as they are and have one name: whether they are one content, and what is told of them.

Their sizes and checksums decide where they can; else both are read. Nothing is chosen here: the first is copied.
"""

from __future__ import annotations

import hashlib

from laden.dataset.source import Reader, Root
from laden.values.errors import SourceError
from laden.values.records import Entry, Finding, Severity

_BLOCK_BYTES = 1 << 20


def duplicate(root: Root, copied: Entry, other: Entry) -> Finding:
    """The finding for a file that has the name of one that is copied: an error unless their bytes are the same."""
    if _same(root, copied, other):
        severity, likeness = Severity.INFO, "the same content"
    else:
        severity, likeness = Severity.ERROR, "other content"
    message = f"{copied.place} has the same name and is copied; this one has {likeness} and is not"
    act = "" if severity is Severity.INFO else ": rename one of them, or --exclude the one that is not meant"
    return Finding("sidecar-duplicate", severity, message + act, archive=other.archive, member=other.member)


def _same(root: Root, one: Entry, other: Entry) -> bool:
    if one.size_bytes != other.size_bytes or (None not in (one.crc32, other.crc32) and one.crc32 != other.crc32):
        return False
    try:
        with Reader(root) as reader:
            return _digest(reader, one) == _digest(reader, other)
    except SourceError:
        # Nobody knows; whoever reads the one that is copied tells why.
        return False


def _digest(reader: Reader, entry: Entry) -> bytes:
    sha256 = hashlib.sha256()
    for block in reader.read(entry, _BLOCK_BYTES):
        sha256.update(block)
    return sha256.digest()
