"""Tables, copied files, manifest and page are proved as images are: read back, and told where they are lost."""

import os
from pathlib import Path
from typing import Any

import pytest

from laden.values.errors import ManifestUnreadable, NotAsLanded
from laden.verbs.columns import columns
from laden.verbs.verify import verify
from tests.support.begun import begin
from tests.support.places import profile, run, two_archives


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return two_archives(tmp_path / "source", "hello world")


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "there"


@pytest.fixture
def profiled(tmp_path: Path) -> str:
    return profile(tmp_path, archive="{ImageDir}.zip", more='sidecars = ["note.txt"]')


def tamper(path: Path, old: bytes, new: bytes) -> None:
    """Change bytes as no listing shows it: the same length and time."""
    status, data = path.stat(), path.read_bytes()
    assert old in data
    assert len(old) == len(new)
    path.write_bytes(data.replace(old, new))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("deep", ["sample", "all"])
def test_a_deep_verification_reads_tables_and_copied_files_too(
    source: Path, there: Path, profiled: str, deep: Any
) -> None:
    begin(source, there, profiled)
    tamper(there / "t.csv", b",z", b",q")
    tamper(there / "note.txt", b"hello", b"HELLO")
    assert verify(str(there)).findings == {}, "a listing cannot know"
    told = verify(str(there), deep=deep)
    assert (told.exit_code, told.findings, told.changed) == (3, {"blob-bytes": 2}, 2)
    if deep == "all":
        shares = [verify(str(there), deep="all", share=f"{number}/2").findings for number in (1, 2)]
        assert shares == [{"blob-bytes": 2}, {}]


def test_a_load_that_compares_all_reads_them_too_and_lands_them_again(source: Path, there: Path, profiled: str) -> None:
    begin(source, there, profiled, where="ImageDir = 1", table_name="one.csv")
    run(source, there, profiled)
    for name, old, new in (("t.csv", b",z", b",q"), ("note.txt", b"hello", b"HELLO"), ("one.csv", b",z", b",q")):
        tamper(there / name, old, new)
    assert run(source, there, profiled).findings == {}, "a listing cannot know"
    told = run(source, there, profiled, compare="all")
    assert (told.exit_code, told.findings["blob-bytes"], told.findings["blob-lost"]) == (3, 3, 1)
    assert (there / "t.csv").read_bytes() == (source / "t.csv").read_bytes()
    assert (there / "note.txt").read_text() == "hello world"
    assert verify(str(there), deep="all").findings == {"blob-bytes": 1}, "the other load's table"
    run(source, there, profiled, compare="all", where="ImageDir = 1", table_name="one.csv")
    assert verify(str(there), deep="all").exit_code == 0


def test_what_such_a_table_says_of_its_columns_is_not_believed(source: Path, there: Path, profiled: str) -> None:
    begin(source, there, profiled)
    tamper(there / "t.csv", b",z", b",q")
    with pytest.raises(NotAsLanded, match=r"the bytes of t\.csv are not those that were stored there.*--compare all"):
        columns(str(there))
    told = verify(str(there), deep="all", report_file="page.html")
    assert (told.findings, told.report_file) == ({"blob-bytes": 1}, "page.html")


def test_a_manifest_with_other_bytes_under_its_md5_is_told_and_made_anew(
    source: Path, there: Path, profiled: str
) -> None:
    begin(source, there, profiled)
    manifest = there / "_laden/manifest.parquet"
    before = manifest.read_bytes()
    tamper(manifest, b"PAR1", b"RAP1")
    told = run(source, there, profiled)
    assert (told.exit_code, told.findings) == (3, {"blob-lost": 1})
    assert manifest.read_bytes() == before
    assert verify(str(there), deep="all").exit_code == 0


def test_a_manifest_that_somebody_garbled_is_told_and_made_anew(source: Path, there: Path, profiled: str) -> None:
    begin(source, there, profiled)
    manifest = there / "_laden/manifest.parquet"
    before = manifest.read_bytes()
    manifest.write_bytes(b"no manifest at all")
    told = run(source, there, profiled)
    assert (told.exit_code, told.findings) == (3, {"blob-lost": 1})
    assert manifest.read_bytes() == before
    (there / "_laden/load.json").unlink()
    manifest.write_bytes(b"perhaps that of a later version")
    with pytest.raises(ManifestUnreadable, match="remove it and run the load again"):
        run(source, there, profiled)


@pytest.mark.parametrize("how", ["gone", "garbled"])
def test_a_page_that_is_lost_is_told_for_with_it_losses_are_forgotten(
    source: Path, there: Path, profiled: str, how: str
) -> None:
    begin(source, there, profiled, where="ImageDir = 1", table_name="one.csv")
    run(source, there, profiled)
    (there / "one.csv").unlink()
    page = there / "_laden/load.json"
    if how == "gone":
        page.unlink()
    else:
        page.write_text("{}")
    told = run(source, there, profiled)
    assert (told.exit_code, told.findings) == (3, {"blob-lost": 1})
    assert run(source, there, profiled).exit_code == 0


def test_a_first_load_that_was_killed_before_its_page_lost_none(source: Path, there: Path, profiled: str) -> None:
    begin(source, there, profiled)
    (there / "_laden/load.json").unlink()
    for record in (there / "_laden/history").iterdir():
        record.unlink()
    assert run(source, there, profiled).exit_code == 0
