"""Servers that people really run: nginx, Apache, a WebDAV share, and Azure's emulator. Absent ones are skipped."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from azure.storage.blob import ContainerClient, ContainerSasPermissions, generate_container_sas

from laden.demo.emulator import Emulator
from laden.values.errors import ExitCode, SourceError
from laden.verbs.check import check
from laden.verbs.load import load
from tests.remote.test_load import landed
from tests.support.dataset import Dataset, make_dataset

TOKEN = "Qw3rTy7uIoP9aSd"

_NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ }}
http {{
    access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{ listen 127.0.0.1:{port}; root {files}; }}
}}
"""
_APACHE = """
ServerRoot {folder}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
DefaultRuntimeDir {folder}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
User daemon
Group daemon
DocumentRoot {files}
"""


@pytest.fixture
def dataset() -> Iterator[Dataset]:
    """Where servers that drop their rights can read it."""
    folder = Path(tempfile.mkdtemp(prefix="laden-peers-"))
    folder.chmod(0o755)
    try:
        yield make_dataset(folder / "files", {"0": 12, "1": 9}, size=64)
    finally:
        shutil.rmtree(folder)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def running(command: list[str], port: int) -> Iterator[str]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as sock:
                if not sock.connect_ex(("127.0.0.1", port)):
                    break
            assert process.poll() is None, "it did not start"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize("name", ["nginx", "apache2"])
def test_web_servers(name: str, dataset: Dataset, tmp_path: Path) -> None:
    program = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if program is None:
        pytest.skip(f"{name} is not installed")
    port, folder = free_port(), dataset.folder.parent
    text = (_NGINX if name == "nginx" else _APACHE).format(port=port, folder=folder, files=dataset.folder)
    (folder / "conf").write_text(text)
    command = [program, "-c", str(folder / "conf")] if name == "nginx" else [program, "-X", "-f", str(folder / "conf")]
    with running(command, port) as url:
        links = [f"{url}/{path.name}" for path in sorted(dataset.folder.iterdir())]
        assert check(links).exit_code == ExitCode.COMPLETE
        assert load(links, str(tmp_path / "there")).exit_code == ExitCode.COMPLETE
    assert landed(tmp_path / "there") == dataset.blobs


class _Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def share(folder: Path, password: str = "") -> Iterator[str]:
    """A WebDAV server that asks for the token as user, as Nextcloud's for public shares does."""
    wsgidav = pytest.importorskip("wsgidav.wsgidav_app")
    where = "/public.php/webdav"
    app = wsgidav.WsgiDAVApp(
        {
            "provider_mapping": {where: {"root": str(folder), "readonly": True}},
            "simple_dc": {"user_mapping": {where: {TOKEN: {"password": password}}}},
            "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
            "logging": {"enable": False},
            "verbose": 0,
        }
    )
    server = make_server("127.0.0.1", 0, app, _Threads, _Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/index.php/s/{TOKEN}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_share_is_a_source(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (dataset.folder / "more").mkdir()
    (dataset.folder / "1.zip").rename(dataset.folder / "more" / "1.zip")
    with share(dataset.folder) as link:
        summary = check([link])
        assert (summary.exit_code, summary.matched) == (ExitCode.COMPLETE, len(dataset.blobs))
        assert TOKEN not in str(summary)
        assert load([link], str(tmp_path / "there")).exit_code == ExitCode.COMPLETE
    assert landed(tmp_path / "there") == dataset.blobs
    kept = b"".join(path.read_bytes() for path in (tmp_path / "there").rglob("*") if path.is_file())
    assert TOKEN.encode() not in kept
    with share(dataset.folder, "of-the-share") as link:
        with pytest.raises(SourceError, match="401"):
            check([link])
        monkeypatch.setenv("LADEN_HTTP_PASSWORD", "of-the-share")
        assert check([link]).exit_code == ExitCode.COMPLETE


@pytest.mark.parametrize("signed", [True, False])
def test_a_container_is_a_source(
    emulator: Emulator, container: str, dataset: Dataset, tmp_path: Path, signed: bool
) -> None:
    key = {"account_name": emulator.account, "account_key": emulator.key}
    with ContainerClient.from_container_url(container, key, api_version="2026-06-06") as client:
        for path in dataset.folder.iterdir():
            client.upload_blob(f"raw data/{path.name}", path.read_bytes())
    link = f"{container}/raw%20data"
    if signed:
        permission = ContainerSasPermissions(read=True, list=True)
        until = datetime.now(UTC) + timedelta(hours=1)
        sas = generate_container_sas(
            emulator.account,
            container.rpartition("/")[2],
            account_key=emulator.key,
            permission=permission,
            expiry=until,
        )
        link = f"{link}?{sas}"
    assert load([link], str(tmp_path / "there")).exit_code == ExitCode.COMPLETE
    assert landed(tmp_path / "there") == dataset.blobs
    one = link.replace("raw%20data", "raw%20data/0.zip")
    assert check([one], table=dataset.table, archives="0").exit_code == ExitCode.COMPLETE
