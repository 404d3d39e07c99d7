"""Opens an archive's file, or its parts, and says in one sentence why that cannot be done.

What kind of archive the bytes are is judged by those who parse them; what they are instead, where they are none,
is told here for all.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from laden.dataset.source.parts import PartsFile, find_parts
from laden.dataset.source.placeholder import pointer
from laden.dataset.source.positional import ArchiveFile, PositionalFile
from laden.dataset.source.root import Root
from laden.values.errors import SourceError
from laden.values.names import problem

_OTHER_FORMATS = (
    (b"PK\3\4", "a zip archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ", "xz data"),
    (b"\x28\xb5\x2f\xfd", "Zstandard data"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a PNG image"),
    (b"\0\0\0\0", "zero bytes, as of a download that was never filled in"),
)


def open_archive(root: str | Root, archive: str) -> ArchiveFile:
    """Open `root / archive`, or where no such file is, its parts; or where it lies elsewhere, there.

    Raises OSError, and `SourceError` where a part is missing.
    """
    if not isinstance(root, str | Path):
        if root.holds(archive):
            return root.open(archive)
        root = root.folder
    path = Path(root, archive)
    try:
        return PositionalFile(str(path))
    except FileNotFoundError:
        if parts := find_parts(path):
            return PartsFile(parts)
        raise


@contextmanager
def opened(root: Root, archive: str) -> Iterator[ArchiveFile]:
    """Hold `root / archive` open, and tell of the system's errors meanwhile as `SourceError`.

    Its `code` is `archive-missing`, `archive-permission`, `archive-unreadable`, `archive-part` or `name-refused`.
    """
    if reason := problem(archive):
        printable = archive.encode("utf-8", "backslashreplace").decode("utf-8")
        raise SourceError(f"{printable} is not loaded, because its name {reason}; rename it.", "name-refused")
    try:
        path = root / archive
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            raise SourceError(f"{archive} is not a file; check what lies there.", "archive-unreadable")
        file = open_archive(root, archive)
        try:
            yield file
        finally:
            file.close()
    except FileNotFoundError as error:
        raise SourceError(f"{archive} is not in {root}; check the path.", "archive-missing") from error
    except PermissionError as error:
        message = f"{archive} may not be read by this user; change its permissions."
        raise SourceError(message, "archive-permission") from error
    except OSError as error:
        message = f"{archive} cannot be read ({error.strerror or error}); check the disk or the mount."
        raise SourceError(message, "archive-unreadable") from error


def not_an_archive(archive: str, head: bytes, kind: str, code: str) -> SourceError:
    """What a file is instead, of which the first bytes show that it is no archive of its kind.

    Args:
        archive: its name.
        head: its first bytes, some hundred of them.
        kind: what it should be: `zip`, `tar`.
        code: the finding's, where it is something else than nothing or a web page.
    """
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not head:
        return SourceError(f"{archive} is empty (0 bytes); download it again.", "archive-empty")
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<error")):
        message = f"{archive} is a web page, not an archive: a login or error page answered the download; "
        return SourceError(message + "log in and download it again.", "archive-html")
    if instead := pointer(head):
        return SourceError(f"{archive} {instead}.", "file-placeholder")
    looks = next((name for magic, name in _OTHER_FORMATS if head.startswith(magic)), None)
    message = f"{archive} is not a {kind} archive: it starts with {looks or repr(head[:16])[1:]}; "
    return SourceError(message + "check it, or download it again.", code)
