"""Draws docs/report.webp, and report-top.webp, what is seen of it first: the demo's sample, loaded, in a browser.

Needs Chromium. The destination is the demo's emulator of Azure Blob Storage; only the sample's folder is renamed.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageChops

from laden.demo.emulator import Emulator
from laden.demo.sample import write
from laden.verbs.load import load

_WIDTH, _HEIGHT = 1280, 4200
_TOP = 860
"""As high as the explorer's pictures, beside which it stands."""
_MOST_BYTES = 300_000


def main() -> None:
    """Load the sample into a folder, and write the picture beside this file."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("Chromium is not here: install it to draw the picture")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "padchest"
        source.mkdir()
        sample = write(source)
        page, shot = folder / "report.html", folder / "shot.png"
        with Emulator() as emulator:
            place = emulator.url("padchest")
            archives = ",".join(sample.archives)
            command = f"laden load {source} {place} --archives {archives}"
            load(source, place, archives=archives, report_file=page, report_command=command)
        shown = page.read_text("utf-8").replace(str(source), "~/padchest-sample")
        page.write_text(shown.replace(place, "https://ACCOUNT.blob.core.windows.net/padchest"), "utf-8")
        flags = ["--headless=new", "--no-sandbox", "--hide-scrollbars", f"--user-data-dir={folder / 'profile'}"]
        size = f"--window-size={_WIDTH},{_HEIGHT}"
        subprocess.run([chromium, *flags, size, f"--screenshot={shot}", page.as_uri()], check=True, capture_output=True)
        picture = Image.open(shot).convert("RGB")
    bottom = _below_the_text(picture)
    target = Path(__file__).with_name("report.webp")
    picture.crop((0, 0, _WIDTH, bottom)).save(target, "WEBP", quality=80, method=6)
    assert target.stat().st_size < _MOST_BYTES
    picture.crop((0, 0, _WIDTH, _TOP)).save(target.with_name("report-top.webp"), "WEBP", quality=80, method=6)


def _below_the_text(picture: Image.Image) -> int:
    """Where the page ends and only paper follows."""
    paper = Image.new("RGB", picture.size, picture.getpixel((2, picture.height - 2)))  # type: ignore[arg-type]
    box = ImageChops.difference(picture, paper).getbbox()
    return picture.height if box is None else min(picture.height, box[3] + 40)


if __name__ == "__main__":
    main()
