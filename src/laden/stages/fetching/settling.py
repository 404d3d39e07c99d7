"""Blocks that were written are brought to the disk, and then noted, in a thread beside the one that writes.

All that was written before the disk is asked is there once it answers, so that one answer does for several blocks. Only
so many may wait for it: who writes faster than the disk waits too.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import BinaryIO

_MOST_DUE = 4
"""Blocks that wait for the disk at most: what a kill then costs, and what the system has to keep."""


class Settling:
    """Of one file. Used by one thread."""

    def __init__(self, file: BinaryIO, note: Callable[[list[int]], None]) -> None:
        """Prepare; no thread runs yet.

        Args:
            file: that is written.
            note: notes what is on the disk; nobody else uses the notes until `end`.
        """
        self._file = file
        self._note = note
        self._due: list[int] = []
        self._error: Exception | None = None
        self._ending = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, block: int) -> None:
        """Note a block once what was written is on the disk; raises the OSError of one that could not be."""
        with self._changed:
            self._changed.wait_for(lambda: self._error is not None or len(self._due) < _MOST_DUE)
            self._fail()
            self._due.append(block)
            self._changed.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="laden-settle", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Wait until all are noted, and end the thread; raises OSError as `add`."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._fail()

    def _fail(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._due or self._ending)
                due = list(self._due)
            if not due:
                return
            try:
                os.fsync(self._file.fileno())
                self._note(due)
            except Exception as error:  # noqa: BLE001 - raised where it can be told
                # What the disk lost once it does not lose again: nothing that comes later is noted.
                with self._changed:
                    self._error = error
                    self._changed.notify_all()
                return
            with self._changed:
                del self._due[: len(due)]
                self._changed.notify_all()
