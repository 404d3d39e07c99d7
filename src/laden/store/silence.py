"""Tells silence from slowness: requests are under way, and for some seconds not a byte of any of them has moved.

Looked at once a second by whoever holds the connections. Bytes count that the other side acknowledged, where the
system tells them, and those that came in, so a body on a slow line is no silence; nor is waiting for the cap on what is
sent, or for whoever takes an answer's body. Looks are counted, not seconds: a process that was suspended sees what came
meanwhile first. It decides nothing: a silent request is given up by its connection, much later.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

LOOK_S = 1.0
"""Between two looks."""


class Asking(Protocol):
    """A connection, as far as it matters here."""

    @property
    def is_asking(self) -> bool:
        """Whether it waits for an answer."""

    @property
    def is_held(self) -> bool:
        """Whether it waits for this side."""

    def moved_bytes(self) -> int:
        """What has come in, and what the other side has taken."""


class Silence:
    """Looks on."""

    def __init__(self) -> None:
        self._mark = (0, 0)
        self._still = 0

    def look(self, connections: Iterable[Asking]) -> float | None:
        """For how many seconds nothing has moved; None where nothing is asked."""
        asking = [one for one in connections if one.is_asking]
        mark = len(asking), sum(one.moved_bytes() for one in asking)
        still = mark == self._mark and not any(one.is_held for one in asking)
        self._still = self._still + 1 if still else 0
        self._mark = mark
        return self._still * LOOK_S if asking else None
