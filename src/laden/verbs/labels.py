"""The labels of a completed load, written to a file: `laden labels export`, and the first half of `register --mltable`.

Order: list the destination, read the page and the manifest of the load, hold them against the listing, fetch the table
that lies beside the images, collect the labels, write. Where anything that the load promised is gone or changed,
nothing is written. Needs nothing but the destination; images are not read.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from laden.dataset.profile import Profile, TableShape, builtin, open_profile
from laden.relations import Relations
from laden.relations.trouble import told_locally
from laden.run.loop import run
from laden.stages.labels import FORMS, STARTS, LabelCounts, LabelSet, Naming, collect, name_labels
from laden.stages.landed import fetch_table, read_proved
from laden.stages.linking import layout_of, shape_of
from laden.stages.loadpage import COMPLETE, Document, LoadPage
from laden.stages.proof import wrong
from laden.store import Destination, FolderDestination, Store, open_store, parse_destination, place_of, quoted
from laden.values.arguments import checked
from laden.values.errors import NotAsLanded, UsageError
from laden.values.events import Observer, Started, ignore
from laden.values.ownfiles import begins, placed, refuse
from laden.values.room import writing_to
from laden.values.secrets import redact
from laden.verbs.asked import form_of

NOT_LOADED = "no load was completed in {place}: load it first, to its end"
NOT_AS_SAID = "{place} is not as its manifest says ({wrong}): load it again, or see 'laden verify'"

_ENDINGS = {".jsonl": "jsonl", ".json": "coco", ".csv": "csv"}


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    path: Path
    form: str
    written: int
    """Images in the file."""
    counts: LabelCounts


@checked
def export_labels(
    destination: str | Path,
    output: str | Path,
    *,
    form: Literal["jsonl", "coco", "csv"] | None = None,
    urls: str = "relative",
    profile: str | None = None,
    observer: Observer = ignore,
) -> Exported:
    """Write the labels of a loaded dataset to a file, in one step; over one only if it begins as they do.

    Args:
        destination: where it was loaded to, as in `load`.
        output: the file.
        form: `jsonl` of AutoML for Images, `coco`, or `csv`; None for what the file's name says (`.jsonl`, `.json`,
            `.csv`), else `jsonl`.
        urls: how images are named: `relative` to the destination, by their `blob` URL, or a text that comes before
            each, for example `azureml://datastores/NAME/paths/`.
        profile: TOML file of a profile that is not built in.
        observer: called with each event.

    Returns:
        What was written, and what was left out.

    Raises:
        LadenError: the destination holds no completed load, is not as its manifest says, or has no labels.
    """
    destination = place_of(destination)
    written_as = form_of(output, form, tuple(FORMS), _ENDINGS)
    target = parse_destination(destination)
    path = Path(output).expanduser()
    address = addresses(target, urls)
    refuse(path, begins(STARTS[written_as]), f"list of labels as {written_as}", "-o")

    async def read(relations: Relations) -> LabelSet:
        store = open_store(target, connections=None)
        try:
            observer(Started("listing", str(target)))
            page = await read_proved(store, relations)
            if page is None or page.state != COMPLETE:
                raise UsageError(NOT_LOADED.format(place=target))
            if found := wrong(relations, page):
                raise NotAsLanded(NOT_AS_SAID.format(place=target, wrong=found))
            observer(Started("table", page.table.name if page.table else ""))
            return await read_labels(store, relations, page, profile)
        finally:
            await store.close()

    with told_locally(), Relations() as relations:
        labels = run(read(relations))
        return Exported(path, written_as, _written(path, labels, written_as, address), labels.counts())


async def read_labels(store: Store, relations: Relations, page: LoadPage, profile: str | None) -> LabelSet:
    """The labels of a load whose manifest is in `known`.

    Raises:
        UsageError: it has none.
        NotAsLanded: their table is gone, or not the load's.
    """
    if page.table is None:
        raise UsageError("no table of labels lies beside the images: load them with one")
    known = _profile(page, profile)
    named: list[Naming] = []
    for number, (document, shape) in enumerate(_tables(page, page.table, known)):
        table = await fetch_table(store, relations, document)
        if number and (shape is None or shape.labels not in table.columns):
            continue
        before = named[-1].after if named else 0
        layout = layout_of(page.layout_of(document), known, shape)
        named.append(name_labels(relations, table, known, shape, layout, number=number, before=before))
    return collect(relations, named)


def _tables(page: LoadPage, first: Document, profile: Profile) -> Iterator[tuple[Document, TableShape | None]]:
    """The label tables, each with its shape: of a table and a selection of it, the whole."""
    wholes = {one.original for one in (first, *page.others) if not one.selection}
    for document in (first, *page.others):
        shape = shape_of(profile, document.name, is_label_table=document is first or bool(document.selection))
        if document is first or (shape is not None and not (document.selection and document.original in wholes)):
            yield document, shape


def addresses(target: Destination | FolderDestination, urls: str) -> Callable[[str], str]:
    """How images are named in a file of labels; see `export_labels`."""
    if urls == "relative":
        return str
    if urls == "blob":
        if isinstance(target, FolderDestination):
            return lambda name: (target.path / name).as_uri()
        return target.url
    if redact(urls) != urls:
        raise UsageError(
            "--urls holds what looks like a signature, key or password, and every line of the file would: name images"
            " without it, and give the tool an access of its own ('laden help use')"
        )
    if "://" not in urls and not urls.startswith("/"):
        raise UsageError(f"--urls {urls} is neither 'relative' nor 'blob' nor the beginning of an address")
    base = urls if urls.endswith(("/", "=")) else f"{urls}/"
    return lambda name: base + quoted(name)


def _profile(page: LoadPage, named: str | None) -> Profile:
    if named is None and page.profile not in {profile.name for profile in builtin()}:
        raise UsageError(f"the load was made with the profile '{page.profile}': give its TOML file with --profile")
    return open_profile(named or page.profile)


def _written(path: Path, labels: LabelSet, form: str, address: Callable[[str], str]) -> int:
    with (
        writing_to(path, "file of labels", "-o"),
        placed(path, begins(STARTS[form])) as file,
        io.TextIOWrapper(file, "utf-8", newline="") as out,
    ):
        return FORMS[form](labels, address, out)
