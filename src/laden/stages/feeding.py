"""Takes a listing into the relation `blobs` page by page, in one statement that goes on beside whoever brings pages.

A statement for each page would copy its rows twice, and whoever reads pages would wait meanwhile. Only a few pages are
held; who brings more waits. Nothing of them is seen before the last one is in.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from types import TracebackType

from laden.relations import Relations
from laden.stages.metadata import FEED, KINDS, columns, feed, feed_origins
from laden.store.pages import PlainBlobs
from laden.values.arrow import Column, Stream
from laden.values.records import Blob

_PAGES_AHEAD = 2


class Feeding:
    """Use it as a context: at its end all pages are in the relation, also where they came to an end by an error."""

    def __init__(self, relations: Relations) -> None:
        self._relations = relations
        self._pages: SimpleQueue[PlainBlobs | None] = SimpleQueue()
        self._room = threading.Semaphore(_PAGES_AHEAD)
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def put(self, blobs: Sequence[Blob]) -> None:
        """Add a page. Raises what the database raised at an earlier one."""
        if not isinstance(blobs, PlainBlobs) or not blobs:
            feed(self._relations, blobs)
            return
        feed_origins(self._relations, blobs)
        if self._thread is None:
            self._thread = threading.Thread(target=self._take_in, name="listing", daemon=True)
            self._thread.start()
        self._room.acquire()
        if self._error is not None:
            raise self._error
        self._pages.put(blobs)

    def _take_in(self) -> None:
        try:
            self._relations.absorb_beside(FEED, Stream(KINDS, self._batches()))
        except BaseException as error:  # noqa: BLE001 - raised by who brings pages
            self._error = error
            # Nobody takes any more: who waits is to learn it.
            self._room.release()

    def _batches(self) -> Iterator[tuple[int, tuple[Column, ...]]]:
        while (page := self._pages.get()) is not None:
            yield 2 * len(page), columns(page)
            self._room.release()

    def __enter__(self) -> Feeding:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._pages.put(None)
            self._thread.join()
        if self._error is not None and error is None:
            raise self._error
