"""A source behind a link is explored as one on this machine is: its directory is read, and what is looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from laden.explorer.surveyed import SurveyedPlace
from laden.run.run import Run, running
from laden.values.errors import UsageError
from laden.values.events import Summary
from laden.verbs.explore import _Opened
from tests.remote.server import Server
from tests.support.dataset import Dataset, make_dataset


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def run() -> Iterator[Run]:
    with running(Summary("explore"), lambda _: None) as run:
        yield run
        run.end()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source"), {"0": 40, "1": 2}, size=220)


async def seen(place: SurveyedPlace, again: bool = False) -> dict[str, bytes]:
    """Fill a place; of all that it shows, the bytes of the first three."""
    try:
        await (place.refresh() if again else place.fill())
        assert not place.index.state.error
        names = [name for (name,) in place.relations.all("SELECT name FROM items ORDER BY name")]
        found = dict.fromkeys(names, b"")
        for name in names[:3]:
            found[name] = b"".join([part async for part in place.read(name)])
        return found
    finally:
        await place.close()


@pytest.mark.parametrize("again", [False, True])
def test_an_archive_behind_a_link_is_looked_into_where_it_lies(
    server: Server, dataset: Dataset, run: Run, again: bool
) -> None:
    data = (dataset.folder / "0.zip").read_bytes()
    opened = _Opened(server.put("0.zip", data) + "?sig=c2VjcmV0c2VjcmV0", None, None, run)
    assert not opened.is_account
    place = opened.place("")
    assert isinstance(place, SurveyedPlace)
    assert place.title == server.url("0.zip")
    there = asyncio.run(seen(place, again))
    assert len(there) == 40
    images = {name.rpartition("/")[2]: image for name, image in dataset.blobs.items()}
    assert [images[name.rpartition("/")[2]] for name in list(there)[:3]] == list(there.values())[:3]
    assert server.sent_bytes < len(data) / 2


def test_a_file_of_links_with_a_table_shows_labels(server: Server, dataset: Dataset, run: Run, tmp_path: Path) -> None:
    files = [dataset.folder / "1.zip", dataset.table]
    links = [server.put(path.name, path.read_bytes()) for path in files]
    (tmp_path / "links.txt").write_text("\n".join(links))
    place = _Opened(str(tmp_path / "links.txt"), None, None, run).place("")
    assert isinstance(place, SurveyedPlace)

    async def labelled() -> bool:
        try:
            await place.fill()
            assert not place.index.state.error
            return bool(place.labels.columns)
        finally:
            await place.close()

    assert asyncio.run(labelled())


@pytest.mark.parametrize("link", ["https://host.example/page.html", "s3:/bucket/x"])
def test_another_link_is_no_source(run: Run, link: str) -> None:
    with pytest.raises(UsageError):
        _Opened(link, None, None, run)
