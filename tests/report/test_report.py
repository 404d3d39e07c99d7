"""Reports of real loads, checks and verifies: what they say is what is so, whatever happened."""

import ast
import csv
import shutil
import threading
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from laden.dataset.profile import known_profile
from laden.dataset.table import Table
from laden.demo.emulator import Emulator
from laden.relations import Relations
from laden.report.captions import _age
from laden.report.columns import count_columns, read_charts
from laden.report.facts import Count, Facts, Gallery, Speed
from laden.report.meanings import meanings
from laden.report.numbers import binned, limits
from laden.report.page import FATES, render
from laden.report.watch import Watch
from laden.values.errors import LadenError, UsageError
from laden.values.events import Event, Started, Summary, Warned
from laden.values.records import Outcome
from laden.values.signs import Progress
from laden.verbs.check import check
from laden.verbs.load import load
from laden.verbs.verify import verify
from tests.dataset.test_images_other import RAW, dicom
from tests.docs.test_docs import codes_given
from tests.support.dataset import Dataset, make_dataset
from tests.support.harness import client, run
from tests.support.html import Shown
from tests.support.published import PUBLISHED

pytest_plugins = ("tests.support.padchest",)


@pytest.fixture
def faulty(tmp_path: Path) -> Dataset:
    """Five archives with one of each common fault."""
    dirs = {"0": 6, "1": 5, "2": 4, "10": 3, "54": 2}
    return make_dataset(tmp_path / "source", dirs, missing=4, stray=2, broken=3, corrupt=2, junk=True, size=120)


def page(name: str = "report.html") -> Path:
    return Path.cwd() / name


def test_the_figures_are_the_summarys(faulty: Dataset) -> None:
    summary = load(faulty.folder, "./there", report_file=page())
    assert summary.report_file == str(page())
    shown = Shown(page())
    rows, images = shown.sums
    assert rows == [(24, "rows"), (summary.matched, "with their image"), (summary.missing, "missing")]
    assert images == [(20, "images"), (summary.sent, "sent"), (2, "damaged, not sent")]
    for total, *parts in (rows, images):
        assert total[0] == sum(number for number, _ in parts)
    assert shown.findings == summary.findings
    assert summary.damaged == 5


def test_each_archive_is_told_as_it_was_built(faulty: Dataset) -> None:
    load(faulty.folder, "./there", report_file=page())
    damaged = Counter(place[0] for place in faulty.broken + faulty.corrupt)
    missing = Counter(f"{faulty.rows[name]}.zip" for name in faulty.missing)
    there = Counter(f"{folder}.zip" for name, folder in faulty.rows.items() if name not in faulty.missing)
    expected = [
        [
            f"{name}.zip",
            *map(str, (there[f"{name}.zip"] - damaged[f"{name}.zip"], damaged[f"{name}.zip"], missing[f"{name}.zip"])),
        ]
        for name in ("0", "1", "2", "10", "54")
    ]
    assert Shown(page()).table("Images per archive") == expected


def test_labels_and_projections_are_those_of_the_selected_rows(faulty: Dataset) -> None:
    load(faulty.folder, "./there", archives="0,54", report_file=page())
    with faulty.table.open(newline="") as file:
        records = [record for record in csv.DictReader(file) if record["ImageDir"] in ("0", "54")]
    projections = Counter(record["Projection"] for record in records)
    labels = Counter(
        label
        for record in records
        if record["Labels"] != "nan"
        for label in {part.strip() for part in ast.literal_eval(record["Labels"])} - {""}
    )
    shown = Shown(page())
    here = {name for name, image_dir in faulty.rows.items() if image_dir in ("0", "54")} - set(faulty.missing)
    here -= {name for _, name in faulty.corrupt}
    loaded = Counter(record["Projection"] for record in records if record["ImageID"] in here)
    drawn = {value: int(count) for value, count, _ in shown.table("Projection")}
    assert {value: count for value, count in drawn.items() if count} == loaded
    assert drawn.keys() >= projections.keys()
    with faulty.table.open(newline="") as file:
        whole = Counter(record["Projection"] for record in csv.DictReader(file))
    assert {value: int(count) for value, _, count in shown.table("Projection")} == whole
    told = {value: int(count) for value, count, _ in shown.table("Labels")}
    assert {value: count for value, count in told.items() if count}.keys() <= labels.keys()
    assert len(labels) > 2


def test_below_each_picture_stands_what_its_row_says(faulty: Dataset) -> None:
    load(faulty.folder, "./there", report_file=page())
    with faulty.table.open(newline="") as file:
        records = {record["ImageID"]: record for record in csv.DictReader(file)}
    shown = Shown(page())
    captions = shown.captions()
    assert len(captions) == 9
    for name, caption in captions.items():
        record = records[name]
        birth = record["PatientBirth"].partition(".")[0]
        assert record["Projection"] in caption
        if birth.isdecimal():
            assert caption.endswith(f", {int(record['StudyDate_DICOM'][:4]) - int(birth)} y")
            assert birth not in caption, "of a birth only the age is told"


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["058Y"], "58 y"),
        (["58"], "58 y"),
        (["58.0"], "58 y"),
        (["20140505", "1940"], "74 y"),
        (["20140505", "1940.0"], "74 y"),
        (["20140505", "nan"], ""),
        (["20140505", "2041"], ""),
        (["410"], ""),
        (["old"], ""),
        ([], ""),
    ],
)
def test_an_age_is_told_where_it_makes_sense(cells: list[str], told: str) -> None:
    assert _age(cells) == told


def test_a_report_without_images_can_go_to_anybody(faulty: Dataset) -> None:
    load(faulty.folder, "./there", report_file=page(), report_images="none")
    assert Shown(page()).pictures() == {}
    assert "<img" not in page().read_text()
    assert "This page shows no images" in Shown(page()).told()
    assert Shown(page()).table("Projection")
    verify("./there", report_file=page("there.html"), report_images="none")
    assert "<img" not in page("there.html").read_text()
    with pytest.raises(UsageError, match="report_images"):
        check(faulty.folder, report_file=page(), report_images="all")  # type: ignore[arg-type]


def test_it_says_how_it_was_made_and_what_was_selected(faulty: Dataset) -> None:
    ran = run("load", faulty.folder, "./there", "--where", "Projection = 'PA'", "--report", "report.html", "--json")
    told = " ".join(Shown(page()).told().split())
    assert "laden load" in told
    assert "--where 'Projection = '\"'\"'PA'\"'\"''" in told
    assert "Python 3." in told
    for step in ran.summary["selection"]:
        assert f"{step['rows']:,} " in told
    assert "of them where Projection = 'PA'" in told


def test_a_second_load_says_that_all_is_there_and_shows_the_same_images(faulty: Dataset) -> None:
    load(faulty.folder, "./there", report_file=page("first.html"))
    load(faulty.folder, "./there", report_file=page("again.html"))
    first, again = Shown(page("first.html")), Shown(page("again.html"))
    assert sorted(again.sums[1]) == sorted([(20, "images"), (18, "already there"), (2, "damaged, not sent")])
    assert again.table("Images per archive") == first.table("Images per archive")
    assert len(first.pictures()) == 6
    for name, pixels in first.pictures().items():
        assert np.array_equal(again.pictures()[name], pixels)


def test_damaged_images_are_shown_as_far_as_they_go(faulty: Dataset) -> None:
    load(faulty.folder, "./there", report_file=page())
    damaged = Shown(page()).pictures("sheet damaged")
    for _, name in faulty.broken:
        assert damaged[name][:40, :, 3].min() == 255
        assert damaged[name][-20:, :, 3].max() == 0
    assert not set(damaged) & set(Shown(page()).pictures())


def test_of_a_member_with_a_wrong_checksum_the_beginning_is_shown(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 1}, deflate=False, size=120)
    ((_, name), data) = next(iter(dataset.members.items()))
    archive = dataset.folder / "0.zip"
    content = bytearray(archive.read_bytes())
    content[content.index(data) + len(data) * 3 // 4] ^= 0x10
    archive.write_bytes(content)
    assert load(dataset.folder, "./there", report_file=page()).findings == {"member-crc": 1}
    pixels = Shown(page()).pictures("sheet damaged")[name]
    assert pixels[:80, :, 3].min() == 255
    assert pixels[-3:, :, 3].max() == 0
    assert "not as its archive declares" in Shown(page()).told()


def test_many_damaged_images_are_counted_and_not_all_shown(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 20}, broken=20, size=120)
    load(dataset.folder, "./there", report_file=page())
    shown = Shown(page())
    assert len(shown.pictures("sheet damaged")) == 12
    assert "8 more are damaged and not shown" in shown.told()


def test_an_image_that_the_table_calls_inverted_is_turned(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 1}, size=120)
    load(dataset.folder, "./plain", report_file=page("plain.html"))
    dataset.table.write_bytes(dataset.table.read_bytes().replace(b"MONOCHROME2", b"MONOCHROME1"))
    load(dataset.folder, "./turned", report_file=page("turned.html"))
    (plain,), (turned,) = (list(Shown(page(f"{name}.html")).pictures().values()) for name in ("plain", "turned"))
    assert np.abs(plain[..., 0].astype(int) + turned[..., 0] - 255).mean() < 6
    assert np.abs(plain[..., 0].astype(int) - turned[..., 0]).mean() > 60


def test_a_source_is_reported_from_a_check(faulty: Dataset) -> None:
    summary = check(faulty.folder, report_file=page())
    shown = Shown(page())
    assert shown.sums == [[(24, "rows"), (20, "with their image"), (4, "missing")]]
    assert shown.findings == summary.findings
    assert [line[0] for line in shown.table("Images per archive")] == ["0.zip", "1.zip", "2.zip", "10.zip", "54.zip"]
    assert 4 <= len(shown.pictures()) <= 6, "a check does not know which images cannot be read"


@pytest.mark.parametrize("kind", ["folder", "azurite"])
def test_a_destination_is_reported_from_what_is_there(
    kind: str, faulty: Dataset, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    place = str(tmp_path / "there") if kind == "folder" else request.getfixturevalue("container")
    load(faulty.folder, place)
    shutil.rmtree(faulty.folder)
    summary = verify(place, report_file=page())
    shown = Shown(page())
    assert shown.sums == [[(24, "rows"), (18, "with their image"), (6, "missing")], [(18, "images"), (18, "unchanged")]]
    assert (summary.rows, summary.images) == (24, 18)
    assert len(shown.pictures()) == 6
    assert len(shown.pictures("sheet damaged")) == 3
    assert sum(int(count) for _, count in shown.table("Projection")) == 18
    assert sum(int(line[1]) + int(line[2]) for line in shown.table("Images per archive")) == 18


def test_what_was_deleted_since_is_told(faulty: Dataset, emulator: Emulator, container: str) -> None:
    load(faulty.folder, container)
    with client(emulator, container) as service:
        lost = sorted(name for name in faulty.blobs if name.startswith("png/54/"))
        for name in lost:
            service.delete_blob(name)
    assert verify(container, report_file=page()).exit_code == 3
    shown = Shown(page())
    assert shown.sums[1] == [(18, "images"), (16, "unchanged"), (2, "deleted")]
    assert shown.table("Images per archive")[-1] == ["54.zip", "0", "0", "2"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_dataset_has_a_true_report_from_both_ends(name: str, tmp_path: Path) -> None:
    made = PUBLISHED[name](tmp_path / "source", whole=False)
    summary = load(made.source, "./there", report_file=page())
    verify("./there", report_file=page("there.html"))
    shown, there = Shown(page()), Shown(page("there.html"))
    assert shown.sums[0] == [
        (made.rows, "rows"), (made.rows - made.missing_rows, "with their image"), (made.missing_rows, "missing"),
    ]  # fmt: skip
    assert shown.sums[1] == [(len(made.images), "images"), (summary.sent, "sent")]
    assert there.sums[1] == [(len(made.images), "images"), (len(made.images), "unchanged")]
    archives = shown.table("Images per archive")
    assert sum(int(line[1]) for line in archives) == len(made.images)
    assert sum(int(line[-1]) for line in archives) == made.missing_rows
    assert set(shown.pictures()) == set(there.pictures()) != set()


def test_a_load_that_was_stopped_tells_how_far_it_came(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 400}, size=64)
    settled = 0

    def observe(event: Event) -> None:
        nonlocal settled
        settled = event.images if isinstance(event, Progress) else settled

    summary = load(dataset.folder, "./there", report_file=page(), observer=observe, stopping=lambda: settled > 0)
    assert summary.exit_code == 130
    shown = Shown(page())
    assert "Interrupted" in shown.told()
    told = {word: number for number, word in shown.sums[1]}
    assert told["images"] == 400
    assert told["sent"] == summary.sent
    assert told["not reached"] == 400 - summary.sent > 0
    assert len(shown.pictures()) == 6
    assert "sketches" not in {thread.name for thread in threading.enumerate()}


def test_a_load_that_fails_tells_why_and_how_far_it_came(faulty: Dataset) -> None:
    def lose_the_destination(event: Event) -> None:
        if event == Started("verify"):
            shutil.rmtree("there")

    with pytest.raises(LadenError) as failed:
        load(faulty.folder, "./there", report_file=page(), observer=lose_the_destination)
    shown = Shown(page())
    assert "Not finished" in shown.told()
    assert str(failed.value) in shown.told()
    assert shown.sums[1] == [(20, "images"), (18, "sent"), (2, "damaged, not sent")]


def test_a_load_that_never_began_leaves_no_report(tmp_path: Path) -> None:
    with pytest.raises(LadenError):
        load(tmp_path / "nothing", "./there", report_file=page())
    assert not page().exists()


def test_nothing_is_written_unless_asked_for_and_nothing_in_a_dry_run(faulty: Dataset) -> None:
    before = set(Path.cwd().iterdir())
    load(faulty.folder, "./there", dry_run=True, report_file=page())
    check(faulty.folder)
    assert set(Path.cwd().iterdir()) == before
    assert load(faulty.folder, "./there").report_file == ""
    assert not list(Path.cwd().glob("*.html"))


def test_an_earlier_report_is_replaced_and_anything_else_is_not(faulty: Dataset) -> None:
    check(faulty.folder, report_file=page())
    first = page().read_bytes()
    load(faulty.folder, "./there", report_file=page())
    assert page().read_bytes() != first
    page().write_text("<!DOCTYPE html><p>my thesis</p>")
    with pytest.raises(UsageError, match="no report of laden's"):
        load(faulty.folder, "./elsewhere", report_file=page())
    assert page().read_text() == "<!DOCTYPE html><p>my thesis</p>"
    assert not Path("elsewhere").exists(), "told before anything was sent"
    for wrong in (Path("absent") / "report.html", Path.cwd()):
        with pytest.raises(UsageError, match="--report"):
            load(faulty.folder, "./elsewhere", report_file=wrong)


def test_a_report_that_cannot_be_written_is_a_warning(faulty: Dataset) -> None:
    folder = Path.cwd() / "reports"
    folder.mkdir()
    told: list[Event] = []

    def observe(event: Event) -> None:
        told.append(event)
        if event == Started("manifest"):
            folder.rmdir()

    summary = load(faulty.folder, "./there", report_file=folder / "report.html", observer=observe)
    assert (summary.complete, summary.report_file) == (True, "")
    assert any(isinstance(event, Warned) and "could not be written" in event.message for event in told)


def test_the_command_writes_a_report_unless_told_otherwise(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2})
    ran = run("load", dataset.folder, "./there", "--json")
    assert ran.summary["report_file"] == "laden-report.html"
    assert Shown(page("laden-report.html")).sums[1][0] == (2, "images")
    page("laden-report.html").unlink()
    assert run("load", dataset.folder, "./there", "--report", "none").code == 0
    assert not page("laden-report.html").exists()


def test_the_verb_tells_a_destination_from_a_source(faulty: Dataset) -> None:
    load(faulty.folder, "./there")
    assert run("report", "./there", "-o", "of-there.html").code == 0
    assert len(Shown(page("of-there.html")).sums) == 2
    ran = run("report", faulty.folder, "--archives", "0,1", "--output", "of-source.html", "--json")
    assert (ran.code, ran.summary["command"]) == (3, "check")
    assert [line[0] for line in Shown(page("of-source.html")).table("Images per archive")] == ["0.zip", "1.zip"]
    wrong = run("report", "./there", "--archives", "0")
    assert wrong.code == 2
    assert "--archives is for sources" in wrong.err


def test_no_report_holds_a_secret(faulty: Dataset, container: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="
    with pytest.raises(LadenError):
        load(faulty.folder, f"{container}?sv=2021-08-06&sig={key}&sp=rcwl", report_file=page())
    load(faulty.folder, container, report_file=page())
    assert "sig=" not in page().read_text()


def test_every_code_has_a_meaning() -> None:
    assert sorted(code for code in codes_given() if code not in meanings()) == []
    assert meanings()["png-no-iend"].meaning.startswith("it ends between chunks")
    assert meanings()["member-encrypted"].advice == "unpack it with the tool that made it, load the folder"


def test_the_real_table_is_counted_as_it_is(padchest_table: Path) -> None:
    profile = known_profile("padchest")
    assert profile is not None
    assert profile.table is not None
    with Relations() as relations:
        table = Table.open(padchest_table).hold(relations.folder)
        charted = read_charts(relations, table, profile.table)
        projection, labels = count_columns(relations, [charted], "")
    assert dict(projection.values) == {
        "PA": 91_728, "L": 49_579, "AP_horizontal": 14_346, "AP": 4_559, "COSTAL": 630, "EXCLUDE": 11, "UNK": 8,
    }  # fmt: skip
    assert labels.different == 193
    assert labels.values[0].name == "normal"


def test_bins_hold_every_value_once() -> None:
    for values in ([5], [0, 7, 7], list(range(612, 4281)), [0, 1_000_000_007], [3, 900, 12_000_000], [1, 10**18]):
        bins = binned([(value, 1) for value in values], limits(values))
        assert sum(one.number for one in bins) == len(values)
        assert len(bins) <= 20
        for one in bins:
            assert one.number == sum(one.low <= value < one.high for value in values)


def test_the_moments_of_a_long_transfer_are_thinned_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0
    monkeypatch.setattr("laden.report.watch.time.monotonic", lambda: clock)
    watch = Watch()
    watch.see(Started("transfer"))
    for number in range(50_000):
        clock += 0.2
        watch.see(Progress(number, 50_000, number * 1000, 50_000_000, clock, 0))
    moments = watch.speed().moments
    assert 100 < len(moments) <= 1_001
    gaps = [later[0] - sooner[0] for sooner, later in pairwise(moments)]
    assert max(gaps) < 100
    assert moments[-1][0] > 9_900


def test_a_decoder_that_dies_is_a_warning_and_the_page_is_written(
    faulty: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("laden.dataset.images.child._PROGRAM", "import os; os.abort() # {memory_bytes}")
    seen: list[Event] = []
    summary = load(faulty.folder, "./there", report_file=page(), observer=seen.append)
    told = [event.message for event in seen if isinstance(event, Warned)]
    assert len(told) == 3, "it is not tried for ever"
    assert all("the report does not show png/" in text for text in told)
    assert told[-1].endswith("no more images are drawn")
    assert summary.report_file == str(page())
    assert Shown(page()).pictures() == {}


@pytest.mark.parametrize("fate", [*(one.value for one in Outcome), "pending", "there", "changed", "deleted"])
def test_whatever_became_of_an_image_can_be_drawn(fate: str) -> None:
    facts = Facts(
        "t", "t.csv", Summary("load", rows=1, images=1), (Count(fate, 1),), (), (), None, (), Speed((), (), 0.0),
        Gallery(), "now", "0",
    )  # fmt: skip
    assert FATES[fate] in render(facts)


def test_a_load_that_holds_images_back_says_so_in_its_report(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source/a.dcm").write_bytes(dicom(RAW))
    told = load(tmp_path / "source", "./there", phi="stop", report_file=page())
    assert (told.exit_code, told.held, told.report_file) == (3, 1, str(page()))
    assert Shown(page()).sums[-1] == [(1, "images"), (1, FATES["held"])]


@pytest.mark.parametrize(
    "broken",
    [
        "laden.report.page.render",
        "laden.report.gallery.choose",
        "laden.report.gallery.likely",
        "laden.report.watch.Watch.see",
        "laden.report.gather.fates",
    ],
)
def test_a_mistake_in_drawing_changes_nothing_about_how_a_run_ends(
    broken: str, faulty: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("a label of somebody")

    monkeypatch.setattr(broken, fail)
    for ran in (
        lambda tell: load(faulty.folder, "./there", report_file=page(), observer=tell),
        lambda tell: verify("./there", report_file=page("of-there.html"), observer=tell),
    ):
        told: list[Event] = []
        summary = ran(told.append)
        assert (told[-1], summary.complete) == (summary, True)
        assert "somebody" not in repr(told)
        warned = [event.message for event in told if isinstance(event, Warned) and "bug" in event.message]
        assert len(warned) == (not summary.report_file)
        assert all("KeyError in test_report.py" in sentence for sentence in warned)
    assert not page().exists()
