"""Lists a container: a page after the other, or ranges of names at once where the service can begin at a name.

A listing in ranges is a chain of pages for each range, each of which begins at a name and ends where the next one
begins. That they fit together is proved, not assumed: the name at which a chain ends must be the first that the next
chain was given. So what is listed is what a single chain would have listed, in whatever order the service keeps names;
where a joint does not fit (an older service, another writer at that very name), the caller lists anew, in one chain.

Every chain is held to come to an end: a service, or what stands before it, that gives the same page again and again is
refused, not followed for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from laden.store import Page, Store
from laden.store.pages import PlainBlobs
from laden.values.errors import AccessDenied, Interrupted, StoreError, TransientStoreError
from laden.values.records import Blob

_AT_ONCE = 16
"""Chains at once at most, each with an answer of some MB; how many requests the destination bears is decided below."""

_PAGES_WAITING = 4
"""So many that a chain that has its page makes room for another, and few enough for what one takes."""

NAMES_IN_RANGE = 4900
"""A page holds 5,000 names at most ("List Blobs", `maxresults`); a little room for those that nobody expects."""


class StartFrom(str):
    """A marker of a listing that begins at a name; as text, what the page before gave, empty for the first one."""

    name: str

    def __new__(cls, name: str, marker: str = "") -> StartFrom:
        made = super().__new__(cls, marker)
        made.name = name
        return made


_MOST_EMPTY = 10_000
"""Pages in a row that hold no name: a service may give some; so many are no listing."""


class Progress:
    """Sees that a listing goes on from page to page: no marker and no name comes twice. Names may be in any order."""

    def __init__(self, marker: str = "") -> None:
        self._markers = {str(marker)}
        self._firsts: set[str] = set()
        self._empty = 0

    def see(self, marker: str, first: str | None) -> None:
        """Look at a page: its marker, and its first name, where it has any.

        Raises:
            StoreError: the listing does not go on.
        """
        self._empty = 0 if first is not None else self._empty + 1
        if (marker and str(marker) in self._markers) or first in self._firsts or self._empty > _MOST_EMPTY:
            raise StoreError(
                "the listing of the destination does not come to an end: it gave a page that it had given before; check"
                " the address, and whether something that answers for the service (a proxy, a gateway) stands between"
            )
        self._markers.add(str(marker))
        if first is not None:
            self._firsts.add(first)


class RangesDoNotFit(Exception):  # noqa: N818 - named for what happened
    """The ranges are not one whole listing; nothing of it may be used."""


@dataclass(slots=True)
class _Chain:
    """One range: its first page's marker, the name that ends it, and the names at its two joints."""

    marker: str
    bound: str | None
    first: str | None = None
    """The first name that is there from the beginning of the range on, be it in it or not."""
    stop: str | None = None
    """The first name at or after the bound; None where the listing ended before."""


async def list_all(store: Store, marker: str = "") -> AsyncIterator[Sequence[Blob]]:
    """Every blob below the prefix, from a marker on, a page at a time."""
    progress = Progress(marker)
    while True:
        page = await store.list_page(marker)
        progress.see(page.marker, page.blobs[0].name if page.blobs else None)
        yield page.blobs
        marker = page.marker
        if not marker:
            return


async def list_ranges(store: Store, marker: str, starts: Sequence[str]) -> AsyncIterator[Sequence[Blob]]:
    """Every blob from a marker on, several pages at once and in any order.

    Args:
        store: where.
        marker: where the first range begins.
        starts: names at which the others begin, ascending, in ASCII: their order is the same everywhere.

    Raises:
        RangesDoNotFit: what was given cannot be used; list anew.
        StoreError: as `list_page`.
    """
    chains = [_Chain(marker, None), *(_Chain(StartFrom(name), None) for name in starts)]
    for chain, name in zip(chains, starts, strict=False):
        chain.bound = name
    async for blobs in _followed(store, chains):
        yield blobs
    if any(one.stop != other.first for one, other in pairwise(chains)):
        raise RangesDoNotFit


class Span(NamedTuple):
    """Names from a first one on, up to a bound that is none of them; ASCII."""

    start: str
    bound: str


async def list_spans(store: Store, spans: Sequence[Span]) -> AsyncIterator[Sequence[Blob]]:
    """Every blob in some spans of names and none beyond, several pages at once and in any order.

    Args:
        store: where.
        spans: ascending, none within another; where one begins at the bound of the one before, that joint is proved.

    Raises:
        RangesDoNotFit: what was given cannot be used, as with a service that cannot begin at a name; list anew.
        StoreError: as `list_page`.
    """
    chains = [_Chain(StartFrom(span.start), span.bound) for span in spans]
    async for blobs in _followed(store, chains):
        yield blobs
    for (one, other), span in zip(pairwise(chains), spans[1:], strict=True):
        if one.bound == span.start and one.stop != other.first:
            raise RangesDoNotFit


async def _followed(store: Store, chains: Sequence[_Chain]) -> AsyncIterator[Sequence[Blob]]:
    """The pages of all chains."""
    pages = _Pages()
    tasks = [asyncio.create_task(_follow(store, chain, pages)) for chain in chains]
    following = asyncio.gather(*tasks)
    following.add_done_callback(lambda _: pages.end())
    try:
        while (blobs := await pages.get()) is not None:
            yield blobs
        await following
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, following, return_exceptions=True)


class _Pages:
    """Pages on their way to whoever takes them, a few at a time: they are large."""

    def __init__(self) -> None:
        self.chains = asyncio.Semaphore(_AT_ONCE)
        self._room = asyncio.Semaphore(_PAGES_WAITING)
        self._waiting: asyncio.Queue[Sequence[Blob] | None] = asyncio.Queue()

    async def put(self, blobs: Sequence[Blob]) -> None:
        await self._room.acquire()
        self._waiting.put_nowait(blobs)

    async def get(self) -> Sequence[Blob] | None:
        """The next page; None after the last."""
        blobs = await self._waiting.get()
        self._room.release()
        return blobs

    def end(self) -> None:
        self._waiting.put_nowait(None)


async def _follow(store: Store, chain: _Chain, pages: _Pages) -> None:
    marker = chain.marker
    begun = False
    progress = Progress(marker)
    async with pages.chains:
        while True:
            page = await _page(store, marker)
            try:
                progress.see(page.marker, page.blobs[0].name if page.blobs else None)
            except StoreError:
                # The one chain that follows tells whether it was this service's doing.
                raise RangesDoNotFit from None
            if page.blobs and not begun:
                begun = True
                chain.first = page.blobs[0].name
                if isinstance(marker, StartFrom) and chain.first < marker.name:
                    # It does not know how to begin at a name, and began at the beginning.
                    raise RangesDoNotFit
            if within := _within(page.blobs, chain):
                await pages.put(within)
            marker = page.marker
            if chain.stop is not None or not marker:
                return


async def _page(store: Store, marker: str) -> Page:
    try:
        return await store.list_page(marker)
    except (TransientStoreError, AccessDenied, Interrupted):
        raise
    except StoreError:
        if isinstance(marker, StartFrom):
            # An older service says that it does not know the version.
            raise RangesDoNotFit from None
        raise


def _within(blobs: Sequence[Blob], chain: _Chain) -> Sequence[Blob]:
    """The blobs before the bound; notes the first that is not."""
    if chain.bound is None or not blobs:
        return blobs
    names = blobs.names() if isinstance(blobs, PlainBlobs) else [blob.name for blob in blobs]
    for at, name in enumerate(names):
        if name >= chain.bound:
            chain.stop = name
            return blobs[:at]
    return blobs
