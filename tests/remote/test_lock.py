"""A lock file of what lies behind links: what it spares, and that nothing wrong lands by it."""

from __future__ import annotations

import io
import random
import tarfile
from pathlib import Path

import pytest

import laden
from laden.values.errors import ExitCode
from laden.values.events import Compared, Event, Warned
from tests.remote.server import Play, Server
from tests.remote.test_load import landed, serve
from tests.support.dataset import Dataset, make_dataset


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laden.remote.wire.FIRST_PAUSE_S", 0.001)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {"0": 12, "1": 9}, size=64)


def test_no_directory_is_fetched_where_the_lock_agrees(server: Server, dataset: Dataset, tmp_path: Path) -> None:
    links = serve(server, dataset)
    summary = laden.lock(links, tmp_path / "d.lock")
    assert (summary.exit_code, summary.images) == (ExitCode.COMPLETE, 22)
    assert b"127.0.0.1" in (tmp_path / "d.lock").read_bytes()
    server.calls.clear()
    assert laden.load(links, str(tmp_path / "there"), lock=tmp_path / "d.lock").exit_code == ExitCode.COMPLETE
    assert landed(tmp_path / "there") == dataset.blobs
    # First bytes, all members at once, and whether it changed.
    assert len(server.of("0.zip")) == 3
    assert laden.check(links, lock=tmp_path / "d.lock").exit_code == ExitCode.COMPLETE


@pytest.mark.parametrize("how", ["local", "other-etags", "no-validators"])
def test_a_mirror_agrees_by_the_end_of_its_archives(server: Server, dataset: Dataset, tmp_path: Path, how: str) -> None:
    laden.lock(dataset.folder if how == "local" else serve(server, dataset), tmp_path / "d.lock")
    for path in dataset.folder.iterdir():
        more = {"etag": "" if how == "no-validators" else '"of another host"'}
        server.put(path.name, path.read_bytes(), modified_s=0.0 if how == "no-validators" else 1.7e9, **more)
    links = [server.url(path.name) for path in dataset.folder.iterdir()]
    assert laden.load(links, str(tmp_path / "there"), lock=tmp_path / "d.lock").exit_code == ExitCode.COMPLETE
    assert landed(tmp_path / "there") == dataset.blobs


def test_a_lock_of_what_changed_since_is_told_and_not_believed(
    server: Server, dataset: Dataset, tmp_path: Path
) -> None:
    links = serve(server, dataset)
    laden.lock(links, tmp_path / "d.lock")
    other = make_dataset(tmp_path / "other", {"0": 12, "1": 9}, size=64, seed=2)
    # The host vouches for the old version, as one does whose cache is stale: each member's own checksum tells.
    tag = server.files["0.zip"].tag
    data = bytearray(server.files["0.zip"].data)
    data[200] ^= 1
    server.put("0.zip", bytes(data), etag=tag)
    summary = laden.load(links, str(tmp_path / "there"), lock=tmp_path / "d.lock")
    assert (summary.exit_code, summary.damaged) == (ExitCode.FINDINGS, 1)
    assert landed(tmp_path / "there").items() < dataset.blobs.items()
    server.put("1.zip", (other.folder / "1.zip").read_bytes())
    summary = laden.check(links, lock=tmp_path / "d.lock")
    assert summary.findings["lock-other"] == 1


def test_gzip_data_are_fetched_once(server: Server, tmp_path: Path) -> None:
    packing = io.BytesIO()
    with tarfile.open(fileobj=packing, mode="w:gz") as tar:
        for number in range(20):
            info = tarfile.TarInfo(f"cxr/{number}.png")
            info.size = 40_000
            tar.addfile(info, io.BytesIO(random.Random(number).randbytes(info.size)))
    link = server.put("images_001.tar.gz", packing.getvalue())
    laden.lock(link, tmp_path / "d.lock")
    server.calls.clear()
    told: list[Event] = []
    summary = laden.load(
        link, str(tmp_path / "there"), lock=tmp_path / "d.lock", profile="files", images="none", observer=told.append
    )
    assert (summary.exit_code, summary.sent) == (ExitCode.COMPLETE, 20)
    assert not [one for one in told if isinstance(one, Warned)]
    assert server.sent_bytes < 1.1 * len(packing.getvalue()) + (64 << 10)


def test_links_are_compared_with_a_lock_and_with_a_folder(server: Server, dataset: Dataset, tmp_path: Path) -> None:
    serve(server, dataset)
    listed = tmp_path / "links.txt"
    listed.write_text("\n".join(server.url(path.name) for path in dataset.folder.iterdir()))
    laden.lock(dataset.folder, tmp_path / "d.lock")
    laden.load(dataset.folder, str(tmp_path / "dest"))
    for other, same in ((tmp_path / "d.lock", 22), (tmp_path / "dest", 21), (dataset.folder, 21)):
        events: list[Event] = []
        laden.diff(str(listed), str(other), observer=events.append)
        assert Compared(same, 0, 0, 0, 0) in events
    one: list[Event] = []
    laden.diff(server.url("0.zip"), str(tmp_path / "d.lock"), observer=one.append)
    assert Compared(12, 0, 0, 10, 0) in one


def test_what_signs_a_link_is_in_no_lock(server: Server, dataset: Dataset, tmp_path: Path) -> None:
    links = [f"{link}?sig=c2VjcmV0c2VjcmV0" for link in serve(server, dataset)]
    laden.lock(links, tmp_path / "d.lock")
    assert b"c2VjcmV0" not in (tmp_path / "d.lock").read_bytes()


def test_a_host_that_fails_while_it_is_locked_leaves_no_file(server: Server, dataset: Dataset, tmp_path: Path) -> None:
    links = serve(server, dataset)
    server.play = lambda call: Play(status=403) if "1.zip" in call.path and call.number > 3 else None
    with pytest.raises(laden.LadenError):
        laden.lock(links, tmp_path / "d.lock")
    assert not (tmp_path / "d.lock").exists()
