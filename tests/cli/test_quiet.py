"""`-q` silences signs of life, and not what was asked for."""

from pathlib import Path

from laden.verbs.load import load
from tests.support.dataset import make_dataset
from tests.support.harness import run


def test_quiet_silences_signs_of_life_and_no_answer(tmp_path: Path) -> None:
    dataset, place = make_dataset(tmp_path / "source", {"0": 3}), tmp_path / "place"
    load(dataset.folder, place)
    asked: dict[tuple[object, ...], str] = {
        ("list", place): next(iter(dataset.blobs)),
        ("diff", place, place): "the same, byte for byte",
        ("select", dataset.table, "--first", "1"): "of them in the first 1",
    }
    for words, line in asked.items():
        ran = run(*words, "-q")
        assert (ran.code, line in ran.out) == (0, True), words
        assert "Listing the destination" not in ran.out + ran.err
        assert "Reading the table" not in ran.out + ran.err
    rows = run("select", dataset.table, "--first", "1", "-o", "-", "-q")
    assert (len(rows.out.splitlines()), "first" in rows.err) == (2, False)
