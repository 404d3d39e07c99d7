"""The list of findings: counted all, told some, written so that no spreadsheet runs it."""

import csv
import os
from pathlib import Path

import duckdb
import pytest

from laden.relations import Relations
from laden.run.findings import SHOWN_PER_CODE, FindingLog
from laden.values.errors import UsageError
from laden.values.events import Event, Found, ignore
from laden.values.records import Finding, Severity


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_one_is_counted_and_written_and_the_first_are_told(tmp_path: Path) -> None:
    told: list[Event] = []
    path = tmp_path / "findings.csv"
    count = SHOWN_PER_CODE + 5
    with FindingLog(path, told.append) as log:
        for number in range(count):
            log.add(Finding("code-a", Severity.WARNING, "message", "0.zip", f"m{number}", number))
        log.add(Finding("code-b", Severity.INFO, "other"))
        assert (log.counts, log.needs_person, log.finish()) == ({"code-a": count, "code-b": 1}, False, path)
    assert [event.finding.code for event in told if isinstance(event, Found)] == ["code-a"] * SHOWN_PER_CODE + [
        "code-b"
    ]
    rows = read(path)
    assert list(rows[0]) == ["code", "severity", "message", "archive", "member", "row", "blob"]
    assert [row["member"] for row in rows] == [f"m{number}" for number in range(count)] + [""]


@pytest.mark.parametrize("severity", list(Severity))
def test_only_errors_need_a_person(severity: Severity) -> None:
    with FindingLog(None, ignore) as log:
        log.add(Finding("x", severity, ""))
        assert log.needs_person is (severity is Severity.ERROR)
        assert log.finish() is None


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1"])
def test_no_cell_is_a_formula(tmp_path: Path, cell: str) -> None:
    with FindingLog(tmp_path / "f.csv", ignore) as log:
        log.add(Finding("x", Severity.INFO, cell, cell, cell, 0, cell))
    (row,) = read(tmp_path / "f.csv")
    shown = cell.translate({9: "\\t", 10: "\\n", 13: "\\r"})
    assert [row[name] for name in ("message", "archive", "member", "blob")] == ["'" + shown] * 4


def test_any_name_can_be_written(tmp_path: Path) -> None:
    with FindingLog(tmp_path / "f.csv", ignore) as log:
        log.add(Finding("x", Severity.INFO, 'a "quote", a\nline', "\udcff", "\u4e2d"))
    (row,) = read(tmp_path / "f.csv")
    assert (row["message"], row["archive"], row["member"]) == ('a "quote", a\\nline', "\\udcff", "\u4e2d")


def test_no_cell_moves_a_terminal(tmp_path: Path) -> None:
    with FindingLog(tmp_path / "f.csv", ignore) as log:
        log.add(Finding("x", Severity.INFO, "\x1b[2J", "a\u202eb", "\x9b1m", 0, "\x07"))
    (row,) = read(tmp_path / "f.csv")
    assert [row[name] for name in ("message", "archive", "member", "blob")] == [
        "\\x1b[2J", "a\\u202eb", "\\x9b1m", "\\x07",
    ]  # fmt: skip


def test_a_clean_run_leaves_no_list_under_its_name(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    with FindingLog(path, ignore) as log:
        log.add(Finding("x", Severity.INFO, "of the last run"))
    assert path.exists()
    with FindingLog(path, ignore) as log:
        log.settle()
    assert not path.exists()


def refused(path: Path) -> None:
    with FindingLog(path, ignore) as log:
        log.add(Finding("y", Severity.ERROR, "found before the option was looked at"))
        raise UsageError("no such column")


def test_a_command_that_is_refused_leaves_the_list_of_the_run_before(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    logged(path, Finding("x", Severity.INFO, "of the last run"))
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(UsageError, match="no such column"):
        refused(path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    with FindingLog(path, ignore) as log:
        log.add(Finding("y", Severity.ERROR, "found"))
        log.discard()
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_run_that_is_planned_takes_its_place_and_is_seen_as_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    logged(path, Finding("x", Severity.INFO, "of the last run"))
    with FindingLog(path, ignore) as log:
        log.add(Finding("y", Severity.INFO, "while planning"))
        assert [row["code"] for row in read(path)] == ["x"]
        log.settle()
        log.add(Finding("z", Severity.INFO, "while sending"))
        assert [row["code"] for row in read(path)] == ["y", "z"]
        assert not path.with_suffix(".parquet").exists(), "the old Parquet file is of another run"


@pytest.mark.parametrize("name", ["f.csv", "f.parquet"])
def test_nothing_is_written_through_a_link(tmp_path: Path, name: str) -> None:
    theirs = tmp_path / "theirs.csv"
    theirs.touch()
    (tmp_path / name).symlink_to(theirs)
    with pytest.raises(UsageError, match="is a link"), FindingLog(tmp_path / "f.csv", ignore):
        pytest.fail("the run began")
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="is a link"), FindingLog(tmp_path / "f.csv", ignore):
        pytest.fail("the run began")
    assert theirs.read_bytes() == b""


def test_a_link_that_comes_in_between_is_not_followed(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.csv"
    theirs.write_text("a\n")
    with FindingLog(tmp_path / "f.csv", ignore) as log:
        log.add(Finding("x", Severity.INFO, ""))
        (tmp_path / "f.csv").symlink_to(theirs)
        with pytest.raises(UsageError, match="cannot be written"):
            log.settle()
    assert (theirs.read_text(), sorted(path.name for path in tmp_path.iterdir())) == ("a\n", ["f.csv", "theirs.csv"])


def test_a_list_of_an_earlier_version_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("code,severity,message,archive,member,row,blob\r\nx,info,m,,,0,\r\n")
    logged(tmp_path / "f.csv", Finding("y", Severity.INFO, ""))
    assert [row["code"] for row in read(tmp_path / "f.csv")] == ["y"]


@pytest.mark.parametrize("separator", [";", ",", "\t"])
@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d", "\uff20"])
def test_no_cell_is_a_formula_whatever_separates_lists_here(tmp_path: Path, separator: str, sign: str) -> None:
    """A spreadsheet of another country takes lines apart elsewhere, and minds no quotes within a cell."""
    name = f"x{separator}{sign}cmd|'/C calc'!A0{separator}y.png"
    logged(tmp_path / "f.csv", Finding("x", Severity.INFO, name, name, name, 0, name))
    lines = (tmp_path / "f.csv").read_text("utf-8").splitlines()
    assert all(line.startswith('"') and line.endswith('"') and line.count('","') == 6 for line in lines)
    for cut in (";", ",", "\t"):
        for line in lines:
            for cell in line.split(cut):
                assert not cell.strip('"').startswith(("=", "+", "-", "@", "\uff1d", "\uff20")), (cut, cell)


@pytest.mark.parametrize("place", ["message", "archive", "member", "blob"])
def test_no_list_holds_a_secret(tmp_path: Path, place: str) -> None:
    told: list[Event] = []
    finding = Finding("x", Severity.INFO, "")._replace(**{place: "0.zip?sv=1&sig=c2VjcmV0&sp=r"})
    with FindingLog(tmp_path / "f.csv", told.append) as log, Relations() as relations, log.kept_in(relations):
        log.add(finding)
    assert "c2VjcmV0" not in (tmp_path / "f.csv").read_text() + repr(typed(tmp_path / "f.parquet")) + repr(told)


def test_a_file_that_is_no_list_of_findings_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("ImageID,ImageDir\n")
    with pytest.raises(UsageError, match="no list of findings"), FindingLog(path, ignore):
        pytest.fail("the run began")
    assert path.read_text() == "ImageID,ImageDir\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_the_place_is_told_once(tmp_path: Path) -> None:
    seen: list[Event] = []
    with FindingLog(None, seen.append) as log:
        log.add(Finding("member-crc", Severity.ERROR, "0.zip: a.png is damaged: get it again.", "0.zip", "a.png"))
        log.add(Finding("file-changed", Severity.ERROR, "x/a.png changed after it was listed", member="x/a.png"))
        log.add(Finding("lock-missing", Severity.ERROR, "0.zip is not here", archive="0.zip"))
    assert [event.finding.message for event in seen if isinstance(event, Found)] == [
        "it is damaged: get it again.",
        "it changed after it was listed",
        "0.zip is not here",
    ]


def test_a_full_disk_is_told_and_devices_stay(tmp_path: Path) -> None:
    link = tmp_path / "full"
    link.symlink_to("/dev/full")
    with pytest.raises(UsageError, match="is on is full"), FindingLog(link, ignore) as log:
        log.add(Finding("x", Severity.INFO, ""))
    assert link.is_symlink()


@pytest.mark.parametrize("bad", [".", "nowhere/f.csv"])
def test_a_place_that_cannot_be_written_is_told_before_any_work(tmp_path: Path, bad: str) -> None:
    with pytest.raises(UsageError, match="cannot be written"), FindingLog(tmp_path / bad, ignore):
        pytest.fail("the run began")


def logged(path: Path, *findings: Finding) -> None:
    with FindingLog(path, ignore) as log, Relations() as relations, log.kept_in(relations):
        for finding in findings:
            log.add(finding)


def typed(path: Path) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        return connection.execute("FROM read_parquet(?)", [str(path)]).fetchall()


def test_parquet_holds_the_texts_as_they_are(tmp_path: Path) -> None:
    logged(
        tmp_path / "f.csv",
        Finding("x", Severity.ERROR, "=1+1", "0.zip", "a\nb", 39_000, "png/0/a"),
        Finding("y", Severity.INFO, "m", "\udcff"),
    )
    assert typed(tmp_path / "f.parquet") == [
        ("x", "error", "=1+1", "0.zip", "a\nb", 39_000, "png/0/a"), ("y", "info", "m", "\\udcff", "", None, ""),
    ]  # fmt: skip


def test_parquet_holds_thousands(tmp_path: Path) -> None:
    logged(tmp_path / "f.csv", *(Finding("x", Severity.INFO, "", row=number) for number in range(1, 5001)))
    assert [row[5] for row in typed(tmp_path / "f.parquet")] == list(range(1, 5001))


def test_what_earlier_runs_found_is_kept_with_its_time(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    for code in ("x", "y"):
        logged(path, Finding(code, Severity.INFO, ""))
        assert sorted(one.name for one in tmp_path.glob("f.*")) == ["f.csv", "f.parquet"]
        for file in tmp_path.glob("f.*"):
            os.utime(file, (1_800_000_000, 1_800_000_000))
    with FindingLog(path, ignore) as log:
        log.settle()
    kept = sorted(one.name for one in tmp_path.iterdir())
    stamp = "f-2027-01-15T080000"
    assert kept == [f"{stamp}-2.csv", f"{stamp}-2.parquet", f"{stamp}.csv", f"{stamp}.parquet"]
    assert [read(tmp_path / name)[0]["code"] for name in (f"{stamp}.csv", f"{stamp}-2.csv")] == ["x", "y"]
    assert [typed(tmp_path / name)[0][0] for name in (f"{stamp}.parquet", f"{stamp}-2.parquet")] == ["x", "y"]


def interrupted(path: Path) -> None:
    with FindingLog(path, ignore) as log, Relations() as relations, log.kept_in(relations):
        log.add(Finding("x", Severity.INFO, "", row=3))
        raise KeyboardInterrupt


def test_a_run_that_breaks_off_leaves_both_lists(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    with pytest.raises(KeyboardInterrupt):
        interrupted(path)
    assert (len(read(path)), len(typed(tmp_path / "f.parquet"))) == (1, 1)


def test_a_parquet_file_of_somebody_else_is_not_replaced(tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT 1 AS a) TO '{tmp_path}/f.parquet'")
    with pytest.raises(UsageError, match="is there and is no list"), FindingLog(tmp_path / "f.csv", ignore):
        pytest.fail("the run began")
    assert typed(tmp_path / "f.parquet") == [(1,)]


def test_the_csv_is_not_called_parquet(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="where the Parquet file goes"), FindingLog(tmp_path / "f.parquet", ignore):
        pytest.fail("the run began")
