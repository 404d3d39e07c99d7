"""The local header in front of each zip member's data, and what it must have in common with the directory.

A header that disagrees with the directory is the first sign that something else lies at the member's offset:
a hole, an overwritten or a wrongly joined archive. Its CRC-32 is not compared, because the data's own is.
"""

from __future__ import annotations

import struct

from laden.values.records import Entry

LOCAL_HEADER_BYTES = 30
"""APPNOTE 4.3.7, without name and extra field."""
ENCRYPTED_FLAG = 0x1
SIZES_FOLLOW_FLAG = 0x8
UTF8_FLAG = 0x800
"""General purpose bits 0, 3 (CRC-32 and sizes come after the data) and 11 (APPNOTE 4.4.4)."""

_FIELDS = struct.Struct("<4sHHHIIIIHH")
"""Signature, version, flags, method, time and date, CRC-32, compressed size, size, name and extra lengths."""
_IN_ZIP64 = 0xFFFFFFFF
_ZIP64_EXTRA = 1


def data_start(head: memoryview) -> int:
    """Where the data start, counted from the header's start; `head` must begin with a local header.

    Raises ValueError where it does not.
    """
    if len(head) < LOCAL_HEADER_BYTES or bytes(head[:4]) != b"PK\3\4":
        raise ValueError("no local header lies at the offset that the directory names")
    *_, name_bytes, extra_bytes = _FIELDS.unpack_from(head)
    return int(LOCAL_HEADER_BYTES + name_bytes + extra_bytes)


def disagreement(head: memoryview, entry: Entry) -> str | None:
    """In what the local header disagrees with the directory, as a phrase; None where it agrees.

    `head` holds the header with its name and extra field whole (`data_start` bytes, or more).
    """
    _, _, flags, method, _, _, stored_bytes, size_bytes, name_bytes, extra_bytes = _FIELDS.unpack_from(head)
    name_end = LOCAL_HEADER_BYTES + name_bytes
    if decode_name(bytes(head[LOCAL_HEADER_BYTES:name_end]), flags) != entry.member:
        return "its local header holds another name than the directory"
    if method != entry.method or flags & ENCRYPTED_FLAG:
        return "its local header names another method than the directory"
    if flags & SIZES_FOLLOW_FLAG:
        return None
    if _IN_ZIP64 in (stored_bytes, size_bytes):
        size_bytes, stored_bytes = _zip64_sizes(head[name_end : name_end + extra_bytes])
    if (stored_bytes, size_bytes) != (entry.stored_bytes, entry.size_bytes):
        return "its local header declares other sizes than the directory"
    return None


def decode_name(raw: bytes, flags: int) -> str:
    """Decode a member's name: UTF-8 where the flag says so or the bytes are valid UTF-8, else code page 437.

    APPNOTE appendix D knows only the flag; Info-ZIP on Unix writes UTF-8 without it.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace") if flags & UTF8_FLAG else raw.decode("cp437")


def _zip64_sizes(extra: memoryview) -> tuple[int, int]:
    """Size and compressed size from the zip64 field, which holds both in a local header (APPNOTE 4.5.3)."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        if kind == _ZIP64_EXTRA and length >= 16 and len(extra) >= 20:
            size_bytes, stored_bytes = struct.unpack_from("<QQ", extra, 4)
            return size_bytes, stored_bytes
        extra = extra[4 + length :]
    return -1, -1
