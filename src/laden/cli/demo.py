"""`laden demo`: the whole job on a sample dataset and a real emulator, each step as a person would type it."""

from __future__ import annotations

import contextlib
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from laden.cli.faces import run_verb
from laden.cli.units import size
from laden.errors import ExitCode, LadenError
from laden.events import Observer, Summary

_Work = Callable[[Observer], Summary]

_CONTAINER = "padchest"


def run_demo(*, keep: bool, folder: Path | None) -> int:
    """Run the demo, and return its exit code: 0 when everything came out as it must."""
    console = Console(highlight=False, soft_wrap=True)
    try:
        with tempfile.TemporaryDirectory(prefix="laden-demo-") as temporary:
            return _demo(console, folder or Path(temporary), keep=keep)
    except LadenError as error:
        console.print(f"[red]laden demo:[/] {error}")
        return int(error.exit_code)


def _demo(console: Console, folder: Path, *, keep: bool) -> int:
    from laden.demo.emulator import Emulator
    from laden.demo.sample import write

    console.rule("A sample dataset", align="left")
    folder.mkdir(parents=True, exist_ok=True)
    sample = write(folder)
    console.print(
        f"{folder}: {', '.join(f'{name}.zip' for name in sample.archives)} ({size(sample.size_bytes)}) and a table of"
        f" {sample.rows} rows, shaped as PADCHEST's publisher ships them; invented, with one image missing,"
        " one stray and one broken inside"
    )
    console.rule("An emulator of Azure Blob Storage", align="left")
    console.print("Azurite, Microsoft's own; the first time, npm fetches it into your cache folder")
    with Emulator() as emulator:
        destination = emulator.url(_CONTAINER)
        archives = ",".join(sample.archives)
        codes = [
            _step(
                console,
                f"laden load {folder} {destination} --archives {archives}",
                _loading(folder, destination, archives),
            ),
            _step(console, f"laden verify {destination} --deep all", _verifying(destination)),
            _step(
                console,
                f"laden load {folder} {destination} --archives {archives}",
                _loading(folder, destination, archives),
            ),
        ]
        good = codes == [ExitCode.FINDINGS, ExitCode.COMPLETE, ExitCode.FINDINGS]
        if good:
            _explain(console)
        if keep:
            console.print(f"The emulator keeps running, with the data in it: {destination}\nCtrl-C stops it.")
            _wait_for_interrupt()
    return int(ExitCode.COMPLETE if good else ExitCode.BUG)


def _loading(folder: Path, destination: str, archives: str) -> _Work:
    def work(observer: Observer) -> Summary:
        from laden.conductor import load

        return load(
            folder,
            destination,
            archives=archives,
            observer=observer,
            findings_file=folder / "laden-findings.csv",
        )

    return work


def _verifying(destination: str) -> _Work:
    def work(observer: Observer) -> Summary:
        from laden.conductor import verify

        return verify(destination, deep="all", observer=observer)

    return work


def _step(console: Console, command: str, work: _Work) -> int:
    console.rule(f"$ {command}", align="left")
    return run_verb("demo", work, json=False)


def _explain(console: Console) -> None:
    console.rule("What happened", align="left")
    console.print(
        "The images went straight out of the zips into the container: nothing was unpacked, each byte was read once,"
        " and the service checked each image's MD5.\nThe first load ended with exit code 3 because a person should"
        " look at what it found. The second sent nothing: the container itself tells what is there.\n\n"
        "Next, with data of your own:\n"
        "  laden check ~/padchest\n"
        "  laden load ~/padchest https://ACCOUNT.blob.core.windows.net/padchest --dry-run\n"
        "  laden load ~/padchest https://ACCOUNT.blob.core.windows.net/padchest"
    )


def _wait_for_interrupt() -> None:
    with contextlib.suppress(KeyboardInterrupt, EOFError):
        if hasattr(signal, "pause"):
            signal.pause()
        else:
            input()
