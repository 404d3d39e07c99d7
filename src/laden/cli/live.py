"""The line that moves while a verb runs: what it is at, how far, how fast, how long still, and what limits it.

On a terminal it is drawn several times a second by a thread of its own, so that it moves whatever the verb is at. Where
there is no terminal, a line is printed every half minute.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.text import Text

from laden.cli.text import plain
from laden.values.signs import Counted, Progress
from laden.values.units import amount, duration, size

BEAT_S = 30.0
_QUIET_S = 1.0
"""A phase shows its seconds when it lasts longer."""
_FRAMES = "\u280b\u2819\u2839\u2838\u283c\u2834\u2826\u2827\u2807\u280f"
_PLAIN_FRAMES = "|/-\\"
_FRAMES_A_SECOND = 8
_SHORTEST_BAR, _LONGEST_BAR = 8, 32


class Line:
    """One line, drawn again and again between `begin` and `end`."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        """Draw on `console`; `clock` gives seconds."""
        self._console = console
        self._clock = clock
        self._what = ""
        self._since_s = 0.0
        self._seen: Progress | Counted | None = None
        self._live: Live | None = None
        self._beat: _Beat | None = None

    def begin(self, what: str) -> None:
        """Something begins, or goes on: a phase in a few words."""
        if what != self._what:
            self._what, self._since_s = what, self._clock()
        self._seen = None
        self._start()

    def see(self, event: Progress | Counted) -> None:
        """How far it is."""
        self._seen = event
        self._start()

    def end(self) -> None:
        """Take it off the screen."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()
        if self._beat is not None:
            self._beat.over.set()
            self._beat = None

    def text(self) -> Text:
        """As it is now, no wider than the terminal."""
        frames = _FRAMES if self._console.encoding.startswith("utf") else _PLAIN_FRAMES
        frame = frames[int(self._clock() * _FRAMES_A_SECOND) % len(frames)]
        line = Text(f"{frame} ", "cyan", no_wrap=True)
        room = self._console.width - 3
        if isinstance(self._seen, Progress) and self._seen.bytes_in_all:
            width = min(max(room // 5, _SHORTEST_BAR), _LONGEST_BAR)
            line.append_text(_bar(self._seen.bytes / self._seen.bytes_in_all, width, frames))
            line.append("  ")
            room -= width + 2
        line.append(_fitting(self.parts(), room))
        return line

    def parts(self) -> list[str]:
        """What is to be said, the most important first."""
        seconds = self._clock() - self._since_s
        lasted = [duration(seconds)] if seconds >= _QUIET_S else []
        match self._seen:
            case Progress() as seen if seen.bytes_in_all or seen.images_in_all:
                return _how_far(seen)
            case Progress() as seen if seen.waiting:
                return [self._what, *lasted, f"waiting: {plain(seen.waiting)}"]
            case Counted() as seen:
                return [f"{amount(seen.count)} {seen.what}", *lasted]
        return [self._what, *lasted]

    def _start(self) -> None:
        if self._console.is_terminal:
            if self._live is None:
                self._live = Live(
                    get_renderable=self.text, console=self._console, transient=True, refresh_per_second=_FRAMES_A_SECOND
                )
                self._live.start()
        elif self._beat is None:
            self._beat = _Beat(self.tell)
            self._beat.start()

    def tell(self) -> None:
        """Print the line, for those who read it later."""
        parts = self.parts()
        if parts[0] != self._what:
            parts.insert(0, self._what)
        self._console.print("; ".join(filter(None, parts)), markup=False)


class _Beat(threading.Thread):
    """Calls something every half minute until it is over."""

    def __init__(self, tell: Callable[[], None]) -> None:
        super().__init__(name="laden-beat", daemon=True)
        self._tell = tell
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(BEAT_S):
            self._tell()


def _how_far(seen: Progress) -> list[str]:
    """The parts of a line about bytes."""
    speed = seen.bytes_per_s
    left = [f"{duration((seen.bytes_in_all - seen.bytes) / speed)} left"] if speed > 0 else []
    parts = [
        f"{size(seen.bytes)} of {size(seen.bytes_in_all)}",
        *left,
        f"{size(int(speed))}/s",
        f"{amount(seen.images)} of {amount(seen.images_in_all)}",
    ]
    if seen.waiting:
        parts.append(f"waiting: {plain(seen.waiting)}")
    elif seen.limit:
        parts.append(f"limit: {seen.limit}")
    if seen.retries:
        parts.append(f"{amount(seen.retries)} retries")
    return parts


def _bar(share: float, width: int, frames: str) -> Text:
    sign = "\u2501" if frames is _FRAMES else "="
    done = min(width, int(share * width))
    return Text(sign * done, "green") + Text(sign * (width - done) if sign != "=" else "." * (width - done), "dim")


def _fitting(parts: list[str], room: int) -> str:
    """As many whole parts as there is room for, and the first one in any case."""
    text = parts[0]
    for part in parts[1:]:
        if len(text) + 2 + len(part) <= room:
            text += f"  {part}"
    return text[:room]
