"""Dask's scheduler and workers, real ones, as an engine; what dies costs what it had in hand."""

from __future__ import annotations

import base64
import gzip
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from urllib.request import urlopen

import pytest

pytest.importorskip("distributed", reason="the extra dask is not installed")

from dask.config import set as dask_settings
from distributed import Client

from laden.demo.emulator import Emulator
from laden.stages.engine import Job, dask, spreading
from laden.stages.engine.carrying import own_version
from laden.stages.transfer import Settings
from laden.store import parse_destination
from laden.values.errors import AccessDenied, Interrupted, LadenError, UsageError
from laden.values.events import Event, Progress, Warned
from laden.verbs.check import check
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.contracts.engine import REFUSED, EngineContract
from tests.support.dask import Cluster
from tests.support.dataset import Dataset, make_dataset
from tests.support.destinations import MANIFEST
from tests.support.harness import content, landed, sas
from tests.support.management.certificate import make_certificate


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and two workers, for all tests that kill neither."""
    with Cluster(tmp_path_factory.mktemp("dask")) as running:
        running.workers(2)
        yield running


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler of a test's own."""
    folder = tmp_path / "dask"
    folder.mkdir()
    with Cluster(folder) as running:
        yield running


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {"0": 300, "1": 200})


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "LEAST_BATCH_BYTES", 30_000)


class TestDask(EngineContract):
    @pytest.fixture(autouse=True)
    def given(self, cluster: Cluster) -> None:
        self.cluster = cluster

    @contextmanager
    def running(self) -> Iterator[dict[str, Any]]:
        with dask.dask_pool(self.cluster.address) as pool:
            pool.check(8 << 20)
            assert pool.workers == 2
            yield {"pool": pool}

    # The workers' environment is that of their start: the emulator's own key lets them in.
    test_a_refusal_ends_it = None  # type: ignore[assignment]


def test_a_load_by_dask_is_the_load_of_one_machine(
    cluster: Cluster, emulator: Emulator, container: str, dataset: Dataset
) -> None:
    seen: list[Event] = []
    summary = load(dataset.folder, container, engine="dask", scheduler=cluster.address, observer=seen.append)
    assert (summary.sent, summary.exit_code, summary.complete) == (500, 0, True)
    told = [event for event in seen if isinstance(event, Progress)]
    assert told[-1].images == 500
    assert [event.images for event in told] == sorted(event.images for event in told)
    other = emulator.url(f"{container.rpartition('/')[2]}-other")
    load(dataset.folder, other)
    assert content(emulator, container, MANIFEST) == content(emulator, other, MANIFEST)
    assert {name: blob.md5 for name, blob in landed(emulator, container).items()} == {
        name: blob.md5 for name, blob in landed(emulator, other).items()
    }
    assert verify(container, deep="all", engine="dask", scheduler=cluster.address).exit_code == 0
    assert check(dataset.folder, images="pixels", engine="dask", scheduler=cluster.address).examined == 500


def test_a_worker_that_is_killed_costs_its_batch(alone: Cluster, container: str, dataset: Dataset) -> None:
    workers = alone.workers(3)

    def kill(event: Event) -> None:
        if isinstance(event, Progress) and event.images and len(workers) == 3:
            workers.pop().kill()

    summary = load(dataset.folder, container, engine="dask", scheduler=alone.address, observer=kill)
    assert len(workers) == 2
    assert (summary.exit_code, summary.failed, summary.complete) == (0, 0, True)
    assert summary.sent + summary.already_there == 500
    assert verify(container, deep="all").exit_code == 0


def test_a_scheduler_that_is_killed_ends_the_run_with_a_sentence_and_a_rerun_completes(
    alone: Cluster, container: str, dataset: Dataset
) -> None:
    alone.workers(1)

    def kill(event: Event) -> None:
        if isinstance(event, Progress) and event.images:
            assert alone.scheduler is not None
            alone.scheduler.kill()

    with pytest.raises(Interrupted, match=r"is gone .*: start it again, and run the same command again"):
        load(dataset.folder, container, engine="dask", scheduler=alone.address, observer=kill)
    assert load(dataset.folder, container).complete
    assert verify(container, deep="all").exit_code == 0


def test_a_worker_that_sleeps_while_its_batch_is_done_elsewhere_does_no_harm(
    tmp_path: Path, container: str, dataset: Dataset
) -> None:
    """Stopped for longer than the scheduler waits, it is a second writer of its batch when it wakes."""
    folder = tmp_path / "dask"
    folder.mkdir()
    waits = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "2s", "DASK_DISTRIBUTED__DEATH_TIMEOUT": "2s"}
    with Cluster(folder, environment=waits) as running:
        workers = running.workers(2)
        stopped: list[int] = []

        def stop(event: Event) -> None:
            if isinstance(event, Progress) and event.images and not stopped:
                stopped.append(workers[0].pid)
                os.kill(workers[0].pid, signal.SIGSTOP)

        summary = load(dataset.folder, container, engine="dask", scheduler=running.address, observer=stop)
        assert stopped
        os.kill(stopped[0], signal.SIGCONT)
        assert (summary.exit_code, summary.complete) == (0, True)
        assert verify(container, deep="all").exit_code == 0


def test_a_worker_with_too_little_memory_is_refused_before_anything_begins(
    alone: Cluster, container: str, dataset: Dataset, emulator: Emulator
) -> None:
    alone.workers(1, "--memory-limit", "1GiB")
    with pytest.raises(UsageError, match=r"may use 1\.1 GB of memory, .* take 1\.3 GB"):
        load(dataset.folder, container, engine="dask", scheduler=alone.address)
    assert not landed(emulator, container)


def test_a_worker_of_another_version_is_refused_before_anything_begins(
    alone: Cluster, container: str, dataset: Dataset, tmp_path: Path, emulator: Emulator
) -> None:
    older = tmp_path / "older"
    older.mkdir()
    # Python imports a module of this name as it starts.
    (older / "sitecustomize.py").write_text("import laden._version\n\nladen._version.VERSION = '0.0.9'\n")
    paths = os.pathsep.join([str(older), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    alone.workers(1, environment={"PYTHONPATH": paths})
    with pytest.raises(UsageError, match=r"has laden 0\.0\.9 \(.{8}\), and this one is"):
        load(dataset.folder, container, engine="dask", scheduler=alone.address)
    assert not landed(emulator, container)


def test_workers_that_do_not_see_the_source_are_refused(cluster: Cluster, tmp_path: Path) -> None:
    with dask.dask_pool(cluster.address) as pool, pytest.raises(UsageError, match=r"does not see .*nowhere"):
        pool.see(str(tmp_path / "nowhere"), {})


def test_a_scheduler_that_nobody_answers_for(monkeypatch: pytest.MonkeyPatch, container: str, dataset: Dataset) -> None:
    monkeypatch.setattr(dask, "_REACHED_WITHIN_S", 0.5)
    with pytest.raises(UsageError, match="cannot be reached: check the address"):
        load(dataset.folder, container, engine="dask", scheduler="tcp://127.0.0.1:9")
    with pytest.raises(UsageError, match="cannot be used"):
        load(dataset.folder, container, engine="dask", scheduler="carrier-pigeon://127.0.0.1:9")
    with pytest.raises(UsageError, match="TLS"):
        load(dataset.folder, container, engine="dask", scheduler="tls://127.0.0.1:9")


def test_a_scheduler_without_workers(
    alone: Cluster, monkeypatch: pytest.MonkeyPatch, container: str, dataset: Dataset
) -> None:
    monkeypatch.setattr(dask, "_WORKERS_WITHIN_S", 0.3)
    with pytest.raises(UsageError, match="has no workers: start some"):
        load(dataset.folder, container, engine="dask", scheduler=alone.address)


def test_a_scheduler_over_tls(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = make_certificate(tmp_path)
    tls = {"ca-file": str(certificate)}
    for role in ("scheduler", "worker", "client"):
        tls |= {f"{role}.cert": str(certificate), f"{role}.key": str(key)}
    names = {name: f"DASK_DISTRIBUTED__COMM__TLS__{name.upper().replace('.', '__').replace('-', '_')}" for name in tls}
    folder = tmp_path / "dask"
    folder.mkdir()
    environment = {names[name]: path for name, path in tls.items()}
    with Cluster(folder, "--protocol", "tls", environment=environment) as running:
        assert running.address.startswith("tls://")
        running.workers(1, environment=environment)
        with dask_settings({f"distributed.comm.tls.{name}": path for name, path in tls.items()}):
            assert check(dataset.folder, images="structure", engine="dask", scheduler=running.address).examined == 500
        monkeypatch.setattr(dask, "_REACHED_WITHIN_S", 1.0)
        with pytest.raises(UsageError, match=r"TLS|tls"):
            check(dataset.folder, images="structure", engine="dask", scheduler=running.address)
        with pytest.raises(UsageError, match="whether it asks for TLS"):
            check(dataset.folder, images="structure", engine="dask", scheduler=running.address.replace("tls:", "tcp:"))


def test_without_dask_a_sentence_says_what_to_install(dataset: Dataset, container: str) -> None:
    program = (
        "import sys; sys.modules['distributed'] = None\n"
        "from laden.cli import main\n"
        f"sys.argv = ['laden', 'load', {str(dataset.folder)!r}, {container!r}, '--engine', 'dask',"
        " '--scheduler', 'tcp://127.0.0.1:9', '--yes']\n"
        "main()"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "pip install 'laden[dask]'" in " ".join((ran.stdout + ran.stderr).split())
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"engine": "dask"}, "go together"),
        ({"scheduler": "tcp://127.0.0.1:9"}, "go together"),
        ({"engine": "ray", "scheduler": "tcp://127.0.0.1:9"}, "--engine is dask"),
        ({"engine": "dask", "scheduler": "127.0.0.1:9"}, "is an address"),
        ({"engine": "dask", "scheduler": "tcp://127.0.0.1:9", "workers": 2}, "--workers is of this machine"),
        (
            {"engine": "dask", "scheduler": "tcp://127.0.0.1:9", "sas_command": "echo sig=bm90IGEgc2lnbmF0dXJl"},
            "no secret",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(dataset: Dataset, container: str, asked: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        load(dataset.folder, container, **asked)


def test_a_sas_in_the_url_and_a_folder_stay_on_this_machine(
    dataset: Dataset, container: str, emulator: Emulator, tmp_path: Path
) -> None:
    scheduler = "tcp://127.0.0.1:9"
    with pytest.raises(UsageError, match="stays on this machine"):
        load(dataset.folder, f"{container}?{sas(emulator, container)}", engine="dask", scheduler=scheduler)
    with pytest.raises(UsageError, match="one writer"):
        load(dataset.folder, str(tmp_path / "there"), engine="dask", scheduler=scheduler)


def test_an_open_network_is_warned_of(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "_REACHED_WITHIN_S", 0.2)
    seen: list[Event] = []
    with pytest.raises(LadenError):
        check(dataset.folder, images="structure", engine="dask", scheduler="tcp://192.0.2.1:9", observer=seen.append)
    assert any("run programs there" in event.message for event in seen if isinstance(event, Warned))


_FAILING = """
from laden.stages.engine.works import Job
import os
def place(self, hooks):
    raise RuntimeError(f"a bug, in which a request stands: {os.environ['LADEN_SAS']}")
if os.environ.get("FAILING"):
    Job.place = place
"""


def test_no_secret_is_in_logs_pages_events_or_pickles_when_tasks_fail(
    tmp_path: Path, container: str, emulator: Emulator, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers fail in each way there is: by a bug whose text holds the SAS, by a refusal, and by a death."""
    folder = tmp_path / "dask"
    folder.mkdir()
    (folder / "failing.py").write_text(_FAILING)
    good = sas(emulator, container)
    monkeypatch.setenv("LADEN_SAS", good)
    for environment, error in (
        ({"LADEN_SAS": good, "FAILING": "1"}, LadenError),
        ({"LADEN_SAS": REFUSED}, AccessDenied),
    ):
        with Cluster(folder) as running:
            running.workers(2, "--preload", str(folder / "failing.py"), environment=environment)
            seen: list[Event] = []
            with pytest.raises(error) as raised:
                load(dataset.folder, container, engine="dask", scheduler=running.address, observer=seen.append)
            with Client(running.address, set_as_default=False) as client:
                # A call of ours that raises, which is what Dask logs with its arguments and shows on its pages.
                packed = pickle.dumps(("token", Job(str(dataset.folder), parse_destination(container), 4, Settings())))
                failed = client.submit(
                    dask._carry, own_version(), packed, b"no pickle", key="laden-failing", pure=False
                )
                assert failed.exception(timeout=300) is not None
                client.dump_cluster_state(str(folder / "state"), format="msgpack")
                pages = [page(running.http, path) for path in PAGES]
                told = str(client.get_events())
        given = f"{running.log()} {pages} {told} {raised.value} {seen}".encode() + packed
        given += gzip.decompress((folder / "state.msgpack.gz").read_bytes())
        assert b"laden-failing" in given
        assert (b"a bug, in which" in given) == ("FAILING" in environment)
        for secret in secrets_of(good) | secrets_of(REFUSED):
            assert secret.encode() not in given
            assert base64.b64encode(secret.encode()).rstrip(b"=") not in given


PAGES = (
    "/info/main/workers.html",
    "/info/task/laden-failing.html",
    "/info/main/logs.html",
    "/json/counts.json",
    "/metrics",
)


def page(http: str, path: str) -> str:
    """A page of the scheduler's."""
    with urlopen(http + path, timeout=120) as answer:
        return str(answer.read().decode())


def secrets_of(query: str) -> set[str]:
    signature = query.rpartition("sig=")[2].partition("&")[0]
    return {signature, unquote(signature)}
