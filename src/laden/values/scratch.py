"""Temporary folders of this process, in one list, so that a process that ends at once can leave none behind."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

_FOLDERS: set[Path] = set()


def make_folder(prefix: str) -> Path:
    """A new folder of this user's alone; raises OSError where there is no room."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    _FOLDERS.add(folder)
    return folder


def remove_folder(folder: Path) -> None:
    """Remove one with all that is in it."""
    shutil.rmtree(folder, ignore_errors=True)
    _FOLDERS.discard(folder)


def remove_all() -> None:
    """Remove every one that is there."""
    for folder in list(_FOLDERS):
        remove_folder(folder)
