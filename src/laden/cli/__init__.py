"""The command line: one verb, one module. Parses, calls, renders; nothing else.

Modules are imported when their verb runs, so that `laden --help` answers at once.
"""

from __future__ import annotations

import gc
import os
import sys

from laden.cli.early import Early


def main() -> None:
    """Entry point of the `laden` command."""
    with Early() as early:
        code = _ended(early, sys.argv[1:], prepare=True)
    # Taking the interpreter down object by object takes longer than loading a small dataset; nothing is left to do.
    os._exit(code)


def run_command(arguments: list[str]) -> int:
    """Run a command line, and return its exit code; nothing that it was given in confidence leaves on the way."""
    with Early() as early:
        return _ended(early, arguments, prepare=False)


def _ended(early: Early, arguments: list[str], *, prepare: bool) -> int:
    try:
        if prepare:
            _prepare()
        return _guarded(early, arguments)
    except (KeyboardInterrupt, Exception):
        if not early.stopped:
            raise
    print("laden: stopped as you asked", file=sys.stderr, flush=True)
    return 130


def _guarded(early: Early, arguments: list[str]) -> int:
    from laden.values.secrets import StreamLost, guarded, note_arguments, note_environment

    with guarded():
        from laden.cli.usage import run_typer

        note_environment()
        note_arguments(arguments)
        code = run_typer(arguments, early)
        try:
            sys.stdout.flush()
        except StreamLost as error:
            from laden.cli.faces import unwritten

            code = code or unwritten(error)
        sys.stderr.flush()
    return code


def _prepare() -> None:
    """What is so for a whole process."""
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    # Nothing that laden makes by the million is cyclic: looking for cycles in it is time lost.
    gc.set_threshold(200_000, 20, 50)
    # NumPy's linear algebra, which nothing here uses, would start a thread for each core, and these spin for a while.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from laden.values.memory import keep_memory

    keep_memory()


def _open_streams() -> None:
    """Give the program the three files that it was started without (`>&-`): else another takes their place."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != descriptor:
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, "r" if name == "stdin" else "w", encoding="utf-8", closefd=False))  # noqa: SIM115
