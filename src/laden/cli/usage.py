"""Runs a command line through typer, and says in laden's words what is wrong with it.

In order: the verbs are declared, the command runs, and where its words cannot be taken (a place left out, an option
that is none) one sentence tells what to do, with exit code 2. What is a bug is told as one, without what it held.
"""

from __future__ import annotations

import os
import sys
import traceback
from functools import cache
from importlib import import_module
from typing import Any

import typer

from laden.cli.early import Early
from laden.cli.typed import noting
from laden.cli.wording import sentence_of
from laden.values.errors import ExitCode
from laden.values.secrets import StreamLost, redact

_VERBS = (
    "verbs_get",
    "verbs_lock",
    "verbs_changing",
    "verbs_table",
    "verbs_report",
    "verbs_explore",
    "verbs_profiles",
    "verbs_init",
    "verbs_cloud",
    "verbs_sas",
    "verbs_aml",
    "verbs_help",
)
"""Modules that declare verbs, in the order of `laden --help`; `app` declares the first ones."""

COMPLETE = "_LADEN_COMPLETE"
"""The setting in which a shell asks for the words that would complete a line."""

_UsageError: Any = typer.BadParameter.__base__
"""Which typer does not name itself."""


def all_verbs() -> Any:
    """The command `laden`, with every verb declared."""
    return _verbs(_VERBS)


@cache
def _verbs(modules: tuple[str, ...]) -> Any:
    """Those that `app` and these modules declare, made once: making them takes as long as a small run does."""
    from laden.cli.app import app

    for declarations in modules:
        import_module(f"laden.cli.{declarations}")
    return typer.main.get_command(app)


def _verbs_for(arguments: list[str]) -> Any:
    """As `all_verbs`, but for a command that `app` declares itself no others, which take longer than it to declare."""
    early = _verbs(())
    return early if arguments and arguments[0] in early.commands else all_verbs()


def know_shells() -> None:
    """Have typer know the shells that it can complete words for."""
    from typer.completion import completion_init  # type: ignore[attr-defined]

    completion_init()


def run_typer(arguments: list[str], early: Early) -> int:
    """Run a command line, and return its exit code; what Ctrl-C broke off is the caller's to tell."""
    if COMPLETE in os.environ:
        know_shells()
    try:
        with noting(arguments):
            ended = _verbs_for(arguments).main(arguments, prog_name="laden", standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        print("laden: stopped as you asked", file=sys.stderr)
        return int(ExitCode.INTERRUPTED)
    except typer.TyperException as error:
        return _explain(error, arguments)
    except SystemExit as end:
        if isinstance(end.__context__, StreamLost):
            # What parses command lines has a code of its own for a reader that has gone.
            return _unwritten(end.__context__)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except StreamLost as error:
        return _unwritten(error)
    except Exception:
        if early.stopped:
            raise
        print(redact(traceback.format_exc()), file=sys.stderr)
        print("laden: this is a bug in laden: please report it with what stands above", file=sys.stderr)
        return int(ExitCode.BUG)
    return ended if isinstance(ended, int) else int(ExitCode.COMPLETE)


def _unwritten(error: StreamLost) -> int:
    from laden.cli.faces import unwritten

    return unwritten(error)


def _explain(error: Any, arguments: list[str]) -> int:
    """Show the error as typer would, in laden's words where it has better ones; returns the exit code.

    To a program it is told as any other end of a run: by a summary, as a line of JSON.
    """
    context = getattr(error, "ctx", None)
    command = context.command_path.removeprefix("laden").strip() if context is not None else ""
    sentence = _missing(error, arguments) or sentence_of(error)
    if "--json" in arguments[: arguments.index("--") if "--" in arguments else None]:
        from laden.cli.faces import tell_end

        return tell_end(command, sentence or error.format_message(), error.exit_code)
    if sentence:
        print(
            f"laden: {sentence}\n{'':7}{' '.join(filter(None, ('laden', command)))} -h shows what there is",
            file=sys.stderr,
        )
    else:
        error.show(file=sys.stderr)
    return int(error.exit_code)


def _missing(error: Any, arguments: list[str]) -> str:
    """Which arguments or option are missing, and what the whole command would be; empty for other errors."""
    context, parameter = getattr(error, "ctx", None), getattr(error, "param", None)
    if type(error).__name__ != "MissingParameter" or context is None or parameter is None:
        return ""
    given = _given(context, arguments)
    places = [one for one in context.command.params if one.param_type_name == "argument"]
    last = max(number for number, one in enumerate(places) if one.required)
    # One that may be left out hardly ever is where it stands before one that may not: the links of fetch.
    shown = places[: last + 1] + [one for one in context.command.params if one.required and one not in places]
    line = " ".join([context.command_path, *(_word(one, given.get(one.name)) for one in shown)])
    if parameter.param_type_name == "option":
        return f"{' or '.join(reversed(parameter.opts))} is missing: {line}"
    absent = [_called(one).replace("|", " or ") for one in places if one.required and not given.get(one.name)]
    return f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} missing: {line}"


def _called(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper()).removesuffix("...")


def _word(parameter: Any, given: Any) -> str:
    """What stands for a parameter in a command: what was given, without secrets, or how it is written."""
    from laden.store.slips import FORM, shown

    if parameter.param_type_name == "option":
        return f"{parameter.opts[-1]} {shown(str(given)) if given else _called(parameter)}"
    if given:
        words = given if isinstance(given, list | tuple) else [given]
        return " ".join(shown(str(word).partition("?")[0] if "://" in str(word) else str(word)) for word in words)
    first = _called(parameter).partition("|")[0]
    return {"DEST": FORM, "FROM": FORM, "SOURCE": "FOLDER"}.get(first, first)


def _given(context: Any, arguments: list[str]) -> dict[str, Any]:
    """What was given for each parameter, as far as the words can be parsed.

    SOURCE takes any number, so that one word alone counts as DEST: unless it is an address, SOURCE is meant.
    """
    from laden.store.slips import is_meant_for_a_cloud

    try:
        given, _, _ = context.command.make_parser(context).parse_args(arguments[context.command_path.count(" ") :])
    except _UsageError:
        return {}
    place = given.get("destination")
    if "source" in given and place and not given["source"] and not is_meant_for_a_cloud(str(place)):
        given |= {"source": place, "destination": None}
    return dict(given)
