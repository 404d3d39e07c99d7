"""A view as a file: CSV, Parquet, or the keys alone, one a line, as `--images-from` takes them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

from laden.explorer.chosen import Chosen
from laden.explorer.keylist import PART_ROWS, RECORDS, is_image, keys_written, quoted_path
from laden.explorer.place import Place
from laden.explorer.views import View, page_of
from laden.relations import Relations
from laden.values.errors import UsageError

_FORMS = ("csv", "parquet", "keys")
_PART_BYTES = 1 << 20
_JOINING_MB = 96
_FORMULA = "^[=+@\\t\\r\uff1d\uff0b\uff0d\uff20-]"
"""What makes a formula of a cell, for both kinds of regular expressions; the wide forms as in `values.sheets`."""
_ITEM = (
    "i.name", "i.size_bytes", "i.md5", "i.crc32", "i.archive", "i.member", "i.kind", "i.width", "i.height", "i.bits",
    "i.state", "i.fate", "i.tier", "i.mark", "i.note",
)  # fmt: skip


class _InOrder(Relations):
    _SETTINGS: ClassVar[tuple[str, ...]] = ("SET preserve_insertion_order = true",)


def exported(place: Place, view: View, form: str) -> tuple[Iterator[bytes], str]:
    """The file's bytes and its name; raises `UsageError` for another form."""
    if form not in _FORMS:
        raise UsageError(f"'form' must be one of {', '.join(_FORMS)}")
    folder = place.index.relations.folder / f"export-{uuid4().hex}"
    folder.mkdir()
    path = folder / "whole"
    try:
        if form == "keys":
            _append(keys_written(place, view, folder), path)
        elif form == "csv":
            _append(_written(place, view, form, folder), path)
        else:
            _join(list(_written(place, view, form, folder)), path)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return _parts(path), f"{_base(place)}.{'txt' if form == 'keys' else form}"


def _written(place: Place, view: View, form: str, folder: Path) -> Iterator[Path]:
    """Files with a view's rows and all that is known of each, one after the other.

    To put a million of them in order at once takes more memory than the database has.
    """
    relations = place.index.relations
    options = "FORMAT csv, HEADER {}" if form == "csv" else "FORMAT parquet, COMPRESSION zstd"
    for start in range(0, max(view.rows, 1), PART_ROWS):
        query, parameters = _rows(place, view, start)
        if form == "csv":
            query = _harmless(place, query, parameters)
        path = folder / str(start)
        relations.run(f"COPY ({query}) TO '{quoted_path(path)}' ({options.format(not start)})", parameters)
        yield path


def _append(parts: Iterable[Path], path: Path) -> None:
    with path.open("wb") as whole:
        for part in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, whole)
            part.unlink()


def _join(parts: list[Path], path: Path) -> None:
    """Make one Parquet file of some, in a database of its own that keeps rows in their order."""
    with _InOrder(_JOINING_MB) as own:
        moved = [part.replace(own.folder / f"{number}.parquet") for number, part in enumerate(parts)]
        files = ", ".join(f"'{quoted_path(part)}'" for part in moved)
        joined = own.folder / "joined.parquet"
        own.run(
            f"COPY (FROM read_parquet([{files}])) TO '{quoted_path(joined)}'"
            " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 50_000)"
        )
        joined.replace(path)


def _rows(place: Place, view: View, start: int) -> tuple[str, list[object]]:
    page, parameters = page_of(view, start, PART_ROWS)
    labels = "".join(f", r.{column.quoted}" for column in place.labels.columns)
    return (
        f"WITH page AS MATERIALIZED ({page}) SELECT {', '.join(_ITEM)}{labels}"  # noqa: S608 - own text, quoted names
        f" FROM page p JOIN items i USING (pos){RECORDS if labels else ''} ORDER BY p.slot",
        parameters,
    )


def images_of(place: Place, condition: str) -> Chosen:
    """The images of the load among items, by a condition, whether they are there or not.

    Raises:
        UsageError: there is none.
    """
    try:
        return Chosen.of_items(place.index.relations, f"({condition}) AND {is_image(place, 'items')}", living=False)
    except UsageError:
        raise UsageError("nothing of what was chosen is an image of the load: other files can be downloaded") from None


def _harmless(place: Place, query: str, parameters: list[object]) -> str:
    """No spreadsheet shall run a cell, or a column's name, as a formula (OWASP, "CSV Injection")."""
    columns = place.index.relations.all(f"DESCRIBE {query}", parameters)
    cells = []
    for name, kind, *_ in columns:
        quoted = '"' + name.replace('"', '""') + '"'
        guarded = f"if(regexp_matches({quoted}, '{_FORMULA}'), chr(39) || {quoted}, {quoted})"
        header = f"\"'{quoted[1:]}" if re.match(_FORMULA, name) else quoted
        cells.append(f"{guarded if kind == 'VARCHAR' else quoted} AS {header}")
    return f"SELECT {', '.join(cells)} FROM ({query})"  # noqa: S608 - quoted names


def _base(place: Place) -> str:
    return re.sub(r"[^A-Za-z0-9.-]+", "-", place.title.rpartition("/")[2]).strip("-.") or "laden"


def _parts(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while part := file.read(_PART_BYTES):
                yield part
    finally:
        shutil.rmtree(path.parent, ignore_errors=True)
