"""Arguments from Python, held against what a function's annotations say, before it does anything.

`checked` is written above each function that is called from outside. An argument of another type, or a number out of
its bounds (`Within`, in an annotation), becomes one sentence, and so does a name that is no argument: a TypeError that
tells which are near, or all. What is missing or too much stays Python's own TypeError.
NumPy's numbers become Python's, and sets and their like lists, for what was asked is written down. What an annotation
does not tell (which texts are good) is the function's matter.
"""

from __future__ import annotations

import difflib
import inspect
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from laden.values.errors import UsageError

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Within:
    """The bounds of a whole number, both included."""

    least: int
    most: int | None = None

    def __str__(self) -> str:
        bounds = f"of {self.least} or more" if self.most is None else f"from {self.least} to {self.most}"
        return f"a whole number {bounds}"


Count = Annotated[int, Within(1)]
Connections = Annotated[int, Within(1, 1024)]
Workers = Annotated[int, Within(1, 64)]
Port = Annotated[int, Within(1, 65535)]

_WORDS = {
    str: "text",
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    NoneType: "None",
}
"""What else has a name is called by that: `Path`."""


def checked(function: Callable[_Given, _Result]) -> Callable[_Given, _Result]:
    """Have a function refuse arguments that are not what its annotations say; it raises UsageError for them."""
    signature = inspect.signature(function)

    @wraps(function)
    def called(*args: _Given.args, **kwargs: _Given.kwargs) -> _Result:
        _refuse_unknown(function, signature, kwargs)
        try:
            given = signature.bind(*args, **kwargs)
        except TypeError:
            # Python's own sentence names what is missing or too much.
            return function(*args, **kwargs)
        for name, hint, value in _arguments(function, signature, given.arguments):
            if not _fits(hint, value):
                raise UsageError(f"{name} takes {_told(hint)}, and was given {_shown(value)}")
        return function(*map(_plain, args), **{name: _plain(value) for name, value in kwargs.items()})

    return called


def _refuse_unknown(function: Callable[..., Any], signature: inspect.Signature, given: Iterable[str]) -> None:
    """Raise TypeError for a keyword that is none of the function's, nor of the group that it takes by keyword."""
    names: list[str] = []
    for name, parameter in signature.parameters.items():
        grouped = parameter.kind is inspect.Parameter.VAR_KEYWORD
        names += _group(function, name) if grouped else [name]
    for unknown in given:
        if unknown not in names:
            near = difflib.get_close_matches(unknown, names, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}"
            raise TypeError(f"there is no argument '{unknown}': {hint}")


def _group(function: Callable[..., Any], name: str) -> dict[str, Any]:
    """What a function takes by keyword as a `TypedDict` says: names and annotations."""
    (group,) = get_args(get_type_hints(function, include_extras=True)[name])
    return get_type_hints(group, include_extras=True)


def _arguments(
    function: Callable[..., Any], signature: inspect.Signature, given: dict[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """Name, annotation and value of each; of what is taken by keyword as a `TypedDict` says, of each of these."""
    hints = get_type_hints(function, include_extras=True)
    for name, value in given.items():
        if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            inner = _group(function, name)
            yield from ((one, inner[one], other) for one, other in value.items())
        else:
            yield name, hints[name], value


def _fits(hint: Any, value: Any) -> bool:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return any(_fits(one, value) for one in get_args(hint))
    if origin is Annotated:
        kind, *bounds = get_args(hint)
        return _fits(kind, value) and all(_inside(bound, value) for bound in bounds if isinstance(bound, Within))
    if origin is Literal:
        # Which words are good is told by who takes them.
        return isinstance(value, str)
    if origin is Sequence:
        (item,) = get_args(hint)
        is_list = isinstance(value, Collection) and not isinstance(value, str | bytes | bytearray)
        return is_list and all(_fits(item, one) for one in value)
    if origin is Callable:
        return callable(value)
    return _is_a(hint, value)


def _is_a(kind: Any, value: Any) -> bool:
    if kind in (int, float):
        # Python's True is a number, and a person's is not; NumPy's numbers are.
        return isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    if isinstance(kind, type) and issubclass(kind, os.PathLike):
        return isinstance(value, os.PathLike)
    return not isinstance(kind, type) or isinstance(value, kind)


def _plain(value: Any) -> Any:
    """A number or list as Python itself has it, and all else as it is."""
    if isinstance(value, int | float):
        return value
    if isinstance(value, Real):
        return int(value) if isinstance(value, Integral) else float(value)
    is_list = isinstance(value, Collection) and not isinstance(value, str | bytes | list | tuple)
    return list(value) if is_list and not callable(value) else value


def _inside(bound: Within, value: int) -> bool:
    return value >= bound.least and (bound.most is None or value <= bound.most)


def _told(hint: Any) -> str:
    """What an annotation asks for, in words."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(map(_told, parts)))
    if origin is Annotated:
        return " and ".join(str(one) for one in parts[1:] if isinstance(one, Within)) or _told(parts[0])
    if origin is Literal:
        return f"one of {', '.join(map(repr, parts))}"
    if origin is Sequence:
        return f"a list of {_told(parts[0])}"
    if origin is Callable:
        return "a function"
    return _WORDS.get(hint) or str(getattr(hint, "__name__", hint)).replace("Path", "a path")


def _shown(value: Any) -> str:
    """A number as it is, and of anything else what it is: a text may hold a secret."""
    number = isinstance(value, Integral | Real)
    return repr(value) if number or value is None else f"a {type(value).__name__}"
