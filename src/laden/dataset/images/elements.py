"""Walks every element of a DICOM data set, strictly: in sequences, behind the pixels, each of those that come twice.

Libraries are lenient: what they cannot parse they skip, of a tag that comes twice they keep one, and they end at the
pixels. Here, whoever looks for what must not leave gets every element (DICOM PS3.5, sections 7.1 and 7.5, annex A.4),
or `Unreadable`: a length that does not fit, an item that is none, a data set that breaks off. Only pixels may be cut
short, for all that is left of such a file are pixels.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

_UNDEFINED = 0xFFFFFFFF
_ITEM, _END_OF_SEQUENCE = 0xFFFEE000, 0xFFFEE0DD
_PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
"""Representations whose length is a number of 32 bits after two unused bytes (PS3.5, section 7.1.2)."""
_DEEPEST = 16
"""Sequences within sequences; real ones have five."""


class Unreadable(Exception):  # noqa: N818 - named for what it says
    """Nobody knows what the rest of it holds; never leaves this package."""


class Element(NamedTuple):
    """An element as it lies there."""

    tag: int
    representation: str
    """The value representation (PS3.5, 6.2); where the file does not say it, by the standard's dictionary, or empty."""
    value: memoryview
    """Of a sequence, all of its items."""
    depth: int


class _Form(NamedTuple):
    """How elements are written."""

    implicit: bool
    order: str


class Walk:
    """Goes through one data set."""

    def __init__(self, data: memoryview, start: int, size_bytes: int, *, implicit: bool, little: bool) -> None:
        """Begin.

        Args:
            data: the file, or the head of a large one.
            start: where the data set begins in it.
            size_bytes: of the whole file.
            implicit: whether elements do not say their representation.
            little: the byte order.
        """
        self._data = data
        self._at = start
        self._size_bytes = size_bytes
        self._form = _Form(implicit, "<" if little else ">")

    def elements(self) -> Iterator[Element]:
        """Every element, a sequence before what is in it; raises `Unreadable`."""
        while not self._is_at_the_end():
            yield from self._element(self._form, self._size_bytes, 0)

    def _is_at_the_end(self) -> bool:
        """Whether nothing follows but padding, or less than an element takes."""
        if self._size_bytes - self._at < 8:
            return True
        return bytes(self._data[self._at : self._at + 4]) == bytes(4) and not bytes(self._data[self._at :]).strip(b"\0")

    def _number(self, form: _Form, kind: str) -> int:
        try:
            (number,) = struct.unpack_from(form.order + kind, self._data, self._at)
        except (struct.error, ValueError):
            raise Unreadable from None
        self._at += struct.calcsize(kind)
        return int(number)

    def _tag(self, form: _Form) -> int:
        return self._number(form, "H") << 16 | self._number(form, "H")

    def _head(self, form: _Form, tag: int) -> tuple[str, int]:
        """Representation and length of the element whose tag was read."""
        if form.implicit or tag >> 16 == 0xFFFE:
            return _by_dictionary(tag), self._number(form, "I")
        said = bytes(self._data[self._at : self._at + 2])
        if not (said.isalpha() and said.isupper()):
            raise Unreadable
        self._at += 4 if said in _LONG else 2
        length = self._number(form, "I" if said in _LONG else "H")
        return (_by_dictionary(tag) if said == b"UN" else said.decode("ascii")), length

    def _element(self, form: _Form, end: int, depth: int) -> Iterator[Element]:
        """The element that begins here, and what is in it; it must end before `end`."""
        start = self._at
        tag = self._tag(form)
        if tag >> 16 == 0xFFFE:
            raise Unreadable
        kind, length = self._head(form, tag)
        is_unknown = not form.implicit and bytes(self._data[start + 4 : start + 6]) == b"UN"
        if tag in _PIXELS and length != _UNDEFINED:
            # What is cut short here are pixels.
            self._at = min(self._at + length, end) if depth == 0 else self._stop(length, end)
        elif kind == "SQ" or (length == _UNDEFINED and self._is_item_next(form) and kind not in ("OB", "OW")):
            # What has an unknown representation is written without any (PS3.5, section 6.2.2, note 2).
            inner = _Form(True, "<") if is_unknown else form
            yield from self._sequence(tag, inner, length, end, depth)
        elif length == _UNDEFINED:
            self._pass_fragments(form, end)
            yield Element(tag, kind, self._data[start : self._at], depth)
        else:
            start = self._at
            self._at = self._stop(length, end)
            yield Element(tag, kind, self._data[start : self._at], depth)

    def _stop(self, length: int, end: int) -> int:
        if self._at + length > end:
            raise Unreadable
        return self._at + length

    def _is_item_next(self, form: _Form) -> bool:
        found = bytes(self._data[self._at : self._at + 4])
        return found in (struct.pack(form.order + "HH", 0xFFFE, low) for low in (0xE000, 0xE0DD))

    def _sequence(self, tag: int, form: _Form, length: int, end: int, depth: int) -> Iterator[Element]:
        if depth >= _DEEPEST:
            raise Unreadable
        start = self._at
        stop = end if length == _UNDEFINED else self._stop(length, end)
        while length == _UNDEFINED or self._at < stop:
            item, size = self._tag(form), self._number(form, "I")
            if item == _END_OF_SEQUENCE and length == _UNDEFINED:
                break
            if item != _ITEM:
                raise Unreadable
            yield Element(tag, "SQ", self._data[start : self._at], depth)
            yield from self._item(form, size, stop, depth + 1)

    def _item(self, form: _Form, size: int, end: int, depth: int) -> Iterator[Element]:
        stop = end if size == _UNDEFINED else self._stop(size, end)
        while size == _UNDEFINED or self._at < stop:
            if size == _UNDEFINED and self._is_end_of_item(form):
                self._at += 8
                return
            yield from self._element(form, stop, depth)

    def _is_end_of_item(self, form: _Form) -> bool:
        return bytes(self._data[self._at : self._at + 4]) == struct.pack(form.order + "HH", 0xFFFE, 0xE00D)

    def _pass_fragments(self, form: _Form, end: int) -> None:
        """Go behind compressed pixels; where they are cut short, that is the end of the file."""
        while self._at + 8 <= len(self._data):
            item, size = self._tag(form), self._number(form, "I")
            if item == _END_OF_SEQUENCE:
                return
            if item != _ITEM or size == _UNDEFINED:
                raise Unreadable
            self._at += size
        if len(self._data) < self._size_bytes:
            raise Unreadable
        self._at = end


def _by_dictionary(tag: int) -> str:
    """The standard's representation of an element, empty where it has none."""
    from pydicom.datadict import dictionary_VR

    try:
        return dictionary_VR(tag)
    except KeyError:
        return ""
