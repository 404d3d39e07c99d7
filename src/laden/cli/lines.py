"""Lines on a terminal: words stay whole, what goes on in the next line is indented; into a file, a line is a line."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from laden.cli.text import cut, escaped
from laden.values.records import Step
from laden.values.units import amount

_NARROWEST = 20
"""Of the room behind an indent; below that, indents are left out."""


def plain_console(*, errors: bool = False) -> Console:
    """Where lines go: stdout, or stderr. A name is shown as it is, also one with `:x:` in it, or a number."""
    return Console(highlight=False, soft_wrap=True, emoji=False, stderr=errors)


def say(console: Console, markup: str, hang: int = 0) -> None:
    """Print one line of rich's markup.

    Args:
        console: where; it must not wrap by itself (`soft_wrap`).
        markup: the line.
        hang: columns by which what does not fit is indented.
    """
    if not console.is_terminal:
        console.print(markup)
        return
    text = Text.from_markup(markup, emoji=False)
    hang = hang if console.width - hang >= _NARROWEST else 0
    for number, line in enumerate(_wrapped(text, console.width, hang)):
        console.print(Text(" " * hang if number else "") + line)


def _wrapped(text: Text, width: int, hang: int) -> list[Text]:
    """Lines of whole words; one that is wider than a line has it for itself, so that a path can be copied."""
    starts: list[int] = []
    used, room = 0, width
    for word in re.finditer(r"\s*\S+", text.plain):
        alone = word[0].lstrip()
        if used and used + cell_len(word[0]) > room:
            starts.append(word.end() - len(alone))
            used, room = cell_len(alone), width - hang
        else:
            used += cell_len(word[0])
    lines = list(text.divide(starts))
    for line in lines:
        line.rstrip()
    return lines


def numbered(console: Console, title: str, rows: Sequence[tuple[int, str]]) -> None:
    """Print counts in a column, what they count behind them; `title` and texts are markup."""
    if title:
        say(console, f"[italic]{title}[/]")
    width = max((len(amount(count)) for count, _ in rows), default=0)
    for count, what in rows:
        say(console, f"  {amount(count):>{width}}  {what}", hang=width + 4)


_WORDS = {
    "table": "rows of {}",
    "archives": "of them in the archives {}",
    "where": "of them where {}",
    "images": "of them named in {}",
    "sample": "of them in a sample of {}",
    "first": "of them in the first {}",
}


def steps(selection: tuple[Step, ...]) -> list[tuple[int, str]]:
    """What each step of a selection left, in words."""
    return [(step.rows, _WORDS[step.step].format(escaped(cut(step.about, 200)))) for step in selection]
