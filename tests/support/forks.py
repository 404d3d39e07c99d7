"""Runs the command without starting Python anew: a process that has all of laden in memory splits itself for each run.

Started by the first `forked` of a test process, it listens at a socket until that process ends. A request is a line of
JSON with the descriptors of two files; it is answered with the process id of the command, then with how it ended. What
a start of Python would do anew (arguments, settings, folder, streams, time zone) is done anew; what the dynamic linker
or Python itself reads from the environment is not: such a run is no case for it (`can`). The installed command itself
is what `harness.start` starts, and `harness.run` where this cannot be had.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

_LINE_BYTES = 1 << 20


def can(env: dict[str, str]) -> bool:
    """Whether these settings can be given to a Python that runs already."""
    return hasattr(os, "fork") and not any(name.startswith(("LD_", "DYLD_", "PYTHON")) for name in env)


def forked(
    arguments: list[str], env: dict[str, str], folder: Path, out: BinaryIO, err: BinaryIO, timeout_s: float
) -> int:
    """Run a command line to its end and return its exit code, as `subprocess` has it; TimeoutExpired ends it."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(_server())
        request = json.dumps([arguments, env, str(folder)]).encode() + b"\n"
        sent = socket.send_fds(line, [request], [out.fileno(), err.fileno()])
        line.sendall(request[sent:])
        with line.makefile("rb") as answers:
            pid = int(answers.readline())
            line.settimeout(timeout_s)
            try:
                return int(answers.readline())
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(arguments, timeout_s) from None


@cache
def _server() -> str:
    """Start the process that splits itself; the path of its socket."""
    folder = tempfile.TemporaryDirectory(prefix="laden-forks-")
    path = str(Path(folder.name) / "socket")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.forks", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        # Settings of the test that comes first are no other's: what is confidential among them is remembered.
        env={name: value for name, value in os.environ.items() if not name.startswith(("AZURE_", "LADEN_"))},
    )
    assert process.stdout is not None
    process.stdout.readline()

    def end() -> None:
        process.communicate()
        folder.cleanup()

    atexit.register(end)
    return path


def _serve(path: str) -> None:
    """Split off a keeper for each request, until the process that started this one is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as ready:
        listener.bind(path)
        listener.listen(64)
        print(flush=True)
        ready.register(listener, selectors.EVENT_READ)
        ready.register(sys.stdin, selectors.EVENT_READ)
        while not any(key.fileobj is sys.stdin for key, _ in ready.select()):
            line, _ = listener.accept()
            with line:
                if os.fork() == 0:
                    listener.close()
                    ready.close()
                    _keep(line)


def _keep(line: socket.socket) -> None:
    """Split off the command, tell its process id, wait for it, tell how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, files, _, _ = socket.recv_fds(line, _LINE_BYTES, 2)
    while not request.endswith(b"\n"):
        request += line.recv(_LINE_BYTES)
    pid = os.fork()
    if pid == 0:
        line.close()
        _become(*json.loads(request), *files)
    line.sendall(b"%d\n" % pid)
    line.sendall(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    os._exit(0)


def _become(arguments: list[str], env: dict[str, str], folder: str, out: int, err: int) -> None:
    """Be the command; does not return."""
    nowhere = os.open(os.devnull, os.O_RDONLY)
    for descriptor, source in enumerate((nowhere, out, err)):
        os.dup2(source, descriptor)
        os.close(source)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    os.chdir(folder)
    sys.argv[:] = arguments
    # As the console script has it, for the processes that the command itself starts.
    main = ModuleType("__main__")
    main.__file__ = arguments[0]
    sys.modules["__main__"] = main
    sys.path[0] = str(Path(arguments[0]).parent)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        from laden.cli import main as command

        command()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


_LATE = (
    *(f"PIL.{kind}ImagePlugin" for kind in ("Bmp", "Gif", "Jpeg", "Png", "Ppm", "WebP")),
    *(f"PIL.Image{what}" for what in ("Chops", "Ops", "Sequence")),
    "numpy.ma",
    "pygal.style",
    "uvloop",
)
"""Of other people's modules, those that laden imports only when a run needs them."""


def _import_all() -> None:
    """Everything that a verb may import, and the verbs themselves, so that no run has to."""
    import laden
    from laden.cli import usage

    for module in pkgutil.walk_packages(laden.__path__, "laden."):
        if not module.name.startswith(("laden.notebook", "laden.demo")):
            importlib.import_module(module.name)
    for name in _LATE:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    importlib.import_module("laden.report.charts")._pygal()
    usage._verbs_for(["load"])
    usage.all_verbs()


def _do_once() -> None:
    """Load and verify a few images, so that what a process reads and prepares once has been: SQL, patterns, fonts."""
    import laden
    from tests.support.dataset import make_dataset

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = make_dataset(folder / "from", {"0": 2}, missing=1, stray=1, broken=1)
        for _ in range(2):
            laden.load(made.folder, folder / "to", report_file=folder / "report.html")
        laden.verify(folder / "to", deep="all")
    assert threading.active_count() == 1, "a process that splits has one thread"
    # Where temporary files go is asked anew by each run: its TMPDIR may be another one.
    tempfile.tempdir = None


if __name__ == "__main__":
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    _import_all()
    _do_once()
    # What all runs share is copied for none of them because one looks it through for what is not needed any more.
    gc.freeze()
    _serve(sys.argv[1])
    # Nothing is to be tidied up, and who runs the tests is told nothing of what a library kept.
    os._exit(0)
