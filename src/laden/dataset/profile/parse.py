"""A profile from TOML.

In order: the text is parsed, its keys and types are checked, its templates are parsed, and the fields that they name
are looked for among the columns. Whatever is wrong is one UsageError that names the file, the line and the key.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from laden.dataset.profile.lines import line_of
from laden.dataset.profile.shape import COLUMN_TYPES, MATCHES, ROWS_PER_IMAGE, Profile, TableShape
from laden.dataset.profile.suspects import parse_suspects
from laden.dataset.profile.template import ANYTHING, WHOLE_PATH, Template, parse_layout, parse_ranges
from laden.values.errors import UsageError
from laden.values.names import problem, reserved

BUILTIN: Traversable = files("laden.dataset") / "profiles"
"""Where the profiles are that come with laden."""

_PROFILE_KEYS: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "title": str,
    "layout": str,
    "archive": str,
    "expected": str,
    "folder": str,
    "sidecars": list,
    "suspects": str,
    "obtain": list,
    "lock": str,
    "table": (dict, list),
}
_OF_COLUMNS = ("labels", "charts", "age", "photometric", "height", "width")
"""Keys that name columns; a further table with columns of its own does not take them over."""

_TABLE_KEYS: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "subset": str,
    "key": str,
    "match": str,
    "segments": int,
    "rows_per_image": str,
    "recognised_by": list,
    "layout": str,
    "folder": str,
    "labels": str,
    "charts": list,
    "age": list,
    "photometric": str,
    "height": str,
    "width": str,
    "bits": int,
    "suffixes": list,
    "ignore_case": bool,
    "columns": dict,
}
_REQUIRED = {"name", "title", "layout"}
_REQUIRED_OF_TABLE = {"name", "subset", "key", "suffixes", "columns"}
_REQUIRED_OF_MORE = {"name", "subset"}
_ONLY_FIRST = ("match", "segments", "suffixes", "ignore_case", "recognised_by")
"""What says how an entry's key is made: an entry has one, whichever table names it."""
_TOML_NAMES: dict[type | tuple[type, ...], str] = {
    str: "text in quotes",
    dict: "a table",
    list: "a list of texts",
    bool: "true or false",
    int: "a number",
    (dict, list): "[table]",
}


class _Mistake(Exception):  # noqa: N818 - becomes a UsageError, with file and line
    """What is wrong, and at which key."""

    def __init__(self, sentence: str, *path: str, table: int = 0) -> None:
        super().__init__(sentence)
        self.path = path
        self.table = table


def parse_profile(text: str, file: str, folder: Traversable) -> Profile:
    """Return the profile in TOML `text`; raises UsageError naming `file`, and line and key of what is wrong in it.

    Args:
        text: what the file holds.
        file: its name, for messages.
        folder: where it lies, for the list of suspects that it may name.
    """
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the profile {file} is not TOML: {error}; correct that line") from error
    try:
        profile = _profile(given, folder)
        _check_fields(profile)
    except _Mistake as mistake:
        line = line_of(text, mistake.path, mistake.table)
        where = f" in line {line}" if line else ""
        raise UsageError(f"the profile {file} is wrong{where}: {mistake}") from mistake
    return profile


def close_match(word: str, words: Iterable[str]) -> str:
    """Return ` (did you mean 'layout'?)` if one of `words` is close to `word`, else nothing."""
    close = difflib.get_close_matches(word, list(words), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _profile(given: Mapping[str, Any], folder: Traversable) -> Profile:
    _check_keys(given, _PROFILE_KEYS, _REQUIRED)
    lying = _template(given["folder"], "folder") if "folder" in given else None
    tables = _tables(given["table"], lying) if "table" in given else ()
    return Profile(
        name=given["name"],
        title=given["title"],
        layout=_template(given["layout"], "layout", read=parse_layout),
        archive=_template(given["archive"], "archive") if "archive" in given else None,
        expected=_expected(given["expected"]) if "expected" in given else (),
        folder=lying,
        folders=tuple(dict.fromkeys(shape.folder or lying for shape in tables)) or (lying,),
        tables=tables,
        sidecars=_texts(given, "sidecars"),
        suspects=_suspects(given["suspects"], folder) if "suspects" in given else frozenset(),
        obtain=_texts(given, "obtain"),
        lock=_beside(given["lock"], folder) if "lock" in given else None,
    )


def _tables(given: dict[str, Any] | list[Any], folder: Template | None) -> tuple[TableShape, ...]:
    """The tables; a further one takes what it does not say from the first."""
    listed = given if isinstance(given, list) else [given]
    if not listed or not all(isinstance(table, dict) for table in listed):
        raise _Mistake("'table' is a list of something else; write [table], or [[table]] for each of several", "table")
    shapes = [_table(listed[0], 0)]
    for number, table in enumerate(listed[1:], 1):
        for key in set(_ONLY_FIRST) & set(table):
            reason = "is the same for all tables; write it in the first, and remove it here"
            raise _Mistake(f"'table.{key}' {reason}", "table", key, table=number)
        _check_keys(table, _TABLE_KEYS, _REQUIRED_OF_MORE, "table", number)
        own = {"recognised_by", *_OF_COLUMNS} if "columns" in table else {"recognised_by"}
        shapes.append(_table({**{key: value for key, value in listed[0].items() if key not in own}, **table}, number))
        lying = shapes[-1].folder or folder
        if "layout" in table and "folder" not in table and lying is not None and lying.names_folders:
            reason = f"lands this table's images elsewhere, and 'folder' has them in '{lying}'"
            raise _Mistake(f"'table.layout' {reason}; say where they lie with 'table.folder'", "table", table=number)
    landing: dict[str, int] = {}
    for number, shape in enumerate(shapes):
        if landing.setdefault(shape.subset, number) != number:
            raise _Mistake(
                f"'table.subset' is {shape.subset!r} in two tables; give each its own", "table", "subset", table=number
            )
    return tuple(shapes)


def _table(given: dict[str, Any], number: int) -> TableShape:
    _check_keys(given, _TABLE_KEYS, _REQUIRED_OF_TABLE, "table", number)
    for column, kind in given["columns"].items():
        if kind not in COLUMN_TYPES:
            sentence = f"'table.columns' gives {column!r} the type {kind!r}{close_match(str(kind), COLUMN_TYPES)}"
            raise _Mistake(
                f"{sentence}; write one of {', '.join(COLUMN_TYPES)}", "table", "columns", column, table=number
            )
    match = _one_of(given, "match", MATCHES, number)
    segments = given.get("segments", 0)
    if segments and match != "path":
        raise _Mistake("'table.segments' counts segments of a path; write match = \"path\"", "table", "segments")
    if segments < 0:
        raise _Mistake(f"'table.segments' is {segments}; write how many last segments count", "table", "segments")
    if reason := problem(given["subset"]) or reserved(given["subset"]):
        sentence = f"'table.subset' is {given['subset']!r}, which cannot be a table's name: it {reason}"
        raise _Mistake(f"{sentence}; write one like 'small.csv'", "table", "subset", table=number)
    return TableShape(
        name=given["name"],
        subset=given["subset"],
        key=given["key"],
        labels=given.get("labels"),
        columns=given["columns"],
        suffixes=tuple(suffix.lower() for suffix in _texts(given, "suffixes", "table", "endings like '.png'")),
        ignore_case=given.get("ignore_case", False),
        match=match,
        segments=segments,
        many=_one_of(given, "rows_per_image", ROWS_PER_IMAGE, number) == "many",
        recognised_by=_texts(given, "recognised_by", "table", "names of columns"),
        layout=_template(given["layout"], "table", "layout", table=number, read=parse_layout)
        if "layout" in given
        else None,
        folder=_template(given["folder"], "table", "folder", table=number) if "folder" in given else None,
        charts=_texts(given, "charts", "table", "names of columns"),
        age=_texts(given, "age", "table", "the column with the age, or those with the date and the year of birth"),
        photometric=given.get("photometric"),
        height=given.get("height"),
        width=given.get("width"),
        bits=_positive(given, "bits", number),
    )


def _check_keys(
    given: Mapping[str, Any],
    types: Mapping[str, type | tuple[type, ...]],
    required: set[str],
    section: str = "",
    table: int = 0,
) -> None:
    """Raise a mistake if a key is unknown, missing or of another type."""
    path = (section,) if section else ()
    prefix = f"{section}." if section else ""
    for key, value in given.items():
        if key not in types:
            sentence = f"there is no key '{prefix}{key}'{close_match(key, types)}; correct or remove it"
            raise _Mistake(sentence, *path, key, table=table)
        # TOML's true is no number, though Python's is.
        if not isinstance(value, types[key]) or (isinstance(value, bool) and types[key] is int):
            raise _Mistake(f"'{prefix}{key}' is {value!r}; write {_TOML_NAMES[types[key]]}", *path, key, table=table)
        if value == "":
            raise _Mistake(f"'{prefix}{key}' is empty; fill it in or remove it", *path, key, table=table)
    for key in types:
        if key not in given and key in required:
            raise _Mistake(f"the key '{prefix}{key}' is missing; add it", *path, table=table)


def _one_of(given: Mapping[str, Any], key: str, words: tuple[str, ...], number: int) -> str:
    word: str = given.get(key, words[0])
    if word not in words:
        sentence = f"'table.{key}' is {word!r}{close_match(word, words)}; write one of {', '.join(words)}"
        raise _Mistake(sentence, "table", key, table=number)
    return word


def _positive(given: Mapping[str, Any], key: str, number: int) -> int | None:
    value: int | None = given.get(key)
    if value is not None and value < 1:
        raise _Mistake(f"'table.{key}' is {value}; write a number above 0", "table", key, table=number)
    return value


def _texts(given: Mapping[str, Any], key: str, section: str = "", kind: str = "names of files") -> tuple[str, ...]:
    for text in given.get(key, []):
        if not isinstance(text, str) or not text:
            path = (section, key) if section else (key,)
            raise _Mistake(f"'{'.'.join(path)}' holds {text!r}; write {kind}", *path)
    return tuple(given.get(key, []))


def _template(text: str, *path: str, table: int = 0, read: Callable[[str], Template] = Template) -> Template:
    try:
        return read(text)
    except UsageError as error:
        raise _Mistake(f"'{'.'.join(path)}': {error}", *path, table=table) from error


def _expected(text: str) -> tuple[str, ...]:
    try:
        return parse_ranges(text)
    except UsageError as error:
        raise _Mistake(f"'expected': {error}", "expected") from error


def _beside(name: str, folder: Traversable) -> Path:
    """Where a lock file is that a profile on this disk names; whether it is one is seen when it is needed."""
    place = folder / name
    if not isinstance(place, Path) or not place.is_file():
        raise _Mistake(f"'lock' names {name!r}, which is not there beside the profile; correct or remove it", "lock")
    return place


def _suspects(name: str, folder: Traversable) -> frozenset[str]:
    try:
        # A copy of a built-in profile names the list that is here.
        place = next((place for place in (folder / name, BUILTIN / name) if place.is_file()), folder / name)
        return parse_suspects(place.read_text("utf-8"), name)
    except OSError as error:
        reason = f"names {name!r}, which cannot be read beside the profile ({error.strerror})"
        raise _Mistake(f"'suspects' {reason}; correct or remove it", "suspects") from error
    except (UsageError, UnicodeDecodeError) as error:
        raise _Mistake(f"'suspects': {error}", "suspects") from error


def _check_fields(profile: Profile) -> None:
    """Raise a mistake if a template names a field that nothing can fill, or a table a column that it lacks."""
    for number, shape in enumerate(profile.tables):
        named = {name: getattr(shape, name) for name in ("key", "labels", "photometric", "height", "width")}
        for key, column in named.items():
            if column is not None:
                _check_column(column, shape, f"'table.{key}' is {column!r}", "table", key, table=number)
        for column in shape.recognised_by:
            _check_column(column, shape, f"'table.recognised_by' names {column!r}", "table", "recognised_by")
        for column in shape.charts:
            _check_column(column, shape, f"'table.charts' names {column!r}", "table", "charts", table=number)
        for column in shape.age:
            _check_column(column, shape, f"'table.age' names {column!r}", "table", "age", table=number)
        if len(shape.age) > 2:
            reason = "names more than the date of the study and the year of birth; name one or two columns"
            raise _Mistake(f"'table.age' {reason}", "table", "age", table=number)
        for name in shape.layout.fields if shape.layout else ():
            _check_column(name, shape, f"'table.layout' names {name!r}", "table", "layout", table=number)
    _check_templates(profile, profile.table.columns if profile.table else (WHOLE_PATH,))


def _check_templates(profile: Profile, columns: Iterable[str]) -> None:
    _check_template("layout", profile.layout, columns)
    for folder in filter(None, profile.folders):
        _check_template("folder", folder, {*columns, ANYTHING})
    if profile.archive is not None:
        _check_template("archive", profile.archive, {*columns, ANYTHING})
        if profile.archive.text.count(f"{{{ANYTHING}}}") > 1:
            raise _Mistake(f"'archive' has {{{ANYTHING}}} more than once; write it once", "archive")
    if profile.expected and (profile.archive is None or len(profile.archive.fields) != 1):
        raise _Mistake(
            "'expected' lists values of the field in 'archive'; give 'archive' exactly one field", "expected"
        )


def _check_template(key: str, template: Template, columns: Iterable[str]) -> None:
    for name in template.fields:
        if name not in columns:
            sentence = f"{key!r} names {name!r}{close_match(name, columns)}, but there is no such column"
            raise _Mistake(sentence, key)


def _check_column(column: str, shape: TableShape, sentence: str, *path: str, table: int = 0) -> None:
    if column not in shape.columns:
        close = close_match(column, shape.columns)
        raise _Mistake(f"{sentence}{close}, but 'table.columns' has no such", *path, table=table)
