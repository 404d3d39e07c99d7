"""Chooses how events are shown, runs a verb's work, and turns its end into an exit code.

`--json` writes each event as a line; otherwise the terminal face draws them. An error that the verb could
not put into a summary gets one here, so that the last JSON line is a summary whatever happened.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from types import FrameType
from typing import Any, Self

from laden.cli.ask import Question, SasPrompt
from laden.cli.face import Face
from laden.values.errors import ExitCode, LadenError, last_words
from laden.values.events import Event, Observer, Serving, Started, Summary, to_json
from laden.values.scratch import remove_all
from laden.values.secrets import let_go, redacted

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Ctrl-C, what ends services and containers, and a terminal that is closed."""
_SHOW_CURSOR = "\x1b[?25h\n"
_STOPPED = "stopped as you asked: run the same command again to go on"
_AT_ONCE = b"\nStopped at once, and nothing more is told: the same command again goes on.\n"
_ORDERLY = frozenset({"transfer", "images", "download", "fetch", "acting"})
"""Stages in which the first signal lets what was begun come to its end; `stopping` tells the verb."""


class Interrupts:
    """Ctrl-C once: while images are sent, fetched or read, begin nothing more; elsewhere, end now. Twice: end at once.

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

    def stop(self) -> None:
        """End the run: in an orderly way where it can, else here and now."""
        self.stopping = True
        if not self._orderly:
            self.cut = True
            raise KeyboardInterrupt

    def _handle(self, _: int, __: FrameType | None) -> None:
        if self.stopping:
            with suppress(OSError):
                if sys.stdout.isatty():
                    # The line that moves hides it.
                    sys.stdout.write(_SHOW_CURSOR)
                sys.stdout.flush()
            remove_all()
            with suppress(OSError):
                # Straight to the descriptor: what this interrupts may be within the stream.
                os.write(2, _AT_ONCE)
            os._exit(ExitCode.INTERRUPTED)
        self.stop()
        # The terminal may be gone.
        with suppress(OSError):
            sys.stderr.write("\nFinishing what is in flight, 10 s at most; Ctrl-C again stops at once.\n")
            sys.stderr.flush()


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

            terminal = Terminal(quiet=shown.quiet, verbose=shown.verbose, aside=aside, name=command)
            stack.callback(_closed, terminal.close)
            face = terminal.show
            if prompt is not None:
                prompt.hold = terminal.hold
            if question is not None:
                question.known = terminal.known
                terminal.measures = True
        return run_with(command, work, face, interrupts)


def run_with(
    command: str, work: Callable[[Observer], Summary], face: Observer, interrupts: Interrupts | None = None
) -> int:
    """Run a verb with a face of its own, and return its exit code; see `run_verb`."""
    interrupts = interrupts or Interrupts()
    telling = _Telling(face, interrupts)
    try:
        with interrupts:
            ended = work(telling.observe).exit_code
    except (KeyboardInterrupt, Exception) as error:
        # What is interrupted within a library may come out as an error of its own.
        if interrupts.cut or isinstance(error, KeyboardInterrupt):
            message, ended = _STOPPED, int(ExitCode.INTERRUPTED)
        elif isinstance(error, LadenError):
            message, ended = last_words(error, command), int(error.exit_code)
        else:
            raise
        if not telling.ended:
            telling.observe(Summary(command, message=message, exit_code=ended))
    return telling.exit_code(ended)


class _Telling:
    """Hands events to a face, and ends the run where the face can tell nobody any more."""

    def __init__(self, face: Observer, interrupts: Interrupts) -> None:
        self.ended = False
        """Whether there was a summary."""
        self._face = face
        self._interrupts = interrupts
        self._lost: OSError | None = None
        """Why nobody was told, before the run had ended."""

    def observe(self, event: Event) -> None:
        self.ended |= isinstance(event, Summary)
        self._interrupts.see(event)
        if self._lost is not None:
            return
        try:
            # Before it is drawn: on a narrow terminal, lines break within what has to be found whole.
            self._face(redacted(event))
        except OSError as error:
            let_go(sys.stdout)
            if not self.ended:
                self._lost = error
                self._interrupts.stop()

    def exit_code(self, ended: int) -> int:
        """How the run ended; where it was ended because nobody could be told, that."""
        return ended if self._lost is None else unwritten(self._lost)


def unwritten(error: OSError) -> int:
    """Say that standard output cannot be written, but not where only its reader has gone; returns the exit code."""
    if error.errno == errno.EPIPE:
        return int(ExitCode.INTERRUPTED)
    with suppress(OSError):
        told = f"laden: standard output cannot be written ({error.strerror or error}): send it somewhere else"
        print(f"{told}, and run it again", file=sys.stderr, flush=True)
    return int(ExitCode.USAGE)


def _closed(close: Callable[[], None]) -> None:
    """Take off the screen what is drawn there, where there still is one."""
    with suppress(OSError):
        close()


def tell_end(command: str, message: str, exit_code: int) -> int:
    """Tell a program how a command ended that began no run, as a line of JSON; returns the exit code."""
    json_face(redacted(Summary(command, message=message, exit_code=int(exit_code))))
    return int(exit_code)


def json_face(event: Event) -> None:
    """Write an event as a line of JSON."""
    sys.stdout.write(to_json(event) + "\n")
    sys.stdout.flush()
