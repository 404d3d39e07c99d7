"""The shape of one dataset, and how it is read from TOML.

In order: the text is parsed, its keys and types are checked, its templates are parsed, and the fields that
they name are looked for among the columns. Whatever is wrong is one UsageError that names the file and the
key. Which profiles there are, and which one fits a source, is not decided here.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from laden.errors import UsageError
from laden.profile.template import WHOLE_PATH, Template, parse_ranges

COLUMN_TYPES = ("text", "integer", "number", "date", "list", "cuis")
"""What a column may hold: `date` is YYYYMMDD, `list` as Python prints it, `cuis` as NumPy does."""


@dataclass(frozen=True, slots=True)
class TableShape:
    """What the label table of a dataset looks like."""

    name: str
    """Pattern of its file name, in the notation of `fnmatch`; the same with `.gz` is meant too."""
    subset: str
    """File name for a table of only some rows."""
    key: str
    """Column that names the image."""
    labels: str | None
    """Column with the list of labels, where there is one."""
    columns: dict[str, str]
    """Column to type, one of `COLUMN_TYPES`."""
    suffixes: tuple[str, ...]
    """Endings, in lower case, of members that are images of the dataset; others are strays."""
    ignore_case: bool
    """Whether keys that differ in case only are the same."""

    def fits(self, path: str) -> bool:
        """Tell whether the file at `path` is called as this table is, in any case, compressed or not."""
        base = path.rpartition("/")[2].lower().removesuffix(".gz")
        return fnmatchcase(base, self.name.lower())


@dataclass(frozen=True, slots=True)
class Profile:
    """How archives, table and destination of one dataset belong together."""

    name: str
    title: str
    """One line for people."""
    layout: Template
    """Destination of an image below the prefix."""
    archive: Template | None
    """File name of an archive, where that says something about the images inside."""
    expected: tuple[str, ...]
    """The values that the archive's field takes in the complete dataset; empty where unknown."""
    folder: Template | None
    """The end of a plain file's path, on segment boundaries."""
    table: TableShape | None
    """None for a dataset without table."""


_PROFILE_KEYS = {
    "name": str,
    "title": str,
    "layout": str,
    "archive": str,
    "expected": str,
    "folder": str,
    "table": dict,
}
_TABLE_KEYS = {
    "name": str,
    "subset": str,
    "key": str,
    "labels": str,
    "columns": dict,
    "suffixes": list,
    "ignore_case": bool,
}
_OPTIONAL = {"archive", "expected", "folder", "table", "labels", "ignore_case"}
_TOML_NAMES = {str: "text in quotes", dict: "a table", list: "a list of texts", bool: "true or false"}


def parse_profile(text: str, file: str) -> Profile:
    """Return the profile in TOML `text`; raises UsageError naming `file` and what is wrong in it."""
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the profile {file} is not TOML: {error}; correct that line") from error
    try:
        _check_keys(given, _PROFILE_KEYS, "")
        profile = Profile(
            name=given["name"],
            title=given["title"],
            layout=_template(given, "layout"),
            archive=_template(given, "archive") if "archive" in given else None,
            expected=parse_ranges(given["expected"]) if "expected" in given else (),
            folder=_template(given, "folder") if "folder" in given else None,
            table=_table(given["table"]) if "table" in given else None,
        )
        _check_fields(profile)
    except UsageError as error:
        raise UsageError(f"the profile {file} is wrong: {error}") from error
    return profile


def close_match(word: str, words: Iterable[str]) -> str:
    """Return ` (did you mean 'layout'?)` if one of `words` is close to `word`, else nothing."""
    close = difflib.get_close_matches(word, list(words), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _template(given: Mapping[str, Any], key: str) -> Template:
    try:
        return Template(given[key])
    except UsageError as error:
        raise UsageError(f"{key!r}: {error}") from error


def _table(given: dict[str, Any]) -> TableShape:
    _check_keys(given, _TABLE_KEYS, "table.")
    for suffix in given["suffixes"]:
        if not isinstance(suffix, str) or not suffix:
            raise UsageError(f"'table.suffixes' holds {suffix!r}; write endings like '.png'")
    for column, kind in given["columns"].items():
        if kind not in COLUMN_TYPES:
            raise UsageError(
                f"'table.columns' gives {column!r} the type {kind!r}{close_match(str(kind), COLUMN_TYPES)}; "
                f"write one of {', '.join(COLUMN_TYPES)}"
            )
    return TableShape(
        name=given["name"],
        subset=given["subset"],
        key=given["key"],
        labels=given.get("labels"),
        columns=given["columns"],
        suffixes=tuple(suffix.lower() for suffix in given["suffixes"]),
        ignore_case=given.get("ignore_case", False),
    )


def _check_keys(given: Mapping[str, Any], types: Mapping[str, type], prefix: str) -> None:
    """Raise UsageError if a key is unknown, missing or of another type."""
    for key, value in given.items():
        if key not in types:
            raise UsageError(f"there is no key '{prefix}{key}'{close_match(key, types)}; correct or remove it")
        if not isinstance(value, types[key]):
            raise UsageError(f"'{prefix}{key}' is {value!r}; write {_TOML_NAMES[types[key]]}")
        if value == "":
            raise UsageError(f"'{prefix}{key}' is empty; fill it in or remove it")
    for key in types:
        if key not in given and key not in _OPTIONAL:
            raise UsageError(f"the key '{prefix}{key}' is missing; add it")


def _check_fields(profile: Profile) -> None:
    """Raise UsageError if a template, or the table, names a field that nothing can fill."""
    shape = profile.table
    columns: Iterable[str] = (WHOLE_PATH,)
    if shape is not None:
        columns = shape.columns
        for key, column in (("table.key", shape.key), ("table.labels", shape.labels)):
            if column is not None and column not in columns:
                raise UsageError(
                    f"{key!r} is {column!r}{close_match(column, columns)}, but 'table.columns' has no such"
                )
    for key, template in (
        ("layout", profile.layout),
        ("archive", profile.archive),
        ("folder", profile.folder),
    ):
        for name in template.fields if template else ():
            if name not in columns:
                raise UsageError(f"{key!r} names {name!r}{close_match(name, columns)}, but there is no such column")
    if profile.expected and (profile.archive is None or len(profile.archive.fields) != 1):
        raise UsageError("'expected' lists values of the field in 'archive'; give 'archive' exactly one field")
