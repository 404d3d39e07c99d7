"""What the destination holds before and after a load: its listing, and what an earlier load wrote there about itself.

The listing goes into the relation `blobs`, the earlier manifest into `known`. Nothing is decided and nothing changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from laden.relations import Relations
from laden.run.ticks import Ticks
from laden.stages.feeding import Feeding
from laden.stages.loadpage import COMPLETE, LOAD, MOST_PAGE_BYTES, Document, LoadPage, read_load_page
from laden.stages.manifest import MANIFEST, read_manifest
from laden.stages.metadata import feed, is_document, note_odd
from laden.store import Page, Store, digest
from laden.store.listing import NAMES_IN_RANGE, RangesDoNotFit, Span, list_all, list_ranges, list_spans
from laden.values.errors import (
    BlobMissing,
    ContainerMissing,
    ManifestUnreadable,
    NotAsLanded,
    StoreError,
    UsageError,
)
from laden.values.events import Observer, ignore
from laden.values.names import OWN_FOLDER
from laden.values.records import Blob, Finding, Severity
from laden.values.told import from_json

_PART_BYTES = 16 << 20
_KNOWN = "known.parquet"


_RECORDED = f"SELECT max(name) FROM blobs WHERE starts_with(name, '{OWN_FOLDER}/history/')"  # noqa: S608 - own text
_EXPECTED = "SELECT name FROM blobs UNION SELECT blob FROM rows UNION SELECT blob FROM known"
_THERE = "SELECT name FROM blobs UNION SELECT blob FROM receipts"
"""Names that may be in the container, and those that are, once it was listed and images were sent."""
_STARTS = f"""
WITH names AS ({{names}}),
numbered AS (SELECT name, row_number() OVER (ORDER BY name) AS number FROM names WHERE name IS NOT NULL)
SELECT name FROM numbered WHERE number % {NAMES_IN_RANGE} = 0 AND regexp_full_match(name, '[ -~]+') ORDER BY name
"""  # noqa: S608 - a number
"""Names that part such names into ranges of about a page."""


class Listing:
    """The container's listing, begun early so that a wrong address or credential is told before anything else.

    What is known of names by then (of an earlier listing, the table or the manifest) parts the rest into ranges, which
    are listed at once where the service can do that.
    """

    def __init__(self, store: Store, relations: Relations, tell: Observer = ignore) -> None:
        self._store = store
        self._relations = relations
        self._marker = ""
        self._in_ranges = True
        self._spans: Sequence[Span] = ()
        self._doubted = False
        self._garbled = False
        self._seen = False
        self._unreadable: ManifestUnreadable | None = None
        self._ticks = Ticks(tell, "blobs listed")
        self.absent = False
        """Whether there is no container yet."""

    async def begin(self) -> None:
        """The first page, which is all of it for most containers."""
        try:
            page = await self._store.list_page()
        except ContainerMissing:
            self.absent = True
            return
        self._seen = True
        self._marker = page.marker
        self._feed(page.blobs)
        note_odd(self._relations, page.odd)

    def narrow(self, spans: Sequence[Span]) -> None:
        """List these spans of names from now on and none beyond, where there is more than a page; none for all."""
        self._spans = spans

    async def finish(self) -> None:
        """The rest."""
        if self._marker and not await self._narrowly():
            with suppress(StoreError):
                await read_known(self._store, self._relations)
            await self._rest(self._starts())

    async def repeat(self) -> None:
        """All of it, anew."""
        starts = self._starts(_THERE)
        self._relations.clear("blobs", "origins")
        self._ticks.begin()
        if await self._narrowly():
            return
        if starts and self._in_ranges:
            self._marker = ""
            await self._rest(starts)
            return
        page = await self._first()
        self._marker = page.marker
        self._feed(page.blobs)
        note_odd(self._relations, page.odd)
        if self._marker:
            if not starts and not self._doubted:
                with suppress(StoreError):
                    await read_known(self._store, self._relations)
                starts = self._starts()
            await self._rest(starts)

    async def _first(self) -> Page:
        """The first page; raises `UsageError` for a place that is not there and never was, as far as this run saw."""
        try:
            page = await self._store.list_page()
        except ContainerMissing as error:
            if self._seen:
                raise
            raise UsageError(str(error)) from None
        self._seen = True
        return page

    async def know(self) -> None:
        """Read the manifest; one whose bytes are not those that were stored there is for `doubt` to tell."""
        try:
            await read_known(self._store, self._relations)
        except NotAsLanded:
            self._garbled = True
        except ManifestUnreadable as error:
            self._unreadable = error

    async def know_again(self) -> tuple[tuple[Document, ...], list[Finding]]:
        """Read manifest and page anew: what the page names, and as `doubt`. Raises as it."""
        self._relations.clear("known")
        self._garbled, self._unreadable = False, None
        await self.know()
        page, earlier = await read_earlier(self._store, self._relations)
        return earlier, await self.doubt(earlier, page)

    async def doubt(self, earlier: Sequence[Document], page: LoadPage | None) -> list[Finding]:
        """Hold the manifest that was read against the page's word; forget, and tell, one that somebody else changed.

        One that laden put there is newer than the page where a load was killed between the two. The page was read after
        the listing: what it names may have come between, beside this run, and is looked for again.

        Args:
            earlier: what the page names.
            page: about the last load; None where there is none, or none that can be read.

        Raises:
            ManifestUnreadable: it is as its load left it, and no version of it that can be read.
        """
        await self._look_again(earlier)
        told = await self._doubt_page(page)
        named = next((document for document in earlier if document.name == MANIFEST), None)
        await self._refuse_unreadable(named)
        if named is None and not self._garbled:
            return told
        what = "is gone"
        if is_listed(self._relations, MANIFEST):
            is_same = (
                not self._garbled and named is not None and _md5(self._relations.folder / _KNOWN).hex() == named.md5
            )
            if is_same or (not self._garbled and is_document(await self._store.head(MANIFEST))):
                return told
            what = "is not as the last load left it"
            self._doubted = True
            self._relations.clear("known")
            # Whatever its MD5 says, it is to be written again.
            self._relations.run("UPDATE blobs SET md5 = NULL WHERE name = ?", [MANIFEST])
        act = "it is made anew from what is there: see that nothing is missing"
        reason = f"the manifest {what}, so nobody knows any more all that it named"
        return [*told, Finding("blob-lost", Severity.ERROR, f"{reason}; {act}", blob=MANIFEST)]

    async def _look_again(self, named: Sequence[Document]) -> None:
        """Take over what is there now of what a page names and the older listing does not show so."""
        for document in named:
            listed = list(self._relations.stream("SELECT md5 FROM blobs WHERE name = ?", [document.name]))
            if listed == [(document.md5,)]:
                continue
            try:
                now = await self._store.head(document.name)
            except StoreError:
                # It is as the listing said, or will be told by whoever needs it.
                continue
            if now.md5 is None or now.md5.hex() != document.md5:
                continue
            self._relations.run("DELETE FROM blobs WHERE name = ?", [document.name])
            self._feed([now])
            if document.name == MANIFEST:
                self._relations.clear("known")
                self._garbled, self._unreadable = False, None
                await self.know()

    async def _refuse_unreadable(self, named: Document | None) -> None:
        """Raise where a later version of laden may have written the manifest; what is garbled was changed by others."""
        if self._unreadable is None:
            return
        is_same = named is None or named.md5 == _md5(self._relations.folder / _KNOWN).hex()
        if is_same or is_document(await self._store.head(MANIFEST)):
            raise self._unreadable
        self._garbled = True

    async def _doubt_page(self, page: LoadPage | None) -> list[Finding]:
        """Tell that the page about earlier loads is lost: with it, which tables and copied files they landed."""
        if is_listed(self._relations, LOAD):
            what = "is none" if page is None else ""
        else:
            # Before there was any page, a load or copy was killed between manifest and page. Who removes both, and not
            # one, means it.
            what = "is gone" if is_listed(self._relations, MANIFEST) and await self._had_page() else ""
        if not what:
            return []
        reason = f"the page about earlier loads {what}, so nobody knows any more which tables and files they landed"
        act = "it is made anew from what is there: see that none is missing"
        return [Finding("blob-lost", Severity.ERROR, f"{reason}; {act}", blob=LOAD)]

    async def _had_page(self) -> bool:
        """Whether the history's last record tells that there was a page; one that cannot be read does not deny it."""
        (last,) = self._relations.one(_RECORDED)
        if last is None:
            return False
        with suppress(ValueError, TypeError, KeyError):
            return bool(from_json(await self._store.get(last, 0, MOST_PAGE_BYTES))["page"])
        return True

    async def _narrowly(self) -> bool:
        """List what it was narrowed to, and nothing else; False where that cannot be."""
        if not self._spans:
            return False
        self._relations.clear("blobs", "origins")
        try:
            with Feeding(self._relations) as feeding:
                async for blobs in list_spans(self._store, self._spans):
                    self._put(feeding, blobs)
        except RangesDoNotFit:
            self._spans, self._marker = (), ""
            self._relations.clear("blobs", "origins")
            return False
        return True

    async def _rest(self, starts: list[str]) -> None:
        (last,) = self._relations.one("SELECT max(name) FROM blobs")
        starts = [start for start in starts if last is None or start > last]
        if self._in_ranges and starts:
            try:
                with Feeding(self._relations) as feeding:
                    async for blobs in list_ranges(self._store, self._marker, starts):
                        self._put(feeding, blobs)
            except RangesDoNotFit:
                self._in_ranges = False
                self._marker = ""
                self._relations.clear("blobs", "origins")
                self._ticks.begin()
            else:
                return
        with Feeding(self._relations) as feeding:
            async for blobs in list_all(self._store, self._marker):
                self._put(feeding, blobs)

    def _starts(self, names: str = _EXPECTED) -> list[str]:
        return [name for (name,) in self._relations.stream(_STARTS.format(names=names))]

    def _feed(self, blobs: Sequence[Blob]) -> None:
        self._ticks.add(len(blobs))
        feed(self._relations, blobs)

    def _put(self, feeding: Feeding, blobs: Sequence[Blob]) -> None:
        self._ticks.add(len(blobs))
        feeding.put(blobs)


async def read_page(store: Store, relations: Relations) -> LoadPage | None:
    """The page about an earlier load, or None. Raises `StoreError` where it cannot be read."""
    return read_load_page(await store.get(LOAD, 0, MOST_PAGE_BYTES)) if is_listed(relations, LOAD) else None


async def read_earlier(store: Store, relations: Relations) -> tuple[LoadPage | None, tuple[Document, ...]]:
    """The page about the last load, and the documents of all that it names; none for one that cannot be read."""
    if not is_listed(relations, LOAD):
        return None, ()
    try:
        data = await store.get(LOAD, 0, MOST_PAGE_BYTES)
    except BlobMissing:
        return None, ()
    with suppress(StoreError):
        page = read_load_page(data)
        return page, page.landed
    return None, ()


async def read_known(store: Store, relations: Relations) -> bool:
    """Bring the manifest of an earlier load into the relation `known`; False if there is none."""
    if not is_listed(relations, MANIFEST):
        return False
    if relations.one("SELECT count(*) FROM known")[0]:
        return True  # the listing needed it already
    path = relations.folder / _KNOWN
    await fetch(store, relations, MANIFEST, path)
    read_manifest(relations, path)
    return True


def known_bytes(relations: Relations) -> bytes:
    """The manifest that `read_known` read, as it is stored."""
    return (relations.folder / _KNOWN).read_bytes()


def lacks_manifest(relations: Relations, page: LoadPage | None) -> bool:
    """Whether a page names a manifest that the last listing does not show."""
    return page is not None and page.manifest is not None and not is_listed(relations, MANIFEST)


def lacks_page(relations: Relations) -> bool:
    """Whether the last listing shows a manifest, and no page about a load that would vouch for it."""
    return is_listed(relations, MANIFEST) and not is_listed(relations, LOAD)


def refuse_doubtful(relations: Relations, page: LoadPage) -> None:
    """Raise `NotAsLanded` unless the manifest that was read is the one that the page names."""
    if not is_believed(relations, page):
        raise not_as_landed(MANIFEST)


def is_believed(relations: Relations, page: LoadPage) -> bool:
    """Whether the manifest that was read is the one that the page names; while a load replaces images it names none."""
    if page.manifest is None:
        return page.state != COMPLETE
    return _md5(relations.folder / _KNOWN).hex() == page.manifest.md5


def refuse_other(path: Path, landed: Document) -> None:
    """Raise `NotAsLanded` unless a file that was read holds what the page about the load names."""
    if _md5(path).hex() != landed.md5:
        raise not_as_landed(landed.name)


def not_as_landed(name: str) -> NotAsLanded:
    """The error for a document that is another one than its load left."""
    # A manifest is made anew by every load; a table that laden did not write is left alone.
    act = "" if name == MANIFEST else " with --overwrite changed"
    return NotAsLanded(
        f"{name} is not as the last load left it ({LOAD} names another MD5), so nothing in it is believed:"
        f" see 'laden verify', then load again{act}"
    )


async def fetch(store: Store, relations: Relations, name: str, path: Path) -> None:
    """Read a listed blob into a file, and hold that against the MD5 that the service keeps.

    Another load may have replaced it since the listing, or while it was read; else its bytes were changed where they
    lie, under the MD5 of others.

    Raises:
        NotAsLanded: the bytes are not those of its MD5, however often they are read.
        StoreError: they changed while they were read.
    """
    await fetch_parts(store, name, path)
    md5 = _md5(path)
    (listed,) = relations.one("SELECT md5 FROM blobs WHERE name = ?", [name])
    if listed in (None, md5.hex()):
        return
    there = await store.head(name)
    if there.md5 != md5 and (await digest(store, name, there.size_bytes))[1] == md5:
        raise NotAsLanded(
            f"the bytes of {name} are not those that were stored there (its MD5 is of others): see 'laden verify --deep"
            " all'; 'laden load --compare all' with the source lands it again"
        )
    if there.md5 != md5:
        raise StoreError(f"{name} was read otherwise than it is stored: run the same command again")


async def fetch_parts(store: Store, name: str, path: Path) -> None:
    """Read a blob into a file, whatever it holds."""
    with path.open("wb") as file:
        while part := await store.get(name, file.tell(), _PART_BYTES):
            size_bytes = file.write(part)
            # Not kept while the next one comes.
            del part
            if size_bytes < _PART_BYTES:
                break


def _md5(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).digest()


def is_listed(relations: Relations, name: str) -> bool:
    """Whether the last listing shows a blob."""
    return bool(relations.one("SELECT count(*) FROM blobs WHERE name = ?", [name])[0])
