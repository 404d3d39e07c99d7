"""The first hour as README and docs/start.md tell it, command by command, in a fresh clone and an empty home."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "docs" / "first_hour.py"
NEEDED = ("git", "make", "bash")


@pytest.mark.skipif(sys.platform == "win32", reason="the pages' commands are a shell's")
@pytest.mark.skipif(
    not all(map(shutil.which, NEEDED)) or not (ROOT / ".git").exists(), reason="needs a clone, and make"
)
def test_every_command_ends_as_the_page_says() -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--installed"], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    typed = [line for line in done.stdout.splitlines() if line.startswith("> ")]
    assert typed[:3] == ["> make demo", "> make test", '> export PATH="$PWD/.venv/bin:$PATH"']
    assert sum(line.startswith("> laden ") for line in typed) >= 15
    assert "the page answers 200" in done.stdout
    assert done.stdout.count("All there, unchanged.") == 2
    assert "60 sent" in done.stdout
    assert "0 sent; 60 already there" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="the pages' commands are a shell's")
@pytest.mark.skipif(not all(map(shutil.which, NEEDED)), reason="needs bash")
def test_a_command_that_ends_otherwise_ends_all(tmp_path: Path) -> None:
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        import first_hour
    finally:
        sys.path.pop(0)
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("```sh\ntrue\nmake test\n```\n")
    (tmp_path / "docs" / "start.md").write_text(
        "```sh\ncd docs   # exit code 0\nfalse  # exit code 3: no\necho on\n```\n"
    )
    steps = list(first_hour.steps(tmp_path))
    assert [code for _, _, code in steps] == [0, 0, 0, 3, 0]
    script = "".join(first_hour._typed(tmp_path, *step) for step in steps)
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "exit code 1, and not 3")
