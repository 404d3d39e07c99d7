"""Of whatever changes a destination there is word in its history: before its first change, and of its end."""

from pathlib import Path

import pytest

from laden.demo.emulator import Emulator
from laden.store.manage.azure import AzureManage
from laden.values.errors import AccessDenied
from laden.verbs.copy import copy
from laden.verbs.history import history
from laden.verbs.load import load
from laden.verbs.properties import set_properties
from laden.verbs.prune import plan_prune, prune
from laden.verbs.undelete import undelete
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.fuller import Fuller


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source") / "source", {"0": 3, "1": 2})


def told(place: str, *, loads: bool = False) -> list[tuple[str, bool, dict[str, int]]]:
    """Of each record but those of loads: what, whether it began, and the counts above zero."""
    return [
        (one.command, one.begun, {name: count for name, count in one.counts.items() if count and name != "bytes"})
        for one in history(place)
        if loads or one.command != "load"
    ]


def test_set_tells_that_it_began_and_how_it_ended(dataset: Dataset, container: str) -> None:
    begin(dataset.folder, container)
    set_properties(container, metadata=["a=b"])
    expected = [("set", True, {"meant": 5}), ("set", False, {"changed": 5})]
    assert told(container) == expected
    set_properties(container, metadata=["a=b"])
    assert told(container) == expected, "nothing was changed"


def test_of_what_broke_off_there_is_word(dataset: Dataset, container: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(dataset.folder, container)
    plain = AzureManage.set_tags
    calls = 0

    async def refused(self: AzureManage, *arguments: object) -> None:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise AccessDenied("no more")
        await plain(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(AzureManage, "set_tags", refused)
    with pytest.raises(AccessDenied):
        set_properties(container, tags=["a=b"])
    assert told(container) == [("set", True, {"meant": 5})]


def test_undelete_and_prune_tell_both(dataset: Dataset, container: str, emulator: Emulator, tmp_path: Path) -> None:
    later = make_dataset(tmp_path / "later", {"0": 3, "1": 1})
    with Fuller(emulator) as service:
        there = service.url(container)
        load(dataset.folder, there)
        load(later.folder, there, update=True)
        plan_prune(there, later.folder, plan_file=tmp_path / "plan")
        assert told(there) == []
        prune(tmp_path / "plan", most=1)
        prune(tmp_path / "plan", most=1)
        expected = [("prune", True, {"deleted": 1}), ("prune", False, {"deleted": 1})]
        assert told(there) == expected
        undelete(there, plan_file=tmp_path / "plan")
        undelete(there, plan_file=tmp_path / "plan")
        expected += [("undelete", True, {"wanted": 1}), ("undelete", False, {"back": 1, "wanted": 1})]
        assert told(there) == expected


def test_copy_and_update_tell_both(dataset: Dataset, container: str, emulator: Emulator, tmp_path: Path) -> None:
    first = make_dataset(tmp_path / "first", {"0": 3})
    source = f"{container}-source"
    load(first.folder, source)
    copy(source, container)
    expected = [("copy", True, {"images": 3, "sent": 3}), ("copy", False, {"images": 3, "sent": 3})]
    assert told(container) == expected
    assert history(container)[0].page == ""
    copy(source, container)
    load(first.folder, container, update=True)
    assert told(container) == expected
    before = len(told(container, loads=True))
    load(dataset.folder, container, update=True)
    began, ended = told(container, loads=True)[before:]
    assert (began[:2], ended[:2]) == (("load", True), ("load", False))
    assert began[2]["sent"] == ended[2]["sent"] == 2


@pytest.mark.parametrize("lost", ["image", "table", "damaged"])
def test_a_load_that_brought_back_what_was_lost_is_recorded(dataset: Dataset, tmp_path: Path, lost: str) -> None:
    place = tmp_path / "there"
    begin(dataset.folder, place)
    image, table = min(place.rglob("*.png")), min(place.glob("*.csv*"))
    if lost == "damaged":
        image.write_bytes(b"other")
    else:
        (image if lost == "image" else table).unlink()
    load(dataset.folder, place, overwrite="changed")
    sent = {"image": 1, "damaged": 1, "table": 0}[lost]
    assert [one.counts["sent"] for one in history(place)] == [5, sent]
    load(dataset.folder, place, overwrite="changed")
    assert len(history(place)) == 2, "nothing was sent"
