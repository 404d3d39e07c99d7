"""What of others lies in the package: the very files that were published, and their licences; the page's own bounds."""

import hashlib
import re
from importlib.resources import files
from pathlib import Path

from laden.explorer.app import static_files

STATIC = Path(str(files("laden.explorer"))) / "static"
VENDORED = {
    "preact.js": "225d7a773766e6fb2cfcc45274fe41d2059f5782f3f2c4569aa5132a2d3a2902",
    "hooks.js": "5c65ab263688d0805862fd0807c779af02c2799c44fda0873dfcb870d0da70a0",
    "htm.js": "ab33dd3f38059b9be4d5f5350128eefb2356639c4e0bbe9d9e8b3ba75847e9e4",
}
"""Preact 11.2.0, its hooks, and htm 3.1.1, from npm; of the hooks the import names a neighbour, source maps are off."""
_MOST_LINES = 200
_MOST_PAGE_BYTES = 100_000


def test_vendored_files_are_those_that_were_published() -> None:
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (STATIC / "vendor").glob("*.js")}
    assert found == VENDORED


def test_their_licences_lie_beside_them() -> None:
    assert "MIT License" in (STATIC / "vendor" / "LICENSE-preact.txt").read_text()
    assert "Apache License" in (STATIC / "vendor" / "LICENSE-htm.txt").read_text()


def test_modules_stay_small_and_so_does_the_page() -> None:
    for path in STATIC.glob("*.js"):
        assert len(path.read_text().splitlines()) < _MOST_LINES, path.name
    assert sum(len(data) for data, _ in static_files().values()) < _MOST_PAGE_BYTES


def test_modules_import_nothing_from_elsewhere_and_evaluate_nothing() -> None:
    for path in STATIC.rglob("*.js"):
        text = path.read_text()
        named = re.findall(r"""(?:from|import\()\s*["']([^"']+)["']""", text)
        assert all(one.startswith("./") for one in named), (path.name, named)
        assert not re.search(r"\beval\(|new Function|document\.write", text), path.name
        if path.parent.name != "vendor":
            assert not re.search("innerHTML|https?://", text), path.name
