"""What a folder's files cannot say of themselves, one JSON line per put in `_laden/folder.jsonl`.

A line is `[name, size_bytes, mtime_ns, md5, metadata]` and speaks of one version of a file: the one with that size
and modification time. It is appended before the file gets its name, so that a file of a finished put always has its
line; lines of versions that never came to be, or are gone, mean nothing. Nothing is ever taken out. A line begins
with its line break, so that one torn in half by a crash spoils no other.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

JOURNAL = "_laden/folder.jsonl"


class Version(NamedTuple):
    """One version of a file."""

    name: str
    size_bytes: int
    mtime_ns: int

    @property
    def etag(self) -> str:
        """Another one for every version of a name: `laden.store.folder` gives each a time in nanoseconds."""
        return f"{self.size_bytes}-{self.mtime_ns}"


class Told(NamedTuple):
    """What a line says of a version."""

    md5: bytes
    metadata: dict[str, str]


class Journal:
    """The lines of one folder. Several processes may append at once."""

    def __init__(self, root: Path) -> None:
        self._path = root / JOURNAL

    def append(self, version: Version, told: Told) -> None:
        """Note what is true of a version. Raises `OSError`."""
        line = b"\n" + json.dumps([*version, told.md5.hex(), told.metadata], separators=(",", ":")).encode()
        with self._open() as journal:
            if os.write(journal, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @contextlib.contextmanager
    def exclusively(self) -> Iterator[None]:
        """Keep other processes that ask for the same out for as long as the `with` block lasts; not on Windows."""
        with self._open() as journal:
            if fcntl:
                fcntl.flock(journal, fcntl.LOCK_EX)
            yield

    def read(self) -> dict[Version, Told]:
        """Every line that is whole. Raises `OSError`."""
        lines: dict[Version, Told] = {}
        try:
            with self._path.open("rb") as journal:
                for raw in journal:
                    with contextlib.suppress(ValueError, TypeError, RecursionError):
                        name, size_bytes, mtime_ns, md5, metadata = json.loads(raw)
                        lines[Version(name, size_bytes, mtime_ns)] = Told(bytes.fromhex(md5), dict(metadata))
        except FileNotFoundError:
            pass
        return lines

    @contextlib.contextmanager
    def _open(self) -> Iterator[int]:
        self._path.parent.mkdir(exist_ok=True)
        journal = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            yield journal
        finally:
            os.close(journal)
