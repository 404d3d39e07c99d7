"""`laden fetch`: what comes is what is there, nothing comes twice, and nothing in the folder is replaced.

`LADEN_LONG=1` kills at fifty moments, `LADEN_SEED` at others.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from laden.dataset.source import find
from laden.values.errors import DiskFull, ExitCode, LadenError, SourceError, UsageError
from laden.values.events import Event, Found, Summary, Warned
from laden.verbs.fetch import fetch
from tests.remote.server import PAGE, Call, Play, Server

_KILLS = 50 if os.environ.get("LADEN_LONG") else 3
_SEED = int(os.environ.get("LADEN_SEED", "0"))
_BLOCK = 64 << 10


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laden.remote.wire.FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("laden.stages.fetching.part.BLOCK_BYTES", _BLOCK)


def made_zip(members: int, size_bytes: int, seed: int = 0) -> bytes:
    """A zip of random members, stored."""
    drawn, made = random.Random(seed), io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for number in range(members):
            file.writestr(zipfile.ZipInfo(f"{number}.png"), drawn.randbytes(size_bytes))
    return made.getvalue()


@pytest.fixture
def archive() -> bytes:
    """A zip of twenty members, each of some blocks."""
    return made_zip(20, 100_000)


def told(links: list[str], folder: Path, **more: object) -> tuple[Summary, dict[str, str]]:
    """The summary, and the first message of each finding's code; warnings are under ``."""
    said: dict[str, str] = {}

    def observe(event: Event) -> None:
        if isinstance(event, Found):
            said.setdefault(event.finding.code, event.finding.message)
        elif isinstance(event, Warned):
            said[""] = event.message

    return fetch(links, folder, observer=observe, **more), said  # type: ignore[arg-type]


def blocks_noted(folder: Path, name: str) -> set[int]:
    lines = (folder / f"{name}.part.laden").read_text().splitlines()
    return {json.loads(line)["block"] for line in lines[1:] if line.endswith("}")}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".laden-fetch.jsonl"}


def test_it_comes_whole_is_proved_and_does_not_come_again(server: Server, archive: bytes, tmp_path: Path) -> None:
    link = server.put("0.zip", archive)
    summary = fetch([link], tmp_path / "to")
    assert (summary.exit_code, summary.fetched, summary.bytes_fetched) == (ExitCode.COMPLETE, 1, len(archive))
    assert (tmp_path / "to" / "0.zip").read_bytes() == archive
    assert names(tmp_path / "to") == {"0.zip"}
    assert max(server.bytes_of("0.zip")[8192:]) == 1
    server.calls.clear()
    again = fetch([link], tmp_path / "to")
    assert (again.exit_code, again.already_there, again.fetched) == (ExitCode.COMPLETE, 1, 0)
    assert server.sent_bytes <= 8192


@pytest.mark.parametrize("seed", range(_SEED, _SEED + _KILLS))
def test_killed_at_any_request_it_goes_on_and_fetches_no_noted_block_again(
    server: Server, archive: bytes, tmp_path: Path, seed: int
) -> None:
    link, folder = server.put("0.zip", archive), tmp_path / "to"
    moment = random.Random(seed).randrange(3, len(archive) // _BLOCK)
    running: list[subprocess.Popen[bytes]] = []

    def kill(call: Call) -> Play | None:
        if call.number == moment:
            running[0].send_signal(signal.SIGKILL)
        return Play(delay_s=0.01)

    server.play = kill
    program = "import laden.stages.fetching.part as p, sys; p.BLOCK_BYTES = int(sys.argv.pop(1))"
    program += "; from laden.cli import main; main()"
    command = [sys.executable, "-c", program, str(_BLOCK), "fetch", link, str(folder), "--out", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        running.append(process)
        assert process.wait(120) == -signal.SIGKILL
    # The first bytes are asked for before there is anything to note.
    noted = blocks_noted(folder, "0.zip") if (folder / "0.zip.part.laden").exists() else set()
    server.play = lambda _: None
    server.calls.clear()
    assert fetch([link], folder).exit_code == ExitCode.COMPLETE
    assert (folder / "0.zip").read_bytes() == archive
    assert names(folder) == {"0.zip"}
    # The first bytes are asked for to learn which content is there now.
    asked = {call.range[0] // _BLOCK for call in server.calls[1:] if call.range}
    assert not asked & noted
    assert server.sent_bytes <= 8192 + len(archive) - len(noted) * _BLOCK + _BLOCK


def stopped_after(server: Server, link: str, folder: Path, calls: int) -> None:
    """Begin to fetch, and stop after so many requests."""
    ended = fetch([link], folder, stopping=lambda: len(server.calls) > calls)
    assert ended.exit_code == ExitCode.INTERRUPTED
    assert names(folder) == {"0.zip.part", "0.zip.part.laden"}


def test_a_noted_block_that_is_another_by_now_comes_again(server: Server, archive: bytes, tmp_path: Path) -> None:
    link, folder = server.put("0.zip", archive), tmp_path / "to"
    stopped_after(server, link, folder, 12)
    first = min(blocks_noted(folder, "0.zip"))
    with (folder / "0.zip.part").open("r+b") as file:
        file.seek(first * _BLOCK + 7)
        file.write(b"garbled")
    with (folder / "0.zip.part.laden").open("ab") as notes:
        notes.write(b'{"block": 3')
    assert fetch([link], folder).exit_code == ExitCode.COMPLETE
    assert (folder / "0.zip").read_bytes() == archive


@pytest.mark.parametrize("how", ["etag", "length"])
def test_a_file_that_changed_is_not_mixed_with_what_came_before(
    server: Server, archive: bytes, tmp_path: Path, how: str
) -> None:
    link, folder = server.put("0.zip", archive), tmp_path / "to"
    stopped_after(server, link, folder, 12)
    if how == "etag":
        server.put("0.zip", archive[:-1] + b"x", etag='"another"', modified_s=1_700_000_000.0)
    else:
        server.put("0.zip", archive + b"x")
    before = (folder / "0.zip.part").read_bytes()
    summary, said = told([link], folder)
    assert (summary.exit_code, summary.failed) == (ExitCode.SOURCE, 1)
    assert f"delete {folder / '0.zip.part'} and {folder / '0.zip.part.laden'}" in said["archive-changed"]
    assert (folder / "0.zip.part").read_bytes() == before


def test_a_file_that_changes_meanwhile_gets_no_name(server: Server, archive: bytes, tmp_path: Path) -> None:
    link = server.put("0.zip", archive)

    def change(call: Call) -> None:
        if call.number == 10:
            server.put("0.zip", archive[:-1] + b"x", etag='"another"', modified_s=1_700_000_000.0)

    server.play = change
    summary, said = told([link], tmp_path / "to")
    assert (summary.exit_code, summary.failed) == (ExitCode.SOURCE, 1)
    assert "changed" in said["archive-changed"]
    assert "0.zip" not in names(tmp_path / "to")


def test_what_signs_a_link_is_not_kept(server: Server, archive: bytes, tmp_path: Path) -> None:
    link = server.put("0.zip", archive) + "?sig=c2VjcmV0c2VjcmV0"
    stopped_after(server, link, tmp_path / "to", 12)
    notes = (tmp_path / "to" / "0.zip.part.laden").read_text()
    assert server.url("0.zip") in notes
    assert "c2VjcmV0" not in notes


def test_bodies_that_are_cut_go_on_where_they_were_cut(server: Server, archive: bytes, tmp_path: Path) -> None:
    link = server.put("0.zip", archive)
    server.play = lambda call: Play(cut_at=10_000) if call.number % 3 == 0 else None
    assert fetch([link], tmp_path / "to").exit_code == ExitCode.COMPLETE
    assert (tmp_path / "to" / "0.zip").read_bytes() == archive
    assert max(server.bytes_of("0.zip")[8192:]) == 1


def test_a_host_without_ranges_gives_one_stream_which_is_told(server: Server, archive: bytes, tmp_path: Path) -> None:
    link, folder = server.put("0.zip", archive), tmp_path / "to"
    server.play = lambda call: Play(whole=True, cut_at=300_000 if call.range is None else None)
    summary, said = told([link], folder)
    assert summary.exit_code == ExitCode.SOURCE
    assert "0.zip" not in names(folder)
    server.play = lambda _: Play(whole=True)
    summary, said = told([link], folder)
    assert (summary.exit_code, summary.fetched) == (ExitCode.COMPLETE, 1)
    assert "one stream" in said[""]
    assert (folder / "0.zip").read_bytes() == archive
    assert names(folder) == {"0.zip"}


def test_a_page_in_place_of_the_file_is_none(server: Server, tmp_path: Path) -> None:
    server.play = lambda _: Play(status=200, headers=(("Content-Type", "text/html"),), body=PAGE)
    with pytest.raises(LadenError):
        fetch([server.url("0.zip")], tmp_path / "to")
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("way", ["link", "file"])
@pytest.mark.parametrize("right", [True, False])
def test_a_publishers_checksum_decides(server: Server, archive: bytes, tmp_path: Path, way: str, right: bool) -> None:
    digest = hashlib.sha256(archive if right else b"other").hexdigest()
    lines = f"{digest}  0.zip\n".encode()
    (tmp_path / "sums.txt").write_bytes(lines)
    links, folder = [server.put("0.zip", archive)], tmp_path / "to"
    if way == "link":
        links.append(server.put("SHA256SUMS.txt", lines))
    summary, said = told(links, folder, checksums=tmp_path / "sums.txt" if way == "file" else None)
    assert summary.exit_code == (ExitCode.COMPLETE if right else ExitCode.FINDINGS)
    assert ("0.zip" in names(folder)) == right
    assert ("archive-hash" in said) != right
    if not right:
        assert f"delete {folder / '0.zip.part'} and 0.zip.part.laden" in said["archive-hash"]


def test_a_checksum_file_alone_brings_all_that_it_names(server: Server, archive: bytes, tmp_path: Path) -> None:
    files = {"p/0.zip": archive, "p/files/a/labels.csv": b"a,b\n", "p/files/b/x.dat": b"1", "p/files/b/none.dat": b""}
    lines = [f"{hashlib.sha256(data).hexdigest()} {name.removeprefix('p/')}" for name, data in files.items()]
    for name, data in files.items():
        server.put(name, data)
    link = server.put("p/SHA256SUMS.txt", "\n".join(lines).encode())
    summary, said = told([link], tmp_path / "to")
    assert (summary.exit_code, summary.fetched, said) == (ExitCode.COMPLETE, 5, {})
    assert all((tmp_path / "to" / name.removeprefix("p/")).read_bytes() == data for name, data in files.items())
    server.put("p/files/b/x.dat", b"2")
    (tmp_path / "to" / "files" / "b" / "x.dat").unlink()
    summary, said = told([link], tmp_path / "to")
    assert (summary.exit_code, summary.damaged, summary.already_there) == (ExitCode.FINDINGS, 1, 4)
    assert "file-hash" in said


def test_what_nothing_vouches_for_is_told(server: Server, tmp_path: Path) -> None:
    summary, said = told([server.put("labels.csv", b"a,b\n1,2\n")], tmp_path / "to")
    assert (summary.exit_code, summary.fetched) == (ExitCode.COMPLETE, 1)
    assert "nothing vouches for it" in said["fetch-unproved"]


def test_a_zip_that_is_damaged_where_it_lies_gets_no_name(server: Server, archive: bytes, tmp_path: Path) -> None:
    wrong = bytearray(archive)
    wrong[500_000] ^= 1
    summary, said = told([server.put("0.zip", bytes(wrong))], tmp_path / "to")
    assert (summary.exit_code, summary.damaged, summary.fetched) == (ExitCode.FINDINGS, 1, 0)
    assert {"member-crc", "fetch-damaged"} <= said.keys()
    assert "0.zip" not in names(tmp_path / "to")


@pytest.mark.parametrize("name", ["0.zip", "0.zip.part", "0.zip.part.laden"])
@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_nothing_that_is_there_is_replaced(
    server: Server, archive: bytes, tmp_path: Path, name: str, kind: str
) -> None:
    folder, away = tmp_path / "to", tmp_path / "away"
    folder.mkdir()
    away.write_bytes(b"mine")
    there = folder / name
    if kind == "file":
        there.write_bytes(b"mine")
        if name.endswith(".laden"):
            (folder / "0.zip.part").write_bytes(b"mine")
    elif kind == "link":
        there.symlink_to(away)
    else:
        there.mkdir()
    summary, said = told([server.put("0.zip", archive)], folder)
    assert (summary.exit_code, summary.conflicts) == (ExitCode.FINDINGS, 1)
    assert "move it away" in said["fetch-conflict"]
    assert away.read_bytes() == b"mine"
    assert there.is_dir() if kind == "folder" else there.read_bytes() == b"mine"


def test_a_folder_that_leads_elsewhere_is_not_written_through(server: Server, tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "away").mkdir()
    (tmp_path / "to" / "b").symlink_to(tmp_path / "away")
    links = [server.put(f"{name}/x.csv", b"1,2\n") for name in "ab"]
    summary, _ = told(links, tmp_path / "to")
    assert (summary.fetched, summary.conflicts) == (1, 1)
    assert not names(tmp_path / "away")


@pytest.mark.parametrize("said", ["../../out.zip", "..", "/etc/out.zip", "a\\..\\out.zip", "%2e%2e%2fout.zip"])
def test_no_name_that_a_host_gives_leads_out_of_the_folder(
    server: Server, archive: bytes, tmp_path: Path, said: str
) -> None:
    link, folder = server.put("download", archive), tmp_path / "deep" / "to"
    server.play = lambda _: Play(headers=(("Content-Disposition", f'attachment; filename="{said}"'),))
    # Some of these names are refused, of others the last segment is taken.
    with suppress(UsageError):
        fetch([link], folder)
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and folder not in path.parents]
    assert not outside


@pytest.mark.parametrize("path", ["a/%2e%2e%2f%2e%2e%2fout.zip", "a/..%5cout.zip", "%2e%2e"])
def test_no_name_in_a_link_leads_out_of_the_folder(server: Server, archive: bytes, tmp_path: Path, path: str) -> None:
    server.play = lambda _: Play(whole=True, status=0)
    server.put("a/../../out.zip", archive)
    with pytest.raises(LadenError):
        fetch([server.url(path)], tmp_path / "deep" / "to")
    assert not [one for one in tmp_path.rglob("*") if one.is_file()]


def test_a_disk_without_room_is_told_before_anything_comes(
    server: Server, archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = server.put("0.zip", archive)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=1_000))
    with pytest.raises(DiskFull, match=r"has room for 1\.0 kB: make room"):
        fetch([link], tmp_path / "to")
    assert server.sent_bytes <= 8192
    summary, said = told([link], tmp_path / "to", dry_run=True)
    assert (summary.exit_code, "make room" in said[""]) == (ExitCode.COMPLETE, True)
    assert not (tmp_path / "to").exists()


def test_nor_does_a_stream_begin_that_has_no_room(
    server: Server, archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host without ranges tells the length only with the file."""
    server.play = lambda _: Play(whole=True)
    link = server.put("0.zip", archive)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=1_000))
    with pytest.raises(DiskFull, match=r"still to be fetched, and .* has room for 1\.0 kB: make room"):
        fetch([link], tmp_path / "to")
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size > 1_000]


def test_a_disk_that_fills_ends_it_and_once_there_is_room_it_goes_on(
    server: Server, archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, folder = server.put("0.zip", archive), tmp_path / "to"
    real, left = os.fsync, [20]

    def full(descriptor: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(DiskFull, match="is full: make room there, or name another place"):
            fetch([link], folder)
    noted = blocks_noted(folder, "0.zip")
    assert len(noted) >= 5
    server.calls.clear()
    assert fetch([f"{link}?sig=b3RoZXJvdGhlcm90aGVy"], folder).exit_code == ExitCode.COMPLETE
    assert (folder / "0.zip").read_bytes() == archive
    # A request of the first one, which was given up, may arrive late.
    calls = [call for call in server.calls if call.path.endswith("b3RoZXJvdGhlcm90aGVy")]
    assert not {call.range[0] // _BLOCK for call in calls[1:] if call.range} & noted


def test_archives_choose_and_an_unknown_one_is_told(server: Server, archive: bytes, tmp_path: Path) -> None:
    links = [server.put(name, archive) for name in ("0.zip", "1.zip", "2.zip")] + [server.put("t.csv", b"a\n")]
    assert fetch(links, tmp_path / "to", archives="0,2").fetched == 3
    assert names(tmp_path / "to") == {"0.zip", "2.zip", "t.csv"}
    with pytest.raises(UsageError, match="names 7"):
        fetch(links, tmp_path / "to", archives="7")


@pytest.fixture
def there(server: Server, archive: bytes, tmp_path: Path) -> str:
    link = server.put("0.zip", archive)
    (tmp_path / "0.zip").write_bytes(archive)
    return link


def damage(path: Path, *places: int) -> None:
    with path.open("r+b") as file:
        for place in places:
            file.seek(place)
            file.write(bytes(64))


def test_repair_of_one_member_no_more_than_that_member_comes(
    server: Server, archive: bytes, there: str, tmp_path: Path
) -> None:
    damage(tmp_path / "0.zip", 1_000_000)
    summary, said = told([there], tmp_path)
    assert summary.damaged == 1
    assert "laden fetch --repair" in said["fetch-damaged"]
    server.calls.clear()
    summary, said = told([there], tmp_path, repair=True)
    assert (summary.exit_code, summary.already_there) == (ExitCode.COMPLETE, 1)
    assert said["fetch-repaired"].startswith("1 damaged member put right")
    assert (tmp_path / "0.zip").read_bytes() == archive
    assert server.sent_bytes <= 8192 + 100_000 + 1_000
    assert summary.bytes_fetched <= 2 * _BLOCK


def test_repair_of_several_all_are_put_right(server: Server, archive: bytes, there: str, tmp_path: Path) -> None:
    damage(tmp_path / "0.zip", 0, 150_000, 1_000_000)
    assert fetch([there], tmp_path, repair=True).exit_code == ExitCode.COMPLETE
    assert (tmp_path / "0.zip").read_bytes() == archive


def test_repair_leaves_an_archive_of_another_version_as_it_is(
    server: Server, archive: bytes, there: str, tmp_path: Path
) -> None:
    server.put("0.zip", made_zip(20, 100_000, seed=5))
    damage(tmp_path / "0.zip", 1_000_000)
    before = (tmp_path / "0.zip").read_bytes()
    summary, _ = told([there], tmp_path, repair=True)
    assert (summary.exit_code, summary.damaged) == (ExitCode.FINDINGS, 1)
    assert (tmp_path / "0.zip").read_bytes() == before


def test_a_kill_just_as_a_file_gets_its_name_leaves_nothing_in_the_end(
    server: Server, archive: bytes, tmp_path: Path
) -> None:
    link, folder = server.put("0.zip", archive), tmp_path / "to"
    stopped_after(server, link, folder, 12)
    (folder / "0.zip.part").write_bytes(archive)
    (folder / "0.zip").hardlink_to(folder / "0.zip.part")
    assert fetch([link], folder).already_there == 1
    assert names(folder) == {"0.zip"}


def test_what_is_not_whole_yet_is_no_data_of_a_load(server: Server, archive: bytes, tmp_path: Path) -> None:
    stopped_after(server, server.put("0.zip", archive), tmp_path / "to", 12)
    with pytest.raises(SourceError, match=r"0\.zip"):
        find([tmp_path / "to"])


def test_what_was_fetched_opens_elsewhere(server: Server, archive: bytes, tmp_path: Path) -> None:
    fetch([server.put("0.zip", archive)], tmp_path / "to")
    with zipfile.ZipFile(tmp_path / "to" / "0.zip") as opened:
        assert opened.testzip() is None


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


@pytest.mark.parametrize("field", ["x-ms-blob-content-md5", "x-goog-hash", "Repr-Digest", "Content-MD5"])
@pytest.mark.parametrize("right", [True, False])
def test_what_a_host_says_of_its_file_is_held_against_it(
    server: Server, tmp_path: Path, field: str, right: bool
) -> None:
    data = b"a,b\n1,2\n" * 100
    md5 = _base64(hashlib.md5(data if right else b"other").digest())
    value = {
        "x-goog-hash": f"crc32c=AAAAAA==,md5={md5}",
        "Repr-Digest": f"md5=:x:, sha-256=:{_base64(hashlib.sha256(data if right else b'other').digest())}:",
    }.get(field, md5)
    # Content-MD5 is of what is answered: it counts where that is the whole file.
    whole = field == "Content-MD5"
    server.play = lambda _: Play(whole=whole, headers=((field, value),))
    summary, said = told([server.put("t.csv", data)], tmp_path / "to")
    assert summary.exit_code == (ExitCode.COMPLETE if right else ExitCode.FINDINGS)
    assert ("t.csv" in names(tmp_path / "to")) == right
    assert "fetch-unproved" not in said
    if not right:
        assert f"its host ({field.lower()}) says" in said["file-hash"]


@pytest.mark.parametrize(
    "headers",
    [("Content-MD5", _base64(hashlib.md5(b"x").digest())), ("x-ms-blob-content-md5", "!"), ("x-goog-hash", "md5=")],
)
def test_what_is_said_of_a_range_or_is_no_digest_counts_for_nothing(
    server: Server, tmp_path: Path, headers: tuple[str, str]
) -> None:
    server.play = lambda _: Play(headers=(headers,))
    summary, said = told([server.put("t.csv", b"1,2\n")], tmp_path / "to")
    assert (summary.exit_code, list(said)) == (ExitCode.COMPLETE, ["fetch-unproved"])


def test_a_wrong_whole_tells_which_members_it_is(server: Server, archive: bytes, there: str, tmp_path: Path) -> None:
    server.play = lambda _: Play(headers=(("x-ms-blob-content-md5", _base64(hashlib.md5(archive).digest())),))
    assert fetch([there], tmp_path).exit_code == ExitCode.COMPLETE
    damage(tmp_path / "0.zip", 1_000_000)
    summary, said = told([there], tmp_path)
    assert (summary.exit_code, {"archive-hash", "member-crc", "fetch-damaged"} <= said.keys()) == (3, True)
    assert fetch([there], tmp_path, repair=True).exit_code == ExitCode.COMPLETE
    assert (tmp_path / "0.zip").read_bytes() == archive
