"""Packs what is fetched into archives as it comes: a zip, or tar shards as training jobs read them.

An archive is a sequence of pieces whose lengths and headers are known before a byte is fetched, since the manifest
knows name, size and CRC-32: so what an interrupted run left of one is held against the plan, piece by piece by MD5, cut
behind the last that is right, and gone on with; a whole one that is there and right is not written again. A member that
cannot be had is left out and told, and the next run, which finds the archive without it, makes it anew.

Sources: POSIX.1-2001 pax for tar (as Python's `tarfile` writes it), APPNOTE 4.3 and 4.4 for zip. All times are the
earliest that the format has, all modes the same: the same data give the same bytes.
"""

from __future__ import annotations

import hashlib
import struct
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from laden.stages.download.wanted import Wanted
from laden.store.disk import regular
from laden.store.intake import Intake, Part

_READ_BYTES = 4 << 20
_TAR_BLOCK, _TAR_RECORD = 512, 10_240
_ZIP64_FROM = 0xFFFFFFFF
_ZIP_DATE = 0x0021
"""1980-01-01, as MS-DOS writes it (APPNOTE 4.4.6)."""
_UTF8 = 0x0800
"""The name is UTF-8 (APPNOTE 4.4.4, bit 11)."""
_UNIX_MODE = 0o100644 << 16


class Member(NamedTuple):
    """A file that goes into an archive, and a small one beside it."""

    item: Wanted
    name: str
    beside: bytes = b""
    """Content of the file beside it; none where it is empty."""
    beside_name: str = ""


class Written(NamedTuple):
    """A member in its archive."""

    member: Member
    offset_bytes: int
    """Where its data start."""


class Form(Protocol):
    """A kind of archive."""

    def head(self, member: Member) -> bytes:
        """What comes before a member's data; its length depends on the member alone."""

    def foot(self, member: Member) -> bytes:
        """What comes after them."""

    def tail(self, written: Sequence[Written]) -> bytes:
        """What comes after the last member."""


class Tar:
    """A tar in pax form."""

    def head(self, member: Member) -> bytes:
        """Its header."""
        return _tar_header(member.name, member.item.size_bytes)

    def foot(self, member: Member) -> bytes:
        """Padding, and the file beside it."""
        foot = b"\0" * (-member.item.size_bytes % _TAR_BLOCK)
        if member.beside:
            padding = b"\0" * (-len(member.beside) % _TAR_BLOCK)
            foot += _tar_header(member.beside_name, len(member.beside)) + member.beside + padding
        return foot

    def tail(self, written: Sequence[Written]) -> bytes:
        """Two empty blocks, and what fills the last record."""
        size_bytes = sum(_length(self, one.member) for one in written) + 2 * _TAR_BLOCK
        return b"\0" * (2 * _TAR_BLOCK + -size_bytes % _TAR_RECORD)


def _tar_header(name: str, size_bytes: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size_bytes
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


class Zip:
    """A zip of stored members."""

    def head(self, member: Member) -> bytes:
        """The local header (APPNOTE 4.3.7)."""
        name, size_bytes = member.name.encode(), member.item.size_bytes
        large = size_bytes >= _ZIP64_FROM
        extra = struct.pack("<HHQQ", 1, 16, size_bytes, size_bytes) if large else b""
        short = _ZIP64_FROM if large else size_bytes
        fixed = struct.pack(
            "<4s5H3L2H", b"PK\3\4", 45 if large else 20, _UTF8, 0, 0, _ZIP_DATE, member.item.crc32 or 0, short, short,
            len(name), len(extra),
        )  # fmt: skip
        return fixed + name + extra

    def foot(self, member: Member) -> bytes:
        """Nothing: the header says all."""
        return b""

    def tail(self, written: Sequence[Written]) -> bytes:
        """The directory and its end, in the form for large archives where it is one (APPNOTE 4.3.12 to 4.3.16)."""
        entries = b"".join(self._entry(one) for one in written)
        start = sum(_length(self, one.member) for one in written)
        count = len(written)
        end = b""
        if start + len(entries) >= _ZIP64_FROM or count >= 0xFFFF:
            end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(entries), start)
            end += struct.pack("<4sLQL", b"PK\6\7", 0, start + len(entries), 1)
        few, size, at = min(count, 0xFFFF), min(len(entries), _ZIP64_FROM), min(start, _ZIP64_FROM)
        return entries + end + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, few, few, size, at, 0)

    def _entry(self, one: Written) -> bytes:
        name, size_bytes = one.member.name.encode(), one.member.item.size_bytes
        at_bytes = one.offset_bytes - len(self.head(one.member))
        extra = b""
        if size_bytes >= _ZIP64_FROM:
            extra += struct.pack("<QQ", size_bytes, size_bytes)
        if at_bytes >= _ZIP64_FROM:
            extra += struct.pack("<Q", at_bytes)
        extra = struct.pack("<HH", 1, len(extra)) + extra if extra else b""
        short = min(size_bytes, _ZIP64_FROM)
        fixed = struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 45 | 3 << 8, 45 if extra else 20, _UTF8, 0, 0, _ZIP_DATE,
            one.member.item.crc32 or 0, short, short, len(name), len(extra), 0, 0, 0, _UNIX_MODE,
            min(at_bytes, _ZIP64_FROM),
        )  # fmt: skip
        return fixed + name + extra


def _length(form: Form, member: Member) -> int:
    return len(form.head(member)) + member.item.size_bytes + len(form.foot(member))


class Pack(NamedTuple):
    """An archive as it is to be."""

    name: str
    form: Form
    members: tuple[Member, ...]

    @property
    def written(self) -> list[Written]:
        """Where each member is."""
        found, at_bytes = [], 0
        for member in self.members:
            head_bytes = len(self.form.head(member))
            found.append(Written(member, at_bytes + head_bytes))
            at_bytes += _length(self.form, member)
        return found

    @property
    def size_bytes(self) -> int:
        """Of the whole."""
        return sum(_length(self.form, one) for one in self.members) + len(self.form.tail(self.written))

    @property
    def key(self) -> bytes:
        """Another one for each other content, in place of an MD5 that nobody knows before it is written."""
        digest = hashlib.md5(self.name.encode(), usedforsecurity=False)
        for member in self.members:
            digest.update(self.form.head(member) + (member.item.md5 or b"") + member.beside)
        return digest.digest()


def packs(members: Iterator[Member], form: Form, name: Callable[[int], str], most_bytes: int | None) -> Iterator[Pack]:
    """Members in archives of so many bytes at most, one member at least; all in one where there is no limit."""
    taken: list[Member] = []
    size_bytes = number = 0
    for member in members:
        length_bytes = _length(form, member)
        if taken and most_bytes is not None and size_bytes + length_bytes > most_bytes:
            yield Pack(name(number), form, tuple(taken))
            taken, size_bytes, number = [], 0, number + 1
        taken.append(member)
        size_bytes += length_bytes
    if taken:
        yield Pack(name(number), form, tuple(taken))


class Found(NamedTuple):
    """What is right of an archive that is there, from its start."""

    members: int
    at_bytes: int
    whole: bool


def hold(path: Path, pack: Pack) -> Found:
    """Hold a file against what it is to be: how many members of it are right, and whether all is.

    Raises:
        BlobMissing: it is a pipe, a socket or a device, which is never opened.
        OSError: it cannot be read.
    """
    members = at_bytes = 0
    with regular(path) as file:
        for member in pack.members:
            head, foot = pack.form.head(member), pack.form.foot(member)
            if file.read(len(head)) != head or not _same(file, member) or file.read(len(foot)) != foot:
                return Found(members, at_bytes, whole=False)
            members += 1
            at_bytes = file.tell()
        tail = pack.form.tail(pack.written)
        return Found(members, at_bytes, whole=file.read(len(tail) + 1) == tail)


def _same(file: object, member: Member) -> bool:
    digest = hashlib.md5(usedforsecurity=False)
    left_bytes = member.item.size_bytes
    while left_bytes:
        data: bytes = file.read(min(_READ_BYTES, left_bytes))  # type: ignore[attr-defined]
        if not data:
            return False
        digest.update(data)
        left_bytes -= len(data)
    return digest.digest() == member.item.md5


def begun(intake: Intake, pack: Pack) -> tuple[Part, int]:
    """The file of an archive on its way, cut behind the last member that is right; and how many those are.

    Raises:
        StoreError: another laden writes it.
        UsageError: the folder cannot take it.
    """
    part = intake.part(pack.name, pack.size_bytes, pack.key)
    found = hold(part.path, pack)
    part.cut(found.at_bytes)
    return part, found.members
