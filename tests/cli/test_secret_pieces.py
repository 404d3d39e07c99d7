"""Pieces of secrets in wrong places: cut off, wrapped over lines, spelled otherwise, encoded once more. None leaves.

The settings hold the secret, so laden knows it; the pieces come from anywhere. Everything that leaves is looked through
as in `test_secrets`: a piece of nine characters is a leak.
"""

import base64
import json
import shlex
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from tests.support.leaks import CONTAINER, KEY, SAS, SIGNATURE, Laden, leaked, serving

pytestmark = pytest.mark.usefixtures("closed")


def every_sign(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


MIDDLE = KEY[20:60]
PIECES = {
    "its start": SIGNATURE[:16],
    "its end": SIGNATURE[-17:],
    "its middle": MIDDLE,
    "wrapped": f"{KEY[:30]}\n{KEY[30:60]}\n{KEY[60:]}",
    "wrapped and indented": f"{SIGNATURE[:22]}\r\n      {SIGNATURE[22:]}",
    "in a box": f"│ {KEY[:44]} │\n│ {KEY[44:]} │",
    "for addresses": SIGNATURE.replace("+", "-").replace("/", "_")[2:],
    "blanks for plus": SIGNATURE.replace("+", " ")[3:],
    "every sign encoded": every_sign(SIGNATURE[:20]),
    "encoded twice and cut": quote(quote(SIGNATURE, safe=""), safe="")[:-5],
    "as JSON": json.dumps(SIGNATURE).replace("+", "\\u002b")[:30],
    "as HTML": SIGNATURE.replace("+", "&#43;").replace("/", "&#x2F;"),
    "in base64": base64.b64encode(f"?{SAS}".encode()).decode(),
    "in base64, decoded first": base64.b64encode(unquote(SAS).encode()).decode(),
    "in base64, cut": base64.b64encode(f"acct:{KEY}".encode()).decode()[9:70],
    "its bytes": base64.b64decode(SIGNATURE).hex(),
    "its bytes, larger": base64.b64decode(SIGNATURE).hex().upper()[8:],
    "in colours": f"\x1b[31m{SIGNATURE[:18]}\x1b[0m{SIGNATURE[18:]}",
}


class _Saying(BaseHTTPRequestHandler):
    """Refuses, and says a piece of a secret with it."""

    piece = ""

    def do_GET(self) -> None:
        body = f"<Error><Code>X</Code><Message>it is {self.piece}</Message></Error>".encode()
        self.send_response(400)
        self.send_header("x-ms-error-code", quote(self.piece))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests keep the terminal to themselves."""


def from_a_server(laden: Laden, piece: str, source: str) -> None:
    with serving(type("Handler", (_Saying,), {"piece": piece})) as port:
        laden("doctor", f"http://127.0.0.1:{port}/acct/padchest", "--json")


def from_a_program(laden: Laden, piece: str, source: str) -> None:
    code = f"import sys; sys.exit({f'no: {piece}'!r})"
    line = ["load", source, CONTAINER, "--sas-command", shlex.join([sys.executable, "-c", code]), "--yes"]
    laden(*line, own_program=True)


def in_a_file(laden: Laden, piece: str, source: str) -> None:
    planted = Path("planted.txt")
    for text in (piece, f"[table]\n{piece!r} = 1"):
        planted.write_text(text)
        laden("check", source, "--profile", "planted.txt")
        laden("check", source, "--images-from", "planted.txt")


def in_a_traceback(laden: Laden, piece: str, source: str) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(piece, repr(piece), {"message": piece})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("laden.verbs.doctor.parse_destination", broken)
        assert laden("doctor", CONTAINER)[0] == 1


PLACES: dict[str, Callable[[Laden, str, str], object]] = {
    "destination": lambda laden, piece, source: laden("load", source, piece, "--dry-run", "--json"),
    "condition": lambda laden, piece, source: laden("check", source, "--where", f"ImageID = '{piece}'", "--json"),
    "condition that is none": lambda laden, piece, source: laden("check", source, "--where", f"{piece} +"),
    "layout": lambda laden, piece, source: laden("load", source, "./dest", "--layout", piece, "--json"),
    "server": from_a_server,
    "program": from_a_program,
    "file": in_a_file,
    "traceback": in_a_traceback,
}


def test_they_are_many_and_every_one_would_be_seen() -> None:
    assert len(PIECES) * len(PLACES) >= 100
    assert [name for name, piece in PIECES.items() if not (leaked(piece) or leaked(unquote(piece)))] == []


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("piece", PIECES)
def test_no_piece_leaves(piece: str, place: str, laden: Laden, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LADEN_SAS", SAS)
    monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)
    PLACES[place](laden, PIECES[piece], source)


@pytest.mark.parametrize("piece", PIECES)
def test_no_piece_of_what_the_line_holds_leaves(piece: str, laden: Laden, source: str) -> None:
    """Only the command line holds the secret, in one of its words; the piece stands in another."""
    whole = f"AccountKey={KEY};{SAS}"
    laden("check", source, whole, f"./{PIECES[piece]}")
    laden("check", source, "--where", f"ImageID <> '{PIECES[piece]}'", "--exclude", whole)
