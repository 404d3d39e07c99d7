"""Opens one zip archive's central directory, or says in one sentence why that cannot be done.

In this order: the end of the file is searched for the end-of-central-directory record (APPNOTE 4.3.16); where
it is missing, the first bytes tell what the file is instead; then the standard library's `zipfile` parses the
directory (zip64 included), and the count of what it found is compared with what the record declares.

No member is judged here (`laden.source.zips`), and none is read.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from pathlib import Path
from typing import BinaryIO, NamedTuple

from laden.errors import SourceError
from laden.names import problem

_END = struct.Struct("<4sHHHHIIH")
"""The end-of-central-directory record: signature, disk, directory's disk, members here, members, the directory's
length and start, length of the comment that follows.
"""
_END_MARK = b"PK\5\6"
_MAX_COMMENT_BYTES = 0xFFFF
_IN_ZIP64 = 0xFFFF
_START_IN_ZIP64 = 0xFFFFFFFF
"""In a field of 16 or 32 bits: the real value is in the zip64 record (APPNOTE 4.4.1.4)."""

_OTHER_FORMATS = (
    (b"\x1f\x8b", "gzip data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ", "xz data"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a PNG image"),
    (b"\0\0\0\0", "zero bytes, as of a download that was never filled in"),
)
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


def read_directory(root: Path, archive: str) -> Directory:
    """Read the directory of `root / archive`.

    Raises `SourceError` where the archive as a whole is unreadable; its `code` is `archive-missing`,
    `archive-permission`, `archive-unreadable`, `archive-empty`, `archive-html`, `archive-truncated`,
    `archive-not-zip`, `archive-multi-disk`, `archive-directory` or `name-refused`.
    """
    if reason := problem(archive):
        printable = archive.encode("utf-8", "backslashreplace").decode("utf-8")
        raise SourceError(f"{printable} is not loaded, because its name {reason}; rename it.", "name-refused")
    path = root / archive
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise SourceError(f"{archive} is not a file; check what lies there.", "archive-unreadable")
        with path.open("rb") as file:
            return _parse(file, archive)
    except FileNotFoundError as error:
        raise SourceError(f"{archive} is not in {root}; check the path.", "archive-missing") from error
    except PermissionError as error:
        message = f"{archive} may not be read by this user; change its permissions."
        raise SourceError(message, "archive-permission") from error
    except OSError as error:
        message = f"{archive} cannot be read ({error.strerror or error}); check the disk or the mount."
        raise SourceError(message, "archive-unreadable") from error


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
    return Directory(members, start_bytes)


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
        raise _not_an_archive(archive, head, size_bytes)
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


def _not_an_archive(archive: str, head: bytes, size_bytes: int) -> SourceError:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not head:
        return SourceError(f"{archive} is empty (0 bytes); download it again.", "archive-empty")
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<error")):
        message = f"{archive} is a web page, not an archive: a login or error page answered the download; "
        return SourceError(message + "log in and download it again.", "archive-html")
    if head.startswith(b"PK\7\x08PK"):
        return _multi_disk(archive)
    if head.startswith(b"PK\3\4"):
        message = f"{archive} breaks off after {size_bytes:,} bytes, before the directory at a zip's end: "
        return SourceError(message + "the download did not finish, download it again.", "archive-truncated")
    looks = next((kind for magic, kind in _OTHER_FORMATS if head.startswith(magic)), None)
    message = f"{archive} is not a zip archive: it starts with {looks or repr(head[:16])[1:]}; "
    return SourceError(message + "check it, or download it again.", "archive-not-zip")


def _multi_disk(archive: str) -> SourceError:
    message = f"{archive} is one part of an archive split over several files; join the parts first "
    return SourceError(message + "(`zip -s 0 split.zip --out joined.zip`).", "archive-multi-disk")


def _directory_damaged(archive: str, detail: str) -> SourceError:
    message = f"The directory at the end of {archive} is damaged ({detail.rstrip('.')}); download it again."
    return SourceError(message, "archive-directory")
