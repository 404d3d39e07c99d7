"""Asks the person at the terminal: whether to go on, and for a new SAS, without showing what is typed.

It takes the progress bar away first, reads without echo and looks often whether the run still wants an answer, so
that Ctrl-C leaves the terminal as it was. Where there is no terminal, nobody is asked.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from laden.values.events import PlanReady
from laden.values.units import plural, size

_LOOK_S = 0.2


class SasPrompt:
    """What `laden.verbs.load` takes as `ask_sas`."""

    def __init__(self) -> None:
        self.hold: Callable[[], AbstractContextManager[None]] = nullcontext
        """Keeps others from drawing on the terminal meanwhile."""

    def __call__(self, why: str, over: Callable[[], bool]) -> str:
        """The SAS that the person gives; empty where none is given, or an answer is no longer wanted."""
        with self.hold():
            question = f"\nPaused: {why}.\nPaste a new SAS (it is not shown), or press Enter to stop: "
            return _answer(question, over)


class Question:
    """What `laden.verbs.load` takes as `confirm`: shows what is known to be wrong, and asks whether to go on."""

    def __init__(self, *, alone: bool = False) -> None:
        """`alone` says that no plan is drawn before it, so that it has to tell what is to be sent, and where to."""
        self._alone = alone
        self.known: Callable[[], bool] = lambda: False
        """Draws what is known to be wrong; whether it needs a person."""

    def __call__(self, plan: PlanReady) -> bool:
        """Whether to go on; nothing is asked where nothing is sent."""
        if not plan.to_settle:
            return True
        doubtful = self.known()
        sends = plural(plan.to_settle, "image")
        if self._alone:
            sends += f", {size(plan.bytes_to_send)}, to {plan.place}"
        if doubtful:
            return agreed(f"The findings above need a person. Send {sends} anyway?")
        return agreed(f"Send {sends}?" if self._alone else "Go on?")


def somebody_is_there() -> bool:
    """Whether both ends of a conversation are a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def agreed(question: str) -> bool:
    """Whether the person agrees; Enter does, the end of the input and Ctrl-C do not."""
    while True:
        try:
            sys.stdout.write(f"{question} [Y/n]: ")
            sys.stdout.flush()
            line = _line(sys.stdin.fileno(), lambda: False) if os.name == "posix" else sys.stdin.readline()
        except KeyboardInterrupt:
            line = ""
        if not line:
            sys.stdout.write("\n")
        answer = line.strip().lower()
        if not line or answer in ("n", "no"):
            return False
        if answer in ("", "y", "yes"):
            return True


def _answer(question: str, over: Callable[[], bool]) -> str:
    """A line from the terminal, without echo."""
    if os.name != "posix":
        from getpass import getpass

        return getpass(question)
    descriptor = sys.stdin.fileno()
    # Quiet first: nothing that is typed once the question stands there is shown or lost.
    with _without_echo(descriptor):
        sys.stderr.write(question)
        sys.stderr.flush()
        answer = _line(descriptor, over)
    sys.stderr.write("\n")
    return answer.strip()


def _line(descriptor: int, over: Callable[[], bool]) -> str:
    """A line; a part of one where the input ends or it is over. Looks up often: no signal is slept through."""
    import select

    typed = ""
    while not over() and "\n" not in typed:
        if select.select([descriptor], [], [], _LOOK_S)[0]:
            piece = os.read(descriptor, 4096).decode(errors="replace")
            if not piece:
                return typed
            typed += piece
    return typed[: typed.find("\n") + 1]


@contextmanager
def _without_echo(descriptor: int) -> Iterator[None]:
    """What is typed is not shown; the line stays the terminal's, so that it can be corrected."""
    import termios

    before = termios.tcgetattr(descriptor)
    quiet = termios.tcgetattr(descriptor)
    quiet[3] &= ~termios.ECHO
    try:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, quiet)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
