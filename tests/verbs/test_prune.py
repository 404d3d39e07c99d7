"""What a source no longer has goes by a plan, exactly; anything that could make it more is refused first."""

import hashlib
import json
import shlex
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from laden.cli import run_command
from laden.demo.emulator import Emulator
from laden.stages.pruning import About, read_plan, write_plan
from laden.store.manage import Undo
from laden.store.manage.azure import AzureManage
from laden.values.errors import LadenError, NotAsLanded, SourceError, UsageError
from laden.values.events import ActReady, Event, Summary, Warned
from laden.verbs.load import load
from laden.verbs.prune import plan_prune, prune
from laden.verbs.undelete import undelete
from laden.verbs.verify import verify
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import client, content, landed

MANIFEST, PAGE = "_laden/manifest.parquet", "_laden/load.json"


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("before") / "source", {"0": 4, "1": 3})


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The publisher's next version: two images of the last archive are withdrawn, rows and files."""
    return make_dataset(tmp_path_factory.mktemp("after") / "source", {"0": 4, "1": 1})


@pytest.fixture
def withdrawn(before: Dataset, after: Dataset) -> set[str]:
    return set(before.blobs) - set(after.blobs)


@pytest.fixture
def place(before: Dataset, after: Dataset, container: str) -> str:
    begin(before.folder, container)
    assert load(after.folder, container, update=True).exit_code == 0
    return container


@pytest.fixture(autouse=True)
def undo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Azurite has no soft delete: the account says that it has, unless a test is about that."""

    async def kept(_: AzureManage) -> Undo:
        return Undo(14, versions=False)

    monkeypatch.setattr(AzureManage, "undo", kept)


def planned(place: str, source: Dataset, path: Path, **options: Any) -> tuple[Summary, ActReady]:
    events: list[Event] = []
    summary = plan_prune(place, source.folder, plan_file=path, observer=events.append, **options)
    (ready,) = [event for event in events if isinstance(event, ActReady)]
    return summary, ready


def test_exactly_what_was_withdrawn_goes(
    place: str, before: Dataset, after: Dataset, withdrawn: set[str], emulator: Emulator, tmp_path: Path
) -> None:
    with client(emulator, place) as container:
        container.upload_blob("png/0/of-others.png", b"mine")
        container.upload_blob("notes.txt", b"mine")
    was = landed(emulator, place)
    summary, ready = planned(place, after, tmp_path / "plan.jsonl")
    assert (summary.exit_code, summary.images, summary.complete) == (0, 7, True)
    assert (ready.blobs, ready.of, ready.bytes) == (2, 7, sum(len(before.blobs[name]) for name in withdrawn))
    assert landed(emulator, place) == was
    plan = read_plan(tmp_path / "plan.jsonl")
    assert {one.blob for one in plan.going} == withdrawn
    done = prune(tmp_path / "plan.jsonl", most=2)
    assert (done.exit_code, done.acted, done.left) == (0, 2, 0)
    now = landed(emulator, place)
    assert set(was) - set(now) == withdrawn
    assert {name: now[name] for name in now if not name.startswith("_laden/")} == {
        name: was[name] for name in now if not name.startswith("_laden/")
    }
    assert verify(place).exit_code == 0
    assert verify(place).images == 5
    # Nothing of it comes back, and nothing is sent again.
    again = load(after.folder, place)
    assert (again.exit_code, again.sent, again.already_there) == (0, 0, 5)
    assert verify(place).images == 5


def test_a_second_run_of_a_plan_changes_nothing(place: str, after: Dataset, emulator: Emulator, tmp_path: Path) -> None:
    planned(place, after, tmp_path / "plan.jsonl")
    prune(tmp_path / "plan.jsonl", most=2)
    was, page = landed(emulator, place), content(emulator, place, PAGE)
    again = prune(tmp_path / "plan.jsonl", most=2)
    assert (again.exit_code, again.acted, again.as_wanted) == (0, 0, 2)
    assert (landed(emulator, place), content(emulator, place, PAGE)) == (was, page)


def test_a_dry_run_writes_no_plan_and_carries_none_out(
    place: str, after: Dataset, emulator: Emulator, tmp_path: Path
) -> None:
    was = landed(emulator, place)
    summary, ready = planned(place, after, tmp_path / "plan.jsonl", dry_run=True)
    assert ready.blobs == 2
    assert not (tmp_path / "plan.jsonl").exists()
    assert not summary.complete
    planned(place, after, tmp_path / "plan.jsonl")
    assert not prune(tmp_path / "plan.jsonl", most=2, dry_run=True).complete
    assert landed(emulator, place) == was


def test_what_a_landed_table_names_stays(before: Dataset, after: Dataset, container: str, tmp_path: Path) -> None:
    """The new table has not been loaded yet: readers of the old one still find its images."""
    begin(before.folder, container)
    summary, ready = planned(container, after, tmp_path / "plan.jsonl")
    assert ready.blobs == 0
    assert summary.findings == {"prune-kept": 1}


def test_images_of_another_load_stay(
    place: str, before: Dataset, after: Dataset, emulator: Emulator, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "protocol.txt").write_bytes(b"how it was done")
    load(other, place, profile="files")
    load(after.folder, place)
    _, ready = planned(place, after, tmp_path / "plan.jsonl")
    assert ready.blobs == 2
    prune(tmp_path / "plan.jsonl", most=2)
    assert "protocol.txt" in landed(emulator, place)
    with pytest.raises(UsageError, match="the source of something else"):
        planned(place, make_dataset(tmp_path / "strange", {"7": 3}, seed=9), tmp_path / "other.jsonl")
    assert before


def test_a_blob_that_changed_since_the_plan_is_left(
    place: str, after: Dataset, withdrawn: set[str], emulator: Emulator, tmp_path: Path
) -> None:
    planned(place, after, tmp_path / "plan.jsonl")
    changed, gone = sorted(withdrawn)
    with client(emulator, place) as container:
        container.upload_blob(changed, b"newer", overwrite=True)
        container.delete_blob(gone)
    done = prune(tmp_path / "plan.jsonl", most=2)
    assert (done.exit_code, done.acted, done.left) == (3, 0, 1)
    assert done.findings == {"blob-left": 1}
    assert content(emulator, place, changed) == b"newer"
    # It is somebody else's now, and no later plan takes it.
    _, ready = planned(place, after, tmp_path / "later.jsonl")
    assert ready.blobs == 0


def test_an_image_that_is_gone_already_only_leaves_the_manifest(
    place: str, after: Dataset, withdrawn: set[str], emulator: Emulator, tmp_path: Path
) -> None:
    with client(emulator, place) as container:
        for name in withdrawn:
            container.delete_blob(name)
    assert verify(place).deleted == 2
    _, ready = planned(place, after, tmp_path / "plan.jsonl")
    assert "2 are gone already" in ready.sentence
    done = prune(tmp_path / "plan.jsonl", most=2)
    assert (done.exit_code, done.acted) == (0, 0)
    assert verify(place).exit_code == 0


def harmed(folder: Path, how: str) -> Path:
    """A source of which something is not seen."""
    source = make_dataset(folder / how, {"0": 4, "1": 1}).folder
    archive = source / "1.zip"
    if how == "truncated":
        archive.write_bytes(archive.read_bytes()[:-30])
    elif how == "empty":
        archive.write_bytes(b"")
    elif how == "missing":
        archive.unlink()
    elif how == "unfinished":
        archive.rename(source / "1.zip.part")
    else:
        (source / "more").mkdir()
        (source / "more" / "link").symlink_to(folder / "nothing")
    return source


def test_of_a_source_that_was_not_seen_whole_there_is_no_plan(place: str, tmp_path: Path, emulator: Emulator) -> None:
    was = landed(emulator, place)
    for how in ("truncated", "empty", "missing", "unfinished", "link"):
        with pytest.raises(SourceError, match="not seen whole"):
            plan_prune(place, harmed(tmp_path, how), plan_file=tmp_path / "plan.jsonl")
        assert not (tmp_path / "plan.jsonl").exists()
    assert landed(emulator, place) == was


def test_an_empty_or_absent_source_is_no_source(place: str, after: Dataset, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source in (tmp_path / "empty", tmp_path / "not-mounted"):
        with pytest.raises(LadenError):
            plan_prune(place, source, plan_file=tmp_path / "plan.jsonl")
    # The table alone: every row lacks its image.
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / after.table.name).write_bytes(after.table.read_bytes())
    with pytest.raises(LadenError):
        plan_prune(place, tmp_path / "alone", plan_file=tmp_path / "plan.jsonl")
    with pytest.raises(TypeError):
        plan_prune(place, after.folder, plan_file=tmp_path / "plan.jsonl", exclude=["1.zip"])  # type: ignore[call-arg]
    assert not (tmp_path / "plan.jsonl").exists()


def test_more_than_was_said_is_refused(place: str, after: Dataset, emulator: Emulator, tmp_path: Path) -> None:
    planned(place, after, tmp_path / "plan.jsonl")
    was = landed(emulator, place)
    with pytest.raises(UsageError, match="--max 2"):
        prune(tmp_path / "plan.jsonl")
    with pytest.raises(UsageError, match="--max 1 allows fewer"):
        prune(tmp_path / "plan.jsonl", most=1)
    assert landed(emulator, place) == was


@pytest.mark.parametrize("known", [Undo(0, versions=False), Undo(None, versions=None)])
def test_what_cannot_be_undone_is_not_done_unasked(
    place: str, after: Dataset, emulator: Emulator, tmp_path: Path, known: Undo, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def told(_: AzureManage) -> Undo:
        return known

    monkeypatch.setattr(AzureManage, "undo", told)
    planned(place, after, tmp_path / "plan.jsonl")
    was = landed(emulator, place)
    with pytest.raises(UsageError, match="--without-undo"):
        prune(tmp_path / "plan.jsonl", most=2)
    assert landed(emulator, place) == was
    assert prune(tmp_path / "plan.jsonl", most=2, without_undo=True).acted == 2


def test_after_another_load_the_plan_is_void(
    place: str, before: Dataset, after: Dataset, emulator: Emulator, tmp_path: Path
) -> None:
    """The load may want again what the plan would delete, without having sent it anew."""
    planned(place, after, tmp_path / "plan.jsonl")
    load(before.folder, place)
    was = landed(emulator, place)
    with pytest.raises(UsageError, match="changed since the plan"):
        prune(tmp_path / "plan.jsonl", most=2)
    assert landed(emulator, place) == was


def edited(lines: list[str], how: str) -> list[str]:
    if how == "cut":
        return lines[:-1]
    if how == "shorter":
        return [lines[0], *lines[2:]]
    if how == "more":
        one = {**json.loads(lines[1]), "blob": "/"}
        return [lines[0], json.dumps(one), *lines[1:]]
    if how == "another":
        return ["/", "*"]
    if how == "later":
        return [*lines, lines[1]]
    return [lines[0].replace('"images": 7', '"images": 7000'), *lines[1:]]


def test_a_plan_that_is_not_as_it_was_written_is_none(
    place: str, after: Dataset, emulator: Emulator, tmp_path: Path
) -> None:
    path = tmp_path / "plan.jsonl"
    planned(place, after, path)
    lines = path.read_text().splitlines()
    was = landed(emulator, place)
    for how in ("cut", "shorter", "more", "another", "later", "header"):
        path.write_text("\n".join(edited(lines, how)) + "\n")
        with pytest.raises(UsageError, match="make it again"):
            prune(path, most=10)
    assert landed(emulator, place) == was


def test_a_plan_is_for_a_day_and_for_its_place(
    place: str, after: Dataset, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "plan.jsonl"
    planned(place, after, path)
    with pytest.raises(UsageError, match="the plan is for"):
        prune(path, destination=emulator.url("elsewhere"), most=2)
    now_s = time.time()
    monkeypatch.setattr("laden.verbs.pruning.time.time", lambda: now_s + 25 * 3600)
    with pytest.raises(UsageError, match="older than a day"):
        prune(path, most=2)


def test_a_plan_replaces_nothing_but_a_plan(place: str, after: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    path.write_text("mine")
    with pytest.raises(UsageError, match="is no plan"):
        planned(place, after, path)
    assert path.read_text() == "mine"
    path.unlink()
    planned(place, after, path)
    planned(place, after, path)
    assert read_plan(path).about.blobs == 2


def test_a_folder_is_pruned_the_same_way(before: Dataset, after: Dataset, withdrawn: set[str], tmp_path: Path) -> None:
    folder = tmp_path / "dest"
    begin(before.folder, str(folder))
    load(after.folder, str(folder), update=True)
    _, ready = planned(str(folder), after, tmp_path / "plan.jsonl")
    assert "cannot be undone" in ready.undo
    with pytest.raises(UsageError, match="--without-undo"):
        prune(tmp_path / "plan.jsonl", most=2)
    done = prune(tmp_path / "plan.jsonl", most=2, without_undo=True)
    assert (done.exit_code, done.acted) == (0, 2)
    assert not any((folder / name).exists() for name in withdrawn)
    assert verify(str(folder)).exit_code == 0


@pytest.mark.parametrize("kept", [0, 14])
def test_the_command_that_is_told_carries_the_plan_out(
    before: Dataset, after: Dataset, tmp_path: Path, container: str, kept: int
) -> None:
    place = container if kept else str(tmp_path / "of a person's")
    begin(before.folder, place)
    load(after.folder, place, update=True)
    events: list[Event] = []
    plan_prune(place, after.folder, plan_file=tmp_path / "the plan.jsonl", observer=events.append)
    (told,) = (event.message for event in events if isinstance(event, Warned))
    words = shlex.split(told.partition(": ")[2])
    assert words[:2] == ["laden", "prune"]
    assert ("--without-undo" in words) == (not kept)
    assert run_command(words[1:]) == 0
    assert verify(place).images == len(after.blobs)


def test_a_plan_means_one_folder_wherever_it_is_carried_out(
    before: Dataset, after: Dataset, withdrawn: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, here, other = tmp_path / "plan.jsonl", tmp_path / "x", tmp_path / "y"
    begin(before.folder, str(here / "p"))
    load(after.folder, str(here / "p"), update=True)
    shutil.copytree(here, other, copy_function=shutil.copy2)
    (here / "z").mkdir()
    (other / "z").mkdir()
    monkeypatch.chdir(here / "z")
    planned("../p", after, plan)
    assert read_plan(plan).about.destination == str((here / "p").resolve())
    monkeypatch.chdir(other / "z")
    with pytest.raises(UsageError, match="the plan is for"):
        prune(plan, destination="../p", most=2, without_undo=True)
    prune(plan, most=2, without_undo=True)
    assert all((other / "p" / name).exists() for name in withdrawn)
    assert not any((here / "p" / name).exists() for name in withdrawn)


@pytest.mark.parametrize("named", ["../p", "p", "~/p"])
def test_a_plan_that_names_a_folder_as_it_was_typed_is_refused(tmp_path: Path, named: str) -> None:
    about = About(named, "source", int(time.time()), "", 5, 0, 0)
    with (tmp_path / "plan.jsonl").open("wb") as file:
        write_plan(about, [], file)
    with pytest.raises(UsageError, match="another one in each working folder"):
        prune(tmp_path / "plan.jsonl")
    with pytest.raises(UsageError, match="another one in each working folder"):
        undelete("https://account.blob.core.windows.net/container", plan_file=tmp_path / "plan.jsonl")


def test_a_plan_that_somebody_else_wrote_deletes_nothing(before: Dataset, after: Dataset, tmp_path: Path) -> None:
    """Its hash is right, its ETag too; but what it names laden never loaded."""
    place, path = tmp_path / "place", tmp_path / "plan"
    begin(before.folder, str(place))
    load(after.folder, str(place), update=True)
    (place / "mine.png").write_bytes(b"mine")
    plan_prune(str(place), after.folder, plan_file=path)
    head, first, *rest = path.read_bytes().splitlines(keepends=True)
    status = (place / "mine.png").stat()
    mine = {"blob": "mine.png", "size_bytes": 4, "etag": f"{status.st_size}-{status.st_mtime_ns}"}
    about = json.loads(head)
    about["bytes"] += 4 - json.loads(first)["size_bytes"]
    head = json.dumps(about).encode() + b"\n"
    lines = [head, json.dumps({**json.loads(first), **mine}).encode() + b"\n", *rest[:-1]]
    end = {**json.loads(rest[-1]), "sha256": hashlib.sha256(b"".join(lines)).hexdigest()}
    path.write_bytes(b"".join([*lines, json.dumps(end).encode() + b"\n"]))
    there = {file for file in place.rglob("*") if file.is_file()}
    with pytest.raises(UsageError, match=r"names mine.png, which laden did not load there"):
        prune(path, most=1_000, without_undo=True)
    assert {file for file in place.rglob("*") if file.is_file()} == there


@pytest.mark.parametrize("gone", [False, True], ids=["another one", "gone"])
def test_a_table_that_is_another_one_by_now_keeps_all_that_is_planned(
    place: str, before: Dataset, after: Dataset, emulator: Emulator, tmp_path: Path, gone: bool
) -> None:
    planned(place, after, tmp_path / "plan.jsonl")
    was = landed(emulator, place)
    with client(emulator, place) as container:
        container.delete_blob(after.table.name)
        if not gone:
            container.upload_blob(after.table.name, before.table.read_bytes())
    with pytest.raises(NotAsLanded, match="is gone" if gone else "is not as the last load left it"):
        prune(tmp_path / "plan.jsonl", most=2)
    assert landed(emulator, place).keys() >= was.keys() - {after.table.name}


def test_the_history_tells_the_bytes_of_what_went(
    place: str, after: Dataset, before: Dataset, withdrawn: set[str], emulator: Emulator, tmp_path: Path
) -> None:
    planned(place, after, tmp_path / "plan.jsonl")
    changed, went = sorted(withdrawn)
    with client(emulator, place) as container:
        container.upload_blob(changed, b"mine", overwrite=True)
        assert prune(tmp_path / "plan.jsonl", most=2).acted == 1
        names = sorted(blob.name for blob in container.list_blobs("_laden/history/"))
        told = [json.loads(container.download_blob(name).readall())["counts"] for name in names[-2:]]
    assert told == [
        {"deleted": 1, "bytes": len(before.blobs[went])},
        {"deleted": 1, "left": 1, "bytes": len(before.blobs[went])},
    ]
