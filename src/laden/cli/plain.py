"""Values of a command line that are what their option is declared as are taken as they are.

Else a validator would be built for each option of a command, given or not, by a library whose import alone takes as
long as a small load's plan. Where there is something to convert or to refuse, it is asked as ever, and its words are
told.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, get_args, get_origin


def take_plainly(parameter: Any) -> Any:
    """Have a parameter ask for its validator only when a value needs one; nothing changes where typer has none."""
    asked = getattr(parameter, "get_runtime_param", None)
    if asked is not None and not isinstance(getattr(asked, "__self__", None), _Plain):
        parameter.get_runtime_param = _Plain(parameter).asked
    return parameter


class _Plain:
    """Stands in for a parameter's validator."""

    def __init__(self, parameter: Any) -> None:
        self._annotation = parameter.type_descriptor.annotation
        self._declared = parameter.type_descriptor.parameter_info
        self._build = parameter.get_runtime_param
        self._many = parameter.multiple or parameter.nargs == -1

    def asked(self) -> _Plain:
        return self

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        if value is None:
            return () if self._many else None
        if not self._many and _is_a(self._annotation, value):
            return value
        if self._annotation is Path and isinstance(value, str) and _is_plain(value, self._declared):
            return Path(value)
        if self._many and get_origin(self._annotation) is list and isinstance(value, list | tuple):
            (kind,) = get_args(self._annotation)
            if all(_is_a(kind, each) for each in value):
                return list(value)
        return self._build().coerce(value, param=param, ctx=ctx)


def _is_a(kind: Any, value: Any) -> bool:
    """Whether a value is what is declared; not a number, which has bounds."""
    return isinstance(kind, type) and kind is not int and kind is not float and isinstance(value, kind)


def _is_plain(value: str, declared: Any) -> bool:
    """Whether a path is taken whatever it leads to: it may be absent, and what is there may be read."""
    judged = declared.exists or declared.writable or declared.resolve_path or declared.path_type is not None
    if judged or not (declared.file_okay and declared.dir_okay) or "\0" in value:
        return False
    return os.access(value, os.R_OK) or not Path(value).exists()
