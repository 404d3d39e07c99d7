"""Ctrl-C while libraries are imported."""

import os
import signal
import subprocess
import sys
from importlib.machinery import ExtensionFileLoader
from types import FrameType

import pytest

import laden.cli
from laden.cli import early as module
from laden.cli import run_command
from laden.cli.early import Early


def test_it_ends_the_command_in_a_sentence(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laden.cli, "_guarded", lambda *_: os.kill(os.getpid(), signal.SIGINT))
    assert run_command(["columns"]) == 130
    assert capsys.readouterr().err == "laden: stopped as you asked\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_compiled_module_that_is_being_made_takes_no_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    later: list[tuple[object, ...]] = []

    class Timer:
        def __init__(self, _: float, *what: object) -> None:
            later.append(what)

        def start(self) -> None:
            pass

    monkeypatch.setattr(module.threading, "Timer", Timer)
    early = Early()

    class Loader(ExtensionFileLoader):
        def create_module(self, spec: object) -> None:  # type: ignore[override]
            interrupted(early, sys._getframe())

    Loader("duckdb", "duckdb.so").create_module(None)
    assert early.stopped
    assert later == [(signal.raise_signal, (signal.SIGINT,))]
    with pytest.raises(KeyboardInterrupt):
        interrupted(early, sys._getframe())


def interrupted(early: Early, frame: FrameType) -> None:
    early._handle(signal.SIGINT, frame)


def test_nothing_of_laden_is_imported_before_ctrl_c_is_taken_over() -> None:
    program = "import sys, laden.cli; print(sorted(name for name in sys.modules if name.startswith('laden')))"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "['laden', 'laden.cli', 'laden.cli.early']"
