"""A plan's act, carried out: blob by blob, many at once, each as the version that was listed.

In order, for each blob: the act is asked for, again where the service is busy or could not be heard, as long as that
may help and nobody stops it. Before it is asked for again after an answer that was lost, it is looked whether it was
done. What nobody can know is told as not known, never as refused; what became of all is told in a sentence, what was
not done as the job's findings. Of what was changed, the new version is what the place lists from now on. Nothing is
chosen here.
"""

from __future__ import annotations

from typing import Any

from laden.explorer.chosen import Chosen, Item
from laden.explorer.jobs import Job
from laden.explorer.stored import StoredPlace
from laden.stages.acting import Acted, Target, act, may_be_done, refuse_other, with_own
from laden.store import Retry
from laden.store.manage import Manage
from laden.store.retry import Repeating
from laden.values.errors import (
    AccessDenied,
    BlobConflict,
    BlobMissing,
    BlobProtected,
    Interrupted,
    LadenError,
    TransientStoreError,
)
from laden.values.records import Blob, Finding, Severity
from laden.values.units import plural

_AT_ONCE = 16
_KEPT = 1_000
"""Versions that are noted at once."""
_EXAMPLES = 20


async def carry_out(place: StoredPlace, action: str, values: dict[str, Any], targets: Chosen, job: Job) -> None:
    """Do it to all of them; the job is told of each, and what became of all, also where the server's end breaks it off.

    The targets are closed then.
    """
    job.in_all, job.bytes_in_all = len(targets), targets.size_bytes
    outcomes = {"done": 0, "changed": 0, "gone": 0, "failed": 0}
    job.result["outcomes"] = outcomes
    acting = _Acting(place, action, values, job)
    begun = map(acting.target, targets)
    try:
        async for acted in act(acting.do, begun, at_once=_AT_ONCE, stopping=lambda: job.stopping):
            acting.under_way -= 1
            if isinstance(acted.error, Interrupted):
                continue
            outcome = "there" if isinstance(acted.error, _There) else acted.outcome
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            job.done, job.done_bytes, job.stage = job.done + 1, job.done_bytes + acted.target.size_bytes, ""
            _note(job, acted, outcome)
            if len(acting.renewed) >= _KEPT:
                await acting.keep()
    finally:
        if acting.under_way:
            outcomes["unknown"] = outcomes.get("unknown", 0) + acting.under_way
        job.message = _became(outcomes, len(targets))
        targets.close()
    await acting.keep()


class _Acting:
    """One act on a place."""

    def __init__(self, place: StoredPlace, action: str, values: dict[str, Any], job: Job) -> None:
        self._place = place
        self._values = values
        self._repeating = Repeating(on_retry=self._tell, stopping=lambda: job.stopping)
        self._job = job
        self._work = getattr(self, f"_{action}")
        self._was_done = getattr(self, f"_was_{action}")
        self._prepare = getattr(self, f"_prepare_{action}", None)
        self._md5: dict[str, str] = {}
        """Of blobs that are under way, as they were listed."""
        self._wanted: dict[str, dict[str, str]] = {}
        """Metadata of blobs that are under way, as they are to be."""
        self.under_way = 0
        """Blobs that were begun, and of which nobody has heard yet."""
        self.renewed: dict[str, str] = {}
        """ETags of what was changed, by name."""

    def _tell(self, retry: Retry) -> None:
        self._job.stage = retry.reason

    def target(self, item: Item) -> Target:
        """An item, to be acted on."""
        self._md5[item.name] = item.md5
        return Target(item.name, item.etag, item.size_bytes)

    async def keep(self) -> None:
        """Have the place list the versions that came of the act."""
        renewed, self.renewed = {name: etag for name, etag in self.renewed.items() if etag}, {}
        if renewed:
            await self._place.renewed(renewed)

    async def do(self, target: Target) -> None:
        """One blob.

        Raises:
            BlobConflict: it is another version than was listed, or protected, or something is where it was to come.
            BlobMissing: it is gone.
            TransientStoreError: the service stays busy; or, where `may_be_done`, its answer was lost.
            LadenError: it was refused.
        """
        self.under_way += 1
        lost: TransientStoreError | None = None

        async def attempt() -> None:
            nonlocal lost
            begun = False
            # With another SAS, what is left goes on with that.
            async with self._place.held() as (_, manage):
                try:
                    if lost is None or not await self._known_as_done(manage, target):
                        if self._prepare is not None:
                            await self._prepare(manage, target)
                        begun = True
                        await self._work(manage, target)
                except TransientStoreError as error:
                    # Of what was only read before it, no answer is missed.
                    lost = error if begun and may_be_done(error) else lost
                    raise
                except (BlobConflict, BlobMissing):
                    # Perhaps because it is done.
                    if lost is None or not await self._known_as_done(manage, target):
                        raise

        try:
            await self._repeating.repeat(attempt)
        except LadenError:
            # Whatever is refused after an answer was lost says nothing of what was done before.
            if lost is not None:
                raise lost from None
            raise
        finally:
            self._md5.pop(target.name, None)

    async def _known_as_done(self, manage: Manage, target: Target) -> bool:
        try:
            return bool(await self._was_done(manage, target))
        except AccessDenied:
            # Who may only write cannot look.
            return False

    async def _delete(self, manage: Manage, target: Target) -> None:
        await manage.delete(target.name, target.etag)

    async def _was_delete(self, manage: Manage, target: Target) -> bool:
        return not await _is_there(manage, target.name)

    async def _undelete(self, manage: Manage, target: Target) -> None:
        try:
            await manage.undelete(target.name)
        except BlobProtected:
            raise
        except BlobConflict as error:
            raise _There(str(error)) from None

    async def _was_undelete(self, manage: Manage, target: Target) -> bool:
        return await _is_there(manage, target.name)

    async def _copy(self, manage: Manage, target: Target) -> None:
        name = self._values["prefix"] + target.name
        try:
            await manage.copy(target.name, name, target.etag)
        except BlobConflict:
            if await _is_there(manage, name):
                raise _There(f"{name} is there already: nothing is replaced") from None
            raise

    async def _was_copy(self, manage: Manage, target: Target) -> bool:
        try:
            copy = await manage.head(self._values["prefix"] + target.name)
            blob = await manage.head(target.name)
        except BlobMissing:
            return False
        return copy.md5 is not None and (copy.md5, copy.size_bytes) == (blob.md5, blob.size_bytes)

    async def _is_as_listed(self, manage: Manage, target: Target) -> bool:
        """Whether it is that very version: neither a tier nor tags make another of it."""
        return (await manage.head(target.name)).etag == target.etag

    async def _is_its_successor(self, manage: Manage, target: Target) -> Blob | None:
        """The blob, where it is another version with the very bytes that were listed, as the act makes of it."""
        there = await manage.head(target.name)
        listed = bytes.fromhex(self._md5.get(target.name, ""))
        same = bool(listed) and (there.md5, there.size_bytes) == (listed, target.size_bytes)
        return there if same and there.etag != target.etag else None

    async def _prepare_tier(self, manage: Manage, target: Target) -> None:
        await self._refuse_other(manage, target)

    async def _tier(self, manage: Manage, target: Target) -> None:
        await manage.set_tier(target.name, self._values["tier"])

    async def _was_tier(self, manage: Manage, target: Target) -> bool:
        if not await self._is_as_listed(manage, target):
            return False
        told = {key.lower(): value for key, value in (await manage.properties(target.name)).items()}
        wanted: str = self._values["tier"].lower()
        rehydrated = told.get("x-ms-archive-status", "").removeprefix("rehydrate-pending-to-").lower()
        return wanted in (rehydrated, told.get("x-ms-access-tier", "").lower())

    async def _prepare_tags(self, manage: Manage, target: Target) -> None:
        await self._refuse_other(manage, target)

    async def _tags(self, manage: Manage, target: Target) -> None:
        await manage.set_tags(target.name, self._values["tags"])

    async def _refuse_other(self, manage: Manage, target: Target) -> None:
        # A folder has neither tiers nor tags, and says so.
        if self._place.kind != "folder":
            await refuse_other(manage, target)

    async def _was_tags(self, manage: Manage, target: Target) -> bool:
        wanted: dict[str, str] = self._values["tags"]
        return await self._is_as_listed(manage, target) and await manage.tags(target.name) == wanted

    async def _prepare_metadata(self, manage: Manage, target: Target) -> None:
        self._wanted[target.name] = with_own((await manage.head(target.name)).metadata, self._values["metadata"])

    async def _metadata(self, manage: Manage, target: Target) -> None:
        wanted = self._wanted.pop(target.name)
        self.renewed[target.name] = await manage.set_metadata(target.name, wanted, target.etag)

    async def _was_metadata(self, manage: Manage, target: Target) -> bool:
        there = await self._is_its_successor(manage, target)
        if there is None or there.metadata != with_own(there.metadata, self._values["metadata"]):
            return False
        self.renewed[target.name] = there.etag
        return True

    async def _type(self, manage: Manage, target: Target) -> None:
        self.renewed[target.name] = await manage.set_content_type(target.name, self._values["type"], target.etag)

    async def _was_type(self, manage: Manage, target: Target) -> bool:
        told = {key.lower(): value for key, value in (await manage.properties(target.name)).items()}
        there = await self._is_its_successor(manage, target)
        if there is None or told.get("content-type") != self._values["type"]:
            return False
        self.renewed[target.name] = there.etag
        return True


async def _is_there(manage: Manage, name: str) -> bool:
    try:
        await manage.head(name)
    except BlobMissing:
        return False
    return True


class _There(BlobConflict):
    """Not that the blob changed: where it was to come, something is."""


def _became(outcomes: dict[str, int], count: int) -> str:
    """What became of all blobs of a plan, in a sentence."""
    done = outcomes["done"]
    told = f"{done:,} of {plural(count, 'blob')} {'is' if done == 1 else 'are'} done"
    one_or_many = {
        "changed": ("changed since the listing",) * 2,
        "there": ("is there already", "are there already"),
        "gone": ("was gone", "were gone"),
        "failed": ("was refused", "were refused"),
    }
    left = [f"{n:,} {one_or_many[kind][n != 1]}" for kind in one_or_many if (n := outcomes.get(kind, 0))]
    if left:
        told += f"; {', '.join(left)}: nothing was done to these"
    if unknown := outcomes.get("unknown", 0):
        told += (
            f"; of {unknown:,} it is not known whether {'it was' if unknown == 1 else 'they were'} done, for no answer"
            " came: look at the list"
        )
    return told


def _note(job: Job, acted: Acted, outcome: str) -> None:
    """Tell of a blob that was left as it is, or of which nobody knows."""
    if acted.error is None:
        return
    code = "not-known" if outcome == "unknown" else "blob-left"
    job.counts[code] = job.counts.get(code, 0) + 1
    kept = job.examples.setdefault(code, [])
    if len(kept) < _EXAMPLES:
        kept.append(Finding(code, Severity.ERROR, _told(acted.error), blob=acted.target.name))


def _told(error: LadenError) -> str:
    if may_be_done(error):
        return f"no answer came ({error}), so it may be done or not: look at it"
    if isinstance(error, TransientStoreError):
        return f"{error}, however often it was asked: do it again later"
    return str(error)
