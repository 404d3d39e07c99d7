"""What `laden fetch` brought, or proved, it knows again: whatever was changed on the disk is told."""

from __future__ import annotations

import hashlib
import io
import shutil
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from laden.stages.fetching.part import Part
from laden.stages.fetching.seal import Sealing, seal_of, seal_of_blocks
from laden.values.errors import DiskFull, ExitCode, SourceError
from laden.values.events import Event, ToFetch
from laden.verbs.fetch import fetch
from tests.remote.server import Play, Server
from tests.remote.test_fetch import made_zip, told

TABLE = b"ImageID,Labels\n" + b"".join(b"%d.png,normal\n" % number for number in range(10_000))
RANGES = [pytest.param(True, id="ranges"), pytest.param(False, id="no-ranges")]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laden.remote.wire.FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("laden.stages.fetching.part.BLOCK_BYTES", 64 << 10)


def zip_of(text: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        file.writestr(zipfile.ZipInfo("a.txt"), text)
    return made.getvalue()


# Each with what becomes of it on the disk, in the same length; the zip's own checksums are right in both.
FILES = {
    "labels.csv": (TABLE, TABLE.replace(b"77.png,normal", b"77.png,absent")),
    "0.zip": (zip_of(b"one"), zip_of(b"two")),
    "t.tar": (bytes(20_480), bytes(20_000) + b"x" + bytes(479)),
    "notes.md": (b"one", b"two"),
}


@pytest.mark.parametrize("ranges", RANGES)
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_changed_on_the_disk_is_told(server: Server, tmp_path: Path, name: str, ranges: bool) -> None:
    first, changed = FILES[name]
    server.play = lambda _: Play(whole=not ranges)
    link = server.put(name, first)
    fetch([link], tmp_path)
    assert told([link], tmp_path)[0].exit_code == ExitCode.COMPLETE
    (tmp_path / name).write_bytes(changed)
    summary, said = told([link], tmp_path)
    assert (summary.exit_code, summary.conflicts, summary.already_there) == (ExitCode.FINDINGS, 1, 0)
    assert "has other bytes than laden fetched" in said["fetch-changed"]
    assert (tmp_path / name).read_bytes() == changed
    # It is told until somebody acts on it.
    assert told([link], tmp_path)[0].exit_code == ExitCode.FINDINGS
    (tmp_path / name).unlink()
    assert told([link], tmp_path)[0].fetched == 1
    assert (tmp_path / name).read_bytes() == first


def test_what_a_fetch_proved_that_was_there_is_known_again_too(server: Server, tmp_path: Path) -> None:
    first, changed = FILES["0.zip"]
    link = server.put("0.zip", first)
    (tmp_path / "0.zip").write_bytes(first)
    assert fetch([link], tmp_path).already_there == 1
    (tmp_path / "0.zip").write_bytes(changed)
    assert "fetch-changed" in told([link], tmp_path)[1]


def test_what_was_there_and_nothing_vouches_for_is_told_as_that(server: Server, tmp_path: Path) -> None:
    link = server.put("labels.csv", TABLE)
    (tmp_path / "labels.csv").write_bytes(FILES["labels.csv"][1])
    for _ in range(2):
        summary, said = told([link], tmp_path)
        assert (summary.exit_code, summary.already_there) == (ExitCode.COMPLETE, 1)
        assert "it was there already" in said["fetch-unproved"]
        assert "nothing vouches for its bytes" in said["fetch-unproved"]


def test_another_file_of_the_same_length_behind_the_link_is_told(server: Server, tmp_path: Path) -> None:
    link = server.put("labels.csv", TABLE)
    fetch([link], tmp_path)
    server.put("labels.csv", FILES["labels.csv"][1], etag='"new"', modified_s=1_700_000_000.0)
    summary, said = told([link], tmp_path)
    assert (summary.exit_code, summary.conflicts) == (ExitCode.FINDINGS, 1)
    assert "behind the link has become another one since" in said["fetch-newer"]
    assert (tmp_path / "labels.csv").read_bytes() == TABLE
    # An ETag alone may be that of another front end.
    server.put("labels.csv", TABLE, etag='"of another machine"')
    assert told([link], tmp_path)[0].exit_code == ExitCode.COMPLETE


def test_a_publishers_checksum_stands_above_what_was_noted(server: Server, tmp_path: Path) -> None:
    link = server.put("labels.csv", TABLE)
    fetch([link], tmp_path)
    newer = FILES["labels.csv"][1]
    (tmp_path / "labels.csv").write_bytes(newer)
    sums = tmp_path / "sums.sha256"
    sums.write_text(f"{hashlib.sha256(newer).hexdigest()}  labels.csv\n")
    summary, said = told([link], tmp_path, checksums=sums)
    assert (summary.exit_code, said) == (ExitCode.COMPLETE, {})
    assert told([link], tmp_path)[1] == {}


def test_a_file_that_came_as_it_was_is_not_unpacked_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = server.put("0.zip", made_zip(3, 1_000))
    fetch([link], tmp_path)
    monkeypatch.setattr("laden.verbs.proving.prove", None)
    assert fetch([link], tmp_path).already_there == 1


@pytest.mark.parametrize("block_bytes", [1, 7, 10, 100])
@pytest.mark.parametrize("pieces", [[], [b"x"], [b"0123456789"], [b"0123", b"", b"456789" * 3, b"a"]])
def test_a_seal_is_the_same_however_the_bytes_come(tmp_path: Path, block_bytes: int, pieces: list[bytes]) -> None:
    sealing, data = Sealing(block_bytes), b"".join(pieces)
    for piece in pieces:
        sealing.add(piece)
    (tmp_path / "x").write_bytes(data)
    blocks = [data[at : at + block_bytes] for at in range(0, len(data), block_bytes)]
    md5s = [hashlib.md5(block).hexdigest() for block in blocks]
    assert sealing.seal() == seal_of(tmp_path / "x", block_bytes, lambda: False)
    assert sealing.seal() == seal_of_blocks(len(data), block_bytes, md5s)


def test_the_length_that_a_host_without_ranges_tells_is_used(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.play = lambda _: Play(whole=True)
    links = [server.put(name, data) for name, (data, _) in FILES.items()]
    wanted: list[int] = []

    def observe(event: Event) -> None:
        if isinstance(event, ToFetch):
            wanted.append(event.bytes_in_all)

    in_all = sum(len(data) for data, _ in FILES.values())
    fetch(links, tmp_path / "to", dry_run=True, observer=observe)
    assert wanted == [in_all]
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=in_all - 1))
    with pytest.raises(DiskFull, match="make room"):
        fetch(links, tmp_path / "to")
    monkeypatch.undo()
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "labels.csv").write_bytes(b"short")
    summary, said = told([links[0]], tmp_path / "to")
    assert "is there already with 5 bytes" in said["fetch-conflict"]
    assert summary.conflicts == 1


def test_nobody_else_gets_a_file_that_is_being_proved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "0.zip"
    with closing(Part(target, "https://host/0.zip", None)) as first:
        first.add(b"whole")
        first.finish()
        for _ in range(2):
            with pytest.raises(SourceError, match="is being fetched by another laden"):
                Part(target, "https://host/0.zip", None)
        fcntl = pytest.importorskip("fcntl")
        locked = fcntl.flock

        def meanwhile(descriptor: int, how: int) -> None:
            """The first gets its place between the second one's opening and locking."""
            first.place()
            locked(descriptor, how)

        monkeypatch.setattr("fcntl.flock", meanwhile)
        with pytest.raises(SourceError, match="is being fetched by another laden"):
            Part(target, "https://host/0.zip", None)
    assert target.read_bytes() == b"whole"
