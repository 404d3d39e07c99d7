"""What is handed to others: wheel and source archive are built, pass twine's check, and hold what is needed."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from laden.values.pages import PAGES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return folder


def test_both_pass_twine_s_check(built: Path) -> None:
    files = sorted(built.iterdir())
    assert [file.suffix for file in files] == [".whl", ".gz"]
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


def test_they_hold_what_laden_needs_to_run_and_to_explain_itself(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"laden/pages/{name}.md" for name in PAGES} | {"laden/report/page.css", "laden/explorer/static/page.html"}
    wanted |= {"laden/dataset/profiles/padchest.toml", "laden/demo/azurite/package-lock.json", "laden/py.typed"}
    assert wanted - names == set()
    assert not [name for name in names if not name.startswith(("laden/", "laden-"))]
    (source,) = built.glob("*.tar.gz")
    with tarfile.open(source) as opened:
        inside = {name.partition("/")[2] for name in opened.getnames()}
    assert {"README.md", "LICENSE", "pyproject.toml", "docs/findings.md", "tests/conftest.py"} <= inside


def test_the_readme_s_links_lead_somewhere() -> None:

    page = (ROOT / "README.md").read_text("utf-8")
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page)
    assert len(links) > 20
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []
