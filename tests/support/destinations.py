"""Destinations that a test can look into and tamper with, and what a load of a small dataset leaves there."""

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import duckdb
from azure.storage.blob import ContentSettings

from laden.demo.emulator import Emulator
from laden.stages.transfer import Settings
from tests.support.dataset import Dataset
from tests.support.harness import client, content, landed

MANIFEST, PAGE = "_laden/manifest.parquet", "_laden/load.json"
OWN = {MANIFEST, PAGE}
SUBSET = "PADCHEST_SMALL.csv"
NOTES = ("_laden/folder.jsonl", "_laden/history/")
"""What holds times, so that two loads of equal data differ in it."""


class Place:
    """A destination that a test can look into and tamper with."""

    url: str

    def read(self) -> dict[str, bytes]:
        raise NotImplementedError

    def write(self, name: str, data: bytes) -> None:
        """As another tool would."""
        raise NotImplementedError

    def remove(self, name: str) -> None:
        raise NotImplementedError


class FolderPlace(Place):
    def __init__(self, path: Path) -> None:
        self.path, self.url = path, str(path)

    def read(self) -> dict[str, bytes]:
        files = (path for path in self.path.rglob("*") if path.is_file())
        named = {path.relative_to(self.path).as_posix(): path.read_bytes() for path in files}
        return {name: data for name, data in named.items() if not name.startswith(NOTES)}

    def write(self, name: str, data: bytes) -> None:
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_bytes(data)

    def remove(self, name: str) -> None:
        (self.path / name).unlink()


class AzuritePlace(Place):
    def __init__(self, emulator: Emulator, url: str) -> None:
        self.emulator, self.url = emulator, url

    def read(self) -> dict[str, bytes]:
        return {name: content(self.emulator, self.url, name) for name in landed(self.emulator, self.url)}

    def write(self, name: str, data: bytes) -> None:
        settings = ContentSettings(content_md5=bytearray(hashlib.md5(data).digest()))
        with client(self.emulator, self.url) as opened:
            opened.upload_blob(name, data, overwrite=True, content_settings=settings)

    def remove(self, name: str) -> None:
        with client(self.emulator, self.url) as opened:
            opened.delete_blob(name)


def images(place: Place) -> dict[str, bytes]:
    return {name: data for name, data in place.read().items() if name.startswith("png/")}


def manifest(data: bytes, tmp_path: Path) -> list[dict[str, Any]]:
    path = tmp_path / "read.parquet"
    path.write_bytes(data)
    with duckdb.connect() as connection:
        found = connection.execute("SELECT * FROM read_parquet(?) ORDER BY blob", [str(path)])
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def records(table: Path) -> tuple[bytes, list[bytes]]:
    """Header and records of a table, found by counting quotes: as slow and plain as can be."""
    found: list[bytes] = []
    for line in table.read_bytes().splitlines(keepends=True):
        if found and found[-1].count(b'"') % 2:
            found[-1] += line
        else:
            found.append(line)
    return found[0], found[1:]


def add_member(archive: Path, name: str, data: bytes) -> None:
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(name, data)


def change_member(dataset: Dataset, data: bytes) -> str:
    """Make 0.zip anew with other content in its first member; returns the blob's name."""
    archive = dataset.folder / "0.zip"
    with zipfile.ZipFile(archive) as opened:
        members = [(info.filename, opened.read(info)) for info in opened.infolist()]
    with zipfile.ZipFile(archive, "w") as opened:
        for number, (name, old) in enumerate(members):
            opened.writestr(name, old if number else data)
    return f"png/0/{members[0][0]}"


def small_settings(**given: Any) -> Settings:
    return Settings(**given, single_put_bytes=1 << 20, block_bytes=1 << 20, window_bytes=8 << 20)
