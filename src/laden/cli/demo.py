"""`laden demo`: the whole job on a sample dataset and a real emulator, each step as a person would type it."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from laden.cli.face import Face
from laden.cli.faces import run_verb
from laden.cli.lines import plain_console, say
from laden.cli.options import FINDINGS_FILE, REPORT_FILE
from laden.cli.text import escaped
from laden.values.commands import command
from laden.values.errors import ExitCode, LadenError
from laden.values.events import Event, Observer, Summary
from laden.values.units import size

_CONTAINER = "padchest"
_RESULTS = Path("laden-demo")
"""In the current folder: the sample and what a load leaves behind stay there, to go on with."""


def run_demo(*, keep: bool, folder: Path | None, explore: bool = False) -> int:
    """Run the demo, and return its exit code: 0 when everything came out as it must."""
    console = plain_console()
    try:
        _look_for_extra()
        return _demo(console, folder or _RESULTS / "padchest", keep=keep, explore=explore)
    except LadenError as error:
        say(plain_console(errors=True), f"[red]laden demo:[/] {escaped(str(error))}", 2)
        return int(error.exit_code)


def _look_for_extra() -> None:
    """Tell what is missing before anything is written; raises UsageError."""
    from laden.demo.install import node

    node()


def _demo(console: Console, folder: Path, *, keep: bool, explore: bool) -> int:
    from laden.demo.emulator import Emulator
    from laden.demo.sample import write
    from laden.values.room import writing_to

    _heading(console, "A sample dataset")
    with writing_to(folder, "sample", "--folder"):
        sample = write(folder)
    say(
        console,
        f"{', '.join(f'{name}.zip' for name in sample.archives)} ({size(sample.size_bytes)}) and a table of"
        f" {sample.rows} rows, as PADCHEST's publisher ships them, but invented;"
        " one image is missing, one stray, one broken inside.",
    )
    _heading(console, "An emulator of Azure Blob Storage")
    say(console, "Azurite, Microsoft's own. The first time, npm fetches it into your cache folder.")
    with Emulator() as emulator:
        place = emulator.url(_CONTAINER)
        archives = ",".join(sample.archives)
        typed = ("load", folder, place, "--archives", archives)
        first = _step(
            console,
            command(*typed),
            lambda observer: _load(folder, place, archives, observer, report_command=command(*typed)),
        )
        verified = _step(console, command("verify", place, "--deep", "all"), lambda observer: _verify(place, observer))
        again = _step(
            console,
            command(*typed, "--quiet"),
            lambda observer: _load(folder, place, archives, observer),
            quiet=True,
        )
        good = {first.sent, verified.images, again.already_there} == {sample.images} and again.sent == 0
        if good:
            _explain(console, first.report_file, folder, sample.size_bytes)
        if explore:
            _explore(console, place)
        if keep:
            console.print(f"\nThe emulator keeps running, with the data in it: {place}\nCtrl-C stops it.")
            _wait_for_interrupt()
    return int(ExitCode.COMPLETE if good else ExitCode.BUG)


def _load(folder: Path, destination: str, archives: str, observer: Observer, *, report_command: str = "") -> Summary:
    """Load it; with a report, where it is told by which command."""
    from laden.verbs.load import load

    _RESULTS.mkdir(exist_ok=True)
    return load(
        folder,
        destination,
        archives=archives,
        observer=observer,
        findings_file=_RESULTS / FINDINGS_FILE,
        report_file=_RESULTS / REPORT_FILE if report_command else None,
        report_command=report_command,
    )


def _verify(destination: str, observer: Observer) -> Summary:
    from laden.verbs.verify import verify

    return verify(destination, deep="all", observer=observer)


def _explore(console: Console, place: str) -> None:
    """Show it in the browser, until Ctrl-C."""
    from laden.cli.explore import run_explore

    _heading(console, f"$ {command('explore', place)}")
    run_explore(place, None, None, None, open_page=True, write=False, json=False)


def _heading(console: Console, text: str) -> None:
    console.print(f"\n[bold cyan]{escaped(text)}[/]")


def _step(console: Console, line: str, work: Callable[[Observer], Summary], *, quiet: bool = False) -> Summary:
    """Show a command as a person would type it, and do what it does; an error's summary tells what went wrong."""
    _heading(console, f"$ {line}")
    summaries = [Summary("demo")]

    def observed(observer: Observer) -> Summary:
        def observe(event: Event) -> None:
            if isinstance(event, Summary):
                summaries.append(event)
            observer(event)

        return work(observe)

    run_verb("demo", observed, Face(quiet=quiet))
    return summaries[-1]


def _explain(console: Console, report: str, folder: Path, sample_bytes: int) -> None:
    _heading(console, "What happened")
    say(
        console,
        "The images went straight out of the zips into the container: nothing was unpacked, each byte was read once,"
        " and the service checked each image's MD5. The first load ended with exit code 3, because a person should"
        " look at what it found. The second sent nothing: the container itself tells what is there.",
    )
    say(console, f"Its report is a page to look at, open it: {escaped(report)}", 2)
    _heading(console, "Next")
    steps = {
        command("explore", folder): "every image of the sample, in the browser",
        "laden help start": "the same step by step, to be typed",
        "laden help loading": "data of your own",
    }
    width = max(map(len, steps))
    for line, what in steps.items():
        say(console, f"{escaped(line):{width}}  [dim]{what}[/]", width + 2)
    say(
        console,
        f"The sample stays in {escaped(str(folder))} ({size(sample_bytes)}); delete it when you have seen enough.",
    )


def _wait_for_interrupt() -> None:
    with contextlib.suppress(KeyboardInterrupt, EOFError):
        if hasattr(signal, "pause"):
            signal.pause()
        else:
            input()
