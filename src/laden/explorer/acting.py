"""The routes that do something: marks, jobs, downloads; and with `--write`, what changes the place."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from laden.explorer.acts import Acts
from laden.explorer.answers import body, of_view, text, texts, told
from laden.explorer.download import download
from laden.explorer.jobs import Job
from laden.explorer.place import Place
from laden.explorer.session import Session
from laden.explorer.stored import StoredPlace
from laden.stages.download import Wanted
from laden.values.errors import UsageError


class Acting:
    """The routes, over one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._acts: dict[int, Acts] = {}

    def routes(self) -> list[Route]:
        """All of them; a server without `--write` has none that changes a place."""
        names = ["mark", "verify", "check", "download", "stop", "access"]
        if self._session.write:
            names += ["plan", "act", "upload", "sas"]
        return [
            Route("/api/jobs", told(self.jobs), methods=["GET"]),
            *(Route(f"/api/{name}", told(getattr(self, name)), methods=["POST"]) for name in names),
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
        given = await body(request)
        job = self._session.jobs.get(given.get("job") if isinstance(given.get("job"), int) else 0)  # type: ignore[arg-type]
        if job is not None:
            job.stopping = True
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
        assert self._session.marks is not None
        note = given.get("note")
        await self._session.marks.put(
            texts(given, "names"), text(given, "mark"), note if isinstance(note, str) else None
        )
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
        folder = self._session.local_folder(text(given, "folder"))
        if isinstance(place, StoredPlace) and folder == Path(place.title):
            raise UsageError("that is the folder that is shown: name another")
        chosen = await self._chosen(given)
        rows = await asyncio.to_thread(_wanted, place, chosen)

        async def work(job: Job) -> None:
            await download(place, rows, folder, job)

        return JSONResponse(self._session.jobs.begin("download", f"to {folder}", work).told())

    async def _chosen(self, given: dict[str, Any]) -> list[str]:
        """Names that were given, or those of a view."""
        names = texts(given, "names")
        if names:
            return names
        if not isinstance(number := given.get("view"), int):
            raise UsageError("choose what is meant: some images, or what is shown now")
        return await of_view(self._place, number, self._place.views.names)

    async def plan(self, request: Request) -> Response:
        """What an action would do."""
        given = await body(request)
        values = given.get("values", {})
        names = await self._chosen(given)
        plan = await self._acts_of().plan(text(given, "action"), names, values if isinstance(values, dict) else {})
        return JSONResponse(plan.told())

    async def act(self, request: Request) -> Response:
        """Carry a plan out."""
        given = await body(request)
        acts = self._acts_of()
        plan = acts.take(text(given, "plan"), text(given, "count"))

        async def work(job: Job) -> None:
            await acts.carry_out(plan, job)
            await self._session.refresh()

        return JSONResponse(self._session.jobs.begin(plan.action, plan.sentence, work).told())

    def _acts_of(self) -> Acts:
        place = self._place
        if not isinstance(place, StoredPlace):
            raise UsageError("a source is never changed")
        return self._acts.setdefault(self._session.number, Acts(place))

    async def upload(self, request: Request) -> Response:
        """Send files and folders of this machine, as `laden load --profile files` does."""
        given = await body(request)
        place = self._place
        if not isinstance(place, StoredPlace):
            raise UsageError("a source is never changed")
        paths = self._session.local_paths(texts(given, "paths"))
        prefix = text(given, "prefix").strip("/")
        target = f"{place.title}/{prefix}" if prefix else place.title

        def verb(job: Job) -> None:
            self._session.verbs.upload(paths, target, job)

        return JSONResponse(self._session.jobs.begin_verb("upload", f"to {target}", verb).told())

    async def sas(self, request: Request) -> Response:
        """A SAS for reading what is shown, for an hour at most a day; it is in this answer and nowhere else."""
        from laden.explorer.signing import reading_sas

        given = await body(request)
        place = self._place
        if not isinstance(place, StoredPlace):
            raise UsageError("a source needs no SAS")
        hours = given.get("hours", 1)
        return JSONResponse({"url": await reading_sas(place.destination, hours if isinstance(hours, int) else 1)})


def _wanted(place: Place, names: list[str]) -> list[Wanted]:
    rows = place.index.relations.all(
        "SELECT name, size_bytes, md5 FROM items WHERE name IN (SELECT unnest(?::VARCHAR[])) AND fate <> 'deleted'"
        " ORDER BY pos",
        [names],
    )
    if not rows:
        raise UsageError("nothing was chosen that is there")
    return [Wanted(name, name, size_bytes, bytes.fromhex(md5) if md5 else None) for name, size_bytes, md5 in rows]
