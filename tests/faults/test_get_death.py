"""`get` killed at random requests: whatever has a name is right, and the next one ends as if nothing had been.

`LADEN_LONG=1` kills fifty times, `LADEN_SEED` at other moments.
"""

import os
import random
import signal
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from laden.demo.emulator import Emulator
from laden.verbs.get import get
from laden.verbs.load import load
from tests.faults.proxy import Proxy, Request
from tests.faults.scene import make_small, small_blocks, small_ranges
from tests.faults.test_death import MOMENTS, Nursery
from tests.support.dataset import Dataset

KILLS = 50 if os.environ.get("LADEN_LONG") else 6
SEED = os.environ.get("LADEN_SEED", "get")
REQUESTS = 15
"""Of a `get` of the small dataset, from its listing on."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_small(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def place(emulator: Emulator, dataset: Dataset) -> str:
    url = emulator.url(f"get-{uuid.uuid4().hex}")
    with small_blocks():
        load(dataset.folder, url)
    return url


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.end()


def files(folder: Path) -> dict[str, bytes]:
    """All but the folder's own notes."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    own = ("_laden/staging/", "_laden/folder.jsonl")
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith(own)}


def die(nursery: Nursery, emulator: Emulator, url: str, form: str, folder: Path, nth: int, moment: str) -> bool:
    """One `get` that is killed at its n-th request; False where it made no so many."""
    known, killed = threading.Event(), threading.Event()
    seen: list[Request] = []
    pid = 0

    def watch(request: Request, now: str) -> bool:
        if now == "before":
            seen.append(request)
        if not killed.is_set() and len(seen) >= nth and now == moment:
            known.wait()
            os.kill(pid, signal.SIGKILL)
            killed.set()
        return killed.is_set()

    with Proxy(emulator.port, watch=watch) as proxy:
        pid = nursery.bring(proxy.url(url), form, folder)
        known.set()
        code = nursery.wait()
    assert code == (-signal.SIGKILL if killed.is_set() else 0)
    return killed.is_set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="splits off processes")
@pytest.mark.parametrize("form", ["folder", "tar-shards"])
def test_killed_and_run_again_it_ends_as_undisturbed(
    emulator: Emulator, place: str, dataset: Dataset, nursery: Nursery, tmp_path: Path, form: str
) -> None:
    rng = random.Random(f"{SEED} {form}")
    with small_ranges():
        get(place, tmp_path / "whole", form=form)  # type: ignore[arg-type]
        undisturbed = files(tmp_path / "whole")
        assert len(undisturbed) >= 3
        died = 0
        for number in range(KILLS // 2):
            folder = tmp_path / str(number)
            # Now and then twice, so that what the first one left is gone on with, and left again.
            for _ in range(rng.choice((1, 1, 2))):
                died += die(nursery, emulator, place, form, folder, rng.randint(1, REQUESTS), rng.choice(MOMENTS))
                there = files(folder) if folder.exists() else {}
                assert there.items() <= undisturbed.items(), "something wrong has a name"
            again = get(place, folder, form=form)  # type: ignore[arg-type]
            assert again.exit_code == 0
            assert files(folder) == undisturbed
            assert not list((folder / "_laden/staging").glob("get-*"))
        assert died > 0
