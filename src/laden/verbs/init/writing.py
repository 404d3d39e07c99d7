"""The profile as text: each line a guess, with what it rests on beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from laden.dataset.source import Found
from laden.dataset.table.cells import parse_list
from laden.values.units import amount, plural
from laden.verbs.init.keys import Key
from laden.verbs.init.names import Names
from laden.verbs.init.places import Holding, archive_of_rows, folder_of_rows

_EMPTY = frozenset({"", "none", "nan", "null", "na", "n/a"})
_INTEGER = re.compile(r"[+-]?\d{1,15}(?:\.0*)?")
_LONG = re.compile(r"[+-]?\d{16,}")
"""More digits than a number of 64 bits keeps: an id."""
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_DATE = re.compile(r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_KINDS = {".dcm": "dicom", ".dicom": "dicom", ".jpeg": "jpg", ".nii.gz": "nifti", ".nii": "nifti", ".tiff": "tif"}
_MOST_CHARTED = 20
_CHARTS = 2


@dataclass(frozen=True, slots=True)
class Guess:
    """What the names and the table speak for."""

    name: str
    key: Key
    archive: Holding | None
    folder: Holding | None
    numbered: str
    """Template of archives that rows do not name; empty where there is none."""
    suffixes: tuple[str, ...]
    beside: tuple[str, ...]
    """Files that are neither table nor image nor archive."""

    @property
    def layout(self) -> str:
        """Where images land."""
        key = f"{{{self.key.column}}}"
        if self.key.match == "path":
            return key
        ending = self.suffixes[0] if self.key.match == "stem" else ""
        kind = _KINDS.get(self.suffixes[0], self.suffixes[0].lstrip(".")) or "images"
        place = self.archive or self.folder
        return "/".join(filter(None, (kind, f"{{{place.column}}}" if place else "", key + ending)))


def guess(name: str, found: Found, images: Names, key: Key) -> Guess:
    """Put together what a profile says."""
    names = {image.path for image in images.names if not image.archive}
    beside = tuple(file for file in found.files if file not in names and file != key.place)
    archive = archive_of_rows(key)
    return Guess(
        re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-").lower() or "dataset",
        key,
        archive,
        folder_of_rows(key) if key.match != "path" else None,
        "" if archive else _numbered(found.archives),
        images.suffixes,
        beside,
    )


def _numbered(archives: Sequence[str]) -> str:
    """`images_{*}.zip`, where all archives are called so."""
    bases = [path.rpartition("/")[2] for path in archives]
    forms = {re.sub(r"\d+", "{*}", base, count=1) for base in bases}
    return forms.pop() if len(forms) == 1 and len(bases) > 1 and "{*}" in next(iter(forms)) else ""


def written(guessed: Guess) -> str:
    """The TOML, with comments."""
    return "\n".join(_lines(guessed)) + "\n"


def _lines(guessed: Guess) -> Iterator[str]:
    key = guessed.key
    yield "# What laden guessed from the names and the table in a folder. Look at each line, change what is wrong, and"
    yield "# have it checked: laden profiles THIS_FILE FOLDER. Every key is explained by: laden help profiles"
    yield f"name = {_text(guessed.name)}"
    yield f"title = {_text(f'Images of {guessed.name}')} # one line for people"
    yield f"layout = {_text(guessed.layout)} # where an image lands; columns in braces"
    if guessed.archive:
        yield f"archive = {_text(guessed.archive.template)} # so for {guessed.archive.share:.0%} of the rows looked at"
        yield '# expected = "0-50,54" # the archives of the complete dataset, so that those not here are told'
    elif guessed.numbered:
        yield f"archive = {_text(guessed.numbered)} # rows do not say which archive their image is in"
    if guessed.folder and guessed.key.match != "path":
        ending = guessed.suffixes[0] if key.match == "stem" else ""
        folder = f"{guessed.folder.template}/{{{key.column}}}{ending}"
        yield f"folder = {_text(folder)} # the end of a file's path: so for {guessed.folder.share:.0%} of the rows"
    if guessed.beside:
        yield f"# sidecars = {json.dumps(list(guessed.beside[:5]), ensure_ascii=False)} # copied as they are"
    yield ""
    yield from _table(guessed)


def _table(guessed: Guess) -> Iterator[str]:
    key = guessed.key
    base = key.table.name
    stem, _, ending = base.rpartition(".")
    yield "[table]"
    yield f"name = {_text(base)} # of the file; * stands for any text"
    yield f"subset = {_text(f'{stem}_small.{ending}')} # what lands while some rows have no image"
    yield f"key = {_text(key.column)} # {_evidence(key)}"
    if key.match != "name":
        how = {"stem": "the file name without its ending", "path": "a path"}[key.match]
        yield f"match = {_text(key.match)} # {how}"
    if key.segments:
        yield f"segments = {key.segments} # of the path, so many of the last count"
    if key.many:
        yield 'rows_per_image = "many" # several rows name one image'
    yield f"suffixes = {json.dumps(list(guessed.suffixes))}"
    if key.ignore_case:
        yield "ignore_case = true # names and table differ in capitals"
    columns = {name: _kind(name, key) for name in key.table.columns}
    yield from _telling(columns, key)
    yield ""
    yield "# text, integer, number, date (YYYYMMDD), list (as Python prints it)"
    yield "[table.columns]"
    for name, kind in columns.items():
        yield f"{_name(name)} = {_text(kind)}"


def _evidence(key: Key) -> str:
    images = {name for names in key.named.values() for name in names}
    looked = f" of the first {amount(len(key.rows))}" if len(key.rows) else ""
    return f"{plural(len(key.named), 'row')}{looked} name {plural(len(images), 'image')} here"


def _telling(columns: dict[str, str], key: Key) -> Iterator[str]:
    """What the report makes use of."""
    lists = [name for name, kind in columns.items() if kind == "list"]
    labels = next((name for name in lists if re.search(r"(?i)label|finding|diagnos", name)), next(iter(lists), None))
    if labels is not None:
        yield f"labels = {_text(labels)}"
    charts = [
        name for name, kind in columns.items() if kind == "text" and name != key.column and _is_charted(name, key)
    ]
    if charts:
        yield f"charts = {json.dumps(charts[:_CHARTS], ensure_ascii=False)} # counted in the report"
    age = next((name for name in columns if re.search(r"(?i)(?:^|[^a-z])(?:patient)?_?age$", name)), None)
    if age is not None:
        yield f"age = [{_text(age)}] # told below pictures in the report"


def _is_charted(column: str, key: Key) -> bool:
    values = {row[column] for row in key.rows} - _EMPTY
    return 1 < len(values) <= min(_MOST_CHARTED, len(key.rows) // 2 or 2)


def _kind(column: str, key: Key) -> str:
    """What a column holds, where all that was looked at says so; ids with many digits are text."""
    values = {text for row in key.rows if (text := row[column].strip()).lower() not in _EMPTY}
    if column == key.column or not values:
        return "text"
    if all(_DATE.fullmatch(text) for text in values) and "date" in column.lower():
        return "date"
    if all(map(_INTEGER.fullmatch, values)):
        return "integer"
    if all(map(_NUMBER.fullmatch, values)) and not any(map(_LONG.fullmatch, values)):
        return "number"
    if all(text.startswith("[") and parse_list(text) is not None for text in values):
        return "list"
    return "text"


def _text(text: str) -> str:
    """As a string of TOML; JSON's escapes are its own too."""
    return json.dumps(text, ensure_ascii=False)


def _name(column: str) -> str:
    return column if _PLAIN_KEY.fullmatch(column) else _text(column)
