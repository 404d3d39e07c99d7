"""Every dataset that a profile describes, through the installed command: recognised, loaded, loaded again, verified."""

import zipfile
from pathlib import Path

import pytest

from laden.demo.emulator import Emulator
from tests.support.dataset import tiny_png
from tests.support.harness import Ran, landed, run, sas
from tests.support.published import PUBLISHED, Published, chexpert, dicom, pack, put, sheet


def load(made: Published, destination: object, *more: object, env: dict[str, str] | None = None) -> Ran:
    ran = run("load", made.source, destination, "--json", *more, env=env)
    assert ran.summary["rows"] == ran.summary["matched"] + ran.summary["missing"], ran.out
    return ran


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def data(folder: Path) -> dict[str, bytes]:
    """What landed, without what laden writes about it."""
    return {name: content for name, content in files(folder).items() if not name.startswith("_laden/")}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_whole_dataset_lands_and_is_verified(name: str, tmp_path: Path) -> None:
    made, there = PUBLISHED[name](tmp_path / "source", whole=True), tmp_path / "there"
    ran = load(made, there)
    assert (ran.code, ran.err) == (0, ""), ran.out
    (plan,) = [event for event in ran.events if event["event"] == "plan"]
    assert plan["profile"] == made.profile
    told = ran.summary
    assert (told["rows"], told["matched"], told["missing"], told["stray"]) == (made.rows, made.rows, 0, 0)
    assert (told["images"], told["sent"]) == (len(made.images), len(made.images))
    assert data(there) == {**made.images, **made.tables, **made.sidecars}
    before = files(there)
    again = load(made, there)
    assert (again.code, again.summary["sent"], again.summary["already_there"]) == (0, 0, len(made.images))
    assert set(again.summary["findings"]) <= {"file-ignored"}
    assert files(there) == before
    verified = run("verify", there, "--json", "--deep", "all")
    assert (verified.code, verified.summary["images"], verified.summary["foreign"]) == (0, len(made.images), 0)


@pytest.mark.parametrize("name", PUBLISHED)
def test_one_missing_and_one_stray_are_found(name: str, tmp_path: Path) -> None:
    made, there = PUBLISHED[name](tmp_path / "source", whole=False), tmp_path / "there"
    ran = load(made, there)
    assert ran.code == 3
    told = ran.summary
    assert (told["rows"], told["missing"], told["images"]) == (made.rows, made.missing_rows, len(made.images))
    assert told["findings"].items() - {("file-ignored", 1)} == {("image-missing", 1), ("image-stray", 1)}
    (missing,), (stray,) = ran.findings("image-missing"), ran.findings("image-stray")
    assert (missing["member"], stray["member"]) == (made.missing, made.stray)
    here = data(there)
    assert {name: here[name] for name in made.images} == made.images
    cut = [table for table, content in made.tables.items() if made.missing.encode() in content]
    for table, content in made.tables.items():
        if table in cut:
            kept = [line for line in content.splitlines(keepends=True) if made.missing.encode() not in line]
            assert here[made.subsets[table]] == b"".join(kept)
            assert table not in here
        else:
            assert here[table] == content


def test_names_with_blanks_parentheses_and_ampersands_reach_azure(
    tmp_path: Path, container: str, emulator: Emulator
) -> None:
    made = chexpert(tmp_path / "source", whole=True)
    env = {"LADEN_SAS": sas(emulator, container, "rwdlc")}
    ran = load(made, container, env=env)
    assert (ran.code, ran.summary["sent"]) == (0, 8)
    names = set(landed(emulator, container))
    assert names == {*made.images, *made.tables, "_laden/manifest.parquet", "_laden/load.json"}
    again = load(made, container, env=env)
    assert (again.code, again.summary["sent"]) == (0, 0)
    assert run("verify", container, env=env).code == 0


def test_some_archives_of_a_dataset_whose_rows_name_none(tmp_path: Path) -> None:
    made, there = PUBLISHED["nih"](tmp_path / "source", whole=True), tmp_path / "there"
    ran = load(made, there, "--archives", "002,004-005")
    assert (ran.code, ran.summary["rows"], ran.summary["sent"]) == (0, 6, 6)
    (made.source / "images_001.tar.gz").unlink()
    ran = load(made, there)
    assert (ran.code, ran.summary["missing"]) == (3, 2)
    (absent,) = ran.findings("archive-absent")
    assert absent["archive"] == "images_001.tar.gz"
    assert absent["message"].startswith("the archive images_001.tar.gz is not here; 2 selected rows have no image")
    assert set(ran.summary["findings"]) == {"archive-absent"}


def test_archives_that_are_numbered_otherwise_are_the_same(tmp_path: Path) -> None:
    made, there = PUBLISHED["nih"](tmp_path / "source", whole=True), tmp_path / "there"
    for path in sorted(made.source.glob("images_*.tar.gz")):
        path.rename(path.with_name(path.name.replace("images_0", "images_")))
    (made.source / "images_02.tar.gz").unlink()
    ran = load(made, there)
    assert [found["archive"] for found in ran.findings("archive-absent")] == ["images_002.tar.gz"]
    assert load(made, there, "--archives", "003").summary["rows"] == 2


def test_a_row_of_the_second_table_is_named_as_a_person_counts(tmp_path: Path) -> None:
    made = chexpert(tmp_path / "source", whole=False)
    ran = load(made, tmp_path / "there")
    (missing,) = ran.findings("image-missing")
    assert (missing["row"], missing["message"]) == (
        3,
        "row 3 of valid.csv names it, and no archive here holds it",
    )


def test_a_table_named_by_hand_is_the_only_one(tmp_path: Path) -> None:
    made = chexpert(tmp_path / "source", whole=True)
    put(tmp_path / "valid.csv", made.tables["valid.csv"])
    ran = load(made, tmp_path / "there", "--table", tmp_path / "valid.csv", "--profile", "chexpert")
    assert (ran.code, ran.summary["rows"], ran.summary["images"]) == (0, 2, 2)
    zipped = PUBLISHED["padchest-gr"](tmp_path / "gr", whole=True)
    table = (zipped.source / "master_table.csv.zip").rename(tmp_path / "master_table.csv.zip")
    ran = load(zipped, tmp_path / "gr there", "--table", table)
    assert (ran.code, ran.summary["rows"], data(tmp_path / "gr there")) == (
        0,
        10,
        {**zipped.images, **zipped.tables, **zipped.sidecars},
    )


def test_two_datasets_in_one_folder_are_a_question(tmp_path: Path) -> None:
    made = PUBLISHED["siim"](tmp_path / "source", whole=True)
    PUBLISHED["brax"](made.source, whole=True)
    ran = run("check", made.source, "--json")
    assert ran.code == 2
    assert "several datasets" in ran.summary["message"]
    assert "'brax'" in ran.summary["message"]
    assert "'siim'" in ran.summary["message"]
    assert "--profile" in ran.summary["message"]
    assert run("check", made.source, "--profile", "brax").code == 0


def test_a_common_name_alone_makes_no_dataset(tmp_path: Path) -> None:
    put(tmp_path / "signs" / "train.csv", b"Width,Height,ClassId,Path\n27,26,20,Train/20/0.png\n")
    put(tmp_path / "signs" / "Train" / "20" / "0.png", tiny_png(1))
    ran = run("load", tmp_path / "signs", tmp_path / "there", "--json")
    assert (ran.code, ran.summary["images"]) == (0, 2)


def test_a_sidecar_of_the_same_name_and_one_in_the_way_are_told(tmp_path: Path) -> None:
    made, there = PUBLISHED["brax"](tmp_path / "source", whole=True), tmp_path / "there"
    put(made.source / "images" / "LICENSE.txt", b"another")
    put(there / "SHA256SUMS.txt", b"somebody else's")
    ran = load(made, there)
    assert ran.code == 3
    assert ran.summary["findings"] == {"sidecar-conflict": 1, "sidecar-duplicate": 1, "file-ignored": 1}
    assert ran.summary["images"] == 4
    assert data(there)["SHA256SUMS.txt"] == b"somebody else's"
    assert (there / "LICENSE.txt").read_bytes() in (b"another", b"Credentialed\n")
    ran = load(made, there, "--overwrite", "changed")
    assert ran.summary["findings"] == {"sidecar-duplicate": 1, "file-ignored": 1}
    (there / "SHA256SUMS.txt").write_bytes(b"changed since")
    verified = run("verify", there, "--json")
    assert [found["blob"] for found in verified.findings("blob-changed")] == ["SHA256SUMS.txt"]


def test_an_own_profile_of_several_tables(tmp_path: Path) -> None:
    source = tmp_path / "source"
    profile = """\
name = "mine"
title = "Mine"
layout = "{split}/{id}.dcm"
[[table]]
name = "a.csv"
subset = "a_small.csv"
key = "id"
match = "stem"
suffixes = [".dcm"]
columns = { id = "text", split = "text" }
[[table]]
name = "b.csv"
subset = "b_small.csv"
"""
    put(tmp_path / "mine.toml", profile.encode())
    put(source / "a.csv", sheet(("id", "split"), [("1", "x"), ("2", "y")]))
    put(source / "b.csv", sheet(("id", "split"), [("3", "x")]))
    for number in (1, 2, 3):
        put(source / "any" / f"{number}.dcm", dicom(number))
    ran = run("load", source, tmp_path / "there", "--profile", tmp_path / "mine.toml", "--json")
    assert (ran.code, ran.summary["rows"]) == (0, 3)
    assert set(data(tmp_path / "there")) == {"a.csv", "b.csv", "x/1.dcm", "x/3.dcm", "y/2.dcm"}


SUSPECT = "216840111366964013686042548532013208193054515_02-026-007.png"


def test_a_finding_about_a_known_suspect_says_so(tmp_path: Path) -> None:
    source, other = tmp_path / "source", "1_broken.png"
    put(source / "mine.csv", sheet(("ImageID", "ImageDir"), [(SUSPECT, 13), (other, 13), ("2_lost.png", 13)]))
    pack(source / "13.zip", {SUSPECT: tiny_png(1)[:-20], other: tiny_png(2)[:-20]})
    for _ in range(2):
        ran = load(Published(source, "padchest"), tmp_path / "there", "--findings", tmp_path / "findings.csv")
        assert (ran.code, ran.summary["images"]) == (3, 2)
        told = {found["member"]: found["message"] for found in ran.findings("png-truncated")}
        assert told[SUSPECT].endswith("; also known from elsewhere")
        assert "elsewhere" not in told[other]
        assert (tmp_path / "findings.csv").read_text().count("also known from elsewhere") == 1
    assert set(data(tmp_path / "there")) == {"PADCHEST_SMALL.csv", f"png/13/{SUSPECT}", f"png/13/{other}"}


def test_a_table_that_is_damaged_in_its_archive_is_an_error(tmp_path: Path) -> None:
    made = PUBLISHED["rsna-pneumonia"](tmp_path / "source", whole=True)
    (archive,) = made.source.glob("*.zip")
    with zipfile.ZipFile(archive) as opened:
        offset = opened.getinfo("stage_2_train_labels.csv").header_offset
    content = bytearray(archive.read_bytes())
    content[offset + 30 + len("stage_2_train_labels.csv") + 10] ^= 0x10
    archive.write_bytes(content)
    ran = run("check", made.source, "--json")
    assert ran.code == 5
    assert "stage_2_train_labels.csv is damaged" in ran.summary["message"]


def test_an_image_in_two_archives_is_told_once_however_many_rows_name_it(tmp_path: Path) -> None:
    made = PUBLISHED["padchest-gr"](tmp_path / "source", whole=True)
    name = next(iter(made.images))
    pack(made.source / "more.zip", {name: made.images[name]})
    ran = load(made, tmp_path / "there")
    assert (ran.code, ran.summary["images"], ran.summary["findings"]) == (0, 5, {"image-duplicate": 1})


def test_an_unpacked_dataset_is_the_same(tmp_path: Path) -> None:
    packed, tree = chexpert(tmp_path / "packed", whole=True), tmp_path / "tree"
    for path in packed.source.glob("*.zip"):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tree)
    load(packed, tmp_path / "there")
    packed.source = tree
    ran = load(packed, tmp_path / "there")
    assert (ran.code, ran.summary["rows"], ran.summary["sent"]) == (0, packed.rows, 0)
