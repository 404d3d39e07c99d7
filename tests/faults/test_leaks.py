"""Many loads leave nothing behind in their process, and a load of many or of large items keeps its bound of memory."""

import gc
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import threading
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from laden.demo.emulator import Emulator
from tests.faults.proxy import Proxy
from tests.faults.scene import attempt, impatience, make_small, small_blocks
from tests.faults.script import Rule

LONG = bool(os.environ.get("LADEN_LONG"))
LOADS = 50
ENTRIES = 1_000_000 if LONG else 50_000
LARGE, LARGE_BYTES = (200 if LONG else 3), 200 << 20
MIB = 1 << 20

FIXED_BYTES = (256 + 256 + 100) * MIB
"""Window, database and the rest, as docs/architecture.md has them under "The transfer"; readers come on top."""
MEMBER_BYTES = 600
"""For each member of the archive that has the most, from the same place."""

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks into /proc")


def held() -> tuple[int, int, set[str]]:
    """Open descriptors, threads and temporary folders of this process."""
    gc.collect()
    ours = {path.name for path in Path(tempfile.gettempdir()).glob("laden-*")}
    return sum(1 for _ in Path("/proc/self/fd").iterdir()), threading.active_count(), ours


def test_fifty_loads_leave_nothing_behind(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Good ones, ones that break off, and ones that find everything there."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    dataset = make_small(tmp_path / "source")
    scripts = [(), (Rule("put", 3, "403"),), (Rule("any", 6, "half-open", 2),), (Rule("list", 2, "truncated", 100),)]
    before: tuple[int, int, set[str]] | None = None
    codes = set()
    for number in range(LOADS):
        url = emulator.url(f"leak-{uuid.uuid4().hex}") if number % 5 else str(tmp_path / f"there-{number}")
        with small_blocks(), impatience(), Proxy(emulator.port, scripts[number % len(scripts)]) as proxy:
            codes.add(attempt(dataset.folder, proxy.url(url)).summary.exit_code)
        if number == 9:
            before = held()
    assert codes == {3, 4, 6}
    assert held() == before


@contextmanager
def endpoint() -> Iterator[str]:
    """The discarding endpoint of the benchmark: takes all, keeps names, lengths and MD5s."""
    command = [sys.executable, "-m", "bench.endpoint"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


MEASURED = """
import json, sys
from laden.verbs.load import load
from laden.verbs import wishes as wishing
from laden.stages.transfer import Settings
single = int(sys.argv[3])
wishing.Settings = lambda **given: Settings(**given, single_put_bytes=single)
said = load(sys.argv[1], sys.argv[2], profile="files")
(line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM:")]
peak_bytes = int(line.split()[1]) * 1024
print(json.dumps([said.sent, said.exit_code, peak_bytes]))
"""


def peak(source: Path, url: str, single_put_bytes: int) -> tuple[int, int, int]:
    """Load in a process of its own: images sent, exit code, most memory in bytes."""
    command = [sys.executable, "-c", MEASURED, str(source), url, str(single_put_bytes)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    sent, code, peak_bytes = json.loads(ran.stdout)
    return sent, code, peak_bytes


def test_many_tiny_entries_keep_the_bound(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    with zipfile.ZipFile(tmp_path / "source" / "tiny.zip", "w") as archive:
        for number in range(ENTRIES):
            archive.writestr(f"{number % 100}/{number}.bin", b"%d" % number)
    with endpoint() as account:
        sent, code, peak_bytes = peak(tmp_path / "source", f"{account}/tiny", 256 * MIB)
    print(f"\n{ENTRIES:,} entries: {peak_bytes / MIB:.0f} MiB at most")
    assert (sent, code) == (ENTRIES, 0)
    assert peak_bytes < FIXED_BYTES + ENTRIES * MEMBER_BYTES


@pytest.mark.parametrize("single_put_bytes", [64 * MIB, 256 * MIB] if LONG else [64 * MIB])
def test_large_members_keep_the_bound(tmp_path: Path, single_put_bytes: int) -> None:
    (tmp_path / "source").mkdir()
    part = os.urandom(64 << 10) + bytes(1 << 20)
    with zipfile.ZipFile(tmp_path / "source" / "large.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(LARGE):
            with archive.open(f"{number}.bin", "w") as member:
                for _ in range(LARGE_BYTES // len(part)):
                    member.write(part)
    stored_bytes = (tmp_path / "source" / "large.zip").stat().st_size // LARGE
    with endpoint() as account:
        sent, code, peak_bytes = peak(tmp_path / "source", f"{account}/large", single_put_bytes)
    print(f"\n{LARGE} members of {LARGE_BYTES / MIB:.0f} MiB: {peak_bytes / MIB:.0f} MiB at most")
    assert (sent, code) == (LARGE, 0)
    readers = max(2, os.cpu_count() or 2)
    assert peak_bytes < FIXED_BYTES + readers * stored_bytes


def test_a_tar_in_gzip_data_keeps_the_bound(tmp_path: Path) -> None:
    """Large members, which go in blocks, among small ones, which other threads read meanwhile."""
    (tmp_path / "source").mkdir()
    part = os.urandom(64 << 10) + bytes(1 << 20)
    sizes = [LARGE_BYTES if number % 200 == 0 else 100_000 for number in range(LARGE * 200)]
    with tarfile.open(tmp_path / "source" / "large.tar.gz", "w:gz", compresslevel=1) as archive:
        for number, size_bytes in enumerate(sizes):
            info = tarfile.TarInfo(f"{number}.bin")
            info.size = size_bytes
            archive.addfile(info, io.BytesIO((part * (size_bytes // len(part) + 1))[:size_bytes]))
    with endpoint() as account:
        sent, code, peak_bytes = peak(tmp_path / "source", f"{account}/large", 64 * MIB)
    print(f"\n{LARGE} members of {LARGE_BYTES / MIB:.0f} MiB among others in a tar: {peak_bytes / MIB:.0f} MiB at most")
    assert (sent, code) == (len(sizes), 0)
    assert peak_bytes < FIXED_BYTES + 64 * MIB
