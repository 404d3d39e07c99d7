"""Decides about each request before anything else does: one ASGI application around the explorer's.

A server that holds a credential and listens on this machine can be reached by every page that a browser shows, and by
every user of the machine. So, in order: the Host must be exactly this address and port, for of a rebound name nothing
else tells; the method must be known; whatever changes state must come from this very page (`Sec-Fetch-Site`, or the
same Origin) with a header that no form can send; a body is bounded; and all but the empty page, its scripts and the
exchange of the token needs the cookie. The token is random, goes into the URL's fragment, which browsers send nowhere,
works once, and is exchanged for a cookie that no script can read.

To every answer it adds the headers that keep a browser from running, framing, keeping or guessing what it holds. What
is asked of the store, and whether it may be changed, is decided elsewhere.
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

from laden.values.told import from_json

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SESSION = "/session"
HEADER = b"x-laden"
"""Of every request that changes something: a form cannot send it, and another site's script may not."""
MOST_BODY_BYTES = 4 << 20
_TOKEN_BYTES = 32
_SAFE = frozenset({"GET", "HEAD"})
_STATIC = "/static/"

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self';"
    " form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
DOWNLOAD_CSP = "default-src 'none'; sandbox; frame-ancestors 'none'"
"""For files that are handed out as they are: whatever they hold, it runs nothing here."""
_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"x-frame-options": b"DENY",
    b"cache-control": b"no-store",
}


class Guard:
    """The explorer's application, behind the rules above."""

    def __init__(self, app: App, port: int) -> None:
        self._app = app
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        self._cookie_name = f"laden-{port}"
        self._cookie = secrets.token_urlsafe(_TOKEN_BYTES)
        self._token = secrets.token_urlsafe(_TOKEN_BYTES)
        self.seen_s = time.monotonic()
        """When the last request came that was let in."""

    @property
    def token(self) -> str:
        """What opens the page, once; empty when it was used."""
        return self._token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        send = _with_headers(send)
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        refusal = self._refusal(scope["method"], scope["path"], headers)
        if refusal is not None:
            await _answer(send, refusal[0], {"error": refusal[1]})
            return
        if scope["path"] == SESSION:
            await self._exchange(receive, send)
            return
        self.seen_s = time.monotonic()
        await self._app(scope, _bounded(receive), send)

    def _refusal(self, method: str, path: str, headers: list[tuple[bytes, bytes]]) -> tuple[int, str] | None:
        """Status and sentence of what is not let in."""
        hosts = _all(headers, b"host")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return 403, "this server answers under 127.0.0.1 and localhost alone"
        if method not in (*_SAFE, "POST"):
            return 405, f"{method} is not used here"
        if method == "POST" and not _is_own(headers, f"http://{hosts[0]}"):
            return 403, "a request that changes something has to come from the page itself"
        if any(not size.isdecimal() or int(size) > MOST_BODY_BYTES for size in _all(headers, b"content-length")):
            return 413, (
                f"the request is larger than {MOST_BODY_BYTES >> 20} MiB, as very many names are: choose all that is"
                " shown, by a folder, a search or a condition, or fewer"
            )
        if path == SESSION:
            return None if method == "POST" else (405, "the token is exchanged with POST")
        if path == "/" or path.startswith(_STATIC):
            return None if method in _SAFE else (405, "that is read, not written")
        if not self._has_cookie(headers):
            return 401, "open the page with the link that laden explore printed; it works once"
        # Another site could show what it may not read: an image, say, of which the size alone tells something.
        if any(site not in ("same-origin", "none") for site in _all(headers, b"sec-fetch-site")):
            return 403, "this is for the page itself"
        return None

    def _has_cookie(self, headers: list[tuple[bytes, bytes]]) -> bool:
        for line in _all(headers, b"cookie"):
            try:
                morsel = SimpleCookie(line).get(self._cookie_name)
            except CookieError:
                continue
            if morsel is not None and _same(morsel.value, self._cookie):
                return True
        return False

    async def _exchange(self, receive: Receive, send: Send) -> None:
        """The token for the cookie; then the token is void."""
        try:
            given = from_json(await _body(_bounded(receive)))["token"]
        except (ValueError, KeyError, TypeError):
            given = ""
        if not (isinstance(given, str) and self._token and _same(given, self._token)):
            await _answer(send, 401, {"error": "the link was used already, or is of another run"})
            return
        self._token = ""
        self.seen_s = time.monotonic()
        cookie = f"{self._cookie_name}={self._cookie}; HttpOnly; SameSite=Strict; Path=/"
        await _answer(send, 200, {}, [(b"set-cookie", cookie.encode())])


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), secret.encode())


def _all(headers: list[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key == name]


def _is_own(headers: list[tuple[bytes, bytes]], origin: str) -> bool:
    """Whether a request comes from a page of this server, by its own script."""
    sites, origins = _all(headers, b"sec-fetch-site"), _all(headers, b"origin")
    if _all(headers, HEADER) != ["1"] or any(one != origin for one in origins):
        return False
    return sites == ["same-origin"] if sites else origins == [origin]


def _bounded(receive: Receive) -> Receive:
    """The same messages; a body that is longer than it may be ends the connection."""
    seen_bytes = 0

    async def bounded() -> Message:
        nonlocal seen_bytes
        message = await receive()
        seen_bytes += len(message.get("body", b""))
        return {"type": "http.disconnect"} if seen_bytes > MOST_BODY_BYTES else message

    return bounded


async def _body(receive: Receive) -> bytes:
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body
    return b""


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = [(key.lower(), value) for key, value in message.get("headers", ())]
            # No answer of this server is for another site, whatever a route or a library says.
            kept = [pair for pair in own if not pair[0].startswith(b"access-control-") and pair[0] not in _HEADERS]
            if not any(key == b"content-security-policy" for key, _ in kept):
                kept.append((b"content-security-policy", CSP.encode()))
            message = {**message, "headers": [*kept, *_HEADERS.items()]}
        await send(message)

    return sending


async def _answer(
    send: Send, status: int, body: dict[str, str], headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    data = json.dumps(body).encode()
    fields = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data)), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": data})
