"""Columns of NumPy buffers, handed to the database without a Python object for each value.

A `Stream` is what a database reads through the Arrow C stream interface ("The Arrow C stream interface", "The Arrow
PyCapsule Interface", arrow.apache.org/docs/format): it asks for one batch after the other, and each names the memory
where its columns lie. Integers are 64 bits wide, texts are UTF-8 with offsets of 32 bits, nothing is NULL.

The structures are those of `arrow/c/abi.h`. A batch is kept alive until its reader gives it back.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int64, c_void_p
from itertools import count
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

_BROKEN = 5
"""EIO: what a stream answers when its batches cannot be made."""


class Texts(NamedTuple):
    """A column of texts: the n-th lies between `offsets[n]` and `offsets[n + 1]` of `data`."""

    offsets: NDArray[np.int32]
    data: NDArray[np.uint8]
    """UTF-8; what lies between two texts belongs to a text, too."""

    @classmethod
    def between(cls, heads: NDArray[Any], tails: NDArray[Any], data: NDArray[np.uint8]) -> Texts:
        """Texts where they lie, from each head to its tail: every second one counts (`every_second`)."""
        offsets = np.empty(2 * len(heads) + 1, np.int32)
        offsets[:-1:2], offsets[1::2] = heads, tails
        offsets[-1] = tails[-1] if len(tails) else 0
        return cls(offsets, data)


def every_second(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """A column beside `Texts.between`: 0 stands for what lies between two texts."""
    column = np.zeros(2 * len(numbers), np.int64)
    column[::2] = numbers
    return column


Column = NDArray[np.int64] | Texts
Kind = Literal["integer", "text"]
_FORMATS: dict[Kind, bytes] = {"integer": b"l", "text": b"u"}


class _Schema(ctypes.Structure):
    pass


class _Array(ctypes.Structure):
    pass


class _Stream(ctypes.Structure):
    pass


_FreeSchema = CFUNCTYPE(None, POINTER(_Schema))
_FreeArray = CFUNCTYPE(None, POINTER(_Array))
_FreeStream = CFUNCTYPE(None, POINTER(_Stream))
_Describe = CFUNCTYPE(c_int, POINTER(_Stream), POINTER(_Schema))
_Next = CFUNCTYPE(c_int, POINTER(_Stream), POINTER(_Array))
_Tell = CFUNCTYPE(c_void_p, POINTER(_Stream))

_Schema._fields_ = [
    ("format", c_char_p),
    ("name", c_char_p),
    ("metadata", c_char_p),
    ("flags", c_int64),
    ("n_children", c_int64),
    ("children", POINTER(POINTER(_Schema))),
    ("dictionary", POINTER(_Schema)),
    ("release", _FreeSchema),
    ("private_data", c_void_p),
]
_Array._fields_ = [
    ("length", c_int64),
    ("null_count", c_int64),
    ("offset", c_int64),
    ("n_buffers", c_int64),
    ("n_children", c_int64),
    ("buffers", POINTER(c_void_p)),
    ("children", POINTER(POINTER(_Array))),
    ("dictionary", POINTER(_Array)),
    ("release", _FreeArray),
    ("private_data", c_void_p),
]
_Stream._fields_ = [
    ("get_schema", _Describe),
    ("get_next", _Next),
    ("get_last_error", _Tell),
    ("release", _FreeStream),
    ("private_data", c_void_p),
]

_capsule = ctypes.pythonapi.PyCapsule_New
_capsule.restype = ctypes.py_object
_capsule.argtypes = [c_void_p, c_char_p, c_void_p]

_lent: dict[int, object] = {}
"""Batches that a reader has and did not give back yet, by their number."""
_numbers = count(1)


def _gone(thing: Any) -> None:
    """Mark a structure as given back: its `release` is NULL."""
    thing.contents.release = type(thing.contents.release)()


def _batch_gone(batch: Any) -> None:
    _lent.pop(batch.contents.private_data, None)
    _gone(batch)


_free_schema, _free_column, _free_batch = _FreeSchema(_gone), _FreeArray(_gone), _FreeArray(_batch_gone)
_free_stream = _FreeStream(_gone)


class Stream:
    """Batches of columns, read once; keep it until the statement that reads it has ended."""

    def __init__(
        self, kinds: Mapping[str, Kind], batches: Iterator[tuple[int, tuple[Column, ...]]], *, long: bool = False
    ) -> None:
        """Describe the stream.

        Args:
            kinds: of the columns, by name.
            batches: each its length and its columns, in that order.
            long: whether so much will come that whoever reads it may well have several threads do so.
        """
        self.long = long
        self.error: BaseException | None = None
        """Why `batches` ended early: a reader learns only that they did."""
        self._kinds = dict(kinds)
        self._batches = batches
        self._kept: list[object] = []

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the capsule `arrow_array_stream`."""
        described, following, told = _Describe(self._describe), _Next(self._next), _Tell(lambda _: None)
        stream = _Stream(described, following, told, _free_stream, None)
        self._kept += [described, following, told, stream]
        return _capsule(ctypes.addressof(stream), b"arrow_array_stream", None)

    def _describe(self, _: object, out: Any) -> int:
        children = (POINTER(_Schema) * len(self._kinds))()
        for place, (name, kind) in enumerate(self._kinds.items()):
            child = _Schema(_FORMATS[kind], name.encode(), None, 0, 0, None, None, _free_schema, None)
            self._kept.append(child)
            children[place] = ctypes.pointer(child)
        self._kept.append(children)
        _fill(out.contents, _Schema(b"+s", b"", None, 0, len(children), children, None, _free_schema, None))
        return 0

    def _next(self, _: object, out: Any) -> int:
        try:
            batch = next(self._batches, None)
        except BaseException as error:  # noqa: BLE001 - no exception gets through C; it is raised by who reads
            self.error = error
            return _BROKEN
        if batch is None:
            out.contents.release = _FreeArray()
            return 0
        number = next(_numbers)
        length, columns = batch
        children = (POINTER(_Array) * len(columns))()
        kept: list[object] = [children]
        for place, column in enumerate(columns):
            buffers = (column,) if isinstance(column, np.ndarray) else (column.offsets, column.data)
            # The first buffer would be the bitmap of what is not NULL.
            addresses = (c_void_p * (len(buffers) + 1))(None, *(buffer.ctypes.data for buffer in buffers))
            child = _Array(length, 0, 0, len(addresses), 0, addresses, None, None, _free_column, None)
            kept += [buffers, addresses, child]
            children[place] = ctypes.pointer(child)
        none = (c_void_p * 1)(None)
        kept.append(none)
        _lent[number] = kept
        _fill(out.contents, _Array(length, 0, 0, 1, len(columns), none, children, None, _free_batch, number))
        return 0


def _fill(target: ctypes.Structure, values: ctypes.Structure) -> None:
    ctypes.memmove(ctypes.addressof(target), ctypes.addressof(values), ctypes.sizeof(values))
