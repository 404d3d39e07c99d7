"""`check` and `load` from links: what lands is what lands from a disk, and only what is needed is fetched."""

from __future__ import annotations

import hashlib
import io
import pickle
import random
import tarfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pytest

from laden.remote.linked import LinkedRoot
from laden.stages.engine import Job, processes
from laden.values.errors import ExitCode, Interrupted, SourceError, UsageError
from laden.values.events import Event, PlanReady, Summary, Warned
from laden.verbs.check import check
from laden.verbs.load import load
from laden.verbs.prune import plan_prune
from tests.remote.server import PAGE, Call, Play, Server
from tests.support.dataset import Dataset, make_dataset


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laden.remote.wire.FIRST_PAUSE_S", 0.001)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "source", {"0": 12, "1": 9}, size=64)


@pytest.fixture
def links(server: Server, dataset: Dataset) -> list[str]:
    return serve(server, dataset)


def serve(server: Server, dataset: Dataset) -> list[str]:
    return [server.put(path.name, path.read_bytes()) for path in sorted(dataset.folder.iterdir())]


def landed(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.png")}


def test_what_lands_from_links_is_what_lands_from_a_disk(
    server: Server, dataset: Dataset, links: list[str], tmp_path: Path
) -> None:
    summary = load(links, str(tmp_path / "there"))
    assert summary.exit_code == ExitCode.COMPLETE
    assert landed(tmp_path / "there") == dataset.blobs
    load([str(dataset.folder)], str(tmp_path / "local"))
    assert (tmp_path / "there" / dataset.table.name).read_bytes() == dataset.table.read_bytes()
    # A second run fetches directories alone.
    server.calls.clear()
    again = load(links, str(tmp_path / "there"))
    assert (again.sent, again.already_there) == (0, len(dataset.blobs))
    assert len(server.calls) <= 12


def test_check_reads_directories_in_a_few_requests(server: Server, dataset: Dataset, links: list[str]) -> None:
    plans: list[PlanReady] = []
    summary = check(links, observer=lambda event: plans.append(event) if isinstance(event, PlanReady) else None)
    assert (summary.exit_code, summary.matched) == (ExitCode.COMPLETE, len(dataset.blobs))
    assert max(len(server.of(name)) for name in ("0.zip", "1.zip")) <= 3
    assert plans[0].source_requests == 2
    assert 0 < plans[0].source_bytes <= sum(len(server.files[name].data) for name in ("0.zip", "1.zip"))


def test_images_are_looked_into_where_they_lie(dataset: Dataset, links: list[str]) -> None:
    summary = check(links, images="pixels")
    assert (summary.exit_code, summary.examined) == (ExitCode.COMPLETE, len(dataset.blobs))


def test_archives_by_link_and_a_table_on_disk(dataset: Dataset, links: list[str], tmp_path: Path) -> None:
    summary = load([link for link in links if ".zip" in link], str(tmp_path / "there"), table=dataset.table)
    assert summary.exit_code == ExitCode.COMPLETE
    assert landed(tmp_path / "there") == dataset.blobs


def test_archives_on_disk_and_a_table_by_link(dataset: Dataset, links: list[str], tmp_path: Path) -> None:
    table = next(link for link in links if ".csv" in link)
    archives = sorted(dataset.folder.glob("*.zip"))
    assert load(archives, str(tmp_path / "there"), table=table).exit_code == ExitCode.COMPLETE
    assert load([*archives, table], str(tmp_path / "other")).exit_code == ExitCode.COMPLETE
    assert landed(tmp_path / "there") == landed(tmp_path / "other") == dataset.blobs


def test_one_archive_by_link_the_other_on_disk(
    server: Server, dataset: Dataset, links: list[str], tmp_path: Path
) -> None:
    given = [links[0], dataset.folder / "1.zip", dataset.table]
    assert load(given, str(tmp_path / "there")).exit_code == ExitCode.COMPLETE
    assert landed(tmp_path / "there") == dataset.blobs
    assert not server.of("1.zip")
    with pytest.raises(UsageError, match=r"0\.zip is given as a file and as a link"):
        load([links[0], dataset.folder / "0.zip", dataset.table], str(tmp_path / "no"))


def test_a_file_of_links_is_a_source(dataset: Dataset, links: list[str], tmp_path: Path) -> None:
    listed = tmp_path / "links.txt"
    listed.write_text("# where they are\n\n" + "\n".join(links) + "\n")
    assert load([listed], str(tmp_path / "there")).exit_code == ExitCode.COMPLETE
    assert landed(tmp_path / "there") == dataset.blobs
    listed.write_text("\n".join(links) + "\nnot a link\n")
    with pytest.raises(UsageError, match="line 4"):
        load([listed], str(tmp_path / "there"))


def test_only_wanted_members_are_fetched(server: Server, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 60, "1": 60}, size=120, deflate=False)
    links = serve(server, dataset)
    wanted = random.Random(3).sample(sorted(dataset.rows), 6)
    (tmp_path / "wanted.txt").write_text("\n".join(wanted))
    summary = load(links, str(tmp_path / "there"), images_file=tmp_path / "wanted.txt")
    assert (summary.exit_code, summary.sent) == (ExitCode.COMPLETE, 6)
    directories = 2 * (256 << 10) + 2 * (8 << 10) + len(server.files[dataset.table.name].data) + (8 << 10)
    images = sum(len(dataset.members[f"{dataset.rows[name]}.zip", name]) for name in wanted)
    # Of two wanted ones that lie close to each other, what lies between them comes along.
    assert server.sent_bytes - directories <= images + 6 * (128 << 10)
    assert server.sent_bytes < 0.5 * sum(len(file.data) for file in server.files.values())


def test_neighbours_share_requests(server: Server, dataset: Dataset, links: list[str], tmp_path: Path) -> None:
    load(links, str(tmp_path / "there"))
    # First bytes, the end with the directory, all members at once, and whether it changed.
    assert len(server.of("0.zip")) == 4


def test_where_images_came_from_is_kept(server: Server, dataset: Dataset, links: list[str], tmp_path: Path) -> None:
    signed = [f"{link}?sig=0123456789abcdef0123" for link in links]
    load([link for link in signed if ".zip" in link], str(tmp_path / "there"), table=signed[-1])
    manifest = tmp_path / "there" / "_laden" / "manifest.parquet"
    rows = duckdb.sql(f"SELECT archive, origin FROM '{manifest}'").fetchall()
    assert len(rows) == len(dataset.blobs)
    for archive, origin in rows:
        address, validator, offset = origin.split(";")
        assert address == server.url(archive)
        assert validator == quote(server.files[archive].tag, safe='"')
        assert server.files[archive].data[int(offset) :][:4] == b"PK\3\4"
    assert "0123456789abcdef" not in "".join(
        path.read_text("latin-1") for path in (tmp_path / "there").rglob("*") if path.is_file()
    )


def test_a_wrong_byte_that_looks_right_is_told_by_the_members_checksum(
    server: Server, dataset: Dataset, links: list[str], tmp_path: Path
) -> None:
    # A host that gives other bytes under the right headers: nothing but the CRC-32 tells.
    server.play = lambda call: Play(shift=-7, told=False) if call.number > 6 and "0.zip" in call.path else None
    summary = load(links, str(tmp_path / "there"))
    assert summary.exit_code != ExitCode.COMPLETE
    wrong = {name for name, content in landed(tmp_path / "there").items() if content != dataset.blobs[name]}
    assert not wrong


def test_an_archive_that_changes_during_the_load_ends_it_without_a_manifest(
    server: Server, dataset: Dataset, links: list[str], tmp_path: Path
) -> None:
    def change(call: Call) -> None:
        if len(server.of("1.zip")) == 3:
            server.change("1.zip", data=server.files["1.zip"].data[::-1], etag='"new"', modified_s=1_700_000_000.0)

    server.play = change  # type: ignore[assignment]
    summary = load(links, str(tmp_path / "there"))
    assert summary.exit_code == ExitCode.SOURCE
    assert not (tmp_path / "there" / "_laden" / "manifest.parquet").exists()
    assert not (tmp_path / "there" / dataset.table.name).exists()
    assert landed(tmp_path / "there").items() <= dataset.blobs.items()


def test_an_archive_that_changed_after_it_was_read_is_told(
    server: Server, dataset: Dataset, links: list[str], tmp_path: Path
) -> None:
    def observe(event: Event) -> None:
        if getattr(event, "stage", "") == "verify":
            server.change("1.zip", etag='"new"', modified_s=1_700_000_000.0)

    summary = load(links, str(tmp_path / "there"), observer=observe)
    assert summary.exit_code == ExitCode.SOURCE
    assert summary.findings == {"archive-changed": 1}


def test_one_link_that_fails_is_a_finding_and_all_of_them_an_error(
    server: Server, dataset: Dataset, links: list[str], tmp_path: Path
) -> None:
    server.play = lambda call: Play(status=403) if "1.zip" in call.path else None
    summary = load(links, str(tmp_path / "there"))
    assert summary.exit_code == ExitCode.FINDINGS
    assert summary.findings["source-refused"] == 1
    assert summary.missing == 9
    server.play = lambda _: Play(status=200, headers=(("Content-Type", "text/html"),), body=PAGE)
    with pytest.raises(SourceError, match="web page"):
        load(links, str(tmp_path / "no"))


def test_a_host_without_ranges_gives_tables_and_no_archives(
    server: Server, dataset: Dataset, links: list[str], tmp_path: Path
) -> None:
    server.play = lambda _: Play(whole=True)
    with pytest.raises(SourceError, match="laden fetch"):
        load([link for link in links if ".zip" in link], str(tmp_path / "no"), table=dataset.table)
    archives = sorted(dataset.folder.glob("*.zip"))
    table = next(link for link in links if ".csv" in link)
    assert load([*archives, table], str(tmp_path / "there")).exit_code == ExitCode.COMPLETE


def test_parts_are_read_as_the_archive_that_they_were(server: Server, dataset: Dataset, tmp_path: Path) -> None:
    data = (dataset.folder / "0.zip").read_bytes()
    cut = [data[at : at + 30_000] for at in range(0, len(data), 30_000)]
    links = [server.put(f"0.zip.{number:03d}", part) for number, part in enumerate(cut, 1)]
    summary = load(links, str(tmp_path / "there"), table=dataset.table, archives="0")
    assert summary.exit_code == ExitCode.COMPLETE
    assert landed(tmp_path / "there") == {name: one for name, one in dataset.blobs.items() if name.startswith("png/0/")}
    del server.files["0.zip.002"]
    with pytest.raises(SourceError, match=r"part 2 of 0\.zip"):
        check([link for link in links if not link.endswith("002")], table=dataset.table, archives="0")


@pytest.mark.parametrize("packed", [False, True])
def test_tars_are_read_by_range_and_gzip_twice_said_before(server: Server, tmp_path: Path, packed: bool) -> None:
    content = {f"cxr/{number}.png": random.Random(number).randbytes(40_000) for number in range(20)}
    packing = io.BytesIO()
    with tarfile.open(fileobj=packing, mode="w:gz" if packed else "w") as tar:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    link = server.put("images_001.tar.gz" if packed else "images_001.tar", packing.getvalue())
    told: list[str] = []
    summary = load(
        [link],
        str(tmp_path / "there"),
        profile="files",
        images="none",
        observer=lambda event: told.append(event.message) if isinstance(event, Warned) else None,
    )
    assert summary.exit_code == ExitCode.COMPLETE
    assert sorted(landed(tmp_path / "there").values()) == sorted(content.values())
    assert any("twice" in text or "again for what is sent" in text for text in told) == packed
    assert server.sent_bytes < (2.2 if packed else 2.1) * len(packing.getvalue()) + (64 << 10)


def test_single_images_by_link_keep_their_folders(server: Server, tmp_path: Path) -> None:
    content = {f"files/p1{number % 2}/{number}.jpg": random.Random(number).randbytes(5_000) for number in range(8)}
    links = [server.put(f"project/1.0/{name}", data) for name, data in content.items()]
    (tmp_path / "links.txt").write_text("\n".join(links))
    summary = load([tmp_path / "links.txt"], str(tmp_path / "there"), profile="files", images="none")
    assert (summary.exit_code, summary.sent) == (ExitCode.COMPLETE, 8)
    # Asked for its length, and read: each twice, and no byte but the first one.
    assert len(server.calls) == 16
    there = {path.name: path.read_bytes() for path in (tmp_path / "there").rglob("*.jpg")}
    assert there == {name.rpartition("/")[2]: data for name, data in content.items()}
    assert all(len({path.parent.name}) == 1 for path in (tmp_path / "there").rglob("*.jpg"))
    again = load([tmp_path / "links.txt"], str(tmp_path / "there"), profile="files", images="none")
    assert again.sent == 0


def test_a_checksum_file_by_link_is_the_files_that_it_names(server: Server, tmp_path: Path) -> None:
    content = {f"files/p1{number % 2}/{number}.jpg": random.Random(number).randbytes(500) for number in range(6)}
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in content.items())
    for name, data in content.items():
        server.put(f"project/1.0/{name}", data)
    link = server.put("project/1.0/SHA256SUMS.txt", sums.encode())
    more = {"profile": "files", "images": "none"}
    assert load(link, str(tmp_path / "there"), **more).sent == 7
    for name, data in content.items():
        assert (tmp_path / "there" / name).read_bytes() == data
    assert check(link, checksums=True, profile="files").exit_code == ExitCode.COMPLETE
    server.files["project/1.0/files/p10/2.jpg"] = server.files["project/1.0/files/p11/1.jpg"]
    assert check(link, checksums=True, profile="files").findings == {"file-hash": 1}
    server.calls.clear()
    assert load(link, str(tmp_path / "part"), include=["p11"], **more).sent == 3
    assert not server.of("project/1.0/files/p10/2.jpg")
    server.put("project/1.0/SHA256SUMS.txt", sums.encode() + b"0" * 64 + b"  ../other/file\n")
    with pytest.raises(SourceError, match="outside"):
        check(link, profile="files")


def test_a_dry_run_tells_what_it_takes_and_writes_nothing(links: list[str], tmp_path: Path) -> None:
    plans: list[PlanReady] = []
    load(
        links,
        str(tmp_path / "there"),
        dry_run=True,
        observer=lambda event: plans.append(event) if isinstance(event, PlanReady) else None,
    )
    assert plans[0].source_requests == 2
    assert plans[0].source_s > 0
    assert not (tmp_path / "there").exists()


def test_links_that_end_are_had_anew_by_a_program(
    server: Server, dataset: Dataset, links: list[str], tmp_path: Path
) -> None:
    server.play = lambda call: Play(status=403) if "old" in call.path and call.number > 4 else None
    given = [f"{link}?old=1" for link in links]
    program = f"echo {server.url('')}{{name}}"
    summary = load(given, str(tmp_path / "there"), link_command=program)
    assert summary.exit_code == ExitCode.COMPLETE
    assert landed(tmp_path / "there") == dataset.blobs
    with pytest.raises(UsageError, match="link-command"):
        load([dataset.folder], str(tmp_path / "no"), link_command=program)


@pytest.mark.parametrize("seed", range(3))
def test_a_load_that_is_stopped_anywhere_ends_right_the_next_time(
    server: Server, dataset: Dataset, links: list[str], tmp_path: Path, seed: int
) -> None:
    drawn = random.Random(seed)
    last = drawn.randrange(3, 14)
    server.play = lambda call: Play(status=404) if call.number > last else None
    try:
        first = load(links, str(tmp_path / "there"))
    except SourceError:
        first = Summary("load")
    assert landed(tmp_path / "there").items() <= dataset.blobs.items()
    server.play = lambda _: None
    second = load(links, str(tmp_path / "there"))
    assert second.exit_code == ExitCode.COMPLETE
    assert landed(tmp_path / "there") == dataset.blobs
    assert first.sent + second.sent == len(dataset.blobs)


def test_workers_read_links_too(dataset: Dataset, links: list[str], tmp_path: Path) -> None:
    summary = load(links, str(tmp_path / "there"), workers=2)
    assert summary.exit_code == ExitCode.COMPLETE
    assert landed(tmp_path / "there") == dataset.blobs


def test_a_report_with_pictures_fetches_no_image_twice(server: Server, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 6}, size=300, deflate=False)
    links = serve(server, dataset)
    summary = load(links, str(tmp_path / "there"), report_file=tmp_path / "r.html")
    assert summary.exit_code == ExitCode.COMPLETE
    assert (tmp_path / "r.html").read_text().count("data:image/") >= 6
    # First bytes and the end, which are asked for twice in so small an archive.
    assert max(server.bytes_of("0.zip")[8192 : -(256 << 10)]) == 1
    assert server.sent_bytes < len(server.files["0.zip"].data) * 1.2 + (300 << 10)


def test_a_plan_of_pruning_takes_links_as_the_source(
    server: Server, dataset: Dataset, links: list[str], tmp_path: Path
) -> None:
    load(links, str(tmp_path / "there"))
    table = dataset.table.read_text().splitlines(keepends=True)
    server.put(dataset.table.name, "".join(table[:-1]).encode())
    summary = plan_prune(str(tmp_path / "there"), links, plan_file=tmp_path / "plan.jsonl", dry_run=True)
    assert (summary.exit_code, summary.images) == (ExitCode.COMPLETE, len(dataset.blobs))
    # What cannot be seen must never pass for what is not there.
    server.play = lambda call: Play(status=403) if "1.zip" in call.path else None
    with pytest.raises(SourceError, match="not seen whole"):
        plan_prune(str(tmp_path / "there"), links, plan_file=tmp_path / "plan.jsonl")


def test_all_who_read_at_once_together_ask_a_host_as_one_would(
    container: str, dataset: Dataset, links: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six processes are six readers, and so are three workers of one of two shares."""
    roots: list[LinkedRoot] = []

    class Noting(ThreadPoolExecutor):
        def submit(self, call: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
            roots.append(pickle.loads(arguments[1])[1].root)
            return super().submit(call, *arguments, **named)

    def note(job: Job, *_: object) -> None:
        roots.append(pickle.loads(pickle.dumps(job.root)))
        raise Interrupted("noted")

    with monkeypatch.context() as patched:
        patched.setattr(processes, "_Coordinator", note)
        with pytest.raises(Interrupted, match="noted"):
            load(links, container, workers=6)
    with Noting(2) as executor:
        check(links, images="structure", executor=executor, workers=3, share="1/2")
        load(links, container, executor=executor, workers=3, share="1/2")
        load(links, container, executor=executor, workers=3, share="2/2")
    assert len(roots) >= 3
    assert {root.begin().machines for root in roots} == {6}
