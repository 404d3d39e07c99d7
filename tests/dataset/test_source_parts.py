"""Archives in parts: one file to those who read, however the parts were cut; whatever part is not as it should be."""

import os
import random
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from laden.dataset.source import Reader, entries, find, stem
from laden.dataset.source.kinds import archive_of
from laden.dataset.source.opening import open_archive
from laden.values.errors import MemberDamaged, SourceError
from laden.values.records import Entry
from tests.contracts.source import CONTENTS, SourceContract, accepted, content

NOISE = random.Random(3).randbytes(100_000)


def cut(path: Path, part_bytes: int, first: int = 1) -> list[Path]:
    """Cut a file into parts, and remove it."""
    data = path.read_bytes()
    path.unlink()
    parts = []
    for number, start in enumerate(range(0, len(data), part_bytes), first):
        parts.append(path.with_name(f"{path.name}.{number:03d}"))
        parts[-1].write_bytes(data[start : start + part_bytes])
    return parts


def make(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def read(root: Path, archive: str) -> dict[str, bytes]:
    with Reader(str(root)) as reader:
        return {one.member: content(reader, one) for one in entries(root, archive) if isinstance(one, Entry)}


class TestSplitZip(SourceContract):
    def place(self, root, contents):
        (root / "sub").mkdir()
        cut(make(root / "sub/0.zip", contents), 40_000)
        return list(entries(root, "sub/0.zip"))

    def touched(self, root, member):
        return root / "sub/0.zip.002"


@pytest.mark.parametrize("part_bytes", [40, 997, 30_011, 99_999, 10**9])
def test_borders_may_lie_anywhere(tmp_path, part_bytes):
    """In a local header, in the directory, in the end record; and there may be more parts than a process may open."""
    members = {name: data[:9000] for name, data in CONTENTS.items()} | {"noise.png": NOISE[:20_000]}
    parts = cut(make(tmp_path / "0.zip", members), part_bytes)
    assert part_bytes > 40 or len(parts) > 1000
    assert read(tmp_path, "0.zip") == members


def test_what_lies_at_any_place_is_read(tmp_path):
    (tmp_path / "a.zip").write_bytes(NOISE)
    cut(tmp_path / "a.zip", 7001)
    file = open_archive(tmp_path, "a.zip")
    assert file.size_bytes == len(NOISE)
    for start, count in [(0, 1), (7000, 2), (7001, 7001), (0, 10**9), (99_999, 5), (100_000, 1), (3, 50_000), (9, 0)]:
        assert file.read_at(count, start) == NOISE[start : start + count]


@pytest.mark.parametrize("command", [["split", "-d", "-a", "3", "--numeric-suffixes=1"], ["split", "-d", "-a", "3"]])
def test_parts_of_split(tmp_path, command):
    if not shutil.which("split"):
        pytest.skip("split is not installed")
    make(tmp_path / "0.zip", CONTENTS)
    subprocess.run([*command, "-b", "30000", "0.zip", "0.zip."], cwd=tmp_path, check=True)
    (tmp_path / "0.zip").unlink()
    assert read(tmp_path, "0.zip") == CONTENTS


def test_parts_of_7_zip(tmp_path):
    if not shutil.which("7z"):
        pytest.skip("7z is not installed")
    (tmp_path / "noise.png").write_bytes(NOISE)
    subprocess.run(
        ["7z", "a", "-tzip", "-v30000b", "0.zip", "noise.png"], cwd=tmp_path, check=True, capture_output=True
    )
    (tmp_path / "noise.png").unlink()
    assert find([tmp_path]).archives == ["0.zip"]
    assert read(tmp_path, "0.zip") == {"noise.png": NOISE}


def test_parts_are_found_as_one_archive(tmp_path):
    for name in [
        "b.zip.001",
        "b.zip.002",
        "a.TAR.GZ.001",
        "c.tgz",
        "notes.001",
        "d.zip",
        "d.zip.001",
        "t.csv",
        "e.tar",
    ]:
        (tmp_path / name).touch()
    found = find([tmp_path])
    assert found.archives == ["a.TAR.GZ", "b.zip", "c.tgz", "d.zip", "e.tar"]
    assert found.files == ["notes.001", "t.csv"]
    assert find([tmp_path / "b.zip.001", tmp_path / "b.zip.002"]).archives == ["b.zip"]


@pytest.mark.parametrize(
    ("path", "name", "short"),
    [
        ("x/a b (c & d).zip", "x/a b (c & d).zip", "a b (c & d)"),
        ("PadChest_GR.zip.037", "PadChest_GR.zip", "PadChest_GR"),
        ("images_001.tar.gz", "images_001.tar.gz", "images_001"),
        ("i.TGZ", "i.TGZ", "i"),
        ("a.b.tar.1000", "a.b.tar", "a.b"),
        ("a.zip.01", None, ""),
        ("a.gz", None, ""),
        (".zip.0001", ".zip", ""),
    ],
)
def test_names(path, name, short):
    assert archive_of(path) == name
    assert name is None or stem(name) == short


def test_the_joined_file_goes_before_its_parts(tmp_path):
    make(tmp_path / "0.zip", {"a.png": b"old"})
    cut(tmp_path / "0.zip", 50)
    make(tmp_path / "0.zip", {"a.png": b"new"})
    assert read(tmp_path, "0.zip") == {"a.png": b"new"}


def test_parts_that_are_not_read_since_the_whole_is_here_are_told(tmp_path):
    for name in ("0.zip", "b/0.zip", "1.zip"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        make(tmp_path / name, {"a.png": b"old" * 50})
        cut(tmp_path / name, 90)
    assert find([tmp_path]).findings == []
    for name in ("0.zip", "1.zip"):
        make(tmp_path / name, {"b.png": b"new"})
    (tmp_path / "1.zip.002").unlink()
    found = find([tmp_path])
    assert [(one.code, one.severity, one.member) for one in found.findings] == [
        ("archive-lookalike", "warning", "0.zip.001"), ("archive-lookalike", "warning", "1.zip.001"),
    ]  # fmt: skip
    assert "and 2 more parts are not read, since 0.zip is here whole" in found.findings[0].message
    assert found.archives == ["0.zip", "1.zip", "b/0.zip"]


def refused(root: Path) -> SourceError:
    with pytest.raises(SourceError) as raised:
        list(entries(root, "0.zip"))
    return raised.value


@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_part_that_is_missing_is_named(tmp_path, number):
    parts = cut(make(tmp_path / "0.zip", {"a.png": NOISE}), 21_000)
    assert len(parts) == 5
    parts[number - 1].unlink()
    error = refused(tmp_path)
    assert error.code == "archive-part"
    assert f"0.zip.00{number} is missing" in str(error)
    assert "0.zip.005" in str(error)


def test_missing_last_parts_are_told(tmp_path):
    *_, last = cut(make(tmp_path / "0.zip", {"a.png": NOISE}), 21_000)
    last.unlink()
    error = refused(tmp_path)
    assert error.code == "archive-part"
    assert "parts are missing after 0.zip.004" in str(error)


@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_part_that_was_cut_off_is_named(tmp_path, number):
    parts = cut(make(tmp_path / "0.zip", {"a.png": NOISE, "b.png": NOISE[:9]}), 21_000)
    os.truncate(parts[number - 1], 10_000)
    error = refused(tmp_path)
    assert error.code == "archive-part"
    assert f"0.zip.00{2 if number == 1 else number}" in str(error)


def test_parts_of_unequal_size_that_fit_are_fine(tmp_path):
    first, second, *_ = cut(make(tmp_path / "0.zip", CONTENTS), 40_000)
    data = first.read_bytes() + second.read_bytes()
    first.write_bytes(data[:123])
    second.write_bytes(data[123:])
    assert read(tmp_path, "0.zip") == CONTENTS


def test_every_part_is_watched(tmp_path):
    parts = cut(make(tmp_path / "0.zip", CONTENTS), 40_000)
    found = {entry.member: entry for entry in accepted(list(entries(tmp_path, "0.zip")))}
    for part in parts:
        with Reader(str(tmp_path)) as reader:
            content(reader, found["one.png"])
            os.utime(part, ns=(5, 5))
            with pytest.raises(MemberDamaged) as raised:
                content(reader, found["empty.png"])
            assert raised.value.code == "archive-changed"
