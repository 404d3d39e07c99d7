"""The notebooks of examples/: every cell runs, in order, in a kernel's shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

NOTEBOOKS = sorted((Path(__file__).parents[2] / "examples").glob("*.ipynb"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs(notebook: Path) -> None:
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    shell = InteractiveShell()
    ran = 0
    told = ""
    for cell in cells:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], "committed as it is before it ran"
            with capture_output() as shown:
                result = shell.run_cell("".join(cell["source"]), store_history=False)
            result.raise_error()
            told += shown.stdout
            ran += 1
    assert ran >= 5
    assert Path("report.html").is_file()
    assert "overwrite is 'sometimes': give one of never, changed" in told


def test_there_are_some() -> None:
    assert NOTEBOOKS
