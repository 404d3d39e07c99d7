"""A zip as a list of members whose every field can be told to lie, and how it becomes bytes.

Offsets, sizes and checksums are computed when it is written, unless a field was given another value: so a structure
may be changed as a whole and still be right elsewhere, which single flipped bytes hardly ever are.
Formats: APPNOTE 4.3.6 to 4.3.16, 4.5.3.
"""

import struct
import zlib
from dataclasses import dataclass, field
from functools import cache

import inflate64

LOCAL = struct.Struct("<4sHHHIIIIHH")
CENTRAL = struct.Struct("<4sHHHHIIIIHHHHHII")
END = struct.Struct("<4sHHHHIIH")
END64 = struct.Struct("<4sQHHIIQQQQ")
LOCATOR = struct.Struct("<4sIQI")
SHARED = ("version", "flags", "method", "time", "crc", "stored", "size", "name_bytes", "extra_bytes")
LOCAL_FIELDS = SHARED
CENTRAL_FIELDS = (*SHARED, "comment_bytes", "disk", "internal", "external", "offset")
END_FIELDS = ("disk", "directory_disk", "count_here", "count", "directory_bytes", "directory_offset", "comment_bytes")
_WIDTHS = {"crc": 4, "stored": 4, "size": 4, "external": 4, "offset": 4, "time": 4}
_WIDTHS |= {"directory_bytes": 4, "directory_offset": 4}

Fields = dict[str, int]


@dataclass
class Member:
    name: bytes
    content: bytes
    method: int = 8
    flags: int = 0
    packed: bytes = b""
    """What lies in the archive; made from the content where it is empty."""
    descriptor: bytes = b""
    gap: bytes = b""
    """Bytes before the local header that belong to nobody."""
    extra: bytes = b""
    local_extra: bytes | None = None
    local_name: bytes | None = None
    comment: bytes = b""
    zip64: bool = False
    ghost: bool = False
    """Whether only the directory names it; `central` should give an offset."""
    local: Fields = field(default_factory=dict)
    central: Fields = field(default_factory=dict)
    """Fields that lie."""


@dataclass
class Archive:
    members: list[Member]
    prefix: bytes = b""
    before_end: bytes = b""
    comment: bytes = b""
    suffix: bytes = b""
    zip64: bool = False
    end: Fields = field(default_factory=dict)
    end64: Fields = field(default_factory=dict)
    order: list[int] | None = None
    """In which order the directory names the members; some may be left out, or stand twice."""


@cache
def pack(content: bytes, method: int) -> bytes:
    """Compress; remembered, as there are few contents and `inflate64.Deflater` never frees its memory."""
    if method == 8:
        deflater = zlib.compressobj(wbits=-15)
        return deflater.compress(content) + deflater.flush()
    if method == 9:
        deflater64 = inflate64.Deflater()
        return bytes(deflater64.deflate(content) + deflater64.flush())
    return content


def encode(archive: Archive) -> bytes:
    out = bytearray(archive.prefix)
    records = [_put_member(out, member) for member in archive.members]
    start = len(out)
    for index in range(len(records)) if archive.order is None else archive.order:
        out += records[index]
    out += archive.before_end
    count = len(records) if archive.order is None else len(archive.order)
    true = dict(zip(END_FIELDS, (0, 0, count, count, len(out) - start, start, len(archive.comment)), strict=True))
    if archive.zip64:
        out += _end64(archive, true, len(out))
        true |= {"count_here": 0xFFFF, "count": 0xFFFF, "directory_bytes": 2**32 - 1, "directory_offset": 2**32 - 1}
    out += END.pack(b"PK\5\6", *_values(END_FIELDS, true | archive.end)) + archive.comment + archive.suffix
    return bytes(out)


def _put_member(out: bytearray, member: Member) -> bytes:
    """Append the local header and the data; returns the directory's record."""
    if not member.ghost:
        out += member.gap
    offset = len(out)
    packed = member.packed or pack(member.content, member.method)
    sizes = {"crc": zlib.crc32(member.content), "stored": len(packed), "size": len(member.content)}
    big = struct.pack("<HHQQ", 1, 16, sizes["size"], sizes["stored"]) if member.zip64 else b""
    small = sizes | ({"stored": 2**32 - 1, "size": 2**32 - 1} if member.zip64 else {})
    name = member.name if member.local_name is None else member.local_name
    extra = big + (member.extra if member.local_extra is None else member.local_extra)
    start = {"version": 45, "flags": member.flags, "method": member.method, "time": 0x21}
    true = start | small | {"name_bytes": len(name), "extra_bytes": len(extra)}
    if member.flags & 8:
        true |= {"crc": 0, "stored": 0, "size": 0}
    if not member.ghost:
        out += LOCAL.pack(b"PK\3\4", *_values(LOCAL_FIELDS, true | member.local)) + name + extra + packed
        out += member.descriptor
    extra = big + member.extra
    true = start | small | {"name_bytes": len(member.name), "extra_bytes": len(extra)}
    true |= {"comment_bytes": len(member.comment), "disk": 0, "internal": 0, "external": 0, "offset": offset}
    record = CENTRAL.pack(b"PK\1\2", 0x32D, *_values(CENTRAL_FIELDS, true | member.central))
    return record + member.name + extra + member.comment


def _end64(archive: Archive, true: Fields, at: int) -> bytes:
    names = ("record_bytes", "made_by", "version", *END_FIELDS[:-1])
    own = {"record_bytes": 44, "made_by": 45, "version": 45}
    values = {**own, **true, "at": at, "disks": 1, "locator_disk": 0} | archive.end64
    wide = [values[name] & (2**64 - 1) for name in names]
    wide[1:5] = [wide[1] & 0xFFFF, wide[2] & 0xFFFF, wide[3] & 0xFFFFFFFF, wide[4] & 0xFFFFFFFF]
    record = END64.pack(b"PK\6\6", *wide)
    disks = values["disks"] & 0xFFFFFFFF
    return record + LOCATOR.pack(b"PK\6\7", values["locator_disk"] & 0xFFFFFFFF, values["at"] & (2**64 - 1), disks)


def _values(names: tuple[str, ...], values: Fields) -> list[int]:
    return [values[name] & (2 ** (8 * _WIDTHS.get(name, 2)) - 1) for name in names]
