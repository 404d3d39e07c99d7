"""What the tests of secrets share: secrets, a command run in this process, and a look through all that leaves it."""

import base64
import contextlib
import hashlib
import multiprocessing.util
import signal
import subprocess
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote, unquote

import pytest

from laden.cli import run_command
from laden.store.signin import SignIn
from laden.values.errors import AccessDenied
from tests.support.dataset import make_dataset

SIGNATURE = base64.b64encode(hashlib.sha256(b"17").digest()).decode()
HEX = base64.b64decode(SIGNATURE).hex()
KEY = base64.b64encode(hashlib.sha512(b"3").digest()).decode()
PASSWORD = "hunter2x/corp#1pass"
SAS = f"sv=2023-11-03&sr=c&sp=rcwl&se=2099-01-01T00%3A00%3A00Z&sig={quote(SIGNATURE, safe='')}"
CONTAINER = "https://acct.blob.core.windows.net/padchest"
CONNECTION = f"DefaultEndpointsProtocol=https;AccountName=acct;AccountKey={KEY};EndpointSuffix=core.windows.net"
SHAPES = {
    "url": f"{CONTAINER}?{SAS}",
    "sas": f"?{SAS}",
    "decoded": f"{CONTAINER}?{unquote(SAS)}",
    "encoded": quote(f"{CONTAINER}?{SAS}", safe=""),
    "key": KEY,
    "connection": CONNECTION,
    "login": f"http://corp:{PASSWORD}@proxy.example:8080",
}
_WINDOW = 9
"""So many characters of a secret in a row are a leak."""

assert "+" in SIGNATURE
assert "/" in SIGNATURE


def pieces() -> set[str]:
    found: set[str] = set()
    for secret in (SIGNATURE, KEY, "hunter2x", "corp#1pass", HEX, HEX.upper()):
        once = quote(secret, safe="")
        encoded = [base64.b64encode(b"x" * shift + secret.encode()).decode()[4:] for shift in range(3)]
        url_safe = secret.replace("+", "-").replace("/", "_")
        for form in (secret, once, quote(once, safe=""), secret.replace("+", " "), url_safe, *encoded):
            width = min(_WINDOW, len(form) - 1)
            found |= {form[at : at + width] for at in range(len(form) - width + 1)}
    return found


PIECES = pieces()


def leaked(text: str) -> str:
    """The first piece of a secret in a text."""
    return next((piece for piece in PIECES if piece in text), "")


Laden = Callable[..., tuple[int, str]]


@pytest.fixture
def laden(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Laden]:
    """Runs a command here and looks through all that leaves it; gives the exit code and what was printed."""
    started: list[str] = []
    popen, spawn = subprocess.Popen.__init__, multiprocessing.util.spawnv_passfds

    def note_popen(self: Any, args: Any, *rest: Any, **more: Any) -> None:
        started.append(repr(args))
        popen(self, args, *rest, **more)

    def note_spawn(path: Any, args: Any, *rest: Any) -> int:
        started.append(repr(args))
        return spawn(path, args, *rest)

    def nobody(self: SignIn, *_: str, **__: Any) -> Any:
        raise AccessDenied("nobody is signed in to Azure here")

    monkeypatch.setattr(subprocess.Popen, "__init__", note_popen)
    monkeypatch.setattr(multiprocessing.util, "spawnv_passfds", note_spawn)
    monkeypatch.setattr(SignIn, "get_token", nobody)
    monkeypatch.setenv("COLUMNS", "60")
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def call(*arguments: str, own_program: bool = False) -> tuple[int, str]:
        started.clear()
        code = run_command(list(arguments))
        out, err = capfd.readouterr()
        for where, text in (("stdout", out), ("stderr", err), ("a child", "" if own_program else " ".join(started))):
            assert not leaked(text), f"{where} has {leaked(text)}: {text}"
        for file in tmp_path.rglob("*"):
            assert not leaked(str(file)), f"a file is called {file}"
            if file.is_file() and file.name not in PLANTED:
                text = file.read_bytes().decode("latin-1")
                assert not leaked(text), f"{file} has {leaked(text)}"
        return code, out + err

    yield call
    for number, handler in before.items():
        signal.signal(number, handler)


class _Refusing(BaseHTTPRequestHandler):
    """A proxy that lets nobody through."""

    def do_CONNECT(self) -> None:
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Tests keep the terminal to themselves."""


@contextlib.contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def refusing() -> Iterator[int]:
    with serving(_Refusing) as port:
        yield port


PLANTED = {"planted.txt"}
"""What a test itself wrote secrets into."""


@pytest.fixture
def source(tmp_path: Path) -> str:
    make_dataset(tmp_path / "src", {"0": 1})
    return "./src"


@pytest.fixture
def closed(refusing: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """A container that nobody reaches: no test asks the network."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{refusing}")
    return CONTAINER
