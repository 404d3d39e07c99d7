"""`laden doctor` against Azurite as it is, and against all that can be broken about it."""

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from laden.demo.emulator import Emulator
from laden.values.errors import UsageError
from laden.values.events import Checked, Event, Summary
from laden.verbs.doctor import examine
from laden.verbs.doctor.notes import Notes
from laden.verbs.doctor.probe import NAME, tell_validity
from tests.support.harness import Proxy, client, landed, run, sas

WRONG_KEY = "d3JvbmcK" * 8
EVERY = ["reach", "clock", "latency", "credential", "list", "version", "write", "throughput", "read", "privacy"]


class Examined:
    """What the doctor said."""

    def __init__(self, destination: str) -> None:
        events: list[Event] = []
        self.summary: Summary = examine(destination, observer=events.append)
        self.checks = {event.check: event for event in events if isinstance(event, Checked)}
        self.text = " ".join(repr(event) for event in events)
        assert events[-1] is self.summary

    def outcomes(self, outcome: str) -> list[str]:
        return [check for check, event in self.checks.items() if event.outcome == outcome]


def test_a_good_place_passes(emulator: Emulator, container: str) -> None:
    seen = Examined(f"{container}/some/where")
    assert list(seen.checks) == [*EVERY, "delete", "validity"]
    assert seen.outcomes("fail") == seen.outcomes("untested") == seen.outcomes("warn") == []
    assert (seen.summary.exit_code, seen.summary.message, seen.summary.complete) == (0, "", True)
    assert landed(emulator, container) == {}


def test_a_folder_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    seen = Examined(str(tmp_path))
    assert seen.outcomes("fail") == []
    assert "throughput" in seen.checks
    # A folder's own notes stay; of what was written, nothing.
    assert [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size > 10_000] == []


def test_it_is_told_as_lines_and_as_json(container: str) -> None:
    shown = run("doctor", container)
    assert shown.code == 0
    assert [line.split()[:2] for line in shown.out.splitlines()] == [
        ["pass", check] for check in (*EVERY, "delete", "validity")
    ]
    told = run("doctor", container, "--json")
    assert [event["check"] for event in told.events[:-1]] == [*EVERY, "delete", "validity"]
    assert {event["outcome"] for event in told.events[:-1]} == {"pass"}
    assert told.summary["exit_code"] == told.code == 0


def test_a_sas_for_loading_is_enough_and_leaves_an_empty_probe(emulator: Emulator, container: str) -> None:
    signature = sas(emulator, container, "rcwl")
    seen = Examined(f"{container}?{signature}")
    assert seen.outcomes("fail") == []
    assert seen.outcomes("untested") == ["delete"]
    assert "no load needs it" in seen.checks["delete"].message
    assert landed(emulator, container)[NAME].size_bytes == 0
    assert seen.summary.exit_code == 0
    assert seen.checks["validity"].outcome in ("warn", "pass")
    assert ": enough for " in seen.checks["validity"].message
    assert Examined(f"{container}?{signature}").summary.exit_code == 0, "the probe that stayed is no obstacle"
    secret = parse_qs(signature)["sig"][0]
    assert secret not in seen.text
    assert "sig=" not in seen.text


@pytest.mark.parametrize(
    ("bytes_per_s", "outcome", "words"),
    [(1e6, "warn", "enough for about 4 GB"), (1e9, "pass", "enough for 1 TB"), (0.0, "pass", "holds for")],
)
def test_how_much_a_sas_of_an_hour_is_enough_for(bytes_per_s: float, outcome: str, words: str) -> None:
    told: list[Any] = []
    tell_validity(Notes(told.append), 3600.0, bytes_per_s)
    (one,) = told
    assert one.outcome == outcome
    assert words in one.message


@pytest.mark.parametrize(
    ("letters", "failed", "untested", "named"),
    [
        ("rcw", ["list"], ["delete"], "list"),
        ("rl", ["write"], ["read", "delete"], "write"),
        ("cwl", ["read"], ["delete"], "read"),
        ("rcl", ["write"], ["read", "delete"], "write"),
    ],
)
def test_a_missing_letter_is_named(
    emulator: Emulator, container: str, letters: str, failed: list[str], untested: list[str], named: str
) -> None:
    seen = Examined(f"{container}?{sas(emulator, container, letters)}")
    assert seen.outcomes("fail") == failed
    assert seen.outcomes("untested") == untested
    assert f"the permission '{named}'" in seen.checks[failed[0]].todo
    assert seen.summary.exit_code == 4
    assert seen.summary.message == f"not ready for a load: {failed[0]}"


def test_a_wrong_key_is_told(monkeypatch: pytest.MonkeyPatch, emulator: Emulator, container: str) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", emulator.account)
    monkeypatch.setenv("AZURE_STORAGE_KEY", WRONG_KEY)
    seen = Examined(container)
    assert seen.outcomes("fail") == ["list", "write"]
    assert seen.checks["list"].todo.startswith("check the key")
    assert seen.summary.exit_code == 4
    assert WRONG_KEY not in seen.text


def test_a_sas_that_has_ended_is_told(emulator: Emulator, container: str) -> None:
    signature = sas(emulator, container).replace("se=20", "se=19", 1)
    seen = Examined(f"{container}?{signature}")
    assert seen.outcomes("fail") == ["list", "write", "validity"]
    assert "it ended at 19" in seen.checks["list"].message
    assert seen.summary.exit_code == 4


def test_nobody_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        seen = Examined(f"http://127.0.0.1:{taken.getsockname()[1]}/devstoreaccount1/c-1")
    assert seen.outcomes("fail") == ["reach"]
    assert "does not accept connections" in seen.checks["reach"].message
    assert seen.outcomes("untested") == ["credential", "list", "write", "read", "delete", "privacy"]
    assert seen.summary.exit_code == 6


def test_no_container_of_that_name(emulator: Emulator) -> None:
    seen = Examined(emulator.url("not-there"))
    assert seen.outcomes("fail") == ["list"]
    assert seen.checks["list"].todo == f"laden container create {emulator.url('not-there')}"
    assert seen.summary.exit_code == 2


def test_nobody_is_signed_in(monkeypatch: pytest.MonkeyPatch, emulator: Emulator) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    seen = Examined(emulator.url("c-1").replace("devstoreaccount1", "other"))
    assert seen.outcomes("fail") == ["credential"]
    assert "az login" in seen.checks["credential"].todo
    assert seen.outcomes("untested") == ["list", "write", "read", "delete"]
    assert seen.summary.exit_code == 4


class SlowClock(Proxy):
    """The service's clock, some minutes off."""

    minutes = 0

    def _forward(self, handler: Any, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        status, headers, answer = super()._forward(handler, body)
        moment = datetime.now(UTC) + timedelta(minutes=self.minutes)
        kept = [(name, value) for name, value in headers if name.lower() != "date"]
        return status, [*kept, ("Date", format_datetime(moment, usegmt=True))], answer


@pytest.mark.parametrize(
    ("minutes", "outcome", "told", "code"),
    [
        (20, "fail", "20 min behind the service's", 3),
        (-20, "fail", "20 min ahead of the service's", 3),
        (-3, "warn", "ahead of", 0),
        (0, "pass", "agrees", 0),
    ],
)
def test_a_clock_that_is_off(
    emulator: Emulator, container: str, minutes: int, outcome: str, told: str, code: int
) -> None:
    with SlowClock(emulator) as proxy:
        proxy.minutes = minutes
        seen = Examined(proxy.url(container))
    assert seen.checks["clock"].outcome == outcome
    assert told in seen.checks["clock"].message
    assert seen.summary.exit_code == code


class Corrupting(Proxy):
    """Changes a byte of every blob that is read."""

    def _forward(self, handler: Any, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        status, headers, answer = super()._forward(handler, body)
        if handler.command == "GET" and NAME in handler.path:
            answer = bytes([answer[0] ^ 1]) + answer[1:]
        return status, headers, answer


def test_bytes_that_change_on_the_way(emulator: Emulator, container: str) -> None:
    with Corrupting(emulator) as proxy:
        seen = Examined(proxy.url(container))
    assert seen.outcomes("fail") == ["read"]
    assert seen.summary.exit_code == 6
    assert landed(emulator, container) == {}


@pytest.mark.parametrize(("access", "told"), [("blob", "its blobs without"), ("container", "its blobs and their list")])
def test_a_public_container_fails(emulator: Emulator, container: str, access: str, told: str) -> None:
    with client(emulator, container) as opened:
        opened.set_container_access_policy({}, public_access=access)
    seen = Examined(container)
    assert seen.outcomes("fail") == ["privacy"]
    assert told in seen.checks["privacy"].message
    assert "--public-access off" in seen.checks["privacy"].todo
    assert seen.summary.exit_code == 3


@pytest.fixture
def stranger() -> Iterator[str]:
    """A service that answers, and is no Blob service: a sign-in page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = b"<html><body>Welcome to the hotel's network</body></html>"
            self.send_response_only(200)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/account/container"
        server.shutdown()
        thread.join()


def test_a_sign_in_page_is_no_blob_service(stranger: str) -> None:
    seen = Examined(stranger)
    assert seen.outcomes("fail") == ["reach"]
    assert "not the Blob service" in seen.checks["reach"].message
    assert seen.summary.exit_code == 6


def test_a_folder_is_written_to_and_read(tmp_path: Path) -> None:
    seen = Examined(str(tmp_path))
    assert seen.outcomes("pass") == ["write", "throughput", "read", "delete"]
    assert not (tmp_path / NAME).exists()
    seen = Examined(str(tmp_path / "new"))
    assert seen.outcomes("untested") == ["write", "read", "delete"]
    assert seen.summary.exit_code == 0
    assert not (tmp_path / "new").exists()


def test_what_is_no_destination_is_refused_at_once() -> None:
    with pytest.raises(UsageError):
        examine("http://example.org/c")
    ran = run("doctor", "http://example.org/container")
    assert (ran.code, ran.out) == (2, "")
    assert "laden doctor:" in ran.err
