"""The command line: one verb, one module. Parses, calls, renders; nothing else.

Modules are imported when their verb runs, so that `laden --help` answers at once.
"""

from __future__ import annotations

import gc
import os
import sys


def main() -> None:
    """Entry point of the `laden` command."""
    from laden.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    # Nothing that laden makes by the million is cyclic: looking for cycles in it is time lost.
    gc.set_threshold(50_000, 20, 50)
    try:
        app()
    except SystemExit as end:
        # Taking the interpreter down object by object takes longer than loading a small dataset; nothing is left to do.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else int(end.code is not None))
