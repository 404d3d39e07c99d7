"""The embedded database in which plan, verification and manifest are questions.

One DuckDB in memory per run, which spills to a private temporary folder, removed afterwards, when memory is
short. It is locked before anything else happens: no file outside that folder, no extension, no setting can be
reached by any text that a user or a file supplies. Relations are fed in batches as NumPy columns, which is several
times leaner than row-wise parameters.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import duckdb
import numpy as np

from laden.values.errors import UsageError

_BATCH_ROWS = 50_000
_MEMORY_LIMIT = "256MB"

_SCHEMA = """
CREATE TABLE entries (
    archive VARCHAR, member VARCHAR, size_bytes BIGINT, crc32 BIGINT, mtime_ns BIGINT,
    offset_bytes BIGINT, stored_bytes BIGINT, method INTEGER,
    id BIGINT, key VARCHAR, home VARCHAR, blob VARCHAR);
CREATE TABLE rows (
    row BIGINT, key VARCHAR, name VARCHAR, home VARCHAR, blob VARCHAR, usable BOOLEAN, selected BOOLEAN);
CREATE TABLE table_starts (name VARCHAR, before BIGINT);
CREATE TABLE sizes (row BIGINT, width INTEGER, height INTEGER);
CREATE TABLE blobs (
    name VARCHAR, size_bytes BIGINT, md5 VARCHAR, etag VARCHAR,
    crc32 BIGINT, source_bytes BIGINT, mtime_ns BIGINT, image VARCHAR, source VARCHAR);
CREATE TABLE known (
    blob VARCHAR NOT NULL, archive VARCHAR NOT NULL, member VARCHAR NOT NULL, size_bytes BIGINT NOT NULL,
    md5 VARCHAR NOT NULL, crc32 BIGINT NOT NULL, key VARCHAR NOT NULL,
    kind VARCHAR NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, bits INTEGER NOT NULL,
    state VARCHAR NOT NULL);
CREATE TABLE receipts (
    blob VARCHAR, archive VARCHAR, member VARCHAR, outcome VARCHAR, size_bytes BIGINT, md5 VARCHAR, crc32 BIGINT,
    kind VARCHAR, width INTEGER, height INTEGER, bits INTEGER, state VARCHAR);
CREATE TABLE findings (
    code VARCHAR NOT NULL, severity VARCHAR NOT NULL, message VARCHAR NOT NULL, archive VARCHAR NOT NULL,
    member VARCHAR NOT NULL, row BIGINT, blob VARCHAR NOT NULL);
"""


class Relations:
    """The tables of one run.

    `rows`, `table_starts` (where those of each table begin), `sizes` (that rows give images), `entries`, `blobs`,
    `known` (an earlier manifest), `receipts`, `findings`.
    """

    Error = duckdb.Error
    """What a statement raises that cannot be executed."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="laden-"))
        try:
            self._connection = self._opened()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def _opened(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(":memory:")
        own = str(self.folder).replace("'", "''")
        for statement in (
            f"SET allowed_directories = ['{own}']",
            f"SET temp_directory = '{own}'",
            f"SET memory_limit = '{_MEMORY_LIMIT}'",
            # It would write to standard output, which belongs to the summary.
            "SET enable_progress_bar = false",
            "SET autoinstall_known_extensions = false",
            "SET autoload_known_extensions = false",
            "SET enable_external_access = false",
            "SET lock_configuration = true",
        ):
            connection.execute(statement)
        connection.execute(_SCHEMA)
        return connection

    def run(self, sql: str, parameters: Sequence[object] = ()) -> None:
        """Execute a statement that returns nothing."""
        self._connection.execute(sql, parameters)

    def one(self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> tuple[Any, ...]:
        """The first row of an answer."""
        row: tuple[Any, ...] | None = self._connection.execute(sql, parameters).fetchone()
        assert row is not None
        return row

    def stream(self, sql: str, parameters: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of an answer, in constant memory, unharmed by other statements meanwhile."""
        cursor = self._connection.cursor()
        try:
            cursor.execute(sql, parameters)
            while rows := cursor.fetchmany(2048):
                yield from rows
        finally:
            cursor.close()

    def feed(self, table: str, rows: Iterable[tuple[Any, ...]]) -> int:
        """Append rows (tuples in the order of the table's columns) in batches; returns how many."""
        described = self._connection.execute(f"DESCRIBE {table}").fetchall()
        types = [kind for _, kind, *_ in described]
        columns = ", ".join(f"c{index}::{kind}" for index, kind in enumerate(types))
        count = 0
        pending = iter(rows)
        while batch := list(islice(pending, _BATCH_ROWS)):
            arrays = {
                f"c{index}": _array(column, types[index]) for index, column in enumerate(zip(*batch, strict=True))
            }
            self._connection.register("batch", arrays)
            self._connection.execute(f"INSERT INTO {table} SELECT {columns} FROM batch")  # noqa: S608 - own names
            self._connection.unregister("batch")
            count += len(batch)
        return count

    def to_parquet(self, query: str, name: str, mark: str) -> Path:
        """Write an answer as a Parquet file into the run's own folder; `mark` says in its footer what it is."""
        path = self.folder / name
        own = str(path).replace("'", "''")
        self._connection.execute(
            f"COPY ({query}) TO '{own}' (FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{mark}: '1'}})"
        )
        return path

    def __enter__(self) -> Relations:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def told_locally() -> Iterator[None]:
    """Turn errors of this machine (see `local_trouble`) into `UsageError`; all others pass."""
    try:
        yield
    except (OSError, duckdb.Error) as error:
        if (sentence := local_trouble(error)) is None:
            raise
        raise UsageError(sentence) from error


def local_trouble(error: Exception) -> str | None:
    """The sentence for an error of this machine: a full disk, no descriptors. None for any other error.

    DuckDB passes the system's words on, without the number.
    """
    text = str(error)
    if any(os.strerror(number) in text for number in (errno.EMFILE, errno.ENFILE)):
        return (
            "this machine allows too few open files: raise the limit (ulimit -n 4096), then run the same command again"
        )
    full = isinstance(error, duckdb.OutOfMemoryException) or "No usable temporary directory" in text
    if full or any(os.strerror(number) in text for number in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS)):
        place = os.environ.get("TMPDIR", tempfile.tempdir or "the temporary folder")
        return (
            f"there is no room for laden's notes in {place}: free some, or set TMPDIR to another folder, and run again"
        )
    return None


def _array(column: tuple[Any, ...], kind: str) -> np.typing.NDArray[Any]:
    """A NumPy column; integers with gaps become a masked array, which DuckDB reads as NULL."""
    if kind == "VARCHAR":
        return np.array(column, dtype=object)
    if kind == "BOOLEAN":
        return np.array(column, dtype=bool)
    absent = column.count(None)
    if absent == 0:
        return np.array(column, dtype=np.int64)
    if absent == len(column):
        return np.ma.masked_array(np.zeros(len(column), dtype=np.int64), mask=True)
    mask = [value is None for value in column]
    return np.ma.masked_array(np.array([value or 0 for value in column], dtype=np.int64), mask=mask)
