"""`laden lock`, and what takes its file: a check of a mirror, a load that reads no directory, a comparison."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import pytest

import laden
from laden.values.errors import ExitCode, SourceError, UsageError
from laden.values.events import Compared, Event, Found, Summary
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source") / "source", {"0": 4, "1": 3})


@pytest.fixture(scope="module")
def loaded(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("place") / "dest"
    begin(dataset.folder, str(place))
    return place


@pytest.fixture(scope="module")
def lock_file(dataset: Dataset, loaded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lock") / "d.lock"
    summary = laden.lock(dataset.folder, path, loaded=str(loaded))
    assert (summary.exit_code, summary.images, summary.matched, summary.complete) == (0, 8, 8, True)
    return path


@pytest.fixture
def mirror(dataset: Dataset, tmp_path: Path) -> Path:
    return Path(shutil.copytree(dataset.folder, tmp_path / "mirror"))


def told(call: Any, *given: object, **more: object) -> tuple[Summary, list[tuple[str, str, str]]]:
    """The summary, and code, place and severity of each finding about the lock."""
    found: list[tuple[str, str, str]] = []

    def observe(event: Event) -> None:
        if isinstance(event, Found) and event.finding.code.startswith("lock-"):
            finding = event.finding
            found.append((finding.code, finding.member or finding.archive, finding.severity.value))

    summary: Summary = call(*given, observer=observe, **more)
    return summary, found


def repack(path: Path, change: dict[str, bytes | None], comment: bytes = b"") -> None:
    """Write a zip anew, with some members changed, added or (None) left out."""
    with zipfile.ZipFile(path) as before:
        members = {info: before.read(info) for info in before.infolist()}
    with zipfile.ZipFile(path, "w") as after:
        for info, data in members.items():
            if (new := change.pop(info.filename, data)) is not None:
                after.writestr(info, new, info.compress_type)
        for name, new in change.items():
            after.writestr(name, new or b"")
        after.comment = comment


def members(dataset: Dataset, archive: str) -> list[str]:
    return sorted(member for own, member in dataset.members if own == archive)


def test_how_closely_it_was_held_against_the_lock_is_told(mirror: Path, lock_file: Path) -> None:
    for images in ("none", "structure"):
        seen: list[Event] = []
        laden.check(mirror, lock=lock_file, images=images, observer=seen.append)
        (message,) = [event.finding.message for event in seen if isinstance(event, Found)]
        assert message.startswith(f"what was looked at is as {lock_file.name} says, 2 archives and 1 file: names")
        assert ("images were not read" in message) is (images == "none")


def test_a_mirror_that_is_the_same_has_nothing_else_to_tell(mirror: Path, lock_file: Path) -> None:
    for images in ("none", "structure"):
        summary, found = told(laden.check, mirror, lock=lock_file, images=images)
        assert (summary.exit_code, found) == (ExitCode.COMPLETE, [("lock-held", "", "info")])
    assert not list(mirror.glob("*.lock"))


def test_md5s_are_those_of_the_load(dataset: Dataset, lock_file: Path) -> None:
    rows = duckdb.sql(f"SELECT archive, member, md5 FROM read_parquet('{lock_file}') WHERE kind = 'member'").fetchall()
    known = {(archive, member): hashlib.md5(data).hexdigest() for (archive, member), data in dataset.members.items()}
    assert {(archive, member): md5 for archive, member, md5 in rows} == known


def test_every_way_in_which_a_mirror_differs(dataset: Dataset, mirror: Path, lock_file: Path) -> None:
    first, second, third, _ = members(dataset, "0.zip")
    data = dataset.members["0.zip", second]
    repack(mirror / "0.zip", {first: None, second: data[:-1] + b"x", third: data + b"longer", "new.png": b"x"})
    repack(mirror / "1.zip", {}, b"another comment")
    (mirror / dataset.table.name).write_bytes(dataset.table.read_bytes().replace(b"\n", b"\n", 1)[:-1] + b"\r")
    summary, found = told(laden.check, mirror, lock=lock_file)
    assert summary.exit_code == ExitCode.FINDINGS
    assert sorted(found) == sorted(
        [
            ("lock-missing", first, "error"),
            ("lock-other", second, "error"),
            ("lock-other", third, "error"),
            ("lock-extra", "new.png", "warning"),
            ("lock-other", "1.zip", "warning"),
            ("lock-other", dataset.table.name, "error"),
        ]
    )
    _, found = told(laden.check, mirror, lock=lock_file, trust=["0.zip", dataset.table.name])
    assert {severity for _, _, severity in found} == {"warning"}


def test_archives_that_are_absent_or_too_many(dataset: Dataset, mirror: Path, lock_file: Path) -> None:
    (mirror / "1.zip").rename(mirror / "2.zip")
    _, found = told(laden.check, mirror, lock=lock_file)
    assert found == [("lock-missing", "1.zip", "error"), ("lock-extra", "2.zip", "warning")]
    _, found = told(laden.check, mirror, lock=lock_file, archives="0")
    assert found == [("lock-held", "", "info")]


def test_another_datasets_lock_is_one_finding_for_each_archive(lock_file: Path, tmp_path: Path) -> None:
    other = make_dataset(tmp_path / "other", {"0": 5}, seed=99)
    _, found = told(laden.check, other.folder, lock=lock_file, archives="0")
    assert ("lock-other", "0.zip", "error") in found
    assert not [one for one in found if one[0] != "lock-other"]
    summary, found = told(laden.load, other.folder, str(tmp_path / "there"), lock=lock_file)
    assert ("lock-other", "0.zip", "error") in found
    assert (summary.exit_code, summary.sent) == (ExitCode.FINDINGS, 5)


def test_damage_within_a_mirrors_member_is_found_by_reading_it(dataset: Dataset, mirror: Path, lock_file: Path) -> None:
    data = bytearray((mirror / "0.zip").read_bytes())
    with zipfile.ZipFile(mirror / "0.zip") as made:
        data[made.infolist()[0].header_offset + 120] ^= 1
    (mirror / "0.zip").write_bytes(data)
    assert laden.check(mirror, lock=lock_file).exit_code == ExitCode.COMPLETE
    assert laden.check(mirror, lock=lock_file, images="structure").damaged == 1


def test_a_load_with_a_lock_lands_the_same_and_reads_no_directory(
    dataset: Dataset, loaded: Path, mirror: Path, lock_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a directory was read")

    monkeypatch.setattr("laden.dataset.lock.holding.entries", refuse)
    summary, found = told(laden.load, mirror, str(tmp_path / "there"), lock=lock_file)
    assert (summary.exit_code, summary.sent, found) == (ExitCode.COMPLETE, 7, [])
    for path in loaded.rglob("*"):
        if path.is_file() and "history" not in path.parts and path.name != "folder.jsonl":
            assert (tmp_path / "there" / path.relative_to(loaded)).read_bytes() == path.read_bytes()


def test_a_load_tells_of_a_table_that_is_not_the_locked_one(mirror: Path, lock_file: Path, tmp_path: Path) -> None:
    (table,) = mirror.glob("*.csv")
    table.write_bytes(table.read_bytes().replace(b"PA", b"AP", 1))
    told = laden.load(mirror, str(tmp_path / "there"), lock=lock_file)
    assert (told.exit_code, told.findings.get("lock-other")) == (3, 1)


def test_a_load_believes_no_lock_over_the_bytes(
    dataset: Dataset, mirror: Path, lock_file: Path, tmp_path: Path
) -> None:
    # The end of the archive is as it was locked, and a member is not.
    data = bytearray((mirror / "1.zip").read_bytes())
    data[60] ^= 1
    (mirror / "1.zip").write_bytes(data)
    summary, _ = told(laden.load, mirror, str(tmp_path / "there"), lock=lock_file)
    assert (summary.exit_code, summary.damaged, summary.sent) == (ExitCode.FINDINGS, 1, 6)
    # Another directory: it is read, and what differs is told.
    repack(mirror / "0.zip", {members(dataset, "0.zip")[0]: b"another"})
    summary, found = told(laden.load, mirror, str(tmp_path / "other"), lock=lock_file)
    assert ("lock-other", members(dataset, "0.zip")[0], "error") in found


def test_tars_and_trees_are_read_for_their_lock(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    for own, kind in (("a.tar", "w"), ("b.tar.gz", "w:gz")):
        with tarfile.open(tmp_path / "source" / own, kind) as tar:
            for number in range(5):
                data = bytes([number]) * (number + 1)
                info = tarfile.TarInfo(f"{own[0]}/{number}.png")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    (tmp_path / "source" / "tree").mkdir()
    (tmp_path / "source" / "tree" / "x.png").write_bytes(b"plain")
    path = tmp_path / "d.lock"
    assert laden.lock(tmp_path / "source", path).images == 11
    more = {"profile": "files", "images": "structure", "lock": path}
    assert told(laden.check, tmp_path / "source", **more)[1] == [("lock-held", "", "info")]
    loading = {"profile": "files", "images": "none", "phi": "off", "lock": path}
    summary, found = told(laden.load, tmp_path / "source", str(tmp_path / "there"), **loading)
    assert (summary.exit_code, summary.sent, found) == (ExitCode.COMPLETE, 11, [])
    # Bytes of the same length, which no header tells: reading does.
    tar = bytearray((tmp_path / "source" / "a.tar").read_bytes())
    tar[tar.index(b"\4\4\4\4\4")] ^= 1
    (tmp_path / "source" / "a.tar").write_bytes(tar)
    (tmp_path / "source" / "tree" / "x.png").write_bytes(b"plaiN")
    _, found = told(laden.check, tmp_path / "source", **more)
    assert sorted(found) == [("lock-other", "a/4.png", "error"), ("lock-other", "tree/x.png", "error")]


def test_of_a_source_that_is_not_whole_there_is_no_lock(mirror: Path, tmp_path: Path) -> None:
    (mirror / "1.zip").write_bytes((mirror / "1.zip").read_bytes()[:-30])
    with pytest.raises(SourceError, match=r"1\.zip breaks off"):
        laden.lock(mirror, tmp_path / "d.lock")
    assert not (tmp_path / "d.lock").exists()
    (tmp_path / "d.lock").write_text("somebody's own")
    with pytest.raises(UsageError, match="no lock file of laden's"):
        laden.lock(mirror, tmp_path / "d.lock", exclude=["1.zip"])
    assert laden.lock(mirror, tmp_path / "e.lock", exclude=["1.zip"]).exit_code == ExitCode.COMPLETE


def test_a_place_without_a_load_gives_no_md5s(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no complete load"):
        laden.lock(dataset.folder, tmp_path / "d.lock", loaded=str(tmp_path / "empty"))


def test_a_profile_names_its_lock(dataset: Dataset, mirror: Path, lock_file: Path, tmp_path: Path) -> None:
    text = (Path(laden.__file__).parent / "dataset/profiles/padchest.toml").read_text()
    (tmp_path / "own.toml").write_text('lock = "padchest.lock"\n' + text)
    with pytest.raises(UsageError, match=r"in line 1: 'lock' names 'padchest\.lock', which is not there"):
        laden.check(mirror, profile=str(tmp_path / "own.toml"))
    shutil.copy(lock_file, tmp_path / "padchest.lock")
    repack(mirror / "0.zip", {members(dataset, "0.zip")[0]: b"another"})
    for call, given in ((laden.check, [mirror]), (laden.load, [mirror, str(tmp_path / "there")])):
        _, found = told(call, *given, profile=str(tmp_path / "own.toml"))
        assert found == [("lock-other", members(dataset, "0.zip")[0], "error")]


def compare(one: object, other: object) -> Compared:
    events: list[Event] = []
    laden.diff(str(one), str(other), observer=events.append)
    return next(event for event in events if isinstance(event, Compared))


def test_diff_takes_a_lock_as_a_place(dataset: Dataset, loaded: Path, mirror: Path, lock_file: Path) -> None:
    manifest = loaded / "_laden/manifest.parquet"
    for place, same in ((mirror, 8), (loaded, 7), (manifest, 7), (lock_file, 8)):
        assert compare(lock_file, place) == Compared(same, 0, 0, 0, 0)
        assert compare(place, lock_file) == Compared(same, 0, 0, 0, 0)
    (mirror / "deep").mkdir()
    (mirror / "0.zip").rename(mirror / "deep" / "0.zip")
    repack(
        mirror / "1.zip",
        {members(dataset, "1.zip")[0]: b"another", "new.png": b"x", members(dataset, "1.zip")[1]: None},
    )
    assert compare(mirror, lock_file) == Compared(same=6, other=1, only_here=1, only_there=1, unknown=0)
