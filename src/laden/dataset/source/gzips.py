"""What gzip data inflate to, read in order, with the checksum of the whole proven at its end.

RFC 1952: a gzip file is one or more compressed streams, each followed by the CRC-32 and the length of what it holds;
ISA-L checks both. Only what was read to the very end is proven. Memory is bounded whatever the data claim.
"""

from __future__ import annotations

import gzip
from typing import cast

from isal import igzip, isal_zlib
from isal.isal_zlib import crc32

from laden.dataset.source.positional import ArchiveFile, InOrder

GZIP_MARK = b"\x1f\x8b"
_PIECE_BYTES = 1 << 18
_LIBRARY_ERRORS = (gzip.BadGzipFile, OverflowError, cast("type[Exception]", isal_zlib.error))
"""The second for a header that is longer than the library's buffer, which is never enlarged."""


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
        self._stream = igzip.IGzipFile(fileobj=InOrder(file), mode="rb")  # type: ignore[no-untyped-call]

    def read(self, count_bytes: int) -> bytes:
        try:
            data: bytes = self._stream.read(count_bytes)
        except EOFError as error:
            raise BrokenGzip("its gzip data break off", "archive-truncated") from error
        except _LIBRARY_ERRORS as error:
            raise BrokenGzip(f"its gzip data are damaged ({str(error).rstrip('.')})", "archive-gzip") from error
        self.offset_bytes += len(data)
        return data

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
