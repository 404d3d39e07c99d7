"""What changes blobs that are there: targets with the ETag that was listed, many at once, each on its own.

The explorer's plans, `prune`, `undelete` and `set` all act through this. A blob that changed since it was listed is
left alone; what became of each is told, whatever became of the others. What the act is, the caller says: nothing here
decides what is changed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from itertools import takewhile
from typing import NamedTuple

from laden.run.tasks import several
from laden.stages.metadata import OWN
from laden.store import Store
from laden.store.manage import Manage, Undo
from laden.values.errors import BlobConflict, BlobMissing, BlobProtected, LadenError, TransientStoreError


class Target(NamedTuple):
    """One blob of a plan."""

    name: str
    etag: str
    """Of the version that may change."""
    size_bytes: int


class Acted(NamedTuple):
    """What became of one target."""

    target: Target
    outcome: str
    """`done`, `changed` (since it was listed), `gone`, `failed`, or `unknown`: it may be done, no answer came."""
    error: LadenError | None = None


async def act(
    work: Callable[[Target], Awaitable[None]],
    targets: Iterable[Target],
    *,
    at_once: int,
    stopping: Callable[[], bool],
) -> AsyncIterator[Acted]:
    """Do it to all targets, so many at once, and yield what became of each; once `stopping` is true, begin no more."""
    begun = takewhile(lambda _: not stopping(), targets)
    async with aclosing(several((_acted(work, target) for target in begun), at_once)) as stream:
        async for acted in stream:
            yield acted


async def _acted(work: Callable[[Target], Awaitable[None]], target: Target) -> Acted:
    try:
        await work(target)
    except BlobProtected as error:
        return Acted(target, "failed", error)
    except BlobConflict as error:
        return Acted(target, "changed", error)
    except BlobMissing as error:
        return Acted(target, "gone", error)
    except LadenError as error:
        return Acted(target, "unknown" if may_be_done(error) else "failed", error)
    return Acted(target, "done")


def may_be_done(error: LadenError) -> bool:
    """Whether what failed so may have been done all the same: nothing that tells was heard of the service.

    One that has too much to do (429, 503) says that it did not begin; any other failure of its own may come at the end.
    """
    return isinstance(error, TransientStoreError) and not error.throttled


def told_left(error: LadenError) -> str:
    """Why an act is not known to be done, in a sentence that claims nothing of what was not heard."""
    if may_be_done(error):
        return f"it may be done or not, for no answer came: {error}"
    return f"it was left as it is: {error}"


async def refuse_other(store: Store | Manage, target: Target) -> None:
    """Ask right before a change for which the service takes no ETag (tier, tags); what follows is one request later.

    Raises:
        BlobConflict: it is not the version that was listed.
        BlobMissing: it is gone.
    """
    if (await store.head(target.name)).etag != target.etag:
        raise BlobConflict(f"{target.name} changed since it was listed: nothing was done to it")


def with_own(there: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str]:
    """Metadata to be set: those that are wanted, and what laden wrote, by which a listing proves a blob."""
    return {**wanted, **{key: value for key, value in there.items() if key.startswith(OWN)}}


def told_undo(undo: Undo, *, folder: bool) -> str:
    """Whether a deletion can be undone, in a sentence that promises nothing that was not looked at."""
    if folder:
        return "This cannot be undone: a folder keeps nothing of what was deleted."
    if undo.versions:
        return "The account keeps versions: what is deleted stays as an earlier version, and can be brought back."
    if undo.kept_days:
        return f"Soft delete is on: for {undo.kept_days} days it can be brought back."
    if undo.kept_days == 0:
        return "This cannot be undone: soft delete is off in this account."
    return "Whether it can be undone is not known: this credential may not ask. Take it for final."
