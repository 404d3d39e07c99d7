"""Loads in shares: none lands a table, none disturbs another, and together they are one load."""

import os
from pathlib import Path
from typing import Any

import pytest

from laden.cli.verdict import verdict
from laden.demo.emulator import Emulator
from laden.stages.plan import dealing
from laden.values.errors import UsageError
from laden.values.events import Event, PlanReady
from laden.verbs.check import check
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.destinations import MANIFEST, OWN
from tests.support.harness import content, ended, kill, landed, sas, start

SHARES = ("1/3", "2/3", "3/3")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {str(number): 2 for number in range(15)})


def state(emulator: Emulator, url: str) -> dict[str, Any]:
    return {name: blob.md5 for name, blob in landed(emulator, url).items()}


def other(emulator: Emulator, url: str) -> str:
    return emulator.url(f"{url.rpartition('/')[2]}-other")


def test_three_shares_and_a_plain_load_are_one_load(emulator: Emulator, container: str, dataset: Dataset) -> None:
    sent = [load(dataset.folder, container, share=share) for share in SHARES]
    assert sum(summary.sent for summary in sent) == len(dataset.blobs)
    assert all(0 < summary.sent < len(dataset.blobs) for summary in sent)
    assert [(summary.exit_code, summary.complete, summary.share) for summary in sent] == [
        (0, False, share) for share in SHARES
    ]
    assert set(landed(emulator, container)) == set(dataset.blobs)
    last = load(dataset.folder, container)
    assert (last.sent, last.complete, last.share, last.exit_code) == (0, True, "", 0)
    alone = other(emulator, container)
    load(dataset.folder, alone)
    assert state(emulator, container) == state(emulator, alone)
    assert content(emulator, container, MANIFEST) == content(emulator, alone, MANIFEST)


def test_where_nothing_of_a_load_could_be_sent_nothing_is_called_there(
    container: str, dataset: Dataset, tmp_path: Path
) -> None:
    """Images of the same names and other bytes lie there, and no load that ended names them."""
    others = make_dataset(tmp_path / "other", {str(number): 2 for number in range(15)}, size=17)
    assert set(others.blobs) == set(dataset.blobs)
    for share in SHARES:
        load(others.folder, container, share=share)
    part = load(dataset.folder, container, share="1/3")
    assert (part.sent, part.conflicts, part.exit_code) == (0, part.images, 3)
    assert verdict(part, None).startswith("What could be sent of share 1/3 is there and verified; the findings above")
    assert load(dataset.folder, container).conflicts == len(dataset.blobs)
    for deep in (None, "all"):
        held = verify(container, deep=deep)  # type: ignore[arg-type]
        assert (held.images, held.foreign, held.exit_code) == (0, len(dataset.blobs), 0)
        assert verdict(held, None) == "The manifest names no image."


def test_a_share_of_one_archive(
    emulator: Emulator, container: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 12})
    monkeypatch.setattr(dealing, "RUN_BYTES", 2_000)
    sent = [load(dataset.folder, container, share=share).sent for share in SHARES]
    assert sum(sent) == 12
    assert min(sent) > 0


def test_overlapping_shares_of_other_numbers_do_no_harm(emulator: Emulator, container: str, dataset: Dataset) -> None:
    for share in ("1/3", "2/2", "1/3", "1/2"):
        assert load(dataset.folder, container, share=share).exit_code == 0
    assert set(landed(emulator, container)) == set(dataset.blobs)
    assert load(dataset.folder, container).sent == 0
    assert verify(container, deep="all").exit_code == 0


def test_a_share_may_be_empty(emulator: Emulator, container: str, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2})
    summaries = [load(dataset.folder, container, share=f"{number}/12") for number in range(1, 13)]
    assert {summary.exit_code for summary in summaries} == {0}
    assert sum(summary.sent for summary in summaries) == 2


def test_a_share_after_a_complete_load_leaves_it_complete(emulator: Emulator, container: str, dataset: Dataset) -> None:
    begin(dataset.folder, container)
    before = state(emulator, container)
    for share in SHARES:
        summary = load(dataset.folder, container, share=share)
        assert (summary.sent, summary.exit_code) == (0, 0)
    assert state(emulator, container) == before
    assert set(before) >= OWN


def test_shares_side_by_side_of_which_one_is_killed(emulator: Emulator, container: str, dataset: Dataset) -> None:
    env = {"LADEN_SAS": sas(emulator, container)}
    commands = [
        start("load", dataset.folder, container, "--share", share, "--yes", "--json", env=env) for share in SHARES
    ]
    while not landed(emulator, container):
        assert any(process.poll() is None for process in commands), "all ended and sent nothing"
    kill(commands[1])
    ran = [ended(process) for process in commands]
    assert (ran[0].code, ran[2].code) == (0, 0)
    assert not OWN & set(landed(emulator, container))
    load(dataset.folder, container)
    assert set(dataset.blobs) < set(landed(emulator, container))
    assert verify(container, deep="all").exit_code == 0


def test_the_plan_tells_the_share(emulator: Emulator, container: str, dataset: Dataset) -> None:
    seen: list[Event] = []
    load(dataset.folder, container, share="2/3", dry_run=True, observer=seen.append)
    (plan,) = [event for event in seen if isinstance(event, PlanReady)]
    assert plan.share == "2/3"
    assert 0 < plan.send < len(dataset.blobs) == plan.matched
    assert not landed(emulator, container)


def test_a_scheduler_tells_the_share(
    emulator: Emulator, container: str, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    assert load(dataset.folder, container, share="auto/3").share == "2/3"


def test_a_folder_and_replacing_are_refused(container: str, dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one writer"):
        load(dataset.folder, str(tmp_path / "there"), share="1/2")
    with pytest.raises(UsageError, match="only creates: run --overwrite changed"):
        load(dataset.folder, container, share="1/2", overwrite="changed")
    with pytest.raises(UsageError, match="only creates: run --update"):
        load(dataset.folder, container, share="1/2", update=True)


def test_checking_in_shares_looks_at_every_image_once(dataset: Dataset) -> None:
    examined = [check(dataset.folder, images="pixels", share=share).examined for share in SHARES]
    assert sum(examined) == len(dataset.blobs)
    assert max(examined) < len(dataset.blobs)
    with pytest.raises(UsageError, match="--images"):
        check(dataset.folder, share="1/3")


def test_verifying_in_shares_finds_what_changed_once(
    emulator: Emulator, container: str, dataset: Dataset, tmp_path: Path
) -> None:
    begin(dataset.folder, container)
    there = str(tmp_path / "there")
    load(dataset.folder, there)
    spoiled = sorted(dataset.blobs)[::5]
    for name in spoiled:
        path = Path(there, name)
        data, stat = bytearray(path.read_bytes()), path.stat()
        data[-1] ^= 1
        path.write_bytes(data)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    found = [verify(there, deep="all", share=share).findings.get("blob-bytes", 0) for share in SHARES]
    assert sum(found) == len(spoiled)
    assert max(found) < len(spoiled)
    assert [verify(container, deep="all", share=share).exit_code for share in SHARES] == [0, 0, 0]
    with pytest.raises(UsageError, match="--deep all"):
        verify(container, share="1/3")
