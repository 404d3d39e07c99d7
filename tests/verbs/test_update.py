"""`load --update`: new and changed images and the new table come; nothing goes, and what others put there stays."""

from pathlib import Path

import pytest

from laden.demo.emulator import Emulator
from laden.values.errors import UsageError
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import client, content, landed


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("before") / "source", {"0": 3, "1": 3})


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """One image of archive 1 is withdrawn, and those that stay are larger."""
    return make_dataset(tmp_path_factory.mktemp("after") / "source", {"0": 3, "1": 2}, size=24)


def test_what_is_new_comes_and_nothing_goes(
    before: Dataset, after: Dataset, container: str, emulator: Emulator
) -> None:
    begin(before.folder, container)
    (withdrawn,) = set(before.blobs) - set(after.blobs)
    left = load(after.folder, container)
    assert (left.sent, left.conflicts) == (0, 5)
    updated = load(after.folder, container, update=True)
    assert (updated.exit_code, updated.sent, updated.conflicts) == (0, 5, 0)
    assert updated.findings == {"blob-withdrawn": 1, "table-replaced": 1}
    there = landed(emulator, container)
    assert {name: there[name].md5 for name in after.blobs} == after.md5s
    assert there[withdrawn].md5 == before.md5s[withdrawn]
    assert content(emulator, container, after.table.name) == after.table.read_bytes()
    assert verify(container).exit_code == 0
    again = load(after.folder, container, update=True)
    assert (again.exit_code, again.sent, again.already_there) == (0, 0, 5)
    assert landed(emulator, container) == there


def test_what_others_put_there_stays(before: Dataset, after: Dataset, container: str, emulator: Emulator) -> None:
    begin(before.folder, container)
    names = sorted(after.blobs)
    with client(emulator, container) as opened:
        opened.upload_blob(names[0], b"another tool's", overwrite=True)
        # Of the same length, so that only its bytes tell.
        opened.upload_blob(names[1], b"x" * len(after.blobs[names[1]]), overwrite=True)
    updated = load(after.folder, container, update=True)
    assert (updated.exit_code, updated.sent, updated.conflicts) == (3, 3, 2)
    assert content(emulator, container, names[0]) == b"another tool's"
    assert content(emulator, container, names[1]).startswith(b"xx")
    replaced = load(after.folder, container, overwrite="changed")
    assert (replaced.sent, replaced.conflicts) == (2, 0)


def test_of_a_source_not_seen_whole_nothing_is_called_withdrawn(
    before: Dataset, container: str, tmp_path: Path
) -> None:
    begin(before.folder, container)
    part = make_dataset(tmp_path / "part", {"0": 3, "1": 2})
    (part.folder / "1.zip").unlink()
    updated = load(part.folder, container, update=True)
    assert "blob-withdrawn" not in updated.findings
    only = load(make_dataset(tmp_path / "whole", {"0": 3, "1": 2}).folder, container, update=True, archives="0")
    assert "blob-withdrawn" not in only.findings
    with pytest.raises(UsageError, match="give one"):
        load(before.folder, container, update=True, overwrite="changed")
