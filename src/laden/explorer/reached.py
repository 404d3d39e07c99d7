"""How a place is reached: by a store and a manage, others once another SAS was given.

What was left is closed as soon as nobody holds it any more: who waits for an answer of it is heard to the end, for what
was asked may have been done. Nothing is opened here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from laden.store import Store
from laden.store.manage import Manage

Ports = tuple[Store, Manage]


class Holders:
    """Who holds what of one place. Of its loop's thread."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._left: list[Ports] = []

    @asynccontextmanager
    async def holding(self, ports: Ports) -> AsyncIterator[None]:
        """Hold these as long as the block lasts."""
        key = id(ports[1])
        self._counts[key] += 1
        try:
            yield
        finally:
            self._counts[key] -= 1
            await self._close()

    async def leave(self, ports: Ports, *, at_once: bool = False) -> None:
        """Nobody begins anything with these any more; `at_once` closes all that was left, whoever holds it."""
        self._left.append(ports)
        await self._close(at_once=at_once)

    async def _close(self, *, at_once: bool = False) -> None:
        for ports in list(self._left):
            if at_once or not self._counts[id(ports[1])]:
                self._left.remove(ports)
                for one in ports:
                    await one.close()
