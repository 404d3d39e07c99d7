"""The installed command, the real emulator and a real browser: what a person does with a container."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from laden.demo.emulator import Emulator
from laden.verbs.load import load
from tests.explorer.conftest import accessible, quiet
from tests.support.chromium import CHROMIUM
from tests.support.dataset import make_dataset
from tests.support.harness import landed, start
from tests.support.person import Person


@pytest.fixture
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    if CHROMIUM is None:
        pytest.skip("Chromium is not here")
    with Person(tmp_path_factory.mktemp("profile")) as person:
        yield person


def test_a_person_looks_and_deletes_with_the_count_typed_back(
    browser: Person, container: str, emulator: Emulator, tmp_path: Path
) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 6, "1": 4}, size=64)
    load(dataset.folder, container, archives="0,1")
    process = start("explore", container, "--no-open", "--json", "--write")
    try:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        assert first["event"] == "serving"
        assert first["write"] is True
        browser.visit(first["url"])
        browser.wait("document.querySelector('.total').innerText.startsWith('14 items')")
        browser.wait("!/listing|as of/.test(document.querySelector('.top').innerText)")
        browser.sees("can be changed")
        browser.click("normal", ".value")
        browser.wait("parseInt(document.querySelector('.total strong').innerText) < 14")
        browser.wait("!document.querySelector('tbody').innerText.includes('…\t')")
        name = browser.evaluate("document.querySelector('tbody td').title")
        browser.click_on("document.querySelector('tbody tr')", times=2)
        browser.wait("document.querySelector('canvas').dataset.drawn")
        browser.sees("Not for diagnosis")
        browser.press("x")
        browser.sees("Marked: exclude")
        browser.press("Escape")
        browser.click("Change")
        browser.wait("document.querySelector('#action')")
        accessible(browser)
        browser.click("Show the plan")
        browser.sees("Delete 1 blob in the container")
        accessible(browser)
        browser.click_on("document.querySelector('#count')")
        browser.write("2")
        browser.click("Delete", "dialog button")
        browser.sees("nothing was done")
        assert name in landed(emulator, container)
        browser.click("Show the plan")
        browser.click_on("document.querySelector('#count')")
        browser.evaluate("document.querySelector('#count').select()")
        browser.write("1")
        browser.click("Delete", "dialog button")
        browser.sees("1 of 1 blob is done")
        assert name not in landed(emulator, container)
        assert "_laden/marks/marks.csv" in landed(emulator, container)
        browser.complaints[:] = [one for one in browser.complaints if "/api/act" not in one and "/api/item" not in one]
        browser.complaints[:] = [one for one in browser.complaints if "/api/properties" not in one]
        quiet(browser, first["url"])
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert json.loads(out.splitlines()[-1])["event"] == "summary"
        assert not [line for line in err.splitlines() if "Traceback" in line]
    finally:
        process.kill()
        process.communicate()


def test_what_cannot_be_explored_is_one_sentence(tmp_path: Path) -> None:
    from tests.support.harness import run

    ran = run("explore", str(tmp_path / "nothing"), "--json", "--no-open")
    assert ran.code == 2
    assert "there is no" in ran.summary["message"]
