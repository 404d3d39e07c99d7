"""A load that is killed at any moment, and run again, ends as one that was never disturbed.

The moments are requests, not times: at the k-th request the process gets SIGKILL, before the emulator hears of
the request, after it did it, or together with the answer. So every stage from the first listing to the last
page is hit, on any machine. `LADEN_SEED` draws other ones.
"""

import os
import random
import subprocess
import threading
from pathlib import Path

import pytest

from laden.demo.emulator import Emulator
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import Landed, Proxy, content, kill, landed, start

KILLS = 20
SEED = os.environ.get("LADEN_SEED", "kill")
CONNECTIONS = 6
DOCUMENTS = ("_laden/manifest.parquet", "_laden/load.json", "PADCHEST_SMALL.csv")


class Undisturbed:
    """A load that ran to its end in one go."""

    def __init__(self, emulator: Emulator, dataset: Dataset) -> None:
        self.url = emulator.url("kill-undisturbed")
        with Proxy(emulator) as proxy:
            summary = load(dataset.folder, proxy.url(self.url), connections=CONNECTIONS)
            self.requests = len(proxy.requests)
        self.findings = summary.findings
        self.landed: dict[str, Landed] = landed(emulator, self.url)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("source")
    return make_dataset(folder, {"0": 40, "1": 20}, missing=1, stray=1, broken=1, size=128)


@pytest.fixture(scope="module")
def undisturbed(emulator: Emulator, dataset: Dataset) -> Undisturbed:
    return Undisturbed(emulator, dataset)


def moments() -> list[tuple[int, int, str]]:
    """Number of the kill, where in the run (in 20ths, and the seed within), and when in the request."""
    rng = random.Random(SEED)
    return [(number, rng.randrange(1000), rng.choice(("before", "after", "answered"))) for number in range(KILLS)]


@pytest.mark.parametrize(("number", "within", "when"), moments())
def test_killed_and_run_again_is_as_never_disturbed(
    emulator: Emulator, dataset: Dataset, undisturbed: Undisturbed, number: int, within: int, when: str, tmp_path: Path
) -> None:
    url = emulator.url(f"kill-{number}")
    at = 1 + int((number + within / 1000) / KILLS * undisturbed.requests)
    with Proxy(emulator) as proxy:
        known = threading.Event()
        killed: list[subprocess.Popen[str]] = []

        def at_the_moment(request: int, method: str, name: str) -> str:
            if request == at:
                known.wait()
                kill(killed[0])
                killed[0].wait()
                return "lose"
            return "pass"

        if when == "before":
            proxy.before = lambda *about: "refuse" if at_the_moment(*about) == "lose" else "pass"
        else:
            proxy.after = at_the_moment
        arguments = ("load", dataset.folder, proxy.url(url), "--json", "--connections", CONNECTIONS)
        with start(*arguments, cwd=tmp_path) as process:
            killed.append(process)
            known.set()
            process.communicate()
        assert process.returncode == -9, "it ended before the kill"
        proxy.settle()
        done = {request.name for request in proxy.requests if request.status == 201 and request.name}
        proxy.before = proxy.after = lambda *_: "pass"
        proxy.forget()
        again = load(dataset.folder, proxy.url(url), connections=CONNECTIONS)
        sent_again = [name for name in proxy.put_names() if name in done and name not in DOCUMENTS]
    assert sent_again == [], "what the service has is known from its listing"
    assert again.images == again.sent + again.already_there == 60
    assert again.findings == undisturbed.findings, "also of what the killed run had sent"
    assert landed(emulator, url) == undisturbed.landed
    for name in DOCUMENTS:
        assert content(emulator, url, name) == content(emulator, undisturbed.url, name)
    assert verify(url).exit_code == 0
