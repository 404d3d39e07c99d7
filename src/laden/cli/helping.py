"""How help is written: arguments first, options in groups under titles, in words of people and not of a library."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand

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


class Titled(TyperCommand):
    """A command whose help has its arguments first, then its own options, then each group under its title.

    What takes one value is given once: of two, nobody knows which was meant, and the last would win in silence.
    """

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
        return [re.sub(r"^\{(.*?)\}(?:\.\.\.)?$", r"\1", piece) for piece in super().collect_usage_pieces(ctx)]

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
                formatter.write_dl(records)


class Verbs(typer.Typer):
    """A typer whose commands have such help."""

    def command(
        self, name: str | None = None, *, cls: type[TyperCommand] | None = None, **more: Any
    ) -> Callable[[Function], Function]:
        """As typer's own."""
        return super().command(name, cls=cls or Titled, **more)
