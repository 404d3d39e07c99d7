"""Draws what a command would do to blobs that are there, and what it did."""

from __future__ import annotations

from rich.console import Console

from laden.cli.lines import numbered, say, steps
from laden.cli.text import escaped
from laden.values.events import ActReady, Summary
from laden.values.units import amount, duration, plural, share, size

_DONE = {"prune": "deleted", "undelete": "brought back", "set": "changed"}


def draw_act(console: Console, ready: ActReady) -> None:
    """What would be done, what it costs and whether it can be undone."""
    if ready.selection:
        numbered(console, "", steps(ready.selection))
    part = f", {share(ready.blobs, ready.of)} of {plural(ready.of, 'image')}" if ready.of else ""
    say(console, f"{escaped(ready.sentence)} ({size(ready.bytes)}{part})", 2)
    for name in ready.examples[:3]:
        say(console, f"  [dim]such as {escaped(name)}[/]", 10)
    for sentence in ready.costs:
        say(console, f"  [yellow]{escaped(sentence)}[/]", 4)
    if ready.undo:
        say(console, f"  {escaped(ready.undo)}", 4)


def acted(summary: Summary) -> str:
    """The counts of a command that changed blobs; empty for others, and where nothing was done."""
    if summary.command == "copy" and summary.complete:
        return _copied(summary)
    if summary.command not in _DONE or not summary.complete:
        return ""
    parts = [f"{plural(summary.acted, 'blob')} {_DONE[summary.command]}"]
    parts += [f"{summary.as_wanted:,} were so already"] if summary.as_wanted else []
    parts += [f"{summary.left:,} left as they are"] if summary.left else []
    return "; ".join(parts)


def _copied(summary: Summary) -> str:
    parts = [f"{plural(summary.images, 'image')}: {amount(summary.sent)} copied"]
    parts += [f"{amount(summary.already_there)} already there"] if summary.already_there else []
    parts += [plural(summary.conflicts, "conflict")] if summary.conflicts else []
    parts += [f"{amount(summary.missing)} missing"] if summary.missing else []
    if summary.bytes_sent:
        speed = int(summary.bytes_sent / summary.seconds) if summary.seconds else 0
        parts.append(f"{size(summary.bytes_sent)} in {duration(summary.seconds)} ({size(speed)}/s)")
    return "; ".join(parts)
