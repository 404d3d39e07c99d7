"""The page with `--write`, and an account, as somebody impatient uses them who may mean harm: in a real browser."""

import json
import uuid
from pathlib import Path

import numpy as np
import pytest

from laden.demo import png
from laden.demo.emulator import Emulator
from laden.explorer.stored import StoredPlace
from laden.store import parse_destination
from tests.explorer.conftest import accessible, quiet
from tests.explorer.served import exploring, serving
from tests.explorer.test_page import drawn, open_first
from tests.support.begun import begin
from tests.support.dataset import make_dataset
from tests.support.harness import client
from tests.support.person import Person
from tests.support.softdelete import SoftDelete

EVIL = '<img src=x onerror="document.title=1">.png'
SAS = "?sv=2023-11-03&sig=xxxxxxxxxxxxxxxx&se=2100-01-01&sp=rwdl&sr=c"
STATUS = "fetch('/api/status', {headers: {'X-Laden': '1'}}).then(r => r.json())"
ACTION, COUNT = "document.querySelector('#action')", "document.querySelector('#count')"


def total(browser: Person, text: str) -> None:
    browser.wait(f"document.querySelector('.total').innerText.startsWith({json.dumps(text)})")


def asked_twice(browser: Person) -> None:
    """Wait until the page has asked the server twice how far it is, and so has acted on the first answer."""
    browser.evaluate("performance.clearResourceTimings()")
    browser.wait("performance.getEntriesByType('resource').filter(e => e.name.includes('status')).length > 1")


def changing(browser: Person, action: str) -> None:
    """Open the dialog, choose what to do, and wait until it says to what."""
    browser.click("Change")
    browser.wait(ACTION)
    turned = "e.dispatchEvent(new Event('change', {bubbles: true}))"
    browser.evaluate(f"(e => {{ e.value = {json.dumps(action)}; {turned} }})({ACTION})")
    browser.wait("![...document.querySelectorAll('dialog label bdi')].some(e => e.innerText === 'nothing')")


def closed(browser: Person) -> None:
    browser.press("Escape")
    browser.wait("!document.querySelector('dialog')")


def containers(emulator: Emulator, *contents: dict[str, bytes]) -> list[str]:
    """Names of containers with these blobs, which come first in the list of an account."""
    names = [f"0-{uuid.uuid4().hex[:8]}-{number}" for number in range(len(contents))]
    for name, blobs in zip(names, contents, strict=True):
        with client(emulator, emulator.url(name)) as container:
            container.create_container()
            for blob, data in blobs.items():
                container.upload_blob(blob, data)
    return names


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    source = make_dataset(tmp_path / "source", {"0": 6, "1": 4}, size=64)
    begin(source.folder, str(tmp_path / "dest"), archives="0,1")
    (tmp_path / "dest" / "evil").mkdir()
    (tmp_path / "dest" / "evil" / EVIL).write_bytes(b"x")
    return tmp_path / "dest"


def test_somebody_hostile_and_impatient_deletes_by_keyboard(browser: Person, place: Path) -> None:
    with exploring(str(place), write=True) as asker:
        browser.visit(asker.url)
        total(browser, "15 items")
        browser.wait("!/listing|as of/.test(document.querySelector('.top').innerText)")
        browser.press("/")
        browser.write("evil")
        total(browser, "1 item")
        browser.evaluate("[...document.querySelectorAll('button')].find(e => e.innerText === 'Change').focus()")
        browser.press("Enter")
        # At once, before the page knows what is meant.
        browser.evaluate("document.querySelector('dialog form').requestSubmit()")
        browser.wait("document.activeElement === document.querySelector('#count')")
        browser.sees("Delete 1 blob in the folder")
        browser.sees(EVIL)
        accessible(browser)
        (place / "evil" / EVIL).write_bytes(b"newer")
        browser.write("1")
        browser.press("Enter")
        browser.sees("1 changed since the listing")
        accessible(browser)
        browser._ask("Page.reload")
        total(browser, "1 item")
        assert browser.evaluate("document.querySelector('#find').value") == "evil"
        # A plan is no more after a reload; the dialog goes back to what opened it.
        changing(browser, "delete")
        browser.evaluate("document.querySelector('dialog form').requestSubmit()")
        browser.wait(COUNT)
        closed(browser)
        assert browser.evaluate("document.activeElement.innerText") == "Change"
        # Back takes the word off, and closes what is open; it does not leave the page.
        browser.click("Change")
        browser.wait(ACTION)
        browser.evaluate("setTimeout(() => history.back()); 1")
        browser.wait("!document.querySelector('dialog')")
        total(browser, "15 items")
        # What the load stands on is named.
        browser.evaluate("document.querySelector('.skip').focus()")
        browser.press("Enter", "Home")
        changing(browser, "delete")
        browser.evaluate("document.querySelector('dialog form').requestSubmit()")
        browser.sees("is the load's own")
        closed(browser)
        assert browser.evaluate("document.title") == "laden explore"
        assert (place / "evil" / EVIL).read_bytes() == b"newer"
        quiet(browser, asker.url)


def test_a_copy_asks_also_after_a_reload_and_views_come_back(browser: Person, place: Path) -> None:
    with exploring(str(place), write=True) as asker:
        browser.visit(asker.url)
        total(browser, "15 items")
        browser.wait("!/listing|as of/.test(document.querySelector('.top').innerText)")
        browser.click("png/", "button")
        total(browser, "10 items")
        browser.click("Views")
        browser.wait("document.querySelector('#view-name')")
        browser.click_on("document.querySelector('#view-name')")
        browser.write(EVIL)
        browser.press("Enter")
        browser.wait("document.querySelector('.kept li')")
        accessible(browser)
        closed(browser)
        changing(browser, "elsewhere")
        accessible(browser)
        browser.click_on("[...document.querySelectorAll('dialog input[type=radio]')].pop()")
        browser.click_on("document.querySelector('dialog input:not([type])')")
        browser.write("./copied")
        browser.press("Enter")
        browser.sees("Copy 10 images")
        accessible(browser)
        browser._ask("Page.reload")
        total(browser, "10 items")
        assert not (place.parent / "copied" / "_laden").exists()
        browser.click("Activity")
        browser.sees("Copy 10 images")
        browser.click("Yes, do it")
        browser.sees("each image has the MD5 of the manifest")
        assert len(list((place.parent / "copied" / "png").rglob("*.png"))) == 10
        closed(browser)
        browser.click("Show all")
        total(browser, "15 items")
        browser.click("Views")
        browser.click(EVIL, ".kept button")
        total(browser, "10 items")
        # As at 400 %: nothing is wider than the screen.
        browser.look(width=320, height=640)
        browser.wait("innerWidth === 320")
        for title in ("Change", "Views", "Activity"):
            browser.click(title, "button")
            browser.wait("document.querySelector('dialog[open]')")
            browser.wait("(d => d.scrollWidth <= d.clientWidth)(document.querySelector('dialog'))")
            accessible(browser)
            closed(browser)
        quiet(browser, asker.url)


def test_a_link_that_is_no_look_shows_all(browser: Person, place: Path) -> None:
    with exploring(str(place)) as asker:
        browser.visit(asker.url)
        for look in ("", '{"where": 5, "mode": 7, "folder": ["x"], "sort": null}', "[]", "%", "null", '"x"'):
            if look:
                browser.visit(asker.url.partition("#")[0] + "#look=" + look)
            total(browser, "15 items")
            assert "look" not in browser.evaluate("location.href")
        quiet(browser, asker.url)


def test_the_last_row_can_be_seen_whole_whatever_the_height(browser: Person, tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / "many" / f"{number:03}").mkdir(parents=True)
        (tmp_path / "many" / f"{number:03}" / "a.txt").write_bytes(b"%d" % number)
    within = (
        "(r => r && r.bottom <= document.querySelector('.scroll').getBoundingClientRect().bottom + 1)"
        "(document.querySelector('#row-299.active')?.getBoundingClientRect())"
    )
    with exploring(str(tmp_path / "many")) as asker:
        browser.visit(asker.url)
        total(browser, "300 items")
        for height, mode in ((860, "List"), (871, "List"), (853, "Pictures")):
            browser.look(height=height)
            browser.wait(f"innerHeight === {height}")
            browser.click(mode, "button")
            browser.evaluate("document.querySelector('.skip').focus()")
            browser.press("Enter", "Home", "End")
            browser.wait(within)
        quiet(browser, asker.url)


def test_containers_of_an_account_are_gone_to_and_fro(
    browser: Person, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = containers(emulator, {EVIL: b"z", "x/y.txt": b"hello"}, {})
    with exploring(emulator.url(names[0]).rpartition("/")[0], write=True) as asker:
        browser.visit(asker.url)
        browser.sees(names[1])
        accessible(browser)
        browser.click(names[0], "button")
        total(browser, "2 items")
        accessible(browser)
        browser.click("Containers", "button")
        browser.sees(names[1])
        # Also when the server has been asked again which of them is open.
        asked_twice(browser)
        browser.click(names[1], "button")
        total(browser, "0 items")
        accessible(browser)
        for way, seen in (("back", names[0]), ("back", "2 items"), ("back", names[1]), ("forward", "2 items")):
            browser.evaluate(f"setTimeout(() => history.{way}()); 1")
            browser.sees(seen)
        # In another tab, another one is opened: this page asks nothing of it that was meant for this one.
        number = asker_number(browser)
        asker.cookie = "; ".join(
            f"{one['name']}={one['value']}" for one in browser._ask("Network.getCookies")["cookies"]
        )
        asker.post("open", container=names[1])
        asker.ready()
        for method, name in (("POST", "mark"), ("POST", "plan")):
            headers = {"X-Laden-Place": str(number)}
            status, _, data = asker.raw(method, f"/api/{name}", {"names": [EVIL], "mark": "exclude"}, headers)
            assert (status, b"another container" in data) == (409, True)
        # A link, which has no header, says it in its address.
        for name, headers in (("rows?view=1", {"X-Laden-Place": str(number)}), (f"export?view=1&place={number}", {})):
            assert json.loads(asker.raw("GET", f"/api/{name}", None, headers)[2]) == {"stale": True}
        total(browser, "0 items")
        quiet(browser, asker.url)


def test_an_image_of_the_same_name_in_another_container_is_another_image(
    browser: Person, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    dark, bright = (np.full((40, 30), level, np.uint16) for level in (100, 60_000))
    for image in (dark, bright):
        image[0, 0], image[-1, -1] = 0, 65_535
    names = containers(emulator, {"a.png": png.encode(dark)}, {"a.png": png.encode(bright)})
    with exploring(emulator.url(names[0]).rpartition("/")[0]) as asker:
        browser.visit(asker.url)
        seen = []
        for name in names:
            browser.sees(name)
            browser.click(name, "button")
            total(browser, "1 item")
            # A row that is drawn anew between two clicks is not opened by them.
            browser.wait(f"{STATUS}.then(s => s.state.phase === 'ready')")
            asked_twice(browser)
            open_first(browser, 1)
            # The window comes of the grey values.
            seen.append(float(drawn(browser, "a.png").split()[1]))
            browser.press("Escape")
            browser.click("Containers", "button")
        assert seen[0] < 1_000 < 30_000 < seen[1]
        quiet(browser, asker.url)


def asker_number(browser: Person) -> int:
    number = browser.evaluate(f"{STATUS}.then(s => s.place.number)")
    assert isinstance(number, int)
    return number


def test_deleted_blobs_are_listed_on_wish_and_come_back(browser: Person, tmp_path: Path) -> None:
    with SoftDelete(versions=False) as service:
        for name in (EVIL, "a/1.png", "kept.txt"):
            service.put(name, b"old")
        place = parse_destination(service.url + SAS)
        with serving(lambda: StoredPlace(place), tmp_path, write=True) as asker:
            asker.ready()
            plan = asker.post("plan", action="delete", names=[EVIL, "a/1.png"])
            asker.job(asker.post("act", plan=plan["plan"], count="2")["number"])
            asker.ready()
            browser.visit(asker.url.partition("#")[0])
            browser._ask("Network.setCookie", url=asker.url, name=asker.cookie.partition("=")[0],
                         value=asker.cookie.partition("=")[2])  # fmt: skip
            browser.visit(asker.url.partition("#")[0])
            total(browser, "1 item")
            changing(browser, "undelete")
            browser.click("List what was deleted here", "button")
            browser.sees("2 deleted blobs")
            browser.sees(f"{EVIL} (3 bytes, 14 days left)")
            accessible(browser)
            browser.click_on("document.querySelector('#deleted')")
            browser.press("Home")
            browser.click("Show the plan")
            browser.sees("Bring back 1 blob in the container")
            browser.wait(f"document.activeElement === {COUNT}")
            browser.write("1")
            browser.press("Enter")
            browser.sees("1 of 1 blob is done")
            closed(browser)
            total(browser, "2 items")
            assert browser.evaluate("document.title") == "laden explore"
            quiet(browser, asker.url)
