"""The examples of docs/use.md and docs/get.md run as they stand, one after the other."""

import re
from pathlib import Path
from typing import Any

import pytest

from laden.verbs.load import load
from tests.support.dataset import make_dataset

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["use.md", "get.md"])
def test_every_python_example_runs(page: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 6, "1": 4})
    place = str(tmp_path / "place")
    load(dataset.folder, place)
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= (1 if page == "get.md" else 6)
    known: dict[str, Any] = {"DEST": place}
    for block in blocks:
        exec(compile(block, page, "exec"), known)
    if page == "use.md":
        printed = capsys.readouterr().out
        assert "normal" in printed
        assert "images-000000.tar" in printed
        assert "PNG" in printed
        known["dataset"].close()
