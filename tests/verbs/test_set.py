"""Tier, tags and metadata from the table: at a load, and of what is there; all stays proved, a rerun writes nothing."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from laden.demo.emulator import Emulator
from laden.store.manage.azure import AzureManage
from laden.values.errors import AccessDenied, UsageError
from laden.values.events import ActReady, Event, Warned
from laden.verbs.copy import copy
from laden.verbs.load import load
from laden.verbs.properties import set_properties
from laden.verbs.verify import verify
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import client, landed, sas


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source") / "source", {"0": 3, "1": 2})


def rows(dataset: Dataset) -> dict[str, dict[str, str]]:
    """By blob name."""
    text = io.StringIO(dataset.table.read_text(), newline="")
    return {f"png/{row['ImageDir']}/{row['ImageID']}": row for row in csv.DictReader(text)}


def told(emulator: Emulator, url: str, names: Any) -> dict[str, tuple[str, dict[str, str], dict[str, str]]]:
    """Tier, tags and metadata of others than laden, as Microsoft's library sees them."""
    found = {}
    with client(emulator, url) as container:
        for name in names:
            blob = container.get_blob_client(name)
            properties = blob.get_blob_properties()
            metadata = {key: value for key, value in properties.metadata.items() if not key.startswith("laden_")}
            found[name] = str(properties.blob_tier), dict(blob.get_blob_tags()), metadata
    return found


SIGNATURE = "abcdEFGHijklMNOPqrstUVWXyz0123456789+/abcde="
WISHES: dict[str, Any] = {
    "tier": "cool",
    "tags": ["projection={Projection}", "set=a b"],
    "metadata": ["patient={PatientID}"],
}


def test_a_load_gives_each_image_what_its_row_says(dataset: Dataset, container: str, emulator: Emulator) -> None:
    assert load(dataset.folder, container, **WISHES).exit_code == 0
    expected = {
        name: ("Cool", {"projection": row["Projection"], "set": "a b"}, {"patient": row["PatientID"]})
        for name, row in rows(dataset).items()
    }
    assert told(emulator, container, dataset.blobs) == expected
    assert verify(container).exit_code == 0
    # Laden's own metadata tell the next run that all is there.
    again = load(dataset.folder, container)
    assert (again.exit_code, again.sent, again.already_there) == (0, 0, 5)
    assert set_properties(container, **WISHES).as_wanted == 5


def test_what_is_there_gets_them_and_keeps_what_others_set(
    dataset: Dataset, container: str, emulator: Emulator
) -> None:
    begin(dataset.folder, container)
    (first, *_) = sorted(dataset.blobs)
    with client(emulator, container) as opened:
        blob = opened.get_blob_client(first)
        blob.set_blob_tags({"review": "yes"})
        blob.set_blob_metadata({**blob.get_blob_properties().metadata, "reader": "me"})
    where = {"where": "ImageDir = 0"}
    was = told(emulator, container, dataset.blobs)
    planned: list[Event] = []
    assert set_properties(container, dry_run=True, observer=planned.append, **where, **WISHES).acted == 0
    assert told(emulator, container, dataset.blobs) == was
    (ready,) = [event for event in planned if isinstance(event, ActReady)]
    assert (ready.blobs, ready.of) == (3, 5)
    assert any("30 days" in sentence for sentence in ready.costs)
    done = set_properties(container, **where, **WISHES)
    assert (done.exit_code, done.acted, done.left, done.as_wanted) == (0, 3, 0, 0)
    now = told(emulator, container, dataset.blobs)
    assert now[first][1] == {"review": "yes", "projection": rows(dataset)[first]["Projection"], "set": "a b"}
    assert now[first][2] == {"reader": "me", "patient": rows(dataset)[first]["PatientID"]}
    assert {name: now[name] for name in now if "/1/" in name} == {name: was[name] for name in was if "/1/" in name}
    assert {tier for name, (tier, *_) in now.items() if "/0/" in name} == {"Cool"}
    assert verify(container).exit_code == 0
    again = set_properties(container, **where, **WISHES)
    assert (again.exit_code, again.acted, again.as_wanted) == (0, 0, 3)
    assert load(dataset.folder, container).already_there == 5


def warnings_of(events: list[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, Warned)]


def test_that_images_which_are_there_keep_what_they_have_is_told(
    dataset: Dataset, container: str, emulator: Emulator, tmp_path: Path
) -> None:
    first: list[Event] = []
    load(dataset.folder, container, first=2, observer=first.append, **WISHES)
    assert [sentence for sentence in warnings_of(first) if "there already" in sentence] == []
    was = told(emulator, container, rows(dataset).keys() & landed(emulator, container).keys())
    keep = "2 images are there already and keep the metadata of now: 'laden set' changes that of images that are there"
    more: list[Event] = []
    assert load(dataset.folder, container, metadata=["q={PatientID}"], observer=more.append).sent == 3
    assert warnings_of(more) == [keep]
    assert told(emulator, container, was) == was
    # Of nothing that is sent, nothing is billed.
    again: list[Event] = []
    assert load(dataset.folder, container, observer=again.append, **WISHES).sent == 0
    assert warnings_of(again) == [keep.replace("2 images", "5 images").replace("metadata", "tier, tags and metadata")]
    target = emulator.url("set-copied")
    assert copy(container, target).sent == 5
    copied: list[Event] = []
    assert copy(container, target, tier="cool", observer=copied.append).sent == 0
    assert warnings_of(copied) == [keep.replace("2 images", "5 images").replace("metadata", "tier")]
    assert warnings_of(first) != []


def test_leaving_a_tier_early_is_told_before(dataset: Dataset, container: str) -> None:
    load(dataset.folder, container, tier="cold")
    events: list[Event] = []
    set_properties(container, tier="archive", observer=events.append, confirm=lambda _: False)
    (ready,) = [event for event in events if isinstance(event, ActReady)]
    assert any("90 days" in sentence and "5 blobs" in sentence for sentence in ready.costs)
    assert any("cannot be read" in sentence for sentence in ready.costs)
    set_properties(container, tier="archive")
    set_properties(container, tier="hot", observer=events.append, dry_run=True)
    assert any("rehydrated" in sentence for event in events if isinstance(event, ActReady) for sentence in event.costs)


def with_one_bad_value(folder: Path) -> tuple[Dataset, str]:
    """A dataset of which one image has a value that no metadata can hold; and a condition for the others."""
    made = make_dataset(folder, {"0": 3})
    with made.table.open(newline="") as file:
        records = list(csv.DictReader(file))
    records[0]["PatientID"] = "Muñoz"
    with made.table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)
    return made, f"ImageID <> '{records[0]['ImageID']}'"


def test_values_of_rows_that_are_not_selected_count_for_nothing(
    tmp_path: Path, container: str, emulator: Emulator
) -> None:
    dataset, others = with_one_bad_value(tmp_path)
    wishes = {"metadata": ["patient={PatientID}"]}
    with pytest.raises(UsageError, match="printable ASCII"):
        load(dataset.folder, container, **wishes)
    assert load(dataset.folder, container, where=others, **wishes).exit_code == 0
    load(dataset.folder, container)
    with pytest.raises(UsageError, match="printable ASCII"):
        set_properties(container, **wishes)
    done = set_properties(container, where=others, **wishes)
    assert (done.exit_code, done.acted, done.as_wanted) == (0, 0, 2)
    assert sum(bool(metadata) for *_, metadata in told(emulator, container, dataset.blobs).values()) == 2


@pytest.mark.parametrize(
    "wishes",
    [
        {"metadata": ["x=1"]},
        {"tags": ["x=1"]},
        {"metadata": ["x=1"], "tags": ["x=1"]},
        {"tier": "cool"},
        {"tier": "cool", "tags": ["x=1"]},
        {"tier": "cool", "metadata": ["x=1"]},
    ],
)
def test_what_changed_since_is_left_and_told(
    dataset: Dataset, container: str, emulator: Emulator, wishes: dict[str, Any]
) -> None:
    begin(dataset.folder, container)
    (first, second, *_) = sorted(dataset.blobs)
    with client(emulator, container) as opened:
        opened.upload_blob(first, b"somebody else's", overwrite=True)

        def meanwhile(_: ActReady) -> bool:
            opened.upload_blob(second, b"meanwhile", overwrite=True)
            return True

        done = set_properties(container, **wishes, confirm=meanwhile)
        assert (done.exit_code, done.acted, done.left) == (3, 3, 1)
        assert opened.get_blob_client(first).get_blob_properties().metadata == {}
        assert opened.get_blob_client(second).get_blob_properties().metadata == {}
        assert opened.get_blob_client(second).get_blob_tags() == {}
        tiers = {blob.name: blob.blob_tier for blob in opened.list_blobs() if blob.name in dataset.blobs}
        assert {tiers.pop(first), tiers.pop(second)} == {"Hot"}
        assert {*tiers.values()} == {"Cool" if "tier" in wishes else "Hot"}


@pytest.mark.parametrize(
    ("wishes", "reason"),
    [
        ({}, "say what"),
        ({"tier": "warm"}, "no tier"),
        ({"tags": ["projection"]}, "no name with a value"),
        ({"tags": [f"t{number}=x" for number in range(11)]}, "at most 10 tags"),
        ({"tags": ["a<b=x"]}, "cannot be a tag"),
        ({"tags": ["labels={Labels}"]}, "cannot be a tag"),
        ({"tags": ["x={Projektion}"]}, "did you mean 'Projection'"),
        ({"metadata": ["laden_crc32=1"]}, "laden's own"),
        ({"metadata": ["a b=1"]}, "cannot be metadata"),
        ({"metadata": ["x=ä"]}, "printable ASCII"),
        ({"metadata": ["x=" + "y" * 9000]}, "6 KiB"),
        ({"metadata": ["x=1", "X=2"]}, "gives x twice"),
        ({"metadata": ["x= y"]}, "begins or ends with blanks"),
        ({"metadata": [f"url=https://a.blob.core.windows.net/c?sv=2026&sig={SIGNATURE}"]}, "looks like a signature"),
    ],
)
def test_what_the_service_does_not_take_is_refused_before_anything_is_sent(
    dataset: Dataset, tmp_path: Path, wishes: dict[str, Any], reason: str
) -> None:
    if not (tmp_path / "dest").exists():
        load(dataset.folder, str(tmp_path / "dest"))
    with pytest.raises(UsageError, match=reason if not wishes.get("tags") else f"{reason}|a folder has neither"):
        set_properties(str(tmp_path / "dest"), **wishes)


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        (["x=1", "x=2"], "--tag gives x twice"),
        (["x={Projection} "], "--tag x: .* begins or ends with blanks"),
        ([f"x={SIGNATURE}"], "--tag x holds what looks like a signature"),
    ],
)
def test_tags_that_cannot_be_meant_are_refused(dataset: Dataset, container: str, tags: list[str], reason: str) -> None:
    begin(dataset.folder, container)
    with pytest.raises(UsageError, match=reason):
        set_properties(container, tags=tags)
    # Of other letters, it is another tag.
    assert set_properties(container, tags=["x=1", "X=2"], first=1).acted == 1


def test_a_secret_in_a_text_is_refused_by_a_load_too(dataset: Dataset, container: str, emulator: Emulator) -> None:
    text = f"source={container}?{sas(emulator, container, 'r')}"
    with pytest.raises(UsageError, match="looks like a signature") as caught:
        load(dataset.folder, container, metadata=[text])
    assert "sig=" not in str(caught.value)
    assert landed(emulator, container) == {}


def test_values_are_judged_before_a_load_sends_anything(dataset: Dataset, container: str, emulator: Emulator) -> None:
    for wishes in ({"tags": ["labels={Labels}"]}, {"tags": ["x={Projektion}"]}, {"metadata": ["laden_size=1"]}):
        with pytest.raises(UsageError):
            load(dataset.folder, container, **wishes)  # type: ignore[arg-type]
    assert landed(emulator, container) == {}
    with pytest.raises(AccessDenied, match="tags"):
        load(dataset.folder, f"{container}?{sas(emulator, container, 'rcwl')}", tags=["a=b"])


def test_a_folder_keeps_metadata_and_has_no_tiers(dataset: Dataset, tmp_path: Path) -> None:
    folder = str(tmp_path / "dest")
    for wishes in ({"tier": "cool"}, {"tags": ["a=b"]}):
        with pytest.raises(UsageError, match="a folder has neither"):
            load(dataset.folder, folder, **wishes)  # type: ignore[arg-type]
    load(dataset.folder, folder, metadata=["patient={PatientID}"])
    done = set_properties(folder, metadata=["patient={PatientID}", "more=1"])
    assert (done.exit_code, done.acted) == (0, 5)
    assert verify(folder).exit_code == 0
    assert load(dataset.folder, folder).already_there == 5


def test_a_service_without_batches_is_asked_blob_by_blob(
    dataset: Dataset, container: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    one = AzureManage.set_tier

    async def noted(self: AzureManage, name: str, tier: str) -> None:
        asked.append(name)
        await one(self, name, tier)

    monkeypatch.setattr(AzureManage, "set_tier", noted)
    begin(dataset.folder, container)
    # With the account's key Azurite breaks over a batch; with a container's SAS it takes it.
    assert set_properties(container, tier="cool").acted == 5
    assert len(asked) == 5
    assert set_properties(f"{container}?{sas(emulator, container, 'rwlt')}", tier="cold").acted == 5
    assert len(asked) == 5
