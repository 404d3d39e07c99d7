"""Opens one zip archive's central directory, or says in one sentence why that cannot be done.

In this order: the end of the file is searched for the end-of-central-directory record (APPNOTE 4.3.16); where
it is missing, the first bytes tell what the file is instead; then the standard library's `zipfile` parses the
directory (zip64 included), and the count of what it found is compared with what the record declares.

No member is judged here (`laden.dataset.source.zips`), and none is read.
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
from pathlib import Path
from typing import BinaryIO, NamedTuple

from laden.dataset.source.opening import not_an_archive, opened
from laden.dataset.source.parts import PartsFile
from laden.dataset.source.positional import ArchiveFile, InOrder
from laden.values.errors import SourceError

_END = struct.Struct("<4sHHHHIIH")
"""The end-of-central-directory record: signature, disk, directory's disk, members here, members, the directory's
length and start, length of the comment that follows.
"""
_END_MARK = b"PK\5\6"
_MAX_COMMENT_BYTES = 0xFFFF
_IN_ZIP64 = 0xFFFF
_START_IN_ZIP64 = 0xFFFFFFFF
"""In a field of 16 or 32 bits: the real value is in the zip64 record (APPNOTE 4.4.1.4)."""

_DAMAGED = (
    zipfile.BadZipFile,
    struct.error,
    NotImplementedError,
    ValueError,  # UnicodeDecodeError is one
    OverflowError,
    EOFError,
)


class Directory(NamedTuple):
    """What the central directory says."""

    members: list[zipfile.ZipInfo]
    start_bytes: int
    """Where the directory starts: no member's data can lie beyond."""
    missing_bytes: int
    """How much further from the file's start it should be."""


def read_directory(root: Path, archive: str) -> Directory:
    """Read the directory of `root / archive`.

    Raises `SourceError` where the archive as a whole is unreadable; its `code` is `archive-empty`, `archive-html`,
    `archive-truncated`, `archive-not-zip`, `archive-multi-disk`, `archive-directory`, `archive-part`, or one of
    `laden.dataset.source.opening.opened`.
    """
    with opened(root, archive) as file:
        try:
            directory = _parse(io.BufferedReader(InOrder(file)), archive)
        except SourceError as error:
            if (blamed := _part_to_blame(file, archive, error.code)) is not None:
                raise blamed from error
            raise
        if directory.missing_bytes > 0 and (blamed := _part_to_blame(file, archive, "")) is not None:
            raise blamed
        return directory


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
    """What the end-of-central-directory record declares, and how the file begins."""

    member_count: int
    """The low 16 bits."""
    start_bytes: int
    head: bytes


def _parse(file: BinaryIO, archive: str) -> Directory:
    end = _check_end(file, archive)
    try:
        with zipfile.ZipFile(file) as opened:
            members, start_bytes = opened.infolist(), opened.start_dir
    except _DAMAGED as error:
        raise _directory_damaged(archive, str(error)) from error
    if any(member.volume not in (0, _IN_ZIP64) for member in members):
        raise _multi_disk(archive)
    # Some writers keep only the low 16 bits of a count that would need zip64.
    if end.member_count not in (_IN_ZIP64, len(members) & 0xFFFF):
        raise _directory_damaged(archive, f"{len(members):,} members found, {end.member_count:,} declared")
    if _is_of_another(end, start_bytes):
        detail = "it belongs to another archive that lies inside this one or was joined to it"
        raise _directory_damaged(archive, detail)
    return Directory(members, start_bytes, end.start_bytes - start_bytes if end.start_bytes != _START_IN_ZIP64 else 0)


def _is_of_another(end: _End, start_bytes: int) -> bool:
    """Whether the file begins as one zip and ends as another: cut off behind a zip within it, or two in a row.

    Bytes in front of a zip are common (programs that unpack themselves), but those do not begin as a zip. Some
    writers keep only the low 32 bits of a start that would need zip64.
    """
    shift_bytes = start_bytes - end.start_bytes
    shifted = end.start_bytes != _START_IN_ZIP64 and shift_bytes > 0 and shift_bytes & 0xFFFFFFFF != 0
    return shifted and end.head.startswith(b"PK\3\4")


def _check_end(file: BinaryIO, archive: str) -> _End:
    size_bytes = file.seek(0, os.SEEK_END)
    head = _read_at(file, 0, 512)
    most_bytes = _END.size + _MAX_COMMENT_BYTES
    tail = _read_at(file, max(0, size_bytes - most_bytes), most_bytes)
    at = tail.rfind(_END_MARK)
    if at < 0 or len(tail) - at < _END.size:
        raise _no_end(archive, head, size_bytes)
    if _in_a_comment(tail, at):
        raise _directory_damaged(archive, "the archive's comment holds another one, and nobody knows which is meant")
    _, disk, directory_disk, count_here, count, _, start_bytes, _ = _END.unpack_from(tail, at)
    if {disk, directory_disk} - {0, _IN_ZIP64} or count_here != count:
        raise _multi_disk(archive)
    return _End(count, start_bytes, head)


def _in_a_comment(tail: bytes, last: int) -> bool:
    """Whether the last end record lies in the comment of one before it, which reaches to the file's very end."""
    at = tail.find(_END_MARK)
    while at < last:
        if len(tail) - at - _END.size == _END.unpack_from(tail, at)[-1]:
            return True
        at = tail.find(_END_MARK, at + 1)
    return False


def _read_at(file: BinaryIO, offset_bytes: int, count_bytes: int) -> bytes:
    file.seek(offset_bytes)
    return file.read(count_bytes)


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
