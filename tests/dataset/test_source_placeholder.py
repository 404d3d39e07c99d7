"""What stands where the data should be is no data, whichever way it comes."""

import zipfile
from pathlib import Path

import pytest

from laden.dataset.source import Reader, file_entries
from laden.dataset.source.zips import entries
from laden.dataset.table.file import start
from laden.values.errors import MemberDamaged, SourceError
from laden.values.records import Entry, Finding, Severity

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d7a" * 16 + b"\nsize 12345\n"
ANNEX = b"/annex/objects/SHA256E-s12345--" + b"4d7a" * 16 + b".png\n"
pointers = pytest.mark.parametrize(("data", "named"), [(LFS, "Git LFS"), (ANNEX, "git-annex"), (ANNEX[:-1], "annex")])


@pointers
def test_a_file(tmp_path: Path, data: bytes, named: str) -> None:
    (tmp_path / "a.png").write_bytes(data)
    (finding,) = file_entries(tmp_path, ["a.png"])
    assert isinstance(finding, Finding)
    assert (finding.code, finding.severity, finding.member) == ("file-placeholder", Severity.ERROR, "a.png")
    assert named in finding.message


@pytest.mark.parametrize(
    "data", [b"", b"x", b"x" + LFS, LFS.ljust(1024), b"version 1", b"/annex/objects/", b"/annex/objects of art\n"]
)
def test_a_file_that_only_looks_like_it_is_data(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    (entry,) = file_entries(tmp_path, ["a.txt"])
    assert isinstance(entry, Entry)


@pointers
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member(tmp_path: Path, data: bytes, named: str, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "0.zip", "w", method) as file:
        file.writestr("a.png", data)
    (entry,) = entries(tmp_path, "0.zip")
    assert isinstance(entry, Entry)
    with Reader(str(tmp_path)) as reader, pytest.raises(MemberDamaged, match=named) as raised:
        list(reader.read(entry, 1 << 20))
    assert raised.value.code == "file-placeholder"


@pointers
def test_an_archive(tmp_path: Path, data: bytes, named: str) -> None:
    (tmp_path / "0.zip").write_bytes(data)
    with pytest.raises(SourceError, match=named) as raised:
        list(entries(tmp_path, "0.zip"))
    assert raised.value.code == "file-placeholder"


@pointers
def test_a_table(tmp_path: Path, data: bytes, named: str) -> None:
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(SourceError, match=named):
        start(tmp_path / "t.csv", 1 << 16)
