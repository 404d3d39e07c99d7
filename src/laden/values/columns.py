"""Columns of Python values as NumPy arrays, as the database reads them.

NumPy's masked arrays are not used: to import them takes as long as a small plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Column = Sequence[Any] | np.typing.NDArray[Any]
"""The values of a column; None is NULL."""


def is_absent(column: Column) -> bool:
    """Whether it holds NULL alone, as one that is not named does."""
    return isinstance(column, list | tuple) and column.count(None) == len(column)


def as_array(column: Column, kind: str) -> tuple[np.typing.NDArray[Any], np.typing.NDArray[np.bool_] | None]:
    """A NumPy column; of integers with gaps, also which are known."""
    if isinstance(column, np.ndarray):
        return column, None
    if kind == "VARCHAR":
        return np.array(column, dtype=object), None
    if kind == "BOOLEAN":
        return np.array(column, dtype=bool), None
    if None not in column:
        return np.array(column, dtype=np.int64), None
    known = np.array([value is not None for value in column])
    return np.array([value or 0 for value in column], dtype=np.int64), known
