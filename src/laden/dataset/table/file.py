"""The bytes of a table's file, decompressed, in blocks or lines.

A file is gzip if it starts as gzip does (RFC 1952, section 2.3.1). Whatever goes wrong while reading is a
SourceError. Nothing here knows CSV.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Generator
from gzip import BadGzipFile
from pathlib import Path
from typing import BinaryIO, cast

from isal import igzip, isal_zlib

from laden.values.errors import SourceError

LINE_LIMIT_BYTES = 16 * 2**20
"""A longer line is no line of a table, and would fill the memory."""

_COPY_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"
_GZIP_ERRORS = (BadGzipFile, EOFError, cast("type[Exception]", isal_zlib.error))
_AS_CSV = "save or export it as CSV in UTF-8"
_UTF_16 = f"UTF-16 text (Excel's 'Unicode text', PowerShell's own); {_AS_CSV}: Excel's 'CSV UTF-8', or iconv"
_PACKED = "packed in a way that laden does not read; unpack it"
_OTHER_FORMATS = {
    b"PK\x03\x04": f"a zip archive or an Excel workbook; {_AS_CSV}",
    b"\xd0\xcf\x11\xe0": f"an old Excel workbook; {_AS_CSV}",
    b"\xff\xfe": _UTF_16,
    b"\xfe\xff": _UTF_16,
    _GZIP: "gzip within gzip; unpack it once (gunzip) and try again",
    b"BZh": f"bzip2, {_PACKED}",
    b"\xfd7zXZ": f"xz, {_PACKED}",
    b"\x28\xb5\x2f\xfd": f"Zstandard, {_PACKED}",
    b"PAR1": f"a Parquet file; {_AS_CSV}",
    b"SQLite format 3": f"an SQLite database; {_AS_CSV}",
    b"%PDF": f"a PDF; {_AS_CSV}",
    b"version https://git-lfs": "a Git LFS pointer, not the data; fetch the data ('git lfs pull')",
    b"/annex/objects/": "a git-annex pointer, not the data; fetch the data ('git annex get')",
}
_PAGES = (b"<!doctype", b"<html", b"<?xml")
_SEPARATOR_LINE = re.compile(rb"(?:\xef\xbb\xbf)?(sep=[^\r\n]{1,2})[\r\n]", re.IGNORECASE)
"""What Excel writes and reads in front of a table, and nobody else."""


def blocks(path: Path, size_bytes: int) -> Generator[bytes]:
    """Yield the file in blocks of at most that size; raises SourceError if it cannot be read."""
    return _pieces(path, 0, lambda file: file.read(size_bytes))


def lines(path: Path, skip_bytes: int, called: Path) -> Generator[bytes]:
    """Yield the lines after the first bytes, line ends included (only LF ends a line).

    Raises SourceError, which says what the table is `called` by those who gave it.
    """
    for line in _pieces(path, skip_bytes, lambda file: file.readline(LINE_LIMIT_BYTES)):
        if len(line) == LINE_LIMIT_BYTES:
            raise SourceError(f"the table {called} has a line of more than 16 MiB; it is damaged: fetch it again")
        yield line


def copy(path: Path, target: Path, grown: Callable[[int], None] = lambda _: None) -> None:
    """Write the file, decompressed, to another place; raises SourceError if it cannot be read, or changes meanwhile.

    Args:
        path: of the file.
        target: the other place.
        grown: told of each piece that lies there, how many bytes it has.
    """
    before = _stamp(path)
    with target.open("wb") as out:
        for block in blocks(path, _COPY_BYTES):
            out.write(block)
            out.flush()
            grown(len(block))
    if _stamp(path) != before:
        raise SourceError(f"the table {path} changed while it was read: run the same command again")


def same_content(one: Path, other: Path) -> bool:
    """Whether two files hold the same bytes, decompressed; raises SourceError if one cannot be read."""
    digests = set()
    for path in (one, other):
        digest = hashlib.sha256()
        for block in blocks(path, _COPY_BYTES):
            digest.update(block)
        digests.add(digest.digest())
    return len(digests) == 1


def is_gzip(path: Path) -> bool:
    """Whether it starts as gzip does."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        # Told, with the reason, by who reads it.
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino


def start(path: Path, size_bytes: int) -> bytes:
    """Return the first bytes, at least that many if there are; raises SourceError if they are no text."""
    found = b""
    pieces = blocks(path, size_bytes)
    for piece in pieces:
        found += piece
        if len(found) >= size_bytes:
            break
    pieces.close()
    if not found:
        raise SourceError(f"the table {path} is empty; fetch it again")
    if (other := _other_than_csv(found)) is not None:
        raise SourceError(f"the table {path} is {other}")
    return found


def _other_than_csv(start: bytes) -> str | None:
    """What a file is instead, and how to make a table of it; None where it may be one."""
    known = next((words for magic, words in _OTHER_FORMATS.items() if start.startswith(magic)), None)
    if known is not None:
        return known
    zeros = start.count(0)
    halves = [bool(start[first::2].strip(b"\0")) for first in (0, 1)]
    if zeros * 3 > len(start) and halves in ([True, False], [False, True]):
        return _UTF_16
    # A hole left by a broken download: more than a stray byte.
    if zeros * 100 > len(start):
        return f"binary data; {_AS_CSV}"
    if start.lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith(_PAGES):
        return "a web page, as a login or an error page is; sign in and fetch it again"
    if (separator := _SEPARATOR_LINE.match(start)) is not None:
        return f"CSV with a first line for Excel alone, '{separator[1].decode('latin-1')}'; delete that line"
    first_line = start.partition(b"\n")[0].rstrip(b"\r")
    if b"\r" in first_line and (b"\n" not in start or b'"' not in first_line):
        return "CSV whose lines end with CR alone, as Excel's 'CSV (Macintosh)' has; save it as 'CSV UTF-8'"
    return None


def _pieces(path: Path, skip_bytes: int, read: Callable[[BinaryIO], bytes]) -> Generator[bytes]:
    """Yield what `read` returns of the decompressed file, until that is empty."""
    try:
        with path.open("rb") as plain:
            magic = plain.peek(2)[:2]
            if magic and magic != _GZIP and path.name.lower().endswith(".gz"):
                raise SourceError(
                    f"the table {path} is not gzip, as its name says; "
                    "rename it if it was decompressed on the way, else fetch it again"
                )
            with _decompressed(plain) if magic == _GZIP else plain as file:
                # What is compressed has to be read to be passed over.
                file.seek(skip_bytes) if file is plain else file.read(skip_bytes)
                while piece := read(file):
                    yield piece
    except FileNotFoundError as error:
        raise SourceError(f"there is no table {path}; check the path") from error
    except _GZIP_ERRORS as error:
        raise SourceError(f"the table {path} is damaged gzip ({error}); fetch it again") from error
    except OSError as error:
        raise SourceError(f"the table {path} cannot be read ({error.strerror}); check file and disk") from error


def _decompressed(plain: BinaryIO) -> BinaryIO:
    return cast("BinaryIO", igzip.open(plain))  # type: ignore[no-untyped-call]
