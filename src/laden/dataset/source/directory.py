"""Opens one zip archive's central directory, or says in one sentence why that cannot be done.

In this order: the end of the file is searched for the end-of-central-directory record (APPNOTE 4.3.16), also in front
of bytes that follow it by mistake; where it is missing, the first bytes tell what the file is instead; its zip64 record
is taken where there is one (4.3.14); then the directory is taken apart (`central`), and the count of what it holds is
compared with what is declared.

No member is judged here (`laden.dataset.source.zips`), and none is read.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from laden.dataset.source.central import IN_ZIP64, MARK, BrokenRecord, Member, members
from laden.dataset.source.header import LOCAL_HEADER_BYTES
from laden.dataset.source.opening import not_an_archive, opened
from laden.dataset.source.parts import PartsFile
from laden.dataset.source.positional import ArchiveFile
from laden.dataset.source.root import Root
from laden.values.errors import SourceError
from laden.values.records import Entry

_END = struct.Struct("<4sHHHHIIH")
"""The end-of-central-directory record: signature, disk, directory's disk, members here, members, the directory's
length and start, length of the comment that follows.
"""
_END_MARK = b"PK\5\6"
_MAX_COMMENT_BYTES = 0xFFFF
_LOCATOR = struct.Struct("<4sIQI")
"""In front of it, where the zip64 record lies: signature, disk, offset, number of disks (APPNOTE 4.3.15)."""
_LOCATOR_MARK = b"PK\6\7"
_END64 = struct.Struct("<4sQHHIIQQQQ")
"""The zip64 record: signature, its length, versions, two disks, two counts, the directory's length and start."""
_END64_MARK = b"PK\6\6"
_IN_ZIP64 = 0xFFFF
_MOST_AFTER_BYTES = 16 << 20
"""So far from the file's end the record is looked for, where zeros or other bytes follow it."""
_LOOK_BYTES = 1 << 20
_WRAP_BYTES = 1 << 32
"""What is lost of an offset that a writer without zip64 cuts to 32 bits."""


class Directory(NamedTuple):
    """What the central directory says."""

    members: list[Member]
    start_bytes: int
    """Where the directory starts: no member's data can lie beyond."""
    missing_bytes: int
    """How much further from the file's start it should be."""
    after_bytes: int = 0
    """How many follow the archive's end."""


def read_directory(root: Root, archive: str) -> Directory:
    """Read the directory of `root / archive`.

    Raises `SourceError` where the archive as a whole is unreadable; its `code` is `archive-empty`, `archive-html`,
    `archive-truncated`, `archive-not-zip`, `archive-multi-disk`, `archive-directory`, `archive-part`, or one of
    `laden.dataset.source.opening.opened`.
    """
    with opened(root, archive) as file:
        try:
            directory = _parse(file, archive)
        except SourceError as error:
            if (blamed := _part_to_blame(file, archive, error.code)) is not None:
                raise blamed from error
            raise
        if directory.missing_bytes > 0 and (blamed := _part_to_blame(file, archive, "")) is not None:
            raise blamed
        return directory


def raw_name(file: ArchiveFile, entry: Entry) -> bytes | None:
    """The bytes of the entry's name in the directory, which is read once more for the first that asks.

    None where the directory is not what it was any more.
    """
    if file.raw_names is None:
        try:
            found = _parse(file, entry.archive).members
        except SourceError:
            found = []
        file.raw_names = {member.offset_bytes: member.raw_name for member in found}
    return file.raw_names.get(entry.offset_bytes)


def _part_to_blame(file: ArchiveFile, archive: str, code: str) -> SourceError | None:
    """The error about the part that explains why a zip in parts is not whole, where one does."""
    if not isinstance(file, PartsFile):
        return None
    if (odd := file.odd_part) is not None:
        message = f"{archive} is not whole: its part {odd} has another size than the first one; download that again."
        return SourceError(message, "archive-part")
    if code == "archive-truncated":
        message = f"{archive} is not whole: parts are missing after {file.last_part}; download them."
        return SourceError(message, "archive-part")
    return None


class _End(NamedTuple):
    """What the end of the file declares, where it lies, and how the file begins."""

    disks: frozenset[int]
    """Numbers of the disks that it names."""
    members: int
    """Of members; of a record without zip64, the low 16 bits."""
    length_bytes: int
    """Of the directory."""
    start_bytes: int
    """Of the directory; without zip64 the low 32 bits, or `IN_ZIP64`."""
    at_bytes: int
    """Where the record lies, which is where the directory ends."""
    head: bytes
    after_bytes: int = 0
    """How many follow the archive's end."""


def _parse(file: ArchiveFile, archive: str) -> Directory:
    end = _find_end(file, archive)
    # So far from the file's end, it may be that of an archive within one that breaks off: there, no offset fits.
    far = end.after_bytes > _MAX_COMMENT_BYTES
    try:
        directory = _read(file, archive, end)
    except SourceError:
        if far:
            raise _no_end(archive, end.head, file.size_bytes) from None
        raise
    if far and directory.missing_bytes:
        raise _no_end(archive, end.head, file.size_bytes)
    if end.after_bytes and file.read_at(2, file.size_bytes - end.after_bytes) == b"PK":
        detail = (
            f"{end.after_bytes:,} bytes follow it that begin as another archive does, which was joined to it or cut"
        )
        raise _directory_damaged(archive, detail)
    return directory


def _read(file: ArchiveFile, archive: str, end: _End) -> Directory:
    start_bytes = end.at_bytes - end.length_bytes
    if start_bytes < 0:
        raise _directory_damaged(archive, "it should be longer than the archive")
    try:
        found = list(members(memoryview(_directory(file, end, start_bytes))))
    except BrokenRecord as error:
        raise _directory_damaged(archive, str(error)) from error
    if end.disks - {0, _IN_ZIP64} or any(member.disk for member in found):
        raise _multi_disk(archive)
    # Some writers keep only the low 16 bits of a count that would need zip64.
    if end.members not in (_IN_ZIP64, len(found), len(found) & 0xFFFF):
        raise _directory_damaged(archive, f"{len(found):,} members found, {end.members:,} declared")
    shift_bytes = 0 if end.start_bytes == IN_ZIP64 else start_bytes - end.start_bytes
    if shift_bytes > 0 and end.head.startswith(b"PK\3\4"):
        # Bytes in front of a zip are common (programs that unpack themselves), but those do not begin as a zip.
        if shift_bytes % _WRAP_BYTES:
            detail = "it belongs to another archive that lies inside this one or was joined to it"
            raise _directory_damaged(archive, detail)
        found, shift_bytes = _unwrapped(found), 0
    if shift_bytes:
        found = [member._replace(offset_bytes=member.offset_bytes + shift_bytes) for member in found]
    return Directory(found, start_bytes, -shift_bytes, end.after_bytes)


def _directory(file: ArchiveFile, end: _End, start_bytes: int) -> bytes:
    # Looked at before it is read: a length that lies may be that of a whole disk.
    if end.length_bytes and file.read_at(len(MARK), start_bytes) != MARK:
        raise BrokenRecord("it is not where it should be")
    return file.read_at(end.length_bytes, start_bytes)


def _unwrapped(found: list[Member]) -> list[Member]:
    """Offsets of an archive over 4 GiB whose writer (macOS' Archive Utility, for one) keeps their low 32 bits.

    Its directory names members as they lie, so that each offset must be beyond the end of the member before.
    """
    least_bytes = 0
    right: list[Member] = []
    for member in found:
        lost_bytes = -(-max(0, least_bytes - member.offset_bytes) // _WRAP_BYTES) * _WRAP_BYTES
        offset_bytes = member.offset_bytes + lost_bytes
        right.append(member._replace(offset_bytes=offset_bytes))
        least_bytes = offset_bytes + LOCAL_HEADER_BYTES + len(member.raw_name) + member.stored_bytes
    return right


def _find_end(file: ArchiveFile, archive: str) -> _End:
    size_bytes = file.size_bytes
    head = file.read_at(512, 0)
    tail_at_bytes = max(0, size_bytes - _END.size - _MAX_COMMENT_BYTES)
    tail = file.read_at(size_bytes - tail_at_bytes, tail_at_bytes)
    at = tail.rfind(_END_MARK, 0, max(0, len(tail) - _END.size + len(_END_MARK)))
    if at >= 0 and _in_a_comment(tail, at):
        raise _directory_damaged(archive, "the archive's comment holds another one, and nobody knows which is meant")
    at_bytes = tail_at_bytes + at if at >= 0 else _far_end(file, tail_at_bytes, head)
    if at_bytes < 0:
        raise _no_end(archive, head, size_bytes)
    record = file.read_at(_END.size, at_bytes)
    _, disk, directory_disk, _, count, length_bytes, start_bytes, comment_bytes = _END.unpack(record)
    after_bytes = max(0, size_bytes - at_bytes - _END.size - comment_bytes)
    end = _End(frozenset({disk, directory_disk}), count, length_bytes, start_bytes, at_bytes, head, after_bytes)
    return _find_end64(file, end) or end


def _far_end(file: ArchiveFile, before_bytes: int, head: bytes) -> int:
    """Where the last end record of what begins as a zip lies, in front of a place; -1 where there is none."""
    least_bytes = max(0, file.size_bytes - _MOST_AFTER_BYTES) if head.startswith(b"PK\3\4") else before_bytes
    while before_bytes > least_bytes:
        start_bytes = max(least_bytes, before_bytes - _LOOK_BYTES)
        # What begins here and ends behind that place is found too.
        piece = file.read_at(before_bytes + len(_END_MARK) - 1 - start_bytes, start_bytes)
        if (at := piece.rfind(_END_MARK)) >= 0:
            return start_bytes + at
        before_bytes = start_bytes
    return -1


def _find_end64(file: ArchiveFile, end: _End) -> _End | None:
    """The zip64 record in front of the other one, where there is one."""
    locator_at_bytes = end.at_bytes - _LOCATOR.size
    locator = file.read_at(_LOCATOR.size, max(0, locator_at_bytes))
    if locator_at_bytes < 0 or not locator.startswith(_LOCATOR_MARK):
        return None
    # Where it usually lies, also when something was put in front of the archive; then where the locator says.
    for at_bytes in (locator_at_bytes - _END64.size, _LOCATOR.unpack(locator)[2]):
        record = file.read_at(_END64.size, at_bytes) if 0 <= at_bytes < locator_at_bytes else b""
        if len(record) == _END64.size and record.startswith(_END64_MARK):
            _, _, _, _, disk, directory_disk, _, count, length_bytes, start_bytes = _END64.unpack(record)
            disks = end.disks | {disk, directory_disk}
            return _End(frozenset(disks), count, length_bytes, start_bytes, at_bytes, end.head, end.after_bytes)
    return None


def _in_a_comment(tail: bytes, last: int) -> bool:
    """Whether the last end record lies in the comment of one before it, which reaches to the file's very end."""
    at = tail.find(_END_MARK)
    while at < last:
        if len(tail) - at - _END.size == _END.unpack_from(tail, at)[-1]:
            return True
        at = tail.find(_END_MARK, at + 1)
    return False


def _no_end(archive: str, head: bytes, size_bytes: int) -> SourceError:
    if head.startswith(b"PK\7\x08PK"):
        return _multi_disk(archive)
    if head.startswith(b"PK\3\4"):
        message = f"{archive} breaks off after {size_bytes:,} bytes, before the directory at a zip's end: "
        return SourceError(message + "the download did not finish, download it again.", "archive-truncated")
    return not_an_archive(archive, head, "zip", "archive-not-zip")


def _multi_disk(archive: str) -> SourceError:
    message = f"{archive} is one part of an archive split over several files; join the parts first "
    return SourceError(message + "(`zip -s 0 split.zip --out joined.zip`).", "archive-multi-disk")


def _directory_damaged(archive: str, detail: str) -> SourceError:
    message = f"The directory at the end of {archive} is damaged ({detail.rstrip('.')}); download it again."
    return SourceError(message, "archive-directory")
