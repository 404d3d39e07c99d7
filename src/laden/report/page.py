"""The page: one HTML file that needs nothing else, and may do nothing else.

From the top: what was loaded and how it ended, what of the table that is, a list of contents, the counts that add up,
what a person should look at, images, charts, how it was made.
A Content-Security-Policy allows the page's own style (by its hash) and images inside the file, and nothing more: no
script, no request to anywhere.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from xml.etree.ElementTree import Element

from laden.report.facts import Facts, FindingKind, Gallery, Picture
from laden.report.figures import figures
from laden.report.markup import Child, clean, h, name, to_html
from laden.values.errors import ExitCode
from laden.values.events import Summary
from laden.values.records import Finding, Severity
from laden.values.units import amount, duration, size

FATES = {
    "sent": "sent",
    "already_there": "already there",
    "there": "unchanged",
    "read": "read",
    "damaged": "damaged, not sent",
    "held": "held back: they may say who a person is",
    "conflict": "left alone: other content is there",
    "failed": "failed",
    "pending": "not reached",
    "changed": "changed",
    "deleted": "deleted",
}
"""What became of an image, in words: each `Outcome`, and what `gather` makes of a plan or a manifest."""
_WHERE = {"load": "Loaded", "check": "Checked", "verify": "Held against its manifest"}
_LEAST_S = 0.05
"""Of a time that tells a speed."""
_SEVERITIES = {Severity.ERROR: "needs a person", Severity.WARNING: "worth knowing", Severity.INFO: "for information"}


def render(facts: Facts) -> str:
    """The whole page but its first line, the document type, as text; encode it as UTF-8."""
    style = (files("laden.report") / "page.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    # The style is the one text that is not to be cleaned: the hash is of its very bytes.
    sheet = h("style")
    sheet.text = style
    head = h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", http_equiv="Content-Security-Policy", content=policy),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", name="color-scheme", content="light dark"),
        h("meta", name="referrer", content="no-referrer"),
        h("title", f"{clean(facts.title)}: report"),
        sheet,
    )
    return to_html(h("html", head, h("body", h("main", _sections(facts))), lang="en")) + "\n"


def _sections(facts: Facts) -> Iterator[Element]:
    drawn = list(figures(facts))
    parts = [
        ("counts", "Counts", _counts(facts)),
        *([("findings", "What to look at", _findings(facts.findings))] if facts.findings else ()),
        *_images(facts.gallery),
        *([("data", "The data", _section("data", "The data", h("div", drawn, class_="grid")))] if drawn else ()),
        ("origin", "How it was made", _origin(facts)),
    ]
    yield _head(facts)
    links = (h("li", h("a", title, href=f"#{anchor}")) for anchor, title, _ in parts)
    yield h("nav", h("ul", links), aria_label="Contents")
    yield from (part for _, _, part in parts)
    yield h("footer", h("p", _PRIVACY if _shows_images(facts) else _PRIVACY_WITHOUT))


_PRIVACY = (
    "This page shows patients' images and labels. It is a file on this machine: it loads nothing from anywhere, sends"
    " nothing, and laden uploads it nowhere. Pictures are for a glance, not for diagnosis."
)
_PRIVACY_WITHOUT = (
    "This page shows no images. It counts labels, and names images where something is wrong with them. It is a file on"
    " this machine: it loads nothing from anywhere, sends nothing, and laden uploads it nowhere."
)


def _shows_images(facts: Facts) -> bool:
    return bool(facts.gallery.samples or facts.gallery.damaged)


def _findings(kinds: Sequence[FindingKind]) -> Element:
    return _section("findings", "What to look at", (_kind(kind) for kind in kinds), class_="findings")


def _origin(facts: Facts) -> Element:
    """What another person needs to do the same."""
    summary = facts.summary
    rows: list[tuple[str, Child]] = [
        ("command", h("code", name(facts.command)) if facts.command else None),
        ("from", name(summary.source) if summary.source else None),
        ("to" if summary.source else "of", name(summary.destination) if summary.destination else None),
        ("table", name(facts.table) if facts.table else None),
        ("made", facts.made),
        ("by", f"laden {facts.version}" + (f", {facts.system}" if facts.system else "")),
    ]
    told = ((h("dt", what), h("dd", value)) for what, value in rows if value is not None)
    return _section("origin", "How it was made", h("dl", told, class_="facts"))


def _steps(summary: Summary) -> Element | None:
    """What of the table was selected, step by step."""
    if not summary.selection:
        return None
    steps = (
        h("li", h("b", amount(step.rows)), " ", _STEPS[step.step].format(""), name(step.about) if step.about else None)
        for step in summary.selection
    )
    return h("ol", steps, class_="steps")


_STEPS = {
    "table": "rows in {}",
    "archives": "of them in the archives {}",
    "where": "of them where {}",
    "images": "of them named in {}",
    "sample": "of them in a sample of {}",
    "first": "of them in the first {}",
}


def _head(facts: Facts) -> Element:
    summary = facts.summary
    verdict, mood = _verdict(facts)
    title, _, about = facts.title.partition(": ")
    return h(
        "header",
        h("p", _WHERE[summary.command], h("span", " · ", class_="quiet"), facts.made, class_="over"),
        h("h1", name(title)),
        h("p", name(about), class_="about") if about else None,
        h("p", h("strong", verdict, class_=f"verdict {mood}"), name(summary.message) if summary.message else None),
        _steps(summary),
    )


def _all_there(summary: Summary) -> str:
    if summary.by_notes:
        return "All there, by length, time and noted MD5"
    return "All there, unchanged" if summary.images else "The manifest names no image"


def _verdict(facts: Facts) -> tuple[str, str]:
    summary = facts.summary
    if summary.message:
        return ("Interrupted" if summary.exit_code == ExitCode.INTERRUPTED else "Not finished"), "bad"
    person = summary.exit_code == ExitCode.FINDINGS
    words = {
        "load": ("Complete and verified", "Loaded and verified; findings need a person"),
        "check": ("Table and archives fit" if facts.table else "All files can be loaded", "Findings need a person"),
        "verify": (
            _all_there(summary),
            "Not as the manifest says",
        ),
    }
    return words[summary.command][person], "warn" if person else "good"


def _counts(facts: Facts) -> Element:
    summary = facts.summary
    sums = []
    fates = summary.command != "check" and bool(facts.images)
    if summary.rows and (facts.table or not fates):
        parts = [(summary.matched, "with their image"), (summary.missing, "missing")]
        sums.append(_sum(summary.rows, "rows" if facts.table else "files", parts))
    if fates:
        sums.append(_sum(summary.images, "images", [(one.number, FATES[one.name]) for one in facts.images]))
    return h("section", sums, h("dl", _tiles(facts), class_="tiles"), class_="counts", aria_label="Counts", id="counts")


def _sum(total: int, what: str, parts: Sequence[tuple[int, str]]) -> Element:
    """`150 rows = 148 with their image + 2 missing`, each number above its word."""
    terms = (
        h("span", " ", h("span", "+" if place else "=", class_="sign"), " ", _term(count, word), class_="pair")
        for place, (count, word) in enumerate(parts)
    )
    return h("p", _term(total, what), terms, class_="sum")


def _term(count: int, word: str) -> Element:
    return h("span", h("b", amount(count)), " ", h("span", word), class_="term")


def _tiles(facts: Facts) -> Iterator[Element]:
    summary = facts.summary
    tiles = [
        ("sent", size(summary.bytes_sent) if summary.bytes_sent else ""),
        ("images, in all", size(facts.sizes.bytes_in_all) if facts.sizes else ""),
        ("time", duration(summary.seconds)),
        (
            "speed",
            f"{size(int(summary.bytes_sent / summary.moving_seconds))}/s" if summary.moving_seconds >= _LEAST_S else "",
        ),
        ("strays", amount(summary.stray) if summary.stray else ""),
        ("damaged", amount(summary.damaged) if summary.damaged else ""),
        ("foreign blobs", amount(summary.foreign) if summary.foreign else ""),
        ("retries", amount(summary.retries) if summary.retries else ""),
    ]
    for what, value in tiles:
        if value:
            yield h("div", h("dt", what), h("dd", value))


def _kind(kind: FindingKind) -> Element:
    more = kind.count - len(kind.examples)
    same = kind.examples[0].message if len({one.message for one in kind.examples}) == 1 < len(kind.examples) else ""
    return h(
        "article",
        h("h3", h("b", amount(kind.count)), " ", h("code", kind.code), " ",
          h("span", _SEVERITIES[kind.severity], class_=f"severity {kind.severity.value}")),
        h("p", kind.meaning[:1].upper() + kind.meaning[1:] + ".") if kind.meaning else None,
        h("p", h("b", "What to do: "), kind.advice, ".", class_="advice") if kind.advice else None,
        h("ul", (_example(finding, told="" if same else finding.message) for finding in kind.examples),
          h("li", f"and {amount(more)} more") if more > 0 else None,
          h("li", name(same), class_="same") if same else None),
    )  # fmt: skip


def _example(finding: Finding, *, told: str) -> Element:
    places = [part for part in (finding.archive, finding.member or finding.blob) if part]
    return h(
        "li",
        h("span", name(": ".join(places)), class_="place") if places else None,
        h("br") if places and told else None,
        name(told) if told else None,
    )


def _images(gallery: Gallery) -> Iterator[tuple[str, str, Element]]:
    if gallery.damaged:
        more = gallery.damaged_in_all - len(gallery.damaged)
        about = "What can still be decoded; hatched where nothing is left."
        rest = f" {amount(more)} more are damaged and not shown." if more > 0 else ""
        sheet = _sheet(gallery.damaged, "damaged")
        section = _section("damaged", "Damaged images", h("p", about + rest, class_="about"), sheet)
        yield "damaged", "Damaged images", section
    if gallery.samples:
        about = "A sample, the same in every report of these data; pixels of more than 8 bits spread by percentiles."
        section = _section("images", "Sample images", h("p", about, class_="about"), _sheet(gallery.samples, ""))
        yield "images", "Sample images", section


def _sheet(pictures: Sequence[Picture], kind: str) -> Element:
    return h("div", (_picture(picture) for picture in pictures), class_=f"sheet {kind}".strip())


def _picture(picture: Picture) -> Element:
    return h(
        "figure",
        h("div", h("img", src=picture.uri, alt=f"{picture.name}: {picture.about}", width=picture.width,
                   height=picture.height), class_="frame"),
        h("figcaption", h("span", name(picture.caption), class_="told") if picture.caption else None,
          h("span", picture.about, class_="quiet"), h("span", name(picture.name), class_="place")),
    )  # fmt: skip


def _section(anchor: str, title: str, *children: Child, class_: str | None = None) -> Element:
    return h("section", h("h2", title), children, class_=class_, id=anchor)
