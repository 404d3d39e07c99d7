"""Secrets in every wrong place: arguments, options, settings, answers of a server. None leaves, by any door.

Each placement runs the whole command within this process, and everything that leaves is looked through: standard
output and error, every file that was written, and the command lines of what was started.
"""

import shlex
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest

from laden.cli.usage import all_verbs
from tests.support.dataset import make_dataset
from tests.support.harness import run
from tests.support.leaks import CONNECTION, CONTAINER, KEY, PASSWORD, SAS, SHAPES, SIGNATURE, Laden, leaked, serving

pytestmark = pytest.mark.usefixtures("closed")

NEEDED = {
    "load": ["SOURCE", "./dest"],
    "check": ["SOURCE"],
    "verify": ["./dest"],
    "status": ["./dest"],
    "get": ["./dest", "./got"],
    "fetch": ["https://127.0.0.1:1/0.zip", "./got"],
    "lock": ["SOURCE", "-o", "d.lock"],
    "list": ["./dest"],
    "history": ["./dest"],
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
    "init": ["SOURCE"],
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
    "help": [],
    "completion": ["bash"],
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
                # A place that can be meant is served until somebody ends that.
                shape = "sas" if verb == "explore" and not option else shape
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
        laden("check", source, "--images-from", "planted.txt")


def test_as_an_installed_command_with_workers(container: str, tmp_path: Path) -> None:
    """Once through the real door: its own process, its workers, its streams."""
    make_dataset(tmp_path / "src", {"0": 1})
    ran = run("load", "./src", f"{container}?{SAS}", "--yes", "--workers", "2", cwd=tmp_path)
    assert ran.code == 4
    assert not leaked(ran.out + ran.err)
    assert not any(leaked(file.read_bytes().decode("latin-1")) for file in tmp_path.rglob("*") if file.is_file())
