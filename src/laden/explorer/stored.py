"""A container or a folder that holds a load, or anything else.

In order: what a load left about itself is looked for; where there is a manifest, it is shown at once, as of its date;
then the listing comes in, a page at a time (shown at once where there is no manifest), and the label table is read and
joined. At each later look, manifest and labels that came of anything else than what the load's page names now are taken
off first, and only then read anew. Nothing is written here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, NamedTuple

from laden.dataset.profile import Profile, known_profile
from laden.dataset.selection import Part
from laden.dataset.table import Table
from laden.explorer.database import PACKED, Shared
from laden.explorer.earlier import deleted_of, properties_of
from laden.explorer.index import LISTED, Index
from laden.explorer.joined import Meant, Naming, recognised
from laden.explorer.labels import Labels
from laden.explorer.place import PART_BYTES
from laden.explorer.reached import Holders, Ports
from laden.explorer.views import Views
from laden.stages.inventory import fetch, refuse_other
from laden.stages.linking import layout_of, shape_of
from laden.stages.loadpage import LOAD, MOST_PAGE_BYTES, Document, LoadPage, read_load_page
from laden.stages.manifest import MANIFEST, read_manifest
from laden.stages.metadata import to_columns
from laden.store import Destination, FolderDestination, open_store
from laden.store.credentials import SasSource
from laden.store.listing import Progress
from laden.store.manage import open_manage
from laden.values.errors import BlobConflict, BlobMissing, ContainerMissing, LadenError, SourceError

_TABLE_BYTES = 512 << 20
_Origin = tuple[object, ...]
"""What labels came of: equal where they would be the same."""

_ASKS_VERSION = "SELECT coalesce(etag, ''), size_bytes FROM items WHERE name = ?"

_WRITTEN = f"UPDATE {PACKED}.items SET etag = ?, size_bytes = ?, md5 = ? WHERE name = ?"  # noqa: S608 - own names


class StoredPlace:
    """See `laden.explorer.place.Place`."""

    def __init__(
        self,
        destination: Destination | FolderDestination,
        sas: SasSource | None = None,
        profile: Profile | None = None,
    ) -> None:
        """Nothing is asked yet; `profile` is that of loads which were made with it and no built-in one."""
        self.destination = destination
        self._profile = profile
        self.title = str(destination)
        self.kind = "folder" if isinstance(destination, FolderDestination) else "container"
        self.sas = sas
        self.store, self.manage = self._reached()
        self._holders = Holders()
        self.relations = Shared()
        self.index = Index(self.relations)
        self.labels = Labels(self.relations)
        self.views = Views(self.relations, self.labels)
        self.load: LoadPage | None = None
        self._known = False
        """Whether the relation `known` holds the load's manifest."""
        self._manifest: Document | None = None
        """Which one that is."""
        self._labelled: _Origin | None = None
        """What the labels came of; None where there are none."""
        self._said: list[str] = []

    def _reached(self) -> Ports:
        return open_store(self.destination, connections=None, sas=self.sas), open_manage(self.destination, self.sas)

    async def reach_again(self) -> None:
        """With another SAS: who was refused for good asks no more; who is just being answered is heard to the end."""
        before = self.store, self.manage
        self.store, self.manage = self._reached()
        await self._holders.leave(before)

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[Ports]:
        """Store and manage of now; open as long as the block lasts, also where the place is reached again meanwhile."""
        ports = self.store, self.manage
        async with self._holders.holding(ports):
            yield ports

    async def fill(self) -> None:
        state = self.index.state
        try:
            await self._read_load(show=True)
            table = asyncio.ensure_future(self._read_table())
            try:
                await self._list()
            finally:
                await table
        except LadenError as error:
            state.phase, state.error = "failed", str(error)
            self.index.raised()

    async def refresh(self) -> None:
        await self._read_load(show=False)
        await self._list()
        await self._read_table()

    async def _list(self) -> None:
        state = self.index.state
        state.phase = "listing"
        marker, progress = "", Progress()
        self.index.begin_listing()
        show = not self._known
        if show:
            self.index.clear()
        try:
            while True:
                async with self.held() as (_, manage):
                    page = await manage.list_details(marker)
                progress.see(page.marker, page.details[0].blob.name if page.details else None)
                await asyncio.to_thread(self.index.take, page.details, show=show)
                marker = page.marker
                if not marker:
                    break
        except ContainerMissing:
            if self.kind == "container":
                raise
        await asyncio.to_thread(self.index.order)
        others = await asyncio.to_thread(self._other_tables)
        listed = await asyncio.to_thread(self._is_table_listed)
        await self._take_off_labels(self._origin() if listed else None, tuple(others))
        if self._known:
            own = [document.name for document in self.load.documents] if self.load else []
            await asyncio.to_thread(self.index.merge, own, listed=True)
            state.as_of_s = 0
        await self._read_other_table(others)
        await self._join()

    def read(self, name: str) -> AsyncIterator[bytes]:
        return self._read(name)

    async def _read(self, name: str) -> AsyncIterator[bytes]:
        at_bytes, etag = 0, await self._version(name)
        try:
            async with self.held() as (store, _):
                while part := await store.get(name, at_bytes, PART_BYTES, etag):
                    yield part
                    at_bytes += len(part)
                    if len(part) < PART_BYTES:
                        return
        except BlobConflict:
            raise BlobConflict(f"{name} changed since it was listed: look again with Refresh") from None

    async def _version(self, name: str) -> str | None:
        """The ETag of what is read: of two versions, parts would be put together to what never was."""
        listed = await asyncio.to_thread(self.relations.all, _ASKS_VERSION, [name])
        etag, size_bytes = listed[0] if listed else ("", None)
        if not etag and (size_bytes is None or size_bytes >= PART_BYTES):
            etag = (await self.store.head(name)).etag
        return etag or None

    async def written(self, name: str) -> None:
        """The page itself wrote this blob: what is listed is not the version that is there."""
        with contextlib.suppress(LadenError):
            blob = await self.store.head(name)
            md5 = blob.md5.hex() if blob.md5 else None
            await asyncio.to_thread(self.relations.run, _WRITTEN, [blob.etag, blob.size_bytes, md5, name])

    async def renewed(self, etags: Mapping[str, str]) -> None:
        """The page itself changed blobs, and not their bytes: they have these ETags now, by name."""

        def renew() -> None:
            with self.relations.aside("name VARCHAR, etag VARCHAR", etags.items()) as now:
                self.relations.run(
                    f"UPDATE {PACKED}.items i SET etag = n.etag FROM {now} n WHERE n.name = i.name"  # noqa: S608
                )

        await asyncio.to_thread(renew)

    async def properties(self, name: str) -> dict[str, Any]:
        async with self.held() as (_, manage):
            return await properties_of(manage, name, folder=self.kind == "folder")

    async def deleted(self, marker: str) -> tuple[list[dict[str, Any]], str]:
        """What one page of a listing shows that is gone and can be brought back, and where the next page starts.

        Raises:
            LadenError: the service does not list it, or this credential may not.
        """
        async with self.held() as (_, manage):
            return await deleted_of(manage, self.relations, marker)

    async def close(self) -> None:
        await self._holders.leave((self.store, self.manage), at_once=True)
        await asyncio.to_thread(self.labels.close)
        await asyncio.to_thread(self.relations.close)

    async def _read_load(self, *, show: bool) -> None:
        """What a load wrote about itself; where that cannot be read, the listing is all there is.

        Args:
            show: whether its manifest is shown until the listing is complete.
        """
        self.load = await self._load_page()
        load = self.load
        if load is None or load.planned is not None:
            # A first load is under way, or was interrupted: there is no manifest yet.
            self._forget_manifest()
        elif not await self._has_manifest(load.manifest):
            self._forget_manifest()
            await self._read_manifest(load, show=show)
        await self._take_off_labels(self._origin())

    async def _load_page(self) -> LoadPage | None:
        """The page, or None; raises `LadenError` where only what an earlier look found could be shown instead."""
        notes = self.index.state.notes
        notes[:] = [note for note in notes if note not in self._said]
        self._said.clear()
        try:
            data = await self.store.get(LOAD, 0, MOST_PAGE_BYTES)
        except (BlobMissing, ContainerMissing):
            return None
        except LadenError as error:
            if self._known or self._labelled is not None:
                raise
            self._say(str(error))
            return None
        try:
            return read_load_page(data)
        except LadenError as error:
            self._say(str(error))
            return None

    async def _has_manifest(self, named: Document | None) -> bool:
        """Whether the one that is known is that one, and is still there."""
        if not self._known or named is None or named != self._manifest:
            return False
        try:
            blob = await self.store.head(MANIFEST)
        except BlobMissing:
            return False
        return blob.size_bytes == named.size_bytes and blob.md5 in (None, bytes.fromhex(named.md5))

    def _forget_manifest(self) -> None:
        self._known, self._manifest = False, None
        self.relations.run("DELETE FROM known")

    async def _read_manifest(self, load: LoadPage, *, show: bool) -> None:
        try:
            await self._note(MANIFEST)
            path = self.relations.folder / "known.parquet"
            await fetch(self.store, self.relations, MANIFEST, path)
            if load.manifest is not None:
                refuse_other(path, load.manifest)
            self.index.state.read_bytes += path.stat().st_size
            await asyncio.to_thread(read_manifest, self.relations, path)
            self._known, self._manifest = True, load.manifest
            if show:
                self.index.state.as_of_s = await self._date_of(MANIFEST)
                await asyncio.to_thread(self.index.merge, [], listed=False)
        except LadenError as error:
            self._say(str(error))

    def _origin(self) -> _Origin | None:
        """What the labels of the load come of: its table and its manifest; None where it has them not (yet)."""
        load = self.load
        if load is None or load.table is None or not self._known:
            return None
        return load.table, load.profile, load.manifest, load.layout

    async def _take_off_labels(self, *stay: _Origin | None) -> None:
        """Show no labels but those that came of one of these: others would be of other images."""
        if self._labelled is None or self._labelled in stay:
            return
        await asyncio.to_thread(self.labels.clear)
        self._labelled = None
        self.index.state.table = ""
        self.index.raised()

    def _say(self, note: str) -> None:
        """Once, however often somebody looks again."""
        if note not in self.index.state.notes:
            self.index.state.notes.append(note)
            self._said.append(note)

    async def _date_of(self, name: str) -> int:
        properties = {key.lower(): value for key, value in (await self.manage.properties(name)).items()}
        with contextlib.suppress(ValueError, TypeError):
            return int(parsedate_to_datetime(properties.get("last-modified", "")).timestamp())
        return int(datetime.now(UTC).timestamp())

    async def _note(self, name: str) -> None:
        """Put one blob into the relation `blobs`, where `fetch` looks for its MD5."""
        self.relations.run("DELETE FROM blobs WHERE name = ?", [name])
        self.relations.feed_columns("blobs", to_columns([await self.store.head(name)]))

    async def _read_table(self) -> None:
        """The table that the load landed; one that could not be read is tried again at the next look."""
        origin = self._origin()
        if self.load is None or self.load.table is None or origin is None or origin == self._labelled:
            return
        given, name = self._profile, self.load.profile
        profile = given if given is not None and given.name == name else known_profile(name)
        if profile is None or (shape := shape_of(profile, self.load.table.name)) is None:
            # Which image a row means, and of which kind its columns are, a profile says.
            other = f", and not that of '{given.name}'" if given else ""
            self._say(
                f"The labels cannot be shown: the load was made with the profile '{name}', which is no built-in one:"
                f" give its TOML file with --profile{other}"
            )
            return
        naming = Naming(layout_of(self.load.layout_of(self.load.table), profile, shape), profile, manifest=True)
        await self._take_table(self.load.table, origin, lambda table: Meant(Part(table, shape), naming))

    def _is_table_listed(self) -> bool:
        """Whether the listing shows the load's table as it landed; before it is merged with a manifest."""
        if self.load is None or self.load.table is None:
            return False
        name, size_bytes, md5, *_ = self.load.table
        (found,) = self.relations.one(
            f"SELECT count(*) FROM {self._listed_now} WHERE name = $1 AND size_bytes = $2 AND coalesce(md5, $3) = $3",  # noqa: S608
            [name, size_bytes, md5],
        )
        return bool(found)

    @property
    def _listed_now(self) -> str:
        return LISTED if self._known else "items"

    def _other_tables(self) -> list[_Other]:
        """Tables at the root, the largest first, where no load has one; before they are merged with a manifest."""
        if self.load and self.load.table:
            return []
        return [
            _Other(Document(name, size_bytes, md5), etag)
            for name, size_bytes, md5, etag in self.relations.all(
                "SELECT name, size_bytes, coalesce(md5, ''), coalesce(etag, '')"  # noqa: S608 - own names
                f" FROM {self._listed_now} WHERE NOT contains(name, '/')"
                " AND regexp_matches(lower(name), '[.]csv([.]gz)?$') ORDER BY size_bytes DESC LIMIT 3"
            )
        ]

    async def _read_other_table(self, others: list[_Other]) -> None:
        """Where no load has a table: the first of these that some profile knows."""
        origin = tuple(others)
        for document, _ in others:
            if self._labelled == origin:
                return
            await self._take_table(document, origin, partial(recognised, document.name))

    async def _take_table(self, landed: Document, origin: _Origin, known: Callable[[Table], Meant | None]) -> None:
        if landed.size_bytes > _TABLE_BYTES:
            self._say(f"{landed.name} has more than 512 MiB, so its labels are not shown")
            return
        try:
            await self._note(landed.name)
            suffix = ".gz" if landed.name.lower().endswith(".gz") else ""
            path = self.relations.folder / f"landed-table{suffix}"
            await fetch(self.store, self.relations, landed.name, path)
            if self.load is not None and landed == self.load.table:
                refuse_other(path, landed)
            self.index.state.read_bytes += path.stat().st_size
            opened = await asyncio.to_thread(lambda: Table.open(path).hold(self.relations.folder))
            table = replace(opened, name=landed.name)
            if (found := known(table)) is not None:
                part, naming = found
                self._labelled = origin
                await asyncio.to_thread(self.labels.read, [part], naming)
                await self._join()
        except (SourceError, LadenError) as error:
            self._say(f"The labels cannot be shown: {error}")
            await self._take_off_labels()

    async def _join(self) -> None:
        await asyncio.to_thread(self.labels.join)
        self.index.state.table = self.labels.table
        self.index.raised()


class _Other(NamedTuple):
    """A table that no load left."""

    document: Document
    etag: str
