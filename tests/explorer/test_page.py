"""The page in a real browser: what a person does with it, by mouse and by keyboard, and what nobody may do to it."""

import base64
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from laden.demo import png
from laden.verbs.load import load
from tests.explorer.conftest import accessible, quiet
from tests.explorer.served import Asker, exploring
from tests.explorer.test_pixels import dicom, encoded
from tests.support.dataset import Dataset, make_dataset
from tests.support.person import Person

CANVAS = "document.querySelector('.pane:last-of-type canvas')"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("source"), {"0": 12, "1": 9}, broken=1, size=64)


@pytest.fixture(scope="module")
def loaded(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place") / "dest"
    load(dataset.folder, str(folder), archives="0,1")
    return folder


@pytest.fixture
def place(loaded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(loaded, tmp_path / "padchest"))


@pytest.fixture
def asker(place: Path) -> Iterator[Asker]:
    with exploring(str(place)) as found:
        yield found


def opened(browser: Person, asker: Asker, **window: Any) -> None:
    """Follow the link, and wait until all is there."""
    browser.visit(asker.url, **window)
    browser.wait("document.querySelectorAll('tbody tr').length > 5")
    browser.sees("Labels")
    browser.wait("document.querySelector('.total').innerText.startsWith('25 items')")
    browser.wait("!/listing|as of/.test(document.querySelector('.top').innerText)")


def open_first(browser: Person, count: int) -> None:
    """Double-click the first of so many rows, once they are there."""
    rows = "[...document.querySelectorAll('tbody tr')]"
    browser.wait(f"{rows}.length === {count} && {rows}.every(r => !r.innerText.startsWith('…'))")
    browser.click_on("document.querySelector('tbody tr')", times=2)


def drawn(browser: Person, words: str = "") -> str:
    """Wait until an image is on the canvas."""
    return str(browser.wait(f"({CANVAS}.dataset.drawn || '').includes({json.dumps(words)}) && {CANVAS}.dataset.drawn"))


def pixels(browser: Person) -> np.typing.NDArray[Any]:
    """The last canvas as it is, red, green and blue."""
    text = browser.evaluate(f"{CANVAS}.toDataURL('image/png')")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text.partition(",")[2]))))[..., :3]


def windowed(values: np.typing.NDArray[Any], centre: float, width: float, *, inverted: bool) -> np.typing.NDArray[Any]:
    """DICOM PS3.3 C.11.2.1.2 in NumPy, to 8 bits."""
    grey = np.floor(((values - (centre - 0.5)) / (width - 1) + 0.5) * 255 + 0.5)
    grey = np.where(values <= centre - 0.5 - (width - 1) / 2, 0, grey)
    grey = np.where(values > centre - 0.5 + (width - 1) / 2, 255, grey)
    return 255 - grey if inverted else grey


def in_middle(shown: np.typing.NDArray[Any], shape: tuple[int, ...]) -> np.typing.NDArray[Any]:
    """The part of a canvas on which an image of that shape lies at 1:1."""
    height, width = shape[:2]
    top, left = (round(shown.shape[0] / 2 - height / 2 + 1e-9), round(shown.shape[1] / 2 - width / 2 + 1e-9))
    return shown[top : top + height, left : left + width]


def test_a_person_finds_looks_compares_marks_and_downloads(
    browser: Person, asker: Asker, place: Path, tmp_path: Path
) -> None:
    opened(browser, asker)
    assert "#" not in browser.evaluate("location.href")
    browser.sees("25 items")
    browser.click("normal", ".value")
    browser.wait("document.querySelectorAll('.chips li').length === 1")
    total = "parseInt(document.querySelector('.total strong').innerText)"
    count = int(browser.wait(f"{total} < 25 && {total}"))
    open_first(browser, count)
    first = drawn(browser).split()[0]
    browser.sees("Not for diagnosis")
    before = drawn(browser)
    browser.drag(CANVAS, 90, 40)
    browser.wait(f"{CANVAS}.dataset.drawn !== {json.dumps(before)}")
    browser.hover(CANVAS, 300, 200)
    browser.wait("/x \\d+, y \\d+: \\d+/.test(document.querySelector('.under').innerText)")
    browser.press("c", "ArrowRight")
    browser.wait("document.querySelectorAll('canvas').length === 2")
    browser.wait(f"{CANVAS}.dataset.drawn && !{CANVAS}.dataset.drawn.startsWith({json.dumps(first)})")
    browser.press("x")
    browser.sees("Marked: exclude")
    browser.press("Escape")
    browser.wait("document.querySelector('tr.marked')")
    browser.click("Download")
    browser.wait("document.querySelector('dialog input:not([type])')")
    browser.evaluate("document.querySelector('dialog input:not([type])').select()")
    browser.write("got")
    browser.click("Begin")
    browser.sees(f"{count} of {count} are in")
    got = tmp_path / "got"
    assert sum(path.suffix == ".png" for path in got.rglob("*")) == count
    assert all(path.read_bytes() == (place / path.relative_to(got)).read_bytes() for path in got.rglob("*.png"))
    assert (got / "laden-downloads.csv").read_text().count(",came,") == count
    assert "exclude" in (tmp_path / "laden-marks.csv").read_text()
    quiet(browser, asker.url)


def test_the_screen_shows_each_grey_level_that_numpy_computes(browser: Person, tmp_path: Path) -> None:
    rng = np.random.Generator(np.random.PCG64(3))
    folder = tmp_path / "images"
    folder.mkdir()
    twelve = rng.integers(0, 4096, (120, 90), dtype=np.uint16)
    full = rng.integers(0, 65_536, (101, 77), dtype=np.uint16)
    signed = rng.integers(-1000, 3000, (64, 64), dtype=np.int16)
    frames = rng.integers(0, 4096, (2, 50, 60), dtype=np.uint16)
    rgb = rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)
    broken = png.encode(rng.integers(0, 4096, (300, 200), dtype=np.uint16))
    (folder / "a12.png").write_bytes(png.encode(twelve))
    (folder / "b16.png").write_bytes(png.encode(full))
    (folder / "c.dcm").write_bytes(
        dicom(signed, PhotometricInterpretation="MONOCHROME1", RescaleSlope="1", RescaleIntercept="-24")
    )
    (folder / "d.dcm").write_bytes(dicom(frames, NumberOfFrames=2))
    (folder / "e.png").write_bytes(encoded(Image.fromarray(rgb), "PNG"))
    (folder / "f.png").write_bytes(broken[: len(broken) // 2])
    with exploring(str(folder)) as asker:
        browser.visit(asker.url)
        browser.wait("document.querySelectorAll('tbody tr').length === 6")
        browser.wait("!document.body.innerText.includes('looking into it')")
        open_first(browser, 6)
        shown: dict[str, np.typing.NDArray[Any]] = {}
        for name, values in (("a12.png", twelve), ("b16.png", full), ("c.dcm", signed - 24.0), ("d.dcm", frames[0])):
            drawn(browser, name)
            for keys in (("z",), ("[", "["), (".",), ("i",), ("2",)):
                before = drawn(browser, name)
                browser.press(*keys)
                browser.wait(f"{CANVAS}.dataset.drawn !== {json.dumps(before)}")
                _, centre, width, inverted, exact = drawn(browser, f"{name} ").split()
                assert exact == "true"
                expected = windowed(values, float(centre), float(width), inverted=inverted == "true")
                found = in_middle(pixels(browser), values.shape)
                assert (found[..., 0] == expected).all(), (name, keys)
                assert (found[..., 1] == expected).all()
            shown[name] = found
            if name == "c.dcm":
                assert inverted == "false"  # MONOCHROME1 begins inverted, and was turned once
            if name == "d.dcm":
                browser.press("ArrowDown")
                browser.sees("frame 2 of 2")
            browser.press("n")
        drawn(browser, "e.png")
        browser.press("z")
        drawn(browser, "true")
        assert (in_middle(pixels(browser), rgb.shape) == rgb).all()
        browser.press("n")
        drawn(browser, "f.png")
        browser.sees("could be saved; it breaks at row")
        quiet(browser, asker.url)


def test_everything_works_by_keyboard_alone(browser: Person, asker: Asker, tmp_path: Path) -> None:
    opened(browser, asker)
    browser.press("/")
    browser.write("png/0")
    browser.wait("document.querySelector('.total strong').innerText.startsWith('12 ')")
    browser.evaluate("document.querySelector('.skip').focus()")
    browser.press("Enter")
    browser.wait("document.activeElement.id === 'list'")
    browser.press("ArrowDown", "ArrowDown", "ArrowUp")
    browser.wait("document.querySelector('#list').getAttribute('aria-activedescendant') === 'row-1'")
    browser.press("End")
    browser.wait("document.querySelector('#row-11.active')")
    browser.press("Home", " ")
    browser.sees("1 chosen")
    browser.press("ArrowDown", shift=True)
    browser.sees("2 chosen")
    browser.press("l")
    browser.sees("Marked: look again")
    browser.press("Enter")
    drawn(browser)
    browser.press("ArrowRight")
    browser.wait("document.activeElement.closest('.viewer')")
    browser.press("Escape")
    browser.wait("document.activeElement.id === 'list'")
    marks = (tmp_path / "laden-marks.csv").read_text()
    assert marks.count("look again") == 2
    walked = set()
    for _ in range(60):
        browser.press("Tab")
        walked.add(
            browser.evaluate("(document.activeElement.innerText || document.activeElement.id).trim().split('\\n')[0]")
        )
    assert {"Refresh", "Load", "Keys", "Download", "Export", "Pictures", "Add"} <= walked
    quiet(browser, asker.url)


def test_no_image_stands_above_the_name_of_another(browser: Person, tmp_path: Path) -> None:
    long = "b" * 90 + ".png"
    (tmp_path / "a.png").write_bytes(png.encode(np.arange(1200, dtype=np.uint16).reshape(40, 30) * 50))
    (tmp_path / long).write_bytes(b"no image at all")
    with exploring(str(tmp_path)) as asker:
        browser.visit(asker.url, width=320, height=640)
        open_first(browser, 2)
        drawn(browser, "a.png")
        assert pixels(browser).any()
        browser.press("c", "ArrowRight")
        # What is wrong with it is read: this is all that will be shown of it.
        browser.wait("document.querySelector('.broken')")
        browser.wait(f"document.querySelector('.pane:last-of-type .under').innerText.startsWith({json.dumps(long)})")
        assert not pixels(browser).any()
        assert browser.evaluate("document.documentElement.scrollWidth") <= 320
        assert browser.evaluate(
            "document.querySelector('.broken').getBoundingClientRect().left >="
            " document.querySelector('.pane:last-of-type').getBoundingClientRect().left"
        )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_in_any_state(browser: Person, asker: Asker, dark: bool) -> None:
    opened(browser, asker, dark=dark)
    accessible(browser)
    assert browser.evaluate("document.querySelector('#list').getAttribute('aria-rowcount')") == "26"
    assert browser.evaluate("document.querySelector('tbody tr').getAttribute('aria-rowindex')") == "2"
    browser.click("Size", "th button")
    browser.wait("document.querySelector('th[aria-sort=ascending]').innerText.startsWith('Size')")
    browser.click("Pictures")
    browser.wait("document.querySelectorAll('.cell img').length > 3")
    accessible(browser)
    for title in ("Keys", "Export", "Download", "As a command", "Load", "Activity"):
        browser.click(title, "button")
        browser.wait("document.querySelector('dialog[open]')")
        accessible(browser)
        browser.press("Escape")
        browser.wait("!document.querySelector('dialog')")
    browser.click_on("document.querySelector('.cell:has(img)')", times=2)
    drawn(browser)
    accessible(browser)
    browser.press("Escape")
    browser.look(width=320, height=700, dark=dark)
    browser.wait("innerWidth === 320")
    accessible(browser)
    assert browser.evaluate("document.documentElement.scrollWidth") <= 320
    quiet(browser, asker.url)


def test_names_and_contents_of_strangers_are_only_text(browser: Person, tmp_path: Path) -> None:
    folder = tmp_path / "hostile"
    folder.mkdir()
    evil = '<img src=x onerror="document.title=1">'
    names = [
        f"{evil}.png",
        "a%2Fb.png",
        "\u202egnp.exe",
        "x" * 240 + ".png",
        "page.html",
        "pic.svg",
        "' OR 1=1 --.png",
        "=1+1.csv",
    ]
    for name in names:
        (folder / name).write_text(f"<script>document.title=1</script>{evil}")
    deep = folder / "d"
    deep.mkdir()
    (deep / "javascript:alert(1).png").write_bytes(png.encode(np.zeros((4, 4), np.uint16)))
    with exploring(str(folder)) as asker:
        browser.visit(asker.url)
        browser.wait("document.querySelectorAll('tbody tr').length === 9")
        browser.wait("!document.querySelector('tbody').innerText.includes('…\t')")
        shown = browser.evaluate("document.querySelector('tbody').innerText")
        told = [name.replace("\u202e", "\u27e8U+202E\u27e9") for name in names if len(name) < 200]
        assert not [name for name in told if name not in shown], shown
        browser.click("Pictures")
        browser.wait("document.querySelectorAll('.cell').length === 9")
        for at in range(9):
            browser.click_on(f"document.querySelector('#row-{at}')")
            browser.wait(f"document.querySelector('#row-{at}.active')")
        browser.wait("document.querySelector('aside h2')")
        assert browser.evaluate("document.title") == "laden explore"
        assert not browser.evaluate("document.querySelectorAll('img[src=x], script:not([src])').length")
        quiet(browser, asker.url)


def test_what_is_handed_out_runs_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "hostile"
    folder.mkdir()
    for name in ("page.html", "pic.svg", 'q"\r\nSet-Cookie: x=1;.html'):
        (folder / name).write_text("<script>1</script>")
    with exploring(str(folder)) as asker:
        asker.sign_in()
        asker.ready()
        for row in asker.get("rows", view=asker.post("view")["view"])["rows"]:
            status, headers, data = asker.raw("GET", f"/api/file?name={quote(row[1])}")
            assert status == 200
            assert data == b"<script>1</script>"
            assert headers["content-type"] == "application/octet-stream"
            assert headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
            assert "sandbox" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert "set-cookie" not in headers


def test_a_used_link_says_so_and_a_second_tab_of_the_same_browser_works(browser: Person, asker: Asker) -> None:
    opened(browser, asker)
    browser.visit(asker.url)
    browser.wait("document.querySelectorAll('tbody tr').length > 5")
    browser._ask("Network.clearBrowserCookies")
    browser.visit(asker.url)
    browser.sees("not signed in")
    accessible(browser)


def test_a_server_that_is_gone_is_told(browser: Person, place: Path) -> None:
    with exploring(str(place)) as asker:
        opened(browser, asker)
    browser.sees("The server is gone")


def saved(browser: Person, key: str) -> tuple[np.typing.NDArray[Any], np.typing.NDArray[Any]]:
    """What the last canvas shows, and the picture that was saved while it showed that: it may still become sharper."""
    while True:
        before = pixels(browser)
        browser.evaluate("window.kept = null")
        if key:
            browser.press(key)
        else:
            browser.click("Save picture")
        browser.wait("window.kept")
        assert browser.evaluate("window.kept.name").endswith(".png-view.png")
        text = browser.evaluate(
            "new Promise(done => { const i = new Image(); i.onload = () => {"
            " const c = document.createElement('canvas');"
            " Object.assign(c, {width: i.width, height: i.height}); c.getContext('2d').drawImage(i, 0, 0);"
            " done(c.toDataURL('image/png')); }; i.src = window.kept.url; })"
        )
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(text.partition(",")[2]))))[..., :3]
        after = pixels(browser)
        if before.shape == after.shape and (before == after).all():
            return after, picture


def test_a_picture_of_the_screen_says_that_it_is_not_for_diagnosis(browser: Person, asker: Asker) -> None:
    opened(browser, asker)
    browser.evaluate(
        "HTMLAnchorElement.prototype.click = function () { window.kept = { name: this.download, url: this.href } }"
    )
    browser.wait("!document.querySelector('tbody').innerText.includes('…')")
    browser.click_on("[...document.querySelectorAll('tbody tr')].find(r => r.innerText.includes('.png'))", times=2)
    drawn(browser)
    for panes in (1, 2):
        if panes == 2:
            browser.press("c", "ArrowRight")
            browser.wait("document.querySelectorAll('canvas[data-drawn]').length === 2")
        shown, picture = saved(browser, "k" if panes == 1 else "")
        assert (picture[: len(shown), -shown.shape[1] :] == shown).all()
        caption = picture[len(shown) :, -shown.shape[1] :]
        assert len(caption) == 44
        assert (caption > 200).any(axis=2).sum() > 300, "words stand there"
        assert picture.shape[1] == shown.shape[1] * panes + 4 * (panes - 1)
    accessible(browser)


def test_all_that_is_shown_is_chosen_but_for_some_and_a_long_range_is_whole(browser: Person, tmp_path: Path) -> None:
    """One answer holds 2,000 rows, so that a longer range was chosen in part, and nobody was told."""
    place = tmp_path / "place"
    (place / "_laden").mkdir(parents=True)
    (place / "_laden" / "load.json").write_text("{}")
    for number in range(2_099):
        (folder := place / f"{number // 1_050}").mkdir(exist_ok=True, parents=True)
        (folder / f"{number:04d}").touch()
    with exploring(str(place), write=True) as asker:
        browser.visit(asker.url)
        browser.wait("document.querySelector('.total').innerText.startsWith('2,100 items')")
        browser.wait("!/listing/.test(document.querySelector('.top').innerText)")
        browser.wait("document.querySelectorAll('tbody tr').length > 5")
        browser.evaluate("document.getElementById('list').focus()")
        browser.press("Home")
        browser.press("End", shift=True)
        browser.sees("2,100 chosen")
        browser.press("Escape", "Home")
        browser.press("a", ctrl=True)
        browser.sees("2,100 chosen")
        browser.press("ArrowDown", " ")
        browser.sees("2,099 chosen")
        browser.wait("document.querySelector('#row-1').getAttribute('aria-selected') === 'false'")
        browser.click("Change")
        browser.sees("2,099 chosen items")
        browser.click("Show the plan")
        browser.sees("Delete 2,099 blobs")
    quiet(browser, asker.url)


def test_a_list_of_keys_is_saved_or_says_why_there_is_none(browser: Person, tmp_path: Path) -> None:
    place = tmp_path / "place"
    (place / "_laden").mkdir(parents=True)
    (place / "_laden" / "load.json").write_text("{}")
    for name in ("1/a.txt", "2/a.txt", "2/b.txt", "3/c.txt"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).touch()
    with exploring(str(place)) as asker:
        browser.visit(asker.url)
        browser.sees("5 items")
        browser.wait("!/listing/.test(document.querySelector('.top').innerText)")
        browser.evaluate(
            "window.saved = ''; const made = URL.createObjectURL.bind(URL);"
            "URL.createObjectURL = blob => (blob.text().then(text => { window.saved = text; }), made(blob)); true"
        )
        for folder, told in (("1/", "1 key of these is those of images, too"), ("3/", "")):
            browser.click(folder)
            browser.wait("document.querySelector('.total').innerText.startsWith('1 item')")
            browser.click("Export")
            browser.click("Keys alone")
            if told:
                browser.sees(told)
                assert not browser.evaluate("window.saved")
            else:
                browser.wait("window.saved === 'c.txt\\n'")
            browser.press("Escape")
            browser.click("all")
            browser.sees("5 items")
    assert [one for one in browser.complaints if "400" not in one] == []


def smaller(values: np.typing.NDArray[Any], across: int, down: int) -> np.typing.NDArray[Any]:
    """An image that fits a canvas of that size, each pixel between the four around its middle, in 256 steps."""
    high, wide = values.shape
    scale = min(across / wide, down / high)
    left, top = across / 2 - 0.5 * wide * scale, down / 2 - 0.5 * high * scale

    def places(begin: float, size: int, room: int, ratio: float) -> tuple[np.typing.NDArray[Any], ...]:
        first = max(0, int(np.floor(begin + 0.5)))
        last = min(room, int(np.floor(begin + size * ratio + 0.5)))
        at = np.clip((np.arange(first, last) + 0.5 - begin) / ratio - 0.5, 0, size - 1)
        lower = np.floor(at).astype(int)
        return lower, np.minimum(size - 1, lower + 1), np.floor((at - lower) * 256 + 0.5).astype(int)

    ratio = wide * scale / wide
    x, x_next, x_share = places(left, wide, across, ratio)
    y, y_next, y_share = places(top, high, down, ratio)
    both = [values[rows][:, x] * (256 - x_share) + values[rows][:, x_next] * x_share for rows in (y, y_next)]
    return (both[0] * (256 - y_share)[:, None] + both[1] * y_share[:, None] + 32768) // 65536


def is_windowed_on_screen(browser: Person, values: np.typing.NDArray[Any]) -> bool:
    """Whether each pixel is what it should be; looked at again where the page draws meanwhile."""
    for _ in range(50):
        seen = drawn(browser)
        shown = pixels(browser)
        assert 550 < shown.shape[1] < 1100
        centre, width = map(float, seen.split()[1:3])
        expected = windowed(smaller(values.astype(int), shown.shape[1], shown.shape[0]), centre, width, inverted=False)
        top, left = ((shown.shape[axis] - expected.shape[axis]) / 2 for axis in (0, 1))
        part = shown[round(top) :, round(left) :][: expected.shape[0], : expected.shape[1]]
        if (part == expected[..., None]).all():
            return True
    return False


def test_an_image_larger_than_the_screen_is_windowed_as_it_is_made_smaller(browser: Person, tmp_path: Path) -> None:
    """To the grey level, also while a window is dragged: nothing is scaled by the browser then."""
    (place := tmp_path / "large").mkdir()
    values = np.random.Generator(np.random.PCG64(5)).integers(0, 4096, (900, 1100), np.uint16)
    (place / "large.png").write_bytes(png.encode(values))
    with exploring(str(place)) as asker:
        browser.visit(asker.url)
        open_first(browser, 1)
        seen = drawn(browser, "large.png")
        assert is_windowed_on_screen(browser, values)
        browser.drag(CANVAS, 60, 30)
        browser.wait(f"{CANVAS}.dataset.drawn !== {json.dumps(seen)}")
        assert is_windowed_on_screen(browser, values)
    quiet(browser, asker.url)
