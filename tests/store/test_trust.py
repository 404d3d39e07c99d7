"""Where tokens and what keys sign may go: Azure's hosts, this machine, hosts that a person names; nowhere else."""

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from laden.store.credentials import find_credential, find_key, find_sas
from laden.store.destination import Destination, parse_destination
from laden.store.minting import Wanted, mint
from laden.store.trust import TRUST_HOST, is_azure, named_hosts, trust_host
from laden.values.errors import UsageError
from tests.support.harness import run

KEY = "c2VjcmV0" * 11
SAS = "sv=2023-11-03&sr=c&sp=rcwl&sig=c2VjcmV0LXNpZ25hdHVyZQ%3D"
OURS = [
    "acct.blob.core.windows.net",
    "ACCT.Blob.Core.Windows.Net",
    "acct-secondary.blob.core.windows.net",
    "acct.privatelink.blob.core.windows.net",
    "acct.z01.blob.storage.azure.net",
    "acct.blob.core.usgovcloudapi.net",
    "acct.privatelink.blob.core.chinacloudapi.cn",
]
THEIRS = [
    "padchest.blob.core.windows.net.evil.example",
    "acct.blob.core.windows.net.",
    "acctblob.core.windows.net",
    "evilblob.core.windows.net",
    "acct-blob-core-windows-net.example",
    "acct.blob.core.window.net",
    "acct.blob.core.windows.com",
    "blob.core.windows.net",
    "files.evil.example",
    "10.0.0.5",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
]


def at(host: str) -> Destination:
    parsed = parse_destination(f"https://{host}/acct/data")
    assert isinstance(parsed, Destination)
    return parsed


@pytest.mark.parametrize("host", OURS)
def test_the_clouds_own_hosts_get_them(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_azure(host)
    assert find_credential(at(host)).kind == "sign-in"
    monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)
    assert find_credential(at(host)).kind == "account key"


@pytest.mark.parametrize("host", THEIRS)
def test_no_other_host_does(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_azure(host)
    told = f"--trust-host {host}"
    with pytest.raises(UsageError, match=told):
        find_credential(at(host))
    with pytest.raises(UsageError, match="the token of a sign-in goes to"):
        mint(at(host), Wanted())
    monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)
    for asked in (find_credential, find_key, lambda to: mint(to, Wanted())):
        with pytest.raises(UsageError, match=told):
            asked(at(host))


@pytest.mark.parametrize("host", THEIRS)
def test_those_that_are_named_do(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRUST_HOST, f"other.example, {host.upper()}")
    assert find_credential(at(host)).kind == "sign-in"
    with pytest.raises(UsageError, match="is none of them"):
        find_credential(at(f"x.{host}.example"))


@pytest.mark.parametrize("host", ["files.evil.example", "acct.blob.core.windows.net"])
def test_a_sas_that_is_for_it_goes_where_it_was_typed(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_sas(parse_destination(f"https://{host}/data?{SAS}")) == SAS  # type: ignore[arg-type]
    monkeypatch.setenv("LADEN_SAS", SAS)
    assert find_credential(at(host)).kind == "SAS"


def test_a_connection_strings_secrets_go_to_its_own_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = "AZURE_STORAGE_CONNECTION_STRING"
    monkeypatch.setenv(setting, f"AccountName=blobs;BlobEndpoint=https://blobs.example.org;AccountKey={KEY}")
    own = Destination("blobs", "https://blobs.example.org", "data")
    assert find_key(own) == KEY
    with pytest.raises(UsageError, match=r"blobs\.evil\.example is none"):
        find_key(Destination("blobs", "https://blobs.evil.example", "data"))
    monkeypatch.setenv(setting, f"BlobEndpoint=https://blobs.example.org;SharedAccessSignature={SAS}")
    assert find_sas(own) == SAS
    with pytest.raises(UsageError, match=r"blobs\.evil\.example is none"):
        find_sas(Destination("blobs", "https://blobs.evil.example", "data"))


@pytest.mark.parametrize("place", ["http://127.0.0.1:1/devstoreaccount1/data", "http://localhost:1/dev/data"])
def test_the_emulator_stays_easy(place: str) -> None:
    parsed = parse_destination(place)
    assert isinstance(parsed, Destination)
    assert find_credential(parsed).kind == ("account key" if "devstore" in place else "sign-in")


@pytest.mark.parametrize("name", ["", " ", "a b", "https://blobs.example.org", "a/b", "-x", "*.example.org", "a,b"])
def test_a_host_is_named_alone(name: str) -> None:
    with pytest.raises(UsageError, match="name of a host alone"):
        trust_host(name)
    assert named_hosts() == []


class _Stranger(http.server.BaseHTTPRequestHandler):
    """A proxy through which a stranger would be reached: notes what comes."""

    heard: list[str]

    def do_CONNECT(self) -> None:
        self.heard.append(self.path)
        self.send_error(403)

    def log_message(self, *_: Any) -> None:
        """Tests keep the terminal to themselves."""


@pytest.fixture
def stranger() -> Iterator[tuple[str, list[str]]]:
    heard: list[str] = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Stranger,), {"heard": heard}))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", heard
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_command_asks_a_stranger_nothing_until_its_host_is_named(stranger: tuple[str, list[str]]) -> None:
    proxy, heard = stranger
    settings = {"AZURE_STORAGE_KEY": KEY, "HTTPS_PROXY": proxy}
    refused = run("verify", "https://files.evil.example/data", env=settings)
    assert (refused.code, heard) == (2, [])
    assert "--trust-host files.evil.example" in refused.err
    run("verify", "https://files.evil.example/data", "--trust-host", "files.evil.example", env=settings)
    assert set(heard) == {"files.evil.example:443"}
