"""Whatever the network does, a load ends, leaves nothing wrong behind, and the next one completes it.

`LADEN_LONG=1` draws three thousand scripts, `LADEN_SEED` other ones.
"""

import faulthandler
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from laden.demo.emulator import Emulator
from laden.values.events import Event, Found
from laden.verbs.history import history
from laden.verbs.load import load
from tests.faults.proxy import Proxy
from tests.faults.scene import Container, Undisturbed, attempt, create, impatience, make_small, remove, small_blocks
from tests.faults.script import FAULTS, REQUESTS, Rule, Script
from tests.support.dataset import Dataset
from tests.support.harness import landed

LONG = bool(os.environ.get("LADEN_LONG"))
SEED = os.environ.get("LADEN_SEED", "wire")
SCRIPTS = 3_000 if LONG else 80
"""Drawn, beside those that are written out below."""
PARTS = 4
BOUND_S = 300.0 if LONG else 60.0
"""Of one load with the patience of these tests: five rules that each use up all of it (20 s on a machine of its own),
and a margin; a long draw runs for an hour, beside whatever else the machine does."""

ENDS = {0, 3, 4, 6}
"""Complete, complete with findings, refused, or the destination's fault; never a bug, never the source's."""

FIGURES = {"scripts": 0, "complete": 0, "faults": 0, "longest_s": 0.0}


@pytest.fixture(scope="module", autouse=True)
def figures() -> Iterator[None]:
    yield
    print(f"\n{FIGURES}")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_small(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def undisturbed(emulator: Emulator, dataset: Dataset) -> Undisturbed:
    return Undisturbed(emulator, dataset, f"wire-{uuid.uuid4().hex}")


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    with small_blocks():
        yield


@contextmanager
def bounded() -> Iterator[None]:
    """A load that hangs ends the test run, with every thread's stack."""
    faulthandler.dump_traceback_later(BOUND_S, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def rules() -> st.SearchStrategy[Rule]:
    return st.builds(
        Rule,
        request=st.sampled_from(REQUESTS),
        nth=st.integers(1, 6),
        fault=st.sampled_from(FAULTS),
        times=st.sampled_from((1, 1, 1, 2, 3, 100)),
        place=st.integers(0, 999),
    )


def scripts() -> st.SearchStrategy[Script]:
    return st.lists(rules(), min_size=1, max_size=5).map(tuple)


class Earlier:
    """An earlier load of the first archive, and an image of the second that somebody put there otherwise."""

    def __init__(self, emulator: Emulator, dataset: Dataset) -> None:
        url = emulator.url(f"wire-{uuid.uuid4().hex}")
        load(dataset.folder, url, archives="0")
        with Container(emulator, url) as container:
            container.write(min(name for name in dataset.blobs if name.startswith("png/1/")), b"not this")
            self.content = container.read()
        self._landed = landed(emulator, url)

    def make(self, container: Container) -> None:
        for name, data in self.content.items():
            container.write(name, data, self._landed[name].metadata)


@pytest.fixture(scope="module")
def earlier(emulator: Emulator, dataset: Dataset, quick: None) -> Earlier:
    return Earlier(emulator, dataset)


@dataclass(frozen=True, repr=False)
class Bench:
    """All that a script is run against."""

    emulator: Emulator
    dataset: Dataset
    undisturbed: Undisturbed
    earlier: Earlier
    folder: Path


@pytest.fixture
def bench(emulator: Emulator, dataset: Dataset, undisturbed: Undisturbed, earlier: Earlier, tmp_path: Path) -> Bench:
    return Bench(emulator, dataset, undisturbed, earlier, tmp_path)


def hold(bench: Bench, script: Script, connections: int, *, grown: bool) -> None:
    """Run one script, and hold what came of it against all that is promised."""
    emulator, source, right = bench.emulator, bench.dataset.folder, bench.undisturbed
    url = emulator.url(f"wire-{uuid.uuid4().hex}")
    with Container(emulator, url) as container:
        if grown:
            create(emulator, url)
            bench.earlier.make(container)
        with bounded(), impatience(), Proxy(emulator.port, script) as proxy:
            ended = attempt(source, proxy.url(url), overwrite="changed", connections=connections)
        said = ended.summary
        assert said.exit_code in ENDS, said
        assert [done for done in proxy.faults if done.fault == "corrupt" and 200 <= done.status < 300] == []
        there = right.accept(container.read(), bench.earlier.content if grown else {}, bench.folder)
        assert said.sent + said.already_there <= there, "a blob is counted that is not there"
        if said.complete and said.findings == right.summary.findings:
            assert landed(emulator, url) == right.landed
        again = load(source, url, overwrite="changed")
        assert (again.exit_code, again.findings) == (3, right.summary.findings)
        assert again.sent + again.already_there == len(right.images)
        assert landed(emulator, url) == right.landed
        assert container.read() == right.content
        assert not LONG or wrong_history(url) == []
    remove(emulator, url)
    FIGURES["scripts"] += 1
    FIGURES["complete"] += said.complete
    FIGURES["faults"] += len(proxy.faults)
    FIGURES["longest_s"] = max(FIGURES["longest_s"], ended.seconds)


def wrong_history(url: str) -> list[str]:
    """Names of records that do not link to each other and to what is there."""
    events: list[Event] = []
    history(url, observer=events.append)
    return [event.finding.blob for event in events if isinstance(event, Found)]


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_the_network_does(bench: Bench, part: int) -> None:
    """In parts, which several processes run at once."""

    @seed(f"{SEED}-{part}")
    @settings(
        max_examples=SCRIPTS // PARTS,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(script=scripts(), connections=st.sampled_from((1, 4)), grown=st.booleans())
    def each(script: Script, connections: int, grown: bool) -> None:
        hold(bench, script, connections, grown=grown)

    each()


def test_a_manifest_that_is_read_otherwise_is_not_believed(bench: Bench) -> None:
    """One changed byte would pass for another image, were the file only parsed."""
    url = bench.emulator.url(f"wire-{uuid.uuid4().hex}")
    load(bench.dataset.folder, url)
    with Proxy(bench.emulator.port, (Rule("get", 1, "flipped", 1, 300),)) as proxy:
        ended = attempt(bench.dataset.folder, proxy.url(url)).summary
    assert (ended.exit_code, ended.complete) == (6, False)
    assert "run the same command again" in ended.message
    assert landed(bench.emulator, url) == bench.undisturbed.landed


@pytest.mark.parametrize("fault", ["flipped", "garbled"])
@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_no_record_is_made_of_what_was_read_otherwise(bench: Bench, nth: int, fault: str) -> None:
    """A wrong hash in one would say for good that somebody changed the history."""
    url = bench.emulator.url(f"wire-{uuid.uuid4().hex}")
    load(bench.dataset.folder, url, archives="0")
    with Proxy(bench.emulator.port, (Rule("get", nth, fault, 1, 300),)) as proxy:
        attempt(bench.dataset.folder, proxy.url(url))
        assert len(proxy.faults) == 1
    load(bench.dataset.folder, url)
    assert wrong_history(url) == []
    assert landed(bench.emulator, url) == bench.undisturbed.landed


@pytest.mark.parametrize("place", range(20, 1000, 70))
def test_a_corrupted_list_of_blocks_makes_no_blob_of_the_wrong_blocks(bench: Bench, place: int) -> None:
    hold(bench, (Rule("commit", 1, "corrupt", 1, place),), 4, grown=False)


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_once_to_every_kind_of_request(bench: Bench, fault: str) -> None:
    hold(bench, tuple(Rule(request, 1, fault) for request in REQUESTS[1:]), 4, grown=True)
