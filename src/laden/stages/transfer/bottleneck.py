"""What limits a transfer, in one word: the link, `--limit`, the disk or the processor.

Bytes wait in the window either to be read or to be sent. Where most of them were read, the link is what they wait for,
or the cap, if it mostly had turns given away already.
Else reading is: the processor, if this process keeps about a core busy, and the disk (or the network that it is on)
if not. What the service refuses is told by the retries, not here.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_SPAN_S = 1.0
"""Looked at this often; what is between is averaged."""
_BUSY = 0.8
"""Of a core: inflating and hashing keep it busy, waiting for a disk does not."""


class Bottleneck:
    """Looks on while a transfer runs."""

    def __init__(
        self,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        processor: Callable[[], float] = time.process_time,
        *,
        capped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Tell what limits, when that changes.

        Args:
            tell: told the word.
            clock: seconds since any moment.
            processor: seconds of processor time.
            capped: whether the cap on what is sent holds something back right now.
        """
        self._tell = tell
        self._capped = capped
        self._clock = clock
        self._processor = processor
        self._began_s = clock()
        self._busy_s = processor()
        self._unread_bytes = self._unsent_bytes = 0
        self._looked_s = self._began_s
        self._waited_s = self._ready_s = self._held_s = 0.0
        """How long bytes waited, of that to be sent, and held by the cap; each moment counts as long as it lasted."""
        self._share: float | None = None
        """Of the bytes that wait, those that were read; None where none do."""
        self._word = ""

    def taken(self, size_bytes: int) -> None:
        """So many bytes wait to be read, or if negative no longer do."""
        self._unread_bytes += size_bytes
        self._look()

    def read(self, size_bytes: int) -> None:
        """So many of them were read, and wait to be sent."""
        self._unread_bytes -= size_bytes
        self._unsent_bytes += size_bytes
        self._look()

    def sent(self, size_bytes: int) -> None:
        """So many of those are settled."""
        self._unsent_bytes -= size_bytes
        self._look()

    def _look(self) -> None:
        now_s = self._clock()
        lasted_s, self._looked_s = now_s - self._looked_s, now_s
        self._waited_s += lasted_s if self._share is not None else 0.0
        self._ready_s += lasted_s * (self._share or 0.0)
        self._held_s += lasted_s * self._capped()
        waiting_bytes = self._unread_bytes + self._unsent_bytes
        self._share = self._unsent_bytes / waiting_bytes if waiting_bytes else None
        span_s = now_s - self._began_s
        if span_s < _SPAN_S or not self._waited_s:
            return
        busy_s = self._processor()
        if self._ready_s >= self._waited_s / 2:
            word = "--limit" if self._held_s >= self._waited_s / 2 else "link"
        else:
            word = "processor" if busy_s - self._busy_s >= _BUSY * span_s else "disk"
        self._began_s, self._busy_s = now_s, busy_s
        self._waited_s = self._ready_s = self._held_s = 0.0
        if word != self._word:
            self._word = word
            self._tell(word)
