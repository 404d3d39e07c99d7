"""What a store's folder asks of a file system: walk it, give a file its name once, and errors as sentences."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from laden.values.errors import BlobConflict, BlobMissing, NameRefused, StoreError
from laden.values.room import disk_full, is_full

_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP})
_REFUSED = frozenset({errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL, errno.EILSEQ})
"""About one name, not the folder: too long, or a folder where a file should be, or the other way round."""


_WHY = {
    errno.ENOTDIR: "a file lies where one of its folders should be",
    errno.EEXIST: "a file lies where one of its folders should be",
    errno.EISDIR: "a folder lies there",
    errno.ENAMETOOLONG: "its name, or that of one of its folders, is longer than the file system takes",
}


LINK, BROKEN_LINK, SPECIAL = "a link to a file", "a link to nothing", "a pipe, a socket or a device"
"""What may lie in a folder where a file is expected."""


def regular(path: Path) -> BufferedReader:
    """Open a regular file for reading, and nothing that would make anybody wait.

    Raises:
        BlobMissing: it is a pipe, a socket or a device, which is never opened.
        OSError: as `open` does.
    """

    def opener(name: str, flags: int) -> int:
        if not stat.S_ISREG(mode := path.stat().st_mode) and not stat.S_ISDIR(mode):
            raise BlobMissing(f"no regular file is {path}, but {SPECIAL}")
        # Between the look and the opening, somebody may have exchanged it.
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))

    file = path.open("rb") if os.name == "nt" else open(path, "rb", opener=opener)  # noqa: SIM115 - has an opener
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise BlobMissing(f"no regular file is {path}, but {SPECIAL}")
    return file


def files(
    folder: Path,
    hidden: frozenset[str],
    prefix: str = "",
    above: tuple[str, ...] = (),
    odd: list[tuple[str, str]] | None = None,
) -> Iterator[tuple[str, Path]]:
    """Name and path of every file below, without those `hidden`; a link to a folder above is not followed again.

    `odd` gets the names of links to files, and of what is no regular file, with what they are.
    """
    above = (*above, os.path.realpath(folder))
    with os.scandir(folder) as found:
        for item in found:
            # Bytes that are no text (PEP 383) get backslashes, which no blob's name has.
            name = prefix + os.fsencode(item.name).decode("utf-8", "backslashreplace")
            path = Path(item.path)
            if name in hidden:
                continue
            is_link = item.is_symlink()
            if is_link and not path.exists():
                what = BROKEN_LINK
            elif item.is_dir():
                if os.path.realpath(path) not in above:
                    yield from files(path, hidden, name + "/", above, odd)
                continue
            else:
                what = (LINK if is_link else "") if item.is_file() else SPECIAL
            if what and odd is not None:
                odd.append((name, what))
            if what in ("", LINK):
                yield name, path


def linked(staged: Path, target: Path) -> bool:
    """Give the staged file its name if the name is free, at once; False where the file system has no hard links."""
    try:
        os.link(staged, target)
    except FileExistsError:
        refuse_odd(target)
        raise BlobConflict(f"{target} is there already") from None
    except OSError as error:
        if error.errno in _REFUSED:
            raise
        return False
    return True


def is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is the one of that name still; never asked on Windows, where open files keep theirs."""
    try:
        return os.name == "nt" or os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def refuse_odd(target: Path) -> None:
    """Raise `NameRefused` where a folder lies, a pipe, a socket, a device, or a link to nothing."""
    if target.is_dir():
        raise NameRefused(f"{target} cannot be written: {_WHY[errno.EISDIR]}")
    if os.path.lexists(target) and not target.is_file():
        what = SPECIAL if target.exists() else BROKEN_LINK
        raise NameRefused(f"{target} cannot be written: {what} lies there: remove it, and load again")


def link_between(root: Path, path: Path) -> Path | None:
    """The folder between a folder and what lies below it that is a link, if there is one: the nearest to `path`."""
    for above in path.parents:
        if above == root:
            return None
        if above.is_symlink():
            return above
    return None


def refuse_links(root: Path, path: Path) -> None:
    """Refuse a place below a folder to which a link leads: what is written there would land elsewhere.

    Raises:
        NameRefused: a folder between the two is a link.
    """
    if link := link_between(root, path):
        raise NameRefused(
            f"{path} is not written: {link} is a link, and nothing is written through one: give the folder that"
            " it leads to as DEST, or mount it there"
        )


def hashed(path: Path) -> bytes:
    """The MD5 of a file. Raises `OSError`."""
    with regular(path) as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).digest()


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Errors of the file system as sentences."""
    try:
        yield
    except OSError as error:
        if error.errno in _ABSENT:
            raise BlobMissing(f"there is no file {path}") from None
        raise StoreError(f"{path} cannot be read: {error.strerror}") from None


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Errors of the file system as sentences. Raises `StoreError`, `DiskFull`."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise disk_full(path) from None
        kind = NameRefused if error.errno in _REFUSED else StoreError
        raise kind(f"{path} cannot be written: {_WHY.get(error.errno or 0) or error.strerror}") from None
