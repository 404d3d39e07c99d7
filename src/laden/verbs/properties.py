"""`set`: tier, tags and metadata of images that are there, all of them or those that rows of the table select.

Order: list, read what the load left, choose, read the columns that values are made of and hold them against the
service's limits; tell what would be done and what it costs; then metadata and tags, blob by blob, and the tier last,
256 in a request where the service has that, each blob looked at right before. Only images that are as the manifest says
are touched, and what is so already is not written again. Metadata of laden's own stay, so the load stays proved; other
tags and metadata stay, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Unpack

from laden.dataset.selection import Selection
from laden.relations import Relations
from laden.run.loop import run as run_loop
from laden.run.run import Run
from laden.stages.acting import Target, act, refuse_other, told_left
from laden.stages.costs import of_moving
from laden.stages.history import Deed
from laden.stages.landed import refuse_lost
from laden.stages.manifest import OTHER
from laden.stages.properties import Values, Wishes, wishes_of
from laden.store import FolderDestination, place_of, without_secret
from laden.store.listing import Progress
from laden.store.manage import AT_ONCE, Manage
from laden.store.manage.limits import MOST_TAGS
from laden.store.sas import Sas, lacking_for_tags, lacking_for_undelete
from laden.values.arguments import checked
from laden.values.errors import AccessDenied, BlobConflict, BlobRefused, ExitCode, Interrupted, LadenError, UsageError
from laden.values.events import ActReady, Started, Summary, Warned
from laden.values.records import Extras, Finding, Severity
from laden.values.units import plural
from laden.verbs.asked import Selecting, selecting, selection_of
from laden.verbs.begun import Doing, begun, renewal_of
from laden.verbs.chosen import Loaded, pick, read_loaded
from laden.verbs.opening import Opened, managed, opened
from laden.verbs.remembering import Word, asked_of

_BLOBS_AT_ONCE = 64
_BATCHES_AT_ONCE = 8
_VALUES_AT_ONCE = 1_000


class Which(Doing, Selecting, total=False):
    """Which images, as `laden.get` has it, and how it is done."""

    profile: str | None
    """TOML file, where the destination was loaded with one."""


@checked
def set_properties(
    destination: str | Path,
    *,
    tier: str | None = None,
    tags: Sequence[str] = (),
    metadata: Sequence[str] = (),
    dry_run: bool = False,
    confirm: Callable[[ActReady], bool] = lambda _: True,
    **which: Unpack[Which],
) -> Summary:
    """Give images that are there another tier, tags, or metadata; run again to finish what was interrupted.

    Args:
        destination: as in `load`.
        tier: `Hot`, `Cool`, `Cold` or `Archive`.
        tags: index tags, as in `"projection={Projection}"`: a name, and a text with columns of the table.
        metadata: the same for metadata.
        dry_run: tell what would be done and what it costs, and do nothing.
        confirm: asked once that is known; False ends the run before anything is changed.
        which: as `Which`, `Selecting` and `Doing` say; by default all images.

    Returns:
        `acted`: images that were changed; `as_wanted`: those that were so already; `left`: those that could not be.

    Raises:
        LadenError: it could not be done, or a value is not what the service takes; then nothing was changed.
    """
    destination = place_of(destination)
    wishes = wishes_of(tier, tags, metadata)
    if not (wishes.tier or wishes.extras):
        raise UsageError("say what is to be set: --tier, --tag or --metadata")
    asked = selecting(which)
    selection = selection_of(asked)

    async def work(run: Run) -> Summary:
        connections, renewal = which.get("connections"), renewal_of(which)
        lacking: Callable[[Sas], str] = lacking_for_tags if wishes.tags else lacking_for_undelete
        async with (
            opened(run, destination, lacking, renewal, connections=connections, stopping=run.stopping) as there,
            managed(there) as manage,
        ):
            setting = _Setting(run, there, manage, wishes)
            await setting.prepare(which.get("profile"), selection, asked)
            if dry_run:
                return run.end()
            if not confirm(setting.ready):
                return run.end(ExitCode.INTERRUPTED, "nothing was changed, as you said")
            await setting.do()
            if run.stopping():
                return run.end(ExitCode.INTERRUPTED, "stopped as you asked: run the same command again to go on")
            run.note(complete=True)
            return run.end()

    with begun(Summary("set", destination=without_secret(destination)), which) as run:
        return run_loop(work(run))


class _Setting:
    """One run: what is to be done, and what became of it."""

    def __init__(self, run: Run, there: Opened, manage: Manage, wishes: Wishes) -> None:
        self._run = run
        self._there = there
        self._manage = manage
        self._wishes = wishes
        self._changed: set[str] = set()
        self._etags: dict[str, str] = {}
        """Of versions that this run made, which get a tier, too."""
        self._left: set[str] = set()

    async def prepare(self, profile: str | None, selection: Selection, asked: Selecting) -> None:
        """Find out what is meant, and tell what would be done; raises what `set_properties` does."""
        run, wishes = self._run, self._wishes
        if isinstance(self._there.target, FolderDestination) and (wishes.tier or wishes.tags):
            raise UsageError("--tier and --tag are for a container: a folder has neither")
        run.tell(Started("listing", str(self._there.target)))
        needs_rows = selection.chooses or bool(wishes.fields)
        loaded = await read_loaded(run, self._there.store, profile, tables=needs_rows)
        if loaded.page is None:
            raise UsageError(f"no load was completed in {self._there.place}: load it first, to its end")
        if needs_rows:
            refuse_lost(run.relations, loaded.lost)
        steps = pick(run, loaded, selection)
        rows = "(SELECT row, blob FROM links SEMI JOIN chosen USING (row))" if selection.chooses else "links"
        self._values = Values(run.relations, wishes, loaded.parts, rows)
        run.add(self._values.findings())
        self._choose(loaded)
        costs = await self._costs()
        (blobs, size_bytes) = run.relations.one("SELECT count(*), coalesce(sum(size_bytes), 0)::BIGINT FROM setting")
        (images,) = run.relations.one("SELECT count(*) FROM known")
        run.note(images=images)
        self.ready = ActReady(
            action="set",
            sentence=f"{_what(wishes)} of {plural(blobs, 'image')} in {self._there.place}",
            blobs=blobs,
            bytes=size_bytes,
            of=images,
            costs=tuple(costs),
            examples=tuple(name for (name,) in run.relations.stream("SELECT name FROM setting ORDER BY name LIMIT 3")),
            selection=steps,
        )
        run.tell(self.ready)
        values = [f"{name}={value}" for name, value in {**wishes.tags, **wishes.metadata}.items()]
        told = {**asked_of(asked), **asked_of({"tier": wishes.tier, "values": values})}
        self._word = Word(run, self._there.store, Deed("set", told, "", {"meant": blobs}))

    def _choose(self, loaded: Loaded) -> None:
        """The images that are meant and are as the manifest says, in the relation `setting`."""
        relations = self._run.relations
        relations.run(
            "CREATE TABLE setting AS SELECT b.name, b.size_bytes, b.etag FROM picked p JOIN known k USING (blob)"  # noqa: S608
            f" JOIN blobs b ON b.name = k.blob WHERE NOT coalesce({OTHER}, false)"
        )
        (meant,) = relations.one("SELECT count(*) FROM picked")
        (there,) = relations.one("SELECT count(*) FROM setting")
        if meant > there:
            self._run.tell(
                Warned(f"{plural(meant - there, 'image')} that are meant are gone or changed: laden verify names them")
            )

    async def _costs(self) -> list[str]:
        """What it costs, where a tier is asked for; `moving` gets those that are not there yet."""
        if not self._wishes.tier:
            return []
        relations = self._run.relations
        relations.run("CREATE TABLE tiers (name VARCHAR, tier VARCHAR, modified_s BIGINT)")
        marker, progress = "", Progress()
        while True:
            page = await self._manage.list_details(marker)
            progress.see(page.marker, page.details[0].blob.name if page.details else None)
            relations.feed("tiers", ((one.blob.name, one.tier, one.modified_s) for one in page.details))
            marker = page.marker
            if not marker:
                break
        relations.run(
            "CREATE TABLE moving AS SELECT s.name, s.etag, s.size_bytes, t.tier, t.modified_s FROM setting s"
            " JOIN tiers t USING (name) WHERE t.tier <> ?",
            [self._wishes.tier],
        )
        (moving,) = relations.one("SELECT count(*) FROM moving")
        told = [f"{plural(moving, 'blob')} change their tier, each billed as one write"] if moving else []
        return [*told, *(of_moving(relations, self._wishes.tier, time.time()) if moving else ())]

    async def do(self) -> None:
        """Do it, and note what became of it."""
        run = self._run
        run.tell(Started("acting"))
        run.meter.begin(self.ready.blobs, self.ready.bytes)
        if self._wishes.extras:
            await self._tell_blobs()
        if self._wishes.tier and not run.stopping():
            await self._move()
        run.meter.tell(last=True)
        done = self._changed - self._left
        run.note(acted=len(done), left=len(self._left), as_wanted=self.ready.blobs - len(done | self._left))
        if self._word.begun:
            await self._word.end({"changed": len(done), "left": len(self._left)})

    async def _tell_blobs(self) -> None:
        """Metadata and tags."""
        for targets in _batches(self._run.relations, "SELECT name, etag, size_bytes FROM setting", _VALUES_AT_ONCE):
            wanted = self._values.of([target.name for target in targets])

            async def work(target: Target, wanted: dict[str, Extras] = wanted) -> None:
                if await self._told(target, wanted[target.name]):
                    self._changed.add(target.name)

            async for acted in act(work, targets, at_once=_BLOBS_AT_ONCE, stopping=self._run.stopping):
                if not self._wishes.tier:
                    self._run.meter.step(acted.target.size_bytes)
                self._note(acted.target.name, acted.error)

    async def _told(self, target: Target, wanted: Extras) -> bool:
        """Whether anything of a blob had to be written."""
        changed = bool(wanted.metadata) and await self._tell_metadata(target, wanted.metadata)
        if wanted.tags:
            if not wanted.metadata:
                await refuse_other(self._there.store, target)
            tags = await self._manage.tags(target.name)
            if (whole := {**tags, **wanted.tags}) != tags:
                if len(whole) > MOST_TAGS:
                    raise BlobRefused(
                        f"it has {len(tags)} tags of others, and {MOST_TAGS} are all that a blob can have"
                    )
                await self._word.begin()
                await self._manage.set_tags(target.name, whole)
                changed = True
        return changed

    async def _tell_metadata(self, target: Target, wanted: Mapping[str, str]) -> bool:
        there = await self._there.store.head(target.name)
        if there.etag != target.etag:
            raise BlobConflict("it changed since it was listed")
        if (whole := {**there.metadata, **wanted}) == there.metadata:
            return False
        await self._word.begin()
        try:
            await self._manage.set_metadata(target.name, whole, there.etag)
        except BlobConflict:
            # Our own, whose answer was lost, or somebody else's.
            if (await self._there.store.head(target.name)).metadata != whole:
                raise
        if self._wishes.tier:
            self._etags[target.name] = await self._etag_of(target.name, whole)
        return True

    async def _etag_of(self, name: str, written: dict[str, str]) -> str:
        blob = await self._there.store.head(name)
        if blob.metadata != written:
            raise BlobConflict("it changed right after its metadata were set")
        return blob.etag

    async def _unchanged(self, targets: list[Target]) -> list[Target]:
        """Those that are still what was listed, as no condition says for a tier; the others are told."""
        asked = [target._replace(etag=self._etags.get(target.name, target.etag)) for target in targets]
        found = []
        looked = act(
            partial(refuse_other, self._there.store), asked, at_once=_BLOBS_AT_ONCE, stopping=self._run.stopping
        )
        async for acted in looked:
            if acted.error is None:
                found.append(acted.target)
            else:
                self._run.meter.step(acted.target.size_bytes)
                self._note(acted.target.name, acted.error)
        return found

    async def _move(self) -> None:
        """The tier, many at once; each batch is a target of its own."""
        batches = {
            f"{number}": targets
            for number, targets in enumerate(
                _batches(self._run.relations, "SELECT name, etag, size_bytes FROM moving", AT_ONCE)
            )
        }

        async def work(batch: Target) -> None:
            targets = await self._unchanged(batches[batch.name])
            if not targets:
                return
            await self._word.begin()
            refused = await self._manage.set_tiers([target.name for target in targets], self._wishes.tier)
            for target in targets:
                self._run.meter.step(target.size_bytes)
                self._note(target.name, refused.get(target.name))
                if target.name not in refused:
                    self._changed.add(target.name)

        asked = [Target(number, "", 0) for number in batches]
        async for acted in act(work, asked, at_once=_BATCHES_AT_ONCE, stopping=self._run.stopping):
            if acted.error is not None and not isinstance(acted.error, Interrupted):
                raise acted.error

    def _note(self, name: str, error: LadenError | None) -> None:
        if isinstance(error, AccessDenied):
            raise error
        if error is not None and not isinstance(error, Interrupted):
            self._left.add(name)
            self._run.add([Finding("blob-left", Severity.ERROR, told_left(error), blob=name)])


def _batches(relations: Relations, query: str, count: int) -> list[list[Target]]:
    targets = [Target(*row) for row in relations.stream(f"{query} ORDER BY name")]
    return [targets[start : start + count] for start in range(0, len(targets), count)]


def _what(wishes: Wishes) -> str:
    """`Move to the tier Cool, set the tags projection`."""
    parts = [f"the tier {wishes.tier}"] if wishes.tier else []
    parts += [f"the tags {', '.join(wishes.tags)}"] if wishes.tags else []
    parts += [f"the metadata {', '.join(wishes.metadata)}"] if wishes.metadata else []
    return f"Set {' and '.join(parts)}"
