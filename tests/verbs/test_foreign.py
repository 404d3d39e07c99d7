"""What strangers have, from end to end: what is loaded, what is told, how it ends."""

import csv
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import pytest

from laden.stages.nearness import difference
from laden.values.errors import LadenError, SourceError, UsageError
from laden.values.events import Event, Found, PlanReady, Summary
from laden.verbs.check import check
from laden.verbs.load import load
from tests.support.dataset import Dataset, make_dataset, tiny_png
from tests.support.zips import FAT, Made, Zip, unicode_path

FILES = {"profile": "files"}


class Told:
    """Every event of a run, and how it ended."""

    def __init__(self, source: Path, there: Path | None = None, **asked: Any) -> None:
        self.events: list[Event] = []
        self.error: LadenError | None = None
        try:
            if there is None:
                check(source, observer=self.events.append, **asked)
            else:
                load(source, str(there), observer=self.events.append, **asked)
        except LadenError as error:
            self.error = error
        assert isinstance(self.events[-1], Summary)
        self.summary = self.events[-1]

    @property
    def codes(self) -> dict[str, int]:
        return self.summary.findings

    def message(self, code: str) -> str:
        return next(one.finding.message for one in self.events if isinstance(one, Found) and one.finding.code == code)

    @property
    def plan(self) -> PlanReady:
        return next(one for one in self.events if isinstance(one, PlanReady))


def rewrite(dataset: Dataset, **columns: Any) -> None:
    """Change cells of every row: a function for each column."""
    with dataset.table.open(newline="") as file:
        header, *records = csv.reader(file)
    for record in records:
        for column, change in columns.items():
            place = header.index(column)
            record[place] = change(record[place])
    with dataset.table.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *records])


def landed(there: Path) -> set[str]:
    paths = (path for path in there.rglob("*") if path.is_file())
    return {
        name
        for path in paths
        if not (name := path.relative_to(there).as_posix()).startswith((".laden", "_laden", ".azc"))
    }


# Nothing is passed over in silence


def test_what_lies_beside_is_told_and_the_exit_code_says_so(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "a.png").write_bytes(tiny_png(1))
    (source / "sub/b.png").symlink_to("nowhere")
    (source / "0.zip.part").write_bytes(b"PK")
    told = Told(source, tmp_path / "there", **FILES)
    assert told.codes == {"link-broken": 1, "archive-unfinished": 1}
    assert (told.summary.exit_code, told.summary.sent) == (3, 1)
    again = Told(source, tmp_path / "other", exclude=["*.part", "sub"], **FILES)
    assert (again.summary.exit_code, again.codes, again.summary.excluded, again.plan.excluded) == (0, {}, 2, 2)


def test_own_lists_and_reports_are_never_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.png").write_bytes(tiny_png(1))
    monkeypatch.chdir(source)
    for sent in (1, 0, 0):
        told = Told(
            Path(), tmp_path / "there", findings_file="laden-findings.csv", report_file="laden-report.html", **FILES
        )
        assert (told.summary.exit_code, told.summary.sent) == (0, sent)
    assert landed(tmp_path / "there") == {"a.png"}


def test_files_of_unknown_kind_beside_a_table_are_counted(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2})
    for name in ("readme.txt", "notes.txt", "model.onnx", "0.zip.unzip-l.txt.md5", "SHA256SUMS"):
        (dataset.folder / name).write_bytes(b"")
    told = Told(dataset.folder)
    assert told.codes["file-ignored"] == 1
    assert told.message("file-ignored").startswith("3 files are no images of the dataset (2 .txt, 1 .onnx)")
    assert told.summary.exit_code == 0


def test_an_archive_behind_a_broken_link_is_not_to_be_downloaded(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2, "1": 3})
    (dataset.folder / "1.zip").unlink()
    (dataset.folder / "1.zip").symlink_to("/media/unmounted/1.zip")
    told = Told(dataset.folder)
    assert told.codes == {"link-broken": 1}
    assert (told.summary.missing, told.summary.exit_code) == (3, 3)
    assert told.plan.archives_absent == ()


@pytest.mark.parametrize("cut", [True, False])
def test_a_second_download_is_named_beside_a_cut_or_absent_one(tmp_path: Path, cut: bool) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2, "1": 3})
    whole = (dataset.folder / "1.zip").read_bytes()
    (dataset.folder / "1.zip.1").write_bytes(whole)
    if cut:
        (dataset.folder / "1.zip").write_bytes(whole[:-100])
    else:
        (dataset.folder / "1.zip").unlink()
    told = Told(dataset.folder)
    assert told.codes == {"archive-lookalike": 1, **({"archive-truncated": 1} if cut else {})}
    assert "1.zip.1 beside it looks like" in told.message("archive-truncated") if cut else True
    assert told.summary.exit_code == 3


def test_an_archive_with_a_password_is_the_cause_and_told_once(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2, "1": 25})
    with zipfile.ZipFile(dataset.folder / "1.zip") as archive:
        names = archive.namelist()
    Zip([Made(name.encode(), b"x" * 20, flags=1) for name in names]).write(dataset.folder / "1.zip")
    told = Told(dataset.folder)
    assert told.codes == {"archive-encrypted": 1}
    assert told.summary.missing == 25


def test_all_members_refused_is_the_source_s_fault(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number, member in enumerate(
        [
            Made(b"a.png", b"x", flags=1),
            Made(b"a.png", b"x", method=12),
            Made(b"../a.png", b"x"),
            Made(b"l", b"x", mode=0o120777),
        ]
    ):
        Zip([member, Made(b"../b.png", b"y")] if number else [member]).write(source / "0.zip")
        for asked in (FILES, {}):
            told = Told(source, tmp_path / "there", **asked)
            assert isinstance(told.error, SourceError)
            assert told.summary.exit_code == 5
    dataset = make_dataset(tmp_path / "table", {"0": 2})
    with zipfile.ZipFile(dataset.folder / "0.zip") as archive:
        names = archive.namelist()
    Zip([Made(name.encode(), b"x", method=12) for name in names]).write(dataset.folder / "0.zip")
    told = Told(dataset.folder, tmp_path / "there")
    assert told.summary.exit_code == 5
    assert "see the findings on its members" in told.summary.message


def test_a_source_without_a_table_is_told_as_one(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.png").write_bytes(tiny_png(1))
    told = Told(source)
    assert told.codes == {"table-unrecognised": 1}
    (source / "readings.csv").write_text("id,label\n1,x\n")
    told = Told(source)
    assert "readings.csv looks like a table" in told.message("table-unrecognised")
    assert "laden init" in told.message("table-unrecognised")
    assert told.summary.exit_code == 0
    assert Told(source, **FILES).codes == {}


# Globs


def test_rows_whose_images_are_left_out_are_not_missing(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3, "1": 2})
    first = next(iter(dataset.rows))
    told = Told(dataset.folder, tmp_path / "a", exclude=[first])
    assert (told.summary.exit_code, told.summary.rows, told.summary.missing, told.summary.excluded) == (0, 4, 0, 1)
    assert landed(tmp_path / "a") == {name for name in dataset.blobs if not name.endswith(first)} | {
        path for path in landed(tmp_path / "a") if path.endswith(".csv")
    }
    told = Told(dataset.folder, tmp_path / "b", exclude=["1.zip"])
    assert (told.summary.exit_code, told.summary.rows, told.summary.missing) == (0, 3, 0)
    told = Told(dataset.folder, tmp_path / "c", include=[first])
    assert (told.summary.exit_code, told.summary.rows, told.summary.sent) == (0, 1, 1)
    told = Told(dataset.folder, tmp_path / "d", include=["*.tif"])
    assert isinstance(told.error, UsageError)
    assert "--exclude and --include leave nothing" in told.summary.message


# Names


def test_names_that_windows_and_archivers_write_meet_their_rows(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3})
    contents = [(name, dataset.members["0.zip", name]) for name in dataset.rows]
    (one, first), (two, second), (three, third) = contents
    Zip(
        [
            Made(f"png\\{one}".encode(), first, host=FAT),
            Made(f"./{two}".encode(), second),
            Made(b"x.png", third, extra=unicode_path(b"x.png", three)),
        ]
    ).write(dataset.folder / "0.zip")
    told = Told(dataset.folder, tmp_path / "there")
    assert (told.summary.exit_code, told.summary.matched, told.codes) == (0, 3, {})
    assert set(dataset.blobs) <= landed(tmp_path / "there")


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_a_name_is_one_in_any_unicode_form(tmp_path: Path, forms: tuple[str, str]) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2})
    in_table, in_zip = (lambda name, form=form: unicodedata.normalize(form, f"tórax_{name}") for form in forms)
    rewrite(dataset, ImageID=in_table)
    Zip([Made(in_zip(name).encode(), dataset.members["0.zip", name], flags=0x800) for name in dataset.rows]).write(
        dataset.folder / "0.zip"
    )
    told = Told(dataset.folder, tmp_path / "there")
    assert (told.summary.exit_code, told.summary.matched, told.codes) == (0, 2, {})


def test_names_without_encoding_meet_their_rows_when_it_is_named(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 2})
    rewrite(dataset, ImageID=lambda name: f"胸部_{name}")
    Zip(
        [Made(f"胸部_{name}".encode("cp932"), dataset.members["0.zip", name], host=FAT) for name in dataset.rows]
    ).write(dataset.folder / "0.zip")
    assert Told(dataset.folder).codes["names-encoding"] == 1
    told = Told(dataset.folder, tmp_path / "there", names="cp932")
    assert (told.summary.exit_code, told.summary.matched, told.codes) == (0, 2, {})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda name: name.removesuffix(".png"), "lacks the ending .png"),
        (lambda name: f"images/{name}", "the table's has a folder"),
        (lambda name: f"C:\\scans\\{name}", "backslashes, as on Windows"),
        (lambda name: name.replace(".png", ".dcm"), "the endings differ, .dcm and .png"),
    ],
)
def test_images_that_are_here_under_other_names_are_shown(tmp_path: Path, change: Any, reason: str) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3})
    first = next(iter(dataset.rows))
    with zipfile.ZipFile(dataset.folder / "0.zip", "w") as archive:
        for name in dataset.rows:
            archive.writestr(f"a{name}", dataset.members["0.zip", name])
    rewrite(dataset, ImageID=lambda name: change(f"a{name}"))
    told = Told(dataset.folder, tmp_path / "there")
    assert told.summary.exit_code == 5
    assert told.codes["names-differ"] == 1
    assert reason in told.summary.message
    assert f"the table says '{change(f'a{first}')}', 0.zip has 'a{first}'" in told.summary.message


def test_images_that_are_really_missing_are_not_near_others(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 3}, missing=2, stray=2)
    assert set(Told(dataset.folder).codes) == {"image-missing", "image-stray"}


@pytest.mark.parametrize(
    ("name", "member", "said"),
    [
        ("a", "x/a.png", "the table's lacks the ending .png"),
        ("d/a.png", "a.png", "the table's has a folder"),
        ("d\\a", "A.nii.gz", "backslashes, as on Windows; the table's lacks the ending .nii.gz; capital"),
        ("a.png", "a", "the table's has an ending, .png"),
        ("torax.png", "tórax.png", "accents"),
        ("a.PNG", "x/a.png", "the endings differ in capital and small letters"),
        ("A.PNG", "a.png", "capital and small letters differ"),
        ("a.png", "a.png", "they lie in other folders"),
    ],
)
def test_what_differs_in_words(name: str, member: str, said: str) -> None:
    assert said in difference(name, member)
