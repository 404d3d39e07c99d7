"""A destination opened for a run: its address, the credential that is renewed while it lasts, and the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from laden.run.run import Run, never
from laden.store import Destination, FolderDestination, open_store, parse_destination
from laden.store.access import Access, Renewal
from laden.store.cap import Cap
from laden.store.manage import Manage, open_manage
from laden.store.sas import Sas
from laden.values.events import Warned

if TYPE_CHECKING:
    from laden.store.retry import Retrying


class Opened(NamedTuple):
    """Where a run reads and writes."""

    target: Destination | FolderDestination
    store: Retrying
    access: Access

    @property
    def place(self) -> str:
        """The container or folder, for a sentence."""
        if isinstance(self.target, FolderDestination):
            return f"the folder {self.target}"
        return self.target.about


@asynccontextmanager
async def opened(
    run: Run,
    destination: str,
    lacking: Callable[[Sas], str],
    renewal: Renewal,
    *,
    connections: int | None,
    cap: Cap | None = None,
    stopping: Callable[[], bool] = never,
    sas_variable: str = "LADEN_SAS",
) -> AsyncIterator[Opened]:
    """Open a destination, and close it afterwards.

    Args:
        run: told of retries and of what a program that renews says; its `stopping` ends the asking.
        destination: as people write it.
        lacking: why a SAS is not enough for what is to be done, or empty.
        renewal: where another SAS comes from.
        connections: requests in flight at most; None to find out what the link bears.
        cap: bytes a second that are sent at most; None for no limit.
        stopping: once true, no request is begun any more.
        sas_variable: where the environment has its SAS.

    Raises:
        UsageError: the address, or the credential's settings, are wrong.
        AccessDenied: the SAS lacks a permission.
    """
    target = parse_destination(destination)
    if isinstance(target, Destination):
        target = replace(target, sas_variable=sas_variable)
    loop = asyncio.get_running_loop()

    def tell(text: str) -> None:
        loop.call_soon_threadsafe(run.tell, Warned(text))

    access = Access(target, lacking, renewal, tell=tell, stopping=run.stopping)
    store = open_store(
        target, connections=connections, on_retry=run.meter.retried, stopping=stopping, sas=access.source, cap=cap
    )
    try:
        yield Opened(target, store, access)
    finally:
        access.close()
        await store.close()


@asynccontextmanager
async def managed(there: Opened) -> AsyncIterator[Manage]:
    """The second port of the same destination, asked through the same door; closed afterwards."""
    manage = open_manage(there.target, there.access.source, ask=there.store.ask)
    try:
        yield manage
    finally:
        await manage.close()


def is_same(one: Destination | FolderDestination, other: Destination | FolderDestination) -> bool:
    """Whether two addresses mean one place, as far as they tell by themselves."""
    if isinstance(one, FolderDestination) and isinstance(other, FolderDestination):
        return one.path.resolve() == other.path.resolve()
    return str(one) == str(other)
