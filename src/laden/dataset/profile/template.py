"""One notation for names that hold values, used both ways, and one for ranges of names.

`png/{ImageDir}/{ImageID}` renders a destination from a row's values, and reads the values back out of such a
name. A template knows nothing of tables or archives, and does not judge whether a rendered name is good.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from laden.values.errors import UsageError
from laden.values.names import problem, reserved

WHOLE_PATH = "path"
"""The one field that stands for a whole relative path, slashes included: `{path}`."""

ANYTHING = "*"
"""The one field of archives' and folders' names that is no column, `images_{*}.tar.gz`: each may be another text."""

MAX_NAMES = 100_000
"""How many names a range expression may stand for; more than that is a typing mistake."""

MAX_SHOWN = 200
"""Characters of a layout or name that a sentence shows."""

_CUT = "\0"
"""Stands for a value that no name can have."""

_FIELD = re.compile(r"\{([^{}/]+)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """Text with fields in braces, such as `png/{ImageDir}/{ImageID}`; raises UsageError if malformed."""

    text: str
    fields: tuple[str, ...] = field(init=False)
    """The fields it names, each once, in order."""
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)
    """Its first fields take as little as they can."""
    _other: re.Pattern[str] = field(init=False, repr=False, compare=False)
    """The same, and they take as much as they can."""

    def __post_init__(self) -> None:
        # Every second part of the split is the name of a field.
        parts = _FIELD.split(self.text)
        if not self.text or any("{" in part or "}" in part for part in parts[::2]):
            raise UsageError(f"{self.text!r} is no template: write names of columns in braces, like 'png/{{Column}}'")
        fields = tuple(dict.fromkeys(parts[1::2]))
        object.__setattr__(self, "fields", fields)
        object.__setattr__(self, "_pattern", _pattern(parts, fields, "+?"))
        object.__setattr__(self, "_other", _pattern(parts, fields, "+"))

    def __str__(self) -> str:
        return self.text

    @property
    def names_folders(self) -> bool:
        """Whether it says what a folder is called, as `train/{id}.png` does, and `{split}/{id}.png` does not."""
        return bool(_FIELD.sub("", self.text.rpartition("/")[0]).strip("/"))

    def render(self, values: Mapping[str, str]) -> str:
        """Return the text with each field replaced by its value; raises UsageError if a field has none."""
        missing = [name for name in self.fields if name not in values]
        if missing:
            raise UsageError(
                f"the template {self.text!r} needs {_listed(missing)}, but there is only {_listed(values)}; "
                "correct the template, or name the table that has it"
            )
        return _FIELD.sub(lambda found: values[found[1]], self.text)

    def sql(self, cells: Mapping[str, str]) -> str:
        """Return SQL that renders a row's name, given SQL for each field's value; `render` for a whole column."""
        parts = enumerate(_FIELD.split(self.text))
        texts = (cells[part] if place % 2 else "'" + part.replace("'", "''") + "'" for place, part in parts)
        return " || ".join(texts)

    def render_all(self, values: Mapping[str, str], field: str, column: Sequence[str]) -> list[str]:
        """Return the text for each value of one field, the others being the same for all; errors as `render`."""
        pieces = self.render({**values, field: _CUT}).split(_CUT)
        return [value.join(pieces) for value in column]

    def match(self, text: str) -> dict[str, str] | None:
        """Return the values that render to `text`, or None, also where several do; only `{path}` spans a slash."""
        found = self._pattern.fullmatch(text)
        if found is None:
            return None
        # These are the first and the last of all readings, by the lengths of their values: `a_1_2` as `{one}_{two}`.
        other = self._other.fullmatch(text)
        if other is None or other.groups() != found.groups():
            return None
        return {name: found[f"f{number}"] for number, name in enumerate(self.fields)}

    def match_end(self, path: str) -> dict[str, str] | None:
        """Return the values that render to the last segments of `path`, or None."""
        slashes = self.text.count("/")
        # Most members of archives lie in no folder, and none of so few segments fits.
        return (
            self.match("/".join(path.rsplit("/", slashes + 1)[-1 - slashes :])) if path.count("/") >= slashes else None
        )


def parse_layout(text: str) -> Template:
    """Return the template of names to give; raises UsageError if it is none, or can give none that may travel.

    Whatever its fields hold: a folder `..`, one of laden's own, a slash in front.
    """
    layout = Template(text)
    example = _FIELD.sub("name", text)
    if (reason := problem(example) or reserved(example)) is not None:
        raise UsageError(
            f"the layout '{text[:MAX_SHOWN]}' gives names like '{example[:MAX_SHOWN]}', and none may be given that"
            f" {reason}: choose another layout"
        )
    return layout


def parse_ranges(text: str) -> tuple[str, ...]:
    """Return the names that `0-11,54` stands for, each once, in order; raises UsageError if in doubt.

    A part is a range of whole numbers (`001-012` keeps its width) or a single name without a dash.
    """
    names: dict[str, None] = {}
    for part in (part.strip() for part in text.split(",")):
        if part and "-" not in part:
            names[part] = None
            continue
        low, _, high = part.partition("-")
        if not re.fullmatch("[0-9]{1,18}-[0-9]{1,18}", part) or int(low) > int(high):
            raise UsageError(f"{part!r} in {text!r} is no range; write ranges and names like '0-11,54'")
        if int(high) - int(low) >= MAX_NAMES:
            raise UsageError(f"{part!r} stands for more than {MAX_NAMES:,} names; write a smaller range")
        names.update((str(number).zfill(len(low)), None) for number in range(int(low), int(high) + 1))
    if len(names) > MAX_NAMES:
        raise UsageError(f"the ranges stand for more than {MAX_NAMES:,} names; write smaller ones")
    return tuple(names)


def _pattern(parts: Sequence[str], fields: Sequence[str], some: str) -> re.Pattern[str]:
    """What texts look like that a template renders; `some` says whether its fields take little (`+?`) or much (`+`)."""
    pattern = re.escape(parts[0])
    for index in range(1, len(parts), 2):
        name, after = parts[index], parts[index + 1]
        group, again = f"f{fields.index(name)}", name in parts[1:index:2]
        if again and name != ANYTHING:
            pattern += f"(?P={group})"
        else:
            pattern += f"({'' if again else f'?P<{group}>'}{'.' if name == WHOLE_PATH else '[^/]'}{some})"
        pattern += re.escape(after)
    return re.compile(pattern, re.DOTALL)


def _listed(names: Mapping[str, str] | list[str]) -> str:
    return ", ".join(map(repr, names)) or "nothing"
