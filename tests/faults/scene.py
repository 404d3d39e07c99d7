"""What the fault tests share: a small dataset, the container it should become, and what may be found there."""

import base64
import csv
import html
import http.client
import io
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit

import duckdb
import pytest

from laden.demo.emulator import Emulator
from laden.demo.sample import Member, write_archive
from laden.stages.download import ranges
from laden.stages.history import HISTORY
from laden.stages.transfer import Settings, sizes
from laden.store import connection, retry
from laden.values.errors import StoreError
from laden.values.events import Event, Summary
from laden.verbs import wishes as wishing
from laden.verbs.load import load
from tests.support.dataset import Dataset, make_dataset, tiny_png
from tests.support.harness import Landed, client, landed, sas

MANIFEST, PAGE = "_laden/manifest.parquet", "_laden/load.json"
SUBSET = "PADCHEST_SMALL.csv"
BLOCK_BYTES = 8 << 10
TIMEOUT_S = 0.12


def small_settings(**given: Any) -> Settings:
    """One of the images in blocks, the others in one put."""
    return Settings(**given, single_put_bytes=BLOCK_BYTES, block_bytes=BLOCK_BYTES, window_bytes=64 * BLOCK_BYTES)


@contextmanager
def small_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wishing, "Settings", small_settings)
        patch.setattr(sizes, "_MIB", BLOCK_BYTES)
        patch.setattr(sizes, "_LEAST_BLOCK_BYTES", BLOCK_BYTES)
        yield


@contextmanager
def small_ranges() -> Iterator[None]:
    """What comes back comes in ranges, where it is larger than a small image."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "WHOLE_BYTES", BLOCK_BYTES)
        patch.setattr(ranges, "RANGE_BYTES", BLOCK_BYTES)
        yield


@contextmanager
def impatience() -> Iterator[None]:
    """Pauses, patience and timeouts of a hundredth."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retry, "Retrying", partial(retry.Retrying, patience_s=0.3, first_pause_s=0.002))
        patch.setattr(retry, "FIRST_PATIENCE_S", 0.25)
        patch.setattr(retry, "LONGEST_PAUSE_S", 0.05)
        patch.setattr(connection, "_STALL_S", TIMEOUT_S)
        yield


def make_small(folder: Path) -> Dataset:
    """Eight images in two archives; one is large enough for four blocks, one is missing, one broken, one stray."""
    dataset = make_dataset(folder, {"0": 5, "1": 3}, missing=1, stray=1, broken=1)
    place = next(place for place in dataset.members if place[0] == "1.zip")
    dataset.members[place] = tiny_png(7, height=128, width=128)
    own = [Member(name, data) for (archive, name), data in dataset.members.items() if archive == "1.zip"]
    write_archive(folder / "1.zip", own)
    return dataset


@dataclass(frozen=True)
class Ended:
    """How a load ended, whether or not it raised."""

    summary: Summary
    seconds: float


def attempt(*arguments: Any, **options: Any) -> Ended:
    """Load; what is raised on purpose is an end like others."""
    events: list[Event] = []
    started_s = time.monotonic()
    with suppress(StoreError):
        load(*arguments, observer=events.append, **options)
    summary = events[-1]
    assert isinstance(summary, Summary)
    return Ended(summary, time.monotonic() - started_s)


class Container:
    """The container behind an address, looked into and written to as plainly as may be."""

    def __init__(self, emulator: Emulator, url: str) -> None:
        self._path = urlsplit(url).path
        self._sas = sas(emulator, url)
        self._connection = http.client.HTTPConnection("127.0.0.1", emulator.port, timeout=30)

    def read(self) -> dict[str, bytes]:
        """Every blob's bytes, but the records of the history, which hold times; nothing where there is no container."""
        listing = self._ask("GET", "", "restype=container&comp=list")
        names = [html.unescape(name) for name in re.findall("<Name>([^<]*)</Name>", listing.decode())]
        return {name: self._ask("GET", name) for name in names if HISTORY not in name}

    def write(self, name: str, data: bytes, metadata: dict[str, str] | None = None) -> None:
        headers = {f"x-ms-meta-{key}": value for key, value in (metadata or {}).items()}
        self._ask("PUT", name, headers={"x-ms-blob-type": "BlockBlob", **headers}, data=data)

    def stage(self, name: str, block_id: str, data: bytes) -> None:
        """A block that nobody commits; a service that refuses it (its id has another length) is as good."""
        encoded = quote(base64.b64encode(block_id.encode()).decode(), safe="")
        self._ask("PUT", name, f"comp=block&blockid={encoded}", data=data)

    def staged(self, name: str) -> int:
        """How many blocks of a blob nobody committed yet."""
        return self._ask("GET", name, "comp=blocklist&blocklisttype=uncommitted").count(b"<Block>")

    def delete(self, name: str) -> None:
        self._ask("DELETE", name)

    def _ask(
        self, method: str, name: str, query: str = "", headers: dict[str, str] | None = None, data: bytes = b""
    ) -> bytes:
        target = f"{self._path}/{quote(name)}" if name else self._path
        for again in (True, False):
            self._connection.request(method, f"{target}?{query}&{self._sas}", data, headers or {})
            try:
                with self._connection.getresponse() as answer:
                    body = answer.read()
            except http.client.RemoteDisconnected:
                # The emulator closes a connection that was idle for some seconds, as it is on a busy machine.
                if not again:
                    raise
                self._connection.close()
            else:
                break
        assert answer.status < 300 or answer.status == 404 or b"InvalidBlobOrBlock" in body, (answer.status, body)
        return body

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def create(emulator: Emulator, url: str) -> None:
    with client(emulator, url) as opened:
        opened.create_container()


def remove(emulator: Emulator, url: str) -> None:
    with client(emulator, url) as opened:
        if opened.exists():
            opened.delete_container()


def _records(table: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(table.decode(), newline="")))


class Undisturbed:
    """A load that ran to its end in one go, and what a container may hold on the way there."""

    def __init__(self, emulator: Emulator, dataset: Dataset, name: str) -> None:
        self.url = emulator.url(name)
        with small_blocks():
            self.summary = load(dataset.folder, self.url)
        self.landed: dict[str, Landed] = landed(emulator, self.url)
        with Container(emulator, self.url) as container:
            self.content = container.read()
        self.images = dataset.blobs
        assert self.content.keys() == {*self.images, MANIFEST, PAGE, SUBSET}
        assert self.summary.exit_code == 3

    def accept(self, there: dict[str, bytes], before: dict[str, bytes], tmp_path: Path) -> int:
        """Hold every blob against what it may be; returns how many images are right.

        Args:
            there: the container now.
            before: the container before the load.
            tmp_path: a folder for a file.

        """
        for name, data in there.items():
            if name not in (MANIFEST, PAGE, SUBSET):
                assert data in (before.get(name), self.images.get(name)), f"{name} has wrong content"
        self._accept_subset(there)
        self._accept_manifest(there, tmp_path)
        return sum(there.get(name) == data for name, data in self.images.items())

    def _accept_subset(self, there: dict[str, bytes]) -> None:
        """Whole records of the table, only of images that are there, in their order."""
        whole = _records(self.content[SUBSET])
        kept = _records(there[SUBSET]) if SUBSET in there else []
        rest = iter(whole)
        assert all(record in rest for record in kept), "the subset is not a part of the table"
        names = {f"png/{record[2]}/{record[1]}" for record in kept[1:]}
        assert names <= there.keys(), "the table names an image that is not there"

    def _accept_manifest(self, there: dict[str, bytes], tmp_path: Path) -> None:
        if PAGE in there:
            assert json.loads(there[PAGE])["state"] in ("unfinished", "complete", "changing")
        if MANIFEST not in there:
            return
        path = tmp_path / "manifest.parquet"
        path.write_bytes(there[MANIFEST])
        with duckdb.connect() as database:
            rows = database.execute(f"SELECT blob, size_bytes, md5 FROM '{path}'").fetchall()
        for name, size_bytes, md5 in rows:
            right = self.landed[name]
            assert (size_bytes, md5) == (right.size_bytes, right.md5.hex()), "the manifest tells of another blob"
            assert there.get(name) == self.images[name], f"the manifest claims {name}, which is not there"
