"""A server of the explorer in a thread of the test, and one who asks it as the page does."""

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from laden.explorer.place import Place
from laden.explorer.serve import listening, serve
from laden.explorer.session import Session, Verbs
from laden.run.loop import run as run_loop
from laden.values.events import Event, Serving
from laden.verbs.explore import explore

_DEADLINE_S = 120

ACTS: dict[str, dict[str, Any]] = {
    "delete": {},
    "tier": {"tier": "Cool"},
    "tags": {"tags": {"review": "yes"}},
    "metadata": {"metadata": {"reader": "me"}},
    "type": {"type": "application/x-test"},
    "copy": {"prefix": "review"},
}
"""Every act on blobs, with values for it."""


class Asker:
    """Signed in, unless told otherwise."""

    def __init__(self, url: str) -> None:
        self.url = url
        address, _, token = url.partition("#open=")
        self.host = address.removeprefix("http://").rstrip("/")
        self._connection = http.client.HTTPConnection(self.host, timeout=_DEADLINE_S)
        self.cookie = ""
        self.token = token

    def sign_in(self) -> None:
        status, headers, _ = self.raw("POST", "/session", {"token": self.token})
        assert status == 200
        self.cookie = headers["set-cookie"].partition(";")[0]

    def raw(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        sent = {"X-Laden": "1", "Origin": f"http://{self.host}", "Cookie": self.cookie, **(headers or {})}
        self._connection.request(method, path, None if body is None else json.dumps(body), sent)
        answer = self._connection.getresponse()
        return answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read()

    def get(self, name_: str, /, **values: Any) -> Any:
        status, _, data = self.raw("GET", f"/api/{name_}?{urlencode(values, doseq=True, quote_via=quote)}")
        told = json.loads(data)
        assert status == 200, told
        return told

    def post(self, name_: str, /, **values: Any) -> Any:
        status, _, data = self.raw("POST", f"/api/{name_}", values)
        told = json.loads(data)
        assert status == 200, told
        return told

    def refused(self, method: str, name_: str, /, **values: Any) -> tuple[int, str]:
        path = f"/api/{name_}" + (f"?{urlencode(values)}" if method == "GET" else "")
        status, _, data = self.raw(method, path, None if method == "GET" else values)
        assert status >= 400, data
        return status, json.loads(data)["error"] if data.startswith(b"{") else ""

    def until(self, true: Callable[[], Any]) -> Any:
        """Ask again until it is."""
        tick = threading.Event()
        for _ in range(600):
            if found := true():
                return found
            tick.wait(0.05)
        raise AssertionError("never came true")

    def ready(self) -> dict[str, Any]:
        """Wait until all is there that is to be shown."""

        def done() -> Any:
            status = self.get("status")
            return status if status.get("place") and status["state"]["phase"] in ("ready", "failed") else None

        found: dict[str, Any] = self.until(done)
        return found

    def job(self, number: int) -> dict[str, Any]:
        """Wait until a job is over."""
        found: dict[str, Any] = self.until(
            lambda: next(
                (j for j in self.get("jobs")["jobs"] if j["number"] == number and j["state"] != "running"), None
            )
        )
        return found

    def names(self, view: dict[str, Any], start: int = 0, count: int = 2000) -> list[str]:
        return [row[1] for row in self.get("rows", view=view["view"], **{"from": start, "n": count})["rows"]]

    def close(self) -> None:
        self._connection.close()


@contextmanager
def _in_a_thread(work: Callable[[Callable[[str], None], Callable[[], bool]], object]) -> Iterator[Asker]:
    """Somebody who asks what `work` serves; it is given whom to tell its address, and whom to ask when to stop."""
    ready, stop = threading.Event(), threading.Event()
    urls: list[str] = []
    failures: list[BaseException] = []

    def serving(url: str) -> None:
        urls.append(url)
        ready.set()

    def working() -> None:
        try:
            work(serving, stop.is_set)
        except BaseException as error:
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=working)
    thread.start()
    try:
        assert ready.wait(_DEADLINE_S)
        if failures:
            raise failures[0]
        asker = Asker(urls[0])
        try:
            yield asker
        finally:
            asker.close()
    finally:
        stop.set()
        thread.join(_DEADLINE_S)
        assert not thread.is_alive()


@contextmanager
def exploring(place: str, *, write: bool = False, profile: str | None = None) -> Iterator[Asker]:
    """The verb itself in a thread, and somebody who is not signed in yet."""

    def work(serving: Callable[[str], None], stopping: Callable[[], bool]) -> None:
        def observe(event: Event) -> None:
            if isinstance(event, Serving):
                serving(event.url)

        explore(place, open_page=False, write=write, profile=profile, observer=observe, stopping=stopping)

    with _in_a_thread(work) as asker:
        yield asker


@contextmanager
def explored(place: str, *, write: bool = False, profile: str | None = None) -> Iterator[Asker]:
    """The same, signed in, and all there."""
    with exploring(place, write=write, profile=profile) as asker:
        asker.sign_in()
        state = asker.ready()["state"]
        assert state["phase"] == "ready", state["error"]
        yield asker


@contextmanager
def serving(place: Callable[[], Place], folder: Path, *, write: bool = False) -> Iterator[Asker]:
    """A place of the test's own, signed in."""

    async def session() -> Session:
        def unused(*_: object) -> None:
            raise AssertionError("not in this test")

        made = Session(
            verbs=Verbs(unused, unused, unused, unused), folder=folder, write=write, opener=lambda _: place()
        )
        await made.open()
        return made

    opened = listening(None)
    with _in_a_thread(
        lambda told, stopping: run_loop(serve(opened, session, lambda _, url: told(url), stopping=stopping))
    ) as asker:
        asker.sign_in()
        yield asker
