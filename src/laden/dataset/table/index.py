"""The index of a table that is held: where each record lies, kept in a file beside the copy, and what it is good for.

The first pass over the records writes it: 16 bytes for each record, its first byte and the one behind its last.
Columns go into the database as they pass (`columns`); a subset is a few slices of the copy (`write_subset`), and the
whole table is the copy (`copy`). So nothing is parsed and printed again, and no record becomes an object.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from laden.dataset.table.blocks import BLOCK_BYTES, Block, blocks
from laden.dataset.table.table import Table
from laden.values.ahead import ahead
from laden.values.arrow import Column, Kind, Stream, every_second

BATCH = "batch WHERE row > 0"
"""What a statement reads that takes `columns` in: `row`, and `c3` for the column at place 3, trimmed text."""

_RECORD_BYTES = 16
_SLICE_BYTES = 4 << 20
_AT_ONCE = 1 << 18


def columns(table: Table, places: Sequence[int], see: Callable[[Block], None] = lambda _: None) -> Stream:
    """Hand over columns of all records that are as wide as the header, for `Relations.absorb`.

    Args:
        table: is held.
        places: of the columns, from 0, each once.
        see: shown each block of records as it passes, with those of another width.

    The stream's `error` is a SourceError where the table stops being readable as CSV.
    """
    kinds: dict[str, Kind] = {"row": "integer", **{f"c{place}": "text" for place in places}}
    return Stream(kinds, _batches(table, places, see), long=_is_long(table))


def _batches(
    table: Table, places: Sequence[int], see: Callable[[Block], None]
) -> Iterator[tuple[int, tuple[Column, ...]]]:
    for block in _indexed(table):
        see(block)
        # Between two fields of a column stands what is no field: row 0.
        rows = every_second(block.rows)
        if len(rows):
            yield len(rows), (rows, *(block.texts(place) for place in places))


def count(table: Table) -> int:
    """How many records there are; raises SourceError as `columns` does, where no pass was made before."""
    return _index(table).stat().st_size // _RECORD_BYTES


def copy(table: Table, out: BinaryIO) -> None:
    """Write the whole table, decompressed, to `out`."""
    with table.content.open("rb") as file:
        shutil.copyfileobj(file, out, _SLICE_BYTES)


def write_subset(table: Table, out: BinaryIO, rows: NDArray[np.int64]) -> int:
    """Write the header and some records, byte for byte, and return how many those are.

    Args:
        table: is held.
        out: where to.
        rows: numbers of records, from 1, ascending. Every record but the file's last has a line end of its own, so
            none can run into the next; blank lines are left out.

    Raises:
        SourceError: as `columns` does, where no pass was made before.
    """
    out.write(table.header_bytes)
    index = _index(table)
    if not len(rows):
        return 0
    places = np.memmap(index, np.int64, "r").reshape(-1, 2)
    with table.content.open("rb") as file:
        for start in range(0, len(rows), _AT_ONCE):
            wanted = places[rows[start : start + _AT_ONCE] - 1]
            # Records that follow each other are one slice.
            breaks = np.flatnonzero(wanted[1:, 0] != wanted[:-1, 1]) + 1
            firsts, lasts = np.concatenate([[0], breaks]), np.concatenate([breaks, [len(wanted)]]) - 1
            for at, end in zip(wanted[firsts, 0].tolist(), wanted[lasts, 1].tolist(), strict=True):
                _write_slice(file, out, at, end)
    return len(rows)


def _write_slice(file: BinaryIO, out: BinaryIO, at: int, end: int) -> None:
    file.seek(at)
    while at < end:
        at += out.write(file.read(min(end - at, _SLICE_BYTES)))


def _index(table: Table) -> Path:
    """The file with the places of all records; it is made, where no pass was made before."""
    path = _path(table)
    if not path.exists():
        for _ in _indexed(table):
            pass
    return path


def _indexed(table: Table) -> Iterator[Block]:
    """The blocks of a table; the first time that all of them pass, the index is written."""
    path = _path(table)
    found = blocks(table)
    if _is_long(table):
        # The next one is scanned while the database takes this one's columns.
        found = ahead(found)
    if path.exists():
        yield from found
        return
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        for block in found:
            file.write(np.stack([block.starts, block.ends], axis=1).tobytes())
            yield block
    part.replace(path)


def _is_long(table: Table) -> bool:
    """Whether it has more than one block."""
    return table.copying is not None or table.reach() > BLOCK_BYTES


def _path(table: Table) -> Path:
    return table.place.with_name(f"{table.place.name}.index")
