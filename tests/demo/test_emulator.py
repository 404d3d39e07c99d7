"""The emulator: installed once from a lock file, started on a free port, gone when it should be."""

import datetime as dt
import http.client
import ipaddress
import json
import signal
import socket
import ssl
import subprocess
import sys
import urllib.parse
from importlib.resources import files
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from laden.demo import install as module
from laden.demo.emulator import Emulator
from laden.values.errors import LadenError
from tests.conftest import CACHE, EMULATOR_API_VERSION


def container_client(running: Emulator, name: str) -> ContainerClient:
    return ContainerClient.from_container_url(
        running.url(name), running.key, api_version=EMULATOR_API_VERSION, retry_total=0
    )


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def closed_by_its_end(port: int) -> bool:
    """Connect and wait, saying nothing, until the other end closes; False if nobody listens any more."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as watching:
            return watching.recv(1) == b""
    except ConnectionResetError:
        return True
    except ConnectionRefusedError:
        return False


def test_a_fresh_container_takes_and_returns_a_blob(emulator: Emulator, container: str) -> None:
    name = urllib.parse.urlsplit(container).path.rpartition("/")[2]
    with container_client(emulator, name) as client:
        assert list(client.list_blobs()) == []
        client.upload_blob("a/b.bin", b"\x00\xff")
        assert client.download_blob("a/b.bin").readall() == b"\x00\xff"


def test_it_is_the_pinned_azurite(emulator: Emulator) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", emulator.port, timeout=10)
    connection.request("GET", "/")
    assert connection.getresponse().getheader("Server") == f"Azurite-Blob/{module.VERSION}"
    connection.close()


def test_the_lock_pins_every_package_by_its_hash_and_names_no_host() -> None:
    text = (files("laden.demo") / "azurite" / "package-lock.json").read_text("utf-8")
    assert "://" not in text
    packages = {path: entry for path, entry in json.loads(text)["packages"].items() if path}
    assert packages["node_modules/azurite"]["version"] == module.VERSION
    assert [path for path, entry in packages.items() if not entry["integrity"].startswith("sha512-")] == []


def test_two_run_side_by_side_and_each_ends_alone(emulator: Emulator) -> None:
    with Emulator() as other:
        assert other.port != emulator.port
        assert other.pid != emulator.pid
        assert answers(other.port)
    assert not answers(other.port)
    assert answers(emulator.port)


def test_a_taken_port_is_told(emulator: Emulator) -> None:
    with pytest.raises(LadenError, match=rf"did not start: .*address already in use.*{emulator.port}"):
        Emulator(port=emulator.port).__enter__()


def test_a_folder_keeps_blobs_from_one_run_to_the_next(tmp_path: Path) -> None:
    with Emulator(tmp_path / "kept") as first, container_client(first, "kept") as client:
        client.create_container()
        client.upload_blob("a.bin", b"still here")
    with Emulator(tmp_path / "kept") as second, container_client(second, "kept") as client:
        assert client.download_blob("a.bin").readall() == b"still here"


def test_https_with_a_certificate_of_our_own(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    with Emulator(https=(certificate, key)) as running:
        assert running.url("c") == f"https://127.0.0.1:{running.port}/devstoreaccount1/c"
        trusting = ssl.create_default_context(cafile=str(certificate))
        connection = http.client.HTTPSConnection("127.0.0.1", running.port, timeout=10, context=trusting)
        connection.request("GET", "/")
        assert connection.getresponse().getheader("Server", "").startswith("Azurite-Blob/")
        connection.close()


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_it_does_not_outlive_a_killed_parent() -> None:
    code = "e = Emulator().__enter__(); print(e.port, flush=True); input()"
    command = [sys.executable, "-c", f"from laden.demo.emulator import Emulator; {code}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        # A connection may still be taken in the moment between: the next one is not.
        assert not all(closed_by_its_end(port) for _ in range(100))


def test_without_the_registry_npm_s_reason_is_told_and_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket() as closed:  # bound, never listening: every connection is refused
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("LADEN_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
        monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{closed.getsockname()[1]}/")
        monkeypatch.setenv("npm_config_fetch_retries", "0")
        with pytest.raises(LadenError, match=r"npm could not fetch .*: .*ECONNREFUSED.*; check") as caught:
            module.install()
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_installing_at_the_same_time_as_another_process_is_no_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed = module.install()
    monkeypatch.setenv("LADEN_CACHE", str(tmp_path))
    theirs = tmp_path / installed.name

    def another_is_first(folder: Path) -> None:
        (folder / "ours").touch()
        theirs.mkdir()
        (theirs / "theirs").touch()

    monkeypatch.setattr(module, "_npm_ci", another_is_first)
    assert module.install() == theirs
    assert [path.name for path in tmp_path.iterdir()] == [installed.name], "its own folder is gone again"
    assert [path.name for path in theirs.iterdir()] == ["theirs"]


def test_a_cache_that_is_no_folder_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LADEN_CACHE", str(tmp_path / "file"))
    with pytest.raises(LadenError, match="LADEN_CACHE"):
        module.install()


def test_tests_share_the_cache_of_this_machine() -> None:
    assert module.cache_folder() == CACHE


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Write a certificate for 127.0.0.1 and its key, valid for an hour."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    built = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(private, hashes.SHA256())
    )
    certificate, key = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate, key
