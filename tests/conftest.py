"""Fixtures for every test: a clean environment, and one running emulator for the whole run."""

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import ContainerClient
from hypothesis import HealthCheck, settings

from laden.demo.emulator import Emulator
from laden.demo.install import cache_folder
from laden.values import secrets
from tests.support.management import Management, tally
from tests.support.management.certificate import make_certificate

CACHE = cache_folder()
"""Where the emulator is installed, asked before any test changes the environment: installed once for all."""
EMULATOR_API_VERSION = "2026-06-06"
"""The newest that Azurite 3.37 takes; the SDK's own default is newer."""

# A shell's background jobs ignore Ctrl-C, those of nohup a closed terminal, and hand that down to every process that a
# test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# How quickly examples are drawn and tried is the machine's business, which may be busy.
settings.register_profile("busy", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.fixture(autouse=True)
def clean_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No test sees this person's settings, credentials or home, nor writes into the repository."""
    for name in os.environ:
        if name.startswith(("AZURE_", "LADEN_", "AZURITE_", "IDENTITY_", "MSI_", "ARM_")):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("LADEN_CACHE", str(CACHE))
    monkeypatch.chdir(tmp_path)
    # What one test's command was given in confidence is a word like any other in the next.
    monkeypatch.setattr(secrets, "_noted", {})
    monkeypatch.setattr(secrets, "_of_environment", {})


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """Azurite, in memory, for the whole run (for each worker, where there are several)."""
    with Emulator() as running:
        yield running


@pytest.fixture
def container(emulator: Emulator) -> str:
    """The URL of a new, empty container, without a signature; its key is `emulator.key`."""
    url = emulator.url(f"test-{uuid.uuid4().hex}")
    credential = AzureNamedKeyCredential(emulator.account, emulator.key)
    with ContainerClient.from_container_url(url, credential, api_version=EMULATOR_API_VERSION) as client:
        client.create_container()
    return url


@pytest.fixture
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Management]:
    """Azure Resource Manager on this machine, where a managed identity is signed in; no blobs behind it."""
    with Management(tmp_path_factory.mktemp("azure")) as running:
        yield running


@pytest.fixture(scope="session")
def secure_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Emulator]]:
    """Azurite over TLS, which takes bearer tokens, and the folder of its certificate."""
    folder = tmp_path_factory.mktemp("certificate")
    with Emulator(https=make_certificate(folder)) as running:
        yield folder, running


@pytest.fixture
def cloud(secure_emulator: tuple[Path, Emulator]) -> Iterator[Management]:
    """Resource Manager with Azurite behind the account `devstoreaccount1`, which has to be made first."""
    with Management(*secure_emulator) as running:
        yield running


_LONGEST = (
    "faults/test_wire.py",
    "faults/test_leaks.py",
    "stages/test_plan_places.py",
    "machines/",
    "docs/test_site.py",
    "fuzz/test_fuzz.py::test_zips",
    "verbs/test_strangers.py::test_no_secret",
    "e2e/test_azcopy.py",
    "explorer/test_page_writes.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that take long, or modules that do, come first, so that none is left to one process at the end."""
    items.sort(key=lambda item: not any(name in item.nodeid for name in _LONGEST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two processes more than there are cores: half of the time, tests wait for servers, children and clocks."""
    return (os.cpu_count() or 1) + 2


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker's counts go to the process that reports."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["management"] = dict(tally)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add a worker's counts."""
    tally.update(getattr(node, "workeroutput", {}).get("management", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many requests to Resource Manager were judged."""
    if tally:
        kinds = ("judged", "rejected", "rejected on purpose", "without schema")
        counts = ", ".join(f"{tally[kind]} {kind}" for kind in kinds)
        terminalreporter.write_line(f"Requests to Resource Manager, held against Microsoft's schemas: {counts}")
