"""What is wrong with the words of a command line, in laden's words: the parser's are those of its makers.

A sentence is made of the error's kind and of what it says; one of a kind that is not known here stays as it is.
"""

from __future__ import annotations

import re
from typing import Any

_NUMBERS = (
    (re.compile(r"valid integer"), "takes a whole number"),
    (re.compile(r"valid number"), "takes a number"),
    (re.compile(r"greater than or equal to (\S+)"), "takes {} or more"),
    (re.compile(r"less than or equal to (\S+)"), "takes {} at most"),
    (re.compile(r"greater than (\S+)"), "takes more than {}"),
    (re.compile(r"less than (\S+)"), "takes less than {}"),
)
_CHOICE = re.compile(r"(?:Value error, )?'(?P<given>.*)' is not one of (?P<words>'.*')\.?$", re.DOTALL)
_ALSO = {"--images": "; a list of images goes to --images-from"}
_COMMAND = re.compile(r"No such command '(?P<given>.*?)'\.?(?: Did you mean (?P<near>.*)\?)?", re.DOTALL)
_EXTRA = re.compile(r"Got unexpected extra arguments?(?:\(s\))? \((?P<given>.*)\)", re.DOTALL)
_NO_VALUE = re.compile(r"Option '(?P<option>[^']*)' requires an argument")


def sentence_of(error: Any) -> str:
    """What a person should read; empty where the parser's own words must do."""
    match type(error).__name__:
        case "NoSuchOption":
            near = f": did you mean {' or '.join(error.possibilities)}?" if error.possibilities else ""
            return f"there is no option {error.option_name}{near}"
        case "BadParameter":
            return _value(error)
    return _other(str(error.message))


def _value(error: Any) -> str:
    """Of an option or argument that was given something else than it takes."""
    hint = error.param_hint or (error.param.opts[0] if error.param is not None else "")
    name = hint if isinstance(hint, str) else " / ".join(hint)
    name = name.strip("'\" ")
    if choice := _CHOICE.match(error.message):
        *most, last = re.findall("'([^']*)'", choice["words"])
        also = _ALSO.get(name, "")
        return f"{name} is {', '.join(most)} or {last}, and not '{choice['given']}'{also}"
    for pattern, words in _NUMBERS:
        if found := pattern.search(error.message):
            return f"{name} {words.format(*found.groups())}"
    return f"{name}: {error.message}" if name else str(error.message)


def _other(message: str) -> str:
    if found := _COMMAND.match(message):
        near = f": did you mean {found['near']}?" if found["near"] else ""
        return f"there is no command '{found['given']}'{near}"
    if found := _EXTRA.match(message):
        return f"there is more than this command takes: {found['given']}"
    if found := _NO_VALUE.match(message):
        return f"{found['option']} needs a value behind it"
    return ""
