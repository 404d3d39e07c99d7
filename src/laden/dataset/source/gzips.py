"""What gzip data inflate to, read in order, with the checksum of the whole proven at its end.

RFC 1952: a gzip file is one or more compressed streams, each followed by the CRC-32 and the length of what it holds;
ISA-L checks both. Only what was read to the very end is proven. Zero bytes behind it are padding; other bytes that
begin no stream are noted and not read. Memory is bounded whatever the data claim.
"""

from __future__ import annotations

from typing import cast

from isal import igzip_lib
from isal.isal_zlib import crc32

from laden.dataset.source.positional import ArchiveFile, InOrder

GZIP_MARK = b"\x1f\x8b"
_STREAM_MARK = b"\x1f\x8b\x08"
"""The mark, and the one method that there is (RFC 1952, 2.3.1)."""
_PIECE_BYTES = 1 << 18
_MOST_SILENT_BYTES = 1 << 20
"""That may be taken in before anything comes out: a header's names have no bound of their own."""
_LIBRARY_ERRORS = (OverflowError, cast("type[Exception]", igzip_lib.error))
"""The first for a header that is longer than the library's buffer, which is never enlarged."""


class BrokenGzip(Exception):  # noqa: N818 - named for what was found; never leaves this package
    """The data are no gzip, or not what their checksum says."""

    def __init__(self, reason: str, code: str) -> None:
        super().__init__(reason)
        self.code = code


class Inflated:
    """Gzip data as a tape (`laden.dataset.source.headers.Tape`). Used by one thread at a time.

    Raises `BrokenGzip` with code `archive-gzip` or `archive-truncated`, and OSError.
    """

    def __init__(self, file: ArchiveFile) -> None:
        self.offset_bytes = 0
        self.trailing = False
        """Whether bytes that are no gzip follow the data; known at the end."""
        self._file = InOrder(file)
        self._stream = _fresh()
        self._ended = False
        self._ready = memoryview(b"")
        """Inflated, and not given out yet."""

    def read(self, count_bytes: int) -> bytes:
        parts: list[memoryview] = []
        left_bytes = count_bytes
        while left_bytes and (self._ready or self._inflate()):
            parts.append(self._ready[:left_bytes])
            self._ready = self._ready[left_bytes:]
            left_bytes -= len(parts[-1])
        self.offset_bytes += count_bytes - left_bytes
        return b"".join(parts)

    def skip(self, count_bytes: int) -> tuple[int, int | None]:
        checksum, left_bytes = 0, count_bytes
        while left_bytes and (piece := self.read(min(left_bytes, _PIECE_BYTES))):
            checksum = crc32(piece, checksum)
            left_bytes -= len(piece)
        return count_bytes - left_bytes, checksum

    def finish(self) -> None:
        """Read to the end: afterwards everything that was read is proven."""
        while self.read(_PIECE_BYTES):
            pass

    def _inflate(self) -> bool:
        """Get some more ready; False at the end."""
        silent_bytes = 0
        while not self._ended:
            packed = self._packed()
            silent_bytes += len(packed)
            if silent_bytes > _MOST_SILENT_BYTES:
                raise BrokenGzip("its gzip data are damaged (a header has no end)", "archive-gzip")
            try:
                data = b"" if self._ended else self._stream.decompress(packed, _PIECE_BYTES)
            except _LIBRARY_ERRORS as error:
                raise BrokenGzip(f"its gzip data are damaged ({str(error).rstrip('.')})", "archive-gzip") from error
            if data:
                self._ready = memoryview(data)
                return True
        return False

    def _packed(self) -> bytes:
        """What the stream is to take next."""
        if self._stream.eof:
            return self._next_stream()
        packed = self._file.read(_PIECE_BYTES) if self._stream.needs_input else b""
        if self._stream.needs_input and not packed:
            raise BrokenGzip("its gzip data break off", "archive-truncated")
        return packed

    def _next_stream(self) -> bytes:
        """Begin the stream that follows the one that ended, and return its first bytes; none at the end."""
        rest = self._stream.unused_data.lstrip(b"\0")
        while len(rest) < len(_STREAM_MARK) and (more := self._file.read(_PIECE_BYTES)):
            rest = (rest + more).lstrip(b"\0")
        if rest.startswith(_STREAM_MARK):
            self._stream = _fresh()
            return rest
        # The first bytes of a stream: it breaks off in its mark.
        if rest and _STREAM_MARK.startswith(rest):
            raise BrokenGzip("its gzip data break off", "archive-truncated")
        self._ended, self.trailing = True, bool(rest)
        return b""


def _fresh() -> igzip_lib.IgzipDecompressor:
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
