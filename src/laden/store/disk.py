"""What a store's folder asks of a file system: walk it, give a file its name once, and errors as sentences."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from laden.values.errors import BlobConflict, BlobMissing, NameRefused, StoreError

_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP})
_REFUSED = frozenset({errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL, errno.EILSEQ})
"""About one name, not the folder: too long, or a folder where a file should be, or the other way round."""


_WHY = {
    errno.ENOTDIR: "a file lies where one of its folders should be",
    errno.EEXIST: "a file lies where one of its folders should be",
    errno.EISDIR: "a folder lies there",
    errno.ENAMETOOLONG: "its name, or that of one of its folders, is longer than the file system takes",
}


def files(
    folder: Path, hidden: frozenset[str], prefix: str = "", above: tuple[str, ...] = ()
) -> Iterator[tuple[str, Path]]:
    """Name and path of every file below, without those `hidden`; a link to a folder above is not followed again."""
    above = (*above, os.path.realpath(folder))
    with os.scandir(folder) as found:
        for item in found:
            # Bytes that are no text (PEP 383) get backslashes, which no blob's name has.
            name = prefix + os.fsencode(item.name).decode("utf-8", "backslashreplace")
            path = Path(item.path)
            if name in hidden or (item.is_symlink() and not path.exists()):
                continue
            if item.is_dir():
                if os.path.realpath(path) not in above:
                    yield from files(path, hidden, name + "/", above)
            elif item.is_file():
                yield name, path


def linked(staged: Path, target: Path) -> bool:
    """Give the staged file its name if the name is free, at once; False where the file system has no hard links."""
    try:
        os.link(staged, target)
    except FileExistsError:
        if target.is_dir():
            raise NameRefused(f"{target} cannot be written: {_WHY[errno.EISDIR]}") from None
        raise BlobConflict(f"{target} is there already") from None
    except OSError as error:
        if error.errno in _REFUSED:
            raise
        return False
    return True


def refuse_links(root: Path, path: Path) -> None:
    """Refuse a place below a folder to which a link leads: what is written there would land elsewhere.

    Raises:
        NameRefused: a folder between the two is a link.
    """
    for above in path.parents:
        if above == root:
            return
        if above.is_symlink():
            raise NameRefused(
                f"{path} is not written: {above} is a link, and nothing is written through one: give the folder that"
                " it leads to as DEST, or mount it there"
            )


def hashed(path: Path) -> bytes:
    """The MD5 of a file. Raises `OSError`."""
    with path.open("rb") as file:
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
    """Errors of the file system as sentences."""
    try:
        yield
    except OSError as error:
        kind = NameRefused if error.errno in _REFUSED else StoreError
        raise kind(f"{path} cannot be written: {_WHY.get(error.errno or 0) or error.strerror}") from None
