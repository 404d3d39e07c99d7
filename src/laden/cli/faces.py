"""Chooses how events are shown, runs a verb's work, and turns its end into an exit code.

`--json` writes each event as a line; otherwise the terminal face draws them. An error that the verb could
not put into a summary gets one here, so that the last JSON line is a summary whatever happened.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType
from typing import Any, NamedTuple

from laden.cli.ask import SasPrompt
from laden.values.errors import ExitCode, LadenError
from laden.values.events import Event, Observer, Summary, to_json
from laden.values.secrets import redacted


class Interrupts:
    """Ctrl-C once: stop taking new work. Twice: end at once; the container is the journal, so nothing is lost."""

    def __init__(self) -> None:
        self.stopping = False
        signal.signal(signal.SIGINT, self._handle)
        signal.signal(signal.SIGTERM, self._handle)

    def asked(self) -> bool:
        """Whether the run should come to an end."""
        return self.stopping

    def _handle(self, _: int, __: FrameType | None) -> None:
        if self.stopping:
            sys.stdout.flush()
            os._exit(ExitCode.INTERRUPTED)
        self.stopping = True
        sys.stderr.write("\nFinishing what is in flight; Ctrl-C again stops at once.\n")


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
    aside: bool = False,
) -> int:
    """Run a verb and return its exit code.

    Args:
        command: its name, for the summary of an error.
        work: does it, telling the observer.
        shown: how.
        prompt: asks on the terminal while the work runs; what is drawn makes way for it.
        aside: whether all is shown on stderr, because stdout takes what the verb makes.
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
        return run_with(command, work, face)


def run_with(command: str, work: Callable[[Observer], Summary], face: Observer) -> int:
    """Run a verb with a face of its own, and return its exit code; see `run_verb`."""
    seen: list[Summary] = []

    def observe(event: Event) -> None:
        if isinstance(event, Summary):
            seen.append(event)
        # Before it is drawn: on a narrow terminal, lines break within what has to be found whole.
        face(redacted(event))

    try:
        return work(observe).exit_code
    except LadenError as error:
        if not seen:
            face(Summary(command, message=str(error), exit_code=int(error.exit_code)))
        return int(error.exit_code)
    except KeyboardInterrupt:
        face(Summary(command, message="stopped as you asked", exit_code=int(ExitCode.INTERRUPTED)))
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.INTERRUPTED)


def json_face(event: Event) -> None:
    """Write an event as a line of JSON."""
    sys.stdout.write(to_json(event) + "\n")
    sys.stdout.flush()
