"""`get --format zip` and `tar-shards`: archives that other tools read, that go on, and that are the same again."""

import hashlib
import io
import json
import os
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

import laden
from laden.demo.emulator import Emulator
from laden.relations import Relations
from laden.stages.download import Wanted, packing, ranges
from laden.stages.download.packing import Member, Tar, Zip, packs
from laden.values.errors import UsageError
from laden.values.events import Event, Found
from laden.values.names import problem
from laden.verbs import packed
from laden.verbs.load import load
from laden.verbs.packed import key_of
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import client


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source") / "source", {"0": 8, "1": 5})


@pytest.fixture(scope="module")
def place(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> str:
    where = str(tmp_path_factory.mktemp("place") / "dest")
    load(dataset.folder, where)
    return where


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "SHARD_BYTES", 8 << 10)


def samples(folder: Path) -> dict[str, dict[str, bytes]]:
    """As WebDataset groups them: neighbours with one name up to the first dot."""
    found: dict[str, dict[str, bytes]] = {}
    for path in sorted(folder.glob("*.tar")):
        last = ""
        with tarfile.open(path) as tar:
            for member in tar:
                folder_, slash, name = member.name.rpartition("/")
                key, _, suffix = name.partition(".")
                key = folder_ + slash + key
                assert key == last or key not in found, "a sample is torn apart"
                data = tar.extractfile(member)
                assert data is not None
                assert suffix not in found.get(key, {}), "two samples have one key"
                found.setdefault(key, {})[suffix] = data.read()
                last = key
    return found


def test_shards_for_training_with_an_index(place: str, dataset: Dataset, tmp_path: Path, small_shards: None) -> None:
    got = tmp_path / "got"
    summary = laden.get(place, got, form="tar-shards")
    assert (summary.exit_code, summary.fetched) == (0, 13)
    found = samples(got)
    assert {f"{key}.png": parts["png"] for key, parts in found.items()} == dataset.blobs
    assert len(list(got.glob("*.tar"))) > 1
    for key, parts in found.items():
        told = json.loads(parts["json"])
        assert told["blob"] == f"{key}.png"
        assert told["md5"] == dataset.md5s[told["blob"]].hex()
    rows = duckdb.sql(f"SELECT * FROM '{got}/images-index.parquet'")
    assert rows.columns == ["key", "shard", "offset_bytes", "size_bytes", "blob", "md5", "crc32", "labels", "laden_row"]
    for key, shard, at, size, blob, md5, _, labels, row in rows.fetchall():
        data = (got / shard).read_bytes()[at : at + size]
        assert hashlib.md5(data).hexdigest() == md5
        assert (data, labels) == (dataset.blobs[blob], json.loads(found[key]["json"])["labels"])
        assert list(dataset.rows)[row - 1] in blob
    subprocess.run(["tar", "tf", *[next(got.glob("*.tar"))]], check=True, capture_output=True)
    again = laden.get(place, got, form="tar-shards")
    assert (again.exit_code, again.fetched, again.already_there) == (0, 0, 13)


def test_the_same_data_give_the_same_bytes(place: str, tmp_path: Path, small_shards: None) -> None:
    for name in ("one", "two"):
        laden.get(place, tmp_path / name, form="tar-shards")
        laden.get(place, tmp_path / name, form="zip")
    for path in (tmp_path / "one").glob("images*"):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_a_zip_that_others_read(place: str, dataset: Dataset, tmp_path: Path) -> None:
    summary = laden.get(place, tmp_path / "got", form="zip", where="ImageDir = 1", layout="{ImageID}")
    assert (summary.exit_code, summary.fetched) == (0, 5)
    with zipfile.ZipFile(tmp_path / "got/images.zip") as archive:
        assert archive.testzip() is None
        there = {name: archive.read(name) for name in archive.namelist()}
    assert there == {name.rpartition("/")[2]: data for name, data in dataset.blobs.items() if name[4] == "1"}
    subprocess.run(["unzip", "-tq", tmp_path / "got/images.zip"], check=True, capture_output=True)
    # laden reads it, too: an archive as any other.
    (tmp_path / "source").mkdir()
    (tmp_path / "got/images.zip").rename(tmp_path / "source/1.zip")
    (tmp_path / "source" / dataset.table.name).write_bytes(dataset.table.read_bytes())
    assert load(tmp_path / "source", str(tmp_path / "again"), archives="1").sent == 5


@pytest.mark.parametrize("form", ["zip", "tar-shards"])
@pytest.mark.parametrize("spoil", [False, True])
def test_an_archive_goes_on_where_it_stopped(
    place: str, dataset: Dataset, tmp_path: Path, form: str, spoil: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    laden.get(place, tmp_path / "whole", form=form)  # type: ignore[arg-type]
    monkeypatch.setattr("laden.stages.download.into_packs._AHEAD", 2)
    # So many times it is asked whether to stop, before a part of the members is written.
    asked = iter([False] * 12)
    first = laden.get(place, tmp_path / "got", form=form, stopping=lambda: next(asked, True))  # type: ignore[arg-type]
    assert first.exit_code == 130
    assert 0 < first.fetched < 13
    assert not list((tmp_path / "got").glob("images*"))
    (part,) = (tmp_path / "got/_laden/staging").glob("*.part")
    if spoil:
        data = bytearray(part.read_bytes())
        data[len(data) // 2] ^= 1
        part.write_bytes(data + b"rubbish")
    again = laden.get(place, tmp_path / "got", form=form)  # type: ignore[arg-type]
    assert again.exit_code == 0
    assert again.fetched + again.already_there == 13
    assert again.already_there <= first.fetched if spoil else again.already_there == first.fetched
    for path in (tmp_path / "whole").glob("images*"):
        assert path.read_bytes() == (tmp_path / "got" / path.name).read_bytes()


def test_large_members_come_in_ranges(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    laden.get(place, tmp_path / "whole", form="tar-shards")
    monkeypatch.setattr(ranges, "WHOLE_BYTES", 100)
    monkeypatch.setattr(ranges, "RANGE_BYTES", 64)
    assert laden.get(place, tmp_path / "got", form="tar-shards").exit_code == 0
    assert (tmp_path / "got/images-000000.tar").read_bytes() == (tmp_path / "whole/images-000000.tar").read_bytes()


@pytest.mark.parametrize("touched", ["one", "all"])
def test_a_shard_that_was_touched_does_not_empty_the_index(
    place: str, tmp_path: Path, small_shards: None, touched: str
) -> None:
    got, index = tmp_path / "got", tmp_path / "got/images-index.parquet"
    laden.get(place, got, form="tar-shards")
    rows, before = duckdb.sql(f"SELECT shard, count(*) FROM '{index}' GROUP BY 1").fetchall(), index.read_bytes()
    shards = sorted(got.glob("*.tar"))
    for path in shards[:1] if touched == "one" else shards:
        status, data = path.stat(), bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    events: list[Event] = []
    summary = laden.get(place, got, form="tar-shards", observer=events.append)
    told = [one.finding for one in events if isinstance(one, Found) and one.finding.blob == index.name]
    left = sum(count for shard, count in rows if touched == "all" or shard == shards[0].name)
    assert (summary.exit_code, summary.findings["get-conflict"]) == (3, left)
    assert told[0].code == "get-index"
    assert told[0].message.startswith(f"{left} samples of shards that were left as they are could not be named in it")
    if touched == "all":
        assert index.read_bytes() == before
    else:
        kept = {one for one in rows if one[0] != shards[0].name}
        assert set(duckdb.sql(f"SELECT shard, count(*) FROM '{index}' GROUP BY 1").fetchall()) == kept


@pytest.mark.parametrize("large", [False, True])
def test_what_cannot_be_had_is_left_out_and_comes_with_the_next(
    dataset: Dataset, tmp_path: Path, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if large:
        monkeypatch.setattr(ranges, "WHOLE_BYTES", 100)
        monkeypatch.setattr(ranges, "RANGE_BYTES", 64)
    where = tmp_path / "place"
    begin(dataset.folder, str(where))
    name = sorted(dataset.blobs)[3]
    status = (where / name).stat()

    def spoil(data: bytes) -> None:
        (where / name).write_bytes(data)
        os.utime(where / name, ns=(status.st_mtime_ns, status.st_mtime_ns))

    spoil(dataset.blobs[name][::-1])
    first = laden.get(str(where), tmp_path / "got", form="tar-shards")
    assert (first.exit_code, first.damaged, first.findings) == (3, 1, {"blob-bytes": 1})
    assert len(samples(tmp_path / "got")) == 12
    assert duckdb.sql(f"SELECT count(*) FROM '{tmp_path}/got/images-index.parquet'").fetchall() == [(12,)]
    spoil(dataset.blobs[name])
    second = laden.get(str(where), tmp_path / "got", form="tar-shards")
    assert second.exit_code == 0
    assert {f"{key}.png": parts["png"] for key, parts in samples(tmp_path / "got").items()} == dataset.blobs


def test_files_of_others_stay(place: str, tmp_path: Path) -> None:
    (tmp_path / "got").mkdir()
    (tmp_path / "got/images.zip").write_bytes(b"mine")
    summary = laden.get(place, tmp_path / "got", form="zip")
    assert (summary.exit_code, summary.conflicts) == (3, 13)
    assert (tmp_path / "got/images.zip").read_bytes() == b"mine"


def test_only_a_load_is_packed(container: str, emulator: Emulator, tmp_path: Path) -> None:
    with client(emulator, container) as opened:
        opened.upload_blob("a.png", b"x")
    with pytest.raises(UsageError, match="only loads are packed"):
        laden.get(container, tmp_path / "got", form="zip")
    with pytest.raises(UsageError, match="one of folder, zip, tar-shards"):
        laden.get(container, tmp_path / "got", form="rar")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("place_", "alone", "key", "suffix"),
    [
        ("png/0/a.png", True, "png/0/a", ".png"),
        ("png/0/a.png", False, "png/0/a%2Epng", ".png"),
        ("1.2.840.DCM", True, "1%2E2%2E840", ".dcm"),
        ("a%2Eb.png", True, "a%252Eb", ".png"),
        ("v1.0/scan.nii.gz", True, "v1%2E0/scan", ".nii.gz"),
        ("plain", True, "plain", ".bin"),
        (".hidden", True, "%2Ehidden", ".bin"),
        ("labels.json", True, "labels", ".data.json"),
    ],
)
def test_keys_have_no_dot_and_belong_to_one_sample(place_: str, alone: bool, key: str, suffix: str) -> None:
    assert key_of(place_, alone=alone) == (key, suffix)
    assert problem(key) is None


@pytest.fixture(scope="module")
def getting() -> Iterator[Relations]:
    with Relations() as relations:
        relations.run(
            "CREATE TABLE getting (place VARCHAR, blob VARCHAR, size_bytes BIGINT, md5 VARCHAR, crc32 BIGINT,"
            " etag VARCHAR);"
            "CREATE TABLE image_labels (blob VARCHAR, labels VARCHAR[])"
        )
        yield relations


PARTS = ["a", "b", ".", ".nii", ".NII", ".gz", ".png", ".PNG", ".json", "/", "%"]
SUFFIXES = st.lists(st.sampled_from([".nii", ".gz", ".png", ".json"]), max_size=2).map("".join)
NAMES = st.one_of(SUFFIXES.map("a".__add__), st.lists(st.sampled_from(PARTS), min_size=1, max_size=6).map("".join))
"""Mostly of one stem, as those are that could share a key."""


@given(st.sets(NAMES.filter(lambda name: problem(name) is None), max_size=8))
def test_no_two_samples_share_a_key_or_a_file(getting: Relations, names: set[str]) -> None:
    getting.run("DELETE FROM getting")
    getting.feed("getting", ((name, name, 1, "00" * 16, 0, "e") for name in names))
    members = list(packed._members(getting, shards=True))
    keys = [member.beside_name.removesuffix(".json") for member in members]
    files = [name for member in members for name in (member.name, member.beside_name)]
    assert len(members) == len({*keys}) == len(names)
    assert len({*files}) == len(files)
    assert not [key for key in keys if "." in key]


@pytest.mark.parametrize(
    "keys",
    [
        {"a%2Epng": "a.png", "a%2Etxt": "a.txt", "b": "b.txt"},
        # The last one's name without its suffix is the whole name of the first.
        {"scan%2Edcm": "scan.dcm", "scan%2Epng": "scan.png", "scan%2Edcm%2Epng": "scan.dcm.png"},
    ],
)
def test_names_that_begin_alike_are_samples_of_their_own(keys: dict[str, str], tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in keys.values():
        (source / name).write_bytes(name.encode())
    load(source, str(tmp_path / "place"), profile="files", images="none")
    laden.get(str(tmp_path / "place"), tmp_path / "got", form="tar-shards")
    found = samples(tmp_path / "got")
    assert {key: json.loads(files["json"])["blob"] for key, files in found.items()} == keys


def test_a_zip_of_more_than_four_gigabytes_is_one_of_the_large_form() -> None:
    big = Wanted("big", "big", 5 << 30, b"\0" * 16, 7)
    small = Wanted("small", "small", 3, b"\0" * 16, 9)
    (pack,) = packs(iter([Member(big, "big"), Member(small, "small")]), Zip(), "{}".format, None)
    first, second = pack.written
    head = Zip().head(first.member)
    assert head[-16:] == (5 << 30).to_bytes(8, "little") * 2
    assert second.offset_bytes == len(head) + (5 << 30) + len(Zip().head(second.member))
    tail = Zip().tail(pack.written)
    assert b"PK\6\6" in tail
    assert b"PK\6\7" in tail
    assert pack.size_bytes == second.offset_bytes + 3 + len(tail)

    # The standard library's reader finds both, where the data are a hole.
    class Sparse(io.RawIOBase):
        """The tail, and nothing before it."""

        at = 0

        def seekable(self) -> bool:
            return True

        def readable(self) -> bool:
            return True

        def seek(self, offset: int, whence: int = 0) -> int:
            self.at = offset + (0, self.at, pack.size_bytes)[whence]
            return self.at

        def tell(self) -> int:
            return self.at

        def read(self, size: int = -1) -> bytes:
            start = self.at - (pack.size_bytes - len(tail))
            assert start >= 0
            data = tail[start:] if size < 0 else tail[start : start + size]
            self.at += len(data)
            return data

    with zipfile.ZipFile(Sparse()) as archive:
        assert [(info.filename, info.file_size, info.CRC) for info in archive.infolist()] == [
            ("big", 5 << 30, 7),
            ("small", 3, 9),
        ]
        assert archive.infolist()[1].header_offset == first.offset_bytes + (5 << 30)


def test_long_and_foreign_names_go_into_a_tar(tmp_path: Path) -> None:
    names = ["x" * 150 + ".png", "/".join(["folder" * 10] * 4) + ".png", "Größe/中文.png"]
    members = [Member(Wanted(name, name, 3, hashlib.md5(b"abc").digest(), 1), name) for name in names]
    (pack,) = packs(iter(members), Tar(), "{}".format, None)
    data = b"".join(Tar().head(one) + b"abc" + Tar().foot(one) for one in members) + Tar().tail(pack.written)
    assert len(data) == pack.size_bytes
    (tmp_path / "t.tar").write_bytes(data)
    with tarfile.open(tmp_path / "t.tar") as tar:
        assert tar.getnames() == names
    assert packing.hold(tmp_path / "t.tar", pack).whole


FORMS = {
    "folder": ["png/0", "png/1"],
    "zip": ["images.zip"],
    "tar-shards": ["images-000000.tar", "images-index.parquet"],
}


def edited(path: Path) -> bytes:
    """Change a byte, and give the file its time back."""
    status, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return bytes(data)


@pytest.mark.parametrize(("form", "name"), [(form, name) for form, names in FORMS.items() for name in names])
def test_what_was_edited_stays_also_where_it_has_its_length_and_time(
    place: str, dataset: Dataset, tmp_path: Path, form: str, name: str
) -> None:
    laden.get(place, tmp_path, form=form)  # type: ignore[arg-type]
    path = tmp_path / name if (tmp_path / name).is_file() else min((tmp_path / name).iterdir())
    now = edited(path)
    summary = laden.get(place, tmp_path, form=form)  # type: ignore[arg-type]
    assert summary.exit_code == 3
    # The index tells of the shards that are right.
    assert set(summary.findings) - {"get-replaced", "get-index"} == {"get-conflict"}
    assert path.read_bytes() == now


@pytest.mark.parametrize("form", FORMS)
def test_what_laden_put_there_gives_way_and_that_is_told(dataset: Dataset, tmp_path: Path, form: str) -> None:
    source, there, got = (tmp_path / name for name in ("source", "there", "got"))
    make_dataset(source, {"0": 8, "1": 5})
    load(source, str(there))
    laden.get(str(there), got, form=form)  # type: ignore[arg-type]
    if form == "folder":
        with zipfile.ZipFile(source / "1.zip") as archive:
            first, *others = [(info.filename, archive.read(info)) for info in archive.infolist()]
        with zipfile.ZipFile(source / "1.zip", "w") as archive:
            for name, data in [(first[0], others[0][1]), *others]:
                archive.writestr(name, data)
        load(source, str(there), overwrite="changed")
        summary = laden.get(str(there), got, form="folder")
        assert "get-replaced" in summary.findings
    else:
        summary = laden.get(str(there), got, form=form, where="ImageDir = 1")  # type: ignore[arg-type]
        assert (summary.exit_code, summary.fetched) == (0, 5)
        assert summary.findings["get-replaced"] == len(FORMS[form])
