"""Runs the installed command as a person does, stands between it and the emulator, and looks at what landed.

`run` gives what a command printed and its exit code, its JSON lines parsed. `Proxy` passes HTTP on to the
emulator, writes down each request, and lets a test act on one: hold it, lose its answer, end a process. The
container is looked at through Microsoft's own library, so that laden never vouches for itself.
"""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import ContainerClient, ContainerSasPermissions, generate_container_sas

from laden.demo.emulator import Emulator
from laden.stages.history import HISTORY
from tests.conftest import EMULATOR_API_VERSION
from tests.support import forks

COMMAND = Path(sys.executable).with_name("laden")
_DEADLINE_S = 300


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """Stdout of a command with `--json`; fails where a line is anything else."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def summary(self) -> dict[str, Any]:
        last = self.events[-1]
        assert last["event"] == "summary"
        return last

    def findings(self, code: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == "finding" and event["code"] == code]


def run(
    *arguments: object, env: dict[str, str] | None = None, cwd: Path | None = None, timeout_s: float = _DEADLINE_S
) -> Ran:
    """Run `laden` to its end, in a process that need not import it first where that is the same (`forks`)."""
    settings = {**os.environ, **(env or {})}
    if not forks.can(env or {}):
        return ended(start(*arguments, env=env, cwd=cwd), timeout_s)
    line = [str(COMMAND), *map(str, arguments)]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        code = forks.forked(line, settings, cwd or Path.cwd(), out, err, timeout_s)
        texts = [(stream.seek(0), stream.read().decode())[1] for stream in (out, err)]
    ran = Ran(code, *(text.replace("\r\n", "\n") for text in texts))
    return unleaked(ran, _given(arguments, env))


def start(*arguments: object, env: dict[str, str] | None = None, cwd: Path | None = None) -> "subprocess.Popen[str]":
    """Start `laden`; hand it to `ended`."""
    process = subprocess.Popen(
        [COMMAND, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
        cwd=cwd,
    )
    _SECRETS[process.pid] = _given(arguments, env)
    return process


def _given(arguments: tuple[object, ...], env: dict[str, str] | None) -> set[str]:
    """What a command is given in confidence."""
    return secrets_in(*map(str, arguments), *(f"{name}={value}" for name, value in (env or {}).items()))


_SECRETS: dict[int, set[str]] = {}
"""What each command was given in confidence, by its process id."""

_CONFIDENTIAL = re.compile(
    r"(?:\bsig|AccountKey|AZURE_STORAGE_KEY|AZURE_CLIENT_SECRET|IDENTITY_HEADER)=([^&;\s\"']{12,})"
)


def secrets_in(*texts: str) -> set[str]:
    """Signatures, keys and the like that stand in arguments or settings, also as they read percent-decoded."""
    found = {secret for text in texts for secret in _CONFIDENTIAL.findall(text)}
    return found | {unquote(secret) for secret in found}


def ended(process: "subprocess.Popen[str]", timeout_s: float = _DEADLINE_S) -> Ran:
    with process:
        try:
            out, err = process.communicate(timeout=timeout_s)
        finally:
            process.kill()
    return unleaked(Ran(process.returncode, out, err), _SECRETS.pop(process.pid, set()))


def unleaked(ran: Ran, secrets: set[str]) -> Ran:
    """How it ended; fails where it printed what it was given in confidence."""
    assert not any(secret in ran.out or secret in ran.err for secret in secrets), "a secret is printed"
    return ran


class Request(NamedTuple):
    """What came by at the proxy."""

    number: int
    """From 1, in the order of arrival."""
    method: str
    name: str
    """Of the blob; empty for the container."""
    query: str
    """Without signature."""
    status: int
    """Of the answer; 0 where there was none yet."""
    body_bytes: int


Hook = Callable[[int, str, str], str]
"""Called with number, method and blob name; answers `pass`, `lose` (done, but the answer is lost) or `refuse`."""


class Proxy:
    """Passes requests on to the emulator; a `with` block, after which it is gone."""

    def __init__(self, emulator: Emulator) -> None:
        self._target = emulator.port
        self._lock = threading.Condition()
        self._open = 0
        self.requests: list[Request] = []
        self.before: Hook = lambda number, method, name: "pass"
        """Asked before a request is passed on; may block."""
        self.after: Hook = lambda number, method, name: "pass"
        """Asked after the emulator answered, before the answer is passed back."""

    def url(self, address: str) -> str:
        """The same address through this proxy."""
        return address.replace(f":{self._target}/", f":{self.port}/")

    def forget(self) -> None:
        """Start counting anew."""
        with self._lock:
            self.requests.clear()

    def settle(self) -> None:
        """Wait until nothing that came in is still on its way to the emulator."""
        with self._lock:
            assert self._lock.wait_for(lambda: not self._open, _DEADLINE_S)

    def counts(self) -> dict[str, int]:
        """`PUT`, `GET` and so on, and how many of them."""
        methods = [request.method for request in self.requests]
        return {method: methods.count(method) for method in sorted(set(methods))}

    def put_names(self) -> list[str]:
        """Names of blobs that were put, but the records of the history."""
        names = (request.name for request in self.requests if request.method == "PUT")
        return [name for name in names if name and not name.startswith(HISTORY)]

    def __enter__(self) -> "Proxy":
        proxy = self

        class Handler(_Handler):
            def handle_request(self) -> None:
                proxy._pass(self)

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that is killed leaves broken connections."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _pass(self, handler: "_Handler") -> None:
        length_bytes = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length_bytes)
        if len(body) < length_bytes:
            # The client is gone; the emulator would wait for the rest.
            handler.close_connection = True
            return
        parts = urlsplit(handler.path)
        name = unquote(parts.path).split("/", 3)[3] if parts.path.count("/") > 2 else ""
        query = "&".join(part for part in parts.query.split("&") if part.startswith(("comp", "restype")))
        with self._lock:
            number = len(self.requests) + 1
            request = Request(number, handler.command, name, query, 0, len(body))
            self.requests.append(request)
            self._open += 1
        try:
            act = self.before(number, handler.command, name)
            if act == "refuse":
                handler.close_connection = True
                return
            status, headers, answer = self._forward(handler, body)
            with self._lock:
                self.requests[self.requests.index(request)] = request._replace(status=status)
            if "lose" in (act, self.after(number, handler.command, name)):
                handler.close_connection = True
                return
            handler.reply(status, headers, answer)
        finally:
            with self._lock:
                self._open -= 1
                self._lock.notify_all()

    def _forward(self, handler: "_Handler", body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = handler.upstream(self._target)
        headers = {**dict(handler.headers.items()), "Host": f"127.0.0.1:{self._target}"}
        connection.request(handler.command, handler.path, body, headers)
        response = connection.getresponse()
        return response.status, response.getheaders(), response.read()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    _connection: http.client.HTTPConnection | None = None

    def handle_request(self) -> None:
        raise NotImplementedError

    def upstream(self, port: int) -> http.client.HTTPConnection:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_DEADLINE_S)
        return self._connection

    def reply(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for key, value in headers:
            if key.lower() not in ("connection", "keep-alive", "transfer-encoding", "content-length"):
                self.send_header(key, value)
        length = {key.lower(): value for key, value in headers}.get("content-length")
        self.send_header("Content-Length", str(len(body)) if self.command != "HEAD" else length or "0")
        self.end_headers()
        self.wfile.write(body)

    def finish(self) -> None:
        if self._connection is not None:
            self._connection.close()
        super().finish()

    def log_message(self, *_: object) -> None:
        """Tests keep the terminal to themselves."""

    def do_PUT(self) -> None:
        self.handle_request()

    do_GET = do_HEAD = do_DELETE = do_PUT  # noqa: N815 - the names that http.server calls


class Landed(NamedTuple):
    """One blob, as Microsoft's library sees it."""

    size_bytes: int
    md5: bytes
    metadata: dict[str, str]


@contextmanager
def client(emulator: Emulator, url: str) -> Iterator[ContainerClient]:
    """The container behind an address, prefix and query left out."""
    account, container = urlsplit(url).path.split("/")[1:3]
    address = f"http://127.0.0.1:{emulator.port}/{account}/{container}"
    credential = AzureNamedKeyCredential(emulator.account, emulator.key)
    with ContainerClient.from_container_url(address, credential, api_version=EMULATOR_API_VERSION) as opened:
        yield opened


def landed(emulator: Emulator, url: str) -> dict[str, Landed]:
    """All blobs of a container but the records of its history, which hold times."""
    with client(emulator, url) as opened:
        return {
            blob.name: Landed(blob.size, bytes(blob.content_settings.content_md5 or b""), dict(blob.metadata or {}))
            for blob in opened.list_blobs(include=["metadata"])
            if HISTORY not in blob.name
        }


def content(emulator: Emulator, url: str, name: str) -> bytes:
    with client(emulator, url) as opened:
        return opened.download_blob(name).readall()


def sas(emulator: Emulator, url: str, permission: str = "rwdlc") -> str:
    """A signature for one container, valid for an hour."""
    now = datetime.now(UTC)
    return generate_container_sas(
        emulator.account,
        urlsplit(url).path.split("/")[2],
        account_key=emulator.key,
        permission=ContainerSasPermissions.from_string(permission),
        start=now - timedelta(minutes=5),
        expiry=now + timedelta(hours=1),
        version="2023-11-03",
    )


def kill(process: "subprocess.Popen[str]") -> None:
    """End a process that this test started, at once."""
    process.send_signal(signal.SIGKILL)
