"""Ctrl-C and its kin, wherever a run is: it ends at once or in an orderly way, and leaves nothing behind."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from laden.demo.emulator import Emulator
from tests.e2e.test_sas_ends import Terminal
from tests.support.dataset import make_dataset
from tests.support.harness import Proxy, ended, landed, run, sas, start


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_load_that_waits_for_its_listing_ends_at_once(
    container: str, emulator: Emulator, tmp_path: Path, number: signal.Signals
) -> None:
    """The listing is answered only after the process has gone."""
    dataset = make_dataset(tmp_path / "source", {"0": 3})
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with Proxy(emulator) as proxy:

        def before(_: int, __: str, ___: str) -> str:
            process.send_signal(number)
            process.wait(30)
            return "pass"

        proxy.before = before
        process = start("load", dataset.folder, proxy.url(container), "--json", env={"TMPDIR": str(scratch)})
        ran = ended(process)
    assert (ran.code, ran.summary["exit_code"]) == (130, 130)
    assert ran.summary["message"] == "stopped as you asked: run the same command again to go on"
    assert "Traceback" not in ran.err
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("answer", ["", "\x04"])
def test_at_the_question_ctrl_c_and_the_end_of_input_are_an_answer(
    container: str, emulator: Emulator, tmp_path: Path, answer: str
) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3})
    with Terminal("load", dataset.folder, container, "--report", "none", sas=sas(emulator, container)) as terminal:
        terminal.wait_for("Go on?")
        if answer:
            terminal.type(answer)
        else:
            terminal.interrupt()
        shown = terminal.ended()
    assert terminal.code == 130
    assert "nothing was sent, as you said" in shown
    assert "Traceback" not in shown
    assert not landed(emulator, container)


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_twice_stops_at_once_and_leaves_no_temporary_folder(
    container: str, emulator: Emulator, tmp_path: Path, second: signal.Signals
) -> None:
    """The images that are held are answered only after the process has gone."""
    dataset = make_dataset(tmp_path / "source", {"0": 8})
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with Proxy(emulator) as proxy:
        signalled: list[int] = []

        def before(request: int, method: str, name: str) -> str:
            if method == "PUT" and name.startswith("png/"):
                if not signalled:
                    signalled.append(request)
                    assert [entry.name for entry in scratch.iterdir() if entry.name.startswith("laden-")]
                    process.send_signal(signal.SIGHUP)
                    assert process.stderr is not None
                    process.stderr.readline()
                    assert "10 s at most; Ctrl-C again stops at once" in process.stderr.readline()
                    process.send_signal(second)
                process.wait(30)
            return "pass"

        proxy.before = before
        process = start("load", dataset.folder, proxy.url(container), "--json", env={"TMPDIR": str(scratch)})
        ran = ended(process)
    assert ran.code == 130
    assert [entry.name for entry in scratch.iterdir() if entry.name.startswith("laden-")] == []
    assert run("load", dataset.folder, container, "--json", env={"LADEN_SAS": sas(emulator, container)}).code == 0
