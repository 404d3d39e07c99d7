"""Loads and copies to a place among another load's images: refused, for they would be taken for its own."""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from laden.demo.emulator import Emulator
from laden.stages.loadpage import LOAD, Planned, write_unfinished_page
from laden.stages.manifest import MANIFEST
from laden.store import Properties, open_store, parse_destination
from laden.values.errors import UsageError
from laden.verbs.copy import copy
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import landed

IMAGES = 5


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source") / "source", {"0": 3, "1": 2})


@pytest.fixture(params=["container", "folder"])
def there(request: pytest.FixtureRequest, dataset: Dataset, container: str, tmp_path: Path) -> str:
    place = container if request.param == "container" else str(tmp_path / "there")
    begin(dataset.folder, place, archives="0,1")
    return place


@pytest.fixture
def names(there: str, emulator: Emulator) -> Callable[[], list[str]]:
    def found() -> list[str]:
        if "://" in there:
            return sorted(landed(emulator, there))
        return sorted(path.relative_to(there).as_posix() for path in Path(there).rglob("*") if path.is_file())

    return found


@pytest.mark.parametrize("below", ["png", "png/0"])
def test_nothing_is_put_among_the_images_of_another_load(
    below: str, there: str, dataset: Dataset, names: Callable[[], list[str]]
) -> None:
    before = names()
    for act in (copy, load):
        for dry_run in (False, True):
            source = there if act is copy else dataset.folder
            with pytest.raises(UsageError, match="would take over: name a prefix of its own"):
                act(source, f"{there}/{below}", dry_run=dry_run)
    with pytest.raises(UsageError, match="would take over"):
        load(dataset.folder, f"{there}/{below}", profile="files")
    assert names() == before
    assert verify(there).images == IMAGES


def test_a_load_above_that_is_under_way_may_have_images_there(there: str, dataset: Dataset) -> None:
    """Its page names no manifest yet."""
    load(dataset.folder, f"{there}/ward", archives="0,1")
    page = write_unfinished_page(profile="padchest", layout="{ImageID}", rows=0, planned=Planned("2026-01-01", 9, 9))
    asyncio.run(change(f"{there}/ward", page))
    with pytest.raises(UsageError, match="under way, or was interrupted"):
        copy(there, f"{there}/ward/png")


def test_a_load_above_that_lost_its_manifest_may_have_images_there(there: str, dataset: Dataset) -> None:
    asyncio.run(change(there, None, MANIFEST))
    with pytest.raises(UsageError, match="has lost its manifest"):
        load(dataset.folder, f"{there}/png")


def test_beside_them_is_room(there: str, dataset: Dataset) -> None:
    assert load(dataset.folder, f"{there}/ward", archives="0,1").exit_code == 0
    assert copy(there, f"{there}/copied/here").exit_code == 0
    assert verify(there).exit_code == verify(f"{there}/ward").exit_code == verify(f"{there}/copied/here").exit_code == 0


def test_what_a_killed_copy_left_is_its_own(there: str) -> None:
    """Images of laden's and no page, as a copy that was killed leaves them: the load above names none of them."""
    assert copy(there, f"{there}/copied").exit_code == 0
    asyncio.run(change(f"{there}/copied", None))
    assert copy(there, f"{there}/copied").already_there == IMAGES
    assert verify(f"{there}/copied").exit_code == 0


def test_nothing_is_copied_among_images_that_shares_sent(
    dataset: Dataset, container: str, tmp_path: Path, emulator: Emulator
) -> None:
    """They have no page yet."""
    begin(dataset.folder, str(tmp_path / "origin"), archives="0,1")
    load(dataset.folder, container, share="1/2")
    before = landed(emulator, container)
    folder = next(name for name in before if name.endswith(".png")).rpartition("/")[0]
    for below in ("png", folder):
        with pytest.raises(UsageError, match="or of shares of one, which this one would take over"):
            copy(tmp_path / "origin", f"{container}/{below}")
    assert landed(emulator, container) == before


def test_ladens_own_notes_are_nobodys_place(there: str, dataset: Dataset, names: Callable[[], list[str]]) -> None:
    before = names()
    for below in ("_laden", "_laden/x", "ward/_laden/x"):
        for act, source in ((copy, there), (load, dataset.folder)):
            with pytest.raises(UsageError, match="keeps its notes"):
                act(source, f"{there}/{below}")
    assert names() == before


def test_a_folder_that_is_called_as_the_notes_and_lies_in_no_load_is_a_place(dataset: Dataset, tmp_path: Path) -> None:
    assert load(dataset.folder, tmp_path / "_laden" / "x", archives="0,1").exit_code == 0


def test_a_link_from_elsewhere_leads_among_the_images_as_well(dataset: Dataset, tmp_path: Path) -> None:
    there, link = tmp_path / "there", tmp_path / "link"
    assert load(dataset.folder, there, archives="0,1").exit_code == 0
    for target, match in ((there / "png", "would take over"), (there / "_laden", "keeps its notes")):
        before = sorted(there.rglob("*"))
        link.symlink_to(target, target_is_directory=True)
        for act, source in ((copy, there), (load, dataset.folder)):
            with pytest.raises(UsageError, match=match):
                act(source, link)
        link.unlink()
        assert sorted(there.rglob("*")) == before


async def change(place: str, data: bytes | None, name: str = LOAD) -> None:
    """Put another page there, or remove it."""
    store = open_store(parse_destination(place), connections=1)
    if data is None:
        await store.delete(name)
    else:
        await store.put(name, data, Properties(hashlib.md5(data).digest()), None)
    await store.close()
