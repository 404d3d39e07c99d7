"""Reads one zip member's bytes: local header, compressed pieces, decompression, length.

A member that fits a chunk takes one read (header and data together) and one call of the decompressor;
stored data are not copied. The checksum is the caller's matter (`laden.dataset.source.reader`).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from laden.dataset.source.directory import raw_name
from laden.dataset.source.header import LOCAL_HEADER_BYTES, data_start, disagreement
from laden.dataset.source.inflate import BrokenData, Decompressor, decompressor, fill
from laden.dataset.source.positional import ArchiveFile, Buffer
from laden.values.errors import MemberDamaged
from laden.values.records import STORED, Entry

_EXTRA_GUESS_BYTES = 256
"""Read on top of the header: the longest usual extra field (zip64, NTFS and Unix times) takes 88."""
_INCOMPRESSIBLE_BYTES = 1 << 16
"""How much longer than its content a one-chunk member's data may be, and still be read at once."""
_PIECE_BYTES = 1 << 20
"""Compressed bytes per read of a member that is larger than a chunk."""


def span(entry: Entry) -> tuple[int, int]:
    """Which bytes of its archive reading a member takes: from its local header to the end of its data, guessed."""
    header_bytes = LOCAL_HEADER_BYTES + len(entry.member.encode()) + _EXTRA_GUESS_BYTES
    return entry.offset_bytes, entry.offset_bytes + header_bytes + entry.stored_bytes


def chunks(file: ArchiveFile, entry: Entry, chunk_bytes: int) -> Iterator[Buffer]:
    """Yield the member's bytes in buffers of `chunk_bytes`, the last one shorter; one empty buffer for none.

    Raises `MemberDamaged` with code `member-header`, `member-short`, `member-long` or `member-deflate`, at
    the latest in place of the last buffer.
    """
    if entry.method == STORED:
        if entry.stored_bytes != entry.size_bytes:
            raise _wrong_length(entry, entry.stored_bytes)
        yield from _pieces(file, entry, chunk_bytes)
        return
    at_once = entry.size_bytes <= chunk_bytes
    pieces = _pieces(file, entry, chunk_bytes + _INCOMPRESSIBLE_BYTES if at_once else _PIECE_BYTES)
    source = decompressor(entry.method)
    left_bytes = entry.size_bytes
    while left_bytes > chunk_bytes:
        buffer = _fill(entry, source, pieces, chunk_bytes)
        if len(buffer) < chunk_bytes:
            raise _wrong_length(entry, entry.size_bytes - left_bytes + len(buffer))
        yield buffer
        left_bytes -= chunk_bytes
    # One byte more than is due: only then does too much data show, and the stream's end is reached.
    buffer = _fill(entry, source, pieces, left_bytes + 1)
    if len(buffer) != left_bytes:
        raise _wrong_length(entry, entry.size_bytes - left_bytes + len(buffer))
    if not source.eof:
        raise _damaged(entry, "member-deflate", "its compressed data have no end")
    yield buffer


def _fill(entry: Entry, source: Decompressor, pieces: Iterator[Buffer], count_bytes: int) -> Buffer:
    try:
        return fill(source, pieces, count_bytes)
    except BrokenData as error:
        raise _damaged(entry, "member-deflate", f"its compressed data are broken ({error})") from error


def _pieces(file: ArchiveFile, entry: Entry, piece_bytes: int) -> Iterator[Buffer]:
    """Yield the data as they lie in the archive, `piece_bytes` at a time; one empty piece for none."""
    first, start = _open(file, entry, min(piece_bytes, entry.stored_bytes))
    piece = first[start : start + piece_bytes]
    at_bytes = 0
    while True:
        wanted_bytes = min(piece_bytes, entry.stored_bytes - at_bytes)
        if len(piece) < wanted_bytes:
            raise _damaged(entry, "member-short", "the archive ends inside its data")
        yield piece[:wanted_bytes]
        at_bytes += wanted_bytes
        if at_bytes >= entry.stored_bytes:
            return
        next_bytes = min(piece_bytes, entry.stored_bytes - at_bytes)
        piece = memoryview(file.read_at(next_bytes, entry.offset_bytes + start + at_bytes))


def _open(file: ArchiveFile, entry: Entry, piece_bytes: int) -> tuple[memoryview, int]:
    """Read and check the header, and `piece_bytes` of data behind it; also where these start."""
    guess_bytes = LOCAL_HEADER_BYTES + len(entry.member.encode()) + _EXTRA_GUESS_BYTES
    first = memoryview(file.read_at(guess_bytes + piece_bytes, entry.offset_bytes))
    try:
        start = data_start(first)
    except ValueError as error:
        raise _damaged(entry, "member-header", str(error)) from error
    if start > guess_bytes:
        first = memoryview(file.read_at(start + piece_bytes, entry.offset_bytes))
    if len(first) < start:
        raise _damaged(entry, "member-header", "the archive ends inside its local header")
    if difference := disagreement(first, entry, partial(raw_name, file, entry)):
        raise _damaged(entry, "member-header", difference)
    return first, start


def _wrong_length(entry: Entry, seen_bytes: int) -> MemberDamaged:
    if seen_bytes < entry.size_bytes:
        reason = f"it ends after {seen_bytes:,} of the {entry.size_bytes:,} bytes that the directory declares"
        return _damaged(entry, "member-short", reason)
    reason = f"it goes on beyond the {entry.size_bytes:,} bytes that the directory declares"
    return _damaged(entry, "member-long", reason)


def _damaged(entry: Entry, code: str, reason: str) -> MemberDamaged:
    message = f"{entry.place} is damaged: {reason}; download {entry.archive} again."
    return MemberDamaged(message, code)
