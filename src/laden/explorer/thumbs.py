"""Small pictures, kept in a private folder as long as the server runs, and no more of them than fit.

Kept by the MD5 of the file, so a copy under another name costs nothing. The folder is this user's alone, for it shows
patients: it is gone with the server, and where that was killed, with the next run.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

from laden.values import scratch

_MOST_BYTES = 256 << 20


class Thumbs:
    """A bounded cache of pictures."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._folder = scratch.make()
        self._most_bytes = most_bytes
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """The picture of that key, where it is kept."""
        name = _name(key)
        with self._lock:
            if name not in self._sizes:
                return None
            self._sizes.move_to_end(name)
            return (self._folder / name).read_bytes()

    def put(self, key: str, picture: bytes) -> None:
        """Keep a picture, and let go of those that were not asked for longest."""
        name = _name(key)
        with self._lock:
            (self._folder / name).write_bytes(picture)
            self._sizes[name] = len(picture)
            self._sizes.move_to_end(name)
            while sum(self._sizes.values()) > self._most_bytes:
                old, _ = self._sizes.popitem(last=False)
                (self._folder / old).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove all of them."""
        scratch.remove(self._folder)


def _name(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
