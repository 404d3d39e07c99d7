"""Standard output and error that are closed, full, or read by nobody: the work's own result is the exit code."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import laden
from laden.cli import run_command, usage
from laden.cli.faces import Interrupts, run_with
from laden.values.errors import ExitCode, UsageError
from laden.values.events import Event, Observer, Started, Summary
from laden.values.secrets import guarded
from tests.support.dataset import make_dataset

posix = pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")


def ended(folder: Path, arguments: str, redirection: str) -> tuple[int, str]:
    """Exit code of a command whose streams the shell redirects, and what stood in `err`."""
    command = f"{sys.executable} -c 'from laden.cli import main; main()' {arguments} {redirection}"
    shell = f"{command}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], cwd=folder, check=False, timeout=300, stdin=subprocess.DEVNULL)
    return done.returncode, (folder / "err").read_text() if (folder / "err").exists() else ""


def load(folder: Path, redirection: str, *options: str) -> tuple[int, str, bool]:
    """Exit code of a load whose streams the shell redirects, what stood in `err`, and whether it was complete."""
    (folder / "src").mkdir()
    (folder / "src/x.bin").write_bytes(b"1")
    code, told = ended(folder, f"load src ./dest --yes --profile files --report none {' '.join(options)}", redirection)
    return code, told, (folder / "dest/_laden/manifest.parquet").exists()


@posix
@pytest.mark.parametrize("redirection", [">&- 2>&- <&-", "2>/dev/full >out"])
def test_a_load_that_nobody_hears_is_a_load(tmp_path: Path, redirection: str) -> None:
    assert load(tmp_path, redirection) == (0, "", True)


@posix
def test_a_full_disk_behind_standard_output_is_named(tmp_path: Path) -> None:
    code, told, _ = load(tmp_path, ">/dev/full 2>err", "--json")
    assert code == ExitCode.USAGE
    assert told.startswith("laden: standard output cannot be written (No space left on device)")
    assert told.count("\n") == 1


@posix
@pytest.mark.parametrize(("redirection", "code"), [(">/dev/full", ExitCode.USAGE), ("| true", ExitCode.INTERRUPTED)])
def test_a_table_that_cannot_be_written_there_either(tmp_path: Path, redirection: str, code: int) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "1,2\n" * 100_000)
    ended_with, told = ended(tmp_path, "select t.csv -o -", f"2>err {redirection}")
    assert ended_with == code
    assert ("standard output cannot be written (No space left on device)" in told) == (code == ExitCode.USAGE)
    assert "notes" not in told
    assert "bug" not in told


@posix
@pytest.mark.parametrize(("redirection", "code"), [(">/dev/full", ExitCode.USAGE), ("| true", ExitCode.INTERRUPTED)])
def test_nor_a_list(tmp_path: Path, redirection: str, code: int) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2})
    laden.load(dataset.folder, tmp_path / "there")
    ended_with, told = ended(tmp_path, "list ./there", f"2>err {redirection}")
    assert ended_with == code
    assert ("standard output cannot be written (No space left on device)" in told) == (code == ExitCode.USAGE)
    assert "name another" not in told


@posix
@pytest.mark.parametrize("line", ["help architecture", "profiles", "load -h", "completion bash"])
def test_whatever_is_shown_to_a_reader_that_has_gone_ends_as_interrupted(tmp_path: Path, line: str) -> None:
    command = f"{sys.executable} -c 'from laden.cli import main; main()' {line} 2>err"
    shell = f"{command} | true; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", shell], cwd=tmp_path, check=False, timeout=60, stdin=subprocess.DEVNULL)
    assert (ended.returncode, (tmp_path / "err").read_text()) == (ExitCode.INTERRUPTED, "")


@posix
def test_a_reader_that_has_gone_is_told_nothing(tmp_path: Path) -> None:
    code, told, _ = load(tmp_path, "2>err | true")
    assert (code, told) == (ExitCode.INTERRUPTED, "")


class Deaf:
    """A face that cannot tell anything from an event on."""

    def __init__(self, first: type, error: OSError) -> None:
        self.told: list[Event] = []
        self._first = first
        self._error: OSError = error
        self._deaf = False

    def show(self, event: Event) -> None:
        self._deaf |= isinstance(event, self._first)
        if self._deaf:
            raise self._error
        self.told.append(event)


@pytest.fixture(autouse=True)
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A standard output of its own, as it is let go of."""
    with (tmp_path / "out").open("w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        yield
        monkeypatch.undo()


@pytest.mark.parametrize("code", [errno.EPIPE, errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("result", [0, 3, 6])
def test_what_was_done_decides(code: int, result: int) -> None:
    face = Deaf(Summary, OSError(code, os.strerror(code)))

    def work(observer: Observer) -> Summary:
        summary = Summary("load", exit_code=result)
        observer(Started("transfer"))
        observer(summary)
        return summary

    assert run_with("load", work, face.show) == result


@pytest.mark.parametrize(("code", "result"), [(errno.EPIPE, 130), (errno.ENOSPC, 2), (errno.EIO, 2)])
@pytest.mark.parametrize(("stage", "orderly"), [("table", False), ("transfer", True)])
def test_what_was_not_is_ended(code: int, result: int, stage: str, orderly: bool) -> None:
    face = Deaf(Started, OSError(code, os.strerror(code)))
    interrupts = Interrupts()
    passed = []

    def work(observer: Observer) -> Summary:
        observer(Started(stage))
        passed.append(interrupts.asked())
        observer(Started("verify"))
        return Summary("load", exit_code=130)

    before = signal.getsignal(signal.SIGINT)
    assert run_with("load", work, face.show, interrupts) == result
    assert passed == ([True] if orderly else [])
    assert face.told == []
    assert signal.getsignal(signal.SIGINT) is before


def test_an_error_is_the_result_although_nobody_can_be_told() -> None:
    def work(_: Observer) -> Summary:
        raise UsageError("no")

    assert run_with("load", work, Deaf(Summary, BrokenPipeError()).show) == ExitCode.USAGE


@posix
def test_guarded_standard_error_takes_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - of a device
        monkeypatch.setattr(sys, "stderr", full)
        with guarded():
            print("told to nobody", file=sys.stderr, flush=True)


@pytest.mark.parametrize("becomes", [None, ImportError("a library was broken off")])
def test_an_early_interruption_is_one(
    becomes: Exception | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def imports(_: list[str]) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            if becomes:
                raise becomes from None
            raise

    monkeypatch.setattr(usage, "_verbs_for", imports)
    assert run_command(["check", "."]) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == "laden: stopped as you asked\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_of_its_own_is_a_bug(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def imports(_: list[str]) -> None:
        raise ImportError("no such library")

    monkeypatch.setattr(usage, "_verbs_for", imports)
    assert run_command(["check", "."]) == ExitCode.BUG
    assert "a bug in laden" in capsys.readouterr().err
