"""A file read by position, from many threads at once.

`os.pread` where the system has it; a lock around seek and read where not (Windows). Knows whether the file
changed since it was opened. Does not buffer, and does not interpret a byte.
"""

from __future__ import annotations

import errno
import io
import os
import threading
from typing import Protocol, Self

Buffer = bytes | bytearray | memoryview
"""What readers yield and hashes take."""

_TIMES = 1 << 63
"""As many as a column of the relations holds on either side of 1970."""


class ArchiveFile(Protocol):
    """What an archive's bytes are read from: one file, or the parts of one (`laden.dataset.source.parts`)."""

    size_bytes: int
    stamp: tuple[int, ...]
    """Sizes and modification times, as they are expected to stay."""
    raw_names: dict[int, bytes] | None
    """Of a zip, once it was asked for: the bytes of each member's name in the directory, by the header's offset."""

    @property
    def mtime_ns(self) -> int:
        """When it was modified last, as far as is expected."""

    def read_at(self, count_bytes: int, offset_bytes: int) -> bytes:
        """Read the bytes from `offset_bytes` on: `count_bytes` of them, fewer only where the file ends."""

    def changed(self) -> bool:
        """Whether size or modification time are others than expected."""

    def close(self) -> None:
        """Close it; a second call does nothing."""


def time_ns(status: os.stat_result) -> int:
    """When a file was modified last, in nanoseconds since 1970 as a number that 63 bits hold.

    They do from the year 1678 to 2262; other times, which clocks and tools get wrong, are counted round from there, so
    that two of them stay two.
    """
    time = status.st_mtime_ns
    return time if -_TIMES <= time < _TIMES else time % _TIMES


class PositionalFile:
    """An open file: `read_at` is safe from any number of threads, `close` only when none of them reads.

    Raises OSError as `open` and `read` do.
    """

    def __init__(self, path: str) -> None:
        # A Path costs as much as the open: with thousands of small files, that tells.
        self._file = open(path, "rb", buffering=0)  # noqa: PTH123, SIM115
        self._lock = threading.Lock()
        self.stamp: tuple[int, ...] = self._stat()
        self.size_bytes = self.stamp[0]
        self.raw_names: dict[int, bytes] | None = None

    @property
    def mtime_ns(self) -> int:
        return self.stamp[1]

    def read_at(self, count_bytes: int, offset_bytes: int) -> bytes:
        first = self._read_some(count_bytes, offset_bytes)
        if len(first) == count_bytes or not first:
            return first
        # One call may give less than asked for: Linux stops at 2 GiB, network file systems where they like.
        parts, read_bytes = [first], len(first)
        while read_bytes < count_bytes:
            part = self._read_some(count_bytes - read_bytes, offset_bytes + read_bytes)
            if not part:
                break
            parts.append(part)
            read_bytes += len(part)
        return b"".join(parts)

    def changed(self) -> bool:
        return self._stat() != self.stamp

    def close(self) -> None:
        self._file.close()

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _stat(self) -> tuple[int, int]:
        status = os.fstat(self._file.fileno())
        return status.st_size, time_ns(status)

    def _read_some(self, count_bytes: int, offset_bytes: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), count_bytes, offset_bytes)
        with self._lock:
            self._file.seek(offset_bytes)
            return self._file.read(count_bytes) or b""


class InOrder(io.RawIOBase):
    """The same bytes for those who read one after the other: libraries that take a file object. Not shared."""

    def __init__(self, file: ArchiveFile) -> None:
        self._file = file
        self._at_bytes = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start_bytes = {os.SEEK_SET: 0, os.SEEK_CUR: self._at_bytes, os.SEEK_END: self._file.size_bytes}[whence]
        if start_bytes + offset < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._at_bytes = start_bytes + offset
        return self._at_bytes

    def tell(self) -> int:
        return self._at_bytes

    def readinto(self, buffer: Buffer) -> int:  # type: ignore[override]
        data = self._file.read_at(len(buffer), self._at_bytes)
        memoryview(buffer)[: len(data)] = data
        self._at_bytes += len(data)
        return len(data)
