"""`verify --at`: what a record tells of is proved where the service keeps versions, and else said to be unproved."""

import json
from collections import Counter
from pathlib import Path

import pytest

from laden.cli import run_command
from laden.demo.emulator import Emulator
from laden.stages.history import name_of
from laden.values.errors import UsageError
from laden.values.events import Event, Found
from laden.verbs.load import load
from laden.verbs.prune import plan_prune, prune
from laden.verbs.verify import verify
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.destinations import MANIFEST, Place
from tests.support.harness import client, content
from tests.support.versioned import Versioned


def at(place: str, number: int) -> tuple[int, Counter[str], dict[str, str]]:
    """Exit code, codes of findings, and their messages by blob."""
    events: list[Event] = []
    summary = verify(place, at=number, observer=events.append)
    found = [event.finding for event in events if isinstance(event, Found)]
    return summary.exit_code, Counter(one.code for one in found), {one.blob: one.message for one in found}


@pytest.fixture
def datasets(tmp_path: Path) -> tuple[Dataset, Dataset]:
    """Two states: the second lacks an image of the first."""
    return (
        make_dataset(tmp_path / "first", {"0": 3, "1": 2}),
        make_dataset(tmp_path / "second", {"0": 3, "1": 1}),
    )


def test_a_state_that_is_there_is_proved_anywhere(place: Place, datasets: tuple[Dataset, Dataset]) -> None:
    begin(datasets[0].folder, place.url)
    assert at(place.url, 1) == (0, Counter(), {})
    place.write(next(iter(datasets[0].blobs)), b"other")
    code, found, _ = at(place.url, 1)
    assert (code, len(found)) == (3, 1)


def test_an_earlier_state_is_proved_by_versions(
    emulator: Emulator, container: str, datasets: tuple[Dataset, Dataset], tmp_path: Path
) -> None:
    first, second = datasets
    gone = (set(first.blobs) - set(second.blobs)).pop()
    with Versioned(emulator) as service:
        there = service.url(container)
        load(first.folder, there)
        load(second.folder, there, update=True)
        plan_prune(there, second.folder, plan_file=tmp_path / "plan")
        assert prune(tmp_path / "plan", most=1, without_undo=True).acted == 1
        for number, earlier in ((1, {gone, first.table.name, MANIFEST, "_laden/load.json"}), (4, set())):
            code, found, told = at(there, number)
            assert (code, set(found)) == (0, {"at-earlier"} if earlier else set())
            assert set(told) == earlier
        # One version that a lifecycle rule took away, and one whose bytes are others.
        (path,) = [path for path in service.kept if path.endswith(gone)]
        kept = service.kept.pop(path)
        code, found, told = at(there, 1)
        assert (code, found["at-gone"]) == (3, 1)
        assert "it was deleted" in told[gone]
        service.kept[path] = [kept[0]._replace(md5="AAAAAAAAAAAAAAAAAAAAAA==")]
        assert at(there, 1)[1]["at-gone"] == 1
        summary = verify(there, at=1)
        assert (summary.images, summary.deleted, summary.complete) == (5, 1, True)


def test_a_manifest_that_is_not_the_records_is_not_believed(
    emulator: Emulator, container: str, datasets: tuple[Dataset, Dataset]
) -> None:
    first, second = datasets
    with Versioned(emulator) as service:
        there = service.url(container)
        load(second.folder, there)
        load(first.folder, there)
        (path,) = [path for path in service.kept if path.endswith(MANIFEST)]
        # The service tells the right MD5, and gives other bytes.
        service.kept[path] = [one._replace(data=bytes(len(one.data))) for one in service.kept[path]]
        code, found, told = at(there, 1)
        assert (code, dict(found)) == (3, {"at-unproved": 1})
        assert "no version of its manifest is kept" in told[MANIFEST]


def test_without_versions_it_says_that_nobody_can(place: Place, datasets: tuple[Dataset, Dataset]) -> None:
    begin(datasets[1].folder, place.url)
    load(datasets[0].folder, place.url)
    code, found, told = at(place.url, 1)
    assert (code, dict(found)) == (3, {"at-unproved": 1})
    assert "no versions are kept here" in told[MANIFEST]
    assert at(place.url, 2)[0] == 0


def test_a_broken_chain_is_told_and_proves_nothing_by_itself(
    emulator: Emulator, container: str, datasets: tuple[Dataset, Dataset]
) -> None:
    begin(datasets[1].folder, container)
    load(datasets[0].folder, container)
    record = json.loads(content(emulator, container, name_of(1)))
    with client(emulator, container) as opened:
        opened.upload_blob(name_of(1), json.dumps({**record, "who": "nobody"}), overwrite=True)
    assert at(container, 2)[:2] == (3, Counter({"history-broken": 1}))
    with client(emulator, container) as opened:
        opened.upload_blob(name_of(2), b"{}", overwrite=True)
    code, found, _ = at(container, 2)
    assert (code, set(found)) == (3, {"history-broken"})


def test_what_cannot_be_asked_is_said(
    place: Place,
    datasets: tuple[Dataset, Dataset],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    begin(datasets[0].folder, place.url)
    with pytest.raises(UsageError, match=r"no record 7 .*laden history"):
        verify(place.url, at=7)
    with pytest.raises(UsageError, match="leave"):
        verify(place.url, at=1, deep="all")
    assert run_command(["verify", place.url, "--at", "1", "--quiet"]) == 0
    assert run_command(["verify", place.url, "--at", "0"]) == 2
    capsys.readouterr()
