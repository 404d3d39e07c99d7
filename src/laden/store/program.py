"""Runs a program that prints a credential, and takes a SAS from what that of `--sas-command` prints.

In order: the command is split into words, its program looked up, run without a shell and without input, ended with
all it started when it takes too long or the run is asked to stop; what it writes to stderr is told, what it prints is
searched for the one line with a signature. The SAS is never told, logged or put into an error.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable

from laden.values.errors import AccessDenied, Interrupted, UsageError
from laden.values.secrets import note, redact

TIMEOUT_S = 60.0
"""`az` takes some seconds; a sign-in that waits for a person is not for here."""

_SAS_COMMAND = "--sas-command"
_LOOK_S = 0.1
_MOST_CHARACTERS = 64 << 10
_MOST_TOLD = 500


def words_of(command: str, option: str = _SAS_COMMAND) -> list[str]:
    """A command as words, its program as a path.

    Quotes and backslashes group words as in a POSIX shell; on Windows only double quotes do, as there. Nothing is
    expanded: `sh -c '...'` is the way to pipes and variables.

    Raises:
        UsageError: its quotes are not closed, or there is no such program.
    """
    posix = os.name != "nt"
    try:
        words = shlex.split(command, posix=posix)
    except ValueError:
        raise UsageError(f"{option} has a quote that is not closed") from None
    if not posix:
        words = [word[1:-1] if len(word) > 1 and word[0] == word[-1] == '"' else word for word in words]
    if not words:
        raise UsageError(f"{option} is empty: give a program")
    program = shutil.which(words[0])
    if program is None:
        raise UsageError(
            f"{option} names a program that is not here: '{words[0]}' (it is run without a shell: for pipes and"
            " variables, use sh -c '...')"
        )
    return [program, *words[1:]]


def printed_sas(words: list[str], stopping: Callable[[], bool], tell: Callable[[str], None]) -> str:
    """Run it, and return the line of its output that holds a SAS, as it is.

    Args:
        words: from `words_of`.
        stopping: asked often; once true, the program is ended.
        tell: told what it wrote to stderr.

    Raises:
        AccessDenied: it failed, took too long, or printed no SAS.
        Interrupted: asked to stop.
    """
    out = printed(words, stopping, tell, _SAS_COMMAND)
    lines = {line.strip().strip("\"',") for line in out.splitlines() if "sig=" in line}
    if len(lines) != 1:
        raise AccessDenied(
            f"--sas-command printed {'several SAS' if lines else 'no SAS'}: it must print one, or one SAS URL"
        )
    return lines.pop()


def printed(words: list[str], stopping: Callable[[], bool], tell: Callable[[str], None], option: str) -> str:
    """Run a program, and return the beginning of what it printed.

    Args:
        words: from `words_of`.
        stopping: asked often; once true, the program is ended.
        tell: told what it wrote to stderr.
        option: that named it, for sentences.

    Raises:
        AccessDenied: it failed, or took too long.
        Interrupted: asked to stop.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - what the user asked to run, without a shell
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            # Ctrl-C is for laden; and what the program starts can be ended with it.
            start_new_session=True,
        )
    except OSError as error:
        raise AccessDenied(f"{option} could not be started: {error.strerror}") from None
    with process:
        try:
            out, err = _watched(process, stopping, option)
        except BaseException:
            _kill(process)
            raise
    note(*(line for line in out[:_MOST_CHARACTERS].splitlines() if "sig=" in line))
    if told := _without_secrets(err):
        tell(f"{option} says: {told}")
    if process.returncode:
        raise AccessDenied(f"{option} ended with exit code {process.returncode} and gave nothing")
    return out[:_MOST_CHARACTERS]


def _watched(process: subprocess.Popen[str], stopping: Callable[[], bool], option: str) -> tuple[str, str]:
    until_s = time.monotonic() + TIMEOUT_S
    while True:
        try:
            return process.communicate(timeout=_LOOK_S)
        except subprocess.TimeoutExpired:
            if stopping():
                raise Interrupted(f"stopped while {option} ran") from None
            if time.monotonic() > until_s:
                raise AccessDenied(f"{option} gave nothing within {TIMEOUT_S:.0f} s and was ended") from None


def _kill(process: subprocess.Popen[str]) -> None:
    """End it, and all that it started."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _without_secrets(text: str) -> str:
    """One line, not long, printable, and without what looks like a secret."""
    # What a terminal would not show may stand within a secret, and is taken out before that is looked for.
    seen = "".join(sign for sign in text[:_MOST_CHARACTERS] if sign.isprintable() or sign.isspace())
    told = " ".join(redact(seen).split())
    return told if len(told) <= _MOST_TOLD else f"{told[:_MOST_TOLD]} ..."
