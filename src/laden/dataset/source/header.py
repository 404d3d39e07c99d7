"""The local header in front of each zip member's data, and what it must have in common with the directory.

A header that disagrees with the directory is the first sign that something else lies at the member's offset:
a hole, an overwritten or a wrongly joined archive. Its CRC-32 is not compared, because the data's own is.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from laden.dataset.source.central import extra_field
from laden.dataset.source.membername import member_name
from laden.dataset.source.positional import Buffer
from laden.values.records import Entry

LOCAL_HEADER_BYTES = 30
"""APPNOTE 4.3.7, without name and extra field."""
ENCRYPTED_FLAG = 0x1
SIZES_FOLLOW_FLAG = 0x8
"""General purpose bits 0 and 3 (CRC-32 and sizes come after the data; APPNOTE 4.4.4)."""

_FIELDS = struct.Struct("<4sHHHIIIIHH")
"""Signature, version, flags, method, time and date, CRC-32, compressed size, size, name and extra lengths."""
_ANY_HOST = 3
_IN_ZIP64 = 0xFFFFFFFF
_ZIP64_EXTRA = 1
_ZIP64_SIZES = struct.Struct("<QQ")


def data_start(head: memoryview) -> int:
    """Where the data start, counted from the header's start; `head` must begin with a local header.

    Raises ValueError where it does not.
    """
    if len(head) < LOCAL_HEADER_BYTES or bytes(head[:4]) != b"PK\3\4":
        raise ValueError("no local header lies at the offset that the directory names")
    *_, name_bytes, extra_bytes = _FIELDS.unpack_from(head)
    return int(LOCAL_HEADER_BYTES + name_bytes + extra_bytes)


def kind(head: Buffer) -> tuple[int, bool] | None:
    """Which method a local header names, and whether it says that its data are encrypted; None where none lies."""
    if len(head) < LOCAL_HEADER_BYTES or bytes(head[:4]) != b"PK\3\4":
        return None
    _, _, flags, method, *_ = _FIELDS.unpack_from(head)
    return method, bool(flags & ENCRYPTED_FLAG)


def disagreement(head: memoryview, entry: Entry, raw_name: Callable[[], bytes | None]) -> str | None:
    """In what the local header disagrees with the directory, as a phrase; None where it agrees.

    Args:
        head: holds the header with its name and extra field whole (`data_start` bytes, or more).
        entry: what the directory says.
        raw_name: gives the name's bytes in the directory. Asked where the header alone does not show that its name is
            the entry's, which was read with what only the directory knows.
    """
    _, _, flags, method, _, _, stored_bytes, size_bytes, name_bytes, extra_bytes = _FIELDS.unpack_from(head)
    name_end = LOCAL_HEADER_BYTES + name_bytes
    raw, extra = bytes(head[LOCAL_HEADER_BYTES:name_end]), bytes(head[name_end : name_end + extra_bytes])
    if member_name(raw, flags, _ANY_HOST, extra, None).text != entry.member and raw != raw_name():
        return "its local header holds another name than the directory"
    if method != entry.method or flags & ENCRYPTED_FLAG:
        return "its local header names another method than the directory"
    if flags & SIZES_FOLLOW_FLAG:
        return None
    if _IN_ZIP64 in (stored_bytes, size_bytes):
        size_bytes, stored_bytes = _zip64_sizes(extra)
    if (stored_bytes, size_bytes) != (entry.stored_bytes, entry.size_bytes):
        return "its local header declares other sizes than the directory"
    return None


def _zip64_sizes(extra: bytes) -> tuple[int, int]:
    """Size and compressed size from the zip64 field, which holds both in a local header (APPNOTE 4.5.3)."""
    field = extra_field(extra, _ZIP64_EXTRA) or b""
    if len(field) < _ZIP64_SIZES.size:
        return -1, -1
    size_bytes, stored_bytes = _ZIP64_SIZES.unpack_from(field)
    return size_bytes, stored_bytes
