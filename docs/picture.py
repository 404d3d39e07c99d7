"""Draws docs/demo.svg: runs `laden demo` in a terminal's colours, and keeps what it printed as a picture."""

import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

_COLUMNS = 118


def main() -> None:
    """Run the demo, and write the picture beside this file."""
    laden = Path(sys.executable).with_name("laden")
    colours = {"FORCE_COLOR": "1", "COLUMNS": str(_COLUMNS), "TERM": "xterm-256color"}
    ran = subprocess.run([laden, "demo"], env=os.environ | colours, capture_output=True, text=True, check=True)
    # Of the line that moves, only the last state that tells of bytes is kept.
    shown = re.sub(r"\x1b\[[0-9;?]*[A-LN-Zhl]|\r(?!\n)", "", ran.stdout)
    shown = re.sub(r"^(?:\x1b\[[0-9;]*m)*[\u2801-\u28ff](?!.*\u2501).*\n", "", shown, flags=re.MULTILINE)
    shown = re.sub(r"(?:.*\u2501.*\n+)*(.*\u2501.*\n)\n*", r"\1", shown)
    lines = shown.strip().split("\n")
    shown = "\n".join(line for at, line in enumerate(lines) if "\u2501" not in line or line not in lines[:at])
    console = Console(record=True, width=_COLUMNS, file=open(os.devnull, "w"), force_terminal=True)  # noqa: SIM115, PTH123
    console.print(Text.from_ansi("$ laden demo\n" + shown))
    svg = console.export_svg(title="laden demo")
    # Any monospaced font will do; a picture must not fetch one from somewhere.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code", "ui-monospace")
    Path(__file__).with_name("demo.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
