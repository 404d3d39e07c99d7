"""The page in a real browser: it opens without complaint, asks for nothing, fits, and can be read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from laden.report.facts import (
    ArchiveCounts,
    Bin,
    ColumnCounts,
    Count,
    Facts,
    FindingKind,
    Gallery,
    Moment,
    Picture,
    Sizes,
    Speed,
)
from laden.report.page import render
from laden.values.events import Summary
from laden.values.ownfiles import REPORT_START
from laden.values.records import Finding, Severity, Step
from laden.verbs.load import load
from tests.support.chromium import CHROMIUM, Browser
from tests.support.dataset import make_dataset

AXE = Path(__file__).parents[1] / "support" / "vendor" / "axe.min.js"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not here: apt-get install chromium")

HOSTILE = (
    "<script>document.title='owned'</script><img src=http://127.0.0.1:9/x onerror=alert(1)>"
    "\"'&amp; \u202egnp.\u05d0\u05d1 \0.png"
)
_FIGURES = """
Array.from(document.querySelectorAll('.sum'), line => Array.from(line.querySelectorAll('.term'),
  term => Number(term.querySelector('b').textContent.replace(/,/g, ''))))
"""
_CONTRASTS = """
(() => {
  const linear = part => (part /= 255) <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const light = colour => {
    const [red, green, blue] = colour.match(/[0-9.]+/g).map(Number);
    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  };
  const ground = node => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if (!colour.endsWith(', 0)')) return colour;
    }
  };
  const contrast = node => {
    const style = node.fill ? node : getComputedStyle(node), drawn = node.tagName === 'text';
    const lights = [light(drawn ? style.fill : style.color), light(ground(drawn ? node.closest('figure') : node))];
    return (Math.max(...lights) + 0.05) / (Math.min(...lights) + 0.05);
  };
  const texts = 'p, dt, dd, h1, h2, h3, b, li, td, th, code, span, strong, figcaption, summary, svg text';
  return Array.from(document.querySelectorAll(texts))
    .filter(node => node.textContent.trim() && !node.classList.contains('sign'))
    .map(node => [contrast(node), node.tagName + ' ' + node.textContent.slice(0, 40)]);
})()
"""
_OF_TEXTS = _CONTRASTS[_CONTRASTS.index("  const texts = ") : _CONTRASTS.index("})()")]
_OF_BARS = """
  return Array.from(document.querySelectorAll('.grid .series rect')).map(rect => {
    const style = getComputedStyle(rect);
    const outlined = style.stroke !== 'none' && rect.closest('.rest');
    const node = { fill: outlined ? style.stroke : style.fill, tagName: 'text', closest: of => rect.closest(of) };
    return [contrast(node), rect.closest('.series').classList[1]];
  });
"""
_LEAST_BAR_CONTRAST = 3.0
"""Success criterion 1.4.11, for parts of graphics."""
_LEAST_CONTRAST = 4.5
"""WCAG 2.2, success criterion 1.4.3, for text of ordinary size."""
_PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


def everything(name: str) -> Facts:
    """A report with every part in it, each holding that name; numbers as large as they get."""
    summary = Summary(
        "load", source=name, destination=name, rows=160_868, images=160_861, matched=160_861, missing=7, stray=12,
        damaged=37, conflicts=3, sent=150_000, already_there=10_821, bytes_sent=1_012_345_678_901, retries=17,
        seconds=7_321, moving_seconds=7_000, complete=True, exit_code=3, foreign=4,
        selection=(Step("table", name, 160_868), Step("where", f"Projection = 'PA' {name}", 91_728)),
    )  # fmt: skip
    severities = {"image-missing": Severity.ERROR, "image-stray": Severity.WARNING, "blob-foreign": Severity.INFO}
    kinds = tuple(
        FindingKind(code, severity, 1_234, f"meaning {name}", f"advice {name}",
                    tuple(Finding(code, severity, f"{number} {name}", name, name, 1, name) for number in range(3)))
        for code, severity in severities.items()
    )  # fmt: skip
    archives = tuple(
        ArchiveCounts(f"{number}{name}.zip", 3_000, number % 3, number % 5, number % 2) for number in range(52)
    )
    bins = tuple(Bin(number * 500, number * 500 + 500, 10_000 * number) for number in range(10))
    values = tuple(Count(f"{number} {name}", 90_000 - number) for number in range(193))
    moments = tuple(Moment(float(second), second * 140_000_000, second // 3) for second in range(100))
    picture = Picture(name, f"2,140 \u00d7 2,500, 16 bit, {name}", _PIXEL, 390, 480, caption=f"COPD, PA, 74 y, {name}")
    return Facts(
        title=f"{name}: {name}", table=name, summary=summary,
        images=(Count("sent", 150_000), Count("already_there", 10_821), Count("damaged", 37), Count("conflict", 3)),
        findings=kinds, archives=archives,
        sizes=Sizes(bins, bins, ((2140, 2500, 9_999), (1, 2, 3)), 2, bins, 1_825_000_000_000),
        columns=(
            ColumnCounts(name, True, values, tuple(value.number // 2 for value in values), 193, 103),
            ColumnCounts("Projection", False, values[:7], tuple(value.number // 99 for value in values[:7]), 7, 0),
            ColumnCounts("View", False, values[:3], None, 3, 0),
        ),
        speed=Speed((("listing", 1.5), ("transfer", 7_200.0)), moments, ((20.0, 45.0),)),
        gallery=Gallery((picture,) * 12, (picture,) * 12, 37), made="22 November 2026, 18:00 UTC", version="0",
        system="Python 3.13, Linux", command=f"laden load {name}",
    )  # fmt: skip


def written(facts: Facts) -> Path:
    file = Path.cwd() / "page.html"
    file.write_text(REPORT_START + render(facts), "utf-8")
    return file


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 768, 390, 320])
def test_it_opens_without_complaint_asks_for_nothing_and_fits(browser: Browser, width: int, dark: bool) -> None:
    for name in ("216840111366964012558082906712009327122220177_00-102-064.png", HOSTILE, "x" * 400):
        file = written(everything(name))
        browser.open(file, width=width, dark=dark)
        assert browser.complaints == []
        assert [url for url in browser.requests if not url.startswith("data:")] == [file.as_uri()]
        browser.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_names_are_shown_as_names(browser: Browser) -> None:
    browser.open(written(everything(HOSTILE)), width=1280)
    assert (
        browser.evaluate(
            "document.querySelectorAll('script, iframe, object, link, [onerror], img:not([src^=data])').length"
        )
        == 0
    )
    assert browser.evaluate("document.title") != "owned"
    shown = browser.evaluate("document.body.innerText")
    assert "<script>document.title='owned'</script>" in shown
    assert "\u202e" not in shown
    assert "\u05d0\u05d1" in shown, "letters from right to left are letters"
    assert browser.evaluate("Array.from(document.querySelectorAll('.place')).every(one => one.querySelector('bdi'))")


def test_the_policy_lets_no_script_run_whatever_the_page_held(browser: Browser) -> None:
    file = written(everything("plain"))
    file.write_text(
        file.read_text("utf-8").replace("<main>", "<main><script>document.title = 'owned'</script>"), "utf-8"
    )
    browser.open(file, width=1280)
    assert browser.evaluate("document.title") != "owned"
    assert any("Content Security Policy" in complaint for complaint in browser.complaints)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing(browser: Browser, dark: bool) -> None:
    browser.open(written(everything("name")), width=1280, dark=dark)
    browser.evaluate(AXE.read_text("utf-8") + "; 1")
    found = browser.evaluate(
        "axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.map(v =>"
        " v.id + ': ' + v.nodes.map(n => n.html.slice(0, 80)).slice(0, 3).join(' | ')))"
    )
    assert found == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_bar_stands_out(browser: Browser, dark: bool) -> None:
    """By its colour, or by the line around it."""
    browser.open(written(everything("name")), width=1280, dark=dark)
    bars: list[Any] = browser.evaluate(_CONTRASTS.replace(_OF_TEXTS, _OF_BARS))
    assert {kind for _, kind in bars} == {"good", "second", "rest", "bad", "missing", "other"}
    assert [bar for bar in bars if bar[0] < _LEAST_BAR_CONTRAST] == []


def test_the_list_of_contents_leads_to_each_part(browser: Browser) -> None:
    browser.open(written(everything("name")), width=1280)
    found = browser.evaluate(
        "Array.from(document.querySelectorAll('nav a'), one => [one.textContent,"
        " document.querySelectorAll(one.getAttribute('href')).length])"
    )
    assert [title for title, _ in found] == [
        "Counts", "What to look at", "Damaged images", "Sample images", "The data", "How it was made",
    ]  # fmt: skip
    assert {number for _, number in found} == {1}


def test_an_id_can_be_copied_whole(browser: Browser) -> None:
    name = "216840111366964012558082906712009327122220177_00-102-064.png"
    browser.open(written(everything(name)), width=390)
    assert browser.evaluate(
        "Array.from(document.querySelectorAll('.sheet .place')).every(one => one.scrollWidth <= one.clientWidth + 1"
        f" && one.textContent === '{name}' && getComputedStyle(one).userSelect === 'all')"
    )


def test_every_archive_and_every_bin_is_named(browser: Browser) -> None:
    browser.open(written(everything("a")), width=1280)
    named = browser.evaluate(
        "Array.from(document.querySelectorAll('svg .axis.x'), one => one.querySelectorAll('text').length)"
    )
    # 52 archives across, ten bins of widths and heights, ten of lengths.
    assert {52, 10} <= set(named)


def test_a_report_prints_on_three_pages(browser: Browser, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 30, "1": 12}, missing=3, stray=1, broken=2, corrupt=1, size=64)
    load(dataset.folder, "./there", report_file=Path.cwd() / "real.html")
    browser.open(Path.cwd() / "real.html", width=1280)
    assert 1 <= browser.pages() <= 3


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_text_can_be_read(browser: Browser, dark: bool) -> None:
    browser.open(written(everything("name")), width=1280, dark=dark)
    contrasts: list[Any] = browser.evaluate(_CONTRASTS)
    assert len(contrasts) > 500
    assert [text for contrast, text in contrasts if contrast < _LEAST_CONTRAST] == []


def test_every_chart_is_named_and_has_its_numbers_beside_it(browser: Browser) -> None:
    browser.open(written(everything("name")), width=1280)
    assert browser.evaluate("document.querySelectorAll('svg').length") >= 6
    assert browser.evaluate(
        "Array.from(document.querySelectorAll('svg')).every(one => one.getAttribute('role') === 'img'"
        " && one.getAttribute('aria-label') && one.querySelector('title').textContent && one.querySelector('desc')"
        " && one.closest('figure').querySelector('table'))"
    )
    assert browser.evaluate("Array.from(document.images).every(one => one.alt && one.complete && one.naturalWidth)")


def test_bars_are_as_long_as_their_numbers(browser: Browser) -> None:
    facts = everything("name")
    browser.open(written(facts), width=1280)
    most = "Array.from(document.querySelectorAll('.grid h3')).find(one => one.textContent.startsWith('Most'))"
    assert browser.evaluate(f"{most}.closest('figure').querySelectorAll('svg .good .bar rect').length") == 12
    parts = browser.evaluate(
        "Array.from(document.querySelectorAll('.narrow .series'), one => [one.classList[1],"
        " Array.from(one.querySelectorAll('rect'), bar => Number(bar.getAttribute('width') || 0))])"
    )
    drawn = {kind: list(reversed(bars)) for kind, bars in parts}
    unit = drawn["good"][0] / facts.archives[0].good
    assert drawn["bad"] == pytest.approx([one.damaged * unit for one in facts.archives], abs=1e-6)
    assert drawn["missing"] == pytest.approx([one.missing * unit for one in facts.archives], abs=1e-6)


def test_the_figures_of_a_real_load_are_the_summarys(browser: Browser, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "source", {"0": 30, "1": 12}, missing=3, stray=1, broken=2, corrupt=1, size=64)
    summary = load(dataset.folder, "./there", report_file=Path.cwd() / "real.html")
    for width in (1280, 390):
        browser.open(Path.cwd() / "real.html", width=width)
        assert browser.complaints == []
        assert browser.evaluate(_FIGURES) == [
            [summary.rows, summary.matched, summary.missing],
            [summary.images, summary.sent, 1],
        ]
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert (Path.cwd() / "real.html").stat().st_size < 3_000_000
