"""The rules that every request meets, each with the attack that it is there for."""

import asyncio
import json
from typing import Any

import pytest

from laden.explorer.guard import CSP, MOST_BODY_BYTES, Guard

PORT = 8123
HOST = ("host", f"127.0.0.1:{PORT}")
OWN = [HOST, ("sec-fetch-site", "same-origin"), ("x-laden", "1"), ("origin", f"http://127.0.0.1:{PORT}")]


class Inside:
    """An application that answers everything, and remembers what reached it."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.reached.append(f"{scope['method']} {scope['path']}")
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message.get("more_body"):
                break
        self.bodies.append(body)
        headers = [(b"access-control-allow-origin", b"*"), (b"cache-control", b"public")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"secret"})


class Answer:
    def __init__(self, messages: list[dict[str, Any]]) -> None:
        self.status = messages[0]["status"]
        self.headers = {key.decode(): value.decode() for key, value in messages[0]["headers"]}
        self.body = b"".join(message.get("body", b"") for message in messages[1:])


def ask(
    guard: Guard, path: str, headers: list[tuple[str, str]], method: str = "GET", parts: tuple[bytes, ...] = (b"",)
) -> Answer:
    sent: list[dict[str, Any]] = []
    pending = list(parts)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": pending.pop(0), "more_body": bool(pending)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(dict(message))

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(key.encode(), value.encode("latin-1")) for key, value in headers],
    }
    asyncio.run(guard(scope, receive, send))  # type: ignore[arg-type]
    return Answer(sent)


def signed_in(guard: Guard) -> list[tuple[str, str]]:
    """The headers of a page that exchanged its token."""
    answer = ask(guard, "/session", OWN, "POST", (json.dumps({"token": guard.token}).encode(),))
    assert answer.status == 200
    return [*OWN, ("cookie", answer.headers["set-cookie"].partition(";")[0])]


@pytest.fixture
def inside() -> Inside:
    return Inside()


@pytest.fixture
def guard(inside: Inside) -> Guard:
    return Guard(inside, PORT)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        f"evil.example:{PORT}",
        "127.0.0.1",
        "localhost",
        f"127.0.0.1:{PORT + 1}",
        f"[::1]:{PORT}",
        "[::1]",
        f"0.0.0.0:{PORT}",
        f"127.0.0.1:{PORT}@evil.example",
        f"127.0.0.1:{PORT}.evil.example",
        f"127.0.0.2:{PORT}",
        f" 127.0.0.1:{PORT}",
        "",
    ],
)
def test_a_name_that_is_rebound_to_this_machine_reaches_nothing(guard: Guard, inside: Inside, host: str) -> None:
    own = signed_in(guard)
    answer = ask(guard, "/api/rows", [("host", host), *own[1:]])
    assert answer.status == 403
    assert ask(guard, "/", [("host", host)]).status == 403
    assert not inside.reached


def test_no_host_and_two_hosts_are_refused(guard: Guard, inside: Inside) -> None:
    own = signed_in(guard)
    assert ask(guard, "/api/rows", own[1:]).status == 403
    assert ask(guard, "/api/rows", [*own, ("host", "evil.example")]).status == 403
    assert not inside.reached


def test_both_names_of_this_machine_work(guard: Guard, inside: Inside) -> None:
    own = signed_in(guard)
    for host in (f"127.0.0.1:{PORT}", f"localhost:{PORT}"):
        assert ask(guard, "/api/rows", [("host", host), own[-1]]).status == 200
    assert len(inside.reached) == 2


def test_without_the_cookie_only_the_empty_page_is_shown(guard: Guard, inside: Inside) -> None:
    for path in ("/", "/static/app.js"):
        assert ask(guard, path, [HOST]).status == 200
    inside.reached.clear()
    for path in ("/api/status", "/api/rows", "/staticx", "/session/x", "//", "/api/../static/app.js"):
        assert ask(guard, path, [HOST]).status == 401, path
    for cookie in ("laden-8123=", "laden-8123=x", "laden=x", "laden-8124=x", "a" * 5000, "laden-8123=\xff\xfe"):
        assert ask(guard, "/api/rows", [HOST, ("cookie", cookie)]).status == 401
    assert not inside.reached


def test_a_token_works_once(guard: Guard) -> None:
    token = json.dumps({"token": guard.token}).encode()
    first = ask(guard, "/session", OWN, "POST", (token,))
    assert first.status == 200
    assert guard.token == ""
    cookie = first.headers["set-cookie"]
    assert cookie.startswith(f"laden-{PORT}=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    for body in (token, b'{"token": ""}', b'{"token": null}', b"{}", b"[]", b"", b"\xff", b'{"token": ["x"]}'):
        again = ask(guard, "/session", OWN, "POST", (body,))
        assert again.status == 401
        assert "set-cookie" not in again.headers


def test_a_wrong_token_does_not_use_the_right_one_up(guard: Guard) -> None:
    assert ask(guard, "/session", OWN, "POST", (b'{"token": "wrong"}',)).status == 401
    signed_in(guard)


@pytest.mark.parametrize(
    "headers",
    [
        [("sec-fetch-site", "cross-site"), ("x-laden", "1")],
        [("sec-fetch-site", "same-site"), ("x-laden", "1")],
        [("sec-fetch-site", "none"), ("x-laden", "1")],
        [("sec-fetch-site", "same-origin")],
        [("sec-fetch-site", "same-origin"), ("x-laden", "1"), ("origin", "null")],
        [("sec-fetch-site", "same-origin"), ("x-laden", "1"), ("origin", "http://evil.example")],
        [("x-laden", "1"), ("origin", "null")],
        [("x-laden", "1"), ("origin", f"http://localhost:{PORT}")],
        [("x-laden", "1"), ("origin", f"https://127.0.0.1:{PORT}")],
        [("x-laden", "1"), ("origin", f"http://127.0.0.1:{PORT + 1}")],
        [("x-laden", "1")],
        [("origin", f"http://127.0.0.1:{PORT}")],
        [("x-laden", "0"), ("origin", f"http://127.0.0.1:{PORT}")],
    ],
)
def test_no_other_page_can_change_anything(guard: Guard, inside: Inside, headers: list[tuple[str, str]]) -> None:
    cookie = signed_in(guard)[-1]
    assert ask(guard, "/api/delete", [HOST, cookie, *headers], "POST").status == 403
    assert ask(guard, "/session", [HOST, *headers], "POST").status == 403
    assert not inside.reached


def test_an_old_browser_is_known_by_its_origin(guard: Guard, inside: Inside) -> None:
    cookie = signed_in(guard)[-1]
    own = [HOST, cookie, ("x-laden", "1"), ("origin", f"http://127.0.0.1:{PORT}")]
    assert ask(guard, "/api/view", own, "POST").status == 200
    assert inside.reached == ["POST /api/view"]


def test_another_site_cannot_even_show_an_image(guard: Guard, inside: Inside) -> None:
    cookie = signed_in(guard)[-1]
    for site in ("cross-site", "same-site"):
        assert ask(guard, "/api/thumb", [HOST, cookie, ("sec-fetch-site", site)]).status == 403
    assert not inside.reached


def test_other_methods_are_not_used(guard: Guard, inside: Inside) -> None:
    own = signed_in(guard)
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH", "get"):
        assert ask(guard, "/api/rows", own, method).status == 405
    assert ask(guard, "/", own, "POST").status == 405
    assert ask(guard, "/session", own, "GET").status == 405
    assert not inside.reached


def test_a_body_is_bounded_whatever_it_says_of_itself(guard: Guard, inside: Inside) -> None:
    own = signed_in(guard)
    for length in (str(MOST_BODY_BYTES + 1), "-1", "many", "1e9"):
        answer = ask(guard, "/api/view", [*own, ("content-length", length)], "POST")
        assert answer.status == 413
        assert b"choose all that is shown" in answer.body
    assert not inside.reached
    ask(guard, "/api/view", own, "POST", tuple(bytes(1 << 20) for _ in range(6)))
    assert len(inside.bodies[0]) <= MOST_BODY_BYTES


def test_every_answer_carries_the_headers_and_none_is_shared(guard: Guard) -> None:
    own = signed_in(guard)
    for path, headers in (("/", [HOST]), ("/api/rows", own), ("/api/rows", [HOST]), ("/", [("host", "x")])):
        answer = ask(guard, path, headers)
        assert answer.headers["content-security-policy"] == CSP
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        assert not any(name.startswith("access-control") for name in answer.headers)


def test_a_websocket_is_closed(guard: Guard, inside: Inside) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    asyncio.run(guard({"type": "websocket", "path": "/", "headers": []}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]
    assert not inside.reached


def test_tokens_and_cookies_are_long_and_of_one_run() -> None:
    tokens = {Guard(Inside(), PORT).token for _ in range(20)}
    assert len(tokens) == 20
    assert all(len(token) >= 43 for token in tokens)
