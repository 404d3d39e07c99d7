"""Datasets in tars, gzip data and parts, through the installed command into the emulator: as exact as from zips."""

import gzip
import io
import os
import tarfile
import zipfile
from importlib.resources import files
from pathlib import Path

import pytest

from laden.demo.emulator import Emulator
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import landed, run

SUFFIXES = ["tar", "tar.gz", "zip"]


def profile_of(suffix: str, folder: Path) -> Path:
    """PADCHEST's profile, with archives of another kind."""
    text = (files("laden.dataset") / "profiles/padchest.toml").read_text("utf-8")
    archive = 'archive = "{ImageDir}.zip"'
    assert archive in text
    path = folder / "mine.toml"
    path.write_text(text.replace(archive, archive.replace("zip", suffix)))
    return path


def repack(data: Dataset, suffix: str) -> None:
    """Pack every zip again: as a tar, plain or in gzip data, or cut in parts."""
    for name in data.archives:
        path = data.folder / f"{name}.zip"
        with zipfile.ZipFile(path) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
        if suffix == "zip":
            content = path.read_bytes()
            for number, at in enumerate(range(0, len(content), 1000), 1):
                path.with_name(f"{name}.zip.{number:03d}").write_bytes(content[at : at + 1000])
        else:
            mode = "w" if suffix == "tar" else "w:gz"
            with tarfile.open(data.folder / f"{name}.{suffix}", mode) as packed:
                for member, content in members:
                    info = tarfile.TarInfo(f"./images/{member}")
                    info.size = len(content)
                    packed.addfile(info, io.BytesIO(content))
        path.unlink()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_dataset_in_each_kind(emulator: Emulator, container: str, tmp_path: Path, suffix: str) -> None:
    data = make_dataset(tmp_path / "data", {"0": 40, "1": 30, "2": 5}, missing=2, stray=1)
    repack(data, suffix)
    profile = profile_of(suffix, tmp_path)
    env = {"AZURE_STORAGE_KEY": emulator.key}

    def load(*options: str) -> dict[str, object]:
        return run("load", data.folder, container, "--profile", profile, "--json", "-y", *options, env=env).summary

    part = load("--archives", "1-2")
    assert (part["rows"], part["sent"]) == (35 + (1 if any(data.rows[one] == "1" for one in data.missing) else 0), 35)
    whole = load(*(["--workers", "2"] if suffix == "tar.gz" else []))
    assert (whole["matched"], whole["sent"], whole["already_there"], whole["missing"]) == (75, 40, 35, 2)
    assert whole["findings"] == {"image-missing": 2, "image-stray": 1}
    blobs = landed(emulator, container)
    assert {name: blob.md5 for name, blob in blobs.items() if name.startswith("png/")} == data.md5s
    again = load()
    assert (again["sent"], again["already_there"], again["exit_code"]) == (0, 75, 3)
    assert run("verify", container, "--deep", "all", env=env).code == 0
    for path in data.folder.glob("*.*"):
        os.utime(path, (1e9, 1e9))
    moved = load()
    assert (moved["sent"], moved["already_there"]) == (0, 75)


@pytest.mark.parametrize("damage", ["checksum", "cut"])
def test_gzip_data_that_are_damaged_cost_only_themselves(tmp_path: Path, damage: str) -> None:
    data = make_dataset(tmp_path / "data", {"0": 10, "1": 10})
    repack(data, "tar.gz")
    profile = profile_of("tar.gz", tmp_path)
    path = data.folder / "0.tar.gz"
    content = bytearray(path.read_bytes())
    if damage == "checksum":
        content[-6] ^= 1
    path.write_bytes(content if damage == "checksum" else content[:-100])
    out = tmp_path / "out"
    ran = run("load", data.folder, out, "--profile", profile, "--json", "-y")
    assert (ran.code, ran.summary["sent"], ran.summary["missing"]) == (3, 10, 10)
    code = "archive-gzip" if damage == "checksum" else "archive-truncated"
    assert ran.summary["findings"] == {code: 1}
    assert not (out / "png/0").exists()


def test_a_tar_that_breaks_off_gives_what_is_whole(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"0": 10})
    repack(data, "tar")
    profile = profile_of("tar", tmp_path)
    path = data.folder / "0.tar"
    os.truncate(path, 7 * 1536 + 700)
    ran = run("load", data.folder, tmp_path / "out", "--profile", profile, "--json", "-y")
    assert ran.code == 3
    assert ran.summary["findings"] == {"archive-truncated": 1, "image-missing": 10 - ran.summary["sent"]}
    assert 0 < ran.summary["sent"] < 10


def test_archives_are_chosen_by_their_stem(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("images_001", "images_002"):
        member = tarfile.TarInfo(f"{name}/a.bin")
        (tmp_path / "data" / f"{name}.tar.gz").write_bytes(gzip.compress(member.tobuf() + bytes(1024)))
    ran = run("load", tmp_path / "data", tmp_path / "out", "--profile", "files", "--archives", "images_002", "--json")
    assert (ran.code, ran.summary["sent"]) == (0, 1)
    assert (tmp_path / "out/images_002/a.bin").exists()
