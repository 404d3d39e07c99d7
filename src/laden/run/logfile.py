"""A log of a run: every event as a line of JSON with the time, so that the morning can see what the night was like.

It stands before the observer that a verb was given. A run's lines are added to a log that is there, behind a line that
begins it; nothing is written over. Each line goes out at once, so that a killed run leaves what happened. A run adds
10 MB at most: progress is noted once a second at first and half as often each time that many lines were written, of
any other kind so many lines are kept, and what was left out is counted at the end. Secrets are taken out of it.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TextIO

from laden._version import VERSION
from laden.values.events import Event, Observer, Summary, Warned, to_json
from laden.values.ownfiles import LOG_START, is_device, is_log, refuse
from laden.values.room import unwritable
from laden.values.signs import Counted, Progress

MOST_BYTES = 10_000_000
"""Of one run, beside its last lines."""
_DENSE = 2_000
"""Lines of progress after which they come half as often."""
_MOST_OF_A_KIND = 10_000


class LogFile:
    """A context manager around a run; without a path it only passes events on."""

    def __init__(
        self,
        path: Path | None,
        observer: Observer,
        clock: Callable[[], float] = time.time,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """See the module.

        Args:
            path: the file, or None.
            observer: told of every event, before it is noted.
            clock: Unix time, in seconds.
            most_bytes: what a run may add.
        """
        self._path = path
        self._observer = observer
        self._clock = clock
        self._file: TextIO | None = None
        self._room_bytes = most_bytes
        self._counts: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._stride_s = 1.0
        self._noted_s = 0.0
        self._last: Progress | Counted | None = None
        self._ended = False

    def observe(self, event: Event) -> None:
        """Pass an event on, and note it."""
        self._observer(event)
        if self._file is None:
            return
        if isinstance(event, Progress | Counted):
            self._progress(event)
            return
        self._flush()
        self._ended |= isinstance(event, Summary)
        self._note(event)

    def _progress(self, event: Progress | Counted) -> None:
        now_s = self._clock()
        if 0 <= now_s - self._noted_s < self._stride_s:
            self._last = event
            return
        self._noted_s, self._last = now_s, None
        self._note(event)
        if self._counts[event.event] % _DENSE == 0:
            self._stride_s *= 2

    def _flush(self) -> None:
        """Note how far it was, before something else happens."""
        if self._last is not None:
            event, self._last = self._last, None
            self._note(event)

    def _note(self, event: Event) -> None:
        line = to_json(event)
        last = isinstance(event, Summary)
        if not last and (len(line) > self._room_bytes or self._counts[event.event] >= _MOST_OF_A_KIND):
            self._left_out[event.event] += 1
            return
        self._counts[event.event] += 1
        self._room_bytes -= self._write(line)

    def _write(self, line: str) -> int:
        """Write a line of JSON with the time before its fields; how long it was."""
        stamp = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        stamped = f'{{"time": "{stamp}", {line[1:]}\n'
        if self._file is not None:
            try:
                self._file.write(stamped)
            except OSError as error:
                self._close()
                self._observer(Warned(f"the log {self._path} ends here ({error.strerror}); the run goes on without it"))
        return len(stamped)

    def __enter__(self) -> LogFile:
        """Open the file; raises `UsageError` where it cannot be written, or is no log."""
        if self._path is None:
            return self
        refuse(self._path, is_log, "log", "--log")
        try:
            self._file = _opened(self._path)
            self._file.write(f"{LOG_START}, {json.dumps(VERSION)}]}}\n")
        except OSError as error:
            self._close()
            raise unwritable(self._path, "log", "--log", error) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flush()
        if self._left_out:
            self._write(json.dumps({"event": "left-out", **self._left_out}))
        if not self._ended and kind is not None:
            self._write(json.dumps({"event": "broken-off", "by": kind.__name__}))
        self._close()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            # What could not be written was told when it was to be.
            with suppress(OSError):
                file.close()


def _opened(path: Path) -> TextIO:
    """A log to write at the end of, on a line of its own: a run before may have been killed within one."""
    if is_device(path):
        return path.open("w", buffering=1, encoding="utf-8")
    flags = os.O_APPEND | os.O_CREAT | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, flags, 0o666), "w", buffering=1, encoding="utf-8", newline="\n")
    with path.open("rb") as before:
        if before.seek(0, os.SEEK_END) and before.seek(-1, os.SEEK_END) >= 0 and before.read() != b"\n":
            file.write("\n")
    return file
