"""`get`: a dataset, or a part of it, from a destination back to a folder of this machine, each file proved.

In order: list the destination and read what its load left there; choose images by the table, where rows are asked for;
hold the listing against the manifest, and the names against this machine; bring what is not there already; then lay the
table beside the images, its records byte for byte, and what else the load landed. Nothing is kept about a run: the same
command again looks at what lies there, by its bytes, and brings the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Unpack

from laden.dataset.profile import Template, parse_layout
from laden.dataset.selection import Selection
from laden.run.logfile import LogFile
from laden.run.loop import run as run_loop
from laden.run.run import Run, never, running
from laden.stages.download import Fate, Wanted, download, reading
from laden.stages.download.meaning import meaning
from laden.stages.download.places import GETTING, refuse_places
from laden.stages.manifest import MANIFEST, OTHER
from laden.store import FolderDestination, Store, place_of, without_secret
from laden.store.access import Ask, Renewal
from laden.store.intake import Intake
from laden.store.sas import lacking_for_verify
from laden.values.arguments import Connections, checked
from laden.values.errors import ExitCode, UsageError
from laden.values.events import Observer, Started, Summary, ToFetch, Warned, ignore
from laden.values.records import Finding, Severity
from laden.values.units import size
from laden.verbs.asked import Selecting, one_of, path_of, refuse_same, selection_of
from laden.verbs.beside import lay_beside
from laden.verbs.chosen import Loaded, lost, pick, read_image_labels, read_loaded
from laden.verbs.opening import opened
from laden.verbs.packed import FORMS, bring_packed, lay_index


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What was asked for."""

    folder: Path
    selection: Selection
    layout: Template | None
    profile: str | None
    form: str
    dry_run: bool
    connections: Connections | None
    renewal: Renewal


@checked
def get(
    destination: str | Path,
    folder: str | Path,
    *,
    form: Literal["folder", "zip", "tar-shards"] = "folder",
    layout: str | None = None,
    profile: str | None = None,
    table_name: str | None = None,
    connections: Connections | None = None,
    dry_run: bool = False,
    findings_file: str | Path | None = None,
    log_file: str | Path | None = None,
    sas_command: str | None = None,
    ask_sas: Ask | None = None,
    observer: Observer = ignore,
    stopping: Callable[[], bool] = never,
    **asked: Unpack[Selecting],
) -> Summary:
    """Bring a loaded dataset, or a part of it, to a folder; every file is held against the manifest's MD5 and CRC-32.

    Args:
        destination: where it was loaded to, as in `load`; any other container, too, against the MD5s that it keeps.
        folder: where it is to lie; made where it is absent. Nothing in it is replaced but what laden put there and
            nobody touched since.
        form: files in a folder; or all in one zip; or tars of a gigabyte each for training, with an index (WebDataset).
        layout: template of the files' names, as in `"{ImageDir}/{ImageID}"`; `{path}` is the name in the container.
        profile: TOML file of the load's profile, where that is no built-in one.
        table_name: what the table of the selected rows is called.
        connections: requests in flight at most; None to find out what the link bears.
        dry_run: choose and look at what is there only; nothing is written but to `findings_file`.
        findings_file: CSV file for all findings; None writes none.
        log_file: file to which every event is added, as a line of JSON with the time; None writes none.
        sas_command: as in `load`.
        ask_sas: as in `load`.
        observer: called with each event, in order; the last is the summary that is also returned.
        stopping: asked often; once true, what is in flight ends and the run stops.
        asked: which rows, as `Selecting` says: `where`, `images_file`, `sample`, `by`, `seed`, `first`.

    Returns:
        `images` that were wanted, of which `fetched` and `already_there`.

    Raises:
        LadenError: it could not be done; the error's kind says whose turn it is.
    """
    destination = place_of(destination)
    refuse_same(None, findings_file, log_file)
    log = LogFile(path_of(log_file), observer)
    with (
        log,
        running(
            Summary("get", source=without_secret(destination), destination=str(folder)),
            log.observe,
            findings_file=path_of(findings_file),
            stopping=stopping,
        ) as run,
    ):
        wishes = _Wishes(
            _folder(folder),
            replace(selection_of(asked), table_name=table_name),
            parse_layout(layout) if layout is not None else None,
            profile,
            one_of("form", form, FORMS),
            dry_run,
            connections,
            Renewal(sas_command, ask_sas),
        )
        return run_loop(_get(run, destination, wishes))


def _folder(folder: str | Path) -> Path:
    if "://" in str(folder):
        raise UsageError(
            f"{without_secret(str(folder))} is no folder: laden get DEST FOLDER brings DEST to this machine"
        )
    path = Path(folder).expanduser().absolute()
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is a file: give a folder")
    return path


async def _get(run: Run, destination: str, wishes: _Wishes) -> Summary:
    async with opened(
        run, destination, lacking_for_verify, wishes.renewal, connections=wishes.connections, stopping=run.stopping
    ) as there:
        place = there.target
        if isinstance(place, FolderDestination) and wishes.folder.resolve().is_relative_to(place.path.resolve()):
            raise UsageError(f"{wishes.folder} is where it lies already, or a folder in it: name another folder")
        run.tell(Started("listing", without_secret(destination)))
        needs_rows = wishes.selection.chooses or wishes.layout is not None
        loaded = await read_loaded(run, there.store, wishes.profile, tables=True)
        if loaded.page is None and needs_rows:
            raise UsageError(f"no load was completed in {without_secret(destination)}: there are no rows to choose by")
        if loaded.page is None and wishes.form != "folder":
            raise UsageError(f"no load was completed in {without_secret(destination)}: only loads are packed")
        pick(run, loaded, wishes.selection, wishes.layout)
        if loaded.page is None and not run.relations.one("SELECT count(*) FROM picked")[0]:
            raise UsageError(f"nothing lies in {there.place}, so there is nothing to bring: check the address")
        _want(run, loaded)
        run.add(refuse_places(run.relations, wishes.folder))
        count, size_bytes = _told(run, wishes)
        intake = Intake(wishes.folder)
        if wishes.dry_run:
            return run.end()
        await intake.prepare()
        run.tell(Started("download"))
        run.meter.begin(count, size_bytes)
        if not await _bring(run, loaded, there.store, intake, wishes.form):
            return run.end(ExitCode.INTERRUPTED, "stopped as you asked: run the same command again to go on")
        run.tell(Started("table"))
        if wishes.form == "tar-shards":
            run.add(await lay_index(run, intake))
        moved = wishes.layout is not None or wishes.form != "folder"
        run.add(await lay_beside(run, there.store, loaded, intake, wishes.selection, moved=moved))
        run.note(complete=True)
        return run.end()


_FROM_MANIFEST = f"""
INSERT INTO getting SELECT DISTINCT coalesce(l.place, k.blob), k.blob, k.size_bytes, k.md5, k.crc32, b.etag
FROM known k JOIN picked USING (blob) JOIN blobs b ON b.name = k.blob LEFT JOIN links l ON l.blob = k.blob
WHERE NOT ({OTHER})
"""  # noqa: S608 - own text
_FROM_LISTING = """
INSERT INTO getting SELECT name, name, size_bytes, md5, crc32, etag FROM blobs JOIN picked ON blob = name
"""


def _want(run: Run, loaded: Loaded) -> None:
    """Fill the relation `getting`; what is not as the manifest says is told, and not fetched."""
    relations = run.relations
    relations.run(GETTING)
    if loaded.page is not None:
        relations.run(_FROM_MANIFEST)
        run.add(lost(relations))
        return
    relations.run(_FROM_LISTING)
    why = "no load was completed here, so what comes is held against the MD5s that whoever put it there gave"
    run.add([Finding("get-unproved", Severity.WARNING, why, blob=MANIFEST)])
    for (blob,) in relations.stream("SELECT blob FROM getting WHERE md5 IS NULL ORDER BY 1"):
        message = "nobody gave its MD5, so nothing but its length can be proved"
        run.add([Finding("get-unproved", Severity.WARNING, message, blob=blob)])


def _told(run: Run, wishes: _Wishes) -> tuple[int, int]:
    """Tell what is wanted, how much it is, and whether there is room for it."""
    count, size_bytes = run.relations.one("SELECT count(*), coalesce(sum(size_bytes), 0)::BIGINT FROM getting")
    target = FolderDestination(wishes.folder)
    (lost,) = run.relations.one("SELECT count(DISTINCT blob) FROM picked")
    run.note(images=lost)
    run.log.settle()
    run.tell(ToFetch(count, size_bytes, target.about))
    if size_bytes > (free_bytes := target.free_bytes()):
        run.tell(Warned(f"{size(size_bytes)} are wanted, and {target.path} has room for {size(free_bytes)}"))
    return count, size_bytes


_BATCH = 2_000


def _wanted(run: Run) -> Iterator[Wanted]:
    rows = run.relations.stream("SELECT place, blob, size_bytes, md5, crc32, etag FROM getting ORDER BY place")
    for place, blob, size_bytes, md5, crc32, etag in rows:
        yield Wanted(place, blob, size_bytes, bytes.fromhex(md5) if md5 else None, crc32, etag)


async def _bring(run: Run, loaded: Loaded, store: Store, intake: Intake, form: str) -> bool:
    """Bring all of `getting`; what came, or was there, goes into the relation `got`. False where it was stopped."""
    relations = run.relations
    relations.run("CREATE OR REPLACE TABLE got (blob VARCHAR, place VARCHAR)")
    if form == "folder":
        coming = download(_wanted(run), reading(store), intake, run.stopping)
    else:
        read_image_labels(run, loaded)
        coming = bring_packed(run, store, intake, form)
    fates: Counter[Fate] = Counter()
    pending: list[tuple[str, str]] = []
    fetched_bytes = 0
    try:
        async for came in coming:
            fates[came.fate] += 1
            run.add(meaning(came))
            run.meter.step(came.item.size_bytes)
            fetched_bytes += came.item.size_bytes if came.fate in (Fate.CAME, Fate.REPLACED) else 0
            if came.md5 is not None:
                pending.append((came.item.blob, came.item.place))
            if len(pending) >= _BATCH:
                relations.feed("got", pending)
                pending.clear()
    finally:
        relations.feed("got", pending)
        run.note(
            fetched=fates[Fate.CAME] + fates[Fate.REPLACED],
            already_there=fates[Fate.THERE],
            conflicts=fates[Fate.CONFLICT],
            damaged=fates[Fate.DAMAGED],
            failed=fates[Fate.FAILED],
            bytes_fetched=fetched_bytes,
        )
    run.meter.tell(last=True)
    return not run.stopping() or fates.total() == relations.one("SELECT count(*) FROM getting")[0]
