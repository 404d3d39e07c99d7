"""The history of a destination: appended, chained, never replaced, and due only where something changed."""

import asyncio
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

import laden
from laden.cli import run_command
from laden.demo.emulator import Emulator
from laden.relations import Relations
from laden.stages.history import HISTORY, Deed, Record, name_of, parse, prove, remember
from laden.stages.inventory import Listing
from laden.stages.loadpage import LOAD
from laden.store import open_store, parse_destination
from laden.values.events import Event, Found
from laden.values.records import Finding
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import client, content


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("somebody") / "chest", {"0": 2, "1": 2})


@pytest.fixture(params=["container", "folder"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "place") if request.param == "folder" else request.getfixturevalue("container")


def codes(place: str) -> list[str]:
    events: list[Event] = []
    laden.history(place, observer=events.append)
    return [event.finding.code for event in events if isinstance(event, Found)]


def records(place: str, emulator: Emulator) -> dict[str, bytes]:
    if "://" not in place:
        return {f"{HISTORY}{path.name}": path.read_bytes() for path in sorted((Path(place) / HISTORY).iterdir())}
    with client(emulator, place) as opened:
        names = [blob.name for blob in opened.list_blobs(name_starts_with=HISTORY)]
    return {name: content(emulator, place, name) for name in sorted(names)}


def test_each_load_that_changes_something_leaves_one_record(
    place: str, dataset: Dataset, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(dataset.folder, place, archives="0")
    load(dataset.folder, place, archives="0")
    assert len(records(place, emulator)) == 1
    monkeypatch.setenv("LADEN_WHO", "Anna")
    load(dataset.folder, place, where="ImageDir = 1", images="none")
    first, second = laden.history(place)
    assert (first.number, first.command, first.who, first.source) == (1, "load", "", "chest")
    assert first.arguments == {"archives": "0"}
    assert (first.counts["images"], first.counts["sent"]) == (2, 2)
    assert (second.who, second.arguments) == ("Anna", {"images": "none", "where": "ImageDir = 1"})
    assert (second.counts["images"], second.counts["sent"]) == (4, 2)
    assert second.profile == "padchest"
    assert set(second.documents) >= {"_laden/manifest.parquet", "PADCHEST_SMALL.csv"}
    assert codes(place) == []
    assert verify(place).exit_code == 0
    assert verify(place).foreign == 0
    # No place of this machine stands in it.
    assert not [name for name, data in records(place, emulator).items() if b"somebody" in data or b"/tmp" in data]


def test_nothing_secret_is_remembered(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "place"
    monkeypatch.setenv("LADEN_WHO", "me?sv=2023-11-03&sig=c2VjcmV0c2VjcmV0c2VjcmV0")
    load(dataset.folder, str(place), where="ImageID <> 'sig=c2VjcmV0c2VjcmV0c2VjcmV0'")
    (path,) = (place / HISTORY).iterdir()
    assert b"c2VjcmV0" not in path.read_bytes()


def test_what_was_changed_or_taken_out_is_told(dataset: Dataset, tmp_path: Path) -> None:
    place = tmp_path / "place"
    for archives in ("0", "1"):
        load(dataset.folder, str(place), archives=archives)
    load(dataset.folder, str(place), images="pixels", table_name="all.csv")
    _, second, third = sorted((place / HISTORY).iterdir())
    before = second.read_bytes()
    second.write_bytes(before.replace(b'"sent": 2', b'"sent": 9'))
    assert codes(str(place)) == ["history-broken"]
    assert run_command(["history", str(place), "--json"]) == 3
    second.write_bytes(b"no record")
    assert codes(str(place)) == ["history-broken"] * 2
    second.unlink()
    assert codes(str(place)) == ["history-broken"]
    second.write_bytes(before)
    assert codes(str(place)) == []
    third.unlink()
    assert codes(str(place)) == ["history-behind"]
    # The next load sees that, too, and says where it stands.
    assert load(dataset.folder, str(place), table_name="all.csv").exit_code == 0
    assert codes(str(place)) == []
    assert len(laden.history(str(place))) == 3


def test_a_run_that_was_killed_before_it_wrote_its_record_is_told_by_the_next(dataset: Dataset, tmp_path: Path) -> None:
    place = tmp_path / "place"
    begin(dataset.folder, str(place))
    (record,) = (place / HISTORY).iterdir()
    record.unlink()
    again = load(dataset.folder, str(place))
    assert (again.sent, again.already_there) == (0, 4)
    assert len(laden.history(str(place))) == 1


async def _at_once(place: str, count: int) -> list[Record | None]:
    store = open_store(parse_destination(place), connections=None)
    try:
        with Relations() as relations:
            await Listing(store, relations).repeat()

            async def one(number: int) -> Record | None:
                return await remember(store, relations, Deed("prune", {"n": number}))

            return await asyncio.gather(*(one(number) for number in range(count)))
    finally:
        await store.close()


def test_of_many_that_tell_one_state_at_once_one_does(place: str, dataset: Dataset, emulator: Emulator) -> None:
    begin(dataset.folder, place)
    for name in records(place, emulator):
        if "://" in place:
            with client(emulator, place) as opened:
                opened.delete_blob(name)
        else:
            (Path(place) / name).unlink()
    told = asyncio.run(_at_once(place, 12))
    assert len([one for one in told if one is not None]) == 1
    assert len(records(place, emulator)) == 1


def test_loads_side_by_side_link_to_each_other(dataset: Dataset, tmp_path: Path) -> None:
    place = str(tmp_path / "place")
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda archive: load(dataset.folder, place, archives=archive).exit_code, "01"))
    assert set(ended) <= {0, 3}
    assert "history-broken" not in codes(place)
    assert 1 <= len(laden.history(place)) <= 2


def record(number: int, previous: bytes = b"", page: str = "") -> Record:
    link = hashlib.sha256(previous).hexdigest() if previous else ""
    return Record(number, link, "2026-11-26T00:00:00Z", "", "load", {}, "s", {}, "0", "p", {}, page)


def test_the_chain_is_proved_link_by_link() -> None:
    page = b"{}"
    one = record(1).to_bytes()
    two = record(2, one).to_bytes()
    three = record(3, two, hashlib.md5(page).hexdigest()).to_bytes()
    stored = [(name_of(number), data) for number, data in enumerate((one, two, three), 1)]
    assert [found.number for found in prove(stored, page) if isinstance(found, Record)] == [1, 2, 3]
    assert len(list(prove(stored, page))) == 3
    assert len(list(prove([], None))) == 0
    assert parse(one) == record(1)
    for bad in (b"", b"[]", b"{}", b"null", b"\xff", json.dumps({"number": 1}).encode()):
        assert parse(bad) is None


@pytest.mark.parametrize(
    ("page", "told"),
    [
        (b'{"state": "unfinished"}', "a first load began here, and has not come to its end"),
        (b'{"state": "changing"}', "a load that replaces images began here"),
        (b'{"state": "complete"}', "what is there is another state than the last record tells"),
        (b'{"state": []}', "what is there is another state"),
        (b"[]", "what is there is another state"),
    ],
)
def test_why_no_record_names_what_is_there_is_told(page: bytes, told: str) -> None:
    *_, found = prove([(record(1).name, record(1).to_bytes())], page)
    assert isinstance(found, Finding)
    assert (found.code, found.message.startswith(told)) == ("history-behind", True)


def test_where_nothing_is_recorded_no_last_record_is_spoken_of() -> None:
    (found,) = prove([], b'{"state": "complete"}')
    assert isinstance(found, Finding)
    assert (found.code, found.message.partition(",")[0]) == ("history-behind", "a load is here and no record of any")


def test_the_time_is_utc_and_the_number_comes_first(dataset: Dataset, tmp_path: Path) -> None:
    place = str(tmp_path / "place")
    begin(dataset.folder, place)
    (Path(place) / name_of(1)).unlink()

    async def work() -> Record | None:
        store = open_store(parse_destination(place), connections=None)
        with Relations() as relations:
            await Listing(store, relations).repeat()
            return await remember(store, relations, Deed("copy"), now=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))

    made = asyncio.run(work())
    assert made is not None
    assert (made.when, made.number, made.command) == ("2026-01-02T03:04:05Z", 1, "copy")
    assert (Path(place) / name_of(1)).read_bytes() == made.to_bytes()
    assert (Path(place) / LOAD).exists()


def test_what_a_page_does_not_tell_is_recorded_all_the_same(dataset: Dataset, tmp_path: Path) -> None:
    place = str(tmp_path / "place")
    begin(dataset.folder, place)

    async def work() -> list[Record | None]:
        store = open_store(parse_destination(place), connections=None)
        with Relations() as relations:
            await Listing(store, relations).repeat()
            due = await remember(store, relations, Deed("set", {"tier": "Cool"}), always=True)
            return [due, await remember(store, relations, Deed("prune"))]

    due, not_due = asyncio.run(work())
    assert due is not None
    assert (due.number, due.command, not_due) == (2, "set", None)
    assert codes(place) == []
