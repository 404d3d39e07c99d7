"""Two runs on one place at the same time: whichever is overtaken looks again, and what both say fits what is there.

One run is held before a request, the other runs until a request of its own or to its end, the first goes on to its
end, then the other. `LADEN_LONG=1` goes through every request of the first, and draws many pairs of requests.
"""

import os
import random
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from laden.demo.emulator import Emulator
from laden.stages.pruning import read_plan, write_plan
from laden.store import named_fully
from laden.values.errors import ExitCode, LadenError
from laden.values.events import Event, Found, Summary
from laden.verbs.copy import copy
from laden.verbs.load import load
from laden.verbs.prune import plan_prune, prune
from laden.verbs.verify import verify
from tests.faults.proxy import Proxy, Request
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset

LONG = bool(os.environ.get("LADEN_LONG"))
SEED = os.environ.get("LADEN_SEED", "side by side")
_HANGS_S = 120

Act = Callable[[str], Summary]


class Gate:
    """Holds a run before its n-th request of a kind (`any`: of all)."""

    def __init__(self, kind: str, nth: int) -> None:
        self._kind, self._nth = kind, nth
        self._count = 0
        self.there = threading.Event()
        """It is held, or has ended."""
        self.open = threading.Event()

    def watch(self, request: Request, moment: str) -> bool:
        if moment == "before" and self._kind in ("any", request.kind):
            self._count += 1
            if self._count == self._nth:
                self.there.set()
                assert self.open.wait(_HANGS_S)
        return False


class Running(threading.Thread):
    """A run through a proxy with a gate in it."""

    def __init__(self, emulator: Emulator, url: str, act: Act, gate: Gate) -> None:
        super().__init__(daemon=True)
        self._emulator, self._url, self._act, self.gate = emulator, url, act, gate
        self.ended: Summary | LadenError | None = None

    def run(self) -> None:
        try:
            with Proxy(self._emulator.port, watch=self.gate.watch) as proxy:
                self.ended = self._act(proxy.url(self._url))
                self.requests = len(proxy.seen)
        except LadenError as error:
            self.ended = error
        finally:
            self.gate.there.set()

    def end(self) -> Summary | LadenError:
        self.gate.open.set()
        self.join(_HANGS_S)
        assert self.ended is not None
        return self.ended


class Sources(NamedTuple):
    one: Dataset
    other: Dataset
    """Of no image and no row in common, and a table of the same name."""
    withdrawn: Dataset
    """`one`, of which two images are gone, and their rows."""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    folder = tmp_path_factory.mktemp("sources")
    one = make_dataset(folder / "one", {"0": 2, "1": 3})
    return Sources(
        one, make_dataset(folder / "other", {"7": 2}, seed=5), make_dataset(folder / "withdrawn", {"0": 2, "1": 1})
    )


class Pair(NamedTuple):
    """What two runs do, of which the first is held."""

    prepared: Callable[[Sources, str, Path], None]
    first: Callable[[Sources, Path], Act]
    second: Callable[[Sources, Path], Act]


def nothing(sources: Sources, url: str, tmp_path: Path) -> None:
    """Into nothing."""


def planned(sources: Sources, url: str, tmp_path: Path) -> None:
    begin(sources.one.folder, url)
    load(sources.withdrawn.folder, url, update=True)
    plan_prune(url, sources.withdrawn.folder, plan_file=tmp_path / "plan")


def pruning(sources: Sources, tmp_path: Path) -> Act:
    def act(url: str) -> Summary:
        # A plan is for one address, and each run has its own proxy.
        plan, path = read_plan(tmp_path / "plan"), tmp_path / f"plan-{uuid.uuid4().hex}"
        with path.open("wb") as file:
            write_plan(replace(plan.about, destination=named_fully(url)), plan.going, file)
        return prune(path, destination=url, without_undo=True, most=10)

    return act


def loading(name: str, *, update: bool = False) -> Callable[[Sources, Path], Act]:
    return lambda sources, _: lambda url: load(getattr(sources, name).folder, url, update=update)


def copied(sources: Sources, url: str, tmp_path: Path) -> None:
    begin(sources.one.folder, f"{url}-origin")


def copying(sources: Sources, tmp_path: Path) -> Act:
    return lambda url: copy(f"{url}-origin", url)


PAIRS = {
    "load, load of another": Pair(nothing, loading("one"), loading("other")),
    "copy, load of another": Pair(copied, copying, loading("other")),
    "prune, load": Pair(planned, pruning, loading("withdrawn")),
    "prune, load that names them": Pair(planned, pruning, loading("one")),
    "load of another, prune": Pair(planned, loading("other"), pruning),
    "update, load": Pair(
        lambda sources, url, _: begin(sources.one.folder, url), loading("withdrawn", update=True), loading("one")
    ),
}
HELD = {
    "load, load of another": [("list", 2), *(("document", nth) for nth in range(1, 5))],
    "copy, load of another": [("document", 2), ("document", 3)],
    "prune, load": [("head", 2), ("document", 2), ("document", 3), ("delete", 1), ("delete", 2), ("document", 5)],
    "prune, load that names them": [("document", 3), ("document", 4), ("delete", 1)],
    "load of another, prune": [("document", 2), ("document", 3)],
    "update, load": [("document", 2), ("document", 3)],
}


@pytest.mark.parametrize(("pair", "held"), [(pair, held) for pair, all_held in HELD.items() for held in all_held])
def test_one_that_is_held_while_another_lands(
    emulator: Emulator, sources: Sources, tmp_path: Path, pair: str, held: tuple[str, int]
) -> None:
    judge(emulator, sources, tmp_path, pair, Gate(*held), Gate("any", 0))


@pytest.mark.parametrize("pair", PAIRS)
def test_both_are_held(emulator: Emulator, sources: Sources, tmp_path: Path, pair: str) -> None:
    rng = random.Random(f"{SEED} {pair}")
    if LONG:
        most = judge(emulator, sources, tmp_path, pair, Gate("any", 0), Gate("any", 0))
        for nth in range(1, most + 1):
            judge(emulator, sources, tmp_path, pair, Gate("any", nth), Gate("any", 0))
    for _ in range(60 if LONG else 1):
        judge(emulator, sources, tmp_path, pair, Gate("any", rng.randint(3, 26)), Gate("any", rng.randint(2, 14)))


def judge(emulator: Emulator, sources: Sources, tmp_path: Path, pair: str, first: Gate, second: Gate) -> int:
    """Run both, and hold what they say against what `verify` finds; returns how many requests the first made."""
    url = emulator.url(f"both-{uuid.uuid4().hex}")
    PAIRS[pair].prepared(sources, url, tmp_path)
    a = Running(emulator, url, PAIRS[pair].first(sources, tmp_path), first)
    b = Running(emulator, url, PAIRS[pair].second(sources, tmp_path), second)
    a.start()
    assert first.there.wait(_HANGS_S)
    b.start()
    assert second.there.wait(_HANGS_S)
    ends = [a.end(), b.end()]
    codes = [int(end.exit_code) for end in ends]
    assert set(codes) <= {ExitCode.COMPLETE, ExitCode.FINDINGS, ExitCode.USAGE, ExitCode.DESTINATION}, ends
    told = any(isinstance(end, Summary) and "blob-lost" in end.findings for end in ends)
    found: list[Event] = []
    proof = verify(url, observer=found.append)
    if ExitCode.DESTINATION not in codes and not told:
        assert (proof.exit_code, proof.deleted, proof.changed) == (0, 0, 0), (ends, found)
        assert not [event for event in found if isinstance(event, Found) and event.finding.code == "blob-foreign"], ends
    return getattr(a, "requests", 0)
