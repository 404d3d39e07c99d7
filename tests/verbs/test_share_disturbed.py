"""Shares that agree on nothing: the same one twice, other tables, other clocks, a last request that arrives too late.

Whatever they do, the last plain load ends as on one machine, or tells what is otherwise.
"""

import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from laden.demo.emulator import Emulator
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.support.dataset import Dataset, make_dataset
from tests.support.destinations import MANIFEST
from tests.support.harness import Proxy, content, kill, landed, start

SHARES = ("1/3", "2/3", "3/3")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {str(number): 2 for number in range(9)})


def state(emulator: Emulator, url: str) -> dict[str, Any]:
    return {**landed(emulator, url), "manifest": content(emulator, url, MANIFEST)}


def alone(emulator: Emulator, url: str, dataset: Dataset) -> dict[str, Any]:
    """What one undisturbed machine makes of it."""
    other = emulator.url(f"{url.rpartition('/')[2]}-alone")
    load(dataset.folder, other)
    return state(emulator, other)


def test_a_share_that_runs_twice_at_once_and_a_plain_load_beside_it(
    emulator: Emulator, container: str, dataset: Dataset
) -> None:
    asked = [*SHARES, *SHARES, "1/2", None]
    with ThreadPoolExecutor(len(asked)) as threads:
        ended = list(threads.map(lambda share: load(dataset.folder, container, share=share), asked))
    assert {summary.exit_code for summary in ended} == {0}
    assert sum(summary.sent for summary in ended) == len(dataset.blobs)
    assert load(dataset.folder, container).sent == 0
    assert state(emulator, container) == alone(emulator, container, dataset)
    assert verify(container, deep="all").exit_code == 0


def with_table(dataset: Dataset, folder: Path, *, without: str = "", text: tuple[str, str] = ("", "")) -> Path:
    """The same source under another path, whose table lacks a record, or says something else in it."""
    shutil.copytree(dataset.folder, folder)
    table = folder / dataset.table.name
    lines = table.read_text("utf-8").splitlines(keepends=True)
    kept = [line.replace(*text) if text[0] else line for line in lines if not without or without not in line]
    assert kept != lines
    table.write_text("".join(kept), "utf-8")
    return folder


def test_a_share_whose_table_lacks_a_row_costs_that_image_alone(
    emulator: Emulator, container: str, dataset: Dataset, tmp_path: Path
) -> None:
    name = next(iter(dataset.rows))
    less = with_table(dataset, tmp_path / "less", without=name)
    for share in SHARES:
        load(less, container, share=share)
    last = load(dataset.folder, container)
    assert (last.exit_code, last.sent, last.complete) == (0, 1, True)
    assert state(emulator, container) == alone(emulator, container, dataset)


def test_what_a_share_sent_by_a_row_that_the_last_load_has_not_is_told(
    emulator: Emulator, container: str, dataset: Dataset, tmp_path: Path
) -> None:
    name, home = next(iter(dataset.rows.items()))
    less = with_table(dataset, tmp_path / "less", without=name)
    for share in SHARES:
        load(dataset.folder, container, share=share)
    last = load(less, container)
    assert (last.sent, last.complete) == (0, True)
    assert last.findings == {"image-stray": 1}
    assert name.encode() not in content(emulator, container, dataset.table.name)
    assert f"png/{home}/{name}" in landed(emulator, container)
    assert load(dataset.folder, container).exit_code in (0, 3)
    assert verify(container, deep="all").exit_code == 0


@pytest.mark.parametrize("ahead_s", [-86_400, 86_400])
def test_a_share_on_a_machine_whose_clock_is_a_day_off(
    emulator: Emulator, container: str, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, ahead_s: int
) -> None:
    """What is signed there is out of date by the service's clock at first."""
    with monkeypatch.context() as off:
        right = time.time
        off.setattr(time, "time", lambda: right() + ahead_s)
        for share in SHARES[:2]:
            assert load(dataset.folder, container, share=share).exit_code == 0
    assert load(dataset.folder, container, share=SHARES[2]).exit_code == 0
    assert load(dataset.folder, container).sent == 0
    assert state(emulator, container) == alone(emulator, container, dataset)


@contextmanager
def last_request_held(emulator: Emulator, container: str, source: Path) -> Iterator[str]:
    """A share that is killed while a put of its is on the way, which arrives when the block ends; the image's name."""
    arrived, go_on = threading.Event(), threading.Event()
    held: list[str] = []

    def before(_: int, method: str, name: str) -> str:
        if method == "PUT" and name.startswith("png/"):
            held.append(name)
            arrived.set()
            assert go_on.wait(60)
        return "pass"

    with Proxy(emulator) as proxy:
        proxy.before = before
        share = start("load", source, proxy.url(container), "--share", "1/1", "--connections", "1", "--yes", "--json")
        assert arrived.wait(60)
        kill(share)
        share.communicate()
        try:
            yield held[0]
        finally:
            go_on.set()
            proxy.settle()


def test_a_put_of_a_killed_share_that_arrives_after_the_plain_load(
    emulator: Emulator, container: str, dataset: Dataset
) -> None:
    with last_request_held(emulator, container, dataset.folder):
        assert load(dataset.folder, container).complete
    assert state(emulator, container) == alone(emulator, container, dataset)
    assert verify(container, deep="all").exit_code == 0


def test_a_put_of_other_content_that_arrives_too_late_changes_nothing(
    emulator: Emulator, container: str, dataset: Dataset, tmp_path: Path
) -> None:
    """The share had another version of the source."""
    older = make_dataset(tmp_path / "older", {str(number): 2 for number in range(9)}, size=17)
    assert older.rows == dataset.rows
    with last_request_held(emulator, container, older.folder) as name:
        assert load(dataset.folder, container).complete
        before = state(emulator, container)
    assert state(emulator, container) == before
    assert before[name].md5 == dataset.md5s[name]


def test_a_put_of_other_content_that_arrives_during_the_plain_load_is_told(
    emulator: Emulator, container: str, dataset: Dataset, tmp_path: Path
) -> None:
    """It arrives between the plain load's listing and its own put of that image."""
    older = make_dataset(tmp_path / "older", {str(number): 2 for number in range(9)}, size=17)
    with last_request_held(emulator, container, older.folder) as name, Proxy(emulator) as proxy:

        def before(_: int, method: str, other: str) -> str:
            if method == "PUT" and other == name and name not in landed(emulator, container):
                with Proxy(emulator) as late:
                    load(older.folder, late.url(container), share="1/1", archives=name.split("/")[1])
            return "pass"

        proxy.before = before
        last = load(dataset.folder, proxy.url(container))
    assert last.exit_code == 3
    assert last.findings["blob-conflict"] >= 1
    assert landed(emulator, container)[name].md5 == older.md5s[name]
