"""A store that is read from within a program: in a thread with a loop of its own, of one process.

Each image is held against what is known of it (`proved`), and read again where it is not that. A large one is read of
the version that was listed; where that is gone, of the one that is there: its bytes count, not who touched it.
What is read when the connection is let go ends with a sentence, and nobody waits for a thread that ended.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from typing import NamedTuple

from isal.isal_zlib import crc32

from laden.stages.download import Wanted, WrongBytes, is_large, proved, read_whole, reading
from laden.store import Store, open_store, parse_destination
from laden.store.access import Access, Renewal
from laden.store.sas import lacking_for_verify
from laden.values.errors import BlobConflict, BlobMissing, StoreError

_ATTEMPTS = 3
_CLOSED = "{what} was being read when the dataset was closed: read it again, which connects anew"
_NEXT = "load it again, or open the dataset anew without it; 'laden verify --deep all' names all that is lost"


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
        self._lock = threading.Lock()
        self._ended = False
        self._store: Store | None = None
        self._access: Access | None = None
        self._thread = threading.Thread(target=self._serve, name="laden-images", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._close())
        finally:
            self._loop.close()

    def begin(self, items: Sequence[Wanted]) -> Reading:
        """Begin to read images, all at once.

        Raises:
            StoreError: the connection was let go.
        """
        with self._lock:
            if self._ended:
                raise StoreError(_CLOSED.format(what=_what(items)))
            return Reading(items, asyncio.run_coroutine_threadsafe(self._read_all(items), self._loop))

    def stop(self) -> None:
        """Ask the thread to end; not from a process that was forked, where there is none."""
        if self.pid != os.getpid():
            return
        with self._lock:
            if not self._ended:
                self._ended = True
                self._loop.call_soon_threadsafe(self._loop.stop)

    def close(self) -> None:
        self.stop()
        self._thread.join()

    async def _close(self) -> None:
        """Let go; who waits for an image is told so first."""
        pending = asyncio.all_tasks() - {asyncio.current_task()}
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
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


class Reading(NamedTuple):
    """Images that are being read."""

    items: Sequence[Wanted]
    coming: Future[list[bytes]]

    def wait(self) -> list[bytes]:
        """Their bytes, proved; raises StoreError."""
        try:
            return self.coming.result()
        except CancelledError:
            raise StoreError(_CLOSED.format(what=_what(self.items))) from None


def _what(items: Sequence[Wanted]) -> str:
    return items[0].blob if len(items) == 1 else f"a batch of {len(items):,}"


async def _proved(store: Store, item: Wanted) -> bytes:
    """The bytes of an item, held against what is known of it; read again where they are not."""
    # Of a small one, in one request, its bytes are all that counts.
    wrong, wanted = "", item if is_large(item) else item._replace(etag=None)
    for _ in range(_ATTEMPTS):
        try:
            data = await read_whole(reading(store), wanted)
        except WrongBytes as error:
            wrong = str(error)
            continue
        except BlobConflict:
            # Metadata or a tier were set, or it was put again: another version, and perhaps of the same bytes.
            wrong, wanted = "it changes all the time", item._replace(etag=None)
            continue
        except BlobMissing:
            raise StoreError(f"{item.blob} is gone since the dataset was opened: {_NEXT}") from None
        if not (wrong := await asyncio.to_thread(_wrong, wanted, data)):
            return data
    raise StoreError(f"{item.blob} is not what the manifest says: {wrong}; {_NEXT}")


def _wrong(item: Wanted, data: bytes) -> str:
    return proved(item, len(data), hashlib.md5(data, usedforsecurity=False).digest(), crc32(data))
