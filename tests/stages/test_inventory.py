"""What a load left about itself is believed only as the page names it, and labels only of what is still there."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from laden.explorer.stored import StoredPlace
from laden.relations import Relations
from laden.stages.inventory import Listing, read_earlier
from laden.stages.manifest import lost_documents
from laden.store import open_store, parse_destination
from laden.values.errors import LadenError, NotAsLanded
from laden.values.records import Finding
from laden.verbs.columns import columns
from laden.verbs.labels import export_labels
from laden.verbs.load import load
from tests.support.dataset import Dataset, make_dataset

MANIFEST = "_laden/manifest.parquet"


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {"0": 2, "1": 1})


@pytest.fixture
def there(dataset: Dataset, tmp_path: Path) -> Path:
    assert load(dataset.folder, str(tmp_path / "there")).complete
    return tmp_path / "there"


def edit(path: Path) -> None:
    """A byte of a value becomes another, the length stays."""
    data = path.read_bytes()
    path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])


@pytest.mark.parametrize("how", [edit, Path.unlink], ids=["changed", "gone"])
@pytest.mark.parametrize("what", ["table", MANIFEST, "image"])
def test_labels_of_what_is_not_as_it_was_landed_are_not_exported(
    dataset: Dataset, there: Path, tmp_path: Path, what: str, how: Callable[[Path], None]
) -> None:
    how(there / {"table": dataset.table.name, "image": min(dataset.blobs)}.get(what, what))
    out = tmp_path / "labels.csv"
    with pytest.raises(LadenError) as raised:
        export_labels(str(there), out, form="csv")
    assert not out.exists()
    if (what, how) != (MANIFEST, Path.unlink):
        assert "not as" in str(raised.value) or "is not a manifest" in str(raised.value)


def test_a_table_that_was_edited_is_not_told_as_the_loads(dataset: Dataset, there: Path) -> None:
    edit(there / dataset.table.name)
    with pytest.raises(NotAsLanded, match="nothing in it is believed"):
        columns(str(there))


def test_another_manifest_than_the_loads_is_not_believed(dataset: Dataset, there: Path, tmp_path: Path) -> None:
    """One that can be read, and leaves an image out."""
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE known AS FROM read_parquet('{there / MANIFEST}')")
        (there / min(dataset.blobs)).unlink()
        connection.execute(
            f"COPY (FROM known WHERE blob <> ?) TO '{there / MANIFEST}' (FORMAT parquet)", [min(dataset.blobs)]
        )
    with pytest.raises(NotAsLanded, match=MANIFEST):
        export_labels(str(there), tmp_path / "out")


def test_the_explorer_shows_what_is_listed_instead(dataset: Dataset, there: Path) -> None:
    edit(there / dataset.table.name)
    (there / MANIFEST).write_bytes((there / MANIFEST).read_bytes().replace(b"png/0/", b"png/9/"))

    async def fill() -> tuple[list[str], bool]:
        place = StoredPlace(parse_destination(str(there)))
        try:
            await place.fill()
            return place.index.state.notes, bool(place.labels.columns)
        finally:
            await place.close()

    notes, labelled = asyncio.run(fill())
    assert len([note for note in notes if f"{MANIFEST} is not as the last load left it" in note]) == 1
    assert not labelled


def test_an_image_that_is_gone_is_named(dataset: Dataset, there: Path, tmp_path: Path) -> None:
    gone = min(dataset.blobs)
    (there / gone).unlink()
    with pytest.raises(NotAsLanded, match=gone):
        export_labels(str(there), tmp_path / "out")


@pytest.mark.parametrize("came", [MANIFEST, "table"])
@pytest.mark.parametrize("before", ["none", "another"])
def test_what_came_between_listing_and_page_is_not_lost(dataset: Dataset, there: Path, came: str, before: str) -> None:
    """Beside a load that is just ending: the page that is read names more than the older listing shows."""
    path = there / (dataset.table.name if came == "table" else came)
    data = path.read_bytes()
    path.unlink()
    if before == "another":
        path.write_bytes(data[:-1])

    async def found() -> tuple[list[Finding], list[Finding], int]:
        store = open_store(parse_destination(str(there)), connections=None)
        with Relations() as relations:
            listing = Listing(store, relations)
            await listing.begin()
            path.write_bytes(data)
            await listing.finish()
            await listing.know()
            page, earlier = await read_earlier(store, relations)
            told = await listing.doubt(earlier, page)
            return told, list(lost_documents(relations, earlier)), relations.one("SELECT count(*) FROM known")[0]

    assert asyncio.run(found()) == ([], [], 3)
    path.unlink()
    assert ("blob-lost" in load(dataset.folder, str(there)).findings) == (came == MANIFEST), "a table lands again"
