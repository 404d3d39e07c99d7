"""A plan of `prune`, carried out.

In order: see that the destination is as the plan found it, or as this very plan left it when it was interrupted; that
so much may go, and that it can be brought back; then the page says that the manifest does not hold, the manifest lands
without the images, the page names it, and only then the blobs go, each as the version that was planned. So a run that
is killed leaves nothing that a manifest names and is not there, and the same command goes on. No other blob is touched.

At the end the page is written once more: a load that listed the images before they went does not find the page that it
read, and looks again. One that landed meanwhile, and names what went, is told.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress

from laden.run.run import Run
from laden.stages.acting import Target, act, told_left, told_undo
from laden.stages.history import Deed
from laden.stages.inventory import Listing, is_listed, known_bytes, read_known, refuse_doubtful
from laden.stages.landed import refuse_lost
from laden.stages.loadpage import COMPLETE, LOAD, MOST_PAGE_BYTES, Document, amend_load_page, read_load_page
from laden.stages.manifest import MANIFEST, keep_but, write_manifest
from laden.stages.metadata import of_document
from laden.stages.proof import documents_amiss
from laden.stages.pruning import LIFE_S, About, Plan
from laden.store import FolderDestination, Properties, content_type, is_named_fully, named_fully, without_secret
from laden.store.manage import Manage, Undo
from laden.values.errors import AccessDenied, BlobConflict, ExitCode, Interrupted, UsageError
from laden.values.events import ActReady, Started, Summary
from laden.values.records import Finding, Severity
from laden.values.units import amount, plural, share
from laden.verbs.opening import Opened
from laden.verbs.remembering import Word

_AT_ONCE = 64
_ATTEMPTS = 30
"""Of writing the page once more, while others write it."""
_CHANGED = "changed since the plan was made: nothing was deleted; make the plan again"


def refuse_elsewhere(plan: Plan, destination: str | None) -> None:
    """Raise UsageError where a plan is of another destination, or names a folder that is another one elsewhere.

    Args:
        plan: as it was read.
        destination: the one that is meant; None for the plan's.
    """
    of = plan.about.destination
    if not is_named_fully(of):
        raise UsageError(
            f"the plan names its folder as {of}, which is another one in each working folder: make it again"
        )
    if destination is not None and named_fully(destination) != of:
        raise UsageError(f"the plan is for {of}, not for {without_secret(destination)}")


async def carry_out(
    run: Run, there: Opened, manage: Manage, plan: Plan, *, most: int | None, without_undo: bool, dry_run: bool
) -> Summary:
    """Do what a plan says, and nothing else; arguments as `laden.verbs.prune.prune`.

    Raises:
        UsageError: the plan is too old, too much, not of this state of the destination, or cannot be undone.
    """
    _refuse_amount(plan, most)
    run.tell(Started("listing", plan.about.destination))
    await Listing(there.store, run.relations, run.tell).repeat()
    page = await _page(run, there, plan)
    undo = await manage.undo()
    _refuse_final(undo, plan, without_undo=without_undo)
    targets, changed = _targets(run, plan)
    run.note(images=plan.about.images)
    run.tell(_ready(there, plan, undo))
    if dry_run or not plan.going:
        return run.end()
    word = Word(run, there.store, Deed("prune", {}, "", {"deleted": len(targets), "bytes": _bytes(targets)}))
    if targets:
        run.tell(Started("word"))
        await word.begin()
    page = await _rewrite(run, there, page, plan)
    run.add(changed)
    done, done_bytes, left = await _delete(run, manage, targets)
    if targets and await _overtaken(run, there, page):
        await Listing(there.store, run.relations, run.tell).repeat()
        run.add(await _named_again(run, there))
    run.note(acted=done, left=left + len(changed), as_wanted=len(plan.going) - len(targets) - len(changed))
    await word.end({"deleted": done, "left": left + len(changed), "bytes": done_bytes})
    if run.stopping():
        return run.end(ExitCode.INTERRUPTED, "stopped as you asked: run the same command again to go on")
    run.note(complete=True)
    return run.end()


def needed(about: About, undo: Undo) -> list[str]:
    """The options without which `carry_out` refuses a plan of so much, where deletions can be undone so far."""
    most = ["--max", str(about.blobs)] if about.blobs > about.most else []
    return [*most, *(["--without-undo"] if _is_final(undo) else [])]


def _is_final(undo: Undo) -> bool:
    """Whether what is deleted stays so, as far as is known."""
    return not (undo.versions or undo.kept_days)


def _refuse_amount(plan: Plan, most: int | None) -> None:
    about = plan.about
    age_s = time.time() - about.made_s
    if not -3600 < age_s < LIFE_S:
        raise UsageError("the plan is older than a day, or of a clock that is off: make it again")
    allowed = about.most if most is None else most
    if about.blobs > allowed:
        part = share(about.blobs, about.images)
        limit = f"1,000 and 1 % ({amount(about.most)}) go unasked" if most is None else f"--max {most} allows fewer"
        raise UsageError(
            f"the plan deletes {plural(about.blobs, 'image')}, {part} of {about.images:,}, and {limit}: if all of them"
            f" are meant, say so with --max {about.blobs}"
        )


def _refuse_final(undo: Undo, plan: Plan, *, without_undo: bool) -> None:
    if plan.going and _is_final(undo) and not without_undo:
        known = (
            "cannot be undone" if undo.kept_days == 0 else "may not be possible to undo (the credential may not ask)"
        )
        raise UsageError(
            f"this {known}: turn on soft delete or versioning for the account's blobs, or say --without-undo"
        )


async def _page(run: Run, there: Opened, plan: Plan) -> bytes:
    """The page about the load: the one that the plan was made of, or that this plan left.

    Raises:
        UsageError: it is another one.
        NotAsLanded: the manifest, or a table that may name what is to go, is gone or another one.
    """
    if not is_listed(run.relations, LOAD):
        raise UsageError(f"there is no load any more in {there.place}: nothing was deleted")
    data = await there.store.get(LOAD, 0, MOST_PAGE_BYTES)
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    read = read_load_page(data)
    if md5 != plan.about.page_md5 and read.pruned != plan.name:
        raise UsageError(f"the load in {there.place} {_CHANGED}")
    await read_known(there.store, run.relations)
    refuse_doubtful(run.relations, read)
    amiss = (document for document, _ in documents_amiss(run.relations, read))
    refuse_lost(run.relations, (one for one in amiss if one == read.table or one.original or one.selection))
    if read.pruned != plan.name:
        _refuse_unowned(run, plan)
    return data


def _refuse_unowned(run: Run, plan: Plan) -> None:
    """Raise UsageError where a plan names what laden did not send there: whoever wrote that, it was not laden."""
    run.relations.run("CREATE OR REPLACE TABLE named (blob VARCHAR)")
    run.relations.feed("named", ((one.blob,) for one in plan.going))
    for (blob,) in run.relations.stream(
        "SELECT blob FROM named WHERE blob NOT IN (SELECT blob FROM known WHERE known = 'sent') ORDER BY blob LIMIT 1"
    ):
        raise UsageError(f"the plan names {blob}, which laden did not load there: nothing was deleted; make it again")


def _targets(run: Run, plan: Plan) -> tuple[list[Target], list[Finding]]:
    """The blobs that are there as planned, and findings about those that are there otherwise."""
    run.relations.run("CREATE OR REPLACE TABLE planned (blob VARCHAR, etag VARCHAR, size_bytes BIGINT)")
    run.relations.feed("planned", ((one.blob, one.etag, one.size_bytes) for one in plan.going))
    targets: list[Target] = []
    changed: list[Finding] = []
    for blob, etag, size_bytes, now in run.relations.stream(
        "SELECT p.blob, p.etag, p.size_bytes, b.etag FROM planned p JOIN blobs b ON b.name = p.blob ORDER BY p.blob"
    ):
        if etag and now == etag:
            targets.append(Target(blob, etag, size_bytes))
        else:
            changed.append(_left(blob, "it was left as it is: it changed since the plan was made"))
    return targets, changed


def _ready(there: Opened, plan: Plan, undo: Undo) -> ActReady:
    return ActReady(
        action="delete",
        sentence=f"{plural(plan.about.blobs, 'image')} go from {there.place}",
        blobs=plan.about.blobs,
        bytes=plan.about.bytes,
        of=plan.about.images,
        undo=told_undo(undo, folder=isinstance(there.target, FolderDestination)),
        examples=tuple(one.blob for one in plan.going[:3]),
    )


async def _rewrite(run: Run, there: Opened, page: bytes, plan: Plan) -> bytes:
    """Page, manifest, page, which is returned: at no moment does a manifest hold that names what may be gone."""
    run.tell(Started("manifest"))
    keep_but(run.relations, "planned")
    path = write_manifest(run.relations)
    data = path.read_bytes()
    manifest = Document(MANIFEST, len(data), _md5(data).hex())
    changing = amend_load_page(page, run.relations, state="changing", manifest=None, pruned=plan.name)
    whole = amend_load_page(page, run.relations, state=COMPLETE, manifest=manifest, pruned=plan.name)
    if page != whole:
        await _replace(run, there, LOAD, changing)
        former = known_bytes(run.relations)
        await _replace(run, there, MANIFEST, data)
        try:
            await _replace(run, there, LOAD, whole)
        except UsageError:
            # A run that was sooner with its page may have found the former manifest to be its own as well.
            with suppress(UsageError):
                await _replace(run, there, MANIFEST, former)
            raise
    return whole


async def _replace(run: Run, there: Opened, name: str, data: bytes) -> None:
    """Put a document over the version that is known; raises UsageError where somebody else was faster."""
    md5 = _md5(data)
    (etag,) = run.relations.one("SELECT coalesce(any_value(etag), '') FROM blobs WHERE name = ?", [name])
    # A conflict may be our own put, whose answer was lost; and after a put, somebody else's may have followed.
    with suppress(BlobConflict):
        await there.store.put(name, data, Properties(md5, content_type(name), of_document(md5)), etag)
    now = await there.store.head(name)
    if now.md5 != md5:
        raise UsageError(f"{name} in {there.place} {_CHANGED}")
    run.relations.run("UPDATE blobs SET etag = ? WHERE name = ?", [now.etag, name])


async def _overtaken(run: Run, there: Opened, page: bytes) -> bool:
    """Write the page that is there once more, as it is; whether it is another run's by now."""
    try:
        await _replace(run, there, LOAD, page)
    except UsageError:
        for _ in range(_ATTEMPTS):
            now = await there.store.head(LOAD)
            with suppress(BlobConflict):
                data = await there.store.get(LOAD, 0, MOST_PAGE_BYTES, now.etag)
                md5 = _md5(data)
                await there.store.put(LOAD, data, Properties(md5, content_type(LOAD), of_document(md5)), now.etag)
                break
        return True
    return False


async def _named_again(run: Run, there: Opened) -> list[Finding]:
    """What is gone as planned, and the manifest of a run that landed meanwhile names."""
    run.relations.clear("known")
    await read_known(there.store, run.relations)
    gone = "SELECT blob FROM known SEMI JOIN planned USING (blob) WHERE blob NOT IN (SELECT name FROM blobs)"
    reason = "it was deleted as planned, and another run that landed meanwhile names it"
    message = f"{reason}: run that load again if it should stay, or make a plan again if not"
    return [
        Finding("blob-lost", Severity.ERROR, message, blob=blob)
        for (blob,) in run.relations.stream(f"{gone} ORDER BY blob")
    ]


async def _delete(run: Run, manage: Manage, targets: list[Target]) -> tuple[int, int, int]:
    """Delete; returns how many went, of how many bytes, and how many were left."""
    run.tell(Started("acting"))
    run.meter.begin(len(targets), _bytes(targets))
    done = done_bytes = left = 0

    async def work(target: Target) -> None:
        await manage.delete(target.name, target.etag)

    async for acted in act(work, targets, at_once=_AT_ONCE, stopping=run.stopping):
        run.meter.step(acted.target.size_bytes)
        if isinstance(acted.error, AccessDenied):
            raise acted.error
        if acted.outcome in ("done", "gone"):
            done += 1
            done_bytes += acted.target.size_bytes
        elif not isinstance(acted.error, Interrupted):
            left += 1
            assert acted.error is not None
            run.add([_left(acted.target.name, told_left(acted.error))])
    run.meter.tell(last=True)
    return done, done_bytes, left


def _bytes(targets: list[Target]) -> int:
    return sum(target.size_bytes for target in targets)


def _left(blob: str, reason: str) -> Finding:
    return Finding("blob-left", Severity.ERROR, reason, blob=blob)


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()
