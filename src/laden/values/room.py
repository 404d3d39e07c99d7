"""Room on this machine's disks, and what is said where a file cannot be written: of a full disk everywhere the same."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from laden.values.errors import DiskFull, UsageError
from laden.values.secrets import StreamLost

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def free_bytes(folder: Path) -> int:
    """Room on the disk that a folder is on, or will be."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
    return shutil.disk_usage(there).free


def is_full(error: OSError) -> bool:
    """Whether an error says that a disk, or this person's part of it, is full."""
    return error.errno in _FULL


def disk_full(place: Path | str) -> DiskFull:
    """The error for a disk that is full.

    Args:
        place: the folder or file that cannot be written.
    """
    what = f"the disk that {place} is on is full: make room there, or name another place"
    return DiskFull(f"{what}, and run the same command again")


def unwritable(path: Path, what: str, option: str, error: OSError) -> UsageError:
    """The error for a file of laden's own that cannot be written.

    Args:
        path: of the file.
        what: it is: `list of findings`.
        option: names another place.
        error: of the file system.
    """
    if is_full(error):
        return disk_full(path)
    return UsageError(f"the {what} cannot be written to {path} ({error.strerror}): name another place with {option}")


@contextmanager
def writing_to(path: Path, what: str, option: str) -> Iterator[None]:
    """Errors of the file system as `unwritable`; of standard output, whoever prints there tells."""
    try:
        yield
    except StreamLost:
        raise
    except OSError as error:
        raise unwritable(path, what, option, error) from error
