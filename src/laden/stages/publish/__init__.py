"""Lands tables, sidecars and the manifest, after the images are proved to be there; nothing is sent that is there.

Order: what is copied as it is is read, so that a source that changed since it was surveyed ends the run before anything
lands; then each table, those copies, the manifest, and the JSON page are put. Each is compared by MD5 with what the
listing shows; where neither laden put a document there nor its page names it, its bytes are read back.

Without a selection a table goes with all the images that are there: the whole one when every row of it has its image,
else the rows that have, under the subset's name; the other of the two is removed, where the credential may do that, and
told where it may not. But no table goes while images that it names are there as they were landed and this source has
others of their names, and none for one without rows: that is told. With a selection a table holds the selected rows
that have their image, and nothing is removed. A table that replaces one of another selection is told; the page names on
whatever earlier loads landed, and what of that is gone or changed is told. A table of another dataset, whose images are
there too, is not replaced (`others`).
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedIOBase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from laden.dataset.images import Phi
from laden.dataset.profile import Profile, TableShape
from laden.dataset.source import Reader
from laden.dataset.table import Table, copy, write_subset
from laden.relations import Relations
from laden.stages.loadpage import COMPLETE, LOAD, Document, LoadPage, Planned, write_load_page, write_unfinished_page
from laden.stages.manifest import MANIFEST, collect, documents_take, lost_documents, write_manifest
from laden.stages.metadata import is_document
from laden.stages.publish.copies import Copies
from laden.stages.publish.misled import find_misled, told_misled
from laden.stages.publish.others import (
    holds_others,
    in_conflict,
    names_others,
    original_md5,
    shares_images,
    table_kept,
)
from laden.stages.publish.putting import Putting, md5_of
from laden.store import Store
from laden.values.errors import BlobConflict, NameRefused, Overtaken
from laden.values.events import PlanReady
from laden.values.records import Entry, Finding, Severity, Step


@dataclass(frozen=True, slots=True)
class Landing:
    """A table that is to land, whole or in part."""

    table: Table
    shape: TableShape
    subset: str
    """Its name where not all of its rows land."""
    rows: range
    """Its rows in the relation `rows`."""
    selection: tuple[Step, ...] = ()
    """The steps that left its selected rows, where only these are to land."""
    original: str = ""
    """Hexadecimal MD5 of the publisher's whole table, where this is a part of it already."""
    layout: str = ""
    """Template of its images' names, where that is not the load's."""


class Publisher(Putting):
    """Lands what a load leaves beside its images, knowing from the last listing what is there."""

    def __init__(
        self,
        store: Store,
        relations: Relations,
        *,
        replace_other: bool,
        update: bool = False,
        earlier: Sequence[Document] = (),
        absent: Sequence[Document] = (),
        phi: Phi = "off",
    ) -> None:
        """Know what is there.

        Args:
            store: where documents go.
            relations: with the last listing.
            replace_other: whether a document that laden did not write is replaced.
            update: whether a table is the next version of one that an earlier load landed, also where it names fewer
                images than that.
            earlier: what earlier loads landed.
            absent: as `Putting`.
            phi: what becomes of a file copied as it is that may say who a person is.
        """
        super().__init__(store, relations, replace_other=replace_other, earlier=earlier, absent=absent)
        self._update = update
        self._copies = Copies(relations.folder, phi)
        self._originals: dict[Path, asyncio.Task[str]] = {}

    def renew(self, earlier: Sequence[Document], etags: Mapping[str, str]) -> None:
        """Know what is there by now, and nothing of an attempt before."""
        super().renew(earlier, etags)
        self._superseded: set[str] = set()
        self._kept: set[str] = set()
        """Tables of earlier loads that stay, since their images do."""

    def begin(self, tables: Sequence[Landing]) -> None:
        """Hash the tables as they came while images are sent: a large one takes a while."""
        for landing in [landing for landing in tables if not landing.original]:
            content = landing.table.content
            self._originals[content] = asyncio.create_task(asyncio.to_thread(original_md5, content))

    async def publish(
        self, profile: Profile, tables: Sequence[Landing], sidecars: Mapping[str, Entry], reader: Reader
    ) -> list[Finding]:
        """Land tables, sidecars, manifest and page; returns what a person should know about it.

        Args:
            profile: for the page.
            tables: the label table first; `begin` had them.
            sidecars: what is copied as it is, by the name under which it lands.
            reader: of the source.

        Raises:
            SourceError: what is copied as it is changed since it was surveyed; nothing landed.
            Overtaken: another run landed meanwhile; a page that names all that is there did not land.
        """
        landed = {document.original for document in self._earlier.values()}
        renewed = [one.rows for one in tables if await self._original(one) not in landed]
        some = find_misled(self._relations, profile, renewed)
        self._collect()
        alone = any(one.selection for one in tables)
        findings = list(told_misled(self._relations, selected=alone)) if some else []
        copies = {}
        for name, entry in sorted(sidecars.items()):
            there = self.listed_md5(name) is not None
            if path := self._copies.take(name, entry, reader, findings, there=there):
                copies[name] = path
        return await self._land(profile, tables, copies, findings)

    async def publish_copies(
        self, profile: Profile, tables: Sequence[Landing], copies: Mapping[str, Path]
    ) -> list[Finding]:
        """The same of a load that another place has: what was copied as it is lies in the run's own folder."""
        self._collect()
        return await self._land(profile, tables, copies, [])

    async def _land(
        self, profile: Profile, tables: Sequence[Landing], copies: Mapping[str, Path], findings: list[Finding]
    ) -> list[Finding]:
        documents = [await self._table(profile, table, findings) for table in tables] or [None]
        documents += [await self._sidecar(name, path, findings) for name, path in copies.items()]
        documents_take(self._relations, [document for document in documents if document])
        with write_manifest(self._relations).open("rb") as file:
            manifest = await self.put(MANIFEST, file)
        told = {finding.blob for finding in findings}
        missed = await self._page(profile, COMPLETE, documents, manifest)
        return [*findings, *(finding for finding in missed if finding.blob not in told)]

    async def announce(self, profile: Profile, plan: PlanReady, before: LoadPage | None) -> None:
        """Say that a first load begins, and what it has before it, for those who ask how far it is.

        Nothing is said where a load was completed before, nor by one of several shares, which does not know the whole.

        Args:
            profile: for the page.
            plan: what should be there at the end.
            before: the page that is there; None where there is none that can be read.
        """
        first = before.planned is not None if before is not None else self.listed_md5(LOAD) is None
        if plan.share or not first:
            return
        begun = datetime.now(UTC).isoformat(timespec="seconds")
        if before is not None and before.planned is not None:
            begun = before.planned.begun
        planned = Planned(begun, plan.images, plan.bytes_in_all)
        page = write_unfinished_page(profile=profile.name, layout=str(profile.layout), rows=plan.rows, planned=planned)
        # Another load may be sooner: what it says is as good.
        with suppress(BlobConflict, Overtaken):
            await self.put(LOAD, io.BytesIO(page))

    async def withdraw(self, profile: Profile) -> None:
        """Say, before blobs are replaced, that the manifest does not hold until the load is complete again."""
        self._collect()
        await self._page(profile, "changing", [None], None)

    def _collect(self) -> None:
        # A page that says `changing` names no manifest, and after one that is none nobody knows.
        collect(self._relations, believed=MANIFEST in self._earlier)

    async def _page(
        self, profile: Profile, state: str, documents: Sequence[Document | None], manifest: Document | None
    ) -> list[Finding]:
        """Write the page; of `documents`, the first is the label table. None stands for what is not there.

        What earlier loads landed is named on, so that it stays proved; returns what of it is gone or changed.
        """
        table, *others = documents
        names = {document.name for document in documents if document} | self._superseded | {MANIFEST}
        earlier = [document for name, document in sorted(self._earlier.items()) if name not in names]
        page = write_load_page(
            self._relations,
            profile=profile.name,
            layout=str(profile.layout),
            state=state,
            table=table,
            others=[*filter(None, others), *earlier],
            manifest=manifest,
        )
        # Whoever is about to land, and read the page before a table of another version came, is to notice.
        await self.put(LOAD, io.BytesIO(page), anew=self.changed)
        return list(lost_documents(self._relations, earlier))

    async def _table(self, profile: Profile, landing: Landing, findings: list[Finding]) -> Document | None:
        table, rows = landing.table, landing.rows
        named = self._named_rows(landing)
        if landing.selection and not len(named):
            return None
        whole = not landing.selection and len(named) == len(rows)
        name, other = (table.name, landing.subset) if whole else (landing.subset, table.name)
        with (self._relations.folder / "table").open("w+b") as file:
            if whole:
                copy(table, file)
            else:
                write_subset(table, file, named - (rows.start - 1))
            file.seek(0)
            if await self._is_others(profile, landing, name, file):
                findings.append(self._keep_other("table-conflict", "table", name))
                return None
            untouched = name if landing.selection else other
            if former := self._stays(landing, name, untouched, md5_of(file).hex(), findings):
                return former
            original = await self._original(landing)
            document = await self._put_or_tell("table", name, file, findings)
            if document is None:
                return None
            layout = landing.layout or str(profile.layout)
            landed = document._replace(selection=landing.selection, original=original, layout=layout)
        names = {name}
        if await self._is_superseded(profile, landing, name, other):
            names.add(other)
            self._superseded.add(other)
            findings += await self.remove(other)
        findings += self._replaced(landed, table.name, names)
        return landed

    async def _original(self, landing: Landing) -> str:
        return landing.original or await self._originals[landing.table.content]

    async def _is_superseded(self, profile: Profile, landing: Landing, name: str, other: str) -> bool:
        """Whether the table's other form does not apply any more, now that this one landed."""
        # A selection's table holds whatever else is loaded: its images are there.
        kept = other in self._kept or (other in self._earlier and self._earlier[other].selection)
        if other == name or landing.selection or kept:
            return False
        return not await self._names_others(profile, landing, other)

    def _stays(self, landing: Landing, name: str, other: str, md5: str, findings: list[Finding]) -> Document | None:
        """The earlier table that stays where this one, of that MD5, would name fewer of the images that are there.

        They are there as they were landed, and this source has others, which were not sent; or it has none at all.
        What lies under the table's other name stays too, beside this one.
        """
        images, empty = in_conflict(self._relations, landing.rows), not len(self._named_rows(landing))
        if not images and not empty:
            return None
        name_there, other_there = (self._earlier.get(one) if self.listed_md5(one) else None for one in (name, other))
        former = None if self.listed_md5(name) == md5 else name_there or (other_there if empty else None)
        if kept := former or (other_there if other != name else None):
            self._kept.add(kept.name)
            findings.append(table_kept(kept.name, images, "" if former else name))
        return former

    def _replaced(self, landed: Document, whole: str, names: Container[str]) -> list[Finding]:
        """Tell that a table of another selection gave way to this one, or one of another version of the original.

        One that grew with the images that are there is no news. `whole` is the name of the original, `names` are those
        of what this one took the place of.
        """
        earlier = self._earlier.get(landed.name)
        if earlier is not None and earlier.asked != landed.asked:
            before = ", ".join(" ".join(step) for step in earlier.asked) or "all that was there"
            reason = f"it held the rows of another load ({before}) and now holds this one's"
            act = "to have both, load each with a --table-name of its own"
            return [Finding("table-replaced", Severity.WARNING, f"{reason}: {act}", blob=landed.name)]
        gone = [document for name, document in self._earlier.items() if name in names]
        for former in gone:
            # Pages of earlier versions do not say; a whole table is its own original.
            original = former.original or (former.md5 if former.name == whole else "")
            if original not in ("", landed.original) and former.md5 != landed.md5 and not self._replace_other:
                reason = "it comes of a table with other content than the one that an earlier load landed"
                return [_replaced("table-replaced", reason, landed.name)]
        return []

    async def _is_others(self, profile: Profile, landing: Landing, name: str, file: BufferedIOBase) -> bool:
        """Whether another dataset's table is there, which this one must not replace unasked."""
        if self._replace_other or self.listed_md5(name) in (None, md5_of(file).hex()):
            return False
        if not (await self.is_ours(name) and await self._names_others(profile, landing, name)):
            return False
        return not (self._update and name in self._earlier and shares_images(self._relations))

    async def _names_others(self, profile: Profile, landing: Landing, name: str) -> bool:
        if self.listed_md5(name) is None:
            return False
        return await names_others(self._store, self._relations, profile, landing.shape, name)

    def _keep_other(self, code: str, what: str, name: str) -> Finding:
        reason = f"a {what} of this name that belongs to other images, which are there too, was left as it is"
        act = "load to another prefix, or replace it with --overwrite changed"
        return Finding(code, Severity.ERROR, f"{reason}: {act}", blob=name)

    async def _sidecar(self, name: str, path: Path, findings: list[Finding]) -> Document | None:
        """Land a copy; what is in the way is told."""
        with path.open("rb") as file:
            other = self.listed_md5(name) not in (None, md5_of(file).hex()) and not self._replace_other
            if other and holds_others(self._relations) and await self.is_ours(name):
                findings.append(self._keep_other("sidecar-conflict", "file", name))
                return None
            landed = await self._put_or_tell("sidecar", name, file, findings)
            if other and landed is not None:
                reason = "the source's file has other content than the one that an earlier load landed here"
                findings.append(_replaced("sidecar-replaced", reason, name))
            return landed

    async def _put_or_tell(
        self, what: str, name: str, file: BufferedIOBase, findings: list[Finding]
    ) -> Document | None:
        """Store a table or sidecar; what is in the way is told, and nothing of it lands."""
        try:
            return await self.put(name, file)
        except NameRefused as error:
            findings.append(Finding("blob-name", Severity.ERROR, str(error), blob=name))
        except BlobConflict:
            code, what = ("sidecar-conflict", "file") if what == "sidecar" else ("table-conflict", "table")
            findings.append(_conflict(code, what, name))
        return None

    def _named_rows(self, landing: Landing) -> NDArray[np.int64]:
        """Those of its rows whose image is in the container, from this or an earlier run: all, or the selected ones."""
        return self._relations.numbers(
            "SELECT row FROM rows WHERE usable AND blob IN (SELECT blob FROM loaded) AND row >= ? AND row < ?"
            " AND row NOT IN (SELECT row FROM misled)"
            # Of several images that would have one name, it is the one that has its image.
            " AND (blob NOT IN (SELECT blob FROM shared) OR row IN (SELECT row FROM matches))"
            " AND (selected OR NOT ?) ORDER BY row",
            [landing.rows.start, landing.rows.stop, bool(landing.selection)],
        )


def _replaced(code: str, reason: str, name: str) -> Finding:
    act = "it was replaced; keep versions that you want both in prefixes of their own"
    return Finding(code, Severity.WARNING, f"{reason}: {act}", blob=name)


async def tables_in_the_way(
    store: Store, relations: Relations, tables: Sequence[Landing], *, whole: bool
) -> list[Finding]:
    """What a load that is only planned would be told of tables that laden did not write, or that were edited since.

    Args:
        store: where the tables would go.
        relations: with the last listing.
        tables: that would land.
        whole: whether all of their rows have their image.
    """
    found = []
    for landing in tables:
        name = landing.table.name if whole and not landing.selection else landing.subset
        if not relations.one("SELECT count(*) FROM blobs WHERE name = ?", [name])[0]:
            continue
        there = await store.head(name)
        content = await asyncio.to_thread(original_md5, landing.table.content)
        if not is_document(there) and (there.md5 is None or there.md5.hex() != content):
            found.append(_conflict("table-conflict", "table", name))
    return found


def _conflict(code: str, what: str, name: str) -> Finding:
    reason = f"a {what} of this name that laden did not write is there and was left as it is"
    act = "move it away, or replace it with --overwrite changed"
    return Finding(code, Severity.ERROR, f"{reason}: {act}", blob=name)
