"""The application behind the guard: the page, its files, and the routes."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from importlib.resources import files

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from laden.explorer.acting import Acting
from laden.explorer.looking import Looking
from laden.explorer.session import Session

_TYPES = {
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "svg": "image/svg+xml",
}


@cache
def static_files() -> dict[str, tuple[bytes, str]]:
    """The page's files, packed, and their types, by their path below `static/`: these, and no other path."""
    root = files("laden.explorer") / "static"
    found = {}
    for name in root.iterdir():
        if name.is_dir():
            found.update({f"{name.name}/{one.name}": one for one in name.iterdir() if one.is_file()})
        else:
            found[name.name] = name
    return {
        name: (gzip.compress(file.read_bytes(), mtime=0), _TYPES[name.rpartition(".")[2]])
        for name, file in found.items()
        if name.rpartition(".")[2] in _TYPES
    }


async def _page(request: Request) -> Response:
    return _handed_out(request, "page.html")


async def _static(request: Request) -> Response:
    return _handed_out(request, request.path_params["path"])


def _handed_out(request: Request, name: str) -> Response:
    if name not in static_files():
        return Response(status_code=404)
    data, kind = static_files()[name]
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(data, media_type=kind, headers={"Content-Encoding": "gzip"})
    return Response(gzip.decompress(data), media_type=kind)


def application(session: Session) -> Starlette:
    """The routes over a session, which is closed with the server."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await session.close()

    routes = [
        Route("/", _page),
        Route("/static/{path:path}", _static),
        *Looking(session).routes(),
        *Acting(session).routes(),
    ]
    return Starlette(routes=routes, lifespan=lifespan)
