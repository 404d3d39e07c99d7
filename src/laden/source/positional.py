"""A file read by position, from many threads at once.

`os.pread` where the system has it; a lock around seek and read where not (Windows). Knows whether the file
changed since it was opened. Does not buffer, and does not interpret a byte.
"""

from __future__ import annotations

import os
import threading
from typing import Self

Buffer = bytes | bytearray | memoryview
"""What readers yield and hashes take."""


class PositionalFile:
    """An open file: `read_at` is safe from any number of threads, `close` only when none of them reads.

    Raises OSError as `open` and `read` do.
    """

    def __init__(self, path: str) -> None:
        # A Path costs as much as the open: with thousands of small files, that tells.
        self._file = open(path, "rb", buffering=0)  # noqa: PTH123, SIM115
        self._lock = threading.Lock()
        self.size_bytes, self.mtime_ns = self._stat()

    def read_at(self, count_bytes: int, offset_bytes: int) -> bytes:
        """Read the bytes from `offset_bytes` on: `count_bytes` of them, fewer only where the file ends."""
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
        """Whether size or modification time are others than when the file was opened."""
        return self._stat() != (self.size_bytes, self.mtime_ns)

    def expect(self, size_bytes: int, mtime_ns: int) -> None:
        """Take it for changed unless it is as it was when somebody opened it before."""
        self.size_bytes, self.mtime_ns = size_bytes, mtime_ns

    def close(self) -> None:
        """Close the file; a second call does nothing."""
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
        return status.st_size, status.st_mtime_ns

    def _read_some(self, count_bytes: int, offset_bytes: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), count_bytes, offset_bytes)
        with self._lock:
            self._file.seek(offset_bytes)
            return self._file.read(count_bytes) or b""
