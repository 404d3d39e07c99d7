"""What slows the endpoint down on purpose: latency, bandwidth caps, refusals, cut connections, and all by chance."""

from __future__ import annotations

import random
from dataclasses import dataclass
from time import monotonic

BURST_S = 0.1
"""How much unused request rate may be saved up, in seconds: a bucket as deep as a tenth of a second."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The endpoint's options; 0 switches each of them off."""

    latency_s: float = 0.0
    """Added to every request, once it has arrived whole."""
    connection_bytes_per_s: float = 0.0
    total_bytes_per_s: float = 0.0
    requests_per_s: float = 0.0
    """Blob requests above this are answered 503 ServerBusy with `Retry-After: 1`."""
    cut_every: int = 0
    """Every so many blob bodies, the connection is reset half-way through one."""
    cut_share: float = 0.0
    """Of blob bodies, drawn by chance: the same."""
    refused_share: float = 0.0
    """Of requests that put, drawn by chance: answered 503 ServerBusy without `Retry-After`."""
    down_from_s: float = 0.0
    down_s: float = 0.0
    """For so long every request that puts is refused, from so many seconds after the first one on."""
    verify_md5: bool = False
    serve: str = ""
    """Folder of the files whose bytes are given for blobs, by the last part of their names."""


class Rate:
    """A token bucket for requests: `admit` says whether one more fits now."""

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._depth = max(1.0, per_s * BURST_S)
        self._tokens = self._depth
        self._at_s = monotonic()

    def admit(self) -> bool:
        """Take one token if there is one; always true where the rate is 0 (unlimited)."""
        if not self._per_s:
            return True
        now_s = monotonic()
        self._tokens = min(self._depth, self._tokens + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class Weather:
    """Draws what befalls a request, the same from one start of the endpoint to the next."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self._chance = random.Random(1)
        self._first_s: float | None = None

    def refuses(self) -> bool:
        """Whether one more put is refused."""
        limits = self._limits
        if limits.down_s:
            now_s = monotonic()
            self._first_s = self._first_s or now_s
            if limits.down_from_s <= now_s - self._first_s < limits.down_from_s + limits.down_s:
                return True
        return limits.refused_share > 0 and self._chance.random() < limits.refused_share

    def cuts(self) -> bool:
        """Whether one more body is cut."""
        return self._limits.cut_share > 0 and self._chance.random() < self._limits.cut_share


class Pace:
    """A bandwidth cap: bytes are taken first, and `take` tells how long to pause after them."""

    def __init__(self, bytes_per_s: float) -> None:
        self._bytes_per_s = bytes_per_s
        self._free_at_s = 0.0

    def take(self, size_bytes: int) -> float:
        """Seconds to wait before more may be taken; 0.0 where there is no cap."""
        if not self._bytes_per_s:
            return 0.0
        now_s = monotonic()
        self._free_at_s = max(self._free_at_s, now_s) + size_bytes / self._bytes_per_s
        return self._free_at_s - now_s
