"""Makes HTML as a tree, so that text from files can never be markup: the serialiser of the standard library escapes it.

Characters that are invisible, change the direction of what follows, or no encoding holds are shown as U+FFFD.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias
from xml.etree.ElementTree import Element, tostring

Child: TypeAlias = "Element | str | int | Iterable[Child] | None"


def h(tag: str, *children: Child, **attributes: str | int | None) -> Element:
    """An element. `class_` means `class`, `aria_label` means `aria-label`; what is None is left out.

    Children are elements, texts, numbers, or iterables of those.
    """
    given = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items() if value is not None}
    element = Element(tag, {name: clean(str(value)) for name, value in given.items()})
    _fill(element, children)
    return element


def name(text: str) -> Element:
    """A name from a file, kept from turning the direction of what stands around it (HTML, `bdi`)."""
    return h("bdi", text)


def clean(text: str) -> str:
    """Text that shows what it holds."""
    return "".join(mark if mark.isprintable() else "\ufffd" for mark in text)


def to_html(element: Element) -> str:
    """The element as HTML."""
    return tostring(element, encoding="unicode", method="html")


def _fill(element: Element, children: Iterable[Child]) -> None:
    for child in children:
        if child is None:
            continue
        if isinstance(child, Element):
            element.append(child)
        elif isinstance(child, str | int):
            _add_text(element, clean(str(child)))
        else:
            _fill(element, child)


def _add_text(element: Element, text: str) -> None:
    if len(element):
        element[-1].tail = (element[-1].tail or "") + text
    else:
        element.text = (element.text or "") + text
