"""Which errors of the database and the system are this machine's: a full disk, too little memory, too few open files.

Each becomes one sentence that says what to do; `told_locally` raises it, as everything else passes. Ctrl-C that comes
while a statement runs is no error.
"""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from laden.values.errors import UsageError
from laden.values.memory import MEMORY_VARIABLE
from laden.values.room import disk_full, free_bytes, is_full
from laden.values.secrets import StreamLost

_INTERRUPTED = "Query interrupted"
_IS_FULL = re.compile("max_temp_directory_size|failed to offload data block")
"""Of DuckDB's errors about memory, those that mean the disk it spills to."""
_ROOM_BYTES = 16 << 20
"""With so much free, a disk is not the one that is full."""


@contextmanager
def told_locally() -> Iterator[None]:
    """Turn errors of this machine (see `local_trouble`) into `UsageError`, and Ctrl-C in a statement into what it is.

    All others pass.
    """
    try:
        yield
    except StreamLost:
        # Standard output is no place of laden's own; who printed there tells it.
        raise
    except (OSError, duckdb.Error) as error:
        if (sentence := local_trouble(error)) is None:
            raise
        raise UsageError(sentence) from error
    except RuntimeError as error:
        # DuckDB says so where a signal's handler raised while a statement ran.
        if str(error) != _INTERRUPTED:
            raise
        raise KeyboardInterrupt from error


def local_trouble(error: Exception) -> str | None:
    """The sentence for an error of this machine: a full disk, no descriptors. None for any other error.

    DuckDB passes the system's words on, without the number.
    """
    text = str(error)
    if any(os.strerror(number) in text for number in (errno.EMFILE, errno.ENFILE)):
        return (
            "this machine allows too few open files: raise the limit (ulimit -n 4096), then run the same command again"
        )
    full = "No usable temporary directory" in text or _IS_FULL.search(text) is not None
    if isinstance(error, duckdb.OutOfMemoryException) and not full:
        return (
            "this run's names need more memory than laden takes for its notes"
            f"{_limit_told(text)}: set {MEMORY_VARIABLE} to more, such as {MEMORY_VARIABLE}=2G, and run again"
        )
    if full or any(os.strerror(number) in text for number in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS)):
        return _no_room(error)
    return None


def _no_room(error: Exception) -> str:
    """Which disk is full: that of the notes only where it may be."""
    notes = os.environ.get("TMPDIR", tempfile.tempdir or "the temporary folder")
    if isinstance(error, OSError) and is_full(error) and _has_room(notes):
        return str(disk_full(error.filename or "a folder that this run writes to"))
    return f"there is no room for laden's notes in {notes}: free some, or set TMPDIR to another folder, and run again"


def _has_room(folder: str) -> bool:
    try:
        return free_bytes(Path(folder)) > _ROOM_BYTES
    except OSError:
        return False


def _limit_told(text: str) -> str:
    """` (256.0 MiB)`, where DuckDB's error says what the limit was."""
    found = re.search(r"/([0-9.]+ [KMGT]iB) used", text)
    return f" ({found[1]})" if found else ""
