"""A small file of the explorer's own in the working folder: read whole, and changed by one server at a time.

In order, for a change: other servers of this folder are kept out (`alone`); the file is read anew, only where it is a
regular one and not too long (`read`); and what it is to be is put in its place in one step (`write`), so that nobody
reads half of it. What is written is never longer than what is read. What the file means is not known here.

Servers keep each other out by a lock on the folder, so that no other file is left there: not on Windows, nor on file
systems that have none.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from laden.store.disk import regular
from laden.values.errors import BlobMissing, UsageError
from laden.values.ownfiles import placed

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_PATIENCE_S = 10
"""Another server has the file for milliseconds; one that was halted within them must keep nobody waiting for ever."""
_LOOK_S = 0.01


class KeptFile:
    """One of them. Its methods block: call them from threads."""

    def __init__(self, path: Path, what: str, most_bytes: int) -> None:
        """Nothing is opened yet; `what` it holds, for people: `marks`."""
        self.path = path
        self._what = what
        self._most_bytes = most_bytes
        self._lock = threading.Lock()

    def read(self) -> bytes | None:
        """All of it; None where there is no such file.

        Raises:
            UsageError: it cannot be read, is no regular file, or is too long.
        """
        try:
            with regular(self.path) as file:
                data = file.read(self._most_bytes + 1)
        except FileNotFoundError:
            return None
        except BlobMissing:
            raise UsageError(
                f"{self.path} is no file but a pipe, a socket or a device, which is never opened: move it away, for"
                f" the {self._what} are to be kept there"
            ) from None
        except OSError as error:
            raise UsageError(f"the {self._what} cannot be read from {self.path} ({error.strerror})") from None
        if len(data) > self._most_bytes:
            raise UsageError(f"{self.path} has more than {self._most_bytes >> 20} MiB, so it is not read: move it away")
        return data

    def version(self) -> tuple[int, ...]:
        """Another one once somebody has changed it; empty where there is no such file, or it cannot be looked at."""
        try:
            status = self.path.stat()
        except OSError:
            return ()
        return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep others out who would change it; raises `UsageError` where another one does not let go of it."""
        with self._lock, contextlib.ExitStack() as ended:
            if fcntl:
                try:
                    folder = os.open(self.path.parent, os.O_RDONLY)
                except OSError as error:
                    raise UsageError(
                        f"the {self._what} cannot be written to {self.path.parent} ({error.strerror})"
                    ) from None
                ended.callback(os.close, folder)
                self._wait(folder)
            yield

    def _wait(self, folder: int) -> None:
        until_s = time.monotonic() + _PATIENCE_S
        with contextlib.suppress(OSError):  # a file system without locks
            while not _locked(folder):
                if time.monotonic() >= until_s:
                    raise UsageError(
                        f"another program keeps {self.path.parent} locked, so the {self._what} there were not changed:"
                        " try again"
                    )
                time.sleep(_LOOK_S)

    def write(self, data: bytes) -> None:
        """Put it in place.

        Raises:
            UsageError: it would be too long to be read again, cannot be written, or a link lies there.
        """
        if len(data) > self._most_bytes:
            raise UsageError(
                f"{self.path} holds {self._most_bytes >> 20} MiB of {self._what} at most, and would hold more: let go"
                " of some first; nothing was changed"
            )
        if self.path.is_symlink():
            raise UsageError(f"{self.path} is a link, and no {self._what} are written through one: move it away")
        try:
            with placed(self.path, Path.is_file) as file:
                file.write(data)
        except OSError as error:
            raise UsageError(f"the {self._what} cannot be written to {self.path} ({error.strerror})") from None


def _locked(folder: int) -> bool:
    """Lock an open folder; False where somebody else has it. Raises `OSError`."""
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
