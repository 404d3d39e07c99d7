"""A store that is read from within a program: in a thread with a loop of its own, of one process.

Each image is held against what is known of it (`proved`), and read again where it is not that.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Sequence
from typing import NamedTuple

from isal.isal_zlib import crc32

from laden.stages.download import Wanted, WrongBytes, proved, read_whole, reading
from laden.store import Store, open_store, parse_destination
from laden.store.access import Access, Renewal
from laden.store.sas import lacking_for_verify
from laden.values.errors import StoreError

_ATTEMPTS = 3


class Settings(NamedTuple):
    """How a process reaches the destination."""

    destination: str
    connections: int | None
    sas_command: str | None


class Connection:
    """A store in a thread with a loop of its own; of one process."""

    def __init__(self, settings: Settings) -> None:
        self.pid = os.getpid()
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._store: Store | None = None
        self._access: Access | None = None
        self._thread = threading.Thread(target=self._serve, name="laden-images", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._close())
            self._loop.close()

    def read(self, items: Sequence[Wanted]) -> list[bytes]:
        return asyncio.run_coroutine_threadsafe(self._read_all(items), self._loop).result()

    def stop(self) -> None:
        """Ask the thread to end; not from a process that was forked, where there is none."""
        if self.pid == os.getpid() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._loop.stop)

    def close(self) -> None:
        self.stop()
        self._thread.join()

    async def _close(self) -> None:
        if self._store is not None:
            await self._store.close()
        if self._access is not None:
            self._access.close()

    async def _read_all(self, items: Sequence[Wanted]) -> list[bytes]:
        if self._store is None:
            target = parse_destination(self._settings.destination)
            self._access = Access(target, lacking_for_verify, Renewal(self._settings.sas_command))
            self._store = open_store(target, connections=self._settings.connections, sas=self._access.source)
        return await asyncio.gather(*(_proved(self._store, item) for item in items))


async def _proved(store: Store, item: Wanted) -> bytes:
    """The bytes of an item, held against what is known of it; read again where they are not."""
    wrong = ""
    for _ in range(_ATTEMPTS):
        try:
            data = await read_whole(reading(store), item)
        except WrongBytes as error:
            wrong = str(error)
            continue
        if not (wrong := await asyncio.to_thread(_wrong, item, data)):
            return data
    raise StoreError(f"{item.blob} is not what the manifest says: {wrong}; see 'laden verify --deep all'")


def _wrong(item: Wanted, data: bytes) -> str:
    return proved(item, len(data), hashlib.md5(data, usedforsecurity=False).digest(), crc32(data))
