"""`status` calls nothing complete where images, tables, manifest or page are gone or other ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import laden
from laden.stages.loadpage import LOAD
from laden.stages.manifest import MANIFEST
from laden.values.errors import NotAsLanded, UsageError
from laden.values.events import Event, Found, Remembered, Shown
from tests.support.begun import begin
from tests.support.dataset import make_dataset
from tests.support.destinations import Place


@pytest.fixture
def there(tmp_path: Path) -> Path:
    dataset = make_dataset(tmp_path / "source", {"0": 4, "1": 3})
    begin(dataset.folder, tmp_path / "there")
    return tmp_path / "there"


def shown(place: str | Path) -> tuple[int, bool, str, dict[str, Any]]:
    events: list[Event] = []
    ended = laden.status(place, observer=events.append)
    (told,) = (one for one in events if isinstance(one, Shown))
    return ended.exit_code, ended.complete, told.state, told.facts


def edit_page(there: Path, **fields: Any) -> None:
    page = there / LOAD
    page.write_text(json.dumps(json.loads(page.read_bytes()) | fields, indent=2) + "\n")


def flip(path: Path) -> None:
    """Another content of the same length, as another tool puts it there."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def test_images_that_were_replaced_are_not_there_and_all_counts_agree(there: Path) -> None:
    first, second, third = sorted(there.rglob("*.png"))[:3]
    flip(first)
    flip(second)
    code, complete, state, facts = shown(there)
    assert (code, complete, state) == (3, False, "2 images are gone or changed: laden verify tells which")
    third.unlink()
    code, complete, state, facts = shown(there)
    assert (code, complete, state) == (3, False, "3 images are gone or changed: laden verify tells which")
    assert facts["in the manifest"] == "7 images, of which 4 are there, 1 gone, 2 changed"
    assert facts["there"].startswith("4 images of laden's, ")
    assert laden.verify(there).findings == {"blob-deleted": 1, "blob-changed": 2}


def test_images_that_were_replaced_in_a_container_too(tmp_path: Path, place: Place) -> None:
    begin(make_dataset(tmp_path / "source", {"0": 3}).folder, place.url)
    name = min(name for name in place.read() if name.endswith(".png"))
    data = place.read()[name]
    place.write(name, data[:-1] + bytes([data[-1] ^ 1]))
    code, _, state, facts = shown(place.url)
    assert (code, state) == (3, "1 image is gone or changed: laden verify tells which")
    assert facts["in the manifest"] == "3 images, of which 2 are there, 1 changed"
    assert facts["there"].startswith("2 images of laden's, ")


@pytest.mark.parametrize(("spoil", "what"), [(Path.unlink, "is gone"), (flip, "is another one")])
def test_a_table_that_is_gone_or_another_one(there: Path, spoil: Callable[[Path], None], what: str) -> None:
    (table,) = there.glob("*.csv")
    spoil(table)
    code, complete, state, facts = shown(there)
    assert (code, complete) == (3, False)
    assert state.startswith(f"{table.name} {what}: the same laden load")
    assert facts["tables and files"] == f"{table.name} {what}"


def test_a_page_that_the_history_does_not_know(there: Path) -> None:
    edit_page(there, rows=8, rows_with_image=8)
    code, complete, state, _ = shown(there)
    assert (code, complete) == (3, False)
    assert "not the one that the history's last record names" in state
    assert laden.verify(there).findings == {"history-behind": 1}


def test_a_manifest_that_is_gone(there: Path, tmp_path: Path) -> None:
    (there / MANIFEST).unlink()
    code, complete, state, facts = shown(there)
    assert (code, complete) == (3, False)
    assert state.startswith(f"the manifest ({MANIFEST}) is gone: ")
    assert facts["there"].startswith("7 images of laden's, ")
    assert not {"since then", "wanted", "in the manifest"} & facts.keys()
    events: list[Event] = []
    assert laden.verify(there, observer=events.append).findings == {"manifest-missing": 1}
    (found,) = (one.finding for one in events if isinstance(one, Found))
    assert found.message.startswith("the manifest is gone, of a load that was completed: 7 images are there")
    for verb in (laden.get, laden.copy):
        with pytest.raises(NotAsLanded, match="is gone"):
            verb(there, tmp_path / "out")
    assert laden.load(tmp_path / "source", there).findings == {"blob-lost": 1}
    assert shown(there)[0] == 3, "as that load ended"


def test_a_page_that_is_gone_is_no_load_that_never_ended(there: Path, tmp_path: Path) -> None:
    (there / LOAD).unlink()
    code, complete, state, facts = shown(there)
    assert (code, complete) == (3, False)
    assert state.startswith(f"the page about the load ({LOAD}) is gone: ")
    assert facts["there"].startswith("7 images of laden's, ")
    proved = laden.verify(there)
    assert (proved.exit_code, proved.complete, proved.findings) == (3, False, {"blob-deleted": 1})
    for verb in (laden.list, laden.open, partial(laden.get, folder=tmp_path / "out")):
        with pytest.raises(NotAsLanded, match=rf"{LOAD} is gone") as refused:
            verb(there)
        assert refused.value.exit_code == 3
    assert laden.load(tmp_path / "source", there).findings == {"blob-lost": 1}
    assert laden.verify(there).exit_code == 0


def test_a_page_that_is_none_needs_a_person_whoever_reads_it(there: Path, tmp_path: Path) -> None:
    (there / LOAD).write_bytes(b"{}")
    for verb in (laden.status, laden.verify, laden.list, laden.columns, partial(laden.get, folder=tmp_path / "out")):
        with pytest.raises(NotAsLanded, match="not a page this version can read") as refused:
            verb(there)
        assert refused.value.exit_code == 3


def test_columns_need_no_manifest(there: Path) -> None:
    (there / MANIFEST).unlink()
    assert laden.columns(there).rows == 7


def test_where_nothing_lies_nothing_is_brought(there: Path, tmp_path: Path) -> None:
    """A wrong prefix must not end as if all had come."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"nothing lies in the folder .*empty.*check the address"):
        laden.get(tmp_path / "empty", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_of_a_part_that_get_brought_status_says_what_lies_there(there: Path, tmp_path: Path) -> None:
    laden.get(there, tmp_path / "got", first=2)
    code, complete, state, facts = shown(tmp_path / "got")
    assert (code, complete, state) == (3, False, "nothing was loaded here")
    assert facts["also there"].startswith("3 files that no load sent")


def test_a_folder_that_get_made(there: Path, tmp_path: Path) -> None:
    got = tmp_path / "got"
    laden.get(there, got)
    code, complete, state, facts = shown(got)
    assert (code, complete, state) == (0, True, "complete")
    assert facts["there"] == shown(there)[3]["there"]
    events: list[Event] = []
    laden.history(got, observer=events.append)
    (found,) = (one.finding for one in events if isinstance(one, Found))
    assert found.message.startswith("a load is here and no record of any, as where get brought it")
    assert not [one for one in events if isinstance(one, Remembered)]
    min(got.rglob("*.png")).unlink()
    code, _, state, facts = shown(got)
    assert (code, facts["there"].split()[0], state) == (
        3,
        "6",
        "1 image is gone or changed: laden verify tells which",
    )
