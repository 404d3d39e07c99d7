"""Executes a text of SQL, reading it once in a process.

Reading a text takes a quarter of what it costs to answer it over few rows, and programs, notebooks and a page that is
open for hours ask the same again and again. What a text means is settled anew each time: nothing of a database, its
tables or their rows is kept here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

_AT_MOST = 512
"""Texts; some times as many as all verbs have."""
_read: dict[str, list[duckdb.Statement]] = {}


def executed(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object] | Mapping[str, object]
) -> duckdb.DuckDBPyConnection:
    """Execute the statements of a text, of which the last one takes the parameters; raises `duckdb.Error`."""
    if (statements := _read.get(sql)) is None:
        statements = connection.extract_statements(sql)
        if len(_read) >= _AT_MOST:
            # Many are of one question alone, and the others are soon read again.
            _read.clear()
        _read[sql] = statements
    for statement in statements[:-1]:
        connection.execute(statement)
    return connection.execute(statements[-1], parameters)
