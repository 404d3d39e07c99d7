"""`laden fetch` of a zip of which a member is not what the directory says, in any way: it gets no name.

Members that a load would leave out are held against their checksum like all others; only what no reader without a
password or another program can open is taken unread, and told.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from laden.values.errors import ExitCode
from laden.values.events import Event, Found
from laden.verbs.fetch import fetch
from tests.remote.server import Play, Server
from tests.support.patched_zips import data_range, flip, patch

NAMES = ("a.png", "b.png", "__MACOSX/._a.png", "bad\\..\\name.png", "folder/")


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    path = tmp_path / "0.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name in NAMES:
            file.writestr(name, b"" if name.endswith("/") else name.encode() * 500)
    return path


def flipped(name: str) -> Callable[[Path], None]:
    return lambda path: flip(path, data_range(path, name)[5])


def patched(**values: int) -> Callable[[Path], None]:
    return lambda path: patch(path, "b.png", local=False, **values)


def fetched(server: Server, packed: Path, folder: Path) -> tuple[ExitCode | None, set[str], bool]:
    """The exit code, the findings' codes, and whether the archive has its name."""
    codes: set[str] = set()

    def observe(event: Event) -> None:
        if isinstance(event, Found):
            codes.add(event.finding.code)

    link = server.put("0.zip", packed.read_bytes())
    return fetch([link], folder, observer=observe).exit_code, codes, (folder / "0.zip").exists()


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        (flipped("b.png"), "member-deflate"),
        (flipped("__MACOSX/._a.png"), "member-deflate"),
        (flipped("bad\\..\\name.png"), "member-deflate"),
        (patched(size=1 << 30), "member-size"),
        (patched(stored=1 << 20), "member-overlap"),
        (patched(offset=7), "member-header"),
        (patched(method=97), "member-header"),
        (patched(flags=1), "member-header"),
        (patched(crc=1), "member-crc"),
    ],
)
def test_a_member_that_is_not_as_declared_is_damage(
    server: Server, packed: Path, tmp_path: Path, harm: Callable[[Path], None], code: str
) -> None:
    harm(packed)
    exit_code, codes, named = fetched(server, packed, tmp_path / "to")
    assert (exit_code, named) == (ExitCode.FINDINGS, False)
    assert {"fetch-damaged", code} <= codes
    assert "fetch-unproved" not in codes


@pytest.mark.parametrize("values", [{"method": 97}, {"flags": 1}])
@pytest.mark.parametrize("names", [("b.png",), NAMES])
def test_a_member_that_no_one_here_can_open_is_told_and_no_damage(
    server: Server, packed: Path, tmp_path: Path, values: dict[str, int], names: tuple[str, ...]
) -> None:
    for name in names:
        patch(packed, name, **values)
    assert fetched(server, packed, tmp_path / "to") == (ExitCode.COMPLETE, {"fetch-unproved"}, True)


def test_members_that_a_load_would_refuse_are_proved(server: Server, packed: Path, tmp_path: Path) -> None:
    assert fetched(server, packed, tmp_path / "to") == (ExitCode.COMPLETE, set(), True)


@pytest.mark.parametrize("at", range(0, 40, 3))
def test_ranges_that_lie_beside_what_they_say_never_give_a_zip_its_name(
    server: Server, packed: Path, tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each block in turn comes shifted by some bytes, under the `Content-Range` that was asked for."""
    monkeypatch.setattr("laden.stages.fetching.part.BLOCK_BYTES", 64)
    monkeypatch.setattr("laden.remote.wire.FIRST_PAUSE_S", 0.001)
    start = packed.stat().st_size * at // 40 // 64 * 64
    server.play = lambda call: Play(shift=3, told=False) if call.range and call.range[0] == start else None
    exit_code, _, named = fetched(server, packed, tmp_path / "to")
    right = named and (tmp_path / "to" / "0.zip").read_bytes() == packed.read_bytes()
    assert right == (exit_code == ExitCode.COMPLETE)
    assert named == right
