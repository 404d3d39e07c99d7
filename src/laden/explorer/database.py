"""The embedded database as several threads use it: questions at once, changes one after the other.

Each question has a cursor of its own. Rows that are taken in are made ready outside the lock, so that a long table does
not keep questions of a page waiting.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count, islice
from typing import Any, ClassVar

import duckdb

from laden.relations import Relations
from laden.values import scratch

_AT_ONCE = 10_000
_LOOK_S = 0.05
PACKED = "packed"
"""A database beside the main one, in which tables are compressed by `pack`: a label table to a sixth."""

Parameters = Sequence[object] | Mapping[str, object]


class Shared(Relations):
    """`laden.relations.Relations`, for many threads, and for hours."""

    _SETTINGS: ClassVar[tuple[str, ...]] = (
        # A server gives back what only its beginning needed; DuckDB's allocator does so in these threads alone, and
        # after little more than a page of a listing.
        "SET allocator_background_threads = true",
        "SET allocator_flush_threshold = '16MiB'",
        "SET allocator_bulk_deallocation_flush_threshold = '16MiB'",
        f"ATTACH ':memory:' AS {PACKED} (COMPRESS)",
    )

    _MOST_MB: ClassVar[int | None] = 224
    """What joining manifest and listing of a million takes, a part at a time; the rest lies on the disk meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        # At once, so that nobody who closes it meets somebody who opens it.
        try:
            self._open = self._opened(None)
        except BaseException:
            scratch.remove(self.folder)
            raise
        self._asides = count(1)
        self._lock = threading.RLock()
        self.positions = threading.Lock()
        """Held while items get other positions, and while something is made that goes by positions."""
        self.settled = False
        """Whether labels and marks are with their items; not while these move, or a table is read."""

    def close(self) -> None:
        """Let go of it, also while a thread still changes something, which is given up then: call it from a thread."""
        with self:
            pass

    def __exit__(self, *ended: Any) -> None:
        # What was not begun yet when it was to be given up is so at the next look.
        while not self._lock.acquire(timeout=_LOOK_S):
            self._connection.interrupt()
        try:
            while not self._ended(*ended):
                time.sleep(_LOOK_S)
        finally:
            self._lock.release()

    def _ended(self, *ended: Any) -> bool:
        """Close it; False where a question begins at this very moment, which DuckDB refuses to wait for."""
        try:
            super().__exit__(*ended)
        except duckdb.ResourceInUseException:
            return False
        return True

    def run(self, sql: str, parameters: Parameters = ()) -> int:
        with self._lock:
            return super().run(sql, parameters)

    @contextlib.contextmanager
    def aside(self, columns: str, rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
        """A table for one question, by its name: of its own, for two pages may ask at once."""
        table = f"aside_{next(self._asides)}"
        self.run(f"CREATE TABLE {table} ({columns})")
        try:
            self.feed(table, rows)
            yield table
        finally:
            self.run(f"DROP TABLE {table}")

    def pack(self) -> None:
        """Compress what is in `PACKED`; where somebody is asking it right now, it stays as it is."""
        with contextlib.suppress(self.Error):
            self.run(f"CHECKPOINT {PACKED}")

    def give_back(self) -> None:
        """Give the memory that is free back to the system, at once.

        DuckDB's allocator keeps what was freed for some seconds, which after a long listing is a tenth of all that the
        server takes. It lets go of all of it when the threads are others.
        """
        with self._lock, contextlib.suppress(self.Error):
            (threads,) = self.one("SELECT current_setting('threads')")
            for count in (threads + 1, threads):
                super().run(f"SET threads = {count}")
                self.one("SELECT 1")

    def one(self, sql: str, parameters: Parameters = ()) -> tuple[Any, ...]:
        return self.all(sql, parameters)[0]

    def all(self, sql: str, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
        """All rows of an answer that is known to be short."""
        return list(self.stream(sql, parameters))

    def feed_columns(
        self, table: str, columns: Mapping[str, Any], constants: Mapping[str, object] | None = None
    ) -> None:
        with self._lock:
            super().feed_columns(table, columns, constants)

    def feed(self, table: str, rows: Iterable[tuple[Any, ...]]) -> int:
        count = 0
        pending = iter(rows)
        while batch := list(islice(pending, _AT_ONCE)):
            with self._lock:
                count += super().feed(table, batch)
        return count
