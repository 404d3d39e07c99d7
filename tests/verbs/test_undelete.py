"""What was deleted comes back where the service kept it, as it was; where nothing was kept, that is told."""

import asyncio
from pathlib import Path

import pytest

from laden.demo.emulator import Emulator
from laden.store import parse_destination
from laden.store.manage import open_manage
from laden.values.errors import UsageError
from laden.verbs.load import load
from laden.verbs.prune import plan_prune, prune
from laden.verbs.undelete import undelete
from laden.verbs.verify import verify
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.fuller import Fuller
from tests.support.harness import client, content, landed


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source") / "source", {"0": 3, "1": 2})


async def delete_all(there: str) -> None:
    """As somebody with the portal does: images and table, not laden's notes."""
    manage = open_manage(parse_destination(there))
    for detail in (await manage.list_details()).details:
        if not detail.blob.name.startswith("_laden/"):
            await manage.delete(detail.blob.name, detail.blob.etag)
    await manage.close()


def test_what_was_pruned_comes_back_and_the_next_load_names_it(
    dataset: Dataset, container: str, emulator: Emulator, tmp_path: Path
) -> None:
    later = make_dataset(tmp_path / "later", {"0": 3, "1": 1})
    plan = tmp_path / "plan.jsonl"
    with Fuller(emulator) as service:
        there = service.url(container)
        load(dataset.folder, there)
        was, manifest = landed(emulator, container), content(emulator, container, "_laden/manifest.parquet")
        load(later.folder, there, update=True)
        plan_prune(there, later.folder, plan_file=plan)
        # The account keeps what is deleted, so nothing has to be said of that.
        assert prune(plan, most=1).acted == 1
        assert len(landed(emulator, container)) == len(was) - 1
        assert undelete(there, plan_file=plan, dry_run=True).acted == 0
        back = undelete(there, plan_file=plan)
        assert (back.exit_code, back.acted, back.left) == (0, 1, 0)
        assert undelete(there, plan_file=plan).acted == 0
        again = load(dataset.folder, there)
        assert (again.sent, again.already_there) == (0, 5)
        assert landed(emulator, container) == was
        assert content(emulator, container, "_laden/manifest.parquet") == manifest


def test_what_somebody_deleted_comes_back_by_the_manifest(dataset: Dataset, container: str, emulator: Emulator) -> None:
    with Fuller(emulator) as service:
        there = service.url(container)
        load(dataset.folder, there)
        was = landed(emulator, container)
        asyncio.run(delete_all(there))
        assert verify(there).deleted == 6
        back = undelete(there)
        assert (back.exit_code, back.acted) == (0, 6)
        assert landed(emulator, container) == was
        assert verify(there).exit_code == 0


def test_where_nothing_is_kept_it_says_so(dataset: Dataset, container: str, emulator: Emulator, tmp_path: Path) -> None:
    begin(dataset.folder, container)
    (name, *_) = dataset.blobs
    with client(emulator, container) as opened:
        opened.delete_blob(name)
    back = undelete(container)
    assert (back.exit_code, back.acted, back.left) == (3, 0, 1)
    assert back.findings["undelete-gone"] == 1
    with pytest.raises(UsageError, match="is a folder, which keeps nothing"):
        undelete(str(tmp_path))
