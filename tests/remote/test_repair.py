"""`laden fetch --repair FOLDER`: what is damaged is put right from where it came, without the links."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections import namedtuple
from pathlib import Path

import pytest

from laden.dataset.source import find
from laden.stages.fetching.seal import seal_of
from laden.values.errors import DiskFull, ExitCode, UsageError
from laden.verbs.fetch import fetch
from tests.remote.server import Play, Server
from tests.remote.test_fetch import damage, made_zip, names, told


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laden.remote.wire.FIRST_PAUSE_S", 0.001)


def test_the_folder_knows_where_its_files_came_from(server: Server, tmp_path: Path) -> None:
    archives = {name: made_zip(4, 50_000, seed) for seed, name in enumerate(["a/0.zip", "b/1.zip", "b/2.zip"])}
    fetch([server.put(name, data) for name, data in archives.items()], tmp_path)
    for name in ("0.zip", "2.zip"):
        damage(tmp_path / name, 60_000)
    (tmp_path / "1.zip").unlink()
    server.calls.clear()
    summary = fetch([], tmp_path, repair=True)
    assert (summary.exit_code, summary.images, summary.already_there) == (ExitCode.COMPLETE, 2, 2)
    assert (tmp_path / "0.zip").read_bytes() == archives["a/0.zip"]
    assert (tmp_path / "2.zip").read_bytes() == archives["b/2.zip"]
    assert not (tmp_path / "1.zip").exists()
    assert server.sent_bytes <= 2 * (8_192 + 50_000 + 1_000)
    # What is laden's own in the folder is no data.
    assert find([tmp_path]).files == []


def test_a_secret_is_kept_nowhere_and_asked_for(server: Server, tmp_path: Path) -> None:
    link = server.put("0.zip", made_zip(4, 50_000)) + "?sig=c2VjcmV0c2VjcmV0"
    fetch([link], tmp_path)
    assert "c2VjcmV0" not in (tmp_path / ".laden-fetch.jsonl").read_text()
    damage(tmp_path / "0.zip", 60_000)
    with pytest.raises(UsageError, match=r"0\.zip came from http.*0\.zip, whose secret .* give the link too"):
        fetch([], tmp_path, repair=True)
    assert fetch([link], tmp_path, repair=True).exit_code == ExitCode.COMPLETE


def note_as_it_is(path: Path, size_bytes: int) -> None:
    """Note a file's bytes as they are now, as a version did that did not read them all."""
    record, seal = path.parent / ".laden-fetch.jsonl", seal_of(path, 16 << 20, lambda: False)
    *others, line = record.read_text().splitlines()
    told = {**json.loads(line), "seal": list(seal), "vouched": True}
    assert seal.size_bytes == size_bytes
    record.write_text("\n".join([*others, json.dumps(told), ""]))


def test_damage_that_was_noted_as_right_is_looked_for_again(server: Server, tmp_path: Path) -> None:
    archive = made_zip(4, 50_000)
    link = server.put("0.zip", archive)
    fetch([link], tmp_path)
    damage(tmp_path / "0.zip", 60_000)
    note_as_it_is(tmp_path / "0.zip", len(archive))
    server.calls.clear()
    summary = fetch([], tmp_path, repair=True)
    assert (summary.exit_code, summary.already_there) == (ExitCode.COMPLETE, 1)
    assert (tmp_path / "0.zip").read_bytes() == archive
    assert server.sent_bytes <= 8_192 + 50_000 + 1_000
    assert fetch([link], tmp_path).exit_code == ExitCode.COMPLETE


def test_a_directory_that_is_damaged_and_noted_as_right_is_told(server: Server, tmp_path: Path) -> None:
    archive = made_zip(4, 50_000)
    fetch([server.put("0.zip", archive)], tmp_path)
    damage(tmp_path / "0.zip", len(archive) - 64)
    note_as_it_is(tmp_path / "0.zip", len(archive))
    summary = fetch([], tmp_path, repair=True)
    assert (summary.exit_code, summary.damaged) == (ExitCode.FINDINGS, 1)


@pytest.mark.parametrize("there", ["", "somebody's own\n", '{"laden_fetch": 1}\nhalf a li'])
def test_a_folder_that_knows_nothing_says_so(server: Server, tmp_path: Path, there: str) -> None:
    (tmp_path / "0.zip").write_bytes(made_zip(4, 50_000))
    if there:
        (tmp_path / ".laden-fetch.jsonl").write_text(there)
    with pytest.raises(UsageError, match=r"nothing in .* tells where its archives came from"):
        fetch([], tmp_path, repair=True)
    with pytest.raises(UsageError, match="fetch needs links"):
        fetch([], tmp_path)
    own = (tmp_path / ".laden-fetch.jsonl").read_text() if there else ""
    assert own == there
    link = server.put("0.zip", made_zip(4, 50_000))
    fetch([link], tmp_path)
    kept = (tmp_path / ".laden-fetch.jsonl").read_text()
    assert kept == there if there.startswith("some") else '"0.zip"' in kept


def test_a_record_that_is_a_link_is_not_written_through(server: Server, tmp_path: Path) -> None:
    (tmp_path / "away").write_text("mine")
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / ".laden-fetch.jsonl").symlink_to(tmp_path / "away")
    assert fetch([server.put("0.zip", made_zip(1, 500))], tmp_path / "to").exit_code == ExitCode.COMPLETE
    assert (tmp_path / "away").read_text() == "mine"


def made_tar_gz() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as file:
        for number in range(3):
            info = tarfile.TarInfo(f"{number}.png")
            info.size = 5_000
            file.addfile(info, io.BytesIO(bytes([number]) * 5_000))
    return gzip.compress(made.getvalue(), mtime=0)


ARCHIVES = {"0.zip": made_zip(4, 50_000), "t.tar.gz": made_tar_gz(), "t.tar": gzip.decompress(made_tar_gz())}


@pytest.mark.parametrize("name", ARCHIVES)
@pytest.mark.parametrize("links", [True, False])
def test_of_a_host_without_ranges_the_whole_archive_comes_anew(
    server: Server, tmp_path: Path, name: str, links: bool
) -> None:
    server.play = lambda _: Play(whole=True)
    link = server.put(name, ARCHIVES[name])
    fetch([link], tmp_path)
    damage(tmp_path / name, len(ARCHIVES[name]) // 2)
    before = (tmp_path / name).read_bytes()
    summary, said = told([link], tmp_path)
    assert summary.exit_code == ExitCode.FINDINGS
    if name == "0.zip":
        assert "127.0.0.1" in said["fetch-damaged"]
        assert "gives no ranges: 'laden fetch --repair' fetches the whole archive anew" in said["fetch-damaged"]
    assert (tmp_path / name).read_bytes() == before
    summary, said = told([link] if links else [], tmp_path, repair=True)
    assert (summary.exit_code, summary.already_there, summary.bytes_fetched) == (
        ExitCode.COMPLETE,
        1,
        len(ARCHIVES[name]),
    )
    assert "was fetched whole" in said["fetch-repaired"]
    assert (tmp_path / name).read_bytes() == ARCHIVES[name]
    assert names(tmp_path) == {name}
    assert fetch([link], tmp_path).exit_code == ExitCode.COMPLETE


def test_a_damaged_directory_is_put_right_by_a_host_with_ranges_too(server: Server, tmp_path: Path) -> None:
    link = server.put("0.zip", ARCHIVES["0.zip"])
    fetch([link], tmp_path)
    damage(tmp_path / "0.zip", len(ARCHIVES["0.zip"]) - 64)
    assert "--repair" in told([link], tmp_path)[1]["fetch-damaged"]
    assert fetch([link], tmp_path, repair=True).exit_code == ExitCode.COMPLETE
    assert (tmp_path / "0.zip").read_bytes() == ARCHIVES["0.zip"]


@pytest.mark.parametrize("there", ["fetched", "brought by somebody"])
def test_another_version_takes_no_place(server: Server, tmp_path: Path, there: str) -> None:
    server.play = lambda _: Play(whole=True)
    link = server.put("0.zip", ARCHIVES["0.zip"])
    if there == "fetched":
        fetch([link], tmp_path)
    else:
        (tmp_path / "0.zip").write_bytes(ARCHIVES["0.zip"])
    damage(tmp_path / "0.zip", 60_000)
    before = (tmp_path / "0.zip").read_bytes()
    server.put("0.zip", made_zip(4, 50_000, seed=7))
    summary, said = told([link], tmp_path, repair=True)
    assert (summary.exit_code, summary.conflicts) == (ExitCode.FINDINGS, 1)
    assert "it was left as it is, and the other one is in" in said["fetch-conflict"]
    assert (tmp_path / "0.zip").read_bytes() == before


def test_what_comes_damaged_again_takes_no_place(server: Server, tmp_path: Path) -> None:
    wrong = bytearray(ARCHIVES["0.zip"])
    wrong[120_000] ^= 1
    (tmp_path / "0.zip").write_bytes(wrong)
    server.play = lambda _: Play(whole=True)
    summary, said = told([server.put("0.zip", bytes(wrong))], tmp_path, repair=True)
    assert (summary.exit_code, summary.damaged) == (ExitCode.FINDINGS, 1)
    assert "came from http" in said["fetch-damaged"]
    assert (tmp_path / "0.zip").read_bytes() == wrong


def test_an_archive_that_nothing_would_know_again_does_not_come(server: Server, tmp_path: Path) -> None:
    link = server.put("t.tar.gz", ARCHIVES["t.tar.gz"])
    (tmp_path / "t.tar.gz").write_bytes(ARCHIVES["t.tar.gz"])
    damage(tmp_path / "t.tar.gz", 40)
    server.play = lambda _: Play(whole=True)
    summary, said = told([link], tmp_path, repair=True)
    assert (summary.exit_code, summary.damaged, summary.bytes_fetched) == (ExitCode.FINDINGS, 1, 0)
    assert "away, and run the same command again to fetch it whole" in said["fetch-damaged"]


def test_a_whole_archive_needs_room(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.play = lambda _: Play(whole=True)
    link = server.put("0.zip", ARCHIVES["0.zip"])
    fetch([link], tmp_path)
    damage(tmp_path / "0.zip", 60_000)
    usage = namedtuple("usage", ["total", "used", "free"])
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10, 9, 1))
    with pytest.raises(DiskFull, match=r"200 kB are still to be fetched, and .* has room for 1 B: make room"):
        fetch([link], tmp_path, repair=True)
    assert names(tmp_path) == {"0.zip"}
