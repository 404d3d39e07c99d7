"""The embedded database in which plan, verification and manifest are questions.

One DuckDB in memory per run, opened by its first statement, for many a run ends before that. It spills to a private
temporary folder, removed afterwards, when its share of memory is used up. The share grows with the threads, which need
some each, up to a quarter of what the machine (or the container that this process is in) has; `LADEN_MEMORY` sets
another. It is locked before anything else happens: no file
outside that folder, no extension, no setting but the number of threads can be reached by any text that a user or a file
supplies. Relations are fed in batches of NumPy columns, or straight from memory as Arrow columns (`absorb`), without
any Python object. Without ORDER BY, an answer has no order. What of its errors is this machine's, `trouble` says.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

import duckdb
import numpy as np

from laden.relations.statements import executed
from laden.values import scratch
from laden.values.arrow import Stream
from laden.values.columns import Column, as_array, is_absent
from laden.values.memory import THREAD_MB, asked_mb, database_share

BATCH_ROWS = 50_000
"""Fed at once: enough to be quick, and some 30 MB at most."""

_FEW_ROWS = 20_000
"""What one thread joins in less time than it takes to wake another for each of a run's statements."""

IMAGE_COLUMNS = """
    blob VARCHAR NOT NULL, archive VARCHAR NOT NULL, member VARCHAR NOT NULL, size_bytes BIGINT NOT NULL,
    md5 VARCHAR NOT NULL, crc32 BIGINT NOT NULL, key VARCHAR NOT NULL,
    kind VARCHAR NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, bits INTEGER NOT NULL,
    state VARCHAR NOT NULL, known VARCHAR NOT NULL, identity VARCHAR NOT NULL"""
"""Of images as a manifest has them. Columns that may hold nulls would be encoded by how they were computed; these only
by their values."""

_SCHEMA = f"""
CREATE TABLE entries (
    archive VARCHAR, member VARCHAR, size_bytes BIGINT, crc32 BIGINT, mtime_ns BIGINT,
    offset_bytes BIGINT, stored_bytes BIGINT, method INTEGER,
    id BIGINT, key VARCHAR, home VARCHAR, blob VARCHAR, place VARCHAR);
CREATE TABLE rows (
    row BIGINT, key VARCHAR, name VARCHAR, home VARCHAR, blob VARCHAR, usable BOOLEAN, selected BOOLEAN,
    place VARCHAR);
CREATE TABLE table_starts (name VARCHAR, before BIGINT);
CREATE TABLE sizes (row BIGINT, width INTEGER, height INTEGER);
CREATE TABLE blobs (
    name VARCHAR, size_bytes BIGINT, md5 VARCHAR, etag VARCHAR,
    crc32 BIGINT, source_bytes BIGINT, mtime_ns BIGINT, image VARCHAR, source VARCHAR);
CREATE TABLE origins (name VARCHAR, origin VARCHAR);
CREATE TABLE odd (name VARCHAR, what VARCHAR);
CREATE TABLE known ({IMAGE_COLUMNS});
CREATE TABLE receipts (
    blob VARCHAR, archive VARCHAR, member VARCHAR, outcome VARCHAR, size_bytes BIGINT, md5 VARCHAR, crc32 BIGINT,
    kind VARCHAR, width INTEGER, height INTEGER, bits INTEGER, state VARCHAR, identity VARCHAR);
CREATE TABLE misled (row BIGINT);
CREATE TABLE findings (
    code VARCHAR NOT NULL, severity VARCHAR NOT NULL, message VARCHAR NOT NULL, archive VARCHAR NOT NULL,
    member VARCHAR NOT NULL, row BIGINT, blob VARCHAR NOT NULL);
"""


_TABLES: dict[str, str] = dict(re.findall(r"TABLE (\w+) \((.*?)\);", _SCHEMA, re.DOTALL))
_TYPES = {
    table: {name: kind for name, kind, *_ in (column.split() for column in columns.split(","))}
    for table, columns in _TABLES.items()
}
"""Of the tables that every run has, whose columns never change: asking each time would cost a statement."""


class Relations:
    """The tables of one run.

    `rows`, `table_starts` (where those of each table begin), `sizes` (that rows give images), `entries`, `blobs`,
    `origins` (of those that came from other machines), `odd` (names under which no plain file lies), `known` (an
    earlier manifest), `receipts`, `misled` (rows whose blob is there as another image's), `findings`.
    """

    Error = duckdb.Error
    """What a statement raises that cannot be executed."""
    _SETTINGS: ClassVar[tuple[str, ...]] = ("SET checkpoint_threshold = '1TB'",)
    """Statements before the lock, of a kind of database. By itself one compresses tables while they are filled, which
    takes longer than to fill them; without that, rows that were deleted keep their room (`clear`)."""
    _MOST_MB: ClassVar[int | None] = None
    """What a kind of database takes at most, unless `LADEN_MEMORY` says otherwise; threads stay as they are."""

    def __init__(self, most_mb: int | None = None) -> None:
        """Make one, which takes its share of the memory, or `most_mb` MiB of it where it is one of several."""
        asked_mb()
        scratch.sweep()
        self.folder = scratch.make()
        self._most_mb = most_mb
        self._opening = threading.Lock()
        self._open: duckdb.DuckDBPyConnection | None = None
        self._rows = 0
        self._threads = 1
        """How many there are to be once there is much to do."""
        self._grown = self._alone = False

    @property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        """Opened when it is first asked for, by whichever thread."""
        if self._open is None:
            with self._opening:
                if self._open is None:
                    self._open = self._opened(self._most_mb)
        return self._open

    def _opened(self, most_mb: int | None) -> duckdb.DuckDBPyConnection:
        # It reads files of its own alone, and few: threads that wait for those would only have to be begun.
        connection = duckdb.connect(":memory:", config={"memory_limit": "25%", "async_threads": 1})
        own = str(self.folder).replace("'", "''")
        memory_mb, self._threads = _share(connection, self._MOST_MB)
        if most_mb is not None and most_mb < memory_mb:
            memory_mb, self._threads = most_mb, max(1, min(self._threads, most_mb // THREAD_MB))
        settings = (
            f"SET allowed_directories = ['{own}']",
            f"SET temp_directory = '{own}'",
            f"SET memory_limit = '{memory_mb}MiB'",
            "SET threads = 1",
            "SET preserve_insertion_order = false",
            # It would write to standard output, which belongs to the summary.
            "SET enable_progress_bar = false",
            "SET autoinstall_known_extensions = false",
            "SET autoload_known_extensions = false",
            *self._SETTINGS,
            "SET enable_external_access = false",
            "SET allowed_configs = ['threads']",
            "SET lock_configuration = true",
            _SCHEMA,
        )
        connection.execute(";".join(settings))
        return connection

    def _took_in(self, answer: duckdb.DuckDBPyConnection) -> int:
        """How many rows a statement made; once they are many, statements get all threads."""
        rows = made[0][0] if (made := answer.fetchall()) and isinstance(made[0][0], int) else 0
        self._rows += rows
        if self._rows > _FEW_ROWS:
            self._grow()
        return rows

    def _grow(self) -> None:
        """Have statements done by all threads from now on."""
        if self._threads > 1 and not (self._grown or self._alone):
            self._connection.execute(f"SET threads = {self._threads}")
            self._grown = True

    @contextmanager
    def one_thread(self) -> Iterator[None]:
        """Have statements done by one thread: where each takes in little, others would only be in its way."""
        if self._grown:
            self._connection.execute("SET threads = 1")
        self._grown, self._alone = False, True
        try:
            yield
        finally:
            self._alone = False
            if self._rows > _FEW_ROWS:
                self._grow()

    def run(self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> int:
        """Execute a statement; returns how many rows it made, changed or deleted (of several statements, the last)."""
        return self._took_in(executed(self._connection, sql, parameters))

    def run_within(self, sql: str, limit_s: float) -> bool:
        """Execute a statement that somebody else wrote; False if it was ended for taking too long.

        It runs beside the calling thread, so that a signal is seen at once and ends it, too.
        """
        failed: list[BaseException] = []
        ended = threading.Event()

        def work() -> None:
            try:
                self._connection.execute(sql)
            except duckdb.Error as error:
                failed.append(error)
            finally:
                ended.set()

        threading.Thread(target=work, name="statement", daemon=True).start()
        in_time = False
        try:
            # An event, for a signal that comes during `join` leaves a thread that only seems to have ended; in short
            # steps, for not every system lets a signal through to one that waits.
            ends_s = time.monotonic() + limit_s
            while not (in_time := ended.wait(0.05)) and time.monotonic() < ends_s:
                pass
        finally:
            while not ended.is_set():
                # One call is not enough: it is forgotten where the statement has not begun yet.
                self._connection.interrupt()
                ended.wait(0.05)
        if not in_time:
            return False
        if failed:
            raise failed[0]
        return True

    def one(self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> tuple[Any, ...]:
        """The first row of an answer, which has few: one that was not read to its end stands in the next one's way."""
        row: tuple[Any, ...] = executed(self._connection, sql, parameters).fetchall()[0]
        return row

    def has(self, table: str) -> bool:
        """Whether there is a table of laden's own, which some stage makes."""
        if self._open is None:
            return table in _TABLES
        try:
            return not list(self.stream(f"FROM {table} LIMIT 0"))
        except duckdb.CatalogException:
            return False

    def stream(self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of an answer, in constant memory, unharmed by other statements meanwhile."""
        cursor = self._connection.cursor()
        try:
            executed(cursor, sql, parameters)
            while rows := cursor.fetchmany(2048):
                yield from rows
        finally:
            cursor.close()

    def feed(self, table: str, rows: Iterable[tuple[Any, ...]]) -> int:
        """Append rows (tuples in the order of the table's columns) in batches; returns how many."""
        count = 0
        pending = iter(rows)
        while batch := list(islice(pending, BATCH_ROWS)):
            self.feed_columns(table, dict(zip(self._types(table), zip(*batch, strict=True), strict=True)))
            count += len(batch)
        return count

    def clear(self, *tables: str) -> None:
        """Forget all rows of tables that every run has, and give back their room, which `DELETE` does not."""
        self.run(";".join(f"CREATE OR REPLACE TABLE {table} ({_TABLES[table]})" for table in tables))

    def absorb(self, statement: str, stream: Stream, parameters: Sequence[object] = ()) -> None:
        """Execute a statement that reads the relation `batch`: the columns of a stream; raises what that raises."""
        if stream.long:
            self._grow()
        self._connection.register("batch", stream)
        try:
            self._took_in(executed(self._connection, statement, parameters))
        except duckdb.Error:
            if stream.error is not None:
                raise stream.error from stream.error.__cause__
            raise
        finally:
            self._connection.unregister("batch")

    def absorb_beside(self, statement: str, stream: Stream) -> None:
        """As `absorb`, beside other statements, which see all that it did once it has ended: for a thread."""
        with self._connection.cursor() as cursor:
            cursor.register("batch", stream)
            try:
                cursor.execute(statement)
            except duckdb.Error:
                if stream.error is not None:
                    raise stream.error from stream.error.__cause__
                raise

    def numbers(self, sql: str, parameters: Sequence[object] = ()) -> np.typing.NDArray[np.int64]:
        """The one column of an answer that has whole numbers and no NULL, whole."""
        (column,) = executed(self._connection, sql, parameters).fetchnumpy().values()
        return np.asarray(column, dtype=np.int64)

    def feed_columns(
        self, table: str, columns: Mapping[str, Column], constants: Mapping[str, object] | None = None
    ) -> None:
        """Append one batch of rows; columns of the table that are not named are NULL.

        Args:
            table: its name.
            columns: their values by name, one or more columns, all of one length; `BATCH_ROWS` are enough at once.
            constants: the values of columns that are the same in all of these rows.
        """
        types, constants = self._types(table), constants or {}
        columns = {name: column for name, column in columns.items() if not is_absent(column)} or columns
        arrays, values = {}, []
        for index, (name, column) in enumerate(columns.items()):
            arrays[f"c{index}"], known = as_array(column, types[name])
            value = f"c{index}"
            if known is not None:
                arrays[f"k{index}"], value = known, f"CASE WHEN k{index} THEN c{index} END"
            values.append(f"({value})::{types[name]}")
        values += [f"?::{types[name]}" for name in constants]
        names = ", ".join([*columns, *constants])
        self._connection.register("batch", arrays)
        insert = f"INSERT INTO {table} ({names}) SELECT {', '.join(values)} FROM batch"  # noqa: S608 - own names
        self._took_in(executed(self._connection, insert, list(constants.values())))
        self._connection.unregister("batch")

    def _types(self, table: str) -> dict[str, str]:
        """Names of a table's columns and their types."""
        if (known := _TYPES.get(table)) is not None:
            return known
        return {name: kind for name, kind, *_ in self._connection.execute(f"DESCRIBE {table}").fetchall()}

    def to_parquet(self, query: str, name: str, mark: str, notes: Mapping[str, str] | None = None) -> Path:
        """Write an answer as a Parquet file into the run's own folder.

        Args:
            query: that is answered.
            name: of the file.
            mark: key in its footer that says what it is.
            notes: further keys there, with texts of laden's own.
        """
        path = self.folder / name
        own = str(path).replace("'", "''")
        footer = ", ".join(f"{key}: '{text}'" for key, text in {mark: "1", **(notes or {})}.items())
        self._connection.execute(
            f"COPY ({query}) TO '{own}' (FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{footer}}})"
        )
        return path

    def __enter__(self) -> Relations:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._open is not None:
            self._open.close()
        scratch.remove(self.folder)


def _share(connection: duckdb.DuckDBPyConnection, most_mb: int | None) -> tuple[int, int]:
    """Memory in MiB and threads that the database may take, as `database_share`.

    DuckDB knows the machine, and the limits of the container (control group) that it is in; it was opened with a
    quarter of the memory that there is.
    """
    asks = "SELECT current_setting('threads'), current_setting('memory_limit')"
    threads, quarter = connection.execute(asks).fetchall()[0]
    return database_share(threads, quarter, most_mb)
