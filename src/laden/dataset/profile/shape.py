"""The shape of one dataset: how its archives, tables and images belong together.

Values and the questions that they answer: what an image's key is, which archive a name stands for. How they are read
from TOML is in `parse`; which profiles there are, and which one fits a source, in `catalogue`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from unicodedata import normalize

from laden.dataset.profile.template import ANYTHING, WHOLE_PATH, Template

COLUMN_TYPES = ("text", "integer", "number", "date", "list", "cuis")
"""What a column may hold: `date` is YYYYMMDD, `list` as Python prints it, `cuis` as NumPy does."""

MATCHES = ("name", "stem", "path")
"""How the key names an image: by its file name, by that without its ending, or by its path."""

ROWS_PER_IMAGE = ("one", "many")

PLACE_SEPARATOR = "\x1f"
"""Between the values of a place (`Profile.place`): no name of a file that is read holds a control character."""

WHICH_FOLDER = "{}"
"""The value of a place that tells tables apart: which of `Profile.folders` it is. No column can have that name in a
template."""

NO_PLACE = frozenset({"", "None", "nan"})
"""Spellings of "no value" in a cell."""
_INTEGER = re.compile(r"([+-]?[0-9]{1,30})(?:\.0*)?")
"""A whole number, also as programs write it that took its column for decimal numbers: `0.0`."""


@dataclass(frozen=True, slots=True)
class TableShape:
    """What one label table of a dataset looks like."""

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
    match: str
    """One of `MATCHES`."""
    segments: int
    """Of a key that is a path: how many of its last segments count; 0 for all."""
    many: bool
    """Whether several rows may name one image."""
    recognised_by: tuple[str, ...]
    """Columns that tell it from others whose file name is as common; empty where its name tells enough."""
    layout: Template | None
    """Destination of its images, where that differs from the profile's."""
    folder: Template | None
    """The end of its images' paths, where that differs from the profile's."""
    charts: tuple[str, ...]
    """Columns whose values a report counts, beside the labels."""
    age: tuple[str, ...]
    """Column with the age, or those with date of the study and year of birth; empty where there is neither."""
    photometric: str | None
    """Column with DICOM's Photometric Interpretation of the image, which says whether its lowest value is white."""
    height: str | None
    """Column with the image's number of rows, where there is one."""
    width: str | None
    """Column with the image's number of columns, where there is one."""
    bits: int | None
    """That a sample of every image has, where all have the same."""

    def fits(self, path: str) -> bool:
        """Tell whether the file at `path` is called as this table is, in any case, compressed or not."""
        base = path.rpartition("/")[2].lower().removesuffix(".gz")
        return fnmatchcase(base, self.name.lower())

    def row_key(self, text: str) -> str:
        """The key under which a row's image is looked for; `text` is what its key column holds."""
        return self.folded(self._last_segments(text) if self.match == "path" else text)

    def entry_key(self, path: str) -> str:
        """The key of the member or plain file at `path`."""
        if self.match == "path":
            return self.folded(self._last_segments(path))
        name = path.rpartition("/")[2]
        return self.folded(self._stem(name) if self.match == "stem" else name)

    def key_value(self, path: str) -> str | None:
        """What the key column would say of the file at `path`; None where its name does not tell."""
        if self.match == "path":
            return path if not self.segments else None
        name = path.rpartition("/")[2]
        return self._stem(name) if self.match == "stem" else name

    def is_image(self, path: str) -> bool:
        """Tell whether the file at `path` ends as this dataset's images do."""
        return not self.suffixes or path.lower().endswith(self.suffixes)

    def folded(self, key: str) -> str:
        """A key or place as it is compared: letters and their accents together, and small where case is ignored."""
        if not key.isascii():
            # macOS takes letters and their accents apart, others do not (Unicode Standard Annex 15).
            key = normalize("NFC", key)
        return key.casefold() if self.ignore_case else key

    def _last_segments(self, path: str) -> str:
        return "/".join(path.split("/")[-self.segments :]) if self.segments else path

    def _stem(self, name: str) -> str:
        # Ids with dots look as if they had an ending: only those that the profile lists are taken off.
        ends = [suffix for suffix in self.suffixes if name.lower().endswith(suffix)]
        return name[: -len(max(ends, key=len))] if ends else name


@dataclass(frozen=True, slots=True)
class Profile:
    """How archives, tables and destination of one dataset belong together."""

    name: str
    title: str
    """One line for people."""
    layout: Template
    """Destination of an image below the prefix."""
    archive: Template | None
    """File name of an archive; where its fields are columns, a row says which archive its image is in."""
    expected: tuple[str, ...]
    """The values that the archive's field takes in the complete dataset; empty where unknown."""
    folder: Template | None
    """The end of a file's path, on segment boundaries, outside or inside an archive."""
    folders: tuple[Template | None, ...]
    """Where tables say that their images lie, each once, also those of tables that are not at the source."""
    tables: tuple[TableShape, ...]
    """The first is the dataset's label table; others name more of its images. Empty for a dataset without table."""
    sidecars: tuple[str, ...]
    """Patterns of file names, in the notation of `fnmatch`, of files that are copied as they are."""
    suspects: frozenset[str]
    """File names, in lower case, of images that others report as broken."""
    obtain: tuple[str, ...] = ()
    """For people: where the publisher gives it, and what to pass to laden; line by line."""
    lock: Path | None = None
    """The dataset's lock file, where one lies beside the profile."""

    @property
    def table(self) -> TableShape | None:
        """The label table."""
        return self.tables[0] if self.tables else None

    @property
    def places_rows(self) -> bool:
        """Whether a row says which archive its image is in."""
        fields = self.archive.fields if self.archive else ()
        return bool(fields) and self.table is not None and all(field in self.table.columns for field in fields)

    def layout_of(self, shape: TableShape) -> Template:
        """Destination of the images that a table names."""
        return shape.layout or self.layout

    def folder_of(self, shape: TableShape) -> str:
        """Which of `folders` holds the images that a table names, as the value of `WHICH_FOLDER`."""
        return str(self.folders.index(shape.folder or self.folder))

    @property
    def place_fields(self) -> tuple[str, ...]:
        """What says where an image lies, beside its key: columns that names of archives and folders show.

        Where tables have folders of their own, which of these it is comes last (`WHICH_FOLDER`).
        """
        if self.table is None:
            return ()
        templates = (template for template in (self.archive, *self.folders) if template is not None)
        fields = dict.fromkeys(field for template in templates for field in template.fields)
        columns = (field for field in fields if field in self.table.columns and field != self.table.key)
        return (*columns, WHICH_FOLDER) if len(self.folders) > 1 else tuple(columns)

    def spelled(self, field: str, text: str) -> str:
        """A value as the complete dataset spells it: `01` as `001`, where that is one of `expected`.

        Else an integer without leading zeros and decimal point, whatever program wrote it, and other text as it is.
        """
        if self.expected and self.archive is not None and field in self.archive.fields:
            same = (one for one in self.expected if one == text or _number(one) == _number(text) is not None)
            if (expected := next(same, None)) is not None:
                return expected
        number = _number(text) if self._is_integer(field) else None
        return text if number is None else str(number)

    def is_respelled(self, field: str) -> bool:
        """Whether `spelled` may make another text of any value of a field."""
        return self._is_integer(field) or bool(self.expected and self.archive and field in self.archive.fields)

    def place(self, values: Mapping[str, str], fields: Sequence[str]) -> str:
        """What is known of a place, as one text that SQL takes apart again: a value for each of the fields, in order.

        Args:
            values: of a row or an entry, as `spelled` gives them; what is not in it, or is no value, is unknown.
            fields: `place_fields`.
        """
        known = (values.get(field, "") for field in fields)
        texts = ("" if text in NO_PLACE else text.replace(PLACE_SEPARATOR, "\ufffd") for text in known)
        place = PLACE_SEPARATOR.join(texts)
        return self.table.folded(place) if self.table is not None else place

    def archive_values(self, path: str) -> dict[str, str] | None:
        """What the file name of the archive at `path` says, as `spelled`; None if it is not called as the profile's.

        A name that is no integer, where the column holds integers, says nothing: the archive was renamed.
        """
        return self._said(self.archive.match(path.rpartition("/")[2]) if self.archive else None)

    def folder_values(self, path: str) -> dict[str, str] | None:
        """What the end of a path says, outside or inside an archive; as `archive_values`.

        With it comes, where only one of several `folders` fits, which it is; of what several say, that which all do.
        """
        said = {
            str(number): values
            for number, folder in enumerate(self.folders)
            if folder is not None and (values := self._said(folder.match_end(path))) is not None
        }
        if not said:
            return None
        agreed = set.intersection(*(set(values.items()) for values in said.values()))
        known = {field: value for field, value in agreed if field != ANYTHING}
        if len(self.folders) > 1 and len(said) == 1:
            (known[WHICH_FOLDER],) = said
        return known

    def _said(self, values: dict[str, str] | None) -> dict[str, str] | None:
        if values is None or any(self._is_integer(field) and _number(values[field]) is None for field in values):
            return None
        return {field: self.spelled(field, value) for field, value in values.items()}

    def _is_integer(self, field: str) -> bool:
        # A key is the name of a file: it is compared as it is.
        return self.table is not None and field != self.table.key and self.table.columns.get(field) == "integer"

    def home(self, path: str) -> str | None:
        """The name (NFC) that the archive at `path` has in the complete dataset; None if it is none of the profile."""
        values = self.archive_values(path)
        return normalize("NFC", self.archive.render(values)) if self.archive and values is not None else None

    def is_called_after(self, path: str) -> bool:
        """Tell whether the archive at `path` is one of the complete dataset, by its name."""
        values = self.archive_values(path)
        return values is not None and (not self.expected or set(values.values()) <= set(self.expected))

    def blobs(self, shape: TableShape | None, paths: Sequence[str], values: Mapping[str, str]) -> list[str | None]:
        """Destinations of entries that no row needs to name; None where their paths do not tell.

        Args:
            shape: the label table, or None for a dataset without.
            paths: of the members or plain files.
            values: what the names of archive and folder say of all of them.
        """
        layout, field, column = self._layout_in(values), WHOLE_PATH, paths
        if shape is not None:
            keys = [shape.key_value(path) for path in paths]
            # Whether a name tells the key is a matter of the profile, not of the name.
            known = [key for key in keys if key is not None]
            field, column = (shape.key, known) if len(known) == len(keys) else ("", paths)
        if layout is None or not all(name in values or name == field for name in layout.fields):
            return [None] * len(paths)
        return list(layout.render_all(values, field, column))

    def _layout_in(self, values: Mapping[str, str]) -> Template | None:
        """Destination of images that lie where `values` say; None where no table here has its images there."""
        if WHICH_FOLDER not in values:
            return self.layout
        shapes = (shape for shape in self.tables if self.folder_of(shape) == values[WHICH_FOLDER])
        return next(map(self.layout_of, shapes), None)

    def is_sidecar(self, path: str) -> bool:
        """Tell whether the file at `path` is one that is copied as it is."""
        if not self.sidecars:
            return False
        name = path.rpartition("/")[2].lower()
        return any(fnmatchcase(name, pattern.lower()) for pattern in self.sidecars)


def _number(text: str) -> int | None:
    found = _INTEGER.fullmatch(text)
    return int(found[1]) if found else None
