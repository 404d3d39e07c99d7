"""Chooses how events are shown, runs a verb's work, and turns its end into an exit code.

`--json` writes each event as a line; otherwise the terminal face draws them. An error that the verb could
not put into a summary gets one here, so that the last JSON line is a summary whatever happened.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import FrameType
from typing import Any, NamedTuple, Self

from laden.cli.ask import Question, SasPrompt
from laden.values.errors import ExitCode, LadenError
from laden.values.events import Event, Observer, Serving, Started, Summary, to_json
from laden.values.scratch import remove_all
from laden.values.secrets import redacted

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Ctrl-C, what ends services and containers, and a terminal that is closed."""
_SHOW_CURSOR = "\x1b[?25h\n"
_STOPPED = "stopped as you asked: run the same command again to go on"
_ORDERLY = frozenset({"transfer", "images"})
"""Stages in which the first signal lets what was begun come to its end; `stopping` tells the verb."""


class Interrupts:
    """Ctrl-C once: while images are sent or read, begin nothing more; elsewhere, end now. Twice: end at once.

    The container is the journal, so nothing is lost, whenever it ends.
    """

    def __init__(self) -> None:
        self.stopping = False
        self.cut = False
        """Whether the run was ended wherever it was."""
        self._orderly = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Take the signals over, where they can be: in the main thread."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                # A command that was started with nohup goes on when its terminal is closed.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        """Give them back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def asked(self) -> bool:
        """Whether the run should come to an end."""
        return self.stopping

    def see(self, event: Event) -> None:
        """Follow the run, to know what a signal means."""
        if isinstance(event, Started):
            self._orderly = event.stage in _ORDERLY
        elif isinstance(event, Serving):
            self._orderly = True

    def _handle(self, _: int, __: FrameType | None) -> None:
        if self.stopping:
            with suppress(OSError):
                if sys.stdout.isatty():
                    # The line that moves hides it.
                    sys.stdout.write(_SHOW_CURSOR)
                sys.stdout.flush()
            remove_all()
            os._exit(ExitCode.INTERRUPTED)
        self.stopping = True
        if not self._orderly:
            self.cut = True
            raise KeyboardInterrupt
        # The terminal may be gone.
        with suppress(OSError):
            sys.stderr.write("\nFinishing what is in flight, 10 s at most; Ctrl-C again stops at once.\n")
            sys.stderr.flush()


class Face(NamedTuple):
    """How events are shown."""

    json: bool = False
    """As lines of JSON on stdout."""
    quiet: bool = False
    """Only warnings, errors and the last line."""
    verbose: bool = False
    """Every event."""

    @classmethod
    def of(cls, options: dict[str, Any]) -> Face:
        """Take those that `options.Showing` declares out of a command's options."""
        return cls(*(options.pop(name) for name in cls._fields))


def run_verb(
    command: str,
    work: Callable[[Observer], Summary],
    shown: Face = Face(),
    *,
    prompt: SasPrompt | None = None,
    question: Question | None = None,
    aside: bool = False,
    interrupts: Interrupts | None = None,
) -> int:
    """Run a verb and return its exit code.

    Args:
        command: its name, for the summary of an error.
        work: does it, telling the observer.
        shown: how.
        prompt: asks on the terminal while the work runs; what is drawn makes way for it.
        question: asks whether to go on; what is known to be wrong is drawn before it.
        aside: whether all is shown on stderr, because stdout takes what the verb makes.
        interrupts: what tells the verb to stop, where it can do so in an orderly way.
    """
    face: Observer = json_face
    with ExitStack() as stack:
        if not shown.json:
            from laden.cli.terminal import Terminal

            terminal = Terminal(quiet=shown.quiet, verbose=shown.verbose, aside=aside)
            stack.callback(terminal.close)
            face = terminal.show
            if prompt is not None:
                prompt.hold = terminal.hold
            if question is not None:
                question.known = terminal.known
        return run_with(command, work, face, interrupts)


def run_with(
    command: str, work: Callable[[Observer], Summary], face: Observer, interrupts: Interrupts | None = None
) -> int:
    """Run a verb with a face of its own, and return its exit code; see `run_verb`."""
    interrupts = interrupts or Interrupts()
    seen: list[Summary] = []

    def observe(event: Event) -> None:
        if isinstance(event, Summary):
            seen.append(event)
        interrupts.see(event)
        # Before it is drawn: on a narrow terminal, lines break within what has to be found whole.
        face(redacted(event))

    try:
        with interrupts:
            return work(observe).exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.INTERRUPTED)
    except (KeyboardInterrupt, Exception) as error:
        # What is interrupted within a library may come out as an error of its own.
        if interrupts.cut or isinstance(error, KeyboardInterrupt):
            message, exit_code = _STOPPED, ExitCode.INTERRUPTED
        elif isinstance(error, LadenError):
            message, exit_code = str(error), error.exit_code
        else:
            raise
        if not seen:
            face(Summary(command, message=message, exit_code=int(exit_code)))
        return int(exit_code)


def json_face(event: Event) -> None:
    """Write an event as a line of JSON."""
    sys.stdout.write(to_json(event) + "\n")
    sys.stdout.flush()
