"""Dask's workers that get short SAS from a program of their own (`--sas-command`), again and again, and tell nobody."""

from __future__ import annotations

import gzip
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

pytest.importorskip("distributed", reason="the extra dask is not installed")

from distributed import Client

from laden.demo.emulator import ACCOUNT, KEY, Emulator
from laden.stages.engine import spreading
from laden.values.errors import AccessDenied
from laden.values.events import Event, Progress
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.stages.test_engine_dask import PAGES, page
from tests.support.dask import Cluster, wait_for
from tests.support.dataset import Dataset, make_dataset

_LIFE_S = 6
_BROKER = f"""
import os, sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from azure.storage.blob import ContainerSasPermissions, generate_container_sas
folder, container = Path(sys.argv[1]), sys.argv[2]
whose = os.environ.get("WHOSE", "coordinator")
given = [*folder.glob(f"{{whose}}-{{os.getppid()}}-*")]
now = datetime.now(timezone.utc)
sas = generate_container_sas(
    {ACCOUNT!r}, container, account_key={KEY!r}, version="2023-11-03", start=now - timedelta(minutes=5),
    permission=ContainerSasPermissions.from_string(os.environ.get("MAY", "rwlc")),
    expiry=now + timedelta(seconds=3600 if given else {_LIFE_S}),
)
(folder / f"{{whose}}-{{os.getppid()}}-{{len(given)}}").write_text(f"{{now.timestamp() + {_LIFE_S}}} {{sas}}")
print(sas)
"""
"""Gives each process one SAS that ends soon, and then one that does not, and notes all of them."""


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {"0": 150, "1": 150})


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "LEAST_BATCH_BYTES", 5_000)


class Broker:
    """The program, and what it gave."""

    def __init__(self, folder: Path, container: str) -> None:
        self.folder = folder / "given"
        self.folder.mkdir()
        program = folder / "broker.py"
        program.write_text(_BROKER)
        self.command = f"{sys.executable} {program} {self.folder} {container.rpartition('/')[2]}"

    def given(self, whose: str = "") -> list[tuple[float, str]]:
        """Unix times at which the short ones end, and the SAS, in the order of their names."""
        found = (path.read_text().partition(" ") for path in sorted(self.folder.glob(f"{whose}*")))
        return [(float(ends), sas) for ends, _, sas in found]

    def secrets(self) -> set[str]:
        signatures = {sas.rpartition("sig=")[2].partition("&")[0] for _, sas in self.given()}
        return {form for one in signatures for form in (one, unquote(one), quote(one, safe=""))}


@pytest.fixture
def broker(tmp_path: Path, container: str) -> Broker:
    return Broker(tmp_path, container)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "dask").mkdir()
    return tmp_path / "dask"


def told(running: Cluster, folder: Path, seen: list[Event]) -> str:
    """All that scheduler and workers tell anybody, and what is kept of their state."""
    with Client(running.address, set_as_default=False) as client:
        client.dump_cluster_state(str(folder / "state"), format="msgpack")
        events = str(client.get_events())
    state = gzip.decompress((folder / "state.msgpack.gz").read_bytes()).decode("utf-8", "replace")
    pages = [page(running.http, path) for path in PAGES if "task" not in path]
    return f"{running.log()} {pages} {events} {seen} {state}"


def test_workers_get_a_short_sas_and_another_when_it_ends(
    emulator: Emulator, container: str, dataset: Dataset, broker: Broker, folder: Path
) -> None:
    waited: list[float] = []

    def wait(event: Event) -> None:
        """Until the first SAS of a worker has ended, after its first batch."""
        if isinstance(event, Progress) and event.images and not waited:
            waited.append(broker.given("worker")[0][0])
            wait_for(lambda: time.time() > waited[0])

    seen: list[Event] = []
    with Cluster(folder, environment={"WHOSE": "worker"}) as running:
        running.workers(1)
        summary = load(
            dataset.folder,
            container,
            engine="dask",
            scheduler=running.address,
            sas_command=broker.command,
            observer=lambda event: (seen.append(event), wait(event))[0],
        )
        text = told(running, folder, seen)
    assert (summary.exit_code, summary.complete, summary.images) == (0, True, 300)
    assert waited
    assert len(broker.given("worker")) > 1
    assert not [secret for secret in broker.secrets() if secret in text]
    assert verify(container, deep="all").exit_code == 0


def test_a_broker_that_lets_workers_read_only(
    emulator: Emulator, container: str, dataset: Dataset, broker: Broker, folder: Path
) -> None:
    seen: list[Event] = []
    with Cluster(folder, environment={"WHOSE": "worker", "MAY": "rl"}) as running:
        running.workers(1)
        with pytest.raises(AccessDenied, match=r"on the worker .*lacks 'write'") as denied:
            load(
                dataset.folder,
                container,
                engine="dask",
                scheduler=running.address,
                sas_command=broker.command,
                observer=seen.append,
            )
        text = told(running, folder, seen) + str(denied.value)
    assert broker.given("worker")
    assert not [secret for secret in broker.secrets() if secret in text]
