"""How the commands about the cloud are shown: facts in two columns, checks a line each, waiting on one line.

JSON as everywhere: `--json` writes each event as a line, and a summary last.
"""

from __future__ import annotations

from collections.abc import Callable

from rich.markup import escape

from laden.cli.faces import json_face, run_with
from laden.cli.lines import plain_console, say
from laden.values.events import Checked, Event, Observer, Shown, Summary, Warned
from laden.values.signs import Waiting
from laden.values.units import duration

_OUTCOMES = {"pass": "[green]pass[/]", "warn": "[yellow]warn[/]", "fail": "[red]fail[/]", "untested": "[dim]----[/]"}


def run_cloud(command: str, work: Callable[[Observer], Summary], *, json: bool) -> int:
    """Run a command about the cloud, and return its exit code.

    Args:
        command: its name, for the summary of an error.
        work: does it, telling the observer.
        json: whether events are lines of JSON on stdout.
    """
    if json:
        return run_with(command, work, json_face)
    face = _Face()
    try:
        return run_with(command, work, face.show)
    finally:
        face.close()


class _Face:
    """Draws the events of one command."""

    def __init__(self) -> None:
        self._console = plain_console()
        self._errors = plain_console(errors=True)
        self._status = self._errors.status("")
        self._waiting = ""

    def show(self, event: Event) -> None:
        """Draw one event."""
        if isinstance(event, Waiting):
            self._wait(event)
            return
        self.close()
        match event:
            case Warned():
                say(self._errors, f"[yellow]Warning:[/] {_plain(event.message)}", 2)
            case Shown():
                self._facts(event)
            case Checked():
                say(self._console, f"{_OUTCOMES[event.outcome]}  {event.check:<12} {_plain(event.message)}", 19)
                if event.todo:
                    say(self._console, f"{'':19}[bold]{_plain(event.todo)}[/]", 19)
            case Summary() if event.message:
                say(self._errors, f"[red]laden {event.command}:[/] {_plain(event.message)}", 2)

    def close(self) -> None:
        """Take the waiting line off the screen."""
        self._status.stop()

    def _wait(self, event: Waiting) -> None:
        if self._errors.is_terminal:
            self._status.update(f"{_plain(event.what)} … {duration(event.seconds)}")
            self._status.start()
        elif event.what != self._waiting:
            self._errors.print(f"[dim]{_plain(event.what)}[/]")
        self._waiting = event.what

    def _facts(self, shown: Shown) -> None:
        name = _plain(str(shown.facts.get("name", "")))
        title = f"{shown.kind} {name}" + (f": {shown.state}" if shown.state else "")
        say(self._console, f"[bold]{title}[/]", 2)
        facts = {key: value for key, value in shown.facts.items() if key != "name" and value not in ("", None)}
        width = max(map(len, facts), default=0)
        for key, value in facts.items():
            told = {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
            say(self._console, f"  {key.replace('_', ' '):<{width}}  {_plain(str(told))}", width + 4)


def _plain(text: str) -> str:
    """What a service says must not be read as markup, nor move the cursor."""
    return escape("".join(sign if sign.isprintable() else "\ufffd" for sign in text))
