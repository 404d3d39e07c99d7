"""What a run lands, though others may land at the same time: nobody's page or manifest is replaced unread.

Page and manifest are replaced in the version that this run read alone. Where another run was sooner, both are read
anew, the destination is listed again, and what was about to be done is done with what is known then. So of several runs
at once each lands what it would have landed had it come after those that were sooner.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from laden.run.run import Run
from laden.stages.inventory import Listing
from laden.stages.publish.putting import STATE, Putting
from laden.store import Store
from laden.values.errors import BlobMissing, Overtaken, StoreError

_ATTEMPTS = 30
"""Far more than runs that anybody has end at the same moment."""

T = TypeVar("T")


async def undisturbed(
    run: Run, store: Store, listing: Listing, publisher: Putting, act: Callable[[], Awaitable[T]]
) -> T:
    """Do what rests on page, manifest and listing: again and again, until no other run changed them meanwhile.

    Args:
        run: whose relations hold them; what is found amiss in a page or manifest that is read anew is added to it.
        store: the destination.
        listing: of it.
        publisher: by which it is done.
        act: does it; what it tells is told once it is done.

    Raises:
        StoreError: others land there all the time.
    """
    for _ in range(_ATTEMPTS):
        if not publisher.overtaken:
            try:
                return await act()
            except Overtaken:
                pass
        await _look_again(run, store, listing, publisher)
    raise StoreError("so many other runs land here that none of this one could: run the same command again")


async def _look_again(run: Run, store: Store, listing: Listing, publisher: Putting) -> None:
    """What was read must be what the listing, which begins after it is there, can hold."""
    for _ in range(_ATTEMPTS):
        before = await _etags(store)
        await listing.repeat()
        earlier, findings = await listing.know_again()
        if await _etags(store) == before:
            publisher.renew(earlier, before)
            run.add(findings)
            return


async def _etags(store: Store) -> dict[str, str]:
    return {name: await _etag(store, name) for name in STATE}


async def _etag(store: Store, name: str) -> str:
    try:
        return (await store.head(name)).etag
    except BlobMissing:
        return ""
