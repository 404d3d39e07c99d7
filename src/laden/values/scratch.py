"""Folders for what a run notes on this machine, and none of them left behind: not by a kill, nor by a power cut.

In order: a folder is made under a name of its own, with a file in it that its process keeps locked; it is removed when
its work is done (`remove`), or with all others when the process ends at once (`remove_all`, for handlers of signals);
what processes left that are gone is swept by the next run (`sweep`), told by a lock that nobody holds.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":  # There, no file that is open can be removed: that is the lock.
    import fcntl

_PREFIX = "laden-"
_MADE = re.compile(rf"{_PREFIX}\d+-.+")
"""Their names; whatever else begins like that is never looked at."""
_LOCK = "laden.lock"
_live: dict[Path, int] = {}
"""Folders of this process, and the descriptors of their locks."""


def make() -> Path:
    """A new folder, readable by this user alone; hand it to `remove`."""
    # A folder gets the name that others look for only once it is locked. On Windows no folder can be renamed in which a
    # file is open, and a file is locked from its first moment.
    hidden = "" if sys.platform == "win32" else "."
    made = Path(tempfile.mkdtemp(prefix=f"{hidden}{_PREFIX}{os.getpid()}-"))
    lock = os.open(made / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        made = made.rename(made.with_name(made.name.removeprefix(hidden)))
    _live[made] = lock
    return made


def remove(folder: Path) -> None:
    """Remove a folder with all in it; one that is gone is no trouble."""
    lock = _live.pop(folder, None)
    if lock is not None and sys.platform == "win32":
        os.close(lock)
    shutil.rmtree(folder, ignore_errors=True)
    if lock is not None and sys.platform != "win32":
        os.close(lock)


def remove_all() -> None:
    """Remove all folders of this process: before it ends without unwinding."""
    for folder in list(_live):
        remove(folder)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for the length of a `with` block."""
    made = make()
    try:
        yield made
    finally:
        remove(made)


def sweep() -> int:
    """Remove what dead processes of this user left; returns how many folders that were."""
    swept = 0
    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as found:
        for item in found:
            if _MADE.fullmatch(item.name) and _is_ours(item) and _is_dead(Path(item.path)):
                shutil.rmtree(item.path, ignore_errors=True)
                swept += 1
    return swept


def _is_ours(item: os.DirEntry[str]) -> bool:
    try:
        status = item.stat(follow_symlinks=False)
        mine = not hasattr(os, "getuid") or status.st_uid == os.getuid()
        return mine and item.is_dir(follow_symlinks=False) and Path(item.path, _LOCK).is_file()
    except OSError:
        return False


def _is_dead(folder: Path) -> bool:
    """Whether nobody holds its lock."""
    if folder in _live:
        return False
    try:
        if sys.platform == "win32":
            (folder / _LOCK).unlink()
            return True
        lock = os.open(folder / _LOCK, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(lock)
    except OSError:
        return False
    return True
