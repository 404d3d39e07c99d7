"""A manifest that somebody edited is told by every verb that reads it, and nothing in it is believed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

import laden
from laden.demo.emulator import Emulator
from laden.stages.loadpage import LOAD
from laden.stages.manifest import MANIFEST
from laden.values.errors import NotAsLanded
from laden.values.events import Event, Found, Shown
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import client


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source") / "source", {"0": 4, "1": 3})


@pytest.fixture(scope="module")
def loaded(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it was loaded to, once; tests change a copy."""
    place = tmp_path_factory.mktemp("loaded") / "there"
    laden.load(dataset.folder, str(place))
    return place


@pytest.fixture
def there(loaded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(loaded, tmp_path / "there"))


def without_first(manifest: Path, out: Path) -> str:
    """Write a manifest without its first image, whose name is given."""
    with duckdb.connect() as database:
        database.execute(f"CREATE TABLE known AS FROM read_parquet('{manifest}')")
        ((blob,),) = database.sql("SELECT min(blob) FROM known").fetchall()
        database.execute(f"COPY (FROM known WHERE blob <> '{blob}') TO '{out}' (FORMAT parquet)")
    return str(blob)


def edit(there: Path, how: str) -> None:
    """Take an image away, and its row: by the manifest alone, nothing is missed."""
    blob = without_first(there / MANIFEST, there / MANIFEST)
    (there / blob).unlink()
    if how == "manifest":
        return
    page = json.loads((there / LOAD).read_bytes())
    data = (there / MANIFEST).read_bytes()
    page["manifest"] |= {"size_bytes": len(data), "md5": hashlib.md5(data).hexdigest()}
    page["manifest"] = None if how == "page names none" else page["manifest"]
    (there / LOAD).write_text(json.dumps(page))


REFUSING: dict[str, Callable[[str, Dataset, Path], object]] = {
    "get": lambda place, _, folder: laden.get(place, folder / "got"),
    "copy": lambda place, _, folder: laden.copy(place, str(folder / "copy")),
    "list": lambda place, *_: laden.list(place),
    "set": lambda place, *_: laden.set_properties(place, metadata=["a=b"]),
    "prune": lambda place, dataset, folder: laden.plan_prune(place, dataset.folder, plan_file=folder / "plan.jsonl"),
    "labels": lambda place, _, folder: laden.export_labels(place, folder / "labels.jsonl"),
    "open": lambda place, *_: laden.open(place),
    "lock": lambda place, dataset, folder: laden.lock(dataset.folder, folder / "x.lock", loaded=place),
}


@pytest.mark.parametrize("how", ["manifest", "page names none"])
@pytest.mark.parametrize("verb", REFUSING)
def test_who_goes_by_it_refuses_it(dataset: Dataset, there: Path, tmp_path: Path, verb: str, how: str) -> None:
    edit(there, how)
    with pytest.raises(NotAsLanded, match="so nothing in it is believed"):
        REFUSING[verb](str(there), dataset, tmp_path)


def found_by(call: Callable[[Callable[[Event], None]], object]) -> tuple[object, set[str], list[Event]]:
    events: list[Event] = []
    summary = call(events.append)
    return summary, {one.finding.code for one in events if isinstance(one, Found)}, events


@pytest.mark.parametrize("how", ["manifest", "page names none"])
@pytest.mark.parametrize("deep", [None, "all"])
def test_verify_holds_no_image_against_it(there: Path, how: str, deep: str | None) -> None:
    edit(there, how)
    summary = laden.verify(str(there), deep=deep)  # type: ignore[arg-type]
    assert (summary.exit_code, summary.images, summary.complete, summary.foreign) == (3, 0, False, 0)
    assert summary.findings["manifest-changed"] == 1
    assert not {"blob-foreign", "blob-deleted"} & summary.findings.keys()


def test_verify_tells_of_a_page_that_was_edited_with_it(there: Path) -> None:
    edit(there, "manifest and page")
    summary = laden.verify(str(there))
    assert summary.findings == {"history-behind": 1}


def test_verify_tells_it_of_a_container(container: str, dataset: Dataset, emulator: Emulator, tmp_path: Path) -> None:
    begin(dataset.folder, container)
    with client(emulator, container) as opened:
        (tmp_path / "m").write_bytes(opened.download_blob(MANIFEST).readall())
        without_first(tmp_path / "m", tmp_path / "edited")
        opened.upload_blob(MANIFEST, (tmp_path / "edited").read_bytes(), overwrite=True)
    assert laden.verify(container).findings["manifest-changed"] == 1
    for call in (laden.undelete, laden.list):
        with pytest.raises(NotAsLanded):
            call(container)


@pytest.mark.parametrize("how", ["manifest", "page names none"])
def test_status_and_diff_tell_it_too(dataset: Dataset, there: Path, how: str) -> None:
    edit(there, how)
    _, _, events = found_by(lambda observer: laden.status(str(there), observer=observer))
    (shown,) = (one for one in events if isinstance(one, Shown))
    assert "the manifest was changed since the last load" in str(shown)
    summary, codes, _ = found_by(lambda observer: laden.diff(str(there), dataset.folder, observer=observer))
    assert {"manifest-changed", "diff-only-there"} <= codes
    assert summary.exit_code == 3  # type: ignore[attr-defined]


def test_bytes_that_changed_under_the_same_length_and_time_are_no_manifest(there: Path) -> None:
    status, data = (there / MANIFEST).stat(), bytearray((there / MANIFEST).read_bytes())
    data[len(data) // 2] ^= 1
    (there / MANIFEST).write_bytes(data)
    os.utime(there / MANIFEST, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(NotAsLanded, match="are not those that were stored there"):
        laden.verify(str(there))
