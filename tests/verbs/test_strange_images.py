"""Whatever images declare, whatever nobody can look into, and whoever they name: what a run does and tells."""

import csv
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

import laden
from laden import LadenError
from laden.cli.terminal import Terminal
from laden.values.events import Event, Found, PlanReady, Warned
from laden.verbs import load as loading
from tests.dataset.test_images_identity import SECRET, headed
from tests.dataset.test_images_other import GOOD_DICOMS
from tests.support import png
from tests.support.volumes import nifti, packed

load, check = partial(laden.load, profile="files"), partial(laden.check, profile="files")

TOO_LARGE = png.encode([png.header(width=1 << 31, height=(1 << 32) - 1), *png.chunks()[1:]])


def written(folder: Path, **files: bytes) -> Path:
    """A folder with those files; `__` in a name is a dot."""
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name.replace("__", ".")).write_bytes(data)
    return folder


def states(destination: Path) -> dict[str, tuple[str, str]]:
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT blob, kind, state FROM '{destination}/_laden/manifest.parquet'").fetchall()
    return {blob: (kind, state) for blob, kind, state in rows}


def test_a_png_that_claims_two_thousand_million_pixels_a_line_ends_no_run(tmp_path: Path) -> None:
    source = written(tmp_path / "source", a__png=TOO_LARGE, b__png=png.encode(png.chunks()))
    told = check(source, images="structure")
    assert (told.exit_code, told.findings) == (3, {"png-header": 1})
    for sent in (2, 0):
        told = load(source, str(tmp_path / "out"))
        assert (told.exit_code, told.sent, told.complete, told.findings) == (3, sent, True, {"png-header": 1})
    assert states(tmp_path / "out")["a.png"] == ("png", "png-header")


def test_a_file_of_the_year_2300_is_loaded_once(tmp_path: Path) -> None:
    source = written(tmp_path / "source", a__png=png.encode(png.chunks()))
    late_ns = 10_413_792_000 * 10**9
    os.utime(source / "a.png", ns=(late_ns, late_ns))
    if (source / "a.png").stat().st_mtime_ns != late_ns:
        pytest.skip("this file system knows no such times")
    assert late_ns >= 1 << 63
    for sent in (1, 0):
        told = load(source, str(tmp_path / "out"))
        assert (told.exit_code, told.sent, told.already_there) == (0, sent, 1 - sent)


UNKNOWN = {"a__nrrd": b"NRRD0004\n", "b__NRRD": b"NRRD0005\n", "README": b"Read me. " * 30, "c__mha": b"ObjectType"}


def test_what_nobody_looked_into_is_counted_told_and_never_whole(tmp_path: Path) -> None:
    source = written(tmp_path / "source", d__png=png.encode(png.chunks()), **UNKNOWN)
    for told in (check(source, images="pixels"), load(source, str(tmp_path / "out"))):
        assert (told.exit_code, told.unseen, told.findings) == (0, 4, {"image-unseen": 1})
    found = states(tmp_path / "out")
    assert found.pop("d.png") == ("png", "whole")
    assert set(found.values()) == {("", "unseen")}
    assert load(source, str(tmp_path / "out")).findings == {"image-unseen": 1}, "also of what is there already"


def test_the_finding_says_how_many_of_what_kind(tmp_path: Path) -> None:
    events: list[Event] = []
    check(written(tmp_path / "source", **UNKNOWN), images="structure", observer=events.append)
    (found,) = [event.finding for event in events if isinstance(event, Found)]
    assert "4 files were not looked into: .nrrd (2), without an ending (1), .mha (1);" in found.message


def test_where_nobody_was_to_look_nothing_is_told_of_it(tmp_path: Path) -> None:
    source = written(tmp_path / "source", **UNKNOWN)
    assert check(source).findings == load(source, str(tmp_path / "out"), images="none").findings == {}


def test_a_verdict_claims_what_was_looked_into(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = written(tmp_path / "source", d__png=png.encode(png.chunks()), **UNKNOWN)
    check(source, images="structure", observer=Terminal(quiet=True, verbose=False).show)
    assert "1 image looked into, 4 files not: nobody knows whether they are whole." in capsys.readouterr().out
    (source / "README").unlink()
    for name in ("a.nrrd", "b.NRRD", "c.mha"):
        (source / name).unlink()
    check(source, images="structure", observer=Terminal(quiet=True, verbose=False).show)
    assert "1 image looked into, and whole." in capsys.readouterr().out


def test_gzip_data_are_held_against_their_own_checksum(tmp_path: Path) -> None:
    good = packed(nifti(bytes(48)))
    wrong = good[:-8] + b"\1\2\3\4" + good[-4:]
    source = written(tmp_path / "source", a__nii__gz=good, b__nii__gz=wrong, notes__txt__gz=wrong[:-4])
    told = load(source, str(tmp_path / "out"))
    assert (told.exit_code, told.findings, told.damaged) == (3, {"gzip-damaged": 1, "gzip-truncated": 1}, 2)
    assert states(tmp_path / "out") == {
        "a.nii.gz": ("nifti", "whole"),
        "b.nii.gz": ("nifti", "gzip-damaged"),
        "notes.txt.gz": ("gzip", "gzip-truncated"),
    }


NAMED = headed(PatientName=SECRET, PatientID="4711-0815", InstitutionName="Hospital Quux")
FIELDS = "PatientName, PatientID, InstitutionName"


@pytest.fixture
def patients(tmp_path: Path) -> Path:
    return written(tmp_path / "source", a__dcm=NAMED, b__dcm=headed(), c__png=png.encode(png.chunks()))


def all_texts(tmp_path: Path, events: list[Event]) -> str:
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix in (".csv", ".html", ".json")]
    return repr(events) + "".join(path.read_text("utf-8") for path in outside)


def test_by_itself_it_is_a_warning_before_the_question_and_a_finding_of_each_image(
    patients: Path, tmp_path: Path
) -> None:
    events: list[Event] = []
    before: list[list[Event]] = []

    def agree(_: PlanReady) -> bool:
        before.append(list(events))
        return True

    told = load(
        patients, str(tmp_path / "out"), confirm=agree, observer=events.append,
        findings_file=tmp_path / "f.csv", report_file=tmp_path / "page.html",
    )  # fmt: skip
    (warning,) = [event.message for event in before[0] if isinstance(event, Warned)]
    assert warning.startswith("1 of 2 DICOM headers that were looked at may say who a person is: PatientName (1), ")
    assert (told.exit_code, told.sent, told.findings) == (0, 3, {"dicom-identity": 1})
    with (tmp_path / "f.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["message"] == f"its header may say who a person is: {FIELDS}"
    assert (row["severity"], row["member"]) == ("warning", "a.dcm")
    for value in (SECRET, "4711-0815", "Hospital Quux"):
        assert value not in all_texts(tmp_path, events)


def test_with_stop_such_an_image_stays_here(patients: Path, tmp_path: Path) -> None:
    for sent in (2, 0):
        told = load(patients, str(tmp_path / "out"), phi="stop")
        assert (told.exit_code, told.sent, told.held, told.damaged) == (3, sent, 1, 0)
        assert told.findings == {"dicom-identity": 1}
    assert sorted(path.name for path in (tmp_path / "out").glob("*.*")) == ["b.dcm", "c.png"]
    assert SECRET.encode() not in b"".join(
        path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()
    )


def test_with_stop_no_block_of_a_large_one_leaves_either(
    patients: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from laden.store.folder import FolderStore

    blocks: list[str] = []
    real = FolderStore.put_block

    async def put_block(self: FolderStore, name: str, *more: Any) -> None:
        blocks.append(name)
        await real(self, name, *more)

    settings: Callable[..., Any] = loading.Settings
    monkeypatch.setattr(loading, "Settings", lambda **given: settings(**given, single_put_bytes=1000, block_bytes=1000))
    monkeypatch.setattr(FolderStore, "put_block", put_block)
    told = load(patients, str(tmp_path / "out"), phi="stop")
    assert (told.exit_code, told.sent, told.held) == (3, 2, 1)
    assert set(blocks) == {"b.dcm"}


def test_with_off_nobody_looks(patients: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    told = load(patients, str(tmp_path / "out"), phi="off", observer=events.append)
    assert (told.exit_code, told.findings) == (0, {})
    assert [event for event in events if isinstance(event, Warned)] == []


@pytest.mark.parametrize(("phi", "code"), [("warn", 0), ("stop", 3), ("off", 0)])
def test_where_nothing_is_read_a_sample_of_headers_tells(patients: Path, tmp_path: Path, phi: Any, code: int) -> None:
    ran = [lambda: check(patients, phi=phi), lambda: load(patients, str(tmp_path / "out"), phi=phi, dry_run=True)]
    for told in (one() for one in ran):
        assert (told.exit_code, told.findings) == (code, {} if phi == "off" else {"dicom-identity": 1})
    assert not (tmp_path / "out").exists()


def test_the_sample_is_a_few_hundred_of_any_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from laden.dataset.source import Reader

    source = written(tmp_path / "source", **{f"{number}__dcm": NAMED for number in range(450)})
    read: list[str] = []
    real = Reader.read

    def counted(self: Reader, entry: Any, chunk_bytes: int) -> Any:
        read.append(entry.member)
        return real(self, entry, chunk_bytes)

    monkeypatch.setattr(Reader, "read", counted)
    check(source)
    assert 100 <= len(read) <= 200
    assert {int(name[:-4]) // 100 for name in read} == {0, 1, 2, 3, 4}, "they are spread"


def test_a_check_that_reads_tells_each_image(patients: Path) -> None:
    assert check(patients, images="structure").findings == {"dicom-identity": 1}
    assert check(patients, images="pixels", phi="stop").exit_code == 3


def test_stop_without_a_look_is_refused(patients: Path, tmp_path: Path) -> None:
    with pytest.raises(LadenError, match="--images none looks at none"):
        load(patients, str(tmp_path / "out"), phi="stop", images="none")
    wrong: Any = "never"
    with pytest.raises(LadenError, match="phi is 'never': give one of warn, stop, off"):
        check(patients, phi=wrong)


def test_a_sample_that_cannot_be_read_is_told_when_it_is_sent(tmp_path: Path) -> None:
    source = written(tmp_path / "source", a__dcm=NAMED[:300], b__dcm=bytes(500), c__dcm=GOOD_DICOMS["explicit"])
    told = check(source)
    assert told.findings == {"dicom-identity": 1}


@pytest.mark.parametrize("kept_by", ["both", "manifest", "blobs"])
def test_what_was_told_once_is_told_by_every_later_load(
    patients: Path, tmp_path: Path, kept_by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    if kept_by == "manifest":
        # As earlier versions described a blob.
        monkeypatch.setattr("laden.dataset.images.states.identity_to_text", lambda _: "")
    assert load(patients, str(out)).findings == {"dicom-identity": 1}
    monkeypatch.undo()
    if kept_by == "blobs":
        (out / "_laden/manifest.parquet").unlink()
        (out / "_laden/load.json").unlink()
    given: list[tuple[dict[str, Any], int]] = [
        ({"dry_run": True}, 0), ({"dry_run": True, "phi": "stop"}, 3), ({"phi": "stop"}, 3), ({}, 0),
    ]  # fmt: skip
    for options, code in given:
        events: list[Event] = []
        again = load(patients, str(out), observer=events.append, findings_file=tmp_path / "f.csv", **options)
        assert (again.exit_code, again.sent, again.findings) == (code, 0, {"dicom-identity": 1})
        assert "found by an earlier load" in (tmp_path / "f.csv").read_text("utf-8")
        assert SECRET not in all_texts(tmp_path, events)
    assert load(patients, str(out), phi="off").findings == {}
    assert load(patients, str(out)).findings == {"dicom-identity": 1}, "who does not look forgets nothing"


@pytest.mark.parametrize("before", [{"phi": "off"}, {"images": "none"}], ids=["off", "none"])
def test_what_nobody_looked_at_is_told_until_somebody_did(
    patients: Path, tmp_path: Path, before: dict[str, Any]
) -> None:
    out = str(tmp_path / "out")
    load(patients, out, **before)
    for phi, code in (("warn", 0), ("stop", 3)):
        again = load(patients, out, phi=phi)
        assert (again.exit_code, again.findings["identity-unlooked"]) == (code, 1)
    assert "identity-unlooked" not in load(patients, out, phi="off").findings
    looked = load(patients, out, compare="all", phi="stop")
    assert (looked.exit_code, looked.sent, looked.findings) == (3, 0, {"dicom-identity": 1})
    assert load(patients, out).findings == {"dicom-identity": 1}


def test_a_chunk_of_the_wrong_length_is_a_warning_each_time_and_keeps_no_image_here(tmp_path: Path) -> None:
    head, *rest = png.chunks()
    source = written(tmp_path / "source", a__png=png.encode([head, png.Chunk(b"gAMA", b"123"), *rest]))
    for damaged, sent in (("skip", 1), ("skip", 0)):
        told = load(source, str(tmp_path / "out"), damaged=damaged, findings_file=tmp_path / "f.csv")  # type: ignore[arg-type]
        assert (told.exit_code, told.sent, told.complete, told.findings) == (0, sent, True, {"png-chunk-length": 1})
    assert states(tmp_path / "out")["a.png"] == ("png", "png-chunk-length")
    assert "warning" in (tmp_path / "f.csv").read_text("utf-8")
