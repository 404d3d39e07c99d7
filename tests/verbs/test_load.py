"""Whole loads in this process, to a folder and to Azurite: what lands, what a second run asks for, what is told."""

import gzip
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from laden.demo import rows
from laden.demo.emulator import Emulator
from laden.stages.transfer import Settings
from laden.values.errors import SourceError, UsageError
from laden.values.events import Event, Found, Summary
from laden.values.signs import Progress
from laden.verbs import wishes as wishing
from laden.verbs.check import check
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.support.dataset import make_dataset
from tests.support.destinations import (
    MANIFEST,
    OWN,
    PAGE,
    SUBSET,
    AzuritePlace,
    Place,
    add_member,
    images,
    manifest,
    records,
    small_settings,
)
from tests.support.harness import Proxy, client, content, landed


def test_a_load_lands_every_image_the_table_and_the_manifest(place: Place, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3, "1": 2}, junk=True)
    summary = load(dataset.folder, place.url)
    there = place.read()
    assert {name: there[name] for name in dataset.blobs} == dataset.blobs
    assert there[dataset.table.name] == dataset.table.read_bytes()
    assert set(there) == {*dataset.blobs, dataset.table.name, *OWN}
    assert (summary.exit_code, summary.complete, summary.message) == (0, True, "")
    assert (summary.rows, summary.matched, summary.missing) == (5, 5, 0)
    assert (summary.images, summary.sent, summary.already_there, summary.failed) == (5, 5, 0, 0)
    assert summary.bytes_sent == sum(map(len, dataset.blobs.values()))
    assert verify(place.url, deep="all").exit_code == 0


def test_a_manifest_tells_each_image(place: Place, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2, "54": 1}, size=24)
    load(dataset.folder, place.url)
    there = place.read()
    told = manifest(there[MANIFEST], tmp_path)
    assert {row["blob"]: row["md5"] for row in told} == {
        name: hashlib.md5(data).hexdigest() for name, data in dataset.blobs.items()
    }
    for row in told:
        home, name = row["blob"].split("/")[1:]
        assert (row["archive"], row["member"], row["key"]) == (f"{home}.zip", name, name)
        assert (row["kind"], row["width"], row["height"], row["bits"], row["state"]) == ("png", 24, 24, 16, "whole")
    page = json.loads(there[PAGE])
    assert (page["state"], page["rows"], page["rows_with_image"], page["images"]) == ("complete", 3, 3, 3)
    assert page["table"]["md5"] == hashlib.md5(there[dataset.table.name]).hexdigest()
    assert page["manifest"]["md5"] == hashlib.md5(there[MANIFEST]).hexdigest()


def test_a_second_run_sends_nothing_and_asks_for_a_listing_and_laden_s_own_notes(
    emulator: Emulator, container: str, tmp_path: Path
) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 40, "1": 30})
    with Proxy(emulator) as proxy:
        load(dataset.folder, proxy.url(container))
        assert len(proxy.put_names()) == 70 + 4
        before = landed(emulator, container)
        proxy.forget()
        again = load(dataset.folder, proxy.url(container))
        asked = [(request.method, request.name, request.query) for request in proxy.requests]
    notes = [("GET", name, "") for name in ("_laden/history/00000001.json", PAGE, MANIFEST)]
    assert sorted(asked) == [("GET", "", "restype=container&comp=list"), *notes]
    assert (again.sent, again.already_there, again.bytes_sent, again.exit_code) == (0, 70, 0, 0)
    assert landed(emulator, container) == before


def test_one_archive_today_and_one_tomorrow_are_both_at_once(
    emulator: Emulator, container: str, tmp_path: Path
) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 7, "1": 5}, missing=1, broken=1)
    at_once, in_turn = container, container + "-in-turn"
    load(dataset.folder, at_once)
    load(dataset.folder, in_turn, archives="0")
    assert len([name for name in landed(emulator, in_turn) if name.startswith("png/1/")]) == 0
    second = load(dataset.folder, in_turn, archives="1")
    assert second.sent == 5
    assert landed(emulator, in_turn) == landed(emulator, at_once)
    for name in (MANIFEST, PAGE, SUBSET):
        assert content(emulator, in_turn, name) == content(emulator, at_once, name)


def test_the_subset_holds_the_records_of_what_is_there_byte_for_byte(place: Place, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 6, "1": 6, "2": 6})
    load(dataset.folder, place.url, archives="0,2")
    header, lines = records(dataset.table)
    assert any(line.count(b"\n") > 1 for line in lines), "the sample has records of several lines"
    wanted = [line for line, home in zip(lines, dataset.rows.values(), strict=True) if home in ("0", "2")]
    there = place.read()
    assert there[SUBSET] == header + b"".join(wanted)
    assert dataset.table.name not in there


def test_the_whole_table_takes_the_place_of_the_subset(place: Place, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3, "1": 3})
    load(dataset.folder, place.url, archives="0")
    assert SUBSET in place.read()
    load(dataset.folder, place.url)
    there = place.read()
    assert there[dataset.table.name] == dataset.table.read_bytes()
    assert SUBSET not in there


def test_a_packed_table_lands_unpacked(place: Place, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3})
    original = dataset.table.read_bytes()
    (dataset.folder / f"{dataset.table.name}.gz").write_bytes(gzip.compress(original))
    dataset.table.unlink()
    assert load(dataset.folder, place.url).exit_code == 0
    assert place.read()[dataset.table.name] == original


def test_an_edited_table_is_all_that_is_sent(emulator: Emulator, container: str, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 4})
    with Proxy(emulator) as proxy:
        load(dataset.folder, proxy.url(container))
        edited = dataset.table.read_bytes().replace(b"ExampleImaging", b"OtherMaker")
        dataset.table.write_bytes(edited)
        proxy.forget()
        summary = load(dataset.folder, proxy.url(container))
        assert sorted(proxy.put_names()) == sorted([dataset.table.name, PAGE])
    assert summary.sent == 0
    assert content(emulator, container, dataset.table.name) == edited
    assert verify(container).exit_code == 0


def test_a_table_called_like_the_subset_stays(place: Place, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3})
    small = dataset.table.rename(dataset.folder / SUBSET)
    for _ in range(3):
        assert load(dataset.folder, place.url).exit_code == 0
        assert place.read()[SUBSET] == small.read_bytes()


def test_a_damaged_member_is_never_sent_and_does_not_stop_the_others(place: Place, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 5}, corrupt=2)
    found: list[Event] = []
    summary = load(dataset.folder, place.url, observer=found.append)
    lost = {f"png/0/{name}" for _, name in dataset.corrupt}
    assert set(images(place)) == set(dataset.blobs) - lost
    assert (summary.damaged, summary.sent, summary.exit_code) == (2, 3, 3)
    told = [event.finding for event in found if isinstance(event, Found)]
    assert {(finding.archive, finding.member) for finding in told} == set(dataset.corrupt)
    header, lines = records(dataset.table)
    kept = [line for line, name in zip(lines, dataset.rows, strict=True) if ("0.zip", name) not in dataset.corrupt]
    assert place.read()[SUBSET] == header + b"".join(kept)


def test_a_broken_png_is_sent_as_it_is_and_told_in_every_run(place: Place, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 4}, broken=1)
    for sent in (4, 0):
        summary = load(dataset.folder, place.url)
        assert (summary.sent, summary.damaged, summary.exit_code) == (sent, 1, 3)
        assert summary.findings == {"png-truncated": 1}
    assert images(place) == dataset.blobs
    (told,) = [row for row in manifest(place.read()[MANIFEST], tmp_path) if row["state"] != "whole"]
    assert told["member"] == dataset.broken[0][1]


def test_broken_pngs_can_be_left_out(place: Place, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 4}, broken=1)
    summary = load(dataset.folder, place.url, damaged="skip")
    assert f"png/0/{dataset.broken[0][1]}" not in images(place)
    assert (summary.sent, summary.damaged, summary.exit_code) == (3, 1, 3)


ODD = [
    "a b/c%20d.bin",
    "\u00e4\u00f6/\u4e2d\u6587 #1?.txt",
    "deep/er/and/er/x",
    "+&='\".dat",
    "UPPER/lower.PnG",
]


def odd_files(folder: Path) -> dict[str, bytes]:
    made = {name: f"content of {name}".encode() for name in ODD} | {"empty": b"", "odd.csv": b""}
    for name, data in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return made


def test_plain_files_keep_their_paths(place: Place, tmp_path: Path) -> None:
    made = odd_files(tmp_path / "source")
    summary = load(tmp_path / "source", place.url, profile="files")
    there = place.read()
    assert {name: there[name] for name in made} == made
    assert set(there) == {*made, *OWN}
    assert (summary.rows, summary.sent) == (len(made), len(made))
    assert load(tmp_path / "source", place.url, profile="files").sent == 0
    assert verify(place.url, deep="all").exit_code == 0


def test_members_of_plain_zips_keep_their_paths(place: Place, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    add_member(tmp_path / "source" / "one.zip", "a/x.txt", b"x")
    add_member(tmp_path / "source" / "two.zip", "b/y.txt", b"y")
    assert load(tmp_path / "source", place.url, profile="files").exit_code == 0
    there = place.read()
    assert {name: there[name] for name in set(there) - OWN} == {"a/x.txt": b"x", "b/y.txt": b"y"}


def test_one_path_with_two_contents_is_never_passed_over(place: Place, tmp_path: Path) -> None:
    """Two zips hold other files under one path: only one can land, and a person must know."""
    (tmp_path / "source").mkdir()
    add_member(tmp_path / "source" / "one.zip", "x.txt", b"first")
    add_member(tmp_path / "source" / "two.zip", "x.txt", b"other one")
    with pytest.raises(SourceError, match="that is certainly its own"):
        load(tmp_path / "source", place.url, profile="files")
    add_member(tmp_path / "source" / "two.zip", "y.txt", b"y")
    summary = load(tmp_path / "source", place.url, profile="files")
    assert (summary.exit_code, summary.findings) == (3, {"image-ambiguous": 1, "image-unseen": 1})
    assert "x.txt" not in place.read()


def test_a_flat_layout(place: Place, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3, "1": 2})
    load(dataset.folder, place.url, layout="{ImageID}")
    there = place.read()
    assert set(there) == {*dataset.rows, dataset.table.name, *OWN}
    assert load(dataset.folder, place.url, layout="{ImageID}").sent == 0


def test_strays_are_sent_only_when_asked(place: Place, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3}, stray=2)
    assert load(dataset.folder, place.url).stray == 2
    assert images(place) == dataset.blobs
    summary = load(dataset.folder, place.url, strays="send")
    assert (summary.sent, summary.already_there) == (2, 3)
    assert set(images(place)) == {*dataset.blobs, *(f"png/0/{name}" for _, name in dataset.stray)}


def test_a_prefix_is_a_load_of_its_own(emulator: Emulator, container: str, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2})
    azurite = AzuritePlace(emulator, container)
    azurite.write("a/bc/foreign", b"beside the prefix")
    summary = load(dataset.folder, f"{container}/a/b")
    assert (summary.sent, summary.foreign) == (2, 0)
    assert {f"a/b/{name}" for name in dataset.blobs} < set(landed(emulator, container))
    assert verify(f"{container}/a/b").exit_code == 0


def test_a_dry_run_writes_nothing(emulator: Emulator, container: str, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3})
    for absent in (str(tmp_path / "there"), container + "-absent"):
        summary = load(dataset.folder, absent, dry_run=True)
        assert (summary.images, summary.sent, summary.complete, summary.exit_code) == (3, 0, False, 0)
    assert not (tmp_path / "there").exists()
    with client(emulator, container + "-absent") as opened:
        assert not opened.exists()
    assert load(dataset.folder, container, dry_run=True).sent == 0
    assert landed(emulator, container) == {}


def test_a_no_to_the_plan_writes_nothing(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3})
    summary = load(dataset.folder, str(tmp_path / "there"), confirm=lambda plan: plan.send != 3)
    assert (summary.exit_code, summary.complete) == (130, False)
    assert not (tmp_path / "there").exists()


def test_a_stop_leaves_what_was_sent_and_the_next_run_completes_it(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 40}, size=200)
    monkeypatch.setattr(wishing, "Settings", lambda **given: Settings(**given, window_bytes=256 << 10))
    monkeypatch.setattr("laden.run.meter._TELL_S", 0)
    seen: list[Event] = []

    def stopping() -> bool:
        return any(isinstance(event, Progress) and event.images > 2 for event in seen)

    summary = load(dataset.folder, place.url, stopping=stopping, observer=seen.append)
    assert (summary.exit_code, summary.complete) == (130, False)
    assert 0 < summary.sent < 40
    assert "run the same command again" in summary.message
    assert MANIFEST not in place.read()
    again = load(dataset.folder, place.url)
    assert (again.already_there, again.sent, again.exit_code) == (summary.sent, 40 - summary.sent, 0)
    assert images(place) == dataset.blobs
    assert {row["state"] for row in manifest(place.read()[MANIFEST], tmp_path)} == {"whole"}
    assert {row["width"] for row in manifest(place.read()[MANIFEST], tmp_path)} == {200}, "also of the first run's"


def test_a_large_member_passes_in_blocks(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(5 << 20)
    (tmp_path / "source").mkdir()
    add_member(tmp_path / "source" / "one.zip", "large.bin", data)
    add_member(tmp_path / "source" / "one.zip", "small.bin", b"small")
    monkeypatch.setattr(wishing, "Settings", small_settings)
    summary = load(tmp_path / "source", place.url, profile="files")
    there = place.read()
    assert (there["large.bin"], there["small.bin"]) == (data, b"small")
    assert (summary.sent, summary.bytes_sent, summary.exit_code) == (2, len(data) + 5, 0)
    assert load(tmp_path / "source", place.url, profile="files").sent == 0
    assert verify(place.url, deep="all").exit_code == 0


def lose(*lost: int, match: str) -> Callable[[int, str, str], str]:
    """A hook that loses the answers to the first puts of names that hold `match`."""
    seen: list[str] = []

    def hook(_: int, method: str, name: str) -> str:
        if method == "PUT" and match in name and name not in seen:
            seen.append(name)
            return "lose" if seen.index(name) + 1 in lost else "pass"
        return "pass"

    return hook


def test_a_create_whose_answer_was_lost_counts_as_sent(emulator: Emulator, container: str, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 4})
    with Proxy(emulator) as proxy:
        proxy.after = lose(2, match="png/")
        summary = load(dataset.folder, proxy.url(container))
        statuses = [request.status for request in proxy.requests if request.method == "PUT" and "png/" in request.name]
    assert sorted(statuses) == [201, 201, 201, 201, 409]
    assert (summary.sent, summary.conflicts, summary.already_there, summary.exit_code) == (4, 0, 0, 0)
    assert summary.retries == 1


@pytest.mark.parametrize("document", ["PADCHEST", MANIFEST, PAGE])
def test_a_document_whose_answer_was_lost_is_there(
    emulator: Emulator, container: str, tmp_path: Path, document: str
) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2})
    with Proxy(emulator) as proxy:
        proxy.after = lose(1, match=document)
        summary = load(dataset.folder, proxy.url(container))
    assert (summary.exit_code, summary.complete, summary.retries) == (0, True, 1)
    assert summary.findings == {}
    assert verify(container).exit_code == 0


def test_a_foreign_table_is_left_alone_and_the_subset_stays(place: Place, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2, "1": 2})
    load(dataset.folder, place.url, archives="0")
    place.write(dataset.table.name, b"somebody else's")
    summary = load(dataset.folder, place.url)
    there = place.read()
    assert summary.findings == {"table-conflict": 1}
    assert summary.exit_code == 3
    assert there[dataset.table.name] == b"somebody else's"
    assert SUBSET in there, "the last table of laden's own goes only when another has taken its place"


def test_every_run_ends_with_a_summary_also_one_that_fails(tmp_path: Path) -> None:
    seen: list[Event] = []
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="holds no archive and no file"):
        load(tmp_path / "empty", str(tmp_path / "there"), observer=seen.append)
    assert isinstance(seen[-1], Summary)
    assert (seen[-1].exit_code, seen[-1].complete) == (5, False)
    assert "holds no archive" in seen[-1].message


def test_a_check_needs_no_network_and_reads_no_image(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 4, "1": 3}, missing=1, stray=1, corrupt=1)
    summary = check(dataset.folder)
    assert (summary.rows, summary.matched, summary.missing, summary.stray) == (8, 7, 1, 1)
    assert (summary.damaged, summary.exit_code) == (0, 3)


def test_the_findings_file_is_only_there_when_needed(tmp_path: Path) -> None:
    good = make_dataset(tmp_path / "good", {"0": 2})
    bad = make_dataset(tmp_path / "bad", {"0": 2}, missing=1)
    path = tmp_path / "findings.csv"
    assert check(bad.folder, findings_file=path).findings_file == str(path)
    assert path.read_text().count("image-missing") == 1
    assert check(good.folder, findings_file=path).findings_file == ""
    assert not path.exists()


def test_no_row_is_selected_by_a_wrong_archive(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2})
    with pytest.raises(UsageError, match="--archives 7 selects no row"):
        check(dataset.folder, archives="7")


def test_a_table_named_by_hand_may_lie_anywhere(place: Place, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2})
    elsewhere = dataset.table.rename(tmp_path / rows.TABLE_NAME)
    assert load(dataset.folder, place.url, table=elsewhere).exit_code == 0
    assert place.read()[rows.TABLE_NAME] == elsewhere.read_bytes()
