"""Loads that are killed, loads side by side, and loads while others delete: the next one always completes.

Kills are told by requests, not by time: at the n-th request of a kind, before the service hears of it, after it did
it, or once the answer is passed on. `tests/e2e/test_kill.py` kills at random requests of a larger set; here each kind
of request, and so each stage, has its kills, a large member's blocks among them. `LADEN_LONG=1` kills a thousand
times, `LADEN_SEED` draws other ones of those that are drawn.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from laden.demo.emulator import Emulator
from laden.values.errors import LadenError
from laden.values.events import Event, Started, Summary
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.faults.proxy import Proxy, Request
from tests.faults.scene import Container, Undisturbed, attempt, create, make_small, small_blocks
from tests.support.dataset import Dataset
from tests.support.harness import landed

LONG = bool(os.environ.get("LADEN_LONG"))
SEED = os.environ.get("LADEN_SEED", "death")
KILLS = 1_000 if LONG else 70
"""Planned; some of a row come too late, because nothing was left to do."""
MOMENTS = ("before", "after", "answered")


class Kill(NamedTuple):
    """When a load is killed: at the n-th request of a kind."""

    kind: str
    nth: int
    moment: str


STAGES = {"list": 2, "create": 1, "put": 7, "staged": 1, "block": 4, "commit": 1, "document": 5, "get": 1}
"""Requests of a load into nothing, by kind."""

FIGURES = {"killed": 0}

REQUESTS = [(kind, nth + 1) for kind, count in STAGES.items() for nth in range(count)]


def kills() -> list[list[Kill]]:
    """Each request at each moment once; then some that are killed twice or three times before they may finish."""
    rng = random.Random(SEED)
    single = [[Kill(kind, nth, moment)] for kind, nth in REQUESTS for moment in MOMENTS]
    planned = list(single)
    while sum(map(len, planned)) < KILLS:
        again = [Kill(kind, 1, rng.choice(MOMENTS)) for kind in rng.choices(("list", "put", "document"), k=2)]
        planned.append([rng.choice(single)[0], *again])
    return planned


@pytest.fixture(scope="module", autouse=True)
def blocks() -> Iterator[None]:
    with small_blocks():
        yield
    print(f"\n{FIGURES}")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_small(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def undisturbed(emulator: Emulator, dataset: Dataset) -> Undisturbed:
    return Undisturbed(emulator, dataset, f"death-{uuid.uuid4().hex}")


class Nursery:
    """A process that has laden in memory and splits off a copy for each load: saves the import, not the death."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def start(self, source: Path, url: str) -> int:
        """Start a load; returns its process id."""
        return int(self._ask(f"{source} {url}"))

    def bring(self, url: str, form: str, folder: Path) -> int:
        """Start to bring a container back; returns the process id."""
        return int(self._ask(f"get {url} {form} {folder}"))

    def call(self, name: str, *arguments: object, **options: object) -> int:
        """Start a function of `laden`; returns its process id."""
        return int(self._ask(json.dumps([name, arguments, options])))

    def wait(self) -> int:
        """Exit code of that load, negative for a signal."""
        return int(self._ask("wait"))

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def end(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.end()


class Killer:
    """Watches the requests of one load, and kills it at its moment."""

    def __init__(self, kill: Kill) -> None:
        self._kill = kill
        self.known = threading.Event()
        self.pid = 0
        self.killed = False

    def watch(self, request: Request, moment: str) -> bool:
        if not self.killed and (request.kind, request.nth, moment) == self._kill:
            self.known.wait()
            os.kill(self.pid, signal.SIGKILL)
            self.killed = True
        return self.killed


def die(nursery: Nursery, emulator: Emulator, source: Path, url: str, kill: Kill) -> bool:
    """One load that is killed; False if there was no such request any more."""
    killer = Killer(kill)
    with Proxy(emulator.port, watch=killer.watch) as proxy:
        killer.pid = nursery.start(source, proxy.url(url))
        killer.known.set()
        code = nursery.wait()
    assert code == (-signal.SIGKILL if killer.killed else 3)
    return killer.killed


@pytest.mark.skipif(not hasattr(os, "fork"), reason="splits off processes")
@pytest.mark.parametrize("planned", kills(), ids=lambda planned: "+".join("-".join(map(str, kill)) for kill in planned))
def test_killed_at_a_request_and_run_again(
    emulator: Emulator,
    dataset: Dataset,
    undisturbed: Undisturbed,
    nursery: Nursery,
    tmp_path: Path,
    planned: list[Kill],
) -> None:
    url = emulator.url(f"death-{uuid.uuid4().hex}")
    died = [die(nursery, emulator, dataset.folder, url, kill) for kill in planned]
    assert died[0], "it ended before the kill"
    FIGURES["killed"] += sum(died)
    with Container(emulator, url) as container:
        there = undisturbed.accept(container.read(), {}, tmp_path)
        again = load(dataset.folder, url)
        assert (again.exit_code, again.findings) == (3, undisturbed.summary.findings)
        assert again.already_there >= there
        assert landed(emulator, url) == undisturbed.landed
        assert container.read() == undisturbed.content


def test_every_request_of_a_load_has_its_kills(emulator: Emulator, dataset: Dataset) -> None:
    with Proxy(emulator.port) as proxy:
        load(dataset.folder, proxy.url(emulator.url(f"death-{uuid.uuid4().hex}")))
    assert Counter(request.kind for request in proxy.seen) == STAGES
    assert sum(map(len, kills())) >= KILLS


def test_a_home_without_anything_makes_no_difference(
    emulator: Emulator, dataset: Dataset, undisturbed: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = emulator.url(f"death-{uuid.uuid4().hex}")
    load(dataset.folder, url, archives="0")
    (tmp_path / "elsewhere").mkdir()
    for name in ("HOME", "USERPROFILE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "LADEN_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    again = load(dataset.folder, url)
    assert (again.sent, again.already_there) == (3, 5)
    assert landed(emulator, url) == undisturbed.landed
    assert list((tmp_path / "elsewhere").iterdir()) == []


class Together:
    """Holds the first request of a kind of each load until all loads have come that far."""

    def __init__(self, kind: str, loads: int) -> None:
        self._kind = kind
        self._barrier = threading.Barrier(loads)

    def watcher(self) -> "Watcher":
        return Watcher(self._kind, self._barrier)


class Watcher:
    """For one of the loads."""

    def __init__(self, kind: str, barrier: threading.Barrier) -> None:
        self._kind = kind
        self._barrier = barrier
        self._waited = False

    def watch(self, request: Request, moment: str) -> bool:
        if request.kind == self._kind and moment == "before" and not self._waited:
            self._waited = True
            self._barrier.wait(20)
        return False


@pytest.mark.parametrize("kind", ["put", "block", "commit", "document"])
@pytest.mark.parametrize("grown", [False, True])
def test_two_loads_at_once(
    emulator: Emulator, dataset: Dataset, undisturbed: Undisturbed, kind: str, grown: bool
) -> None:
    url = emulator.url(f"death-{uuid.uuid4().hex}")
    create(emulator, url)
    if grown:
        load(dataset.folder, url, archives="0")
    together = Together(kind, 2)
    ended: list[Summary] = []

    def one() -> None:
        with Proxy(emulator.port, watch=together.watcher().watch) as proxy:
            ended.append(attempt(dataset.folder, proxy.url(url)).summary)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(one.exit_code, one.findings, one.message) for one in ended] == [(3, undisturbed.summary.findings, "")] * 2
    assert all(one.sent + one.already_there == len(dataset.blobs) for one in ended)
    assert landed(emulator, url) == undisturbed.landed
    assert verify(url).exit_code == 0


def stealing(container: Container, names: list[str], stage: str) -> object:
    """An observer that deletes blobs when a stage begins."""

    def observe(event: Event) -> None:
        if isinstance(event, Started) and event.stage == stage:
            for name in names:
                container.delete(name)

    return observe


@pytest.mark.parametrize("stage", ["transfer", "verify", "manifest"])
def test_blobs_that_are_deleted_meanwhile_are_never_claimed(
    emulator: Emulator, dataset: Dataset, undisturbed: Undisturbed, stage: str
) -> None:
    url = emulator.url(f"death-{uuid.uuid4().hex}")
    load(dataset.folder, url, archives="0")
    names = sorted(dataset.blobs)
    gone = names[:2] if stage == "transfer" else [names[0], names[-1]]
    with Container(emulator, url) as container:
        try:
            said = load(dataset.folder, url, observer=stealing(container, gone, stage)).exit_code
        except LadenError as error:
            said = error.exit_code
        # After the last look, no load can know; the next verification does.
        assert said == (3 if stage == "manifest" else 6)
        assert verify(url).deleted > 0
        again = load(dataset.folder, url)
        assert (again.exit_code, again.findings) == (3, undisturbed.summary.findings)
        assert landed(emulator, url) == undisturbed.landed
        assert container.read() == undisturbed.content


@pytest.mark.skipif(not hasattr(os, "fork"), reason="splits off processes")
@pytest.mark.parametrize("kill", [Kill("block", 4, "before"), Kill("commit", 1, "before")], ids=["block", "commit"])
def test_blocks_that_a_killed_load_staged_are_not_sent_again(
    emulator: Emulator, dataset: Dataset, undisturbed: Undisturbed, nursery: Nursery, kill: Kill
) -> None:
    url = emulator.url(f"death-{uuid.uuid4().hex}")
    assert die(nursery, emulator, dataset.folder, url, kill)
    large = max(dataset.blobs, key=lambda name: len(dataset.blobs[name]))
    with Container(emulator, url) as container, Proxy(emulator.port) as proxy:
        staged = container.staged(large)
        assert staged > 0
        load(dataset.folder, proxy.url(url))
        assert [request.kind for request in proxy.seen].count("block") == STAGES["block"] - staged
        assert container.read() == undisturbed.content


def test_blocks_that_others_left_do_no_harm(emulator: Emulator, dataset: Dataset, undisturbed: Undisturbed) -> None:
    """Staged by an earlier version of the data: same name, same places, other bytes."""
    url = emulator.url(f"death-{uuid.uuid4().hex}")
    create(emulator, url)
    large = max(dataset.blobs, key=lambda name: len(dataset.blobs[name]))
    with Container(emulator, url) as container:
        for number in range(4):
            container.stage(large, f"laden-{number:06d}-" + "0" * 32, b"of another time")
        load(dataset.folder, url)
        assert container.read() == undisturbed.content


def test_blocks_of_another_tool_are_in_the_way_of_one_image_only(
    emulator: Emulator, dataset: Dataset, undisturbed: Undisturbed
) -> None:
    """The service takes no block whose id has another length than those staged before, for a week."""
    url = emulator.url(f"death-{uuid.uuid4().hex}")
    create(emulator, url)
    large = max(dataset.blobs, key=lambda name: len(dataset.blobs[name]))
    with Container(emulator, url) as container:
        container.stage(large, "short", b"of another tool")
        ended = attempt(dataset.folder, url).summary
        assert (ended.exit_code, ended.sent, ended.failed) == (6, len(dataset.blobs) - 1, 1)
        container.write(large, b"x")
        container.delete(large)
        assert load(dataset.folder, url).sent == 1
        assert container.read() == undisturbed.content


@pytest.mark.parametrize("names", ["laden-{:06d}", "laden-{:06d}-" + "0" * 32])
def test_two_writers_of_blocks_with_other_content_do_not_mix(
    emulator: Emulator, dataset: Dataset, undisturbed: Undisturbed, names: str
) -> None:
    """While a load commits, somebody stages other bytes at the same places: no blob may hold a mixture."""
    url = emulator.url(f"death-{uuid.uuid4().hex}")
    large = max(dataset.blobs, key=lambda name: len(dataset.blobs[name]))
    seen: list[str] = []

    def watch(request: Request, moment: str) -> bool:
        if request.kind == "commit" and moment == "before":
            with Container(emulator, url) as container:
                for number in range(5):
                    container.stage(large, names.format(number), b"x" * 8192)
            seen.append(request.name)
        return False

    with Proxy(emulator.port, watch=watch) as proxy:
        attempt(dataset.folder, proxy.url(url))
    assert seen
    with Container(emulator, url) as container:
        assert container.read().get(large) in (None, dataset.blobs[large])
