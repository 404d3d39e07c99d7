"""`get`: what was loaded comes back byte for byte, whole or in part; over Azurite and a folder."""

import csv
import gzip
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import duckdb
import pytest

import laden
from laden.dataset.table import Table
from laden.demo.emulator import Emulator
from laden.stages.manifest import MANIFEST
from laden.values.errors import AccessDenied, NotAsLanded, UsageError
from laden.values.events import Event, Started, Summary, ToFetch
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.faults.scene import Container
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import client, sas
from tests.support.places import pack, profile, table

pytest_plugins = ("tests.support.padchest",)

SUBSET = "PADCHEST_SMALL.csv"


def files(folder: Path) -> dict[str, bytes]:
    """All that lies there but laden's own notes."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith("_laden/")}


def records(path: Path) -> list[bytes]:
    """The exact bytes of each record, which may take several lines."""
    return [record.raw for record in Table.open(path).records()]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source") / "source", {"0": 4, "1": 3})


@pytest.fixture(params=["container", "folder"])
def place(request: pytest.FixtureRequest, dataset: Dataset, tmp_path: Path) -> str:
    where = str(tmp_path / "place") if request.param == "folder" else request.getfixturevalue("container")
    begin(dataset.folder, where)
    return where


def put(place: str, emulator: Emulator, name: str, data: bytes) -> None:
    """As somebody else does it."""
    if "://" in place:
        with client(emulator, place) as opened:
            opened.upload_blob(name, data, overwrite=True)
    else:
        path = Path(place) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def test_the_whole_comes_back_byte_for_byte_and_proves_itself(place: str, dataset: Dataset, tmp_path: Path) -> None:
    events: list[Event] = []
    summary = laden.get(place, tmp_path / "got", observer=events.append)
    assert (summary.exit_code, summary.images, summary.fetched, summary.already_there) == (0, 7, 7, 0)
    assert summary.bytes_fetched == sum(map(len, dataset.blobs.values()))
    assert files(tmp_path / "got") == {**dataset.blobs, dataset.table.name: dataset.table.read_bytes()}
    assert verify(str(tmp_path / "got")).exit_code == 0
    assert next(event for event in events if isinstance(event, ToFetch)).files == 7
    assert [event.stage for event in events if isinstance(event, Started)] == ["listing", "download", "table"]
    again = laden.get(place, tmp_path / "got")
    assert (again.exit_code, again.fetched, again.already_there) == (0, 0, 7)


def test_a_part_comes_with_its_rows_and_in_another_layout(place: str, dataset: Dataset, tmp_path: Path) -> None:
    got = tmp_path / "got"
    summary = laden.get(place, got, where="ImageDir = 1", layout="flat/{ImageID}")
    images = {f"flat/{name.rpartition('/')[2]}": data for name, data in dataset.blobs.items() if name[4] == "1"}
    assert summary.exit_code == 0
    there = files(got)
    landed = there.pop(SUBSET)
    assert there == images
    keys = [name.rpartition("/")[2].encode() for name in images]
    wanted = [raw for raw in records(dataset.table) if any(key in raw for key in keys)]
    assert len(wanted) == 3
    assert landed == Table.open(dataset.table).header_bytes + b"".join(wanted)
    # Another part, elsewhere in the same folder: the table is laden's own, and gives way.
    other = laden.get(place, got, where="ImageDir = 0", layout="flat/{ImageID}")
    assert other.findings == {"get-replaced": 1}
    assert len(files(got)) == 8
    named = laden.get(place, got, sample=2, table_name="two.csv", layout="{path}")
    assert (named.fetched, named.findings) == (2, {})
    assert len(records(got / "two.csv")) == 2


def test_a_list_of_images_and_an_absent_one(place: str, dataset: Dataset, tmp_path: Path) -> None:
    first = next(iter(dataset.rows))
    (tmp_path / "list.txt").write_text(f"{first}\nno-such.png\n")
    summary = laden.get(place, tmp_path / "got", images_file=tmp_path / "list.txt")
    assert (summary.exit_code, summary.fetched, summary.findings) == (3, 1, {"image-unknown": 1})


def test_what_is_missing_comes_and_what_is_yours_stays(place: str, dataset: Dataset, tmp_path: Path) -> None:
    got = tmp_path / "got"
    laden.get(place, got)
    gone, mine, *_ = sorted(dataset.blobs)
    (got / gone).unlink()
    (got / mine).write_bytes(b"mine")
    summary = laden.get(place, got, findings_file=tmp_path / "found.csv")
    assert (summary.exit_code, summary.fetched, summary.already_there, summary.conflicts) == (3, 1, 5, 1)
    assert summary.findings == {"get-conflict": 1}
    assert (got / mine).read_bytes() == b"mine"
    assert (got / gone).read_bytes() == dataset.blobs[gone]
    with (tmp_path / "found.csv").open() as file:
        assert [row["blob"] for row in csv.DictReader(file)] == [mine]
    # The table lies there still, whole; without that image it is not this run's, and is left out.
    assert len(records(got / SUBSET)) == 6


def test_what_is_gone_or_changed_in_the_place_is_told_and_not_fetched(
    place: str, dataset: Dataset, emulator: Emulator, tmp_path: Path
) -> None:
    gone, changed, *_ = sorted(dataset.blobs)
    put(place, emulator, changed, b"other")
    put(place, emulator, "extra/foreign.txt", b"foreign")
    if "://" in place:
        with client(emulator, place) as opened:
            opened.delete_blob(gone)
    else:
        (Path(place) / gone).unlink()
    summary = laden.get(place, tmp_path / "got")
    assert (summary.exit_code, summary.images, summary.fetched) == (3, 7, 5)
    assert summary.findings == {"blob-changed": 1, "blob-deleted": 1}
    there = files(tmp_path / "got")
    assert len(records(tmp_path / "got" / SUBSET)) == 5
    there.pop(SUBSET)
    assert there == {name: data for name, data in dataset.blobs.items() if name not in (gone, changed)}
    assert not (tmp_path / "got/_laden/load.json").exists()


def test_a_manifest_that_somebody_changed_is_not_believed(place: str, emulator: Emulator, tmp_path: Path) -> None:
    laden.get(place, tmp_path / "first")
    manifest, other = tmp_path / "first" / MANIFEST, tmp_path / "other.parquet"
    with duckdb.connect() as database:
        database.execute(f"COPY (SELECT * REPLACE (md5(md5) AS md5) FROM '{manifest}') TO '{other}' (FORMAT parquet)")
    put(place, emulator, MANIFEST, other.read_bytes())
    with pytest.raises(NotAsLanded, match="is not as the last load left it"):
        laden.get(place, tmp_path / "got")
    assert not (tmp_path / "got").exists()


def test_a_dry_run_writes_nothing(place: str, tmp_path: Path) -> None:
    summary = laden.get(place, tmp_path / "got", dry_run=True, sample=3)
    assert (summary.exit_code, summary.images, summary.fetched, summary.complete) == (0, 3, 0, False)
    assert not (tmp_path / "got").exists()


def test_bytes_that_rotted_are_never_written(place: str, dataset: Dataset, tmp_path: Path) -> None:
    if "://" in place:
        pytest.skip("the emulator keeps what it was given")
    rotten = Path(place) / min(dataset.blobs)
    status = rotten.stat()
    rotten.write_bytes(b"x" * status.st_size)
    os.utime(rotten, ns=(status.st_atime_ns, status.st_mtime_ns))
    summary = laden.get(place, tmp_path / "got")
    assert (summary.exit_code, summary.damaged, summary.findings) == (3, 1, {"blob-bytes": 1})
    assert min(dataset.blobs) not in files(tmp_path / "got")


def test_a_container_without_a_load_comes_on_the_word_of_who_filled_it(
    container: str, emulator: Emulator, tmp_path: Path
) -> None:
    names = ["a/1.png", "a/2.png", "con/aux.txt", "A/1.png"]
    for name in names:
        put(container, emulator, name, name.encode())
    summary = laden.get(container, tmp_path / "got")
    assert summary.exit_code == 0
    assert summary.findings == {"get-unproved": 1, "name-portable": 2}
    assert files(tmp_path / "got") == {name: name.encode() for name in names}
    with pytest.raises(UsageError, match="no rows to choose by"):
        laden.get(container, tmp_path / "got", where="ImageDir = 0")


HOSTILE = ["../up.txt", "a/../../up.txt", "/etc/up", "C:/up", "b\\up", "dir./up", "x/", "a//b", "_laden/folder.jsonl"]


def test_hostile_names_are_told_and_land_nowhere(container: str, emulator: Emulator, tmp_path: Path) -> None:
    with Container(emulator, container) as raw:
        for number, name in enumerate([*HOSTILE, "file", "file/below", "fine.txt"]):
            raw.write(name, str(number).encode())
    (tmp_path / "w").mkdir()
    summary = laden.get(container, tmp_path / "w/got", findings_file=tmp_path / "f.csv")
    assert summary.exit_code == 3
    there = files(tmp_path / "w")
    # The emulator takes a backslash for a slash.
    names = {name for name in there if not name.startswith("got/_laden/")}
    assert {"got/fine.txt", "got/file/below"} <= names <= {"got/fine.txt", "got/file/below", "got/b/up"}
    assert summary.findings["get-name"] >= 6
    assert [path.name for path in (tmp_path / "w").iterdir()] == ["got"]


def test_two_images_of_one_place_are_not_one_file(tmp_path: Path) -> None:
    source, place = tmp_path / "source", tmp_path / "place"
    table(source, [("0", "a.bin", "x"), ("1", "a.bin", "y"), ("1", "b.bin", "y")])
    pack(source / "0.zip", {"a.bin": "zero"})
    pack(source / "1.zip", {"a.bin": "one", "b.bin": "two"})
    profiled = profile(tmp_path / "p", archive="{ImageDir}.zip")
    load(source, str(place), profile=profiled)
    summary = laden.get(str(place), tmp_path / "got", layout="{ImageID}", profile=profiled)
    assert (summary.exit_code, summary.findings) == (3, {"get-name": 1})
    assert files(tmp_path / "got")["a.bin"] == b"zero"
    by_label = laden.get(str(place), tmp_path / "labels", layout="{Label}/{ImageDir}-{ImageID}", profile=profiled)
    assert by_label.exit_code == 0
    assert {name for name in files(tmp_path / "labels") if "csv" not in name} == {"x/0-a.bin", "y/1-a.bin", "y/1-b.bin"}
    with pytest.raises(UsageError, match=r"uses \{Nobody\}, which is no column of t.csv"):
        laden.get(str(place), tmp_path / "labels", layout="{Nobody}", profile=profiled)


def test_what_replaced_an_image_replaces_it_here_too(tmp_path: Path) -> None:
    first = make_dataset(tmp_path / "one", {"0": 3})
    second = make_dataset(tmp_path / "two", {"0": 3}, seed=2)
    place = str(tmp_path / "place")
    begin(first.folder, place)
    laden.get(place, tmp_path / "got")
    # The same names, with other pictures.
    (tmp_path / "mixed").mkdir()
    names = dict(zip(first.blobs, second.blobs.values(), strict=True))
    pack_bytes(tmp_path / "mixed/0.zip", {name.rpartition("/")[2]: data for name, data in names.items()})
    (tmp_path / "mixed" / first.table.name).write_bytes(first.table.read_bytes())
    load(tmp_path / "mixed", place, overwrite="changed")
    summary = laden.get(place, tmp_path / "got")
    assert summary.findings == {"get-replaced": 5}  # and manifest and page
    assert (summary.fetched, summary.exit_code) == (3, 0)
    assert {name: data for name, data in files(tmp_path / "got").items() if name in names} == names


def pack_bytes(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    ("folder", "sentence"),
    [("https://x.blob.core.windows.net/y?sig=abcdefghijklmnop", "is no folder"), ("file.txt", "is a file")],
)
def test_a_place_that_is_none_is_told(tmp_path: Path, dataset: Dataset, folder: str, sentence: str) -> None:
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(UsageError, match=sentence) as raised:
        laden.get(str(tmp_path / "place"), folder)
    assert "abcdefgh" not in str(raised.value)


def test_nothing_is_brought_onto_itself(dataset: Dataset, tmp_path: Path) -> None:
    begin(dataset.folder, str(tmp_path / "place"))
    with pytest.raises(UsageError, match="lies already"):
        laden.get(str(tmp_path / "place"), tmp_path / "place")


def test_a_sas_without_the_right_to_read_is_told_first(container: str, emulator: Emulator, tmp_path: Path) -> None:
    with pytest.raises(AccessDenied, match="read"):
        laden.get(f"{container}?{sas(emulator, container, 'l')}", tmp_path / "got")


def test_stopped_it_says_so_and_goes_on(dataset: Dataset, tmp_path: Path) -> None:
    begin(dataset.folder, str(tmp_path / "place"))
    asked = iter([False] * 2 + [True] * 1000)
    summary: Summary = laden.get(str(tmp_path / "place"), tmp_path / "got", stopping=lambda: next(asked))
    assert summary.exit_code == 130
    assert "again to go on" in summary.message
    again = laden.get(str(tmp_path / "place"), tmp_path / "got")
    assert again.exit_code == 0
    assert again.fetched + again.already_there == 7


def test_rows_of_the_real_table_come_byte_for_byte(padchest_table: Path, tmp_path: Path) -> None:
    source, place = tmp_path / "source", str(tmp_path / "place")
    source.mkdir()
    original = source / "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv"
    with gzip.open(padchest_table) as packed:
        # The first of them are enough, and the real table has what makes records odd.
        original.write_bytes(b"".join(islice(packed, 4_000)))
    raws = records(original)
    with original.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    images = {row["ImageID"]: raw for row, raw in zip(rows, raws, strict=False) if row["ImageDir"] == "0"}
    pack(source / "0.zip", {name: name for name in images})
    load(source, place, archives="0", images="none")
    summary = laden.get(place, tmp_path / "got", first=10)
    assert (summary.exit_code, summary.fetched) == (0, 10)
    kept = [raw for name, raw in images.items() if (tmp_path / "got/png/0" / name).exists()]
    assert len(kept) == 10
    assert (tmp_path / "got" / SUBSET).read_bytes() == Table.open(original).header_bytes + b"".join(kept)


def test_folders_of_two_gets_do_not_disturb_each_other(dataset: Dataset, tmp_path: Path) -> None:
    begin(dataset.folder, str(tmp_path / "place"))
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda _: laden.get(str(tmp_path / "place"), tmp_path / "got"), range(2)))
    assert [one.exit_code for one in ended] == [0, 0]
    assert {name: data for name, data in files(tmp_path / "got").items() if name != dataset.table.name} == dataset.blobs
