"""`laden fetch --repair FOLDER`: what is damaged is put right from where it came, without the links."""

from __future__ import annotations

from pathlib import Path

import pytest

from laden.dataset.source import find
from laden.values.errors import ExitCode, UsageError
from laden.verbs.fetch import fetch
from tests.remote.server import Server
from tests.remote.test_fetch import damage, made_zip


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laden.remote.wire.FIRST_PAUSE_S", 0.001)


def test_the_folder_knows_where_its_files_came_from(server: Server, tmp_path: Path) -> None:
    archives = {name: made_zip(4, 50_000, seed) for seed, name in enumerate(["a/0.zip", "b/1.zip", "b/2.zip"])}
    fetch([server.put(name, data) for name, data in archives.items()], tmp_path)
    for name in ("0.zip", "2.zip"):
        damage(tmp_path / name, 60_000)
    (tmp_path / "1.zip").unlink()
    server.calls.clear()
    summary = fetch([], tmp_path, repair=True)
    assert (summary.exit_code, summary.images, summary.already_there) == (ExitCode.COMPLETE, 2, 2)
    assert (tmp_path / "0.zip").read_bytes() == archives["a/0.zip"]
    assert (tmp_path / "2.zip").read_bytes() == archives["b/2.zip"]
    assert not (tmp_path / "1.zip").exists()
    assert server.sent_bytes <= 2 * (8_192 + 50_000 + 1_000)
    # What is laden's own in the folder is no data.
    assert find([tmp_path]).files == []


def test_a_secret_is_kept_nowhere_and_asked_for(server: Server, tmp_path: Path) -> None:
    link = server.put("0.zip", made_zip(4, 50_000)) + "?sig=c2VjcmV0c2VjcmV0"
    fetch([link], tmp_path)
    assert "c2VjcmV0" not in (tmp_path / ".laden-fetch.jsonl").read_text()
    damage(tmp_path / "0.zip", 60_000)
    with pytest.raises(UsageError, match=r"0\.zip came from http.*0\.zip, whose secret .* give the link too"):
        fetch([], tmp_path, repair=True)
    assert fetch([link], tmp_path, repair=True).exit_code == ExitCode.COMPLETE


@pytest.mark.parametrize("there", ["", "somebody's own\n", '{"laden_fetch": 1}\nhalf a li'])
def test_a_folder_that_knows_nothing_says_so(server: Server, tmp_path: Path, there: str) -> None:
    (tmp_path / "0.zip").write_bytes(made_zip(4, 50_000))
    if there:
        (tmp_path / ".laden-fetch.jsonl").write_text(there)
    with pytest.raises(UsageError, match=r"nothing in .* tells where its zips came from"):
        fetch([], tmp_path, repair=True)
    with pytest.raises(UsageError, match="fetch needs links"):
        fetch([], tmp_path)
    own = (tmp_path / ".laden-fetch.jsonl").read_text() if there else ""
    assert own == there
    link = server.put("0.zip", made_zip(4, 50_000))
    fetch([link], tmp_path)
    kept = (tmp_path / ".laden-fetch.jsonl").read_text()
    assert kept == there if there.startswith("some") else '"0.zip"' in kept


def test_a_record_that_is_a_link_is_not_written_through(server: Server, tmp_path: Path) -> None:
    (tmp_path / "away").write_text("mine")
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / ".laden-fetch.jsonl").symlink_to(tmp_path / "away")
    assert fetch([server.put("0.zip", made_zip(1, 500))], tmp_path / "to").exit_code == ExitCode.COMPLETE
    assert (tmp_path / "away").read_text() == "mine"
