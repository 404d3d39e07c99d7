"""The routes that look: status, windows of the list, facets, one item, its pictures. None of them changes anything."""

from __future__ import annotations

import asyncio
import hashlib
import json
import warnings
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from laden.dataset.images import look
from laden.dataset.images.child import DecodingStopped
from laden.explorer import facets
from laden.explorer.answers import body, number, of_view, refuse_unsettled, routes, text, texts, until_gone
from laden.explorer.export import exported
from laden.explorer.guard import DOWNLOAD_CSP
from laden.explorer.jobs import kinds
from laden.explorer.pixels import Decoders, Opened, open_image
from laden.explorer.place import Place, commands, facts, read_whole, state_words
from laden.explorer.session import Session
from laden.explorer.stored import StoredPlace
from laden.explorer.surveyed import SurveyedPlace
from laden.explorer.views import COLUMNS, Query, View
from laden.explorer.watching import progress
from laden.report.pixels import EDGE_PIXELS, draw
from laden.values.errors import BlobMissing, SourceError, UsageError

_HOWS = ("part", "glob", "regex")
_GETS = (
    "status", "rows", "folders", "facet", "columns", "at", "item", "properties", "thumb", "pixels", "file", "export",
    "load", "containers",
)  # fmt: skip
_POSTS = ("view", "refresh", "open")
T = TypeVar("T")
_OF_NO_PLACE = ("status", "containers", "open")


class Looking:
    """The routes, over one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            *routes(self, _GETS, "GET", self._session, _OF_NO_PLACE),
            *routes(self, _POSTS, "POST", self._session, _OF_NO_PLACE),
        ]

    @property
    def _place(self) -> Place:
        if self._session.place is None:
            raise UsageError("choose a container first")
        return self._session.place

    async def status(self, request: Request) -> Response:
        """What is shown, and how far it is."""
        session, place = self._session, self._session.place
        answer: dict[str, Any] = {
            "place": None,
            "write": session.write,
            "account": session.containers is not None,
            "folder": str(session.folder),
            "ended": session.access.ended if session.access else "",
            "jobs": sum(job.state == "running" for job in session.jobs.all()),
        }
        if place is not None:
            items, size_bytes = await asyncio.to_thread(place.index.count)
            answer.update(
                place={"title": place.title, "kind": place.kind, "number": session.number, "epoch": place.index.epoch},
                state=vars(place.index.state),
                items=items,
                bytes=size_bytes,
                marks=session.marks.where if session.marks else "",
            )
        return JSONResponse(answer)

    async def containers(self, request: Request) -> Response:
        """Those of the account."""
        if self._session.containers is None:
            return JSONResponse({"containers": []})
        return JSONResponse(await self._session.containers())

    async def open(self, request: Request) -> Response:
        """Show one of the account's containers."""
        if self._session.containers is None:
            raise UsageError("this server shows one place alone")
        await self._session.open(text(await body(request), "container"))
        return JSONResponse({})

    async def refresh(self, request: Request) -> Response:
        """Look again."""
        await self._session.refresh()
        return JSONResponse({})

    async def view(self, request: Request) -> Response:
        """Make a view; its number goes with all that follows."""
        given = await body(request)
        query = Query(
            text(given, "folder"),
            text(given, "find"),
            text(given, "how", "part"),
            tuple(texts(given, "where")),
            text(given, "sort", "name"),
            bool(given.get("descending")),
        )
        if query.how not in _HOWS:
            raise UsageError(f"'how' must be one of {', '.join(_HOWS)}")
        place = self._place
        index = place.index
        refuse_unsettled(place, labelled=bool(query.where))
        view = await asyncio.to_thread(place.views.open, query, index.state.generation, index.epoch)
        # While it was made, a table may have been taken away from under it.
        refuse_unsettled(place, labelled=bool(query.where))
        told_commands = await asyncio.to_thread(commands, place, view)
        answer = {"view": view.number, "rows": view.rows, "bytes": view.size_bytes, "generation": view.generation}
        return JSONResponse({**answer, "commands": told_commands, "columns": COLUMNS})

    async def _of_view(self, request: Request, ask: Callable[[View], T], *, labelled: bool = False) -> T:
        return await of_view(self._place, number(request, "view"), ask, labelled=labelled)

    async def rows(self, request: Request) -> Response:
        """A window of a view."""
        extra = request.query_params.getlist("column")[:20]
        start, count = number(request, "from"), number(request, "n", 200)
        views = self._place.views
        rows = await self._of_view(request, lambda view: views.window(view, start, count, extra))
        return JSONResponse({"rows": rows, "generation": self._place.index.state.generation})

    async def at(self, request: Request) -> Response:
        """Where a name stands in a view."""
        name = request.query_params.get("name", "")
        views = self._place.views
        return JSONResponse({"at": await self._of_view(request, lambda view: views.place_of(view, name))})

    async def folders(self, request: Request) -> Response:
        """What lies right below the view's folder."""
        return JSONResponse({"folders": await self._of_view(request, self._place.views.folders)})

    async def columns(self, request: Request) -> Response:
        """What can be filtered by."""
        place = self._place
        found = await asyncio.to_thread(facets.columns, place.labels, place.index.relations)
        names = [column.name for column in place.labels.all_columns]
        return JSONResponse({"facets": found, "columns": names, "table": place.labels.table, **_series(place)})

    async def facet(self, request: Request) -> Response:
        """One column's values in a view."""
        place = self._place
        column = place.labels.column(request.query_params.get("column", ""))
        if column is None:
            raise UsageError("there is no such column")
        found = await self._of_view(
            request, lambda view: facets.facet(column, view, place.views, place.labels, place.index.relations)
        )
        return JSONResponse(found)

    async def item(self, request: Request) -> Response:
        """What is known of one item without asking the store."""
        name = request.query_params.get("name", "")
        found = await asyncio.to_thread(facts, self._place, name)
        if found is None:
            raise BlobMissing(f"there is no {name} here (any more)")
        return JSONResponse(found)

    async def properties(self, request: Request) -> Response:
        """What the store says of one item."""
        return JSONResponse(await self._place.properties(request.query_params.get("name", "")))

    async def thumb(self, request: Request) -> Response:
        """A small picture, as WebP."""
        name = request.query_params.get("name", "")
        place = self._place
        content = await asyncio.to_thread(_content, self._session, place, name)
        if not content:
            # A finding may be about what is gone.
            return Response(status_code=204)
        inverted = await asyncio.to_thread(is_inverted, place, name)
        key = f"{content}:{inverted}"
        picture = self._session.thumbs.get(key)
        if picture is None:
            try:
                picture = await until_gone(request, self._drawn(place, name, inverted=inverted))
            except BlobMissing:
                picture = b""
            if picture:
                self._session.thumbs.put(key, picture)
        if not picture:
            return Response(status_code=204)
        return Response(picture, media_type="image/webp")

    async def _drawn(self, place: Place, name: str, *, inverted: bool) -> bytes:
        async with self._session.looking:
            data = await _read(place, name)
            return await asyncio.to_thread(_small, self._session.decoders, data, inverted=inverted)

    async def pixels(self, request: Request) -> Response:
        """One frame's values, as they are; what they mean is in the header `X-Laden-Image`."""
        name, frame = request.query_params.get("name", ""), number(request, "frame")
        place = self._place
        tag = await asyncio.to_thread(_tag, self._session, place, name, frame)
        if tag and request.headers.get("if-none-match") == tag:
            return Response(status_code=304)
        opened, told_state, size_bytes = await until_gone(request, self._opened(place, name, frame))
        head = {**(opened.facts() if opened else {}), **told_state, "file_bytes": size_bytes}
        headers = {"X-Laden-Image": json.dumps(head), **({"ETag": tag} if tag else {})}
        data = opened.data if opened else b""
        return Response(data, media_type="application/octet-stream", headers=headers)

    async def _opened(self, place: Place, name: str, frame: int) -> tuple[Opened | None, dict[str, str], int]:
        async with self._session.looking:
            inverted = await asyncio.to_thread(is_inverted, place, name)
            data = await _read(place, name)
            decoders = self._session.decoders
            opened = await asyncio.to_thread(_quietly, open_image, data, frame, decoders, inverted=inverted)
            state = await asyncio.to_thread(look, name, data)
        size = f"its header says {state.width:,} x {state.height:,} pixels" if state.width else ""
        told_state = {"state": state.state, "detail": state.detail, "says": size, **state_words(state.state)}
        return opened, told_state, len(data)

    async def file(self, request: Request) -> Response:
        """One item as it is, as an attachment that no browser opens here."""
        name, place = request.query_params.get("name", ""), self._place
        parts = place.read(name)
        first = await anext(parts, b"")

        async def rest() -> Any:
            yield first
            async for part in parts:
                place.index.state.read_bytes += len(part)
                yield part

        return StreamingResponse(rest(), headers=attachment(name.rpartition("/")[2]))

    async def export(self, request: Request) -> Response:
        """The view as CSV, Parquet, or a list of keys."""
        form = request.query_params.get("form", "csv")
        place = self._place
        file, name = await self._of_view(request, lambda view: exported(place, view, form), labelled=True)
        return StreamingResponse(file, headers=attachment(name))

    async def load(self, request: Request) -> Response:
        """What a load left about itself, and how the place compares with it."""
        place = self._place
        if isinstance(place, StoredPlace):
            return JSONResponse(await asyncio.to_thread(_loaded, place))
        assert isinstance(place, SurveyedPlace)
        return JSONResponse({"findings": kinds(place.findings)})


def _content(session: Session, place: Place, name: str) -> str:
    """Another text for each content; empty for what is not there.

    Without an MD5, place, name and version stand for it: two files of one length and time have one ETag, and so may two
    blobs. What lies on this machine is looked at anew after each listing, for its version is no more than that.
    """
    found = place.index.relations.all("SELECT md5, coalesce(etag, '') FROM items WHERE name = ?", [name])
    if not found:
        return ""
    ((md5, etag),) = found
    seen = "" if place.kind == "container" else session.looks
    own = f"{session.number}:{seen}:{etag}:{name}".encode("utf-8", "surrogatepass")
    return str(md5) if md5 else hashlib.sha256(own).hexdigest()


def _tag(session: Session, place: Place, name: str, frame: int) -> str:
    """Another one for each content, and way to look at it; empty for what is not there."""
    content = _content(session, place, name)
    return f'"{content}-{frame}-{is_inverted(place, name)}"' if content else ""


async def _read(place: Place, name: str) -> bytes:
    """A member that is damaged is no reason to show nothing of it."""
    try:
        return await read_whole(place, name)
    except SourceError:
        return b""


def _small(decoders: Decoders, data: bytes, *, inverted: bool) -> bytes:
    """A small picture; empty where there can be none."""
    try:
        decoded = decoders.decode(data, EDGE_PIXELS)
    except DecodingStopped:
        return b""
    return draw(decoded, invert=inverted).webp if decoded else b""


def _quietly(function: Any, *arguments: Any, **named: Any) -> Any:
    """Decoders warn of files that are large or odd: of no use to whoever looks at them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **named)


def is_inverted(place: Place, name: str) -> bool:
    """Whether the table says that an image's lowest value means white: all of its rows that say anything of it."""
    column = place.labels.shape.photometric if place.labels.shape else None
    if column is None or (found := place.labels.column(column)) is None:
        return False
    ((inverted,),) = place.index.relations.all(
        f"SELECT coalesce(bool_and({found.quoted}::VARCHAR = 'MONOCHROME1'), false) FROM records WHERE laden_name = ?",  # noqa: S608
        [name],
    )
    return bool(inverted)


def attachment(name: str) -> dict[str, str]:
    """Headers of a file that is handed out (RFC 6266): never shown, never run."""
    return {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": DOWNLOAD_CSP,
    }


def _series(place: Place) -> dict[str, str]:
    """Columns that bring together all images of a person in order, where names tell."""
    columns = place.labels.columns
    names = {column.name.lower().replace("_", ""): column for column in columns}
    patient = next((names[name].name for name in ("patientid", "patient", "subjectid") if name in names), "")
    date = next((column.name for column in columns if column.kind == "date"), "")
    date = date or next((names[name].name for name in ("studydatedicom", "studydate") if name in names), "")
    return {"patient": patient, "date": date}


def _loaded(place: StoredPlace) -> dict[str, Any]:
    fates = dict(place.relations.all("SELECT fate, count(*) FROM items GROUP BY 1"))
    states = dict(place.relations.all("SELECT coalesce(state, ''), count(*) FROM items GROUP BY 1"))
    page = place.load
    told_all = {"fates": fates, "states": states, "watch": progress(place)}
    if page is None:
        return {"load": None, **told_all}
    load = {
        "state": page.state,
        "profile": page.profile,
        "layout": page.layout,
        "rows": page.rows,
        "rows_with_image": page.rows_with_image,
        "images": page.images,
        "bytes": page.size_bytes,
        "documents": [document.name for document in page.documents],
    }
    return {"load": load, **told_all}
