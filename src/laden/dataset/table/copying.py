"""A long table's copy in the run's private folder, which a thread makes while others read what is there of it.

To decompress a table takes a fifth as long as to read it, and neither needs the interpreter's lock.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from laden.dataset.table import file


class Copy:
    """A copy that grows; what goes wrong with it is raised by whoever wants more of it than there is."""

    def __init__(self, path: Path, target: Path) -> None:
        """Begin to copy a file, decompressed, to another place."""
        self._target = target
        self._size_bytes = 0
        self._ended = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        threading.Thread(target=self._make, args=(path, target), name="copy", daemon=True).start()

    def reach(self, size_bytes: int = sys.maxsize) -> int:
        """Wait until so many bytes are there, or all; returns how many there are.

        Raises:
            SourceError: the file cannot be read to its end, or changed meanwhile.
            OSError: the copy cannot be written.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._size_bytes >= size_bytes)
            if self._size_bytes < size_bytes and self._error is not None:
                raise self._error
            return self._size_bytes

    def _make(self, path: Path, target: Path) -> None:
        error: BaseException | None = None
        try:
            file.copy(path, target, self._grow)
        except BaseException as raised:  # noqa: BLE001 - raised by who waits for it
            error = raised
        with self._changed:
            self._ended, self._error = True, error
            self._changed.notify_all()

    def _grow(self, size_bytes: int) -> None:
        # Of a run that has ended the folder is gone: who would go on would fill a disk for nobody.
        self._target.stat()
        with self._changed:
            self._size_bytes += size_bytes
            self._changed.notify_all()
