"""What publishers ship beside their archives, made with the real tools, and every way in which it can disagree."""

import hashlib
import shutil
import subprocess
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laden.dataset.evidence import Trust, check_sums, compared, find_sums
from laden.dataset.evidence.checksums import is_sums, parse_sums
from laden.dataset.evidence.listing import read_listing
from laden.dataset.source import entries, find
from laden.values.errors import UsageError
from laden.values.records import Entry, Finding, Severity
from tests.support.dataset import make_dataset
from tests.support.harness import run

MEMBERS = {
    "a.png": b"a",
    "with  blanks .png": b"two",
    " lead.png": b"",
    "d/e (f) & g.png": b"content",
    "ümläut 中.png": b"utf-8",
    "12  2020-01-01 10:00   trap.png": b"trap",
}


def tool(*command: object, cwd: Path) -> bytes:
    if not shutil.which(str(command[0])):
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(list(map(str, command)), cwd=cwd, check=True, capture_output=True).stdout


def make(path: Path, members: dict[str, bytes] = MEMBERS) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def listing_of(path: Path) -> Path:
    """The publisher's listing of an archive, by the real unzip."""
    listing = path.with_name(f"{path.name}.unzip-l.txt")
    listing.write_bytes(tool("unzip", "-l", path.name, cwd=path.parent))
    return listing


def differences(path: Path, *trusted: str) -> list[tuple[str, str, str]]:
    found = compared(
        path.parent,
        path.name,
        entries(path.parent, path.name),
        frozenset(file.name for file in path.parent.iterdir()),
        Trust(trusted),
    )
    return [
        (one.code, one.member, one.severity.value)
        for one in found
        if isinstance(one, Finding) and one.code.startswith("evidence")
    ]


# Listings


def test_the_listing_of_the_same_archive_agrees(tmp_path):
    path = make(tmp_path / "0.zip")
    assert dict(read_listing(listing_of(path))) == {name: len(data) for name, data in MEMBERS.items()}
    assert differences(path) == []


def test_without_a_listing_everything_passes_unchanged(tmp_path):
    make(tmp_path / "0.zip")
    found = list(compared(tmp_path, "0.zip", entries(tmp_path, "0.zip"), frozenset({"1.zip.unzip-l.txt"}), Trust()))
    assert [one.member for one in found if isinstance(one, Entry)] == list(MEMBERS)


def test_folders_junk_and_refused_members_are_no_differences(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d/Thumbs.db").touch()
    (tmp_path / "d/bell\x07.png").touch()
    (tmp_path / "d/a.png").write_bytes(b"a")
    tool("zip", "-qr", "0.zip", "d", cwd=tmp_path)
    listing_of(tmp_path / "0.zip")
    assert "bell^G.png" in (tmp_path / "0.zip.unzip-l.txt").read_text()
    assert differences(tmp_path / "0.zip") == []


def test_every_difference_is_told(tmp_path):
    path = make(tmp_path / "0.zip", MEMBERS | {"gone.png": b"1", "longer.png": b"123"})
    listing_of(path)
    make(path, MEMBERS | {"longer.png": b"12345", "new.png": b"2"})
    assert differences(path) == [
        ("evidence-member-missing", "gone.png", "error"),
        ("evidence-member-size", "longer.png", "error"),
        ("evidence-member-extra", "new.png", "warning"),
    ]


@pytest.mark.parametrize("trusted", ["0.zip", "0.zip.unzip-l.txt"])
def test_a_listing_that_is_wrong_can_be_overridden(tmp_path, trusted):
    path = make(tmp_path / "0.zip", {"gone.png": b"1"})
    listing_of(path)
    make(path, {})
    assert differences(path, trusted) == [("evidence-member-missing", "gone.png", "warning")]
    assert differences(path, "1.zip") == [("evidence-member-missing", "gone.png", "error")]


@pytest.mark.parametrize("style", ["cut", "cut at a line", "words", "empty", "edited", "windows"])
def test_a_listing_that_is_none(tmp_path, style):
    path = make(tmp_path / "0.zip")
    listing = listing_of(path)
    text = listing.read_bytes()
    changed = {
        "cut": text[: len(text) // 2],
        "cut at a line": b"\n".join(text.split(b"\n")[:-4]),
        "words": b"404: not found\n",
        "empty": b"",
        "edited": text.replace(b"        7  ", b"        8  "),
        "windows": text.replace(b"\n", b"\r\n"),
    }
    listing.write_bytes(changed[style])
    assert differences(path) == ([] if style == "windows" else [("evidence-unreadable", "", "warning")])


@given(st.binary(max_size=300))
def test_no_listing_breaks_the_parser(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("listing") / "0.zip.unzip-l.txt"
    path.write_bytes(b"----------\n" + data + b"\n----------\n 1 1 file\n")
    try:
        members = read_listing(path)
    except ValueError:
        return
    assert [size for _, size in members] == [1]


# Checksum files


NAMES = {
    "SHA256SUMS": "sha256sum",
    "sha1sums.txt": "sha1sum",
    "MD5SUMS": "md5sum",
    "sha512sum.txt": "sha512sum",
}


def told(root: Path, *trusted: str, archives: list[str] | None = None) -> list[tuple[str, str, str]]:
    found = find([root])
    sums, findings = find_sums(found.root, found.files)
    chosen = found.archives if archives is None else archives
    ticks: list[tuple[int, ...]] = []
    findings += check_sums(found, chosen, sums, Trust(trusted), lambda *tick: ticks.append(tick))
    if ticks:
        done, in_all, size_bytes, bytes_in_all = ticks[-1]
        assert done == in_all
        assert size_bytes == bytes_in_all or any(one.code == "archive-missing" for one in findings)
    return sorted((one.code, one.archive or one.member, one.severity.value) for one in findings)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("style", [[], ["--binary"], ["--tag"]])
def test_files_of_the_real_tools_agree(tmp_path, name, style):
    make(tmp_path / "0 (a & b).zip")
    (tmp_path / "sub").mkdir()
    make(tmp_path / "sub/1.zip", {"x.png": bytes(3_000_000)})
    (tmp_path / "plain.dcm").write_bytes(b"dicom")
    (tmp_path / name).write_bytes(tool(NAMES[name], *style, "0 (a & b).zip", "./sub/1.zip", "plain.dcm", cwd=tmp_path))
    assert told(tmp_path) == []
    with (tmp_path / "sub/1.zip").open("r+b") as file:
        file.seek(2_000_000)
        file.write(b"!")
    (tmp_path / "plain.dcm").write_bytes(b"DICOM")
    assert told(tmp_path) == [("archive-hash", "sub/1.zip", "error"), ("file-hash", "plain.dcm", "error")]
    assert told(tmp_path, "1.zip") == [("archive-hash", "sub/1.zip", "warning"), ("file-hash", "plain.dcm", "error")]
    assert [one[2] for one in told(tmp_path, name)] == ["warning", "warning"]


def test_names_are_relative_to_their_list_and_lead_nowhere_else(tmp_path):
    (tmp_path / "root/sub").mkdir(parents=True)
    (tmp_path / "secret.zip").write_bytes(b"s")
    make(tmp_path / "root/0.zip")
    make(tmp_path / "root/sub/0.zip", {})
    digest = hashlib.sha1((tmp_path / "root/sub/0.zip").read_bytes()).hexdigest()
    wrong = "0" * 40
    (tmp_path / "root/sub/sha1sums.txt").write_text(
        f"{digest}  0.zip\n{wrong}  ../../secret.zip\n{wrong}  {tmp_path}/secret.zip\n{wrong}  ../0.zip\n"
    )
    assert told(tmp_path / "root") == [("archive-hash", "0.zip", "error")]


def test_a_checksum_beside_each_archive(tmp_path):
    for number in range(3):
        make(tmp_path / f"{number}.zip", {"a": b"%d" % number})
    (tmp_path / "0.zip.md5").write_text(hashlib.md5((tmp_path / "0.zip").read_bytes()).hexdigest() + "\n")
    (tmp_path / "1.zip.sha256").write_bytes(tool("sha256sum", "0.zip", cwd=tmp_path).replace(b"0.zip", b"1.zip"))
    assert told(tmp_path) == [("archive-hash", "1.zip", "error"), ("evidence-absent", "2.zip", "warning")]
    assert told(tmp_path, archives=["0.zip"]) == []


def test_parts_by_themselves_and_as_a_whole(tmp_path):
    data = make(tmp_path / "0.zip").read_bytes()
    (tmp_path / "0.zip").unlink()
    for number, at in enumerate(range(0, len(data), 300), 1):
        (tmp_path / f"0.zip.{number:03d}").write_bytes(data[at : at + 300])
    (tmp_path / "SHA256SUMS").write_text(f"{hashlib.sha256(data).hexdigest()}  0.zip\n")
    (tmp_path / "MD5SUMS").write_bytes(tool("md5sum", "0.zip.001", "0.zip.002", cwd=tmp_path))
    assert told(tmp_path) == []
    (tmp_path / "0.zip.002").write_bytes(bytes(300))
    assert told(tmp_path) == [("archive-hash", "0.zip", "error"), ("archive-hash", "0.zip.002", "error")]


def test_what_is_not_here_is_no_finding_but_what_cannot_be_read_is(tmp_path):
    make(tmp_path / "0.zip.001")
    make(tmp_path / "0.zip.003")
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  0.zip\n{'0' * 64}  elsewhere.zip\n")
    assert told(tmp_path) == [("archive-part", "0.zip", "error")]


@pytest.mark.parametrize(
    ("text", "line"), [("hello\n", 1), ("# note\n\n" + "0" * 33 + "  a.zip\n", 3), ("0" * 40 + "\n", 1)]
)
def test_a_list_that_is_none(tmp_path, text, line):
    make(tmp_path / "0.zip")
    (tmp_path / "sha1sums.txt").write_text(text)
    _, (finding,) = find_sums(tmp_path, ["sha1sums.txt"])
    assert (finding.code, finding.severity) == ("evidence-unreadable", Severity.WARNING)
    assert f"line {line}" in finding.message


def test_names_that_coreutils_escapes():
    (found,) = parse_sums("d/MD5SUMS", "\\" + "0" * 32 + "  a\\nb\\\\c\n")
    assert (found.name, found.algorithm) == ("d/a\nb\\c", "md5")


@given(st.text(max_size=200))
def test_no_list_breaks_the_parser(text):
    with suppress(ValueError):
        assert all(len(one.digest) == 40 for one in parse_sums("SHA256SUMS", "0" * 40 + "  " + text))


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("SHA256SUMS.txt", True),
        ("x/sha1sums.txt", True),
        ("md5sum.txt", True),
        ("a.zip.md5", True),
        ("sums.csv", False),
    ],
)
def test_which_files_are_lists(name, is_one):
    assert is_sums(name) is is_one


def test_a_name_that_is_no_file_is_wrong_usage():
    with pytest.raises(UsageError, match=r"--trust names 9\.zip"):
        Trust(["9.zip", "0.zip"]).require(["sub/0.zip", "1.zip"])


# As commands


def test_check_and_load_tell_it(tmp_path):
    data = make_dataset(tmp_path / "data", {"0": 3, "1": 2})
    lines = [f"{hashlib.sha1((data.folder / f'{name}.zip').read_bytes()).hexdigest()}  {name}.zip" for name in "01"]
    (data.folder / "sha1sums.txt").write_text("\n".join(lines) + "\n")
    for name in "01":
        listing_of(data.folder / f"{name}.zip")
    fine = run("check", data.folder, "--checksums", "--json", cwd=tmp_path)
    assert (fine.code, fine.summary["findings"]) == (0, {})
    progress = [event for event in fine.events if event["event"] == "progress"]
    assert progress[-1]["images"] == progress[-1]["images_in_all"] == 2
    assert progress[-1]["bytes"] == progress[-1]["bytes_in_all"] > 0

    with (data.folder / "1.zip").open("ab") as file:
        file.write(b"!")
    assert run("check", data.folder, "--json", cwd=tmp_path).summary["findings"] == {"archive-trailing": 1}
    wrong = run("check", data.folder, "--checksums", "--json", cwd=tmp_path)
    assert (wrong.code, wrong.summary["findings"]) == (3, {"archive-hash": 1, "archive-trailing": 1})
    assert wrong.findings("archive-hash")[0]["archive"] == "1.zip"
    trusted = run("check", data.folder, "--checksums", "--trust", "1.zip", "--json", cwd=tmp_path)
    assert (trusted.code, trusted.summary["findings"]) == (0, {"archive-hash": 1, "archive-trailing": 1})
    assert run("check", data.folder, "--trust", "7.zip", "--json", cwd=tmp_path).code == 2


def test_load_compares_listings(tmp_path):
    data = make_dataset(tmp_path / "data", {"0": 3})
    listing = listing_of(data.folder / "0.zip")
    name = next(iter(data.rows))
    listing.write_text(listing.read_text().replace(name, "another_one.png"))
    loaded = run("load", data.folder, tmp_path / "out", "--json", "-y", cwd=tmp_path)
    assert (loaded.code, loaded.summary["sent"]) == (3, 3)
    assert loaded.summary["findings"] == {"evidence-member-extra": 1, "evidence-member-missing": 1}
    again = run("load", data.folder, tmp_path / "out", "--json", "-y", "--trust", "0.zip", cwd=tmp_path)
    assert (again.code, again.summary["already_there"]) == (0, 3)
