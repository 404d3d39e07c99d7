"""Is it DICOM, whatever it is called? Decided by the bytes while they pass by, beside the check that its name asks for.

A DICOM file has `DICM` after 128 bytes (PS3.10, section 7.1); only from such are more than these kept. A data set that
begins without them is no file that anybody could read back for sure: it counts as a header that cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Protocol

from laden.dataset.images.identity import UNREAD
from laden.dataset.images.judging import judged
from laden.dataset.images.states import MOST_BYTES, Buffer
from laden.values.records import NOT_LOOKED_INTO, ImageFacts

HEAD_BYTES = 16 << 20
"""Kept of a file that is too large to be kept whole; any DICOM header is much shorter."""
_MAGIC = slice(128, 132)
_BARE = re.compile(rb"\x02\0\0\0UL\x04\0|\x08\0[\0-\x3f]\0(CS|DA|LO|PN|SH|ST|TM|UI|UL)")
"""How a data set begins that has no preamble: file meta information, or identifying attributes (PS3.5, 7.1.2)."""


class Check(Protocol):
    """Looks at one file, fed in order."""

    def feed(self, buffer: Buffer) -> None:
        """Look at the next bytes; they must not change afterwards."""

    def finish(self) -> ImageFacts:
        """Return what was found, after the last byte."""


class Kept:
    """Keeps a file, or the head of a large one, until it is complete."""

    def __init__(self, judge: Callable[[Buffer, int], ImageFacts], size_bytes: int) -> None:
        self._judge = judge
        self._buffers: list[Buffer] = []
        self._room_bytes = size_bytes if size_bytes <= MOST_BYTES else HEAD_BYTES
        self._seen_bytes = 0

    def feed(self, buffer: Buffer) -> None:
        if self._room_bytes > 0:
            self._buffers.append(memoryview(buffer)[: self._room_bytes])
        self._room_bytes -= len(buffer)
        self._seen_bytes += len(buffer)

    def finish(self) -> ImageFacts:
        head = self._buffers[0] if len(self._buffers) == 1 else b"".join(self._buffers)
        return self._judge(head, self._seen_bytes)


class ByContent:
    """Looks at a file by its name, and for DICOM in it."""

    def __init__(self, named: Check | None, size_bytes: int | None, *, pixels: bool, identity: bool) -> None:
        """Begin.

        Args:
            named: the check that the name asks for; None where it asks for none.
            size_bytes: of the file; None where nobody knows.
            pixels: whether those of a DICOM file that is not called so are looked at.
            identity: whether to tell fields that may say who a person is.
        """
        self._named = named
        self._start: bytes | None = b""
        """The first bytes, until it is known what they are."""
        self._is_bare = False
        self._dicom: Kept | None = None
        self._identity = identity
        judge = partial(judged, "dicom", pixels=pixels and named is None, identity=identity)
        self._make = partial(Kept, judge, MOST_BYTES + 1 if size_bytes is None else size_bytes)

    def feed(self, buffer: Buffer) -> None:
        """Look at the next bytes."""
        if self._named is not None:
            self._named.feed(buffer)
        if self._start is not None:
            self._begin(buffer)
        elif self._dicom is not None:
            self._dicom.feed(buffer)

    def _begin(self, buffer: Buffer) -> None:
        assert self._start is not None
        start = self._start + bytes(memoryview(buffer)[: _MAGIC.stop - len(self._start)])
        if len(start) < _MAGIC.stop:
            self._start = start
            return
        if start[_MAGIC] == b"DICM":
            self._dicom = self._make()
            if self._start:
                self._dicom.feed(self._start)
            self._dicom.feed(buffer)
        self._is_bare = _BARE.match(start) is not None
        self._start = None

    def finish(self) -> ImageFacts:
        """Return what was found, after the last byte; who it names by all that was looked at."""
        found = self._named.finish() if self._named is not None else NOT_LOOKED_INTO
        if self._dicom is None:
            return found._replace(identity=(UNREAD,)) if self._is_bare and self._identity else found
        dicom = self._dicom.finish()
        if self._named is None:
            return dicom
        return found._replace(identity=dicom.identity) if self._identity else found
