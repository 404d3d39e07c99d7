"""Whose picture is shown: that of the very file, also where another has its length, its time and no MD5."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from laden.explorer.stored import StoredPlace
from laden.explorer.thumbs import Thumbs
from laden.store import parse_destination
from laden.store.manage import DetailPage
from laden.values import scratch
from laden.values.errors import BlobMissing
from tests.explorer.served import Asker, serving
from tests.explorer.test_places import Scripted, detail, place_with
from tests.support.png import encode, picture

WHEN_NS = 10**18
GREYS = {"black.png": 0, "white.png": 255}


def put(path: Path, grey: int) -> None:
    """An image of one length, whatever is in it, and of one time."""
    path.write_bytes(encode(picture(32, 32, 8, 0, lambda *_: [grey], filters=[0], level=0)))
    os.utime(path, ns=(WHEN_NS, WHEN_NS))


def seen(asker: Asker, name: str) -> tuple[bytes, str, bytes]:
    """Small picture; tag and values of the whole one."""

    status, _, small = asker.raw("GET", f"/api/thumb?name={name}")
    assert status == 200
    status, headers, values = asker.raw("GET", f"/api/pixels?name={name}")
    assert status == 200
    return small, headers["etag"], values


def test_files_of_one_length_and_time_have_each_their_own_picture(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    for name, grey in GREYS.items():
        put(place / name, grey)
    with serving(lambda: StoredPlace(parse_destination(str(place))), tmp_path) as asker:
        asker.ready()
        black, white = seen(asker, "black.png"), seen(asker, "white.png")
        assert all(one != other for one, other in zip(black, white, strict=True))
        assert asker.raw("GET", "/api/pixels?name=white.png", headers={"If-None-Match": white[1]})[0] == 304
        assert asker.raw("GET", "/api/pixels?name=white.png", headers={"If-None-Match": black[1]})[0] == 200
        put(place / "black.png", 255)
        asker.post("refresh")
        asker.ready()
        small, tag, values = seen(asker, "black.png")
        assert (small, values) == (white[0], white[2])
        assert tag != black[1]


def test_blobs_of_one_etag_have_each_their_own_picture(tmp_path: Path) -> None:
    """ETags tell versions of one blob from each other, and not one blob from another."""
    for name, grey in GREYS.items():
        put(tmp_path / name, grey)

    size_bytes = (tmp_path / "black.png").stat().st_size

    class Listing(Scripted):
        async def list_details(self, marker: str = "") -> DetailPage:
            return DetailPage([detail(name, size_bytes) for name in self.pages[0]], "")

    class Read:
        async def get(self, name: str, offset: int, length: int, etag: str | None = None) -> bytes:
            if name not in GREYS:
                raise BlobMissing(f"there is no {name}")
            return (tmp_path / name).read_bytes()[offset : offset + length]

        async def close(self) -> None:
            """Nothing is held open."""

    def place() -> StoredPlace:
        one = place_with(tmp_path / "place", Listing([list(GREYS)]))
        one.kind, one.store = "container", Read()  # type: ignore[assignment]
        return one

    with serving(place, tmp_path) as asker:
        asker.ready()
        black, white = seen(asker, "black.png"), seen(asker, "white.png")
        assert all(one != other for one, other in zip(black, white, strict=True))
        assert asker.raw("GET", "/api/pixels?name=white.png", headers={"If-None-Match": black[1]})[0] == 200


def test_what_a_killed_server_left_of_small_pictures_goes_with_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They show patients."""
    script = "import os; from laden.explorer.thumbs import Thumbs; Thumbs().put('a', b'picture'); os._exit(9)"
    subprocess.run([sys.executable, "-c", script], env={**os.environ, "TMPDIR": str(tmp_path)}, check=False)
    assert len([path for path in tmp_path.rglob("*") if path.is_file() and path.read_bytes() == b"picture"]) == 1
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    alive = Thumbs()
    alive.put("b", b"other")
    assert scratch.sweep() == 1
    assert alive.get("b") == b"other"
    alive.close()
    assert list(tmp_path.iterdir()) == []
