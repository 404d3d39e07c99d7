"""The site of the pages: it is built strictly, asks nothing of any host, can be searched from a disk, and be read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.chromium import CHROMIUM, Browser

ROOT = Path(__file__).parents[2]
AXE = ROOT / "tests" / "support" / "vendor" / "axe.min.js"
_LOOK = (
    "axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map(v =>"
    " v.id + ': ' + v.nodes.map(n => n.html.slice(0, 80)).slice(0, 3).join(' | ')))"
)
_SEARCH = """
new Promise((found, lost) => {
  const box = document.querySelector('.md-search__input');
  box.focus(); box.value = 'png-truncated';
  for (const kind of ['keyup', 'input']) box.dispatchEvent(new Event(kind));
  const until = Date.now() + 20000;
  const look = () => {
    const text = document.querySelector('.md-search-result__list')?.innerText || '';
    if (text) found(text); else if (Date.now() > until) lost(new Error('nothing found')); else setTimeout(look, 100);
  };
  look();
})
"""


@pytest.fixture(scope="module")
def site() -> Iterator[Path]:
    """Built where no name has a dot at its beginning: such files are left out."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", folder]
        environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        yield Path(folder)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not here")
    with Browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


def test_every_page_of_docs_is_on_it_and_stands_once_in_its_list(site: Path) -> None:
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")} | {"index", "changelog"}
    assert pages | {"404"} == {path.stem for path in site.glob("*.html")}
    (listed,) = re.findall(r"^nav:\n((?: .*\n)+)", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
    assert sorted(re.findall(r": ([\w-]+)\.md$", listed, re.MULTILINE)) == sorted(pages)
    assert "laden loads imaging datasets into the cloud" in (site / "index.html").read_text("utf-8")
    assert [page.name for page in site.glob("*.html") if "//unpkg.com" in page.read_text("utf-8")] == []
    assert "observer" in (site / "python.html").read_text("utf-8"), "docstrings are there"


_MANIFOLD = ("index", "findings", "reference")
"""Pages that show all that the theme has; in the dark, and on wide screens, the others are no different."""


@pytest.mark.parametrize(
    ("width", "dark"),
    [(390, False), (390, True), (1280, False), (1280, True)],
    ids=lambda value: {False: "light", True: "dark"}.get(value, str(value)),
)
def test_pages_fit_ask_nothing_of_any_host_and_axe_finds_nothing(
    site: Path, browser: Browser, width: int, dark: bool
) -> None:
    every = width == 390 and not dark
    disturbs: dict[str, object] = {}
    # The theme remembers the scheme that it showed first.
    browser.open(site / "index.html", width=width, dark=dark)
    browser.evaluate("localStorage.clear()")
    for page in sorted(site.glob("*.html")):
        # What is not found is shown by servers alone: its addresses are none of a disk.
        if page.stem == "404" or not (every or page.stem in _MANIFOLD):
            continue
        browser.open(page, width=width, dark=dark)
        assert browser.evaluate("document.body.dataset.mdColorScheme") == ("slate" if dark else "default")
        asked = [url for url in browser.requests if not url.startswith(("file:", "data:", "blob:"))]
        wider = browser.evaluate("document.documentElement.scrollWidth") - width
        browser.evaluate(AXE.read_text("utf-8") + "; new Promise(done => setTimeout(done, 50))")
        if told := [*asked, *browser.evaluate(_LOOK), *([f"{wider} px too wide"] if wider > 0 else [])]:
            disturbs[page.stem] = told
    assert disturbs == {}


def test_it_can_be_searched_from_a_disk(site: Path, browser: Browser) -> None:
    browser.open(site / "index.html", width=1280)
    assert "Findings" in browser.evaluate(_SEARCH)
