"""Keeps the decoders' warnings from whoever runs laden: what matters of them is a state.

`warnings.catch_warnings` alone would let two threads restore each other's filters.
"""

from __future__ import annotations

import threading
import warnings


class _Quiet:
    """A context in which no warning is shown; threads may be in it together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._saved = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._saved = warnings.catch_warnings()
                self._saved.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._saved.__exit__(None, None, None)


QUIET = _Quiet()
