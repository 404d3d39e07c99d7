"""The records of a zip's central directory, taken apart with nothing refused but what cannot be followed.

The standard library's `zipfile` refuses a whole archive for one bad extra field, and keeps no name as it lies there;
here each record is believed as far as it can be read (APPNOTE 4.3.12). What its values are worth is judged elsewhere
(`laden.dataset.source.zips`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

HEADER = struct.Struct("<4sBBHHHIIIIHHHHHII")
"""Signature, version made by and its host, version needed, flags, method, time and date, CRC-32, compressed size, size,
lengths of name, extra field and comment, disk, internal and external attributes, offset of the local header.
"""
MARK = b"PK\1\2"
IN_ZIP64 = 0xFFFFFFFF
"""In a field of 32 bits: the real value is in the zip64 field (APPNOTE 4.4.1.4)."""
_DISK_IN_ZIP64 = 0xFFFF
_ZIP64 = 1


class Member(NamedTuple):
    """What the directory says of one member."""

    raw_name: bytes
    flags: int
    host: int
    """The system whose attributes these are (APPNOTE 4.4.2.2)."""
    method: int
    crc32: int
    stored_bytes: int
    size_bytes: int
    offset_bytes: int
    """Of the local header, from the file's start."""
    attributes: int
    """External ones; of Unix, the file's mode is in the upper 16 bits."""
    disk: int
    extra: bytes


class BrokenRecord(Exception):  # noqa: N818 - named for what was found; never leaves this package
    """The directory cannot be followed any further."""


def members(directory: memoryview) -> Iterator[Member]:
    """Yield every record; raises `BrokenRecord` where none is, or one breaks off."""
    at = 0
    while at < len(directory):
        if len(directory) - at < HEADER.size or directory[at : at + 4] != MARK:
            raise BrokenRecord("no record of a member is where one should be")
        (_, _, host, _, flags, method, _, crc32, stored, size, name_bytes, extra_bytes, comment_bytes, disk, _,
         attributes, offset) = HEADER.unpack_from(directory, at)  # fmt: skip
        name_at = at + HEADER.size
        extra_at = name_at + name_bytes
        at = extra_at + extra_bytes + comment_bytes
        if at > len(directory):
            raise BrokenRecord("it breaks off within the record of a member")
        extra = bytes(directory[extra_at : extra_at + extra_bytes])
        if IN_ZIP64 in (size, stored, offset):
            size, stored, offset = _zip64(extra, size, stored, offset)
        disk = 0 if disk == _DISK_IN_ZIP64 else disk
        name = bytes(directory[name_at:extra_at])
        yield Member(name, flags, host, method, crc32, stored, size, offset, attributes, disk, extra)


def extra_field(extra: bytes, wanted: int) -> bytes | None:
    """The data of the first extra field of that kind (APPNOTE 4.5); None where it cannot be found."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if at + 4 + length > len(extra):
            return None
        if kind == wanted:
            return extra[at + 4 : at + 4 + length]
        at += 4 + length
    return None


def _zip64(extra: bytes, *values: int) -> tuple[int, int, int]:
    """Size, compressed size and offset, each from the zip64 field where its own is full (APPNOTE 4.5.3).

    A field that is missing or too short leaves what stands in the record, which no archive can bear out.
    """
    field = extra_field(extra, _ZIP64) or b""
    found = []
    for value in values:
        if value == IN_ZIP64 and len(field) >= 8:
            value, field = struct.unpack_from("<Q", field)[0], field[8:]
        found.append(value)
    size, stored, offset = found
    return size, stored, offset
