"""Writes zips as strangers' programs do: every field of a header is what it is told to be."""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

UTF8 = 0x800
FAT, UNIX, NTFS, MACOS = 0, 3, 10, 19


@dataclass(frozen=True)
class Made:
    """A stored member, of whose headers any part may lie."""

    name: bytes
    data: bytes = b""
    flags: int = 0
    host: int = UNIX
    mode: int = 0o100644
    dos: int = 0
    extra: bytes = b""
    local_extra: bytes | None = None
    """None for the same."""
    method: int = 0

    @property
    def attributes(self) -> int:
        return (self.mode << 16 if self.host in (UNIX, MACOS) else 0) | self.dos


@dataclass
class Zip:
    """Members, and what the end record says; None for what is true."""

    members: list[Made]
    counts: tuple[int | None, int | None] = (None, None)

    def write(self, path: Path) -> Path:
        with path.open("wb") as file:
            directory = b""
            for one in self.members:
                at = file.tell()
                file.write(_local(one) + one.data)
                directory += _central(one, at)
            start = file.tell()
            here, count = (len(self.members) if one is None else one for one in self.counts)
            end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, here, count, len(directory), start, 0)
            file.write(directory + end)
        return path


def _local(one: Made) -> bytes:
    extra = one.extra if one.local_extra is None else one.local_extra
    size = len(one.data)
    head = struct.pack(
        "<4sHHHIIIIHH", b"PK\3\4", 20, one.flags, one.method, 0x21, zlib.crc32(one.data), size, size,
        len(one.name), len(extra),
    )  # fmt: skip
    return head + one.name + extra


def _central(one: Made, at: int) -> bytes:
    size = len(one.data)
    head = struct.pack(
        "<4sBBHHHIIIIHHHHHII", b"PK\1\2", 20, one.host, 20, one.flags, one.method, 0x21, zlib.crc32(one.data), size,
        size, len(one.name), len(one.extra), 0, 0, 0, one.attributes, at,
    )  # fmt: skip
    return head + one.name + one.extra


def extra(kind: int, data: bytes) -> bytes:
    """One extra field."""
    return struct.pack("<HH", kind, len(data)) + data


def unicode_path(raw: bytes, name: str, *, version: int = 1, off: int = 0) -> bytes:
    """The field 0x7075; `off` is added to its checksum."""
    return extra(0x7075, struct.pack("<BI", version, zlib.crc32(raw) + off) + name.encode())
