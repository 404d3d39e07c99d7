"""A disk that is full is told everywhere in one sentence, with the place that is full, and one exit code."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from laden.relations.trouble import local_trouble
from laden.run.findings import FindingLog
from laden.run.logfile import LogFile
from laden.store.disk import writing
from laden.values.errors import DiskFull, ExitCode, UsageError
from laden.values.events import ignore
from laden.values.records import Finding, Severity
from laden.values.room import disk_full, is_full, writing_to
from laden.values.secrets import StreamLost

FULL = [errno.ENOSPC, errno.EDQUOT]


def failing(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize("number", FULL)
def test_it_is_told_with_its_place_whoever_writes_there(number: int, tmp_path: Path) -> None:
    place = tmp_path / "there"
    for writer in (writing_to(place, "list", "-o"), writing(place)):
        with pytest.raises(DiskFull) as told, writer:
            raise failing(number)
        assert str(told.value) == str(disk_full(place))
        assert told.value.exit_code == ExitCode.USAGE
    assert f"the disk that {place} is on is full: make room there" in str(disk_full(place))


def test_another_error_is_told_as_what_it_is(tmp_path: Path) -> None:
    assert not is_full(failing(errno.EACCES))
    refused = r"the list cannot be written to .* \(Permission denied\): name another place with -o"
    with pytest.raises(UsageError, match=refused), writing_to(tmp_path, "list", "-o"):
        raise failing(errno.EACCES)


def test_a_reader_that_has_gone_is_no_matter_of_the_file() -> None:
    with pytest.raises(StreamLost), writing_to(Path("-"), "list", "-o"):
        raise StreamLost(errno.EPIPE, "Broken pipe")


def test_the_folder_of_notes_is_blamed_only_where_it_is_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    somewhere = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/mnt/small/0.zip")
    assert local_trouble(somewhere) == str(disk_full("/mnt/small/0.zip"))
    assert "a folder that this run writes to" in (local_trouble(failing(errno.ENOSPC)) or "")
    monkeypatch.setattr("laden.relations.trouble._ROOM_BYTES", 1 << 62)
    assert local_trouble(failing(errno.ENOSPC)) == (
        f"there is no room for laden's notes in {tmp_path}: free some, or set TMPDIR to another folder, and run again"
    )


def test_files_of_a_run_are_no_exception(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: object, **__: object) -> None:
        raise failing(errno.ENOSPC)

    monkeypatch.setattr("laden.run.findings.exclusive", full)
    monkeypatch.setattr("laden.run.logfile._opened", full)
    with pytest.raises(DiskFull, match=r"f\.csv is on is full"), FindingLog(tmp_path / "f.csv", ignore) as log:
        log.add(Finding("image-missing", Severity.ERROR, "gone"))
    with pytest.raises(DiskFull, match=r"l\.jsonl is on is full"), LogFile(tmp_path / "l.jsonl", ignore):
        pass
