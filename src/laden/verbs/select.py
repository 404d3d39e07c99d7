"""`select`: a part of a table, without archives, images or a destination."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Unpack, cast

from laden.dataset.profile import open_profile, recognise
from laden.dataset.selection import Part, Records, choose
from laden.dataset.table import write_subset
from laden.run.run import running
from laden.stages.survey import open_table
from laden.values.arguments import checked
from laden.values.errors import UsageError
from laden.values.events import Observer, Selected, Started, Summary, ignore
from laden.values.ownfiles import begins, placed, refuse
from laden.values.room import writing_to
from laden.values.secrets import bytes_out
from laden.verbs.asked import Selecting, local, path_of, selection_of

STDOUT = "-"
_OTHER_FORMS = frozenset({".parquet", ".json", ".jsonl", ".xlsx"})


@checked
def select(
    table: str | Path,
    *,
    output: str | Path | None = None,
    profile: str | None = None,
    findings_file: str | Path | None = None,
    observer: Observer = ignore,
    **asked: Unpack[Selecting],
) -> Summary:
    """Write the selected records of a table, byte for byte as they stand there, in their order, under its header.

    Args:
        table: `.csv`, `.csv.gz`, or a zip that holds one.
        output: file to write, packed if it is called `.gz`; one that is there is replaced if it
            is empty or begins with the table's header; `-` for stdout; None to count only.
        profile: as in `laden.load`; a table that none knows is read as text.
        findings_file: CSV file for all findings; None writes none.
        observer: called with each event; the last is the summary that is also returned.
        asked: which rows, as `Selecting` says: `where`, `images_file`, `sample`, `by`, `seed`, `first`.

    Returns:
        `rows` that were selected, and in `selection` what each step left.

    Raises:
        LadenError: the table cannot be read, or the selection is wrong or leaves nothing.
    """
    path = _file(local(table, "select", "a table"))
    with running(
        Summary("select", source=str(path), destination=str(output or "")),
        observer,
        findings_file=path_of(findings_file),
    ) as run:
        relations = run.relations
        selection = selection_of(asked)
        part, _ = open_part(path, profile, relations.folder, observer)
        _refuse_place(output, path, part.table.header_bytes)
        steps = choose(selection, Records(relations, [part], run.log.add, selection.marks), relations, run.log.add)
        run.tell(Selected(steps))
        if output is not None:
            rows = relations.numbers("SELECT row FROM chosen ORDER BY row")
            with _written(output, part.table.header_bytes) as file:
                write_subset(part.table, file, rows)
        run.note(rows=steps[-1].rows, selection=steps, complete=output is not None)
        return run.end()


def _file(path: Path) -> Path:
    """The path, which is no folder: where one is, its table is named, which is what was meant."""
    if path.is_dir():
        table = next(iter(sorted(path.glob("*.csv*"))), path / "TABLE.csv")
        raise UsageError(f"{path} is a folder, and select takes the table itself: {table}")
    return path


def open_part(path: Path, profile: str | None, folder: Path, observer: Observer) -> tuple[Part, str]:
    """The table as the profile declares it that was named, or that has such columns; and that profile's name."""
    observer(Started("table", path.name))
    source = open_table(path, folder)
    known = open_profile(profile) if profile else recognise([], {source.place: source.table.columns})[0]
    if profile and known.table is None:
        raise UsageError(f"the profile '{known.name}' has no table: name another, or leave --profile out")
    shape = next((shape for shape in known.tables if shape.fits(source.place)), known.table)
    table = source.table.hold(folder)
    if shape is None:
        return Part(table), ""
    table.column(shape.key)
    return Part(table, shape), known.name


def _refuse_place(output: str | Path | None, table: Path, header: bytes) -> None:
    """Refuse to write over what is being read, or over anything but records of such a table."""
    path = None if output in (None, STDOUT) else Path(output).expanduser()
    if path is not None and path.exists() and path.samefile(table):
        raise UsageError(f"-o {output} is the table itself: name another file")
    if path is not None and path.suffix.lower() in _OTHER_FORMS:
        raise UsageError(f"-o {output} is named as another form, and a table is written as it came: name a .csv")
    if path is not None:
        refuse(path, begins(header), "table with these columns", "-o")


@contextmanager
def _written(output: str | Path, header: bytes) -> Iterator[BinaryIO]:
    """A file that is there only once it is whole; one that was there stays as it was until then."""
    if output == STDOUT:
        with bytes_out() as out:
            yield out
        return
    path = Path(output).expanduser()
    with writing_to(path, "table", "-o"), placed(path, begins(header)) as file, _packed(path, file) as packed:
        yield packed


@contextmanager
def _packed(path: Path, file: BinaryIO) -> Iterator[BinaryIO]:
    """The file itself, or gzip onto it (RFC 1952), without name and time: the same rows give the same bytes."""
    if not path.name.lower().endswith(".gz"):
        yield file
        return
    with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
        yield cast("BinaryIO", packed)
