"""Loads that find something there: other content, what another tool put there, the same images in another form."""

import shutil
import zipfile
from pathlib import Path

import pytest

from laden.demo.emulator import Emulator
from laden.values.events import Event, Found, PlanReady
from laden.verbs.history import history
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.support.begun import begin
from tests.support.dataset import make_dataset, tiny_png
from tests.support.destinations import MANIFEST, AzuritePlace, Place, change_member, images, manifest
from tests.support.harness import Proxy, content


@pytest.mark.parametrize("same_length", [True, False])
def test_a_blob_of_other_content_is_left_alone_and_told(place: Place, tmp_path: Path, same_length: bool) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3})
    name, right = next(iter(dataset.blobs.items()))
    other = bytes(len(right)) if same_length else b"other"
    place.write(name, other)
    summary = load(dataset.folder, place.url)
    assert (summary.conflicts, summary.sent, summary.exit_code) == (1, 2, 3)
    there = place.read()
    assert there[name] == other
    assert name not in {row["blob"] for row in manifest(there[MANIFEST], tmp_path)}


@pytest.mark.parametrize("same_length", [True, False])
def test_such_a_blob_is_replaced_when_asked(place: Place, tmp_path: Path, same_length: bool) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3})
    name, right = next(iter(dataset.blobs.items()))
    place.write(name, bytes(len(right)) if same_length else b"other")
    summary = load(dataset.folder, place.url, overwrite="changed")
    assert (summary.conflicts, summary.sent, summary.exit_code) == (0, 3, 0)
    assert images(place) == dataset.blobs
    assert verify(place.url, deep="all").exit_code == 0


def test_a_replacement_that_cannot_be_read_leaves_a_load_that_holds(place: Place, tmp_path: Path) -> None:
    """The page says `changing` while blobs are replaced; if in the end none was, it must say `complete` again."""
    dataset = make_dataset(tmp_path / "source", {"0": 3}, deflate=False)
    begin(dataset.folder, place.url)
    before = place.read()
    other = tiny_png(77, height=20)
    change_member(dataset, other)
    archive = dataset.folder / "0.zip"
    packed = bytearray(archive.read_bytes())
    packed[packed.index(other) + 60] ^= 1
    archive.write_bytes(packed)
    summary = load(dataset.folder, place.url, overwrite="changed")
    assert (summary.sent, summary.damaged) == (0, 1)
    # Nothing changed; that something is wrong with the source now is in the history alone.
    assert place.read() == before
    assert history(place.url)[-1].needs_person == {"member-crc": 1}
    assert verify(place.url).exit_code == 0


def test_that_another_dataset_is_there_is_told_before_anything_is_sent(place: Place, tmp_path: Path) -> None:
    first = make_dataset(tmp_path / "first", {"0": 2, "1": 2})
    other = make_dataset(tmp_path / "other", {"2": 2}, seed=2)
    tree = tmp_path / "tree/x"
    tree.mkdir(parents=True)
    (tree / "a.dat").write_bytes(b"a")
    for archives in ("0", "1"):
        assert load(first.folder, place.url, archives=archives).exit_code == 0
    before = place.read()
    for source in (other.folder, tree.parent):
        known: list[str] = []

        def observe(event: Event, known: list[str] = known) -> None:
            if isinstance(event, Found) and event.finding.code == "dataset-other":
                known.append(event.finding.message)

        def confirm(_: PlanReady, known: list[str] = known) -> bool:
            known.append("asked")
            return False

        assert load(source, place.url, observer=observe, confirm=confirm).exit_code == 130
        (message, _) = known
        assert message.startswith("the table PADCHEST")
    assert place.read() == before
    assert load(tree.parent, place.url).findings["dataset-other"] == 1
    # Now both are there: whichever comes again is told that it does not lie there alone.
    for source in (tree.parent, first.folder, tree.parent):
        ended = load(source, place.url)
        assert (ended.exit_code, ended.findings["dataset-other"]) == (0, 1), source


def test_that_two_tables_share_a_place_is_told_by_each_load_of_either(tmp_path: Path) -> None:
    first = make_dataset(tmp_path / "first", {"0": 2, "1": 2})
    other = make_dataset(tmp_path / "other", {"2": 2}, seed=2)
    other.table.rename(other.folder / "PADCHEST_chest_x_ray_images_labels_160K_01.02.20.csv")
    there = str(tmp_path / "there")
    for source, told in ((first, None), (other, 1), (first, 1), (first, 1), (other, 1)):
        assert load(source.folder, there).findings.get("dataset-other") == told
    for asked in ({"archives": "0"}, {"where": "ImageDir = 0"}):
        assert load(first.folder, there, **asked).findings.get("dataset-other") == 1
    # A version of one table, which names fewer images than are there, is no other dataset.
    assert "dataset-other" not in load(first.folder, str(tmp_path / "alone")).findings
    lines = first.table.read_bytes().splitlines(keepends=True)
    first.table.write_bytes(b"".join(lines[:-1]))
    assert "dataset-other" not in load(first.folder, str(tmp_path / "alone"), update=True).findings


def test_parts_of_one_dataset_are_no_others(place: Place, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2, "1": 2})
    for part in ("0", "1"):
        ended = load(dataset.folder, place.url, where=f"ImageDir = {part}", table_name=f"{part}.csv")
        assert (ended.exit_code, ended.findings) == (0, {})


def test_what_another_tool_put_there_is_adopted(emulator: Emulator, container: str, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 6})
    azurite = AzuritePlace(emulator, container)
    for name, data in dataset.blobs.items():
        azurite.write(name, data)
    with Proxy(emulator) as proxy:
        first = load(dataset.folder, proxy.url(container))
        assert not [name for name in proxy.put_names() if name.startswith("png/")]
    assert (first.sent, first.already_there, first.foreign, first.exit_code) == (0, 6, 0, 0)
    assert {row["blob"] for row in manifest(content(emulator, container, MANIFEST), tmp_path)} == set(dataset.blobs)
    assert all(row["state"] == "whole" for row in manifest(content(emulator, container, MANIFEST), tmp_path))
    plans: list[Event] = []
    load(dataset.folder, container, observer=plans.append)
    (plan,) = [event for event in plans if isinstance(event, PlanReady)]
    assert (plan.compare, plan.already_there) == (0, 6), "the manifest vouches for them from now on"


def test_an_extracted_tree_after_its_zips_sends_nothing(place: Place, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 4, "1": 3})
    begin(dataset.folder, place.url)
    before = place.read()
    tree = tmp_path / "tree"
    for archive in dataset.archives:
        with zipfile.ZipFile(dataset.folder / f"{archive}.zip") as opened:
            opened.extractall(tree / "images" / archive)
    shutil.copy(dataset.table, tree)
    summary = load(tree, place.url)
    assert (summary.sent, summary.already_there, summary.exit_code) == (0, 7, 0)
    assert images(place) == dataset.blobs
    assert set(place.read()) == set(before)


def test_an_extracted_tree_loads_and_knows_itself_again(place: Place, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 4})
    with zipfile.ZipFile(dataset.folder / "0.zip") as opened:
        opened.extractall(tmp_path / "tree" / "0")
    shutil.copy(dataset.table, tmp_path / "tree")
    assert load(tmp_path / "tree", place.url).sent == 4
    assert images(place) == dataset.blobs
    plans: list[Event] = []
    load(tmp_path / "tree", place.url, observer=plans.append)
    (plan,) = [event for event in plans if isinstance(event, PlanReady)]
    assert (plan.compare, plan.already_there) == (0, 4)
