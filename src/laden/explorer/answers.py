"""How routes read requests and answer: errors as sentences with a status, work that ends when nobody waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Iterator
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from laden.explorer.place import Place
from laden.explorer.session import Session
from laden.explorer.views import View
from laden.relations import Relations
from laden.values.errors import (
    AccessDenied,
    AccessEnded,
    BlobConflict,
    BlobMissing,
    LadenError,
    SourceError,
    TransientStoreError,
    UsageError,
)
from laden.values.secrets import redact

T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Response]]

_STATUS: tuple[tuple[type[LadenError], int, str], ...] = (
    (UsageError, 400, "usage"),
    (AccessEnded, 403, "ended"),
    (AccessDenied, 403, "denied"),
    (BlobMissing, 404, "missing"),
    (BlobConflict, 409, "conflict"),
    (SourceError, 422, "source"),
    (TransientStoreError, 503, "busy"),
    (LadenError, 502, "store"),
)
CLIENT_GONE = 499
_MOST_WORDS = 200


class Gone(Exception):  # noqa: N818 - named for what happened
    """Nobody waits for the answer any more."""


class Stale(Exception):  # noqa: N818 - named for what happened
    """What was asked of is out of date."""


PLACE = "x-laden-place"
"""Of a request, the number of the place that its page shows."""


def told(handler: Handler, session: Session, *, of_place: bool) -> Handler:
    """A route whose errors are answers.

    Args:
        handler: answers requests.
        session: what is shown.
        of_place: whether the route is about the place that is shown now: what a page asks that shows another one,
            because somebody opened this one in another tab, is not about this one.
    """

    async def answering(request: Request) -> Response:
        before = _shown(session)
        try:
            if of_place and _named(request) not in (None, str(session.number)):
                raise _elsewhere(request)
            return await handler(request)
        except LadenError as error:
            status, kind = next((status, kind) for of, status, kind in _STATUS if isinstance(error, of))
            return JSONResponse({"error": str(error), "kind": kind}, status)
        except Gone:
            return Response(status_code=CLIENT_GONE)
        except Stale:
            # No error: what was asked of has just been made anew, and the page asks again.
            return JSONResponse({"stale": True})
        except Relations.Error as error:
            if _is_moving(session) or before != _shown(session):
                return JSONResponse({"stale": True})
            # Asked again, it would be the same again.
            words = " ".join(str(error).split())[:_MOST_WORDS]
            sentence = f"laden's own database could not answer this: {words}; look again with Refresh, or ask for less"
            return JSONResponse({"error": sentence, "kind": "database"}, 500)

    return answering


def routes(
    owner: object, names: Iterable[str], method: str, session: Session, of_no_place: Collection[str]
) -> Iterator[Route]:
    """Routes of one method to the handlers of these names; `of_no_place` are not about the place that is shown."""
    for name in names:
        handler = told(getattr(owner, name), session, of_place=name not in of_no_place)
        yield Route(f"/api/{name}", handler, methods=[method])


def _shown(session: Session) -> tuple[int, int]:
    """Another one once what was asked before is out of date."""
    return session.number, session.place.index.state.generation if session.place else 0


def _is_moving(session: Session) -> bool:
    """Whether what is shown may be made anew at this moment."""
    place = session.place
    return place is None or session.leaving or place.index.state.phase in ("opening", "listing")


async def of_view(place: Place, number: int, ask: Callable[[View], T], *, labelled: bool = False) -> T:
    """What `ask`, in a thread, finds of a view.

    Args:
        place: whose view it is.
        number: of the view.
        ask: what is asked.
        labelled: whether labels or marks are asked for, as with a view that has a condition.

    Raises:
        Stale: positions meant other items before it was done, or labels and marks are still on their way.
        UsageError: labels and marks could not be read.
    """
    view = place.views.get(number)
    if view is None or view.epoch != place.index.epoch:
        raise Stale
    refuse_unsettled(place, labelled=labelled or bool(view.query.where))
    try:
        found = await asyncio.to_thread(ask, view)
    except Relations.Error:
        if place.views.get(number) is view:
            raise
        # Of many views, the oldest are let go of, perhaps while somebody asks.
        raise Stale from None
    if view.epoch != place.index.epoch:
        raise Stale
    return found


def refuse_unsettled(place: Place, *, labelled: bool) -> None:
    """Nothing goes by labels and marks that are not all there; raises as `of_view`."""
    if not labelled or place.index.relations.settled:
        return
    if place.index.state.phase == "failed":
        raise UsageError("not all of this place could be read, so nothing is chosen by labels or marks: Refresh")
    raise Stale


def _named(request: Request) -> str | None:
    """The place that a request is about: a link says it in its address."""
    return request.headers.get(PLACE) or request.query_params.get("place")


def _elsewhere(request: Request) -> Exception:
    if request.method == "GET" or request.url.path == "/api/view":
        return Stale()
    return BlobConflict("another container was opened meanwhile, perhaps in another tab: nothing was done")


async def body(request: Request) -> dict[str, Any]:
    """The request's object; raises `UsageError` where it is none."""
    try:
        given = json.loads(await request.body())
        # Half of a pair of UTF-16 is a text that nothing can be asked or answered with.
        json.dumps(given, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise UsageError("the request holds half a character (a lone surrogate), which no name can have") from None
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise UsageError("the request is not an object in JSON")
    return given


def text(given: dict[str, Any], name: str, default: str = "") -> str:
    """A text of a request."""
    value = given.get(name, default)
    if not isinstance(value, str):
        raise UsageError(f"'{name}' must be a text")
    return value


def named(given: dict[str, Any], name: str) -> str:
    """As `text`, of what becomes part of a name: a secret, as a pasted SAS has one, is no name."""
    value = text(given, name)
    if redact(value) != value:
        raise UsageError(f"'{name}' holds a secret, which a name would show to everybody: give a name alone")
    return value


def texts(given: dict[str, Any], name: str) -> list[str]:
    """A list of texts of a request."""
    value = given.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise UsageError(f"'{name}' must be a list of texts")
    return value


def number(request: Request, name: str, default: int = 0) -> int:
    """A whole number of the address, from 0 on."""
    given = request.query_params.get(name, str(default))
    if not (given.isascii() and given.isdecimal() and len(given) < 16):
        raise UsageError(f"'{name}' must be a whole number")
    return int(given)


async def until_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Do the work, unless the page goes away meanwhile: an image that was scrolled past is not read to its end."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Gone
        return task.result()
    finally:
        for one in (task, gone):
            if not one.done():
                one.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await one


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
