"""A file is proved, and brought to the disk, while the rest of it comes; and comes in slices, none of them twice."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import threading
from pathlib import Path

import pytest

from laden.stages.fetching import arriving
from laden.stages.fetching.arriving import Arriving
from laden.stages.fetching.settling import Settling
from laden.values.errors import ExitCode, Interrupted
from laden.verbs.fetch import fetch
from tests.remote.server import Call, Play, Server
from tests.remote.test_fetch import blocks_noted, made_zip, told

_BLOCK = 64 << 10
_PATIENCE_S = 60.0
"""What never happens is waited for no longer than that."""


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laden.remote.wire.FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr("laden.stages.fetching.part.BLOCK_BYTES", _BLOCK)


@pytest.mark.parametrize("by", ["members", "checksum"])
def test_what_is_here_is_proved_while_the_rest_comes(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """The block that is asked for last is held back until others were read: members, by what the zip's end says."""
    archive = made_zip(20, 100_000)
    last = (len(archive) - (256 << 10)) // _BLOCK - 1
    reached, held = threading.Event(), []
    real = arriving._Waiting.read_at

    def read_at(self: arriving._Waiting, count_bytes: int, offset_bytes: int) -> bytes:
        data = real(self, count_bytes, offset_bytes)
        if 1 << 20 <= offset_bytes + len(data) <= last * _BLOCK:
            reached.set()
        return data

    said = (("x-ms-blob-content-md5", base64.b64encode(hashlib.md5(archive).digest()).decode()),)

    def play(call: Call) -> Play:
        if call.range == (last * _BLOCK, (last + 1) * _BLOCK - 1):
            held.append(reached.wait(_PATIENCE_S))
        return Play(headers=said if by == "checksum" else ())

    monkeypatch.setattr(arriving._Waiting, "read_at", read_at)
    server.play = play
    assert fetch([server.put("0.zip", archive)], tmp_path / "to").exit_code == ExitCode.COMPLETE
    assert held == [True]
    assert (tmp_path / "to" / "0.zip").read_bytes() == archive


def test_damage_is_found_while_it_comes_and_nothing_gets_its_name(server: Server, tmp_path: Path) -> None:
    wrong = bytearray(made_zip(20, 100_000))
    wrong[1_000_000:1_000_064] = bytes(64)
    summary, said = told([server.put("0.zip", bytes(wrong))], tmp_path / "to")
    assert (summary.exit_code, summary.damaged, "member-crc" in said) == (ExitCode.FINDINGS, 1, True)
    assert not (tmp_path / "to" / "0.zip").exists()


@pytest.mark.parametrize("status", [403, 410, 404, 401])
def test_a_link_that_ends_midway_says_what_is_kept_and_another_one_goes_on(
    server: Server, tmp_path: Path, status: int
) -> None:
    archive = made_zip(20, 100_000)
    link, folder = server.put("0.zip", archive), tmp_path / "to"
    server.play = lambda call: Play(status=status) if call.number > 18 else None
    summary, said = told([f"{link}?sig=c2VjcmV0c2VjcmV0"], folder)
    assert (summary.exit_code, summary.failed) == (ExitCode.SOURCE, 1)
    assert f"of it are in {folder / '0.zip.part'}: the same command goes on" in said["source-refused"]
    server.play, noted = (lambda _: None), blocks_noted(folder, "0.zip")
    server.calls.clear()
    assert noted
    assert fetch([f"{link}?sig=b3RoZXJvdGhlcm90aGVy"], folder).exit_code == ExitCode.COMPLETE
    assert (folder / "0.zip").read_bytes() == archive
    # A request of the first one, which was given up, may arrive late.
    calls = [call for call in server.calls if call.path.endswith("b3RoZXJvdGhlcm90aGVy")]
    assert not {call.range[0] // _BLOCK for call in calls[1:] if call.range} & noted


@pytest.mark.parametrize("size_bytes", [1, 5_000, 70_000])
def test_blocks_come_in_slices_and_no_byte_comes_twice(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size_bytes: int
) -> None:
    monkeypatch.setattr("laden.stages.fetching.slicing._SHORTEST_BYTES", 5_000)
    monkeypatch.setattr("laden.stages.fetching.slicing.PIECE_BYTES", 30_000)
    archive = made_zip(9, size_bytes)
    assert fetch([server.put("0.zip", archive)], tmp_path / "to").exit_code == ExitCode.COMPLETE
    assert (tmp_path / "to" / "0.zip").read_bytes() == archive
    asked = sorted(call.range for call in server.calls[1:] if call.range)
    assert [0, *(last + 1 for _, last in asked)] == [*(first for first, _ in asked), len(archive)]
    lengths = [last + 1 - first for first, last in asked]
    assert max(lengths) <= 45_000
    assert min(lengths) >= min(2_500, len(archive))


def test_who_waits_for_what_does_not_come_is_told(tmp_path: Path) -> None:
    file = Arriving(tmp_path / "x", 100, 10, [3, 9])
    file.wait(0, 30)
    file.wait(40, 90)
    ended: list[bool] = []

    def wait() -> None:
        with pytest.raises(Interrupted):
            file.wait(25, 31)
        ended.append(True)

    thread = threading.Thread(target=wait)
    thread.start()
    file.landed(9)
    file.wait(40, 100)
    file.give_up()
    thread.join()
    assert ended == [True]
    with pytest.raises(Interrupted):
        file.wait(0, 10)


def test_what_is_noted_is_on_the_disk_and_one_answer_of_it_does_for_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer = threading.Event(), threading.Event()
    order: list[object] = []

    def fsync(_: int) -> None:
        asked.set()
        assert answer.wait(_PATIENCE_S)
        order.append("on the disk")

    monkeypatch.setattr(os, "fsync", fsync)
    with (tmp_path / "x").open("wb") as file:
        settling = Settling(file, order.append)
        settling.add(0)
        assert asked.wait(_PATIENCE_S)
        for block in (1, 2, 3):
            settling.add(block)
        assert order == []
        answer.set()
        settling.end()
    assert order == ["on the disk", [0], "on the disk", [1, 2, 3]]


def test_after_a_failure_of_the_disk_nothing_more_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second question would be answered as if all were well: the system tells of lost bytes once."""
    answers = [OSError(errno.EIO, "Input/output error")]

    def fsync(_: int) -> None:
        if answers:
            raise answers.pop()

    monkeypatch.setattr(os, "fsync", fsync)
    noted: list[list[int]] = []
    with (tmp_path / "x").open("wb") as file:
        settling = Settling(file, noted.append)
        # How many are taken before the first answer is there, nobody knows; so many never are.
        with pytest.raises(OSError, match="Input/output"):
            list(map(settling.add, range(10)))
        with pytest.raises(OSError, match="Input/output"):
            settling.end()
    assert noted == []
