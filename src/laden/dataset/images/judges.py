"""Decodes strangers' images for a verdict: in processes of their own (`child`), one for each thread that asks.

In order: whoever asks takes a process that is idle, or starts one; the file goes there, and its state comes back; the
process is kept for the next. One that dies or takes too long is the end of that process, and a state of that image.
`rest` ends those that are idle, when a run has no more to ask; the last go with this process.
"""

from __future__ import annotations

import atexit
import threading

from laden.dataset.images.child import Decoder, DecodingStopped
from laden.dataset.images.states import Buffer

MEMORY_BYTES = 2 << 30
"""For one image: 134 million pixels of 16 bits and the copies of them that decoders make."""
_TIME_S = 60.0
_LEAST_BYTES_PER_S = 1_000_000
"""Of the file; JPEG 2000 in software takes 10 MB/s."""


class Judges:
    """The processes; used by any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Decoder] = []

    def judge(self, kind: str, data: Buffer) -> tuple[str, str]:
        """State and detail of an image whose pixels a decoder has to see; `kind` is one that `look_at` takes."""
        with self._lock:
            decoder = self._idle.pop() if self._idle else Decoder(memory_bytes=MEMORY_BYTES)
        try:
            return decoder.judge(kind, data, _TIME_S + len(data) / _LEAST_BYTES_PER_S)
        except DecodingStopped as stopped:
            return "image-unchecked", str(stopped)
        finally:
            with self._lock:
                self._idle.append(decoder)

    def rest(self) -> None:
        """End the processes that are idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for decoder in idle:
            decoder.close()


JUDGES = Judges()
atexit.register(JUDGES.rest)
