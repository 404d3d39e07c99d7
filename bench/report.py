"""Shows what was measured: tables in the terminal, one JSON file, one small SVG chart."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from rich.console import Console
from rich.table import Table

from bench.cases import FIRST_LOAD
from bench.targets import Target

_PACKAGES = ("laden", "httptools", "uvloop", "isal", "duckdb", "azure-storage-blob")
_CHARTED = ("zip", "zip-loose", "folder", "small-0ms", "small-30ms", "again")
_BAR_PIXELS, _LABEL_PIXELS, _ROW_PIXELS = 360, 320, 20


def machine(azcopy: Path | None, rclone: Path | None) -> dict[str, Any]:
    """Describe where and with what versions it ran; nothing that names the machine."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    versions["azcopy"] = _first_line([str(azcopy), "--version"]) if azcopy else "not found"
    versions["rclone"] = _first_line([str(rclone), "--version"]) if rclone else "not found"
    versions["unzip"] = _first_line(["unzip", "-v"]) if shutil.which("unzip") else "not found"
    today = datetime.now(UTC).date().isoformat()
    return {"date": today, "cores": os.cpu_count(), "system": platform.system(), "versions": versions}


def _first_line(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return done.stdout.splitlines()[0].strip() if done.stdout else "unknown"


def show(cases: dict[str, Any], targets: Sequence[Target]) -> None:
    """Print the tables."""
    found = Console()
    console = found if found.is_terminal else Console(width=150)
    for case in cases.values():
        table = Table(title=case["title"], title_justify="left")
        for column in (
            "tool",
            "wall s",
            "range",
            "CPU s",
            "MB/s",
            "files/s",
            "memory MB",
            "requests",
            "disk MB",
        ):
            table.add_column(column, justify="left" if column == "tool" else "right")
        for name, row in sorted(case["peers"].items(), key=lambda item: item[1]["wall_s"]):
            table.add_row(*_row(name, row, case))
        console.print(table)
    table = Table(title="targets", title_justify="left")
    for column in ("target", "bound", "measured", ""):
        table.add_column(column)
    for target in targets:
        shown = "not measured" if target.measured is None else f"{target.measured:.3g}"
        met = {True: "[green]met[/]", False: "[red]not met[/]", None: ""}[target.met]
        table.add_row(target.name, target.bound, shown, met)
    console.print(table)


def _row(name: str, row: dict[str, Any], case: dict[str, Any]) -> list[str]:
    low, high = row["wall_range_s"]
    return [
        name + (f" ({row['failed']} of {row['runs']} failed)" if row["failed"] else ""),
        f"{row['wall_s']:.2f}",
        f"{low:.2f}-{high:.2f}",
        f"{row['cpu_s']:.2f}",
        f"{case['size_bytes'] / row['wall_s'] / 1e6:.0f}",
        f"{case['files'] / row['wall_s']:.0f}",
        f"{row['memory_bytes'] / 1e6:.0f}",
        f"{row['requests']:,}",
        f"{row['disk_bytes'] / 1e6:.0f}",
    ]


def save(path: Path, described: dict[str, Any], cases: dict[str, Any], targets: Sequence[Target]) -> None:
    """Write everything as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found = {"machine": described, "cases": cases, "targets": [target.to_json() for target in targets]}
    path.write_text(json.dumps(found, indent=1) + "\n")


def chart(path: Path, described: dict[str, Any], cases: dict[str, Any]) -> None:
    """Write the wall seconds of every tool, case by case, as bars in a plain SVG."""
    shapes, top = [], 10
    for key in (key for key in _CHARTED if key in cases):
        shapes.append(_text(10, top + 14, cases[key]["title"], "font-weight:bold"))
        top += _ROW_PIXELS
        peers = {name: row for name, row in cases[key]["peers"].items() if name != FIRST_LOAD}
        rows = sorted(peers.items(), key=lambda item: item[1]["wall_s"])
        longest_s = max(row["wall_s"] for _, row in rows)
        for name, row in rows:
            shapes += _bar(top, name, row["wall_s"], row["wall_s"] / longest_s)
            top += _ROW_PIXELS
        top += 10
    versions = ", ".join(f"{name} {text}" for name, text in described["versions"].items() if text[:3] != "not")
    for line in _wrap(f"{described['date']}, {described['cores']} cores, {described['system']}; {versions}", 120):
        shapes.append(_text(10, top + 12, line, "font-size:10px;fill:#666"))
        top += 14
    width = _LABEL_PIXELS + _BAR_PIXELS + 80
    style = "<style>text{font:12px sans-serif;fill:#222}rect{fill:#999}rect.laden{fill:#1a7f64}</style>"
    size = f'width="{width}" height="{top + 10}" viewBox="0 0 {width} {top + 10}"'
    ground = f'<path fill="#fff" d="M0 0h{width}v{top + 10}H0z"/>'
    path.parent.mkdir(parents=True, exist_ok=True)
    body = "\n".join(shapes)
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{style}{ground}\n{body}\n</svg>\n')


def _bar(top: int, name: str, seconds: float, share: float) -> list[str]:
    kind = ' class="laden"' if name.startswith("laden") else ""
    length = max(1, round(_BAR_PIXELS * share))
    return [
        _text(20, top + 14, name),
        f'<rect{kind} x="{_LABEL_PIXELS}" y="{top + 3}" width="{length}" height="{_ROW_PIXELS - 6}"/>',
        _text(_LABEL_PIXELS + length + 6, top + 14, f"{seconds:.2f} s"),
    ]


def _text(x: int, y: int, text: str, style: str = "") -> str:
    styled = f' style="{style}"' if style else ""
    return f'<text x="{x}" y="{y}"{styled}>{escape(text)}</text>'


def _wrap(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
