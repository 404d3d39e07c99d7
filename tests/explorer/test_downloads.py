"""Where downloads and their records come to lie: never in the place of anything, nor in what is shown."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from laden.explorer import download, stored
from laden.explorer.stored import StoredPlace
from laden.store import parse_destination
from laden.store.folder import FolderStore
from tests.explorer.served import Asker, explored, serving

RECORD = "laden-downloads.csv"
TOLD = "name,size_bytes,md5,outcome,reason\n"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "above" / "place"
    for name in (RECORD, "a.png", "b.png", "place/c.png"):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(f"{TOLD}precious {name}")
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def downloaded(asker: Asker, folder: str, *names: str) -> dict[str, object]:
    asker.ready()
    job = asker.job(asker.post("download", names=list(names), folder=folder)["number"])
    assert job["state"] == "done", job["message"]
    return job


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["laden-marks.csv", "LADEN-views.json", "sub/laden-marks.csv"])
def test_nobody_elses_marks_and_views_become_ones_own(name: str, place: Path, here: Path) -> None:
    (place / name).parent.mkdir(exist_ok=True)
    (place / name).write_text("planted")
    own = here / Path(name).parent
    own.mkdir(exist_ok=True)
    with serving(lambda: StoredPlace(parse_destination(str(place))), own) as asker:
        job = downloaded(asker, str(here), name, "a.png")
        assert job["result"]["outcomes"] == {"came": 1, "refused": 1}  # type: ignore[index]
        assert not (here / name).exists()
        assert "keeps its own file of this name" in (here / RECORD).read_text()
        assert downloaded(asker, str(here / "other"), name)["result"]["outcomes"] == {"came": 1}  # type: ignore[index]
    assert (here / "other" / name).read_text() == "planted"


def test_a_record_takes_no_name_that_anything_else_has(place: Path, here: Path) -> None:
    got = here / "got"
    blob = (place / RECORD).read_text()
    with serving(lambda: StoredPlace(parse_destination(str(place))), here) as asker:
        job = downloaded(asker, "got", RECORD, "a.png")
        assert job["result"] == {"folder": str(got), "file": "laden-downloads-2.csv", "outcomes": {"came": 2}}
        assert "laden-downloads-2.csv" in str(job["message"])
        assert (got / RECORD).read_text() == blob
        first = (got / "laden-downloads-2.csv").read_text()
        assert first.startswith(TOLD)
        assert first.count(",came,") == 2
        # One that was downloaded before is no record either, and the record of that is kept.
        assert downloaded(asker, "got", "b.png")["result"]["file"] == "laden-downloads-2.csv"  # type: ignore[index]
        found = files(got)
        assert found[RECORD] == blob
        assert first in [found[name] for name in found if name.startswith("laden-downloads-2-")]
        assert ",came," in found["laden-downloads-2.csv"]


@pytest.mark.parametrize(
    "lay",
    [
        lambda path: path.write_text("my own notes"),
        lambda path: path.write_text(""),
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to("nowhere"),
        Path.mkdir,
    ],
    ids=["notes", "empty", "device", "broken link", "folder"],
)
def test_what_a_person_has_there_stays(lay: Callable[[Path], object], place: Path, here: Path) -> None:
    got = here / "got"
    got.mkdir()
    lay(got / RECORD)
    (got / f".{RECORD}.part").symlink_to(here / "elsewhere")
    before = (got / RECORD).lstat()
    with explored(str(place)) as asker:
        job = downloaded(asker, "got", "a.png")
    assert job["result"]["file"] == "laden-downloads-2.csv"  # type: ignore[index]
    after = (got / RECORD).lstat()
    assert (after.st_ino, after.st_mode, after.st_size) == (before.st_ino, before.st_mode, before.st_size)
    assert not (here / "elsewhere").exists()
    assert ",came," in (got / "laden-downloads-2.csv").read_text()


def test_where_all_names_are_taken_there_is_no_record_but_a_word(
    place: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "_MOST_NAMES", 2)
    (here / "got").mkdir()
    (here / "got" / RECORD).write_text("mine")
    with explored(str(place)) as asker:
        job = downloaded(asker, "got", "a.png")
    assert "other files have all of its names" in str(job["message"])
    assert set(files(here / "got")) >= {RECORD, "a.png"}
    assert (here / "got" / RECORD).read_text() == "mine"


@pytest.mark.parametrize("stored", [True, False])
def test_nothing_is_downloaded_into_what_is_shown(stored: bool, place: Path, here: Path) -> None:
    (here / "link").symlink_to(place)
    before = files(place.parent)

    def asked(asker: Asker) -> None:
        asker.ready()
        for folder in (place, place / "place", place / "_laden/history", "link", "link/new", place.parent):
            assert "shown" in asker.refused("POST", "download", names=["a.png", "place/c.png"], folder=str(folder))[1]
        downloaded(asker, str(place.parent), "a.png")

    if stored:
        with serving(lambda: StoredPlace(parse_destination(str(place))), here) as asker:
            asked(asker)
    else:
        with explored(str(place)) as asker:
            asked(asker)
    after = {name: text for name, text in files(place.parent).items() if name.startswith("place/")}
    assert after == before


@pytest.mark.parametrize("listed", [True, False])
def test_a_blob_that_is_replaced_while_it_is_read_is_told_and_never_mixed(
    place: Path, here: Path, monkeypatch: pytest.MonkeyPatch, listed: bool
) -> None:
    """Also where a manifest is shown before the listing, so that nobody knows which version is there."""
    monkeypatch.setattr(stored, "PART_BYTES", 4)
    (place / "a.png").write_bytes(b"old old old")
    read: Any = FolderStore.get

    async def replaced(store: FolderStore, name: str, offset: int, length: int, etag: str | None = None) -> bytes:
        part: bytes = await read(store, name, offset, length, etag)
        if name == "a.png" and not offset:
            (place / "a.png").write_bytes(b"new new new")
            os.utime(place / "a.png", ns=(1, 1))
        return part

    with serving(lambda: StoredPlace(parse_destination(str(place))), here) as asker:
        asker.ready()
        if not listed:
            monkeypatch.setattr(stored, "_ASKS_VERSION", "SELECT '', size_bytes FROM items WHERE name = ?")
        monkeypatch.setattr(FolderStore, "get", replaced)
        job = downloaded(asker, "got", "a.png")
        assert job["result"]["outcomes"] == {"changed": 1}  # type: ignore[index]
        assert not (here / "got" / "a.png").exists()
        (place / "b.png").write_text("another")
        sentence = "b.png changed since it was listed: look again with Refresh"
        assert not listed or asker.refused("GET", "file", name="b.png") == (409, sentence)
