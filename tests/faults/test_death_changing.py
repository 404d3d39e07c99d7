"""What changes a destination is killed at any request, and the same command then ends as one that never was.

Kills are told by requests, as in `test_death`: before the service hears of the n-th, after it did it, or with its
answer. `LADEN_LONG=1` tries fifty moments of each command, `LADEN_SEED` other ones.
"""

import json
import os
import random
import signal
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from laden.demo.emulator import Emulator
from laden.verbs.copy import copy
from laden.verbs.history import history
from laden.verbs.load import load
from laden.verbs.prune import plan_prune, prune
from laden.verbs.verify import verify
from tests.faults.proxy import Proxy, Request
from tests.faults.scene import Container
from tests.faults.test_death import Nursery
from tests.support.dataset import Dataset, make_dataset

KILLS = 50 if os.environ.get("LADEN_LONG") else 5
SEED = os.environ.get("LADEN_SEED", "changing")
MOMENTS = ("before", "after", "answered")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="splits off processes")


class Killer:
    """Kills a process at a moment of the n-th request that it makes; never, where n is 0."""

    def __init__(self, nth: int = 0, moment: str = "") -> None:
        self._nth, self.moment = nth, moment
        self.requests = 0
        self.known = threading.Event()
        self.pid = 0
        self.killed = self._over = False

    def watch(self, request: Request, moment: str) -> bool:
        self.requests += moment == "before"
        if not self.killed and self.requests == self._nth and moment == self.moment:
            self.known.wait()
            os.kill(self.pid, signal.SIGKILL)
            self.killed = True
        return self.killed and not self._over

    def done(self) -> None:
        """Let what comes now pass."""
        self._over = True


def moments(kills: int = KILLS) -> list[tuple[float, str]]:
    """So many, spread over a run: which part of its requests, and when in the request."""
    rng = random.Random(SEED)
    return [((number + rng.random()) / kills, rng.choice(MOMENTS)) for number in range(kills)]


def die(nursery: Nursery, killer: Killer, name: str, *arguments: object, **options: object) -> bool:
    """A function of `laden` that is killed; False where it ended before, as it had fewer requests to make."""
    killer.pid = nursery.call(name, *arguments, **options)
    killer.known.set()
    code = nursery.wait()
    assert code == -signal.SIGKILL or (code == 0 and (not killer.killed or killer.moment == "answered"))
    killer.done()
    return killer.killed


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.end()


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("before"), {"0": 6, "1": 4})


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("after"), {"0": 6})


class Scene:
    """A destination with a plan for it, asked for through a proxy that a killer watches; a `with` block."""

    def __init__(self, emulator: Emulator, before: Dataset, after: Dataset, folder: Path, killer: Killer) -> None:
        self._emulator = emulator
        self.url = emulator.url(f"prune-{uuid.uuid4().hex}")
        self.plan = folder / "plan.jsonl"
        load(before.folder, self.url)
        load(after.folder, self.url, update=True)
        armed = threading.Event()
        self._proxy = Proxy(emulator.port, watch=lambda *about: armed.is_set() and killer.watch(*about))
        self._proxy.__enter__()
        plan_prune(self._proxy.url(self.url), after.folder, plan_file=self.plan)
        armed.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._proxy.__exit__()

    def settle(self) -> None:
        """Wait for what the dead process had begun."""
        self._proxy.settle()

    def images(self) -> int:
        """How many are there."""
        with Container(self._emulator, self.url) as container:
            return sum(name.startswith("png/") for name in container.read())

    def content(self) -> dict[str, object]:
        """What is there; the page as what it says, but for the plan's name, which holds its time."""
        with Container(self._emulator, self.url) as container:
            there: dict[str, object] = dict(container.read())
        page = json.loads(there["_laden/load.json"])  # type: ignore[arg-type]
        assert page.pop("pruned")
        return {**there, "_laden/load.json": page}


def test_a_prune_killed_at_a_request_and_run_again(
    emulator: Emulator, before: Dataset, after: Dataset, nursery: Nursery, tmp_path: Path
) -> None:
    counter = Killer()
    with Scene(emulator, before, after, tmp_path, counter) as scene:
        prune(scene.plan, most=4, without_undo=True)
        whole = scene.content()
        requests = counter.requests
    assert len(whole) == 9
    died = 0
    for part, moment in moments():
        killer = Killer(1 + int(part * requests), moment)
        with Scene(emulator, before, after, tmp_path, killer) as scene:
            died += die(nursery, killer, "prune", str(scene.plan), most=4, without_undo=True)
            scene.settle()
            # Whatever it was at: nothing is claimed that is gone, and nothing is gone of which there is no word.
            assert verify(scene.url).deleted == 0
            assert scene.images() == 10 or history(scene.url)[-1].command == "prune"
            ended = prune(scene.plan, most=4, without_undo=True)
            assert (ended.exit_code, ended.acted + ended.as_wanted) == (0, 4)
            assert scene.content() == whole
            assert verify(scene.url).exit_code == 0
    # How many requests it takes is not always the same.
    assert died >= KILLS - max(1, KILLS // 10)


def test_a_copy_killed_at_a_request_and_run_again(emulator: Emulator, before: Dataset, nursery: Nursery) -> None:
    source = emulator.url(f"copied-{uuid.uuid4().hex}")
    load(before.folder, source)
    with Container(emulator, source) as container:
        whole = container.read()
    counter = Killer()
    with Proxy(emulator.port, watch=counter.watch) as proxy:
        copy(proxy.url(source), proxy.url(emulator.url(f"copy-{uuid.uuid4().hex}")), connections=4)
    died = 0
    for part, moment in moments():
        url = emulator.url(f"copy-{uuid.uuid4().hex}")
        killer = Killer(1 + int(part * counter.requests), moment)
        with Proxy(emulator.port, watch=killer.watch) as proxy:
            died += die(nursery, killer, "copy", proxy.url(source), proxy.url(url), connections=4)
            proxy.settle()
        with Container(emulator, url) as container:
            there = container.read()
            assert {name: whole[name] for name in there if not name.startswith("_laden/")} == {
                name: data for name, data in there.items() if not name.startswith("_laden/")
            }
            assert not there or history(url)[-1].command == "copy"
            ended = copy(source, url)
            assert (ended.exit_code, ended.images) == (0, 10)
            assert ended.already_there >= sum(name.startswith("png/") for name in there)
            assert container.read() == whole
    # How often the service is asked for what it does not have, before that is clear, is not always the same.
    assert died >= max(1, KILLS // 5)


class BeforePage(Killer):
    """Kills a process before the service hears of the page that it ends with."""

    def watch(self, request: Request, moment: str) -> bool:
        if request.name == "_laden/load.json" and request.kind == "document" and moment == "before" and not self.killed:
            self.known.wait()
            os.kill(self.pid, signal.SIGKILL)
            self.killed = True
        return self.killed and not self._over


def test_a_copy_killed_between_manifest_and_page_has_lost_nothing(
    emulator: Emulator, before: Dataset, nursery: Nursery
) -> None:
    source, url = (emulator.url(f"{name}-{uuid.uuid4().hex}") for name in ("copied", "copy"))
    load(before.folder, source)
    killer = BeforePage()
    with Proxy(emulator.port, watch=killer.watch) as proxy:
        assert die(nursery, killer, "copy", proxy.url(source), proxy.url(url))
        proxy.settle()
    with Container(emulator, url) as container:
        assert "_laden/manifest.parquet" in container.read()
        assert "_laden/load.json" not in container.read()
        assert copy(source, url).findings == {}
        # Once there was a page, it is missed.
        container.delete("_laden/load.json")
    assert copy(source, url).findings == {"blob-lost": 1}
