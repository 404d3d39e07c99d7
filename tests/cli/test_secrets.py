"""Secrets in every wrong place: arguments, options, settings, answers of a server. None leaves, by any door.

Each placement runs the whole command within this process, and everything that leaves is looked through: standard
output and error, every file that was written, and the command lines of what was started.
"""

import base64
import contextlib
import hashlib
import multiprocessing.util
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest

from laden.cli import run_command
from laden.cli.usage import all_verbs
from laden.store.signin import SignIn
from laden.values.errors import AccessDenied
from tests.support.dataset import make_dataset
from tests.support.harness import run

SIGNATURE = base64.b64encode(hashlib.sha256(b"17").digest()).decode()
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
    for secret in (SIGNATURE, KEY, "hunter2x", "corp#1pass"):
        for form in (secret, quote(secret, safe=""), quote(quote(secret, safe=""), safe=""), secret.replace("+", " ")):
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


@pytest.fixture(autouse=True)
def closed(refusing: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """A container that nobody reaches: no test asks the network."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{refusing}")
    return CONTAINER


PLANTED = {"planted.txt"}
"""What a test itself wrote secrets into."""


@pytest.fixture
def source(tmp_path: Path) -> str:
    make_dataset(tmp_path / "src", {"0": 1})
    return "./src"


NEEDED = {
    "load": ["SOURCE", "./dest"],
    "check": ["SOURCE"],
    "verify": ["./dest"],
    "status": ["./dest"],
    "get": ["./dest", "./got"],
    "list": ["./dest"],
    "diff": ["./dest", "./src"],
    "prune": ["./dest", "./src", "--plan", "plan.jsonl"],
    "undelete": ["./dest"],
    "set": ["./dest", "--tier", "cool"],
    "copy": ["./dest", "./other"],
    "explore": ["./dest", "--no-open"],
    "select": ["TABLE"],
    "columns": ["TABLE"],
    "report": ["SOURCE"],
    "profiles": [],
    "doctor": ["./dest"],
    "register": ["./dest", "-w", "ws", "-g", "rg", "--subscription", "s"],
    "account create": ["acct", "-g", "rg", "-l", "eu", "--subscription", "s"],
    "account show": ["acct", "--subscription", "s"],
    "container create": ["./dest"],
    "container list": ["acct"],
    "sas make": [CONTAINER],
    "sas inspect": [],
    "labels export": ["./dest", "-o", "labels.jsonl"],
    "demo": [],
}
"""What each verb must be given, so that one option more is what is tried."""


def declared() -> dict[str, Any]:
    """Every verb that there is, by its words."""
    found: dict[str, Any] = {}
    for name, command in all_verbs().commands.items():
        inner = getattr(command, "commands", None)
        found |= {f"{name} {word}": one for word, one in inner.items()} if inner else {name: command}
    return found


def placements() -> Iterator[Any]:
    """Each option and argument of each verb, with each shape of secret in it."""
    number = 0
    shapes = list(SHAPES)
    for verb, command in declared().items():
        if verb == "demo":
            continue
        for parameter in command.params:
            if getattr(parameter, "is_flag", False) or parameter.name == "help":
                continue
            # The commonest slip in every second place, the others in turn.
            for shape in ("url" if number % 2 else shapes[1 + number // 2 % (len(shapes) - 1)],):
                option = parameter.opts[-1] if parameter.opts[0].startswith("-") else ""
                yield pytest.param(verb, option, shape, id=f"{verb.replace(' ', '-')}-{parameter.name}-{shape}")
            number += 1


PLACES = list(placements())


def test_they_are_many() -> None:
    assert set(NEEDED) == set(declared()), "a verb is new: say here what it needs"
    assert len(PLACES) >= 80


@pytest.mark.parametrize(("verb", "option", "shape"), PLACES)
def test_in_each_option_and_argument_of_each_verb(
    verb: str, option: str, shape: str, laden: Laden, source: str
) -> None:
    table = next(Path("src").glob("*.csv"))
    words = {"SOURCE": source, "TABLE": str(table)}
    given = [words.get(word, word) for word in NEEDED[verb]]
    if option:
        line = [*verb.split(), *given, option, SHAPES[shape]]
    else:
        line = [*verb.split(), SHAPES[shape], *[word for word in given if word.startswith("-")]]
        # The values of those options.
        line = [*verb.split(), SHAPES[shape], *given[next((n for n, word in enumerate(given) if word[0] == "-"), 99) :]]
    if verb == "load" and "--json" not in line:
        line.append("--yes")
    laden(*[word for word in line if word != "make"])


@pytest.mark.parametrize("face", [["--json"], ["--verbose"]])
@pytest.mark.parametrize(
    "line",
    [
        ["load", SHAPES["url"], "./src"],
        ["load", SHAPES["url"], SHAPES["url"]],
        ["load", "./src", SHAPES["url"], "more"],
        ["load", "./src", SHAPES["url"].replace("https://", "")],
        ["load", "./src", SHAPES["url"].replace("://", ";//")],
        ["load", "./src", SHAPES["connection"]],
        ["load", "./src", SHAPES["connection"], "--dry-run"],
        ["load", "./src", f"./{SHAPES['sas']}"],
        ["load", "./src", SHAPES["encoded"]],
        ["load", "./src", f"'{SHAPES['url']}"],
        ["load", "./src", KEY],
        ["load", "./src", "./dest", "--where", f"ImageID <> '{SHAPES['url']}'"],
        ["load", "./src", "./dest", "--where", f"ImageID = '{SIGNATURE}'"],
        ["check", "./src", SHAPES["url"]],
        ["check", SHAPES["login"]],
        ["verify", SHAPES["url"].replace("blob", "dfs")],
        ["report", "./src", SHAPES["url"]],
    ],
)
def test_in_each_other_place_of_a_line(line: list[str], face: list[str], laden: Laden, source: str) -> None:
    laden(*line, *face)


@pytest.mark.parametrize("word", SHAPES.values())
@pytest.mark.parametrize(
    "line", [[], ["load"], ["verify", "./dest"], ["--version"], ["sas"], ["labels"], ["load", "--"]]
)
def test_as_a_word_too_much(line: list[str], word: str, laden: Laden) -> None:
    for dashes in ("", "-", "--"):
        laden(*line, dashes + word)


SETTINGS = {
    "AZURE_CLIENT_SECRET": PASSWORD,
    "IDENTITY_HEADER": PASSWORD,
    "AZURE_CLIENT_CERTIFICATE_PASSWORD": PASSWORD,
    "LADEN_SAS": SAS,
    "AZURE_STORAGE_SAS_TOKEN": SAS,
    "AZURE_STORAGE_KEY": KEY,
    "AZURE_STORAGE_CONNECTION_STRING": CONNECTION,
}
WRONG = (
    "LADEN_SAS",
    "LADEN_TRUST_HOST",
    "AZURE_STORAGE_KEY",
    "AZURE_STORAGE_ACCOUNT",
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_SDK_CLOUD_CONF",
    "AZURE_AUTHORITY_HOST",
    "AZURE_TENANT_ID",
    "AZURE_SUBSCRIPTION_ID",
    "TMPDIR",
    "SSL_CERT_FILE",
)


@pytest.mark.parametrize("name", SETTINGS)
def test_what_the_settings_hold_is_known_wherever_it_comes_from(
    name: str, laden: Laden, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bare, without anything around that would tell what it is."""
    monkeypatch.setenv(name, SETTINGS[name])
    secret = {SAS: SIGNATURE, CONNECTION: KEY}.get(SETTINGS[name], SETTINGS[name])
    for form in (secret, quote(secret, safe=""), quote(quote(secret, safe=""), safe="").lower()):
        for line in (["profiles", form], ["verify", f"./x{form}y"], ["verify", f"./{form}"]):
            code, told = laden(*line)
            assert code, told


@pytest.mark.parametrize("shape", ["url", "key", "connection", "login"])
@pytest.mark.parametrize("name", WRONG)
def test_in_the_wrong_setting(
    name: str, shape: str, laden: Laden, monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    monkeypatch.setenv(name, SHAPES[shape])
    if name == "TMPDIR":
        monkeypatch.setattr("tempfile.tempdir", None)
    laden("doctor", closed)
    laden("sas", CONTAINER)
    if name == "TMPDIR":
        monkeypatch.setattr("tempfile.tempdir", None)


@pytest.mark.parametrize("scheme", ["http://", "https://", "socks5://", ""])
@pytest.mark.parametrize(
    "rest",
    [
        f"corp:{PASSWORD}@127.0.0.1:9",
        f"corp:{quote(PASSWORD, safe='')}@127.0.0.1:9",
        f"corp:{PASSWORD}@127.0.0.1:nine",
        f"corp:{PASSWORD}@[::1:9",
        f"corp@office:{PASSWORD}@127.0.0.1:9",
        f"127.0.0.1:9?{SAS}",
    ],
)
def test_in_a_proxys_address(scheme: str, rest: str, laden: Laden, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", scheme + rest)
    monkeypatch.setenv("LADEN_SAS", SAS)
    laden("doctor", CONTAINER, "--json")


@pytest.mark.parametrize(
    ("code", "named"),
    [
        (f"import sys; print({SAS!r}, file=sys.stderr)", "stderr"),
        (f"import sys; print({unquote(SAS)!r}, {KEY!r}, file=sys.stderr); sys.exit({CONNECTION!r})", "stderr and end"),
        (f"print({SAS!r}); print({SAS + 'x'!r})", "two of them"),
        (f"print({SIGNATURE!r})", "a signature alone"),
        (f"print({SAS!r} + chr(34) + '\\u00e9')", "one that is none"),
        (f"raise ValueError({SAS!r})", "a traceback"),
        (f"import sys; print({SIGNATURE!r}); print('Bearer', {SIGNATURE!r}, file=sys.stderr)", "a token"),
    ],
)
def test_from_the_program_that_gives_a_sas(code: str, named: str, laden: Laden, closed: str, source: str) -> None:
    command = shlex.join([sys.executable, "-c", code])
    laden("load", source, f"{closed}", "--sas-command", command, "--yes", own_program=True)


@pytest.mark.parametrize(
    "command", [SHAPES["url"], f"{SHAPES['url']} x", f"'{SAS}", f"/no/such/{KEY}", f"sh -c 'echo {SAS}'"]
)
def test_in_the_place_of_that_program(command: str, laden: Laden, closed: str, source: str) -> None:
    laden("load", source, closed, "--sas-command", command, "--yes", own_program="sh -c" in command)


class _Echo(BaseHTTPRequestHandler):
    """Answers with what it was told, in every place of an answer."""

    kind = ""

    def do_GET(self) -> None:
        secret = urlsplit(self.path).query
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status = {"listing": 200, "moved": 307, "refused": 400, "conflict": 409, "lost": 404}.get(self.kind, 403)
        blob = (
            f"<Blob><Name>a?{secret.replace('&', '&amp;')}</Name><Properties><Content-Length>x{SIGNATURE}"
            "</Content-Length></Properties></Blob>"
        )
        body = {
            "listing": f"<EnumerationResults><Blobs>{blob}</Blobs></EnumerationResults>",
            "broken": f"<{secret}",
        }.get(self.kind, f"<Error><Code>{self.code()}</Code><Message>{secret.replace('&', '&amp;')}</Message>"
              f"<AuthenticationErrorDetail>Signature did not match. {SIGNATURE} {secret.replace('&', '&amp;')}"
              "</AuthenticationErrorDetail></Error>")  # fmt: skip
        self.send_response(status, f"no {SIGNATURE}")
        self.send_header("x-ms-error-code", self.code())
        self.send_header("x-ms-request-id", secret)
        self.send_header("x-ms-version", SIGNATURE)
        self.send_header("Location", f"http://127.0.0.1:9/?{secret}")
        self.send_header("Date", SIGNATURE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    do_PUT = do_HEAD = do_DELETE = do_GET  # noqa: N815 - the names that http.server calls

    def code(self) -> str:
        return {"odd": f"No{SIGNATURE}", "lost": "ContainerNotFound", "ended": "AuthenticationFailed"}.get(
            self.kind, "X"
        )

    def log_message(self, *_: object) -> None:
        """Tests keep the terminal to themselves."""


@pytest.mark.parametrize(
    ("verb", "face"), [("doctor", ["--json"]), ("doctor", []), ("verify", ["--json"]), ("load", [])]
)
@pytest.mark.parametrize("kind", ["refused", "odd", "ended", "moved", "conflict", "lost"])
def test_in_the_answers_of_a_server(kind: str, verb: str, face: list[str], laden: Laden, source: str) -> None:
    with serving(type("Handler", (_Echo,), {"kind": kind})) as port:
        code, told = laden(
            verb, *([source] if verb == "load" else []), f"http://127.0.0.1:{port}/acct/padchest?{SAS}", *face
        )
        assert code, told


@pytest.mark.parametrize("kind", ["listing", "broken"])
def test_in_an_answer_that_is_no_answer(kind: str, laden: Laden) -> None:
    with serving(type("Handler", (_Echo,), {"kind": kind})) as port:
        laden("doctor", f"http://127.0.0.1:{port}/acct/padchest?{SAS}")


def test_where_nobody_expects_an_error(laden: Laden, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(f"{SHAPES['url']} {KEY} {SHAPES['login']} Authorization: Bearer {SIGNATURE}")

    monkeypatch.setattr("laden.verbs.doctor.parse_destination", broken)
    code, told = laden("doctor", SHAPES["url"])
    assert code == 1
    assert "a bug in laden" in told


def test_in_a_profile_and_a_list(laden: Laden, source: str, tmp_path: Path) -> None:
    planted = tmp_path / "planted.txt"
    for text in (SHAPES["url"], f'name = "{SHAPES["url"]}"', f"[table]\n{KEY} = 1", CONNECTION):
        planted.write_text(text)
        laden("check", source, "--profile", "planted.txt")
        laden("profiles", "./planted.txt")
        laden("check", source, "--images", "planted.txt")


def test_as_an_installed_command_with_workers(container: str, tmp_path: Path) -> None:
    """Once through the real door: its own process, its workers, its streams."""
    make_dataset(tmp_path / "src", {"0": 1})
    ran = run("load", "./src", f"{container}?{SAS}", "--yes", "--workers", "2", cwd=tmp_path)
    assert ran.code == 4
    assert not leaked(ran.out + ran.err)
    assert not any(leaked(file.read_bytes().decode("latin-1")) for file in tmp_path.rglob("*") if file.is_file())
