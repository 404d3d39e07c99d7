"""What is at a source: the real table against archives, tables and archives of every sorry kind, selections."""

import csv
import gzip
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from laden.dataset.source import Scope
from laden.relations import Relations
from laden.run.findings import FindingLog
from laden.stages.plan import Plan
from laden.stages.survey import Choice, Survey, survey
from laden.values.errors import SourceError, UsageError
from laden.values.events import Event, ignore
from tests.support.dataset import Dataset, make_dataset, tiny_png

pytest_plugins = ("tests.support.padchest",)

HOMES = [f"{number}.zip" for number in (*range(12), 54, *range(12, 51))]
"""The archives in the order of the real table's rows."""


class Surveyed:
    """One survey, and the relations it filled."""

    def __init__(self, relations: Relations) -> None:
        self.relations = relations
        self.log = FindingLog(None, ignore)

    def look(self, *sources: Path, choice: Choice | None = None) -> Survey:
        return survey(list(sources), choice or Choice(), self.relations, self.log, ignore)

    def rows(self, columns: str = "name, home, blob, selected") -> list[tuple[object, ...]]:
        return list(self.relations.stream(f"SELECT {columns} FROM rows ORDER BY row"))

    def entries(self, columns: str = "archive, member, home, blob") -> list[tuple[object, ...]]:
        return list(self.relations.stream(f"SELECT {columns} FROM entries ORDER BY id"))


@pytest.fixture
def surveyed() -> Iterator[Surveyed]:
    with Relations() as relations:
        yield Surveyed(relations)


@pytest.fixture(scope="module")
def padchest(padchest_table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real table beside two archives of tiny images under real names: the first 3 of 0.zip, the one of 50.zip."""
    folder = tmp_path_factory.mktemp("padchest")
    (folder / padchest_table.name).symlink_to(padchest_table)
    with gzip.open(padchest_table, "rt", newline="") as file:
        records = [record[1:3] for record in csv.reader(file)][1:]
    for home, count in (("0", 3), ("50", 9)):
        with zipfile.ZipFile(folder / f"{home}.zip", "w") as archive:
            for number, name in enumerate([name for name, own in records if own == home][:count]):
                archive.writestr(name, tiny_png(number))
    return folder


def test_the_real_table_without_archives(surveyed: Surveyed, padchest_table: Path) -> None:
    looked = surveyed.look(padchest_table)
    assert (looked.profile.name, looked.absent, looked.unreadable) == ("padchest", tuple(HOMES), ())
    counts = Counter(home for (home,) in surveyed.rows("home"))
    assert (sum(counts.values()), len(counts)) == (160_861, 52)
    assert (counts["54.zip"], counts["50.zip"], counts["6.zip"], counts["7.zip"]) == (4_297, 1, 1_645, 2_742)
    assert all(counts[f"{number}.zip"] in (3_217, 3_218) for number in range(13, 50))
    distinct, usable = surveyed.relations.one("SELECT count(DISTINCT blob), count(*) FILTER (usable) FROM rows")
    assert (distinct, usable) == (160_861, 160_861)
    assert surveyed.log.counts == {}
    plan = Plan(surveyed.relations, send_strays=False, replace=False, documents=[])
    told = plan.summary(profile="", table="", absent=looked.absent)
    assert (told.rows, told.matched, told.missing, told.images) == (160_861, 0, 160_861, 0)
    found = list(plan.findings(looked.absent, looked.unreadable))
    assert [(finding.code, finding.archive) for finding in found] == [("archive-absent", home) for home in HOMES]


def test_the_real_table_with_two_archives(surveyed: Surveyed, padchest: Path) -> None:
    looked = surveyed.look(padchest, choice=Choice(archives="0,50", scope=Scope(follow_links=True)))
    assert (looked.absent, surveyed.log.counts) == ((), {})
    plan = Plan(surveyed.relations, send_strays=False, replace=False, documents=[])
    told = plan.summary(profile="", table="", absent=())
    (rows_of_0,) = surveyed.relations.one("SELECT count(*) FROM rows WHERE home = '0.zip'")
    assert (told.rows, told.matched, told.missing, told.stray) == (rows_of_0 + 1, 4, rows_of_0 - 3, 0)
    codes = Counter(finding.code for finding in plan.findings((), ()))
    assert codes == {"image-missing": rows_of_0 - 3}
    assert all(item.blob.startswith(("png/0/", "png/50/")) for item in plan.items())


def test_a_selection_of_the_real_table_has_as_many_rows_as_published(surveyed: Surveyed, padchest_table: Path) -> None:
    looked = surveyed.look(padchest_table, choice=Choice(archives="54"))
    assert surveyed.relations.one("SELECT count(*) FROM rows WHERE selected") == (4_297,)
    assert looked.absent == ("54.zip",)


def test_rows_and_entries_of_a_dataset(surveyed: Surveyed, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path, {"0": 2, "54": 1}, stray=1, junk=True)
    looked = surveyed.look(tmp_path)
    assert (looked.profile.name, looked.root, looked.table and looked.table.path) == (
        "padchest",
        tmp_path.resolve(),
        tmp_path.resolve() / dataset.table.name,
    )
    assert surveyed.rows() == [(name, f"{home}.zip", f"png/{home}/{name}", True) for name, home in dataset.rows.items()]
    images = {place for place in dataset.members if place not in dataset.junk}
    assert {(archive, member) for archive, member, *_ in surveyed.entries()} == images
    assert all(blob == f"png/{home[:-4]}/{member}" for _, member, home, blob in surveyed.entries())  # type: ignore[index]
    assert surveyed.log.counts == {"junk-ignored": 1}


def test_only_the_archives_asked_for_are_opened(surveyed: Surveyed, tmp_path: Path) -> None:
    make_dataset(tmp_path, {"0": 2, "1": 2})
    (tmp_path / "1.zip").write_bytes(b"not a zip at all")
    looked = surveyed.look(tmp_path, choice=Choice(archives="0"))
    assert looked.unreadable == ()
    assert {archive for archive, *_ in surveyed.entries()} == {"0.zip"}
    assert [row[3] for row in surveyed.rows()] == [True, True, False, False]


@pytest.mark.parametrize(
    ("archives", "match"),
    [
        ("7", "selects no row.*though the dataset has such archives"),
        ("99", "selects no row.* are 0, 1, .*, 50, 54$"),
        ("1-0", "no range"),
        ("", "no range"),
    ],
)
def test_archives_that_select_nothing_are_an_error(
    surveyed: Surveyed, tmp_path: Path, archives: str, match: str
) -> None:
    make_dataset(tmp_path, {"0": 1})
    with pytest.raises(UsageError, match=match):
        surveyed.look(tmp_path, choice=Choice(archives=archives))


def test_a_table_without_rows_is_an_error(surveyed: Surveyed, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path, {"0": 1})
    dataset.table.write_bytes(dataset.table.read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(UsageError, match="has no rows"):
        surveyed.look(tmp_path)


def test_one_archive_of_several_cannot_be_read(surveyed: Surveyed, tmp_path: Path) -> None:
    make_dataset(tmp_path, {"0": 1, "1": 1})
    (tmp_path / "1.zip").write_bytes(b"<html>")
    looked = surveyed.look(tmp_path)
    assert (looked.unreadable, looked.absent) == (("1.zip",), ())
    assert surveyed.log.counts == {"archive-html": 1}
    assert surveyed.log.needs_person


def test_no_archive_can_be_read(surveyed: Surveyed, tmp_path: Path) -> None:
    make_dataset(tmp_path, {"0": 1})
    (tmp_path / "0.zip").write_bytes(b"")
    with pytest.raises(SourceError, match=r"0\.zip is empty"):
        surveyed.look(tmp_path)


def test_a_row_with_a_wrong_number_of_fields_is_told_and_counted(surveyed: Surveyed, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path, {"0": 2})
    with dataset.table.open("ab") as file:
        file.write(b"2,lost.png\n")
    surveyed.look(tmp_path)
    assert surveyed.log.counts == {"row-fields": 1}
    assert surveyed.relations.one("SELECT count(*), count(*) FILTER (usable) FROM rows WHERE selected") == (3, 2)


def test_a_row_that_no_blob_can_be_called_after_is_told(surveyed: Surveyed, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path, {"0": 2})
    evil = dataset.table.read_bytes().replace(next(iter(dataset.rows)).encode(), b"../../escape.png")
    dataset.table.write_bytes(evil)
    surveyed.look(tmp_path)
    assert surveyed.log.counts == {"row-name": 1}
    assert [row[2] is None for row in surveyed.rows()] == [True, False]


def test_an_extracted_tree_has_the_same_blobs(surveyed: Surveyed, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "zips", {"0": 2, "1": 1})
    tree = _extracted(dataset, tmp_path / "tree")
    (tree / "LICENSE.txt").write_text("not an image")
    surveyed.look(tree)
    assert {blob for *_, blob in surveyed.entries()} == set(dataset.blobs)
    assert all(crc32 is None and mtime_ns for crc32, mtime_ns in surveyed.entries("crc32, mtime_ns"))


def test_archives_select_from_an_extracted_tree_too(surveyed: Surveyed, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "zips", {"0": 2, "1": 1})
    surveyed.look(_extracted(dataset, tmp_path / "tree"), choice=Choice(archives="1"))
    assert [home for *_, home in surveyed.entries("member, home")] == ["1.zip"]


def _extracted(dataset: Dataset, tree: Path) -> Path:
    for name in dataset.archives:
        with zipfile.ZipFile(dataset.folder / f"{name}.zip") as archive:
            archive.extractall(tree / "png" / name)
    (tree / dataset.table.name).write_bytes(dataset.table.read_bytes())
    return tree


def test_other_csv_files_are_no_obstacle(surveyed: Surveyed, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path, {"0": 1})
    (tmp_path / "a-notes.csv").write_bytes(b"")
    (tmp_path / "z-notes.csv").write_bytes(b'"never closed')
    looked = surveyed.look(tmp_path)
    assert looked.table is not None
    assert looked.table.name == dataset.table.name


def test_a_table_that_is_called_so_and_cannot_be_read_is_an_error(surveyed: Surveyed, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path, {"0": 1})
    dataset.table.write_bytes(b"")
    with pytest.raises(SourceError, match="is empty"):
        surveyed.look(tmp_path)


def test_a_profile_without_its_table_is_an_error(surveyed: Surveyed, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path, {"0": 1})
    dataset.table.unlink()
    with pytest.raises(UsageError, match="name it with --table"):
        surveyed.look(tmp_path, choice=Choice(profile="padchest"))


def test_a_table_no_profile_knows_is_an_error(surveyed: Surveyed, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="no profile knows the columns"):
        surveyed.look(tmp_path, choice=Choice(table=tmp_path / "x.csv"))


def test_a_layout_may_use_any_column_and_no_other(surveyed: Surveyed, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path, {"0": 1})
    surveyed.look(tmp_path, choice=Choice(layout="{Modality_DICOM}/{ImageDir}/{ImageID}"))
    assert surveyed.rows("blob") == [(f"DX/0/{next(iter(dataset.rows))}",)]
    with pytest.raises(UsageError, match="which is no column"):
        surveyed.look(tmp_path, choice=Choice(layout="{Modality}/{ImageID}"))


def test_names_match_in_any_case_and_land_as_the_table_has_them(surveyed: Surveyed, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path, {"0": 1})
    name = next(iter(dataset.rows))
    with zipfile.ZipFile(tmp_path / "0.zip", "w") as archive:
        archive.writestr(name.upper(), tiny_png(1))
    surveyed.look(tmp_path)
    plan = Plan(surveyed.relations, send_strays=False, replace=False, documents=[])
    assert [item.blob for item in plan.items()] == [f"png/0/{name}"]


def test_stages_are_told(tmp_path: Path) -> None:
    make_dataset(tmp_path, {"0": 1})
    told: list[Event] = []
    with Relations() as relations:
        survey([tmp_path], Choice(), relations, FindingLog(None, ignore), told.append)
    assert [getattr(event, "stage", "") for event in told] == ["source", "table", "archives"]
