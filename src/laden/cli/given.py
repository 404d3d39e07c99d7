"""What was given on a command line, as verbs take it.

`takes` gives a command the options of groups (`options`); the other functions turn what typer read into arguments of
the verbs' functions, and files into places.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import copy
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from laden.cli.options import LOG_FILE
from laden.values.secrets import redact


def takes(*groups: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of groups; its function takes them as `**options`."""

    def given(function: Callable[..., None]) -> Callable[..., None]:
        own = [one for one in inspect.signature(function).parameters.values() if one.kind is not one.VAR_KEYWORD]
        hints = get_type_hints(function, include_extras=True)
        shared = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=getattr(group, name), annotation=_titled(hint, group)
            )
            for group in groups
            for name, hint in get_type_hints(group, include_extras=True).items()
        ]
        parameters = [one.replace(annotation=hints[one.name]) for one in own] + shared
        setattr(function, "__signature__", inspect.Signature(parameters))  # noqa: B010 - no checker knows it
        function.__annotations__ = {one.name: one.annotation for one in parameters}
        return function

    return given


def doing(options: dict[str, Any]) -> dict[str, Any]:
    """The options of `Renewing` and `Changing` as `laden.verbs.begun.Doing` names them."""
    return {
        "connections": options["connections"],
        "sas_command": options["sas_command"],
        "findings_file": options["findings"],
        "log_file": options["log"],
    }


def _titled(hint: Any, group: type) -> Any:
    """The option with the title that it stands under in the help; the option itself is shared."""
    (option,) = hint.__metadata__
    titled = copy(option)
    titled.rich_help_panel = getattr(group, "TITLE")  # noqa: B009 - the groups have nothing else in common
    return Annotated[hint.__origin__, titled]


_NOT_ASKED = ("findings", "log", "trust_host", "out", "images_from")


def asked(options: dict[str, Any], level: str) -> dict[str, Any]:
    """The options of `Choosing`, `Selecting`, `--findings` and `--log` as the verbs' functions name them.

    Args:
        options: as typer gives them; what only the face needs must be gone.
        level: how closely images are looked at where nothing is said.
    """
    given = {name: value for name, value in options.items() if name not in _NOT_ASKED}
    return {
        **given,
        **kept(options),
        "images": options["images"].value if options["images"] else level,
        "images_file": options["images_from"],
        "phi": options["phi"].value,
        "trust": options["trust"] or (),
        "exclude": options["exclude"] or (),
        "include": options["include"] or (),
    }


def kept(options: dict[str, Any]) -> dict[str, Any]:
    """Where list of findings and log of a run go, as the verbs' functions name them; `--out` asks for a log too."""
    out: Path | None = options["out"]
    log = options["log"] or (LOG_FILE if out is not None else None)
    return {"findings_file": inside(out, options["findings"]), "log_file": log and inside(out, log)}


def inside(out: Path | None, file: Path) -> Path:
    """A file in the folder of a run, unless its name says that it lies elsewhere."""
    return file if out is None or file.parent != Path() else out / file


@contextmanager
def run_folder(out: Path | None) -> Iterator[None]:
    """The folder of a run is there; a run that leaves nothing in a new one leaves none."""
    made = False
    if out is not None:
        from laden.store.slips import is_meant_for_a_cloud

        if redact(str(out)) != str(out) or is_meant_for_a_cloud(str(out)):
            raise typer.BadParameter("name a folder on this machine", param_hint="--out")
        made = not out.exists()
        try:
            out.mkdir(exist_ok=True)
        except OSError as error:
            raise typer.BadParameter(f"{out} cannot be made ({error.strerror})", param_hint="--out") from None
    try:
        yield
    finally:
        if made and out is not None:
            with suppress(OSError):
                out.rmdir()
