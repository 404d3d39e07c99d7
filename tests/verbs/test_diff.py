"""`diff`: every kind of place against every other, by content alone; what nobody can tell is never the same."""

import base64
import csv
import hashlib
import os
import shutil
import warnings
import zipfile
from pathlib import Path

import duckdb
import pytest

import laden
from laden.cli.verdict import verdict
from laden.demo.emulator import Emulator
from laden.relations import Relations
from laden.stages.comparison import SIDES, VERDICTS, compare_sides
from laden.values.errors import UsageError
from laden.values.events import Compared, Event, Found, Summary
from laden.verbs.load import load
from tests.faults.scene import Container
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import client


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source") / "source", {"0": 4, "1": 3}, missing=1)


@pytest.fixture(scope="module")
def folder(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("place") / "dest"
    load(dataset.folder, str(place))
    return place


def compare(one: object, other: object, **options: object) -> tuple[Summary, Compared]:
    events: list[Event] = []
    summary = laden.diff(str(one), str(other), observer=events.append, **options)  # type: ignore[arg-type]
    return summary, next(event for event in events if isinstance(event, Compared))


@pytest.mark.parametrize("other", ["source", "manifest", "got", "plain"])
def test_a_container_is_the_same_as_where_it_came_from_and_what_came_of_it(
    container: str, dataset: Dataset, folder: Path, tmp_path: Path, other: str
) -> None:
    begin(dataset.folder, container, code=3)
    laden.get(container, tmp_path / "got")
    plain = tmp_path / "plain"
    for name, data in dataset.blobs.items():
        (plain / name).parent.mkdir(parents=True, exist_ok=True)
        (plain / name).write_bytes(data)
    (plain / "PADCHEST_SMALL.csv").write_bytes((tmp_path / "got/PADCHEST_SMALL.csv").read_bytes())
    places = {
        "source": dataset.folder, "manifest": folder / "_laden/manifest.parquet", "got": tmp_path / "got",
        "plain": plain / "png",
    }  # fmt: skip
    here = f"{container}/png" if other == "plain" else container
    for one, two in ((here, places[other]), (places[other], here)):
        summary, compared = compare(one, two)
        assert summary.exit_code == 0, summary
        assert compared == Compared(8 if other == "got" else 7, 0, 0, 0, 0)


def test_every_verdict_in_csv_and_parquet(container: str, dataset: Dataset, emulator: Emulator, tmp_path: Path) -> None:
    begin(dataset.folder, container, code=3)
    gone, changed, longer, unknown, *_ = sorted(dataset.blobs)
    with client(emulator, container) as opened:
        opened.delete_blob(gone)
        opened.upload_blob(changed, dataset.blobs[changed][::-1], overwrite=True)
        opened.upload_blob(longer, b"x", overwrite=True)
        opened.upload_blob("extra.png", b"x")
    with Container(emulator, container) as raw:
        # Staged and committed without an MD5, as some tools do.
        raw.delete(unknown)
    with client(emulator, container) as opened:
        blob = opened.get_blob_client(unknown)
        blob.stage_block("0000", dataset.blobs[unknown])
        blob.commit_block_list(["0000"])
    summary, compared = compare(dataset.folder, container, output="d.csv")
    assert compared == Compared(same=3, other=2, only_here=1, only_there=1, unknown=1)
    assert (summary.exit_code, summary.matched, summary.changed) == (3, 3, 2)
    assert summary.findings == {"diff-other": 2, "diff-only-here": 1, "diff-only-there": 1, "diff-unknown": 1}
    compare(dataset.folder, container, output="d.parquet")
    with Path("d.csv").open(newline="") as file:
        rows = {row["name"]: row["verdict"] for row in csv.DictReader(file)}
    assert rows == dict(duckdb.sql("SELECT name, verdict FROM 'd.parquet'").fetchall())
    assert {name: rows[name] for name in (gone, changed, longer, unknown, "extra.png")} == {
        gone: "only-here", changed: "other", longer: "other", unknown: "unknown", "extra.png": "only-there",
    }  # fmt: skip


def test_archives_are_held_against_a_folder_that_nobody_loaded(dataset: Dataset, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    for name, data in dataset.blobs.items():
        (plain / name).parent.mkdir(parents=True, exist_ok=True)
        (plain / name).write_bytes(data)
    assert compare(dataset.folder, plain)[1] == Compared(7, 0, 0, 0, 0)
    name = min(dataset.blobs)
    (plain / name).write_bytes(dataset.blobs[name][::-1])
    os.utime(plain / name, (1, 1))
    assert compare(plain, dataset.folder)[1] == Compared(6, 1, 0, 0, 0)


def test_an_archive_that_cannot_be_read_is_told(dataset: Dataset, folder: Path, tmp_path: Path) -> None:
    broken = make_dataset(tmp_path / "broken", {"0": 4, "1": 3}, missing=1)
    data = (broken.folder / "1.zip").read_bytes()
    (broken.folder / "1.zip").write_bytes(data[: len(data) // 2])
    summary, compared = compare(broken.folder, folder)
    assert summary.findings["archive-truncated"] == 1
    assert compared.only_there == 3


@pytest.mark.parametrize(
    ("here", "there", "verdict"),
    [
        ((1, "a", None), (1, "a", None), "same"),
        ((1, "a", 1), (1, "a", 2), "same"),
        ((1, "a", 1), (1, "b", 1), "other"),
        ((1, "a", 1), (2, "a", 1), "other"),
        ((1, None, 1), (1, "a", 1), "same"),
        ((1, None, 1), (1, "a", 2), "other"),
        ((1, None, 1), (1, "a", None), "unknown"),
        ((1, None, None), (1, "a", 1), "unknown"),
        ((1, None, None), (1, None, None), "unknown"),
        ((0, None, None), (0, None, None), "same"),
        ((1, "a", 1), None, "only-here"),
        (None, (1, "a", 1), "only-there"),
    ],
)
def test_what_is_known_decides(here: tuple[object, ...] | None, there: tuple[object, ...] | None, verdict: str) -> None:
    with Relations() as relations:
        relations.run(SIDES)
        relations.feed("sides", [(side, "x", *one) for side, one in (("here", here), ("there", there)) if one])
        assert compare_sides(relations) == {name: int(name == verdict) for name in VERDICTS}


def test_places_that_are_none_are_told(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    for place, sentence in (("nothing", "there is no folder"), ("x.parquet", "is no manifest of laden's")):
        with pytest.raises(UsageError, match=sentence):
            laden.diff(folder, tmp_path / place)
    with pytest.raises(UsageError, match=r"neither .csv nor .parquet"):
        laden.diff(folder, folder, output=tmp_path / "x.txt")


def flip(path: Path) -> None:
    """Change a byte, as a disk may, that neither length nor time tells."""
    status, data = path.stat(), bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("other", ["source", "manifest", "container", "folder"])
@pytest.mark.parametrize("how", ["loaded", "got"])
def test_a_folders_files_are_hashed_whatever_laden_noted_of_them(
    container: str, dataset: Dataset, tmp_path: Path, other: str, how: str
) -> None:
    begin(dataset.folder, container, code=3)
    place, second = tmp_path / "place", tmp_path / "second"
    for one in (place, second):
        load(dataset.folder, str(one)) if how == "loaded" else laden.get(container, one)
    there = {
        "source": dataset.folder,
        "manifest": second / "_laden/manifest.parquet",
        "container": container,
        "folder": second,
    }[other]
    same = 8 if other in ("container", "folder") else 7
    assert compare(place, there)[1] == Compared(same, 0, 0, 0, 0)
    flip(place / min(dataset.blobs))
    for one, two in ((place, there), (there, place)):
        summary, compared = compare(one, two)
        assert (summary.exit_code, compared) == (3, Compared(same - 1, 1, 0, 0, 0))


def test_metadata_that_were_copied_with_other_bytes_prove_nothing(
    container: str, dataset: Dataset, emulator: Emulator
) -> None:
    begin(dataset.folder, container, code=3)
    name = min(dataset.blobs)
    with client(emulator, container) as opened:
        blob = opened.get_blob_client(name)
        data = dataset.blobs[name][::-1]
        kept = blob.get_blob_properties().metadata | {
            "laden_md5": base64.b64encode(hashlib.md5(data).digest()).decode()
        }
        blob.upload_blob(data, overwrite=True, metadata=kept)
    for one, two in ((container, dataset.folder), (dataset.folder, container)):
        assert compare(one, two)[1] == Compared(6, 1, 0, 0, 0)


def test_that_tables_were_not_compared_is_said(dataset: Dataset, folder: Path, tmp_path: Path) -> None:
    for other in (dataset.folder, folder / "_laden/manifest.parquet"):
        summary, _ = compare(folder, other)
        assert (summary.exit_code, summary.unseen) == (0, 1)
        assert verdict(summary, None) == "The images are the same; tables and copied files were not compared."
    laden.get(folder, tmp_path / "got")
    assert verdict(compare(folder, tmp_path / "got")[0], None) == "The same."


def test_notes_of_loads_below_are_no_differences(dataset: Dataset, tmp_path: Path) -> None:
    """They hold times; images of such loads are compared as any."""
    for place in ("one", "other"):
        for prefix in ("", "a/", "b/c/"):
            load(dataset.folder, f"{tmp_path}/{place}/{prefix}")
    (tmp_path / "other/a/_laden/history/00000001.json").write_text("{}")
    assert laden.diff(tmp_path / "one", tmp_path / "other").exit_code == 0
    image = min((tmp_path / "other/b").rglob("*.png"))
    image.write_bytes(b"other")
    told: list[Event] = []
    assert laden.diff(tmp_path / "one", tmp_path / "other", observer=told.append).exit_code == 3
    found = [one.finding.blob for one in told if isinstance(one, Found)]
    assert found == [image.relative_to(tmp_path / "other").as_posix()]


def test_two_places_where_nothing_lies_are_not_called_the_same(tmp_path: Path, container: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="nothing lies in either place"):
        laden.diff(tmp_path / "empty", f"{container}/mistyped")


@pytest.mark.parametrize(
    ("code", "archives"),
    [
        ("image-ambiguous", {"a.zip": [("x.bin", "1")], "b.zip": [("x.bin", "2")]}),
        ("name-refused", {"a.zip": [("x\ty.bin", "1")]}),
        ("member-duplicate", {"a.zip": [("x.bin", "1"), ("x.bin", "2")]}),
    ],
)
def test_what_of_a_source_gets_no_name_is_told_and_never_passed_over(
    tmp_path: Path, code: str, archives: dict[str, list[tuple[str, str]]]
) -> None:
    """Neither place has a name for it, so no name is in one alone: the two are not the same for all that."""
    source, dest = tmp_path / "source", tmp_path / "dest"
    source.mkdir()
    for archive, members in archives.items():
        with zipfile.ZipFile(source / archive, "w") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            file.writestr(f"{archive}.bin", "good")
            for member in members:
                file.writestr(*member)
    assert load(source, str(dest), profile="files", report_file=None).exit_code == 3
    for one, two in ((source, dest), (dest, source)):
        summary, compared = compare(one, two, profile="files")
        assert compared == Compared(len(archives), 0, 0, 0, 0)
        assert (summary.exit_code, set(summary.findings)) == (3, {code})
        assert verdict(summary, None) == "What both hold is the same; what is named above was not compared."


def test_a_row_whose_image_no_blob_can_be_is_told(dataset: Dataset, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(dataset.folder, source)
    (name,) = dataset.missing
    table = source / dataset.table.name
    table.write_bytes(table.read_bytes().replace(name.encode(), b"\x01.png"))
    load(source, str(tmp_path / "dest"))
    summary, compared = compare(source, tmp_path / "dest")
    assert (summary.exit_code, summary.findings, compared) == (3, {"row-name": 1}, Compared(7, 0, 0, 0, 0))


def test_what_a_source_gives_no_place_is_told_beside_a_lock_file_too(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    with zipfile.ZipFile(tmp_path / "source/a.zip", "w") as file:
        for name in ("a.bin", "x\ty.bin"):
            file.writestr(name, name)
    laden.lock(tmp_path / "source", tmp_path / "d.lock")
    summary, compared = compare(tmp_path / "d.lock", tmp_path / "source")
    assert (summary.exit_code, summary.findings, compared) == (3, {"name-refused": 1}, Compared(1, 0, 0, 0, 0))
