"""The routes that do something: marks, jobs, downloads; and with `--write`, what changes the place."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from laden.explorer.acts import Acts
from laden.explorer.answers import body, named, of_view, routes, text, texts
from laden.explorer.chosen import Choice, Chosen, Item, of_choice, read_choice
from laden.explorer.download import download
from laden.explorer.export import images_of
from laden.explorer.jobs import Job
from laden.explorer.marks import FILE as MARKS_FILE
from laden.explorer.place import Place
from laden.explorer.saved import FILE as VIEWS_FILE
from laden.explorer.session import Session
from laden.explorer.stored import StoredPlace
from laden.explorer.uploading import below, refuse_taking_over
from laden.run.tasks import in_own_thread
from laden.stages.download import Wanted
from laden.store import parse_destination, without_secret
from laden.values.errors import UsageError

_MOST_MARKED = 100_000
_OF_NO_PLACE = ("jobs", "stop", "answer")


class Acting:
    """The routes, over one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._acts: dict[int, Acts] = {}

    def routes(self) -> list[Route]:
        """All of them; a server without `--write` has none that changes a place."""
        names = ["mark", "verify", "check", "download", "stop", "access", "save", "forget"]
        gets = ["jobs", "views"]
        if self._session.write:
            names += ["plan", "drop", "act", "upload", "sas", "copy", "answer"]
            gets.append("deleted")
        return [
            *routes(self, gets, "GET", self._session, _OF_NO_PLACE),
            *routes(self, names, "POST", self._session, _OF_NO_PLACE),
        ]

    @property
    def _place(self) -> Place:
        if self._session.place is None:
            raise UsageError("choose a container first")
        return self._session.place

    async def jobs(self, request: Request) -> Response:
        """All of them, the latest first."""
        return JSONResponse({"jobs": [job.told() for job in self._session.jobs.all()]})

    async def stop(self, request: Request) -> Response:
        """Ask a job to end."""
        job = self._job(await body(request))
        if job is not None:
            job.stopping = True
        return JSONResponse({})

    async def answer(self, request: Request) -> Response:
        """Say yes or no to what a job asks."""
        given = await body(request)
        job = self._job(given)
        if job is None:
            raise UsageError("there is no such job")
        job.answer(yes=given.get("yes") is True)
        return JSONResponse({})

    def _job(self, given: dict[str, Any]) -> Job | None:
        number = given.get("job")
        return self._session.jobs.get(number) if isinstance(number, int) else None

    async def views(self, request: Request) -> Response:
        """Looks at this place that were kept under a name."""
        views = self._session.views
        found = await asyncio.to_thread(views.of, self._place.title)
        return JSONResponse({"views": found, "file": str(views.path)})

    async def save(self, request: Request) -> Response:
        """Keep a look under a name."""
        given, views = await body(request), self._session.views
        await asyncio.to_thread(views.save, self._place.title, text(given, "name"), given.get("look", {}))
        return JSONResponse({})

    async def forget(self, request: Request) -> Response:
        """Let go of a look."""
        given, views = await body(request), self._session.views
        await asyncio.to_thread(views.forget, self._place.title, text(given, "name"))
        return JSONResponse({})

    async def access(self, request: Request) -> Response:
        """Go on with another SAS, which is kept in memory alone."""
        given = await body(request)
        if self._session.access is None:
            raise UsageError("this place needs no SAS")
        await asyncio.to_thread(self._session.access.give, text(given, "sas"))
        place = self._place
        if isinstance(place, StoredPlace):
            await place.reach_again()
        await self._session.refresh()
        return JSONResponse({})

    async def mark(self, request: Request) -> Response:
        """Mark images."""
        given = await body(request)
        if self._session.marks is None:
            raise UsageError("choose a container first")
        note, names = given.get("note"), texts(given, "names")
        if not names:
            names = await of_choice(self._place, await self._choice(given), partial(_marked, self._place))
        if not names:
            raise UsageError("nothing was chosen that is there")
        await self._session.marks.put(names, text(given, "mark"), note if isinstance(note, str) else None)
        return JSONResponse({"where": self._session.marks.where})

    async def verify(self, request: Request) -> Response:
        """Hold the place against its manifest."""
        place = self._place
        if not isinstance(place, StoredPlace):
            raise UsageError("a source is checked, not verified")
        return self._begun("verify", place.title, lambda job: self._session.verbs.verify(place.title, job))

    async def check(self, request: Request) -> Response:
        """Hold a source's table against its archives."""
        place = self._place
        if place.kind != "source":
            raise UsageError("what was loaded is verified, not checked")
        return self._begun("check", place.title, lambda job: self._session.verbs.check(place.title, job))

    def _begun(self, kind: str, title: str, verb: Any) -> Response:
        return JSONResponse(self._session.jobs.begin_verb(kind, title, verb).told())

    async def download(self, request: Request) -> Response:
        """Bring a view, or some names, into a folder of this machine."""
        given = await body(request)
        place = self._place
        folder = self._session.local_folder(named(given, "folder"))
        chosen = await of_choice(place, await self._choice(given), partial(Chosen.of_items, place.index.relations))
        try:
            await asyncio.to_thread(_refuse_shown, place, folder, chosen)
        except BaseException:
            chosen.close()
            raise

        async def work(job: Job) -> None:
            job.in_all, job.bytes_in_all = len(chosen), chosen.size_bytes
            try:
                await download(place, _wanted(chosen), folder, job, partial(_is_kept, self._session.folder))
            finally:
                chosen.close()

        return JSONResponse(self._session.jobs.begin("download", f"to {folder}", work).told())

    async def plan(self, request: Request) -> Response:
        """What an action would do."""
        given = await body(request)
        values = given.get("values", {})
        values = values if isinstance(values, dict) else {}
        plan = await self._acts_of().plan(text(given, "action"), read_choice(given), values)
        return JSONResponse(plan.told())

    async def drop(self, request: Request) -> Response:
        """Forget a plan that nobody will carry out."""
        given = await body(request)
        self._acts_of().forget(text(given, "plan"))
        return JSONResponse({})

    async def act(self, request: Request) -> Response:
        """Carry a plan out."""
        given = await body(request)
        acts = self._acts_of()
        plan = await acts.take(text(given, "plan"), text(given, "count"))

        async def work(job: Job) -> None:
            await acts.carry_out(plan, job)
            await self._session.refresh(changed=True)

        return JSONResponse(self._session.jobs.begin(plan.action, plan.sentence, work).told())

    def _acts_of(self) -> Acts:
        place = self._place
        if not isinstance(place, StoredPlace):
            raise UsageError("a source is never changed")
        assert self._session.marks is not None
        return self._acts.setdefault(self._session.number, Acts(place, self._session.marks))

    async def _choice(self, given: dict[str, Any]) -> Choice:
        """What a request means; marks by which that was chosen are those that are kept now."""
        choice = read_choice(given)
        if self._session.marks is not None:
            await self._session.marks.of_view(choice.view)
        return choice

    async def upload(self, request: Request) -> Response:
        """Send files and folders of this machine, as `laden load --profile files` does."""
        given = await body(request)
        place = self._place
        if not isinstance(place, StoredPlace):
            raise UsageError("a source is never changed")
        paths = self._session.local_paths(texts(given, "paths"))
        prefix = named(given, "prefix").strip("/")
        await refuse_taking_over(place, prefix)
        target = str(below(place.destination, prefix))

        async def work(job: Job) -> None:
            job.result["below"] = f"{prefix}/" if prefix else ""
            await in_own_thread(lambda: self._session.verbs.upload(paths, target, job))
            await self._session.refresh(changed=True)

        return JSONResponse(self._session.jobs.begin("upload", f"to {target}", work, holds=False).told())

    async def copy(self, request: Request) -> Response:
        """Copy a view, or some images, to another place, as `laden copy` does; asks before anything is written."""
        given = await body(request)
        place = self._place
        if not isinstance(place, StoredPlace):
            raise UsageError("a source is loaded, not copied: laden load")
        target = text(given, "to").strip()
        if not target:
            raise UsageError("name a container, by its URL, or a folder of this machine")
        told_target = without_secret(str(parse_destination(target)))
        if sas := text(given, "sas").strip().rpartition("?")[2]:
            target = f"{target.partition('?')[0]}?{sas}"
        parse_destination(target)
        images = None
        if not await self._means_all(given):
            images = await of_choice(place, await self._choice(given), partial(images_of, place))

        def verb(job: Job) -> None:
            names = None if images is None else (item.name for item in images)
            try:
                self._session.verbs.copy(names, place.title, target, job)
            finally:
                if images is not None:
                    images.close()

        return JSONResponse(self._session.jobs.begin_verb("copy", f"to {told_target}", verb).told())

    async def _means_all(self, given: dict[str, Any]) -> bool:
        choice = read_choice(given)
        if choice.view is None or choice.names:
            return False
        return await of_view(self._place, choice.view, self._place.views.is_all)

    async def deleted(self, request: Request) -> Response:
        """What is gone and can be brought back, a page of the listing at a time."""
        place = self._place
        if not isinstance(place, StoredPlace):
            raise UsageError("a source keeps nothing that was deleted")
        found, marker = await place.deleted(request.query_params.get("marker", ""))
        return JSONResponse({"deleted": found, "marker": marker})

    async def sas(self, request: Request) -> Response:
        """A SAS for reading what is shown, for an hour at most a day; it is in this answer and nowhere else."""
        from laden.explorer.signing import reading_sas

        given = await body(request)
        place = self._place
        if not isinstance(place, StoredPlace):
            raise UsageError("a source needs no SAS")
        hours = given.get("hours", 1)
        return JSONResponse({"url": await reading_sas(place.destination, hours if isinstance(hours, int) else 1)})


def _marked(place: Place, condition: str) -> list[str]:
    """The names of what is to be marked."""
    query = f"SELECT name FROM items WHERE {condition} LIMIT {_MOST_MARKED + 1}"  # noqa: S608 - own text
    names = [name for (name,) in place.index.relations.all(query)]
    if len(names) > _MOST_MARKED:
        raise UsageError(
            f"more than {_MOST_MARKED:,} images at once are not marked, for marks are a table that is written anew each"
            " time: a condition says the same of all of them"
        )
    return names


def _wanted(chosen: Iterable[Item]) -> Iterator[Wanted]:
    for name, _, size_bytes, md5 in chosen:
        yield Wanted(name, name, size_bytes, bytes.fromhex(md5) if md5 else None)


def _is_kept(folder: Path, path: Path) -> bool:
    """Whether marks or views are kept under that path; some file systems mind no letter's case."""
    return path.name.casefold() in (MARKS_FILE, VIEWS_FILE) and _is_same(path.parent, folder)


def _refuse_shown(place: Place, folder: Path, chosen: Iterable[Item]) -> None:
    """Nothing is downloaded into a folder that is shown, or below it: that would change it."""
    shown = Path(place.title)
    if place.kind == "container" or not shown.is_dir():
        return
    # Not by their names: one folder may have several.
    if any(_is_same(above, shown) for above in (folder, *folder.parents)):
        raise UsageError(f"{folder} is in the folder that is shown, which a download would change: name another")
    if any(_is_same(above, folder) for above in shown.resolve().parents):
        below = {item.name.rpartition("/")[0] for item in chosen}
        folders = {above for one in below for above in (folder / one, *(folder / one).parents)}
        if any(_is_same(above, shown) for above in folders):
            raise UsageError(f"in {folder} some of this would come to lie in the folder that is shown: name another")


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False
