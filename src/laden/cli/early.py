"""Ctrl-C before a run has taken it over (`laden.cli.faces.Interrupts`): while libraries are imported, mostly.

It raises KeyboardInterrupt as ever, and remembers that it did: a library whose import is broken off may make an error
of its own of it. Where a compiled module is just being made, which may take no exception, it waits until that is done.
Little is imported here, so that this stands first.
"""

from __future__ import annotations

import signal
import threading
from importlib.machinery import ExtensionFileLoader
from types import FrameType
from typing import Any, Self

_LATER_S = 0.02


class Early:
    """Takes Ctrl-C over where nobody else has, in the main thread; given back at the end."""

    def __init__(self) -> None:
        self.stopped = False
        """Whether there was one."""
        self._before: Any = None

    def __enter__(self) -> Self:
        """Take it over."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.getsignal(signal.SIGINT)
            if self._before is signal.default_int_handler:
                signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        if self._before is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.stopped = True
        if _makes_module(frame):
            threading.Timer(_LATER_S, signal.raise_signal, (number,)).start()
            return
        raise KeyboardInterrupt


def _makes_module(frame: FrameType | None) -> bool:
    """Whether a compiled module is being made: DuckDB's, in C++, ends the process over an exception there."""
    while frame is not None:
        if isinstance(frame.f_locals.get("self"), ExtensionFileLoader):
            return True
        frame = frame.f_back
    return False
