"""What a folder's files cannot say of themselves, one JSON line per put in `_laden/folder.jsonl`.

A line is `[name, size_bytes, mtime_ns, md5, metadata]` and speaks of one version of a file: the one with that size
and modification time. It is appended before the file gets its name, so that a file of a finished put always has its
line; lines of versions that never came to be, or are gone, mean nothing. Nothing is ever taken out. A line begins
with its line break, so that one torn in half by a crash spoils no other.

Some file systems keep times of 10 milliseconds (exFAT), or of one or two seconds (FAT, HFS+, ext2): there, several
versions of a file may have one size and time, and a line may speak of one that never came to be. Such a time is
`coarse`. What was copied (`cp -r`, a synchronised folder, an unpacked archive) has other times altogether. In both
cases a line holds for a file of its name and size whose bytes hash to the line's MD5: it tells of these bytes.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from laden.store.disk import regular
from laden.values.errors import NameRefused

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
    def is_coarse(self) -> bool:
        """Whether its time has no more than milliseconds, so that it may be other versions' too.

        Of the times in nanoseconds that `laden.store.folder` gives, one in a million looks so, which costs one hash.
        """
        return self.mtime_ns % 1_000_000 == 0

    def etag(self, md5: bytes) -> str:
        """Another one for every version of a name; of one with a coarse time, for every content."""
        text = f"{self.size_bytes}-{self.mtime_ns}"
        return f"{text}-{md5.hex()}" if self.is_coarse else text


class Told(NamedTuple):
    """What a line says of a version."""

    md5: bytes
    metadata: dict[str, str]


class Lines:
    """What is told of versions; the last line about one holds."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, int], list[tuple[int, Told]]] = {}
        """By name and size, which nearly always have one line: its time, and what it says."""

    def add(self, version: Version, told: Told) -> None:
        """Take a line over."""
        self._told.setdefault((version.name, version.size_bytes), []).append((version.mtime_ns, told))

    def of_version(self, version: Version) -> Told | None:
        """What is told of a version by its time; of a coarse one nothing."""
        lines = () if version.is_coarse else self._told.get((version.name, version.size_bytes), ())
        return next((told for mtime_ns, told in reversed(lines) if mtime_ns == version.mtime_ns), None)

    def versions(self) -> Iterator[tuple[Version, Told]]:
        """Each version of a fine time, and what is told of it."""
        for (name, size_bytes), lines in self._told.items():
            for mtime_ns, told in dict(lines).items():
                if not (version := Version(name, size_bytes, mtime_ns)).is_coarse:
                    yield version, told

    def of_content(self, version: Version, md5: bytes) -> Told | None:
        """What is told of a file with these bytes, whatever its time."""
        lines = self._told.get((version.name, version.size_bytes), ())
        return next((told for _, told in reversed(lines) if told.md5 == md5), None)


class Journal:
    """The lines of one folder. Several processes may append at once."""

    def __init__(self, root: Path) -> None:
        self._path = root / JOURNAL

    def append(self, version: Version, told: Told) -> None:
        """Note what is true of a version. Raises `OSError`, and `NameRefused` for a link in the journal's place."""
        self.append_all([(version, told)])

    def append_all(self, notes: Sequence[tuple[Version, Told]]) -> None:
        """The same of several. Raises `OSError`."""
        lines = (
            json.dumps([*version, told.md5.hex(), told.metadata], separators=(",", ":")) for version, told in notes
        )
        text = "".join(f"\n{line}" for line in lines).encode()
        with self._open() as journal:
            if os.write(journal, text) != len(text):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def refuse_link(self) -> None:
        """Raise `NameRefused` where a link lies in its place: what is noted would land elsewhere."""
        if self._path.is_symlink():
            raise NameRefused(f"{self._path} is a link, and nothing is written through one: remove it, and run again")

    @contextlib.contextmanager
    def exclusively(self) -> Iterator[None]:
        """Keep other processes that ask for the same out for as long as the `with` block lasts; not on Windows."""
        with self._open() as journal:
            if fcntl:
                fcntl.flock(journal, fcntl.LOCK_EX)
            yield

    def read(self) -> Lines:
        """Every line that is whole. Raises `OSError`."""
        lines = Lines()
        try:
            with regular(self._path) as journal:
                for raw in journal:
                    with contextlib.suppress(ValueError, TypeError, RecursionError):
                        name, size_bytes, mtime_ns, md5, metadata = json.loads(raw)
                        lines.add(Version(name, size_bytes, mtime_ns), Told(bytes.fromhex(md5), dict(metadata)))
        except FileNotFoundError:
            pass
        return lines

    @contextlib.contextmanager
    def _open(self) -> Iterator[int]:
        self._path.parent.mkdir(exist_ok=True)
        self.refuse_link()
        # A pipe of that name would wait for somebody who reads it, and a link lead out of the folder: with these flags,
        # both are refused.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
        journal = os.open(self._path, flags, 0o644)
        try:
            yield journal
        finally:
            os.close(journal)
