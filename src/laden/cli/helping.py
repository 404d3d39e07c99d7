"""How help is written: arguments first, options in groups under titles, in words of people and not of a library.

Words stay whole at any width, and an example that is too long for a line goes on as a shell lets it, so that it can be
copied. Verbs stand under what they are for.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from laden.cli.plain import take_plainly

Function = TypeVar("Function", bound=Callable[..., Any])

_WORDS = (
    (re.compile(r"<list\[\w+\]>|<str>"), "TEXT"),
    (re.compile(r"<path>"), "FILE"),
    (re.compile(r"<(?:int|float)(?: range)?>"), "N"),
    (re.compile(r"<([a-z0-9|-]+)>"), r"\1"),
)
"""Types as typer names them, and as they are told; a choice is told by its words."""
_RANGE = re.compile(r"\s*\[(?:[0-9.]+<=?)?x(?:[<>]=?[0-9.]+)?\]")
_REQUIRED = " [required]"

_EXAMPLE = "    "
"""What the lines of an example begin with, in a docstring."""
_GAP, _WIDEST_NAME = 2, 32
"""Columns between a name and what is told of it; a name that is wider has a line for itself."""
_WHOLE: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
_ROOMS = {
    "Bring a dataset in": ("load", "check", "verify", "status", "fetch", "lock", "report", "demo"),
    "Choose and look": ("columns", "select", "explore", "list", "diff", "history"),
    "Get it out, use it": ("get", "labels", "register"),
    "Change what is there": ("prune", "undelete", "set", "copy"),
    "Get ready": ("init", "profiles", "account", "container", "sas", "doctor"),
    "Help": ("help", "completion"),
}
"""What verbs are for; one that stands nowhere here would not be shown."""


class Titled(TyperCommand):
    """A command whose help has its arguments first, then its own options, then each group under its title.

    What takes one value is given once: of two, nobody knows which was meant, and the last would win in silence.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        """Those that there are, and `--help`."""
        return [take_plainly(one) for one in super().get_params(ctx)]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the words of a command line; raises a parser's error for an option with one value that has two."""
        given, _, order = self.make_parser(ctx).parse_args(list(args))
        if not ctx.resilient_parsing and not given.get("help"):
            options: list[Any] = [one for one in order if one.param_type_name == "option"]
            single = (one for one in options if not (one.is_flag or one.multiple))
            for option, times in Counter(single).items():
                if times > 1:
                    raise typer.BadParameter("it is given twice, and takes one value: give it once", ctx, option)
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """`[OPTIONS] SOURCE... DEST`, without braces."""
        pieces = [re.sub(r"^\{(.*?)\}(?:\.\.\.)?$", r"\1", piece) for piece in super().collect_usage_pieces(ctx)]
        return [piece.replace("...]...", "...]") for piece in pieces]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write them."""
        titles: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if (record := parameter.get_help_record(ctx)) is None:
                continue
            is_argument = parameter.param_type_name == "argument"
            title = "Arguments" if is_argument else getattr(parameter, "rich_help_panel", None) or "Options"
            name, told = record[0], " ".join(_RANGE.sub("", record[1]).split())
            told = told.removesuffix(_REQUIRED) if is_argument else told
            for pattern, word in _WORDS:
                name = pattern.sub("" if is_argument else word, name)
            titles.setdefault(title, []).append((name.strip(), told))
        for title, records in titles.items():
            with formatter.section(title):
                _write(formatter, records)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """What a command does; examples as they are typed."""
        with formatter.indentation():
            indent = " " * formatter.current_indent
            for paragraph in inspect.cleandoc(self.help or "").split("\n\n"):
                formatter.write_paragraph()
                if not paragraph.startswith(_EXAMPLE):
                    lines = textwrap.wrap(paragraph, formatter.width - len(indent), **_WHOLE)
                    formatter.write("".join(f"{indent}{line}\n" for line in lines))
                    continue
                for line in paragraph.splitlines():
                    formatter.write(_typed(line.strip(), formatter.width - 10, f"{indent}{_EXAMPLE}"))


def _typed(line: str, width: int, indent: str) -> str:
    """An example, which goes on behind a backslash where it is too long."""
    parts = re.split(r" (?=-|https://)", line)
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + len(part) < width:
            lines[-1] += f" {part}"
        else:
            lines.append(f"  {part}")
    return "".join(f"{indent}{each}{end}\n" for each, end in zip(lines, [" \\"] * (len(lines) - 1) + [""], strict=True))


def _write(formatter: Any, records: Iterable[tuple[str, str]]) -> None:
    """Names in a column, what they are beside them; no word is cut."""
    records = list(records)
    column = min(max(len(name) for name, _ in records), _WIDEST_NAME) + _GAP
    indent = " " * formatter.current_indent
    room = max(formatter.width - len(indent) - column, 20)
    for name, told in records:
        lines = textwrap.wrap(told, room, **_WHOLE) or [""]
        if len(name) + _GAP > column:
            formatter.write(f"{indent}{name}\n")
            name = ""
        for beside, line in zip([name, *[""] * len(lines)], lines, strict=False):
            formatter.write(f"{indent}{beside:{column}}{line}".rstrip() + "\n")


class Rooms(TyperGroup):
    """A command with verbs, which stand under what they are for."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Those that there are, and `--help`."""
        return [take_plainly(one) for one in super().get_params(ctx)]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write them; what is told of each is whole."""
        rooms = _ROOMS if self.commands.keys() >= set(_ROOMS["Help"]) else {"Commands": tuple(self.list_commands(ctx))}
        for title, names in rooms.items():
            with formatter.section(title):
                _write(formatter, [(name, self.commands[name].get_short_help_str(200)) for name in names])


class Verbs(typer.Typer):
    """A typer whose commands have such help."""

    def command(
        self, name: str | None = None, *, cls: type[TyperCommand] | None = None, **more: Any
    ) -> Callable[[Function], Function]:
        """As typer's own."""
        return super().command(name, cls=cls or Titled, **more)
