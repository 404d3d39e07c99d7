"""The command line: one verb, one module. Parses, calls, renders; nothing else.

Modules are imported when their verb runs, so that `laden --help` answers at once.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the `laden` command."""
    from laden.cli.app import app

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    app()
