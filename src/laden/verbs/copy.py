"""`copy`: a loaded dataset, or a part of it, from one place to another, by the other's service where it can.

Order: list the source and read what its load left; choose; list the destination; hold the two against each other; copy
what is not there, each image proved by the manifest's MD5 on its way; list again, compare; then table, copied files,
manifest and page land, made of what is there as a load makes them. Images that are gone or changed in the source are
told and not copied; tables and files that are gone there are told, and named in the copy's page, so that no proof of
the copy passes over them. It keeps no state: run again, it sees what is there and copies the rest.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal, Unpack

from laden.dataset.profile import Profile, Template, known_profile, open_profile
from laden.dataset.selection import Selection
from laden.dataset.table import count
from laden.relations import Relations
from laden.run.loop import run as run_loop
from laden.run.receipts import conflict
from laden.run.run import Run
from laden.stages.copying.questions import EXAMPLES, LOST, ORIGIN, PLAN, ROWS, ROWS_OF_FILES, TOTALS
from laden.stages.copying.tags import read_tags
from laden.stages.history import Deed
from laden.stages.inventory import Listing, fetch, is_listed, read_earlier
from laden.stages.loadpage import COMPLETE, LOAD, Document, LoadPage
from laden.stages.manifest import find_loads_below, losses
from laden.stages.properties import Wishes
from laden.stages.publish import Landing, Publisher
from laden.store import Destination, FolderDestination, parse_destination, place_of, without_secret
from laden.store.manage.limits import tier_of
from laden.store.sas import lacking_for_load, lacking_for_verify
from laden.values.arguments import checked
from laden.values.errors import ExitCode, UsageError
from laden.values.events import PlanReady, Started, Summary
from laden.values.records import Finding, Severity
from laden.values.units import plural
from laden.verbs.above import refuse_within
from laden.verbs.asked import one_of, selecting, selection_of
from laden.verbs.begun import begun, renewal_of
from laden.verbs.chosen import Loaded, pick, read_loaded
from laden.verbs.opening import Opened, is_same, managed, opened
from laden.verbs.properties import Which
from laden.verbs.remembering import Word, asked_of
from laden.verbs.transferring import transfer, unproven
from laden.verbs.undisturbed import undisturbed
from laden.verbs.wishes import tell_properties

SOURCE_SAS = "LADEN_SOURCE_SAS"


@checked
def copy(
    source: str | Path,
    destination: str | Path,
    *,
    overwrite: Literal["never", "changed"] = "never",
    tier: str | None = None,
    table_name: str | None = None,
    dry_run: bool = False,
    confirm: Callable[[PlanReady], bool] = lambda _: True,
    **which: Unpack[Which],
) -> Summary:
    """Copy a loaded dataset, or a part of it, to another container or folder; run again to finish.

    Args:
        source: where it was loaded to. A SAS for it stands in its URL, or in `LADEN_SOURCE_SAS`.
        destination: where the copy goes; as in `load`.
        overwrite: what to do with a blob of other content there: leave it and list it, or replace it.
        tier: access tier of the images that are copied; None for the account's own.
        table_name: what the table of the selected rows is called.
        dry_run: plan only; nothing is written.
        confirm: asked once the plan is known; False ends the run before anything is written.
        which: as `Which`, `Selecting` and `Doing` say; by default all images.

    Returns:
        How it ended: `images` that are meant, of which `sent`, `already_there`, `conflicts`, `failed`.

    Raises:
        LadenError: it could not be done.
    """
    selection = replace(selection_of(selecting(which)), table_name=table_name)
    replaces = one_of("overwrite", overwrite, ("never", "changed")) == "changed"
    told = tier_of(tier) if tier else ""
    return _copy(source, destination, selection, told, None if dry_run else confirm, which, replaces=replaces)


def copy_named(
    source: str, destination: str, names: Iterable[str], *, confirm: Callable[[PlanReady], bool], **which: Unpack[Which]
) -> Summary:
    """Copy the images of these names, whatever their keys are, as `copy` does; arguments and errors as there.

    Args:
        source: where they lie.
        destination: where the copy goes.
        names: of blobs of the load.
        confirm: asked once the plan is known.
        which: no selection.
    """
    return _copy(source, destination, Selection(names=names), "", confirm, which, replaces=False)


def _copy(
    source: str | Path,
    destination: str | Path,
    selection: Selection,
    tier: str,
    confirm: Callable[[PlanReady], bool] | None,
    which: Which,
    *,
    replaces: bool,
) -> Summary:
    """Copy what is selected; without `confirm` it is only planned."""
    source = place_of(source)
    destination = place_of(destination)
    summary = Summary("copy", source=without_secret(source), destination=without_secret(destination))
    with begun(summary, which) as run:
        run.tell(Started("listing", without_secret(source)))

        async def work() -> Summary:
            renewal, connections = renewal_of(which), which.get("connections")
            variable = _sas_variable(source, destination)
            async with (
                opened(
                    run, source, lacking_for_verify, renewal._replace(command=None), connections=connections,
                    sas_variable=variable,
                ) as origin,
                opened(
                    run, destination, lacking_for_load, renewal, connections=connections, stopping=run.stopping
                ) as there,
            ):  # fmt: skip
                copying = _Copying(run, origin, there, selection, tier, replaces=replaces)
                ready = await copying.prepare(which.get("profile"))
                if confirm is None:
                    return run.end()
                if not confirm(ready):
                    return run.end(ExitCode.INTERRUPTED, "nothing was copied, as you said")
                return await copying.do()

        return run_loop(work())


def _sas_variable(source: str, destination: str) -> str:
    """Where the source's SAS is looked for: one account may have one for both."""
    places = [parse_destination(place) for place in (source, destination)]
    accounts = [(place.endpoint, place.account) for place in places if isinstance(place, Destination)]
    same = len(accounts) == 2 and accounts[0] == accounts[1]
    return "LADEN_SAS" if same and not os.environ.get(SOURCE_SAS) else SOURCE_SAS


class _Copying:
    """One run between two opened places."""

    def __init__(
        self, run: Run, origin: Opened, there: Opened, selection: Selection, tier: str, *, replaces: bool
    ) -> None:
        self._run = run
        self._origin = origin
        self._there = there
        self._selection = selection
        self._tier = tier
        self._replaces = replaces
        self._copies: dict[str, Path] = {}
        self._absent: tuple[Document, ...] = ()
        """Of the source's documents, those that are gone or other ones: the copy's page names them too."""

    async def prepare(self, named: str | None) -> PlanReady:
        """Read both places and hold them against each other; raises what `copy` does."""
        run, relations = self._run, self._run.relations
        self._refuse_same(same=is_same(self._origin.target, self._there.target))
        if self._tier and isinstance(self._there.target, FolderDestination):
            raise UsageError("--tier is for a container: a folder has no tiers")
        loaded = await read_loaded(run, self._origin.store, named, tables=True)
        if loaded.page is None or loaded.page.state != COMPLETE:
            raise UsageError(f"no load was completed in {self._origin.place}: there is no manifest to copy by")
        self._profile = _profile_of(loaded.page, named)
        self._page = loaded.page
        self._steps = pick(run, loaded, self._selection)
        run.add(self._lost())
        relations.run(ORIGIN)
        await self._find_tags()
        self._absent = () if self._selection.chooses else loaded.amiss
        self._landings = self._tables(loaded)
        await self._fetch_copies(loaded)
        page_etag = _etag_of(relations, LOAD)
        relations.clear("blobs", "known")
        run.tell(Started("listing", str(self._there.target)))
        self._listing = Listing(self._there.store, relations, run.tell)
        await self._listing.begin()
        await self._listing.finish()
        # One account may have several addresses; two blobs never have one ETag.
        is_container = isinstance(self._there.target, Destination)
        self._refuse_same(same=is_container and bool(page_etag) and _etag_of(relations, LOAD) == page_etag)
        await self._listing.know()
        page, self._earlier = await read_earlier(self._there.store, relations)
        await refuse_within(self._there, relations, page, leaves_word=True)
        run.add(await self._listing.doubt(self._earlier, page))
        return self._plan()

    def _refuse_same(self, *, same: bool) -> None:
        if same:
            raise UsageError("source and destination are the same place: name another one to copy to")

    async def _find_tags(self) -> None:
        """Read the source's index tags, where both places have such."""
        run, source, target = self._run, self._origin.target, self._there.target
        hidden = 0
        if isinstance(source, Destination) and isinstance(target, Destination):
            async with managed(self._origin) as manage:
                hidden = await read_tags(manage, run.relations)
        else:
            await read_tags(None, run.relations)
        if hidden:
            message = (
                f"{plural(hidden, 'blob')} there have index tags, which the SAS may not read (t): no tag is copied"
            )
            run.add([Finding("copy-tags", Severity.WARNING, message)])

    def _lost(self) -> Iterator[Finding]:
        """What the source's manifest names and its listing does not show so."""
        for blob, archive, member, listed in self._run.relations.stream(LOST):
            what = "has other content than the manifest says" if listed else "is gone"
            message = f"it {what} in the source, and is not copied: see laden verify there"
            yield Finding("copy-source", Severity.ERROR, message, archive, member, blob=blob)

    def _tables(self, loaded: Loaded) -> list[Landing]:
        """The tables that are to land, and their rows in the relation `rows`."""
        relations = self._run.relations
        if not loaded.tables:
            relations.run(ROWS_OF_FILES)
            return []
        chooses = self._selection.chooses
        relations.run(ROWS.format(selected="l.row IN (SELECT row FROM chosen)" if chooses else "true"))
        documents = {document.name: document for document in loaded.page.documents} if loaded.page else {}
        landings: list[Landing] = []
        relations.feed("table_starts", ((landed.name, landed.part.before) for landed in loaded.tables))
        for landed, part_name in loaded.landing(relations, self._selection):
            table, shape, before = landed.part
            document = documents[landed.name]
            if shape is None:
                raise UsageError(
                    f"the load was made with the profile '{self._page.profile}': give its TOML file with --profile"
                )
            rows = range(before + 1, before + count(table) + 1)
            steps = self._steps if self._selection.lands_alone else document.selection
            layout = self._page.layout_of(document)
            landings.append(Landing(table, shape, part_name, rows, steps, document.original, layout))
        return landings

    async def _fetch_copies(self, loaded: Loaded) -> None:
        """Bring what was copied as it is into the run's folder, proved."""
        tables = {table.name for table in loaded.tables}
        for number, document in enumerate(self._page.others):
            if document.name not in tables and document not in loaded.amiss:
                path = self._run.relations.folder / f"copied-{number}"
                await fetch(self._origin.store, self._run.relations, document.name, path)
                self._copies[document.name] = path

    def _plan(self) -> PlanReady:
        run, one = self._run, self._run.relations.one
        find_loads_below(run.relations)
        run.tell(Started("plan"))
        run.relations.run(PLAN, [self._replaces])
        for blob, owner in run.relations.stream("SELECT blob, owner FROM todo WHERE action = 'conflict' ORDER BY blob"):
            run.add([conflict(blob, owner=owner)])
        send, replaced, compare, done, conflicts, images, to_send, in_all = one(TOTALS)
        rows, matched = one(
            "SELECT count(*), count(*) FILTER (blob IN (SELECT blob FROM origin)) FROM rows WHERE selected"
        )
        self._ready = PlanReady(
            profile=self._page.profile,
            table=self._landings[0].table.name if self._landings else "",
            rows=rows,
            matched=matched,
            missing=rows - matched,
            images=images,
            send=send,
            replace=replaced,
            compare=compare,
            already_there=done,
            conflicts=conflicts,
            bytes_to_send=to_send,
            bytes_in_all=in_all,
            examples=tuple(blob for (blob,) in run.relations.stream(EXAMPLES)),
            selection=self._steps,
            place=self._there.target.about,
            writes=0 if isinstance(self._there.target, FolderDestination) else send + replaced,
        )
        run.plan(self._ready)
        tell_properties(run, self._ready, Wishes(self._tier), replaces=self._replaces)
        return self._ready

    async def do(self) -> Summary:
        """Copy, prove, and land table and manifest."""
        run, store = self._run, self._there.store
        if self._listing.absent or self._ready.to_settle:
            run.tell(Started("word"))
        if self._listing.absent:
            await store.create()
        publisher = Publisher(
            store,
            run.relations,
            replace_other=self._replaces,
            update=not self._selection.chooses,
            earlier=self._earlier,
            absent=self._absent,
        )
        word = self._word()
        if self._ready.send + self._ready.replace:
            await word.begin()
        if self._ready.replace and is_listed(run.relations, LOAD):
            await undisturbed(run, store, self._listing, publisher, lambda: publisher.withdraw(self._profile))
        if self._ready.to_settle:
            await transfer(run, self._origin, self._there, self._tier, replaces=self._replaces)
        if run.stopping() and run.outcomes().unfinished:
            return run.end(ExitCode.INTERRUPTED, "stopped as you asked: run the same command again to go on")
        run.tell(Started("verify"))
        await self._listing.repeat()
        publisher.begin(self._landings)
        if not await undisturbed(run, store, self._listing, publisher, lambda: self._land(publisher)):
            return run.end(ExitCode.DESTINATION, "not everything could be copied: run the same command again")
        run.add(losses(run.relations))
        await word.end(self._counts(), changed=publisher.changed, needing=run.log)
        run.note(complete=True)
        return run.end()

    async def _land(self, publisher: Publisher) -> bool:
        """Land table and manifest, where all is proved."""
        run = self._run
        run.add(unproven(run))
        if any(run.log.counts[code] for code in ("put-failed", "verify-missing", "verify-changed")):
            return False
        run.tell(Started("manifest"))
        absent = {document.name for document in self._absent}
        published = await publisher.publish_copies(self._profile, self._landings, self._copies)
        run.add(found for found in published if found.blob not in absent)
        return True

    def _word(self) -> Word:
        """For the destination's history."""
        asked, ready = self._selection, self._ready
        told = {"where": asked.where, "sample": asked.sample, "by": asked.by, "first": asked.first, "tier": self._tier}
        source = str(self._origin.target).rstrip("/").rpartition("/")[2]
        meant = {"images": ready.images, "sent": ready.send + ready.replace}
        return Word(self._run, self._there.store, Deed("copy", asked_of(told), source, meant))

    def _counts(self) -> dict[str, int]:
        images, size_bytes = self._run.relations.one(
            "SELECT count(*), coalesce(sum(size_bytes), 0)::BIGINT FROM loaded"
        )
        outcomes = self._run.outcomes()
        return {
            "images": images,
            "bytes": size_bytes,
            "sent": outcomes.sent,
            "already_there": outcomes.already_there,
        }


def _etag_of(relations: Relations, name: str) -> str:
    (etag,) = relations.one("SELECT coalesce(any_value(etag), '') FROM blobs WHERE name = ?", [name])
    return str(etag)


def _profile_of(page: LoadPage, named: str | None) -> Profile:
    profile = open_profile(named) if named else known_profile(page.profile)
    if profile is None:
        raise UsageError(f"the load was made with the profile '{page.profile}': give its TOML file with --profile")
    return replace(profile, layout=Template(page.layout))
