"""`list`: what lies in a destination, with labels, state and tier, and what it comes to by folder, label and tier.

In order: list the destination and read what its load left; choose rows, where any are asked for; list again with tiers,
where the place has some; read the labels of the table; write. Nothing is read of the images, nothing is proved
(`verify` does that), and the destination is not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, Unpack

from laden.dataset.selection import Selection
from laden.relations import Relations
from laden.run.loop import run as run_loop
from laden.run.run import Run, running
from laden.stages.listed import FORMS, MARK, TABLE_START, count_images, make_list, totals
from laden.store import Destination, FolderDestination, place_of, without_secret
from laden.store.access import Ask, Renewal
from laden.store.credentials import SasSource
from laden.store.listing import Progress
from laden.store.manage import open_manage
from laden.store.sas import lacking_for_verify
from laden.values.arguments import Connections, checked
from laden.values.errors import UsageError
from laden.values.events import Observer, Started, Summary, ignore
from laden.values.ownfiles import begins, is_marked, placed, refuse
from laden.values.room import writing_to
from laden.values.secrets import bytes_out
from laden.values.sheets import Out
from laden.verbs.asked import Selecting, form_of, selection_of
from laden.verbs.chosen import pick, read_image_labels, read_loaded
from laden.verbs.opening import opened

Form = Literal["table", "csv", "parquet", "json"]
_ENDINGS = {".csv": "csv", ".parquet": "parquet", ".json": "json", ".jsonl": "json"}
STDOUT = "-"
_STARTS = {"csv": b'"blob","size_bytes"', "json": b'{"blob": ', "table": TABLE_START.encode()}


@checked
def list_place(
    destination: str | Path,
    *,
    output: str | Path | None = None,
    form: Form | None = None,
    profile: str | None = None,
    connections: Connections | None = None,
    sas_command: str | None = None,
    ask_sas: Ask | None = None,
    observer: Observer = ignore,
    **asked: Unpack[Selecting],
) -> Summary:
    """List the images of a destination, and tell what they come to.

    Args:
        destination: as in `load`.
        output: file to write, replaced if it holds such a list; `-` for stdout; None to tell the totals only.
        form: of the list: lines for a person, CSV that is safe in a spreadsheet, Parquet, or an object of JSON a line;
            None for what the file's name says (`.csv`, `.parquet`, `.json`, `.jsonl`), else lines.
        profile: TOML file of the load's profile, where that is no built-in one.
        connections: as in `load`.
        sas_command: as in `load`.
        ask_sas: as in `load`.
        observer: called with each event; a `Total` for all, each folder, label, tier and state.
        asked: which rows, as `Selecting` says.

    Returns:
        `images` that were listed.

    Raises:
        LadenError: the destination cannot be read, or the selection is wrong.
    """
    destination = place_of(destination)
    with running(Summary("list", destination=without_secret(destination)), observer) as run:
        written_as = form_of(output, form, tuple(FORMS), _ENDINGS)
        _refuse_place(output, written_as)
        selection = selection_of(asked)
        run_loop(_listed(run, destination, selection, profile, connections, Renewal(sas_command, ask_sas)))
        make_list(run.relations)
        if output is not None:
            _write(run.relations, output, written_as)
        for total in totals(run.relations):
            run.tell(total)
        run.note(images=count_images(run.relations), complete=True)
        return run.end()


async def _listed(
    run: Run, destination: str, selection: Selection, profile: str | None, connections: int | None, renewal: Renewal
) -> None:
    async with opened(run, destination, lacking_for_verify, renewal, connections=connections) as there:
        run.tell(Started("listing", without_secret(destination)))
        loaded = await read_loaded(run, there.store, profile, tables=True)
        pick(run, loaded, selection)
        if not selection.chooses:
            run.relations.run(
                "INSERT INTO picked SELECT name FROM blobs ANTI JOIN picked ON blob = name"
                " WHERE NOT starts_with(name, '_laden/') AND NOT list_contains(?::VARCHAR[], name)",
                [[document.name for document in loaded.page.documents] if loaded.page else []],
            )
        run.relations.run("CREATE OR REPLACE TABLE tiers (name VARCHAR, tier VARCHAR)")
        if not isinstance(there.target, FolderDestination):
            await _read_tiers(run, there.target, there.access.source)
        read_image_labels(run, loaded)


async def _read_tiers(run: Run, target: Destination, sas: SasSource | None) -> None:
    """The tier of every blob, which the first listing does not tell."""
    manage = open_manage(target, sas)
    try:
        marker, progress = "", Progress()
        while True:
            page = await manage.list_details(marker)
            progress.see(page.marker, page.details[0].blob.name if page.details else None)
            run.relations.feed("tiers", ((one.blob.name, one.tier) for one in page.details))
            marker = page.marker
            if not marker:
                return
    finally:
        await manage.close()


def _refuse_place(output: str | Path | None, form: str) -> None:
    if output is None:
        return
    if str(output) == STDOUT:
        if form == "parquet":
            raise UsageError("a Parquet file needs a name: give one with -o")
        return
    refuse(Path(output).expanduser(), _known(form), "list", "-o")


def _known(form: str) -> Callable[[Path], bool]:
    return is_marked(MARK) if form == "parquet" else begins(_STARTS[form])


def _write(relations: Relations, output: str | Path, form: str) -> None:
    path = Path(output).expanduser()
    with writing_to(path, "list", "-o"), _opened(output, form) as file:
        FORMS[form](relations, Out(file))


@contextmanager
def _opened(output: str | Path, form: str) -> Iterator[BinaryIO]:
    if str(output) == STDOUT:
        with bytes_out() as out:
            yield out
        return
    with placed(Path(output).expanduser(), _known(form)) as file:
        yield file
