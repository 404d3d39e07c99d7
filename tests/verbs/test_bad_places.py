"""Sources that change or vanish, machines at their end, containers with a life of their own, names of every letter.

Each run ends with one clear sentence or with findings, with the exit code that says whose turn it is, and never with
a traceback; what is in the container afterwards is right, and the same command completes it once the place is good.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import laden
from laden.demo.emulator import Emulator
from laden.values.errors import ExitCode, SourceError, UsageError
from laden.verbs.load import load
from tests.support.dataset import Dataset, make_dataset, tiny_png
from tests.support.harness import COMMAND, Proxy, Ran, client, content, ended, landed, run

MANIFEST = "_laden/manifest.parquet"
IMAGES = 600
"""Read in batches of 32, so that when the first is sent, most are yet to be read."""


def once(act: Callable[[], object]) -> Callable[[], bool]:
    """A `stopping` that acts when the first image is about to be sent, and never stops the run.

    It is asked once for each batch that is taken up, all at one go, and then before each image is sent.
    """
    asked = iter(range(IMAGES))

    def stopping() -> bool:
        if next(asked, 0) == IMAGES // 32 + 2:
            act()
        return False

    return stopping


def append(archive: Path) -> None:
    with archive.open("ab") as file:
        file.write(b"the rest of the download")


def rewrite(archive: Path) -> None:
    data = archive.read_bytes()
    with archive.open("r+b") as file:
        file.write(data)
    os.utime(archive, ns=(1, 1))


@pytest.mark.parametrize("change", [append, rewrite])
def test_an_archive_that_changes_while_it_is_read(tmp_path: Path, change: Callable[[Path], None]) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": IMAGES})
    there = tmp_path / "there"
    summary = load(dataset.folder, str(there), stopping=once(lambda: change(dataset.folder / "0.zip")))
    assert (summary.exit_code, summary.complete) == (ExitCode.SOURCE, False)
    assert set(summary.findings) == {"archive-changed"}
    assert summary.failed == summary.findings["archive-changed"] == IMAGES - summary.sent > 0
    again = load(dataset.folder, str(there))
    told = {"archive-trailing": 1} if change is append else {}
    assert (again.exit_code, again.images, again.findings) == (ExitCode.COMPLETE, IMAGES, told)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows removes no open file")
@pytest.mark.parametrize("extracted", [False, True])
def test_a_source_that_vanishes(tmp_path: Path, extracted: bool) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": IMAGES // 2, "1": IMAGES // 2})
    if extracted:
        for number in ("0", "1"):
            with zipfile.ZipFile(dataset.folder / f"{number}.zip") as archive:
                archive.extractall(dataset.folder / number)
            (dataset.folder / f"{number}.zip").unlink()
    kept = shutil.copytree(dataset.folder, tmp_path / "kept")
    there = tmp_path / "there"
    seen: list[Any] = []
    # It raises where the table is gone too; the summary comes either way.
    with contextlib.suppress(SourceError):
        load(dataset.folder, str(there), stopping=once(lambda: shutil.rmtree(dataset.folder)), observer=seen.append)
    assert (seen[-1].exit_code, seen[-1].complete) == (ExitCode.SOURCE, False)
    assert seen[-1].message
    assert not (there / MANIFEST).exists()
    again = load(kept, str(there))
    assert (again.exit_code, again.images) == (ExitCode.COMPLETE, IMAGES)


def bounded(cwd: Path, name: str, value: int, *arguments: object, soft: int | None = None, **env: str) -> Ran:
    """Run the command with a limit of the system (`RLIMIT_...`)."""
    resource = pytest.importorskip("resource")

    def limit() -> None:
        resource.setrlimit(getattr(resource, name), (value if soft is None else soft, value))

    process = subprocess.Popen(
        [COMMAND, *map(str, arguments)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd,
        env={**os.environ, **env}, preexec_fn=limit,
    )  # fmt: skip
    return ended(process)


def one_sentence(ran: Ran, code: int) -> str:
    assert ran.code == code, ran.err
    assert "Traceback" not in ran.err
    assert ran.summary["exit_code"] == code
    assert ran.summary["message"]
    return str(ran.summary["message"])


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {"0": 200, "1": 3}, missing=1)


@pytest.mark.parametrize("size_bytes", [0, 100, 4_000])
def test_no_room_for_table_and_manifest(tmp_path: Path, container: str, size_bytes: int) -> None:
    whole = make_dataset(tmp_path / "source", {"0": 200})
    ran = bounded(tmp_path, "RLIMIT_FSIZE", size_bytes, "load", whole.folder, container, "--json")
    assert "no room" in one_sentence(ran, 2)
    assert "TMPDIR" in ran.summary["message"]
    assert run("load", whole.folder, container, "--json").code == 0


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a quarter of a megabyte."""
    place = tmp_path / "tiny"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if sys.platform != "linux" or os.getuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root mounts")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk(dataset: Dataset, tmp_path: Path, tiny_disk: Path) -> None:
    (tiny_disk / "filling").write_bytes(bytes((256 - 8) * 1024))
    ran = run("load", dataset.folder, tmp_path / "there", "--json", env={"TMPDIR": str(tiny_disk)}, cwd=tmp_path)
    assert str(tiny_disk) in one_sentence(ran, 2)
    assert [path.name for path in tiny_disk.iterdir()] == ["filling"], "nothing is left behind"
    many = make_dataset(tmp_path / "many", {"0": 1}, missing=300)
    ran = run("check", many.folder, "--json", "--findings", tiny_disk / "f.csv", cwd=tmp_path)
    assert f"the disk that {tiny_disk / 'f'}" in one_sentence(ran, 2)
    ran = run("load", many.folder, tiny_disk / "there", "--json", "--findings", tmp_path / "f.csv", cwd=tmp_path)
    assert f"the disk that {tiny_disk / 'there'}" in one_sentence(ran, 2)
    assert "TMPDIR" not in ran.out


@pytest.mark.parametrize("count", [16, 24, 32])
def test_no_descriptors_left(dataset: Dataset, container: str, tmp_path: Path, count: int) -> None:
    ran = bounded(tmp_path, "RLIMIT_NOFILE", count, "load", dataset.folder, container, "--json")
    if ran.code != 3:
        one_sentence(ran, ran.code)
        assert ran.code in (2, 5, 6)
        assert "oo many open files" in ran.out + ran.err or "too few open files" in ran.out
    assert run("load", dataset.folder, container, "--json", cwd=tmp_path).code == 3


def test_few_descriptors_are_asked_to_be_more(dataset: Dataset, container: str, tmp_path: Path) -> None:
    ran = bounded(tmp_path, "RLIMIT_NOFILE", 4096, "load", dataset.folder, container, "--json", soft=40)
    assert (ran.code, ran.summary["sent"]) == (3, 203)


def test_more_archives_than_descriptors(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(150):
        with zipfile.ZipFile(source / f"{number}.zip", "w") as archive:
            archive.writestr(f"{number}.png", tiny_png(number))
    arguments = ("load", source, tmp_path / "there", "--profile", "files", "--json")
    ran = bounded(tmp_path, "RLIMIT_NOFILE", 110, *arguments)
    assert (ran.code, ran.summary["sent"]) == (0, 150), ran.out


# The container


def test_a_container_that_is_deleted_midway(container: str, emulator: Emulator, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 60})
    with Proxy(emulator) as proxy:

        def before(number: int, method: str, name: str) -> str:
            if len(proxy.put_names()) == 10 and method == "PUT":
                with client(emulator, container) as opened:
                    opened.delete_container()
            return "pass"

        proxy.before = before
        ran = run("load", dataset.folder, proxy.url(container), "--json", "--connections", 2)
    assert "container" in one_sentence(ran, 6)
    assert ran.summary["sent"] < 60


@pytest.mark.parametrize("protection", ["lease", "archive"])
def test_a_protected_blob_is_a_finding_that_says_so(container: str, emulator: Emulator, protection: str) -> None:
    dataset = make_dataset(Path("source"), {"0": 3})
    first, *others = dataset.blobs
    with client(emulator, container) as opened:
        blob = opened.get_blob_client(first)
        blob.upload_blob(b"somebody else's")
        if protection == "lease":
            blob.acquire_lease()
        else:
            blob.set_standard_blob_tier("Archive")
    ran = run("load", dataset.folder, container, "--json", "--overwrite", "changed")
    assert ran.summary["failed"] == 0
    if protection == "archive" and ran.code == 0:
        assert content(emulator, container, first) == dataset.blobs[first], "the service let it be replaced"
        return
    assert (ran.code, ran.summary["conflicts"], ran.summary["sent"]) == (3, 1, 2)
    (found,) = ran.findings("blob-conflict")
    assert found["blob"] == first
    assert protection in found["message"]
    assert "--overwrite" not in found["message"], "that was asked for"
    assert set(others) < set(landed(emulator, container))


def test_more_other_blobs_than_a_page_has(container: str, emulator: Emulator, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        for number in range(5_200):
            archive.writestr(f"other/{number:05d}.txt", b"x")
    others = load(tmp_path / "other.zip", container, profile="files")
    assert others.sent == 5_200
    with client(emulator, container) as opened:
        opened.delete_blobs("_laden/manifest.parquet", "_laden/load.json")
    dataset = make_dataset(tmp_path / "source", {"0": 3})
    summary = load(dataset.folder, container)
    assert (summary.exit_code, summary.sent, summary.already_there) == (ExitCode.COMPLETE, 3, 0)
    assert len(landed(emulator, container)) == 5_200 + 3 + 3


# Names

GOOD = [
    "a b/c  d.png", " leading.png", "100%.png", "%41.png", "%2F..png", "a+b.png", "a#b.png", "what?.png",
    "a&b=c;d.png",
    "\u00fc\u00df.png", "\u4e2d\u6587/\u65e5\u672c.png", "\u05d0\u05d1\u05d2.png",
    "\u0639\u0631\u0628\u064a/\u0661.png",
    "\U0001f9e0.png", "e\u0301\u0302\u0303.png", "-dash.png", "=1+1.png", "'quote'\".png", "<&>.png", "~.png", "...a",
    unicodedata.normalize("NFC", "caf\u00e9.png"), unicodedata.normalize("NFD", "caf\u00e9.png"),
    "x" * 1020 + ".png", "/".join(["s"] * 254), "[red]a[/].png", "a,b;c.png", "CON.png", "a*b|c.png",
]  # fmt: skip
BAD = {
    "dots./a.png": "ends with a dot",
    "a.png.": "ends with a dot",
    "x" * 1025: "characters",
    "../up.png": "segment",
    "tab\t.png": "U+0009",
    "esc\x1b[31m.png": "U+001B",
    "back\\slash.png": "backslash",
    "/absolute.png": "absolute",
}


def test_names_of_every_letter_go_there_and_back(container: str, emulator: Emulator, tmp_path: Path) -> None:
    data = {name: tiny_png(number) for number, name in enumerate(GOOD)}
    with zipfile.ZipFile(tmp_path / "0.zip", "w") as archive:
        for name in [*GOOD, *BAD]:
            archive.writestr(zipfile.ZipInfo(name), data.get(name, b"bad"))
    ran = run("load", tmp_path / "0.zip", container, "--profile", "files", "--json", cwd=tmp_path)
    assert (ran.code, ran.summary["sent"]) == (3, len(GOOD))
    assert ran.summary["findings"] == {"name-refused": len(BAD), "image-unseen": 1}
    reasons = {found["member"]: found["message"] for found in ran.findings("name-refused")}
    for name, reason in BAD.items():
        assert reason in reasons[name.encode("unicode_escape").decode()]
    blobs = {name: blob for name, blob in landed(emulator, container).items() if not name.startswith("_laden/")}
    assert set(blobs) == set(GOOD)
    for name in GOOD:
        assert content(emulator, container, name) == data[name]
    again = run("load", tmp_path / "0.zip", container, "--profile", "files", "--json", cwd=tmp_path)
    assert (again.summary["sent"], again.summary["already_there"]) == (0, len(GOOD))
    verified = run("verify", container, "--deep", "all", "--json", cwd=tmp_path)
    assert (verified.code, verified.summary["images"]) == (0, len(GOOD)), verified.out


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such file names")
def test_the_same_names_from_a_folder(container: str, emulator: Emulator, tmp_path: Path) -> None:
    names = [name for name in GOOD if len(name) < 200]
    source = Path(tempfile.mkdtemp(dir=tmp_path))
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(tiny_png(len(name)))
    expected = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    ran = run("load", source, container, "--profile", "files", "--json", cwd=tmp_path)
    assert (ran.code, ran.summary["sent"]) == (0, len(expected))
    assert expected < set(landed(emulator, container))


FAKETIME = next(iter(sorted(Path("/usr").glob("lib*/**/libfaketimeMT.so.1"))), None)


@pytest.mark.skipif(FAKETIME is None, reason="needs libfaketime")
@pytest.mark.parametrize("shift", ["-20m", "+20m", "+3d"])
def test_a_clock_that_is_off(container: str, shift: str) -> None:
    """What a key signs is signed again by the service's clock, which the refusal tells."""
    dataset = make_dataset(Path("source"), {"0": 3})
    wrong = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": shift, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    ran = run("load", dataset.folder, container, "--yes", "--json", env=wrong)
    assert (ran.code, ran.summary["images"]) == (0, 3)


READING: dict[str, Callable[[str], object]] = {
    "verify": laden.verify,
    "verify --at": lambda place: laden.verify(place, at=1),
    "list": laden.list,
    "status": laden.status,
    "history": laden.history,
    "get": lambda place: laden.get(place, "./out"),
    "copy": lambda place: laden.copy(place, "./out"),
    "diff": lambda place: laden.diff(place, "."),
    "columns": laden.columns,
    "labels": lambda place: laden.export_labels(place, "labels.jsonl"),
    "set": lambda place: laden.set_properties(place, metadata=["a=b"]),
    "open": laden.open,
}


@pytest.mark.parametrize("kind", ["folder", "container"])
def test_a_place_that_is_not_there_is_wrong_usage_whoever_is_to_read_it(
    kind: str, emulator: Emulator, tmp_path: Path
) -> None:
    place = "./not-there" if kind == "folder" else emulator.url("not-there")
    for verb, read in READING.items():
        with pytest.raises(
            UsageError, match=r"there is no (container|folder|table) .*not-there.*:.* check|: name a source"
        ) as told:
            read(place)
        assert told.value.exit_code == ExitCode.USAGE, verb
    assert not Path("not-there").exists()
    assert not Path("out").exists()
