"""`explore`: a page on this machine about a container, a folder, a source, or the containers of an account.

What a place is decides how it is opened: an address with a container is a container, one without is an account, a
folder in which a load was completed is that load, and any other folder or file, or a link to an archive, a share or a
bucket, is a source that is looked into. What the page starts (`verify`, `check`, `load`, `copy`) are the verbs of these
names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from laden.dataset.profile import open_profile
from laden.explorer.jobs import Job, Jobs
from laden.explorer.place import Place
from laden.explorer.serve import listening, open_browser, serve
from laden.explorer.session import Session, Verbs
from laden.explorer.stored import StoredPlace
from laden.explorer.surveyed import SurveyedPlace
from laden.remote.link import is_link, parse_link
from laden.run.loop import run as run_loop
from laden.run.run import Run, never, running
from laden.run.tasks import several
from laden.stages.loadpage import LOAD
from laden.store import Destination, FolderDestination, open_store, parse_destination, place_of, without_secret
from laden.store.access import Access, Renewal
from laden.store.account import list_containers
from laden.store.credentials import find_credential
from laden.store.sas import lacking_for_verify
from laden.values.arguments import Port, checked
from laden.values.errors import BlobMissing, Interrupted, LadenError, UsageError
from laden.values.events import Observer, PlanReady, Serving, Summary, Warned, ignore
from laden.values.units import plural, size
from laden.verbs.sources import is_source_link

_MARKED = 200
"""Containers of an account that are asked for a load."""
_ASKED_AT_ONCE = 16


@checked
def explore(
    place: str | Path,
    *,
    port: Port | None = None,
    open_page: bool = True,
    write: bool = False,
    profile: str | None = None,
    sas_command: str | None = None,
    observer: Observer = ignore,
    stopping: Callable[[], bool] = never,
) -> Summary:
    """Serve the explorer on this machine until it is stopped, or nobody has looked at it for half an hour.

    Args:
        place: a container's URL, a folder, a source (also a link to an archive, a share or a bucket), or an account's
            URL.
        port: of 127.0.0.1; None for one that is free.
        open_page: whether this person's browser is opened.
        write: whether anything may be changed from the page.
        profile: of a source, as in `load`; else TOML file of the load's profile, where that is no built-in one.
        sas_command: as in `load`.
        observer: told where the page is (`Serving`).
        stopping: asked several times a second; once true, the server ends.

    Raises:
        LadenError: the place cannot be opened, the profile not be read, or the port not be had.
    """
    place = place_of(place)
    with running(Summary("explore", destination=without_secret(place)), observer, stopping=stopping) as run:
        opened = _Opened(place, sas_command, profile, run)
        socket = listening(port)
        jobs = run_loop(_serve(run, opened, socket, write=write, open_page=open_page))
        run.note(acted=sum(job.result.get("outcomes", {}).get("done", 0) for job in jobs.all()))
        if jobs.cut:
            told = (job.name + (f": {job.message}" if job.message else "") for job in jobs.cut)
            raise Interrupted(f"stopped while this ran: {'; '.join(told)}")
        run.note(complete=True)
        return run.end()


async def _serve(run: Run, opened: _Opened, socket: Any, *, write: bool, open_page: bool) -> Jobs:
    """Serve, and return what was begun from the page."""
    loop = asyncio.get_running_loop()

    def tell(text: str) -> None:
        loop.call_soon_threadsafe(run.tell, Warned(text))

    opened.tell = tell
    jobs = Jobs()

    async def session() -> Session:
        made = Session(
            jobs=jobs,
            verbs=Verbs(opened.verify, opened.check, opened.upload, opened.copy),
            folder=Path.cwd(),
            write=write,
            opener=opened.place,
            containers=opened.containers if opened.is_account else None,
            access=opened,
        )
        if not opened.is_account:
            await made.open()
        return made

    def ready(_: str, address: str) -> None:
        run.tell(Serving(address, write))
        if open_page:
            open_browser(address)

    try:
        await serve(socket, session, ready, stopping=run.stopping)
    finally:
        opened.close()
    return jobs


class _Opened:
    """What the command line named, and how to reach it."""

    def __init__(self, text: str, sas_command: str | None, profile: str | None, run: Run) -> None:
        self._source = _link_of(text) if "://" in text else _source_of(text)
        self._account = _account_of(text) if self._source is None else None
        self._profile = profile
        self._of_loads = open_profile(profile) if profile else None
        self._renewal = Renewal(sas_command, None if sas_command else self._ask)
        self.ended = ""
        self._accesses: list[Access] = []
        self._run = run
        self.tell: Callable[[str], None] = lambda _: None
        self._destination: Destination | FolderDestination | None = None
        if self._account is None and self._source is None:
            self._destination = parse_destination(text)
            self._access(self._destination)

    @property
    def is_account(self) -> bool:
        return self._account is not None

    def close(self) -> None:
        for access in self._accesses:
            access.close()

    def place(self, container: str) -> Place:
        if self._source is not None:
            return SurveyedPlace(self._source, self._profile)
        if self._account is not None:
            address, query = self._account
            self._destination = parse_destination(f"{address}/{container}" + (f"?{query}" if query else ""))
        assert self._destination is not None
        return StoredPlace(self._destination, self._access(self._destination).source, self._of_loads)

    def _access(self, destination: Destination | FolderDestination) -> Access:
        access = Access(
            destination,
            lacking_for_verify,
            self._renewal,
            tell=lambda text: self.tell(text),
            stopping=self._run.stopping,
        )
        self._accesses.append(access)
        return access

    def _ask(self, why: str, over: Callable[[], bool]) -> str:
        """Nobody is waited for: the page says what is needed, and `give` brings it."""
        self.ended = why
        return ""

    def give(self, text: str) -> None:
        self._accesses[-1].give(text)
        self.ended = ""

    async def containers(self) -> dict[str, Any]:
        """Those of the account, with whether laden loaded something there."""
        assert self._account is not None
        address, query = self._account
        some = parse_destination(f"{address}/laden" + (f"?{query}" if query else ""))
        assert isinstance(some, Destination)
        found = await list_containers(some.endpoint, some.account, find_credential(some))
        asking = (self._has_load(address, query, one.name) for one in found[:_MARKED])
        loads = {name: load async for name, load in several(asking, _ASKED_AT_ONCE)}
        told = [{"name": one.name, "public": one.public, "load": loads.get(one.name)} for one in found]
        return {"account": some.account, "containers": told}

    async def _has_load(self, address: str, query: str, name: str) -> tuple[str, bool | None]:
        """A container's name, and whether a load left its page there; None where that cannot be told."""
        try:
            destination = parse_destination(f"{address}/{name}" + (f"?{query}" if query else ""))
            store = open_store(destination, connections=4)
        except UsageError:
            # `$logs` and `$web` are the service's own.
            return name, None
        try:
            await store.head(LOAD)
        except BlobMissing:
            return name, False
        except LadenError:
            return name, None
        else:
            return name, True
        finally:
            await store.close()

    def verify(self, title: str, job: Job) -> Summary:
        from laden.verbs.verify import verify

        return verify(
            self._with_secret(title),
            observer=job.observe,
            stopping=lambda: job.stopping,
            sas_command=self._renewal.command,
        )

    def check(self, title: str, job: Job) -> Summary:
        from laden.verbs.check import check

        return check(
            title if self._source is None else self._source,
            profile=self._profile,
            observer=job.observe,
            stopping=lambda: job.stopping,
        )

    def upload(self, paths: list[Path], title: str, job: Job) -> Summary:
        from laden.verbs.load import load

        return load(
            paths,
            self._with_secret(title),
            profile="files",
            observer=job.observe,
            stopping=lambda: job.stopping,
            sas_command=self._renewal.command,
        )

    def copy(self, names: Iterable[str] | None, title: str, destination: str, job: Job) -> Summary:
        from laden.verbs.copy import copy, copy_named
        from laden.verbs.properties import Which

        which = Which(profile=self._profile, observer=job.observe, stopping=lambda: job.stopping)
        source = self._with_secret(title)

        def confirm(ready: PlanReady) -> bool:
            return job.asks(_copying(ready))

        if names is None:
            return copy(source, destination, confirm=confirm, **which)
        return copy_named(source, destination, names, confirm=confirm, **which)

    def _with_secret(self, title: str) -> str:
        access = self._accesses[-1]
        return f"{title}?{access.fresh('', refused=False)}" if access.sas else title


def _copying(ready: PlanReady) -> str:
    """What a copy would do, for whoever has to say yes to it."""
    told = f"Copy {plural(ready.send + ready.replace, 'image')} ({size(ready.bytes_to_send)}) to {ready.place}?"
    others = [f"{_are(ready.images, 'image')} meant"]
    if ready.already_there:
        others.append(f"{_are(ready.already_there)} there already")
    if ready.compare:
        others.append(f"{_are(ready.compare)} there and {'has' if ready.compare == 1 else 'have'} to be compared")
    if ready.conflicts:
        many = ready.conflicts != 1
        others.append(
            f"{ready.conflicts:,} {'have' if many else 'has'} other content there, and {'are' if many else 'is'} left"
        )
    return f"{told} {', '.join(others)}. Nothing is replaced there."


def _are(count: int, noun: str = "") -> str:
    """`1 image is`, `2 are`."""
    return f"{plural(count, noun) if noun else f'{count:,}'} {'is' if count == 1 else 'are'}"


def _account_of(text: str) -> tuple[str, str] | None:
    """Address and SAS of an account, where no container is named."""
    if "://" not in text:
        return None
    parts = urlsplit(text.strip())
    segments = [segment for segment in parts.path.split("/") if segment]
    by_path = (parts.hostname or "").replace(".", "").isdecimal() or parts.hostname in ("localhost", "::1")
    if len(segments) != (1 if by_path else 0):
        return None
    return f"{parts.scheme}://{parts.netloc}" + "".join(f"/{segment}" for segment in segments), parts.query


def _link_of(text: str) -> str | None:
    """The link to a source that is meant; None for a container."""
    return text if is_link(text) and is_source_link(parse_link(text)) else None


def _source_of(text: str) -> Path | None:
    """The source that is meant; None for a folder in which a load was completed."""
    path = Path(text).expanduser().absolute()
    if not path.exists():
        raise UsageError(f"there is no {path}: check the path")
    return None if path.is_dir() and (path / LOAD).is_file() else path
