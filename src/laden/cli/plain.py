"""Values of a command line that are what their option is declared as are taken as they are.

Else a validator would be built for each option of a command, given or not, by a library whose import alone takes as
long as a small load's plan. Where there is something to convert or to refuse, it is asked as ever, and its words are
told.
"""

from __future__ import annotations

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
        self._build = parameter.get_runtime_param
        self._many = parameter.multiple or parameter.nargs == -1

    def asked(self) -> _Plain:
        return self

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        if value is None:
            return () if self._many else None
        if not self._many and _is_a(self._annotation, value):
            return value
        if self._many and get_origin(self._annotation) is list and isinstance(value, list | tuple):
            (kind,) = get_args(self._annotation)
            if all(_is_a(kind, each) for each in value):
                return list(value)
        return self._build().coerce(value, param=param, ctx=ctx)


def _is_a(kind: Any, value: Any) -> bool:
    """Whether a value is what is declared; not a number, which has bounds."""
    return isinstance(kind, type) and kind is not int and kind is not float and isinstance(value, kind)
