"""What mkdocs is told when it builds the site: pages that are written elsewhere are taken from there.

The start page is README.md and the changelog CHANGELOG.md, both at the repository's root; their links are to its files,
which are made links of the site, or names where the site has no page for them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).parents[1]
_TAKEN = {"index.md": "README.md", "changelog.md": "CHANGELOG.md"}
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*)\]\((?!https?:)([^)#]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are written elsewhere."""
    for target, source in _TAKEN.items():
        text = _LINK.sub(_moved, (_ROOT / source).read_text("utf-8"))
        text = re.sub(r'src="docs/', 'src="', text)
        files.append(File.generated(config, target, content=text))
    return files


def _moved(link: re.Match[str]) -> str:
    mark, text, path, anchor = link[1], link[2], link[3], link[4] or ""
    if path.startswith("docs/"):
        return f"{mark}[{text.removeprefix('docs/')}]({path.removeprefix('docs/')}{anchor})"
    known = {source: target for target, source in _TAKEN.items()}
    return f"{mark}[{text}]({known[path]}{anchor})" if path in known else text


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Links to files of the repository that are no pages are names: the site holds none of them."""
    return _BESIDE.sub(r"\1", markdown)


_BESIDE = re.compile(r"\[([^\]]*)\]\(\.\./[^)]*\)")


def on_page_content(html: str, **_: Any) -> str:
    """Short code in a sentence stays in one line: `--archives` would break behind its hyphens."""
    return _SHORT.sub(r'<code class="whole">\1</code>', html)


_SHORT = re.compile(r"<code>([^<\n]{1,28})</code>")


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Nothing is asked of another host: the shim with which search works from a disk lies in the site."""
    return output.replace(_SHIM, "../" * page.url.count("/") + "site/iframe-worker.js")


def on_post_template(output_content: str, **_: Any) -> str:
    """The page for what is not found is none of the pages."""
    return output_content.replace(_SHIM, "/site/iframe-worker.js")


_SHIM = "https://unpkg.com/iframe-worker/shim"
