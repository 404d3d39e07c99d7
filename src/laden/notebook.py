"""How a run is shown in a notebook: one line that is written anew, findings by kind, and the end.

`progress` gives an observer for `laden.load` and its like. In a notebook it draws through IPython's own display, which
every kernel has; elsewhere, and where there is no IPython, it prints a line from time to time.
"""

from __future__ import annotations

import html
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, TextIO

from laden.values.events import Event, Found, Measured, Observer, PlanReady, Started, Summary, Warned
from laden.values.phases import PHASES
from laden.values.signs import Counted, Progress
from laden.values.units import amount, duration, plural, size

_DRAW_S = 0.5
_PRINT_S = 10.0


def progress(clock: Callable[[], float] = time.monotonic, out: TextIO | None = None) -> Observer:
    """An observer that shows how far a run is.

    Args:
        clock: gives seconds.
        out: where lines are printed where there is no notebook; by default standard output.
    """
    if (display := _display()) is not None:
        return _Drawn(display, clock).see
    return _Printed(clock, out or sys.stdout).see


def _display() -> Callable[..., Any] | None:
    """IPython's, where this runs in a kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    from IPython.display import display

    found: Callable[..., Any] = display
    return found


class _Line:
    """What is to be said at a moment."""

    def __init__(self) -> None:
        self.phase = ""
        self.far = ""
        self.part = 0.0
        self.findings: Counter[str] = Counter()

    def take(self, event: Event) -> bool:
        """Take note of an event; whether it should be shown now, however lately something was."""
        match event:
            case Started():
                self.phase, self.far, self.part = PHASES.get(event.stage, event.stage), "", 0.0
            case Counted():
                self.far = f"{amount(event.count)} {event.what}"
                return False
            case Progress():
                self.far, self.part = _far(event), event.bytes / event.bytes_in_all if event.bytes_in_all else 0.0
                return False
            case Found():
                self.findings[event.finding.code] += 1
                return False
            case PlanReady():
                self.far = f"{plural(event.send + event.replace, 'image')} to be sent, {size(event.bytes_to_send)}"
            case Measured():
                self.far = f"about {duration(event.seconds)}"
            case _:
                return False
        return True

    @property
    def text(self) -> str:
        return f"{self.phase}: {self.far}" if self.far else self.phase


def _far(event: Progress) -> str:
    parts = [f"{size(event.bytes)} of {size(event.bytes_in_all)}"]
    if event.bytes_per_s > 0:
        parts.append(f"{duration((event.bytes_in_all - event.bytes) / event.bytes_per_s)} left")
        parts.append(f"{size(int(event.bytes_per_s))}/s")
    if event.waiting:
        parts.append(f"waiting: {event.waiting}")
    return ", ".join(parts)


class _Printed:
    """Lines of text."""

    def __init__(self, clock: Callable[[], float], out: TextIO) -> None:
        self._clock = clock
        self._out = out
        self._line = _Line()
        self._told_s = clock()

    def see(self, event: Event) -> None:
        if isinstance(event, Warned):
            self._say(f"Warning: {event.message}")
        elif isinstance(event, Summary):
            self._say(repr(event))
        elif self._line.take(event) or self._clock() - self._told_s >= _PRINT_S:
            self._say(self._line.text)

    def _say(self, text: str) -> None:
        self._told_s = self._clock()
        print(text, file=self._out, flush=True)


class _Drawn:
    """One output of a cell, drawn anew."""

    def __init__(self, display: Callable[..., Any], clock: Callable[[], float]) -> None:
        self._display = display
        self._clock = clock
        self._line = _Line()
        self._warnings: list[str] = []
        self._handle: Any = None
        self._drawn_s = 0.0

    def see(self, event: Event) -> None:
        if isinstance(event, Warned):
            self._warnings.append(event.message)
        if isinstance(event, Summary):
            self._draw(event._repr_html_())
        elif self._line.take(event) or self._clock() - self._drawn_s >= _DRAW_S:
            self._draw(self._running())

    def _running(self) -> str:
        found = ", ".join(f"{amount(count)} {code}" for code, count in sorted(self._line.findings.items()))
        bar = f'<progress value="{self._line.part:.4f}" max="1"></progress> ' if self._line.part else ""
        return f"<div>{bar}{html.escape(self._line.text)}</div>" + (f"<div>{html.escape(found)}</div>" if found else "")

    def _draw(self, markup: str) -> None:
        from IPython.display import HTML

        self._drawn_s = self._clock()
        told = "".join(f"<div><b>Warning:</b> {html.escape(text)}</div>" for text in self._warnings)
        shown = HTML(f"<div>{told}{markup}</div>")  # type: ignore[no-untyped-call]
        if self._handle is None:
            self._handle = self._display(shown, display_id=True)
        else:
            self._handle.update(shown)
