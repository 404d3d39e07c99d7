"""Reads a report as its reader does: the numbers above their words, the tables, the pictures."""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder

import numpy as np
import numpy.typing as npt
from PIL import Image

_VOID = {"meta", "br", "img"}


class _Tree(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.builder = TreeBuilder()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.builder.start(tag, {name: value or "" for name, value in attrs})
        self.open.append(tag)
        if tag in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"{tag} closes something else"
        self.builder.end(tag)

    def handle_data(self, data: str) -> None:
        if self.open:
            self.builder.data(data)


class Shown:
    """A report, taken apart."""

    def __init__(self, file: Path) -> None:
        self.text = file.read_text("utf-8")
        parser = _Tree()
        parser.feed(self.text)
        parser.close()
        assert not parser.open
        self.root = parser.builder.close()

    @property
    def sums(self) -> list[list[tuple[int, str]]]:
        """Each line that adds up: the total first."""
        return [
            [(_number(_told(term[0])), _told(term[1])) for term in self._all("span", "term", line)]
            for line in self._all("p", "sum")
        ]

    @property
    def findings(self) -> dict[str, int]:
        heads = [part.find("h3") for part in self._all("article")]
        return {_told(head.find("code")): _number(_told(head.find("b"))) for head in heads if head is not None}

    def table(self, title: str) -> list[list[str]]:
        """The numbers below the chart of that title."""
        (figure,) = [one for one in self._all("figure") if title in (_told(head) for head in one.iter("h3"))]
        return [[_told(cell) for cell in line] for line in figure.iter("tr")][1:]

    @property
    def titles(self) -> list[str]:
        return [_told(head) for head in self._all("h3")]

    def pictures(self, kind: str = "sheet") -> dict[str, npt.NDArray[np.uint8]]:
        """File name to pixels (red, green, blue, alpha); `sheet damaged` for what is left of broken images."""
        found = {}
        for sheet in self._all("div", kind):
            for figure in sheet.iter("figure"):
                (image,) = figure.iter("img")
                data = base64.b64decode(image.get("src", "").partition("base64,")[2])
                # What its row says may stand above the name.
                name = _told(list(figure.iter("bdi"))[-1])
                found[name] = np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))
        return found

    def captions(self) -> dict[str, str]:
        """File name to what its row says, of all pictures that have such a line."""
        figures = [one for one in self._all("figure") if one.find("div/img") is not None]
        told = {_told(list(one.iter("bdi"))[-1]): self._all("span", "told", one) for one in figures}
        return {name: _told(lines[0]) for name, lines in told.items() if lines}

    def told(self) -> str:
        return _told(self.root.find("body"))

    def _all(self, tag: str, class_: str | None = None, within: Element | None = None) -> list[Element]:
        root = self.root if within is None else within
        return [one for one in root.iter(tag) if class_ is None or one.get("class") == class_]


def _told(element: Element | None) -> str:
    assert element is not None
    return "".join(element.itertext()).strip()


def _number(text: str) -> int:
    return int(text.replace(",", ""))
