"""The classical accidents of tools that sync, each of which happened to many: none can happen here.

Each test names its accident, as users of other tools reported it, and makes its situation: what is at the source, what
is at the destination, and what then must not be lost, sent again, or called right.
"""

import contextlib
import os
from pathlib import Path
from typing import Any

import pytest

from laden.demo.emulator import Emulator
from laden.store.manage import Undo
from laden.store.manage.azure import AzureManage
from laden.values.errors import LadenError, UsageError
from laden.verbs.load import load
from laden.verbs.prune import plan_prune, prune
from laden.verbs.verify import verify
from tests.support.begun import begin
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import Landed, client, content, landed


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source") / "source", {"0": 3, "1": 2})


@pytest.fixture
def place(dataset: Dataset, container: str) -> str:
    begin(dataset.folder, container)
    return container


@pytest.fixture(autouse=True)
def keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is refused for want of soft delete: what holds here must hold without that."""

    async def kept(_: AzureManage) -> Undo:
        return Undo(14, versions=False)

    monkeypatch.setattr(AzureManage, "undo", kept)


def attempts(place: str, source: Path, plan: Path, **options: Any) -> None:
    """All that a person might type, hoping that the destination becomes like the source."""
    for work in (
        lambda: load(source, place, update=True, **options),
        lambda: load(source, place, overwrite="changed", **options),
        lambda: plan_prune(place, source, plan_file=plan, **options),
        lambda: prune(plan, most=1_000_000, without_undo=True),
    ):
        with contextlib.suppress(LadenError):
            work()


def test_1_a_listing_that_breaks_off_deletes_nothing(
    dataset: Dataset, place: str, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A blip while the source was listed, and 20 TB were deleted: what was not read counted as gone."""
    was = landed(emulator, place)
    walk = os.scandir

    def blip(path: Any = ".") -> Any:
        if not isinstance(path, int) and Path(path).name == "sub":
            raise OSError(5, "Input/output error")
        return walk(path)

    (dataset.folder / "sub").mkdir(exist_ok=True)
    monkeypatch.setattr(os, "scandir", blip)
    with pytest.raises(LadenError):
        plan_prune(place, dataset.folder, plan_file=tmp_path / "plan")
    attempts(place, dataset.folder, tmp_path / "plan")
    monkeypatch.undo()
    (dataset.folder / "sub").rmdir()
    assert images(landed(emulator, place)) == images(was)


def images(there: dict[str, Landed]) -> dict[str, Landed]:
    return {name: one for name, one in there.items() if name.startswith("png/")}


def test_2_a_change_of_how_things_are_compared_sends_nothing_again(
    dataset: Dataset, place: str, emulator: Emulator, tmp_path: Path
) -> None:
    """After an update of the tool all was deleted and loaded again: content decides, and the container says it."""
    with client(emulator, place) as container:
        for name in list(landed(emulator, place)):
            if name.startswith("_laden/"):
                container.delete_blob(name)
    again = load(dataset.folder, place, update=True)
    assert (again.sent, again.already_there) == (0, 5)


def test_3_another_case_is_another_name_and_is_not_moved(tmp_path: Path, container: str, emulator: Emulator) -> None:
    """Names that differ in case alone made 10 TB move again, or one took the other's place."""
    source = tmp_path / "source"
    (source / "a").mkdir(parents=True)
    (source / "a" / "Scan.png").write_bytes(b"upper")
    with client(emulator, container) as opened:
        opened.upload_blob("a/scan.png", b"lower")
    load(source, container, profile="files", update=True)
    assert load(source, container, profile="files", update=True).sent == 0
    assert content(emulator, container, "a/scan.png") == b"lower"
    assert content(emulator, container, "a/Scan.png") == b"upper"


def test_4_a_source_that_answers_with_errors_wipes_nothing(
    dataset: Dataset, place: str, emulator: Emulator, tmp_path: Path
) -> None:
    """The source answered 404 or 502, or nobody was signed in: it was taken for empty."""
    was = landed(emulator, place)
    source = make_dataset(tmp_path / "answers", {"0": 3, "1": 2}).folder
    for archive in ("0.zip", "1.zip"):
        (source / archive).write_bytes(b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>")
    attempts(place, source, tmp_path / "plan")
    assert not (tmp_path / "plan").exists()
    assert images(landed(emulator, place)) == images(was)


def test_5_an_empty_or_unmounted_source_wipes_nothing(
    dataset: Dataset, place: str, emulator: Emulator, tmp_path: Path
) -> None:
    """A disk that was not mounted is an empty folder: the destination became one, too."""
    was = landed(emulator, place)
    (tmp_path / "mountpoint").mkdir()
    for source in (tmp_path / "mountpoint", tmp_path / "absent"):
        attempts(place, source, tmp_path / "plan")
        attempts(place, source, tmp_path / "plan", profile="files")
    assert not (tmp_path / "plan").exists()
    assert landed(emulator, place) == was


def test_6_equal_size_and_any_time_decide_nothing(tmp_path: Path, container: str, emulator: Emulator) -> None:
    """Same size and an older time: the change was never sent. A time in the future: sent with each run."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("a.txt", "b.txt"):
        (source / name).write_bytes(b"version 1")
        os.utime(source / name, (4_000_000_000, 4_000_000_000))
    load(source, container, profile="files")
    assert load(source, container, profile="files", update=True).sent == 0
    (source / "a.txt").write_bytes(b"version 2")
    os.utime(source / "a.txt", (1_000_000_000, 1_000_000_000))
    assert load(source, container, profile="files", update=True).sent == 1
    assert content(emulator, container, "a.txt") == b"version 2"


def test_7_a_slash_more_or_less_means_the_same(
    dataset: Dataset, place: str, emulator: Emulator, tmp_path: Path
) -> None:
    """A trailing slash, or two, moved everything a folder down, or removed another name."""
    was = landed(emulator, place)
    for form in (f"{place}/", f"{place}//"):
        assert load(f"{dataset.folder}/", form, update=True).sent == 0
        plan_prune(form, f"{dataset.folder}/", plan_file=tmp_path / "plan")
    prefixed = f"{place}/sub/set"
    load(dataset.folder, prefixed)
    load(dataset.folder, f"{prefixed}/", update=True)
    assert set(landed(emulator, place)) == {*was, *(f"sub/set/{name}" for name in was)}


def test_8_a_file_and_a_folder_of_one_name_stay_both(tmp_path: Path, container: str, emulator: Emulator) -> None:
    """A blob `a` beside `a/b.txt`: one of them vanished, or the tool ended."""
    source = tmp_path / "source"
    (source / "a").mkdir(parents=True)
    (source / "a" / "b.txt").write_bytes(b"in the folder")
    with client(emulator, container) as opened:
        opened.upload_blob("a", b"the file")
        opened.upload_blob("a/", b"a folder's marker")
    load(source, container, profile="files", update=True)
    plan_prune(container, source, plan_file=tmp_path / "plan", profile="files")
    prune(tmp_path / "plan", most=100)
    assert content(emulator, container, "a") == b"the file"
    assert content(emulator, container, "a/b.txt") == b"in the folder"
    assert verify(container).exit_code == 0


def test_9_links_and_empty_folders_are_told_and_follow_nowhere(place: str, emulator: Emulator, tmp_path: Path) -> None:
    """A link out of the tree brought strangers' files along; one to nothing was taken for a deletion."""
    was = landed(emulator, place)
    source = make_dataset(tmp_path / "links", {"0": 3, "1": 2}).folder
    (tmp_path / "outside.png").write_bytes(b"not mine")
    (source / "outside.png").symlink_to(tmp_path / "outside.png")
    (source / "loop").symlink_to(source)
    (source / "empty").mkdir()
    with pytest.raises(LadenError, match="not seen whole"):
        plan_prune(place, source, plan_file=tmp_path / "plan")
    told = load(source, place, update=True)
    assert told.findings["link-outside"] == 1
    assert "blob-withdrawn" not in told.findings
    assert landed(emulator, place) == was


def test_10_what_is_left_out_is_not_deleted(dataset: Dataset, place: str, emulator: Emulator, tmp_path: Path) -> None:
    """--exclude together with --delete removed what was excluded, or kept what was not."""
    was = landed(emulator, place)
    for options in ({"exclude": ["1.zip"]}, {"include": ["0.zip"]}, {"archives": "0"}, {"where": "ImageDir = 0"}):
        with pytest.raises(TypeError):
            plan_prune(place, dataset.folder, plan_file=tmp_path / "plan", **options)  # type: ignore[arg-type]
        assert "blob-withdrawn" not in load(dataset.folder, place, update=True, **options).findings  # type: ignore[arg-type]
    assert images(landed(emulator, place)) == images(was)


def test_11_a_blob_without_md5_or_with_another_s_word_is_not_believed(
    dataset: Dataset, container: str, emulator: Emulator
) -> None:
    """Where the service kept no MD5, sizes were compared; where another tool had set a wrong one, that was believed."""
    from azure.storage.blob import ContentSettings

    place = container
    first, second, *_ = sorted(dataset.blobs)
    with client(emulator, place) as opened:
        for name, told in ((first, None), (second, bytearray(dataset.md5s[second]))):
            blob = opened.get_blob_client(name)
            blob.stage_block("a", b"x" * len(dataset.blobs[name]))
            blob.commit_block_list(["a"], content_settings=ContentSettings(content_md5=told))
    told = load(dataset.folder, place, update=True)
    assert (told.exit_code, told.sent, told.conflicts) == (3, 3, 2)
    assert load(dataset.folder, place, overwrite="changed").sent == 2
    assert {name: content(emulator, place, name) for name in dataset.blobs} == dataset.blobs


def test_12_a_line_that_means_everything_means_nothing(
    dataset: Dataset, place: str, emulator: Emulator, tmp_path: Path
) -> None:
    """A list of files to remove with a line `/`, or a star, removed all."""
    was = landed(emulator, place)
    plan = tmp_path / "plan"
    plan_prune(place, dataset.folder, plan_file=plan)
    whole = plan.read_text().splitlines()
    for line in ("/", "*", "", "png/", "png/*", "..", "_laden/"):
        for lines in ([line], [*whole, line], [whole[0], line, *whole[1:]]):
            plan.write_text("\n".join(lines) + "\n")
            with pytest.raises(UsageError):
                prune(plan, most=1_000_000, without_undo=True)
    assert landed(emulator, place) == was


def test_13_versions_that_cost_are_told_of(place: str, dataset: Dataset, tmp_path: Path) -> None:
    """Versioning and soft delete kept, and billed, what everybody took for gone: the plan says that it is kept."""
    from laden.values.events import ActReady, Event

    later = make_dataset(tmp_path / "later", {"0": 3, "1": 1})
    load(later.folder, place, update=True)
    events: list[Event] = []
    plan_prune(place, later.folder, plan_file=tmp_path / "plan", observer=events.append)
    (ready,) = [event for event in events if isinstance(event, ActReady)]
    assert "for 14 days it can be brought back" in ready.undo
