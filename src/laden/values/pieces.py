"""Finds parts of secrets in a text: cut, wrapped over lines, in another spelling, or encoded once more.

In order: what a secret may look like is written down in forms (`forms_of`); a text is brought to its letters and digits
(`_skeleton`), since signs, blanks, line ends and colours are what wrapping, encoding and printing change; where ten
in a row are a form's, that stretch of the text is a piece. It knows only secrets that it was given.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from urllib.parse import unquote

PIECE = 10
"""Letters and digits in a row that are a piece of a secret. Sixteen characters of base64 have as many, and of what a
parser takes for a word hardly more are shown; chance does not make ten."""
_GRAM = 5
_STRIDE = PIECE - _GRAM + 1
"""Of any piece, one run of `_GRAM` begins at a multiple of this."""

_TOKEN = re.compile(
    r"%(?:25)*(?P<percent>[0-9A-Fa-f]{2})|\\u00(?P<json>[0-9A-Fa-f]{2})|\\x(?P<python>[0-9A-Fa-f]{2})"
    r"|\x1b\[[0-9;?]*[A-Za-z]|&#?\w{1,6};|\\[nrt](?=[\s│|\"'A-Za-z0-9+/])|(?P<plain>[^\W_])",
)
"""What counts as one letter or digit, or is passed over although it holds some: percent-encoding of any depth, escapes
of JSON and Python, colours of terminals (ECMA-48), entities of HTML."""
_WRITTEN = re.compile(r"[%\\\x1b&]")
_SIGNS = re.compile(r"[\W_]+")
_PADDING = re.compile(r"(?:=|%(?:25)*3[Dd])*")


def forms_of(secret: str) -> tuple[str, ...]:
    """Letters and digits of a secret as it is, of what it decodes to, and of both encoded once more.

    Base64 (RFC 4648) of a text that holds a secret holds one of three forms of it, as its start falls; the bytes that
    a signature or key stands for may be printed in hexadecimal digits. What is too short for pieces has no forms.
    """
    whole = unquote(unquote(secret))
    found = [_letters(whole)]
    data = whole.encode("utf-8", "surrogateescape")
    for shift in range(3):
        # The first and last signs of it depend on what stands around.
        shifted = base64.b64encode(bytes(shift) + data).decode().rstrip("=")
        found.append(_letters(shifted[shift * 4 // 3 + bool(shift) : -1]))
    found.append(data.hex())
    with suppress(binascii.Error):
        found.append(base64.b64decode(whole.replace("-", "+").replace("_", "/") + "==").hex())
    found += [form.upper() for form in found[4:]]
    return tuple(dict.fromkeys(form for form in found if len(form) >= PIECE)) if len(found[0]) >= PIECE else ()


class Pieces:
    """Knows the forms of some secrets, and finds what of them a text holds."""

    def __init__(self, forms: Iterable[str] = ()) -> None:
        self._forms = tuple(dict.fromkeys(forms))
        self._grams = {form[at : at + _GRAM] for form in self._forms for at in range(len(form) - _GRAM + 1)}

    def replaced(self, text: str, shown: str) -> str:
        """The text with `shown` for each piece; nothing is joined over what is shown already."""
        if not self._grams or len(text) < PIECE:
            return text
        return shown.join(self._part(part, shown) for part in text.split(shown))

    def _part(self, text: str, shown: str) -> str:
        skeleton = _letters(text)
        if not any(skeleton[at : at + _GRAM] in self._grams for at in range(0, len(skeleton), _STRIDE)):
            return text
        spans = [span for _, *span in _skeleton(text)]
        parts, done = [], 0
        for start, end in self._found(skeleton):
            parts += [text[done : spans[start][0]], shown]
            padding = _PADDING.match(text, spans[end - 1][1])
            done = padding.end() if padding else spans[end - 1][1]
        return "".join([*parts, text[done:]])

    def _found(self, skeleton: str) -> Iterator[tuple[int, int]]:
        """Where pieces stand in a row of letters and digits: start, end; in order, none within another."""
        at = 0
        while at <= len(skeleton) - PIECE:
            if skeleton[at : at + _GRAM] in self._grams and self._holds(skeleton[at : at + PIECE]):
                end = at + PIECE
                while end < len(skeleton) and self._holds(skeleton[at : end + 1]):
                    end += 1
                yield at, end
                at = end
            else:
                at += 1

    def _holds(self, row: str) -> bool:
        return any(row in form for form in self._forms)


def _letters(text: str) -> str:
    """Letters and digits of a text, in order."""
    if _WRITTEN.search(text):
        return "".join(letter for letter, _, _ in _skeleton(text))
    return _SIGNS.sub("", text)


def _skeleton(text: str) -> Iterator[tuple[str, int, int]]:
    """Letters and digits of a text, each with where it stands there."""
    for found in _TOKEN.finditer(text):
        code = found["percent"] or found["json"] or found["python"]
        letter = chr(int(code, 16)) if code else found["plain"] or ""
        if letter.isalnum():
            yield letter, found.start(), found.end()
