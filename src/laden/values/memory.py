"""Memory of a process: that what is freed is used again, and what of it the database may take."""

from __future__ import annotations

import ctypes
import os
import re
import sys

from laden.values.errors import UsageError

MEMORY_VARIABLE = "LADEN_MEMORY"
"""Of the environment and no option: it is a matter of the machine, and every verb and program has the database."""
THREAD_MB = 128
"""What a thread needs so that joins and groups of any size can spill (DuckDB's guide to out-of-memory errors)."""
_LEAST_MB = 256
_LEAST_ASKED_MB = 128
_AMOUNT = re.compile(r"([0-9]{1,9}) ?([MGT])(?:i?B)?", re.IGNORECASE)
_MB = {"M": 1, "G": 1 << 10, "T": 1 << 20}
_DUCKDB_AMOUNT = re.compile(r"([0-9.]+) (bytes|KiB|MiB|GiB|TiB)")
_DUCKDB_MB = {"bytes": 2.0**-20, "KiB": 2.0**-10, "MiB": 1.0, "GiB": 2.0**10, "TiB": 2.0**20}

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Parameters of mallopt(3), as in glibc's malloc.h."""


def keep_memory() -> None:
    """Have freed image buffers used again: giving them back and getting zeroed pages costs a tenth of a load's CPU.

    Called once, at its start, by a process that is laden's own.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(_M_TRIM_THRESHOLD, 128 << 20)
        libc.mallopt(_M_ARENA_MAX, 1)


def asked_mb() -> int | None:
    """MiB that the environment lets the database take; None where it says nothing.

    Raises:
        UsageError: what it says makes no sense.
    """
    if not (asked := os.environ.get(MEMORY_VARIABLE, "").strip()):
        return None
    found = _AMOUNT.fullmatch(asked)
    memory_mb = int(found[1]) * _MB[found[2].upper()] if found else 0
    if memory_mb < _LEAST_ASKED_MB:
        raise UsageError(
            f"{MEMORY_VARIABLE} is {asked!r}: give the memory that the database may take, {_LEAST_ASKED_MB}M or"
            f" more, as in {MEMORY_VARIABLE}=2G"
        )
    return memory_mb


def database_share(threads: int, quarter: str, most_mb: int | None) -> tuple[int, int]:
    """Memory in MiB and threads that the database may take.

    Args:
        threads: what the machine has.
        quarter: of its memory, as DuckDB writes it (`1.9 GiB`).
        most_mb: what it is to take at most; None for its whole share.

    Raises:
        UsageError: the environment makes no sense.
    """
    memory_mb = asked = asked_mb()
    if memory_mb is None:
        found = _DUCKDB_AMOUNT.fullmatch(quarter)
        quarter_mb = int(float(found[1]) * _DUCKDB_MB[found[2]]) if found else _LEAST_MB
        memory_mb = max(min(THREAD_MB * threads, quarter_mb), _LEAST_MB)
    threads = max(1, min(threads, memory_mb // THREAD_MB))
    return memory_mb if asked or most_mb is None else min(memory_mb, most_mb), threads
