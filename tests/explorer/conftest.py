"""One browser for all tests of the page, and what all of them hold it to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.chromium import CHROMIUM
from tests.support.person import Person

AXE = (Path(__file__).parents[1] / "support" / "vendor" / "axe.min.js").read_text("utf-8")


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """A headless Chromium."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not here")
    with Person(tmp_path_factory.mktemp("profile")) as person:
        yield person


def accessible(person: Person) -> None:
    """Fails where axe-core finds anything in the page as it is now."""
    if not person.evaluate("typeof axe === 'object'"):
        person.evaluate(AXE + "; true")
    found = person.evaluate(
        "axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map(v =>"
        " `${v.id}: ${v.help}\\n` + v.nodes.slice(0, 3).map(n => n.html + ' ' + n.failureSummary).join('\\n')))"
    )
    assert not found, "\n\n".join(found)


def quiet(person: Person, url: str) -> None:
    """Fails where the console was told anything, or any other host asked."""
    assert not person.complaints
    own = url.partition("#")[0]
    assert not [one for one in person.requests if not one.startswith((own, "blob:", "data:", "about:"))]
