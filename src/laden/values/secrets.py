"""What no text may show: one function that takes secrets out of it, used wherever a text leaves laden.

In order: what this run was given in confidence is noted (`note`, `note_arguments`, `note_environment`); `redact` takes
it out of a text in any of its percent-encoded forms, and its pieces (`pieces`), and with it whatever looks like a
signature, key, token or login, whoever gave it; `redacted` does so for all texts of a value; `guarded` stands before
standard output and error as the last door. Errors (`laden.values.errors`), events, findings, report and pages pass
`redact` when they are made.

It changes no data: names of blobs and the bytes of tables travel as they are.
"""

from __future__ import annotations

import base64
import dataclasses
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, TextIO, TypeVar, cast
from urllib.parse import unquote

from laden.values.pieces import Pieces, forms_of

SHOWN = "..."
"""What stands where a secret was."""

_T = TypeVar("_T")

_VALUE = r"(?!\.\.\.)[^\s&;,\"'<>]+"
_BASE64 = r"(?:[A-Za-z0-9+/]|%(?:25)*2[BbFf])"
_PAD = r"(?:=|%(?:25)*3[Dd])"
_FROM_ITS_START = r"(?<![A-Za-z0-9+/])"
_MIXED = r"(?=[a-z+/%]*[A-Z\d])(?=[A-Z+/%]*[a-z\d])(?=[A-Za-z+/%]*\d)"
_PATTERNS = (
    # A signature whose `+` became a blank goes on behind it.
    (rf"(?P<a>sig\s*{_PAD}\s*){_VALUE}(?:[ ]{_BASE64}+{_PAD}(?=[&\s;\"'<>]|$))*", r"\g<a>"),
    (rf"(?P<a>sharedaccesssignature\s*{_PAD}\s*)[^\s;\"'<>]+", r"\g<a>"),
    # Signed links of other clouds (S3's and Google's "query string authentication", CloudFront), and tokens of shares.
    (rf"(?P<a>(?:signature|x-(?:amz|goog)-(?:credential|security-token))\s*{_PAD}\s*){_VALUE}", r"\g<a>"),
    (rf"(?P<a>[?&]policy=){_VALUE}", r"\g<a>"),
    (r"(?P<a>://[^\s?\"'<>]*/s/)[A-Za-z0-9]{15}(?![A-Za-z0-9])", r"\g<a>"),
    (r"(?P<a>/public\.php/dav/files/)[^/\s?\"'<>]+", r"\g<a>"),
    (rf"(?P<a>(?:account|sharedaccess|access)_?key\s*{_PAD}\s*){_VALUE}", r"\g<a>"),
    (rf"(?P<a>(?:password|passwd|pwd|token|secret)\s*{_PAD}\s*){_VALUE}", r"\g<a>"),
    # As a sentence has it, "no token: run ...", it is none.
    (r"(?P<a>(?:password|passwd|pwd|token|secret)[\"']?\s*:\s*)(?=\S*[\d\"'])[\"']?" + _VALUE, r"\g<a>"),
    (r"(?P<a>authorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|sharedkey)\s+)\S+", r"\g<a>"),
    (r"(?P<a>bearer\s+)(?=\S*\d)[\w.~+/=-]{8,}", r"\g<a>"),
    (r"\beyJ[\w-]{3,}\.[\w-]+(?:\.[\w-]*)?", ""),
    # A password may hold slashes, signs of its own, another @; host:port/ is none.
    # As a path, an address has one slash.
    (r"(?P<a>:?//|:/)[^\s/@:\"'<>]*:(?!\d{1,5}(?:/|$))[^\s\"'<>]*@", r"\g<a>"),
    (r"(?P<a>:?//|:/)[^\s/@\"'<>]+@", r"\g<a>"),
    (r"(?<![\w/])[^\s/@:\"'<>]+:[^\s/@\"'<>]+@(?=[\w.-]+:\d)", ""),
    # 64 bytes, an account's key, also where an option took its equals signs; 32 bytes, a signature (HMAC-SHA-256).
    # They may stand behind a path.
    (rf"{_FROM_ITS_START}{_BASE64}{{86,}}{_PAD}{{2}}", ""),
    (rf"(?-i:{_FROM_ITS_START}{_MIXED}{_BASE64}{{86}}(?![A-Za-z0-9+/%]))", ""),
    (rf"{_FROM_ITS_START}{_BASE64}{{43,}}{_PAD}(?![A-Za-z0-9+/=])", ""),
    # The same key over two lines, as `openssl base64` breaks it (after 64 characters) and `base64` does (after 76).
    (rf"{_FROM_ITS_START}(?:{_BASE64}{{64,}}\s+{_BASE64}{{22}}|{_BASE64}{{76,}}\s+{_BASE64}{{10}}){_PAD}{{2}}", ""),
)
_COMPILED = tuple((re.compile(pattern, re.IGNORECASE), kept + SHOWN) for pattern, kept in _PATTERNS)
_WORDS = "sig\\s*[=%]|signature|credential|policy=|/s/|/dav/|key|passw|pwd|token|secret|authorization|bearer|eyj|@"
_HINT = re.compile(_WORDS)
_HINT_OF_ANY_CASE = re.compile(_WORDS, re.IGNORECASE)
_LONG = re.compile("[A-Za-z0-9+/%]{43}")
"""What every text has that any of them changes: one of the words, or so long a row of such signs."""

_SIGNED_TEXT = re.compile(rf"(?:sig|accountkey|sharedaccesskey){_PAD}([^&;\s\"']+)", re.IGNORECASE)
_ENCODED_END = re.compile(r"%(?:25)*(?:26|3[Bb])")
"""`&` and `;`, percent-encoded any number of times."""

_SHORTEST = 4
"""Of a password; anything shorter cannot be told from words."""
_SHORTEST_SIGNED = 8
"""Of what a service gives: signatures, keys and tokens are longer."""
_WORDLIKE = 12
"""What is not longer counts only where it stands alone."""
_MOST_NOTED = 200
"""Of the latest: a run that renews its SAS every few minutes needs no more."""

_WHOLE = (
    "AZURE_STORAGE_KEY",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_PASSWORD",
    "IDENTITY_HEADER",
    "MSI_SECRET",
)
"""Settings that are secrets as they are (azure-identity's and Azure CLI's names)."""
_SIGNED = ("LADEN_SAS", "LADEN_SOURCE_SAS", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_CONNECTION_STRING")

_noted: dict[str, re.Pattern[str]] = {}
_of_environment: dict[str, re.Pattern[str]] = {}
_logins: set[str] = set()
"""Of what was noted: logins, whose pieces are names of people and hosts."""
_pieces = Pieces()


def note(*values: str) -> None:
    """Keep back these values from now on: a SAS (its signature), a key, a token."""
    new = [secret for value in values for secret in _secrets_of(value) if secret not in _noted]
    _noted.update({secret: _pattern(secret) for secret in new})
    for secret in list(_noted)[:-_MOST_NOTED]:
        del _noted[secret]
    if new:
        _know_pieces()


def note_arguments(arguments: Sequence[str]) -> None:
    """Keep back what signatures and keys a command line holds, in whatever place of it."""
    note(*(argument for argument in arguments if _SIGNED_TEXT.search(argument)))


def note_environment(environment: Mapping[str, str] | None = None) -> None:
    """Keep back what the settings of this run hold; what those of an earlier one held is forgotten."""
    given = os.environ if environment is None else environment
    found: list[str] = [given[name] for name in _WHOLE if given.get(name)]
    for name in _SIGNED:
        found += _secrets_of(given.get(name, ""))
    _logins.clear()
    for name, value in given.items():
        if name.lower().endswith("_proxy"):
            login = _login_of(value)
            found += login
            _logins.update(login[:1])
    _of_environment.clear()
    _of_environment.update({secret: _pattern(secret) for secret in found if len(secret) >= _SHORTEST})
    _know_pieces()


def _know_pieces() -> None:
    global _pieces
    known = (secret for secret in (*_noted, *_of_environment) if secret not in _logins)
    _pieces = Pieces(form for secret in known for form in forms_of(secret))


def redact(text: str) -> str:
    """The text without secrets; `...` stands for each."""
    for pattern in (*_noted.values(), *_of_environment.values()):
        text = pattern.sub(SHOWN, text)
    text = _pieces.replaced(text, SHOWN)
    if _is_suspect(text):
        for pattern, kept in _COMPILED:
            text = pattern.sub(kept, text)
    return text


def _is_suspect(text: str) -> bool:
    """Whether any of the patterns may fit: asked of every text, so in the quick way where all letters are plain."""
    if _LONG.search(text):
        return True
    return bool(_HINT.search(text.lower()) if text.isascii() else _HINT_OF_ANY_CASE.search(text))


def redacted(value: _T) -> _T:
    """The same value, of the same types, whose texts hold no secrets."""
    return value if isinstance(value, tuple) and _is_clean(value) else cast("_T", _walk(value))


def _is_clean(fields: tuple[Any, ...]) -> bool:
    """Whether plain fields hold no secret: one look at all texts of a finding costs less than one at each.

    No pattern needs what stands in another field; one that sees a secret across two only has them looked at by
    themselves.
    """
    if not all(isinstance(one, str | int | None) for one in fields):
        return False
    texts = "\n".join(one for one in fields if type(one) is str)
    return redact(texts) == texts


def _walk(value: Any) -> Any:
    if isinstance(value, str):
        # An enumeration's member stays one; in a picture's bytes, what looks like a secret is chance.
        return value if type(value) is not str or value.startswith("data:image/") else redact(value)
    if isinstance(value, dict):
        return {_walk(key): _walk(one) for key, one in value.items()}
    if isinstance(value, tuple):
        fields = [_walk(one) for one in value]
        return value._make(fields) if hasattr(value, "_make") else tuple(fields)
    if isinstance(value, list):
        return [_walk(one) for one in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        texts = {field.name: _walk(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init}
        return dataclasses.replace(value, **texts)
    return value


class StreamLost(OSError):  # noqa: N818 - named for what happened
    """Standard output cannot be written: its disk is full, or whoever read it has gone."""


class _Guarded:
    """A text stream that no secret passes; all else of it is the stream's own."""

    def __init__(self, behind: TextIO, *, needed: bool) -> None:
        self.behind = behind
        """For what is asked for and is a secret."""
        self._needed = needed
        """Whether `StreamLost` tells that it cannot be written; nobody is left to be told that of standard error."""

    def write(self, text: str) -> int:
        with self._lost():
            self.behind.write(redact(text))
        return len(text)

    def flush(self) -> None:
        with self._lost():
            self.behind.flush()

    @contextmanager
    def _lost(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            let_go(self.behind)
            if self._needed:
                raise StreamLost(error.errno, error.strerror) from None

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)


class _Bytes:
    """The bytes of standard output: where they cannot be written, `StreamLost` tells, and no other error of a disk."""

    def __init__(self, behind: TextIO) -> None:
        self._behind = behind

    def write(self, data: bytes) -> int:
        with self._lost():
            return self._behind.buffer.write(data)

    def flush(self) -> None:
        with self._lost():
            self._behind.buffer.flush()

    def writelines(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            self.write(line)

    @contextmanager
    def _lost(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            let_go(self._behind)
            raise StreamLost(error.errno, error.strerror) from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind.buffer, name)


@contextmanager
def bytes_out() -> Iterator[BinaryIO]:
    """Standard output for bytes that were asked for, all of them written at the end; raises `StreamLost`."""
    out = cast("BinaryIO", _Bytes(sys.stdout))
    yield out
    out.flush()


@contextmanager
def guarded() -> Iterator[None]:
    """Let nothing onto standard output and error that is a secret, whoever writes it: libraries, tracebacks."""
    before = sys.stdout, sys.stderr
    sys.stdout = cast("TextIO", _Guarded(sys.stdout, needed=True))
    sys.stderr = cast("TextIO", _Guarded(sys.stderr, needed=False))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def let_go(stream: TextIO) -> None:
    """Have what is still written to a stream that is lost go nowhere, so that its end is quiet."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()


def give(text: str) -> None:
    """Write to standard output what was asked for, although it is a secret."""
    stream = sys.stdout
    print(text, file=getattr(stream, "behind", stream), flush=True)


def _secrets_of(text: str) -> list[str]:
    """What is secret in a SAS, a SAS URL, a connection string, or a bare key or token."""
    parts = [part for found in _SIGNED_TEXT.findall(text) if (part := _ENCODED_END.split(found)[0])]
    found = parts or ([text.strip()] if "=" not in text.strip().rstrip("=") else [])
    return [part for part in found if len(part) >= _SHORTEST_SIGNED]


def _login_of(proxy: str) -> list[str]:
    """Password of a proxy's address, and the login as its header has it (RFC 7617)."""
    login = re.sub(r"^\w+://", "", proxy.strip()).rpartition("@")[0].lstrip("/")
    user, _, password = login.partition(":")
    plain = f"{unquote(user)}:{unquote(password)}"
    if not password:
        return []
    # What takes a broken address apart tells parts of it.
    parts = [part for text in (password, unquote(password)) for part in re.split(r"[/#?@:%]", text)]
    return [login, password, unquote(password), *parts, base64.b64encode(plain.encode()).decode()]


def _pattern(secret: str) -> re.Pattern[str]:
    """Finds a secret as it is, percent-decoded, or percent-encoded any number of times."""
    whole = unquote(unquote(secret))
    signs = "".join(_sign(sign) for sign in whole)
    if len(whole) <= _WORDLIKE:
        signs = rf"(?<![A-Za-z0-9]){signs}(?![A-Za-z0-9])"
    return re.compile(signs)


def _sign(sign: str) -> str:
    if sign.isalnum() and sign.isascii():
        return sign
    encoded = "".join(f"%(?:25)*{byte:02x}" for byte in sign.encode("utf-8", "surrogateescape"))
    as_blank = "|[ ]" if sign == "+" else ""
    return f"(?:{re.escape(sign)}|(?i:{encoded}){as_blank})"
