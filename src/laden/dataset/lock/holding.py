"""A source and a lock file, held against each other: archive by archive, member by member.

Either each archive's directory is read as ever and its members are held against the locked ones; or, where a person
wants the reading spared, an archive that is the locked one by length and validator (of one on another machine its
ETag or time; else the end of the file, where a zip's directory and gzip data's checksum are) is listed from the lock.
That is never the last word: whoever reads a member holds its header and its bytes against what the lock says of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from laden.dataset.evidence import Trust
from laden.dataset.lock.file import Lock, LockedArchive, same_names
from laden.dataset.lock.record import tail_of
from laden.dataset.source import Root, entries, opened
from laden.values.errors import SourceError
from laden.values.records import Entry, Finding, Severity


class Holding:
    """A lock file and the archives of a source."""

    def __init__(
        self, lock: Lock, root: Root, archives: Sequence[str], *, believed: bool, trust: Trust | None = None
    ) -> None:
        """See which of the locked archives are here.

        Args:
            lock: that was opened.
            root: of the source.
            archives: that are there.
            believed: whether archives that agree with it are listed from it.
            trust: files that a person trusts more.
        """
        self.lock = lock
        self.here = same_names(list(lock.archives), archives)
        """What a locked archive is called at the source, where it is there."""
        self._locked = {here: lock.archives[name] for name, here in self.here.items()}
        self._root = root
        self._believed = believed
        self._trust = trust or Trust()
        self._agreed: dict[str, bool] = {}

    def agrees(self, archive: str) -> bool:
        """Whether an archive is to be listed from the lock, because it is the locked one; asked of it once."""
        if not self._believed or archive not in self._locked:
            return False
        if archive not in self._agreed:
            try:
                self._agreed[archive] = self._is_it(archive, self._locked[archive])
            except SourceError:
                # Told when its directory is looked for.
                self._agreed[archive] = False
        return self._agreed[archive]

    def listed(self, archive: str, encoding: str | None) -> Iterator[Entry | Finding]:
        """As `laden.dataset.source.entries`, from the lock where it may be, else with the differences from it.

        Findings: `lock-missing`, `lock-other`, `lock-extra`.
        """
        locked = self._locked.get(archive)
        if locked is None:
            yield from entries(self._root, archive, encoding)
        elif self.agrees(archive):
            yield from self.lock.listed(locked.name, archive)
        else:
            here: dict[str, tuple[int, int | None]] = {}
            for one in entries(self._root, archive, encoding):
                yield one
                if isinstance(one, Entry):
                    here[one.member] = one.size_bytes, one.crc32
            for finding in self._differences(archive, locked, here):
                yield self._trust.judged(finding, archive, self.lock.name)

    def unlocked(self, archives: Iterable[str]) -> Iterator[Finding]:
        """Archives that are here and not in the lock; and, told before them, those of which it is the other way."""
        for name in self.lock.archives:
            if name not in self.here:
                message = f"{self.lock.name} names this archive, and it is not here: get it."
                yield Finding("lock-missing", Severity.ERROR, message, archive=name)
        for archive in archives:
            if archive not in self._locked:
                message = f"{self.lock.name} does not name this archive: is one of them of another version?"
                yield Finding("lock-extra", Severity.WARNING, message, archive=archive)

    def _is_it(self, archive: str, locked: LockedArchive) -> bool:
        root = self._root
        with opened(root, archive) as file:
            if file.size_bytes != locked.size_bytes:
                return False
            if (
                not isinstance(root, Path)
                and root.holds(archive)
                and root.is_version(archive, locked.etag, locked.modified)
            ):
                return True
            return locked.tail_bytes is not None and tail_of(file, locked.tail_bytes) == locked.tail_sha256

    def _differences(
        self, archive: str, locked: LockedArchive, here: dict[str, tuple[int, int | None]]
    ) -> Iterator[Finding]:
        """What differs from the locked archive; of one that has nothing in common with it, that alone."""
        missing, other, same = self._compared(locked, here)
        if not same and (missing or other):
            message = f"none of its members is as {self.lock.name} says: is that the lock of another dataset?"
            yield Finding("lock-other", Severity.ERROR, message, archive=archive)
            return
        for member in missing:
            message = f"{self.lock.name} names it, and {archive} does not hold it; download {archive} again."
            yield Finding("lock-missing", Severity.ERROR, message, archive, member)
        for member, why in other:
            message = f"{why}; download {archive} again, or ask which of them is right."
            yield Finding("lock-other", Severity.ERROR, message, archive, member)
        known = {member for member, *_ in self.lock.members(locked.name)}
        for member in here:
            if member not in known:
                message = (
                    f"{archive} holds it, and {self.lock.name} does not name it; is one of them of another version?"
                )
                yield Finding("lock-extra", Severity.WARNING, message, archive, member)
        size_bytes = self._size_bytes(archive)
        if size_bytes != locked.size_bytes and not missing and not other:
            message = (
                f"it has {size_bytes:,} bytes and had {locked.size_bytes:,} when {self.lock.name} was made, but all"
            )
            message += " members that this names are in it, as they were: it was packed anew."
            yield Finding("lock-other", Severity.WARNING, message, archive)

    def _compared(
        self, locked: LockedArchive, here: dict[str, tuple[int, int | None]]
    ) -> tuple[list[str], list[tuple[str, str]], int]:
        """Members that are missing, those that are other and why, and how many are the same."""
        missing: list[str] = []
        other: list[tuple[str, str]] = []
        same = 0
        for member, size_bytes, crc32, _ in self.lock.members(locked.name):
            if member not in here:
                missing.append(member)
            elif here[member][0] != size_bytes:
                other.append((member, f"it has {here[member][0]:,} bytes, and {self.lock.name} says {size_bytes:,}"))
            elif here[member][1] not in (None, crc32):
                other.append((member, f"its CRC-32 is {here[member][1]:08x}, and {self.lock.name} says {crc32:08x}"))
            else:
                same += 1
        return missing, other, same

    def _size_bytes(self, archive: str) -> int:
        with opened(self._root, archive) as file:
            return file.size_bytes
