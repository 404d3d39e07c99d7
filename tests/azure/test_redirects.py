"""No client of the Azure SDKs goes where an answer sends it: what it signs is for the host that was named."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from laden.azure.clients import session
from laden.azure.refusals import explained
from laden.store import parse_destination
from laden.store.minting import Wanted, mint
from laden.values.errors import StoreError
from tests.support.management import Management


@contextmanager
def sending_on(azure: Management, to: int = 0) -> Iterator[tuple[int, list[str]]]:
    """A host with TLS that sends everybody to another port under another name; its own port, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(307 if to else 200)
            self.send_header("Location", f"https://localhost:{to}{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_PUT = do_GET  # noqa: N815 - names of the base class

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*azure.certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(what: str) -> None:
    with session() as opened, explained("look"):
        if what == "account":
            opened.storage.storage_accounts.get_properties("group", "acct")
        elif what == "role":
            with opened.authorization() as roles:
                list(roles.role_assignments.list_for_scope("/subscriptions/x"))
        else:
            opened.get("/subscriptions/x", "2021-04-01")


@pytest.mark.parametrize("what", ["policy", "delegation", "account", "role", "provider"])
def test_no_redirect_is_followed(azure: Management, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    for name, value in azure.env.items():
        monkeypatch.setenv(name, value)
    with sending_on(azure) as (foreign, told), sending_on(azure, foreign) as (named, asked):
        destination = parse_destination(f"https://127.0.0.1:{named}/acct/data")
        monkeypatch.setenv("AZURE_RESOURCE_MANAGER_URL", f"https://127.0.0.1:{named}")
        if what in ("policy", "delegation"):
            if what == "policy":
                monkeypatch.setenv("AZURE_STORAGE_KEY", "A" * 86 + "==")
            with pytest.raises(StoreError, match="307, a redirect, which is not followed"):
                mint(destination, Wanted(policy="pol" if what == "policy" else None))
        else:
            with pytest.raises(StoreError, match="a redirect, which is not followed"):
                ask(what)
        assert asked
        assert told == []
