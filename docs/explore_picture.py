"""Draws docs/explore-*.webp: loads the demo's invented sample, and keeps what a browser shows of it in the explorer.

Needs Chromium. The destination is the demo's emulator of Azure Blob Storage.
"""

import io
import tempfile
from pathlib import Path

from PIL import Image
from tests.explorer.served import exploring
from tests.support.person import Person

from laden.demo.emulator import Emulator
from laden.demo.sample import write
from laden.verbs.load import load

_MOST_BYTES = 300_000
_CANVAS = "document.querySelector('canvas')"


def main() -> None:
    """Load the sample, look at it, and write the pictures beside this file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "padchest"
        sample = write(source)
        with Emulator() as emulator:
            place = emulator.url("padchest")
            load(source, place, archives=",".join(sample.archives))
            with exploring(place) as asker, Person(folder / "profile") as person:
                person.visit(asker.url, width=1280, height=860)
                person.sees("Labels")
                person.wait("!/listing|as of/.test(document.querySelector('.top').innerText)")
                person.click("cardiomegaly", ".value")
                person.click("Pictures")
                person.wait("document.querySelectorAll('.cell img').length > 6")
                person.wait("[...document.querySelectorAll('.cell')].every(c => c.querySelector('img'))")
                person.click_on("document.querySelectorAll('.cell')[1]")
                name = person.wait("document.querySelector('.cell.active').title.split('/').pop()")
                person.wait(f"document.querySelector('.detail h2').innerText === '{name}'")
                person.sees("Provenance")
                _keep(person, "explore-grid")
                person.click_on("document.querySelectorAll('.cell')[1]", times=2)
                person.wait(f"{_CANVAS}.dataset.drawn")
                person.drag(_CANVAS, 60, 30)
                person.hover(_CANVAS, 420, 380)
                person.sees("Row ")
                _keep(person, "explore-image")
                person.press("Escape")
                person.click("Show all")
                person.click("png-truncated", ".value")
                person.wait("document.querySelectorAll('.cell').length === 1 && document.querySelector('.cell img')")
                person.click_on("document.querySelector('.cell')", times=2)
                person.sees("could be saved")
                person.wait(f"{_CANVAS}.dataset.drawn")
                _keep(person, "explore-damaged")


def _keep(person: Person, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        person.screenshot(shot, whole=False)
        picture = Image.open(io.BytesIO(shot.read_bytes())).convert("RGB")
    target = Path(__file__).with_name(f"{name}.webp")
    picture.save(target, "WEBP", quality=80, method=6)
    assert target.stat().st_size < _MOST_BYTES


if __name__ == "__main__":
    main()
