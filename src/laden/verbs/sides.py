"""What lies in a place that is compared: a container, a folder, a source before it is loaded, a manifest, a lock file.

An address is a container, unless it is that of an archive, a share or a bucket; a `.parquet` file is a manifest; a
folder with archives, or a table that laden knows, is a source, whose images are called as a load would call them; any
other folder is its files. Each place is read in a database of its own. Of a container the MD5s are those that it keeps;
files of a folder are hashed, whatever laden noted of them; of a source's archives the directories tell CRC-32s, and its
plain files are read. A lock file knows no table: beside one, everything is called as it lies in its
archive (`by_place`).
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from laden.dataset.lock import is_lock
from laden.dataset.source import Reader, archive_of, crc32, find
from laden.relations import Relations
from laden.remote.link import is_link, parse_link
from laden.remote.sources import Sources
from laden.run.findings import FindingLog
from laden.run.run import Run
from laden.stages.inventory import Listing, is_believed, read_known, read_page
from laden.stages.manifest import find_loads_below, read_manifest
from laden.stages.plan import Plan
from laden.stages.proof import manifest_changed
from laden.stages.survey import Choice, Survey, recognise_source, survey
from laden.store import FolderDestination, parse_destination, without_secret
from laden.store.access import Renewal
from laden.store.disk import regular
from laden.store.journal import Journal
from laden.store.sas import lacking_for_verify
from laden.values.errors import LadenError, SourceError, StoreError, UsageError
from laden.values.events import Event, Found, Started
from laden.values.names import OWN_FOLDER
from laden.values.records import Entry, Finding, Severity
from laden.verbs.byplace import PLACE, one_name, read_by_place, read_lock
from laden.verbs.opening import opened
from laden.verbs.sources import begin, is_source_link, sources_of

_READ_BYTES = 8 << 20
_PIECE_BYTES = 1 << 20
_BATCH = 256


class Side(NamedTuple):
    """One place, as it was read."""

    images_only: bool
    """Whether it tells of images alone: tables and documents of the other place are then left out."""
    documents: tuple[str, ...] = ()
    """Names of its tables and documents, where a load's page tells them."""
    archives: tuple[str, ...] = ()
    """Names of its archives, where things are called by their places."""


async def read_sides(run: Run, places: Mapping[str, str], profile: str | None, connections: int | None) -> list[Side]:
    """Read places into the relation `sides`; what each is, in their order.

    Args:
        run: with `sides`.
        places: `here` and `there`, as a person names them.
        profile: of a source.
        connections: as in `load`.

    Raises:
        LadenError: one cannot be read.
    """
    found: dict[str, Side] = {}
    by_place = any(map(_is_lock, places.values()))
    documents = all(_is_lock(place) or _is_source(place, profile) for place in places.values())
    # A source last: what the other place knows no CRC-32 of, its members are read for.
    for side in sorted(places, key=lambda side: (_is_source(places[side], profile), side)):
        place = places[side]
        if by_place and (_is_lock(place) or _is_source(place, profile)):
            found[side] = _read_by_place(run, side, place, documents=documents)
        else:
            found[side] = await _read_side(run, side, place, profile, connections, by_place=by_place)
    if by_place:
        one_name(run, {side: found[side].archives for side in places})
    return [found[side] for side in places]


def _read_by_place(run: Run, side: str, place: str, *, documents: bool) -> Side:
    with Relations() as own:
        if _is_lock(place):
            run.tell(Started("source", place))
            rows, archives = read_lock(own, _path(place), documents=documents)
            _feed(run, side, rows)
        else:
            with sources_of(place, None, None, run.stopping) as sources:
                begin(run, sources)
                of_source, archives = read_by_place(run, own, sources)
                _feed(run, side, of_source)
    return Side(True, archives=archives)


async def _read_side(
    run: Run, side: str, place: str, profile: str | None, connections: int | None, *, by_place: bool
) -> Side:
    with Relations() as own:
        if _is_source(place, profile):
            with sources_of(place, None, None, run.stopping) as sources:
                begin(run, sources)
                return _read_source(run, own, side, sources, Choice(profile=profile))
        if _is_file(place):
            return _read_manifest(run, own, side, _path(place), by_place=by_place)
        return await _read_stored(run, own, side, place, connections, by_place=by_place)


def _path(place: str) -> Path:
    return Path(place).expanduser()


def _is_file(place: str) -> bool:
    return "://" not in place and _path(place).is_file()


def _is_lock(place: str) -> bool:
    return _is_file(place) and _path(place).stat().st_size > 0 and is_lock(_path(place))


def _is_source(place: str, profile: str | None) -> bool:
    """Whether a place is looked at as a source: a link to archives, a file of links, or a folder that is one."""
    if is_link(place):
        return is_source_link(parse_link(place))
    path = _path(place)
    if path.is_file():
        return archive_of(path.name) is not None or Sources([path]).is_remote
    if not path.is_dir() or (path / OWN_FOLDER).is_dir():
        return False
    if profile is not None:
        return True
    try:
        found = find([path])
        with Relations() as own:
            return bool(found.archives or recognise_source(found, Choice(), own.folder)[1])
    except (UsageError, SourceError):
        return False


def _feed(run: Run, side: str, rows: Iterable[tuple[Any, ...]]) -> None:
    run.relations.feed("sides", ((side, *row) for row in rows))


def _read_manifest(run: Run, own: Relations, side: str, path: Path, *, by_place: bool) -> Side:
    run.tell(Started("listing", str(path)))
    copy = own.folder / "manifest.parquet"
    try:
        shutil.copyfile(path, copy)
        read_manifest(own, copy)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read ({error.strerror}): name a manifest, a folder or a container"
        ) from None
    except StoreError:
        raise UsageError(f"{path} is no manifest of laden's: name one, a folder or a container") from None
    name = PLACE if by_place else "blob"
    _feed(run, side, own.stream(f"SELECT {name}, size_bytes, md5, crc32 FROM known k"))  # noqa: S608 - own text
    return Side(True, archives=_archives_in(own))


def _archives_in(own: Relations) -> tuple[str, ...]:
    """Of what a manifest names."""
    return tuple(name for (name,) in own.stream("SELECT DISTINCT archive FROM known WHERE archive <> ''"))


_STORED = f"""
SELECT {{0}}, b.size_bytes, b.md5, CASE WHEN k.blob IS NOT NULL THEN k.crc32 WHEN m.blob IS NULL THEN b.crc32 END
FROM blobs b LEFT JOIN known k ON k.blob = b.name AND k.md5 = b.md5 AND k.size_bytes = b.size_bytes
LEFT JOIN known m ON m.blob = b.name
ANTI JOIN loads l ON starts_with(b.name, l.prefix || '{OWN_FOLDER}/')
WHERE NOT starts_with(b.name, '{OWN_FOLDER}/')
"""  # noqa: S608 - own text
"""laden's own notes hold times, also those of loads below. Metadata can be copied with a blob: where its MD5 is not the
manifest's, the CRC-32 in them tells nothing."""


async def _read_stored(
    run: Run, own: Relations, side: str, place: str, connections: int | None, *, by_place: bool
) -> Side:
    target = parse_destination(place)
    if isinstance(target, FolderDestination) and not target.path.is_dir():
        raise UsageError(f"there is no folder {target.path}: name a source, a folder, a container or a manifest")
    async with opened(run, place, lacking_for_verify, Renewal(None, None), connections=connections) as there:
        run.tell(Started("listing", without_secret(place)))
        listing = Listing(there.store, own, run.tell)
        await listing.repeat()
        page = await read_page(there.store, own)
        if page is not None and await read_known(there.store, own) and not is_believed(own, page):
            run.add([manifest_changed()])
            own.clear("known")
        if isinstance(target, FolderDestination):
            _hash_noted(run, own, target.path)
        find_loads_below(own)
        _feed(run, side, own.stream(_STORED.format(f"coalesce({PLACE}, b.name)" if by_place else "b.name")))
        return Side(False, tuple(document.name for document in page.documents) if page else (), _archives_in(own))


def _hash_noted(run: Run, own: Relations, folder: Path) -> None:
    """Hash the files of a folder that its listing took from laden's notes: bytes may change under the same time."""
    own.run("CREATE OR REPLACE TABLE noted (name VARCHAR, etag VARCHAR)")
    lines = Journal(folder).read()
    own.feed("noted", ((version.name, version.etag(told.md5)) for version, told in lines.versions()))
    _, in_all_bytes = counted = own.one(f"SELECT count(*), coalesce(sum(size_bytes), 0)::BIGINT {_NOTED}")
    if not in_all_bytes:
        return
    run.tell(Started("reading", str(folder)))
    run.meter.begin(*counted)
    own.run("CREATE OR REPLACE TABLE hashed (name VARCHAR, md5 VARCHAR, crc32 BIGINT)")
    own.feed("hashed", _digests(run, folder, own.stream(f"SELECT b.name, b.size_bytes {_NOTED} ORDER BY 1")))
    own.run(_FROM_BYTES)


_NOTED = f"FROM blobs b JOIN noted USING (name, etag) WHERE NOT starts_with(b.name, '{OWN_FOLDER}/')"
_FROM_BYTES = """
CREATE OR REPLACE TABLE blobs AS
SELECT b.* REPLACE (CASE WHEN h.name IS NULL THEN b.md5 ELSE h.md5 END AS md5,
                    CASE WHEN h.name IS NULL THEN b.crc32 ELSE h.crc32 END AS crc32)
FROM blobs b LEFT JOIN hashed h USING (name)
"""


def _digests(run: Run, folder: Path, found: Iterator[tuple[str, int]]) -> Iterator[tuple[str, str | None, int | None]]:
    """MD5 and CRC-32 of files; of one that cannot be read nothing is known."""

    def read(name: str) -> tuple[str | None, int | None]:
        digest, sum_ = hashlib.md5(usedforsecurity=False), 0
        try:
            with regular(folder / name) as file:
                while data := file.read(_PIECE_BYTES):
                    digest.update(data)
                    sum_ = crc32(data, sum_)
        except (OSError, LadenError):
            return None, None
        return digest.hexdigest(), sum_

    with ThreadPoolExecutor() as pool:
        while batch := list(islice(found, _BATCH)):
            for (name, size_bytes), known in zip(batch, pool.map(read, [name for name, _ in batch]), strict=True):
                run.meter.step(size_bytes)
                yield name, *known


def _read_source(run: Run, own: Relations, side: str, sources: Sources, choice: Choice) -> Side:
    run.tell(Started("source", ", ".join(sources)))
    hidden: list[Finding] = []

    def watch(event: Event) -> None:
        if isinstance(event, Found) and _hides(event.finding):
            hidden.append(event.finding)

    with FindingLog(None, watch) as log:
        surveyed = survey(sources, choice, own, log, run.tell)
    plan = Plan(
        own,
        send_strays=not surveyed.tables,
        replace=False,
        documents=[],
        places=len(surveyed.profile.place_fields),
        many_rows=any(placed.shape.many for placed in surveyed.tables),
    )
    run.add(hidden)
    run.add(one for one in plan.findings((), surveyed.unreadable) if one.code == "image-ambiguous")
    own.run("CREATE OR REPLACE TABLE unsummed (name VARCHAR)")
    own.feed("unsummed", run.relations.stream("SELECT name FROM sides WHERE crc32 IS NULL"))
    _feed(run, side, own.stream(f"SELECT t.blob, e.size_bytes, NULL, e.crc32 {_ENTRIES} WHERE NOT ({_UNSURE})"))
    _feed(run, side, _hashed(run, own, surveyed))
    return Side(True)


def _hides(finding: Finding) -> bool:
    """Whether it keeps images of a source from being compared, so that a name that is in neither list is one of them.

    Rows without images, images without rows and the like are what `check` is for.
    """
    if finding.code.startswith("archive-"):
        return True
    return finding.severity is Severity.ERROR and finding.code.startswith(_HIDING)


_HIDING = ("member-", "file-", "folder-", "name-refused", "name-reserved", "source-", "row-name", "image-ambiguous")
_ENTRIES = "FROM todo t JOIN entries e USING (id)"
_UNSURE = "e.crc32 IS NULL OR t.blob IN (SELECT name FROM unsummed)"


def _hashed(run: Run, own: Relations, surveyed: Survey) -> Iterator[tuple[str, int, str | None, None]]:
    """What has no CRC-32 here or in the other place, read for its MD5."""
    entries = [
        (blob, Entry(*entry))
        for blob, *entry in own.stream(
            "SELECT t.blob, e.archive, e.member, e.size_bytes, e.crc32, e.mtime_ns, e.offset_bytes, e.stored_bytes,"
            f" e.method {_ENTRIES} WHERE {_UNSURE} ORDER BY t.id"
        )
    ]
    if entries:
        run.tell(Started("reading"))
        run.meter.begin(len(entries), sum(entry.size_bytes for _, entry in entries))
    with Reader(surveyed.root) as reader, ThreadPoolExecutor() as pool:
        for (blob, entry), md5 in zip(entries, pool.map(lambda one: _md5(reader, one[1]), entries), strict=True):
            run.meter.step(entry.size_bytes)
            yield blob, entry.size_bytes, md5, None


def _md5(reader: Reader, entry: Entry) -> str | None:
    """None where it cannot be read: then nothing is known of it."""
    digest = hashlib.md5(usedforsecurity=False)
    try:
        for data in reader.read(entry, _READ_BYTES):
            digest.update(data)
    except LadenError:
        return None
    return digest.hexdigest()
