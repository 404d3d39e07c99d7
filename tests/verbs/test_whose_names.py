"""Nothing under a name that is another's: tables, copies, laden's own notes, datasets beside and below.

And nothing of a source that changed, or of content that nobody looked at.
"""

import gzip
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from laden.stages import transfer
from laden.store.journal import JOURNAL
from laden.values.errors import SourceError, UsageError
from laden.values.events import Event, Started
from laden.verbs.verify import verify
from tests.support.begun import begin
from tests.support.places import NOW_NS, images, load, pack, profile, put, run, table

HOSPITAL_A = [("0", "a.bin", "normal")]
HOSPITAL_B = [("1", "b.bin", "tumour")]


def hospital(folder: Path, rows: list[tuple[str, str, str]]) -> Path:
    table(folder, rows)
    for number, name, _ in rows:
        pack(folder / f"{number}.zip", {name: f"{name} of {folder.name}"})
    return folder


def manifest(there: Path) -> dict[str, str]:
    with duckdb.connect() as connection:
        found = connection.execute("SELECT blob, known FROM read_parquet(?)", [str(there / "_laden/manifest.parquet")])
        return dict(found.fetchall())


# Tables


@pytest.mark.parametrize("rows", [HOSPITAL_B, [("1", "a.bin", "tumour")]], ids=["other names", "the same names"])
def test_another_dataset_s_table_is_not_replaced(there: Path, tmp_path: Path, rows: list[tuple[str, str, str]]) -> None:
    profiled = profile(tmp_path, archive="{ImageDir}.zip")
    run(hospital(tmp_path / "A", HOSPITAL_A), there, profiled)
    before = (there / "t.csv").read_bytes()
    summary = run(hospital(tmp_path / "B", rows), there, profiled)
    assert (summary.exit_code, summary.findings["table-conflict"]) == (3, 1)
    assert (there / "t.csv").read_bytes() == before
    assert verify(str(there)).exit_code == 0
    assert run(tmp_path / "B", there, profiled, overwrite="changed").exit_code == 0
    assert "tumour" in (there / "t.csv").read_text()


def test_nor_is_its_part_removed_when_another_is_whole(there: Path, tmp_path: Path) -> None:
    profiled = profile(tmp_path, archive="{ImageDir}.zip")
    hospital(tmp_path / "A", [*HOSPITAL_A, ("7", "c.bin", "normal")])
    (tmp_path / "A/7.zip").unlink()
    run(tmp_path / "A", there, profiled)
    before = (there / "t_small.csv").read_bytes()
    run(hospital(tmp_path / "B", HOSPITAL_B), there, profiled)
    assert (there / "t_small.csv").read_bytes() == before


def test_the_next_version_of_a_table_replaces_it(there: Path, tmp_path: Path) -> None:
    profiled = profile(tmp_path, archive="{ImageDir}.zip")
    both = [*HOSPITAL_A, *HOSPITAL_B]
    source = hospital(tmp_path / "A", both)
    begin(source, there, profiled)
    table(source, [*HOSPITAL_A, ("1", "b.bin", "corrected")])
    assert run(source, there, profiled).exit_code == 0
    assert "corrected" in (there / "t.csv").read_text()


def test_a_table_that_lost_rows_replaces_it_once_their_images_are_gone_which_is_told(
    there: Path, tmp_path: Path
) -> None:
    profiled = profile(tmp_path, archive="{ImageDir}.zip")
    source = hospital(tmp_path / "A", [*HOSPITAL_A, *HOSPITAL_B])
    begin(source, there, profiled)
    table(source, HOSPITAL_A)
    assert run(source, there, profiled).findings == {"image-stray": 1, "table-conflict": 1}
    (there / "png/1/b.bin").unlink()
    assert run(source, there, profiled).findings == {"image-stray": 1, "blob-lost": 1, "table-replaced": 1}
    assert "b.bin" not in (there / "t.csv").read_text()


def test_a_table_after_another_layout_is_its_own(there: Path, tmp_path: Path) -> None:
    profiled = profile(tmp_path, archive="{ImageDir}.zip")
    source = hospital(tmp_path / "A", [*HOSPITAL_A, *HOSPITAL_B])
    begin(source, there, profiled)
    table(source, [*HOSPITAL_A, ("1", "b.bin", "corrected")])
    summary = run(source, there, profiled, layout="flat/{ImageID}")
    assert summary.findings == {"blob-earlier": 1, "dataset-other": 1, "image-twin": 2, "table-replaced": 1}
    assert "corrected" in (there / "t.csv").read_text()


def test_a_table_put_there_with_a_forged_md5_is_not_taken_for_it(tmp_path: Path, there: Path) -> None:
    profiled = profile(tmp_path, archive="{ImageDir}.zip")
    source = hospital(tmp_path / "A", HOSPITAL_A)
    forge(there, "t.csv", bytes((source / "t.csv").stat().st_size), (source / "t.csv").read_bytes())
    assert run(source, there, profiled).findings == {"table-conflict": 1}


# Copies, and laden's own


def test_a_copy_that_is_called_as_the_table_is_refused(source: Path, there: Path, tmp_path: Path) -> None:
    hospital(source, HOSPITAL_A)
    put(source / "docs/old/t.csv", "an old draft")
    with pytest.raises(UsageError, match=r"the table t\.csv and docs/old/t\.csv, which is copied as it is"):
        run(source, there, profile(tmp_path, archive="{ImageDir}.zip", more='sidecars = ["*.csv"]'))
    assert not there.exists()


def test_a_copy_that_is_called_as_an_image_or_a_part_of_the_table_is_refused(
    source: Path, there: Path, tmp_path: Path
) -> None:
    hospital(source, HOSPITAL_A)
    put(source / "docs/t_small.csv", "a draft")
    profiled = profile(tmp_path, archive="{ImageDir}.zip", more='sidecars = ["t_*.csv", "a.txt"]')
    with pytest.raises(UsageError, match=r"t_small\.csv"):
        run(source, there, profiled)
    (source / "docs/t_small.csv").rename(source / "docs/a.txt")
    with pytest.raises(UsageError, match="and an image would both be"):
        run(source, there, profiled, layout="a.txt")


def test_a_copy_of_another_dataset_is_not_replaced(there: Path, tmp_path: Path) -> None:
    profiled = profile(tmp_path, archive="{ImageDir}.zip", more='sidecars = ["*.pdf"]')
    for name, rows in (("A", HOSPITAL_A), ("B", HOSPITAL_B)):
        put(hospital(tmp_path / name, rows) / "protocol.pdf", f"of {name}")
    run(tmp_path / "A", there, profiled)
    summary = run(tmp_path / "B", there, profiled)
    assert summary.findings == {"dataset-other": 1, "table-conflict": 1, "sidecar-conflict": 1}
    assert (there / "protocol.pdf").read_text() == "of A"


def test_a_table_that_is_given_by_a_relative_path_is_no_data(
    source: Path, there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital(source, HOSPITAL_A)
    profiled = profile(tmp_path, archive="{ImageDir}.zip")
    text = Path(profiled).read_text().replace('suffixes = [".bin"]', 'suffixes = [".bin", ".csv"]')
    Path(profiled).write_text(text)
    (tmp_path / "link").symlink_to(source)
    monkeypatch.chdir(tmp_path)
    for given in ("source/t.csv", "./source/../source/t.csv", "link/t.csv", str(source / "t.csv")):
        assert load("source", str(there), table=given, profile=profiled).findings == {}


def test_laden_s_own_notes_are_never_loaded(there: Path, tmp_path: Path) -> None:
    """A folder that came out of a container, and a folder below it, with notes of their own."""
    run(hospital(tmp_path / "A", HOSPITAL_A), there, profile(tmp_path, archive="{ImageDir}.zip"))
    put(there / "below/_laden/load.json", "{}")
    again = tmp_path / "again"
    summary = load(there, str(again), profile="files")
    assert summary.findings["name-reserved"] >= 3
    assert summary.exit_code == 0, summary.findings
    assert images(again) == {"png/0/a.bin": "a.bin of A"}
    assert verify(str(again), deep="all").exit_code == 0
    second = load(there, str(again), profile="files", overwrite="changed")
    assert (second.exit_code, second.sent, second.conflicts) == (0, 0, 0)
    assert verify(str(again)).exit_code == 0


def test_what_else_lies_among_laden_s_notes_needs_a_person(source: Path, there: Path) -> None:
    put(source / "_laden/mine.bin", "x")
    put(source / "y.bin", "y")
    summary = load(source, str(there), profile="files")
    assert (summary.exit_code, summary.findings) == (3, {"name-reserved": 1})
    assert images(there) == {"y.bin": "y"}


def test_no_layout_leads_there(source: Path, there: Path, tmp_path: Path) -> None:
    hospital(source, HOSPITAL_A)
    with pytest.raises(UsageError, match="lies in _laden/"):
        run(source, there, profile(tmp_path, archive="{ImageDir}.zip"), layout="_laden/{ImageID}")


def test_reports_and_lists_of_findings_are_never_data(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(source / "x.bin", "x")
    put(source / "laden-report-notes.html", "my own notes")
    put(source / "_laden/mine.bin", "a finding")
    monkeypatch.chdir(source)
    there = tmp_path / "there"
    for _ in range(3):
        summary = load(".", str(there), profile="files", findings_file="laden-findings.csv",
                       report_file="laden-report.html")  # fmt: skip
        assert summary.findings.keys() <= {"name-reserved", "junk-ignored"}
        assert summary.findings["name-reserved"] == 1
    assert {"laden-report.html", "laden-findings.csv", "laden-findings.parquet"} < {
        path.name for path in source.iterdir()
    }
    assert set(images(there)) == {"x.bin", "laden-report-notes.html"}


# Datasets below, and other layouts


def test_a_load_at_a_root_takes_nothing_of_the_datasets_below(there: Path, tmp_path: Path) -> None:
    profiled = profile(tmp_path, archive="{ImageDir}.zip")
    below = hospital(tmp_path / "B", [("0", "a.bin", "tumour"), *HOSPITAL_B])
    run(below, there / "b", profiled)
    summary = run(hospital(tmp_path / "A", HOSPITAL_A), there, profiled)
    assert (summary.exit_code, summary.findings, summary.foreign) == (0, {}, 0)
    assert set(manifest(there)) == {"png/0/a.bin"}
    pack(below / "1.zip", {"b.bin": "changed by B"})
    run(below, there / "b", profiled, overwrite="changed")
    assert (verify(str(there)).exit_code, verify(str(there)).foreign) == (0, 0)
    assert run(tmp_path / "A", there, profiled).findings == {}


def test_images_of_another_layout_are_told(source: Path, there: Path, tmp_path: Path) -> None:
    profiled = profile(tmp_path, archive="{ImageDir}.zip")
    hospital(source, [*HOSPITAL_A, *HOSPITAL_B])
    begin(source, there, profiled)
    summary = run(source, there, profiled, layout="{ImageID}")
    assert (summary.exit_code, summary.findings) == (0, {"blob-earlier": 1, "image-twin": 2})
    (there / "_laden/manifest.parquet").unlink()
    assert run(source, there, profiled, layout="{ImageID}").findings["blob-earlier"] == 1


# What nobody looked at


def masks(source: Path, content: str, mtime_ns: int | None) -> None:
    for number in range(3):
        put(source / f"{number}.bin", f"{content}{number}", mtime_ns)


@pytest.mark.parametrize("second", [315_532_800, 0, NOW_NS // 10**9], ids=["1980", "1970", "one time for all"])
def test_equal_size_and_a_time_that_proves_nothing(source: Path, there: Path, second: int) -> None:
    masks(source, "v1-", second * 10**9)
    load(source, str(there), profile="files")
    assert load(source, str(there), profile="files").already_there == 3
    masks(source, "v2-", second * 10**9)
    assert load(source, str(there), profile="files").conflicts == 3
    summary = load(source, str(there), profile="files", overwrite="changed")
    assert (summary.exit_code, summary.sent) == (0, 3)
    assert images(there)["0.bin"] == "v2-0"


def test_all_can_be_compared_whatever_their_times_say(source: Path, there: Path) -> None:
    for content in ("v1-", "v2-"):
        for number in range(3):
            put(source / f"{number}.bin", f"{content}{number}", NOW_NS + number * 10**9)
        summary = load(source, str(there), profile="files", overwrite="changed")
    assert summary.sent == 0
    summary = load(source, str(there), profile="files", overwrite="changed", compare="all")
    assert (summary.sent, images(there)["2.bin"]) == (3, "v2-2")


def forge(there: Path, name: str, data: bytes, said: bytes) -> None:
    """A blob of another tool's, with the MD5 of other bytes: the service stores that property unchecked."""
    put(there / name, "")
    (there / name).write_bytes(data)
    os.utime(there / name, ns=(NOW_NS + 1, NOW_NS + 1))
    line = [name, len(data), (there / name).stat().st_mtime_ns, hashlib.md5(said).hexdigest(), {}]
    (there / JOURNAL).parent.mkdir(parents=True, exist_ok=True)
    with (there / JOURNAL).open("a") as journal:
        journal.write("\n" + json.dumps(line))


@pytest.mark.parametrize("single_put_bytes", [1, 1000], ids=["in blocks", "at once"])
def test_another_tool_s_word_about_its_content_is_not_believed(
    source: Path, there: Path, monkeypatch: pytest.MonkeyPatch, single_put_bytes: int
) -> None:
    monkeypatch.setattr(transfer.Settings, "__init__", settings(single_put_bytes))
    put(source / "a.bin", "right")
    put(source / "b.bin", "true!")
    forge(there, "a.bin", bytes(5), b"right")
    put(there / "b.bin", "true!")
    told = load(source, str(there), profile="files")
    assert (told.conflicts, told.already_there) == (1, 1)
    assert told.findings == {"blob-conflict": 1, "blob-unchecked": 1}
    assert manifest(there) == {"b.bin": "compared"}
    assert load(source, str(there), profile="files", overwrite="changed").exit_code == 0
    assert images(there) == {"a.bin": "right", "b.bin": "true!"}
    assert manifest(there) == {"a.bin": "sent", "b.bin": "compared"}
    assert verify(str(there), deep="all").exit_code == 0


def settings(single_put_bytes: int) -> Callable[..., None]:
    made = transfer.Settings.__init__

    def small(self: transfer.Settings, **given: object) -> None:
        made(self, **{**given, "single_put_bytes": single_put_bytes})  # type: ignore[arg-type]

    return small


# What changed meanwhile


def test_a_copy_that_changed_while_images_were_sent_ends_the_run(source: Path, there: Path, tmp_path: Path) -> None:
    hospital(source, HOSPITAL_A)
    put(source / "protocol.pdf", "as it was surveyed")
    profiled = profile(tmp_path, archive="{ImageDir}.zip", more='sidecars = ["*.pdf"]')

    def edit(event: Event) -> None:
        if isinstance(event, Started) and event.stage == "transfer":
            put(source / "protocol.pdf", "edited meanwhile, and longer")

    with pytest.raises(SourceError) as raised:
        run(source, there, profiled, observer=edit)
    assert raised.value.exit_code == 5
    assert not any((there / name).exists() for name in ("t.csv", "protocol.pdf", "_laden/manifest.parquet"))
    assert run(source, there, profiled).exit_code == 0


def test_a_copy_that_is_gone_ends_it_too(source: Path, there: Path, tmp_path: Path) -> None:
    hospital(source, HOSPITAL_A)
    put(source / "protocol.pdf", "as it was surveyed")

    def remove(event: Event) -> None:
        if isinstance(event, Started) and event.stage == "transfer":
            (source / "protocol.pdf").unlink()

    with pytest.raises(SourceError):
        run(source, there, profile(tmp_path, archive="{ImageDir}.zip", more='sidecars = ["*.pdf"]'), observer=remove)
    assert not (there / "t.csv").exists()


@pytest.mark.parametrize("change", ["edited", "replaced", "removed", "packed"])
def test_a_table_that_changed_meanwhile_lands_as_it_was_read_and_is_told(
    source: Path, there: Path, tmp_path: Path, change: str
) -> None:
    hospital(source, HOSPITAL_A)
    first = (source / "t.csv").read_bytes()
    other = first.replace(b"normal", b"tumour")
    given: dict[str, Path] = {}
    if change == "packed":
        given["table"] = tmp_path / "t.zip"
        pack(given["table"], {"t.csv": first.decode()})
        (source / "t.csv").unlink()

    def alter(event: Event) -> None:
        if isinstance(event, Started) and event.stage == "transfer":
            match change:
                case "edited":
                    (source / "t.csv").write_bytes(other)
                case "replaced":
                    (source / "new.csv").write_bytes(other)
                    (source / "new.csv").replace(source / "t.csv")
                case "removed":
                    (source / "t.csv").unlink()
                case "packed":
                    pack(given["table"], {"t.csv": other.decode() + "\n"})

    profiled = profile(tmp_path, archive="{ImageDir}.zip")
    summary = run(source, there, profiled, observer=alter, **given)
    assert (summary.exit_code, summary.complete, summary.findings["table-changed"]) == (3, True, 1)
    assert (there / "t.csv").read_bytes() == first
    assert verify(str(there), deep="all").exit_code == 0
    if change != "removed":
        again = run(source, there, profiled, **given)
        assert "table-changed" not in again.findings
        assert b"tumour" in (there / "t.csv").read_bytes()


@pytest.mark.parametrize("packed", [False, True])
def test_a_table_that_was_only_touched_or_compressed_is_nothing_to_tell(
    source: Path, there: Path, tmp_path: Path, packed: bool
) -> None:
    hospital(source, HOSPITAL_A)
    first = (source / "t.csv").read_bytes()

    def touch(event: Event) -> None:
        if isinstance(event, Started) and event.stage == "transfer":
            (source / "t.csv").write_bytes(gzip.compress(first) if packed else first)
            os.utime(source / "t.csv", ns=(NOW_NS, NOW_NS - 10**12))

    assert run(source, there, profile(tmp_path, archive="{ImageDir}.zip"), observer=touch).exit_code == 0


def test_a_file_that_changed_ends_it_with_five(source: Path, there: Path) -> None:
    masks(source, "before", None)

    def edit(event: Event) -> None:
        if isinstance(event, Started) and event.stage == "transfer":
            put(source / "1.bin", "edited and longer")

    summary = load(source, str(there), profile="files", observer=edit)
    assert (summary.exit_code, summary.complete) == (5, False)
    assert not (there / "_laden/manifest.parquet").exists()


def test_bytes_of_a_folder_that_changed_under_their_time_are_found_and_mended(source: Path, tmp_path: Path) -> None:
    """What laden noted of a file is no proof of what the file holds now."""
    put(source / "x.bin", "right")
    there = tmp_path / "there"
    load(source, str(there), profile="files")
    landed = there / "x.bin"
    before = landed.stat()
    landed.write_bytes(b"wrong")
    os.utime(landed, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert verify(str(there), deep="all").findings == {"blob-bytes": 1}
    assert load(source, str(there), profile="files", compare="all").findings["blob-conflict"] == 1
    mended = load(source, str(there), profile="files", compare="all", overwrite="changed")
    assert (mended.sent, mended.exit_code) == (1, 0)
    assert landed.read_bytes() == b"right"
    assert verify(str(there), deep="all").exit_code == 0


@pytest.mark.parametrize("packed", [False, True], ids=["plain file", "archive"])
def test_what_changes_after_it_was_read_ends_the_run_before_the_table_lands(
    source: Path, tmp_path: Path, packed: bool
) -> None:
    """It was sent whole, and is not what the source holds now."""
    if packed:
        pack(source / "x.zip", {"x.bin": "first"})
    else:
        put(source / "x.bin", "first")
    changing = source / ("x.zip" if packed else "x.bin")

    def change(event: Event) -> None:
        if isinstance(event, Started) and event.stage == "verify":
            changing.write_bytes(changing.read_bytes() + b" and more")

    there = tmp_path / "there"
    summary = load(source, str(there), profile="files", observer=change)
    assert (summary.exit_code, summary.complete) == (5, False)
    assert summary.findings == {"archive-changed" if packed else "file-changed": 1}
    assert not (there / "_laden" / "manifest.parquet").exists()
