"""`laden help` and `laden completion`."""

from __future__ import annotations

import difflib
import re
import sys

from rich.console import Console
from rich.theme import Theme

from laden.cli.lines import plain_console, say
from laden.cli.text import escaped
from laden.values.errors import ExitCode
from laden.values.pages import PAGES, findings, page

_LEVELS = {"s": "error, found with --images structure", "pixels": "error, found with --images pixels"}
"""What the page has in the place of a severity for images that are broken inside."""


_PLAIN = Theme({"markdown.code": "bold cyan", "markdown.code_block": "cyan"})
"""Code in no box of its own, which would be black on a white terminal."""
_PICTURE = re.compile(r"!\[[^\]]*\]\([^)]*\)")
_LINK = re.compile(r"\[([^\[\]]*)\]\((?!https?:)[^)]*\)")
"""Of Markdown, to another page."""

_MOST_PAGES = 3
_NEAR = 0.7
"""How much a word must be like another one, to be taken for it."""


def run_help(topic: str | None, word: str | None) -> int:
    """Show a page, a part of it, or the list of pages; return the exit code."""
    if topic is None:
        return _list()
    if topic in PAGES and word is None:
        return _page(topic)
    if topic == "findings" and word is not None:
        return _finding(word)
    # A word alone that is a finding's code is what it says on that page.
    if word is None and topic in findings():
        return _finding(topic)
    if topic in PAGES:
        return _refused(f"only the page on findings can be asked for a word: laden help findings {word}")
    return _command([topic, *([word] if word else [])])


def _list() -> int:
    console = plain_console()
    say(console, "laden COMMAND -h tells of a command. The pages, each with laden help PAGE:")
    width = max(map(len, PAGES))
    for name, about in PAGES.items():
        say(console, f"  {name:<{width}}  {about}", width + 4)
    say(console, "laden help findings CODE tells what a finding means, and what to do.")
    return int(ExitCode.COMPLETE)


def _page(topic: str) -> int:
    """A page as it is written, or drawn for a terminal, as wide as that is."""
    console = Console(highlight=False, emoji=False, theme=_PLAIN)
    if not console.is_terminal:
        sys.stdout.write(page(topic))
        return int(ExitCode.COMPLETE)
    from rich.markdown import Markdown

    # Links to other pages lead nowhere here: their words stay, and pictures have none.
    text = _LINK.sub(r"\1", _PICTURE.sub("", page(topic)))
    console.print(Markdown(text, code_theme="ansi_dark"))
    return int(ExitCode.COMPLETE)


def _finding(code: str) -> int:
    entry = findings().get(code)
    if entry is None:
        near = difflib.get_close_matches(code, findings(), n=3, cutoff=_NEAR)
        hint = f": did you mean {' or '.join(near)}?" if near else ": laden help findings shows all"
        return _refused(f"there is no finding {code}{hint}")
    console = plain_console()
    told = _LEVELS.get(entry.severity, entry.severity)
    about = f" ({escaped(told)})" if told else ""
    say(console, f"[bold]{', '.join(entry.codes)}[/]{about}", 2)
    say(console, f"  {escaped(entry.meaning)}", 2)
    if entry.advice:
        say(console, f"  What to do: {escaped(entry.advice)}", 2)
    say(console, f"  On the page under: {escaped(entry.heading)} (laden help findings)", 2)
    return int(ExitCode.COMPLETE)


def _command(words: list[str]) -> int:
    from laden.cli.usage import all_verbs

    known = all_verbs().commands
    if words[0] not in known:
        near = difflib.get_close_matches(words[0], {**PAGES, **known}, n=3, cutoff=_NEAR)
        hint = f": did you mean {' or '.join(near)}?" if near else f": {_telling(words[0])}"
        return _refused(f"there is no page or command {words[0]}{hint}")
    all_verbs().main([*words, "--help"], prog_name="laden", standalone_mode=False)
    return int(ExitCode.COMPLETE)


def _telling(word: str) -> str:
    """Which pages have a word in what they are about or in a heading; where none has, that there is a list."""
    pattern = re.compile(rf"\b{re.escape(word)}", re.IGNORECASE)
    headings = {name: re.findall("^#+ .*", page(name), re.MULTILINE) for name in PAGES}
    found = [name for name, about in PAGES.items() if any(map(pattern.search, [about, *headings[name]]))]
    if not found:
        return "laden help lists the pages"
    return f"laden help {' and laden help '.join(found[:_MOST_PAGES])} {'tells' if len(found) == 1 else 'tell'} of it"


def _refused(sentence: str) -> int:
    say(plain_console(errors=True), f"laden help: {escaped(sentence)}", 2)
    return int(ExitCode.USAGE)


def run_completion(shell: str) -> int:
    """Print what a shell needs to complete laden's words."""
    from typer.completion import shell_complete

    from laden.cli.usage import COMPLETE, all_verbs, know_shells

    know_shells()
    return shell_complete(all_verbs(), {}, "laden", COMPLETE, f"source_{shell}")
