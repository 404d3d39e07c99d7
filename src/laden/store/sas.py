"""What a shared access signature (SAS) says of itself: its kind, its times, what it permits. No network, no signing.

The one parser of the project: `laden sas inspect`, the check before a load, its warnings and the explanations of
refusals all read a SAS here. What it cannot tell: whether the signature is right, and what a stored access policy
behind it permits; only the service knows. Nothing here ever shows the signature.

Source of the fields: the REST reference's "Create a service SAS", "Create a user delegation SAS" and "Create an
account SAS".
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import NamedTuple
from urllib.parse import parse_qsl

from laden.values.errors import UsageError
from laden.values.secrets import note


class Permission(NamedTuple):
    """One letter of `sp`."""

    letter: str
    word: str
    purpose: str


PERMISSIONS = (
    Permission("r", "read", "read blobs and their properties: a rerun compares, verify reads the manifest"),
    Permission("a", "add", "append to append blobs: laden makes none"),
    Permission("c", "create", "make new blobs"),
    Permission("w", "write", "make, fill and replace blobs: what sending is"),
    Permission("d", "delete", "delete blobs: only to remove a table of laden's own that no longer applies"),
    Permission("x", "delete-version", "delete versions of blobs: laden never does"),
    Permission("y", "permanent-delete", "delete soft-deleted blobs for good: laden never does"),
    Permission("l", "list", "list the container: how laden knows what is there already"),
    Permission("t", "tags", "read and write blob index tags: only for --tag"),
    Permission("f", "find", "find blobs by tags: laden uses none"),
    Permission("m", "move", "move and rename: laden never does"),
    Permission("e", "execute", "POSIX access of a hierarchical namespace: laden uses none"),
    Permission("i", "immutability", "set immutability policies and legal holds: laden never does"),
)
"""In the order in which the service wants the letters ("Create a service SAS", permissions for a container)."""

DEFAULT_LETTERS = "rcwl"
"""The shortest set for load, verify and resume."""

_LETTERS = "".join(permission.letter for permission in PERMISSIONS)
_WORDS = {permission.word: permission.letter for permission in PERMISSIONS}
_TYPING_ERROR = 0.75
"""How alike a word and letters may be before a typing error is suspected: `wirte` would permit other things."""

_QUERY = re.compile(r"[A-Za-z0-9\-._~%!$&'()*+,;:=@/?]+")
"""RFC 3986, section 3.4."""


@dataclass(frozen=True, slots=True)
class Sas:
    """The readable part of a SAS."""

    kind: str
    """`user delegation`, `service` or `account`: who signed it, and for what."""
    letters: str | None
    """Of `sp`; None where a stored access policy says it."""
    start: datetime | None
    end: datetime | None
    """The earlier of its own end and of its user delegation key's; None where a stored access policy says it."""
    policy: str = ""
    """Name of the stored access policy, which can revoke it."""
    resource: str = ""
    """`sr`: c for a container, b for one blob, d for a directory; empty for an account SAS."""
    services: str = ""
    resource_types: str = ""
    """`srt` of an account SAS: s, c and o."""
    addresses: str = ""
    """`sip`: the IPv4 address or range it is for; empty for any."""
    protocol: str = "https,http"
    version: str = ""
    nonsense: tuple[str, ...] = ()
    """What no service would have written: each field, and what is wrong with it."""

    @property
    def ends_s(self) -> float:
        """Unix time of its end; infinity where it does not say."""
        return self.end.timestamp() if self.end else math.inf

    @property
    def words(self) -> list[str]:
        """Its permissions in words; letters that laden does not know as they are."""
        names = {letter: word for word, letter in _WORDS.items()}
        return [names.get(letter, letter) for letter in self.letters or ""]

    def lacks(self, letters: str) -> str:
        """Which of these letters it certainly lacks."""
        return "" if self.letters is None else "".join(letter for letter in letters if letter not in self.letters)

    def state(self, now: datetime) -> str:
        """`valid`, `ended` or `not yet valid`, at a moment."""
        if self.end and self.end <= now:
            return "ended"
        return "not yet valid" if self.start and self.start > now else "valid"

    def out_of_reach(self) -> str:
        """Why it is not for the blobs of a container and their listing; or empty."""
        if self.nonsense:
            return f"{' and '.join(self.nonsense)}: copy it again"
        if self.kind == "account":
            if "b" not in self.services:
                return "it is not for the Blob service (ss=b)"
            if missing := [name for letter, name in _TYPES if letter not in self.resource_types]:
                return f"it is not for {' and '.join(missing)}: an account SAS needs srt=co"
        if self.resource in ("b", "bs", "bv"):
            return "it is for a single blob: make one for the container"
        if self.resource == "d":
            return "it is for one directory (sr=d), and a load lists its container: make one for the container (sr=c)"
        if self.resource not in ("", "c"):
            return f"it is not for containers (sr={self.resource}): make one for the container (sr=c)"
        return ""


_TYPES = (("c", "containers"), ("o", "blobs"))

ABILITIES = {
    "load": "lw",
    "resume": "rlw",
    "verify": "rl",
    "overwrite": "rlw",
    "remove an outdated table": "d",
}
"""What laden does, and the letters that it takes."""


def abilities(sas: Sas) -> dict[str, str]:
    """What laden can do with it: for each ability why not, or empty where it can (as far as the SAS itself tells)."""
    reach = sas.out_of_reach()
    found = {what: reach or _without(sas.lacks(letters)) for what, letters in ABILITIES.items()}
    if sas.kind != "account":
        found["create the container"] = "a container's own SAS cannot: it takes an account SAS, a key or a sign-in"
    elif "c" not in sas.resource_types:
        found["create the container"] = "it is not for containers (srt)"
    else:
        found["create the container"] = "" if not sas.lacks("c") or not sas.lacks("w") else _without("c")
    return found


def _without(letters: str) -> str:
    return f"it lacks {names_of(letters)}" if letters else ""


def names_of(letters: str) -> str:
    """Letters for a sentence: `'write' (w) and 'list' (l)`."""
    words = {letter: word for word, letter in _WORDS.items()}
    return " and ".join(f"'{words.get(letter, '?')}' ({letter})" for letter in letters)


def lacking_for_load(sas: Sas) -> str:
    """Why no load can succeed with it, as a sentence's end; or empty. `create` alone makes new blobs all the same."""
    if reach := sas.out_of_reach():
        return reach
    letters = sas.lacks("l") + (sas.lacks("w") if sas.lacks("c") else "")
    return _without(letters)


def lacking_for_tags(sas: Sas) -> str:
    """The same, where blobs get tags too."""
    return lacking_for_load(sas) or _without(sas.lacks("t"))


def lacking_for_verify(sas: Sas) -> str:
    """Why nothing can be verified with it, as a sentence's end; or empty."""
    return sas.out_of_reach() or _without(sas.lacks("rl"))


def lacking_for_prune(sas: Sas) -> str:
    """Why nothing can be pruned with it, as a sentence's end; or empty."""
    return sas.out_of_reach() or _without(sas.lacks("rwdl"))


def lacking_for_undelete(sas: Sas) -> str:
    """Why nothing can be brought back or changed with it, as a sentence's end; or empty."""
    return sas.out_of_reach() or _without(sas.lacks("rwl"))


def query_of(text: str) -> str:
    """The query string of a SAS as people copy it: bare, with its `?`, or as a whole URL.

    Raises:
        UsageError: it has no signature, or holds what no query string can hold.
    """
    query = text.strip().partition("?")[2] if "?" in text else text.strip()
    if "sig=" not in query:
        raise UsageError("the SAS has no signature (sig=...): copy the whole query string, or the whole SAS URL")
    if not _QUERY.fullmatch(query):
        raise UsageError("the SAS holds a character that no query string can hold: copy it again, without quotes")
    note(query)
    return query


def parse_sas(query: str) -> Sas:
    """Read a query string; times that make no sense are taken as absent, and told as `nonsense`."""
    fields = dict(parse_qsl(query))
    ends = [end for end in (moment(fields.get("se", "")), moment(fields.get("ske", ""))) if end]
    account = "ss" in fields or "srt" in fields
    policy = fields.get("si", "")
    return Sas(
        kind="account" if account else "user delegation" if "skoid" in fields else "service",
        letters=None if policy and "sp" not in fields else fields.get("sp", ""),
        start=moment(fields.get("st", "")),
        end=min(ends, default=None),
        policy=policy,
        resource=fields.get("sr", ""),
        services=fields.get("ss", ""),
        resource_types=fields.get("srt", ""),
        addresses=fields.get("sip", ""),
        protocol=fields.get("spr", "https,http"),
        version=fields.get("sv", ""),
        nonsense=tuple(_nonsense(fields)),
    )


_TIMES = ("st", "se", "skt", "ske")
_FORMS = {
    "sv": r"\d{4}-\d\d-\d\d",
    "sp": "[racwdxyltfmeopiu]*",
    "spr": "https|https,http|http,https|http",
    "ss": "[bqtf]+",
    "srt": "[sco]+",
    "sip": r"[\d.]+(?:-[\d.]+)?",
}
"""What the fields look like ("Create a service SAS", "Create an account SAS")."""
_MANGLED = r"\d{4}-\d\d-\d\dT\d\dA\d\d(?:A\d\d)?Z"
_SIGNATURE_CHARACTERS = 44
"""32 bytes in Base64 (HMAC-SHA-256), of which the last one is always an equals sign."""


def _nonsense(fields: dict[str, str]) -> Iterator[str]:
    times = [name for name in _TIMES if name in fields and moment(fields[name]) is None]
    mangled = any(re.fullmatch(_MANGLED, fields[name]) for name in times)
    for name in times:
        yield f"{name}={_short(fields[name])} is no time"
    for name, form in _FORMS.items():
        if name in fields and not re.fullmatch(form, fields[name]):
            yield f"{name}={_short(fields[name])} makes no sense"
    signature = fields.get("sig", "")
    if mangled or (len(signature) == _SIGNATURE_CHARACTERS and not signature.endswith("=")):
        yield "its percent signs were lost (in a batch file, write %% for %)"


def _short(text: str) -> str:
    """A value for a sentence."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text[:_MOST_SHOWN])


_MOST_SHOWN = 40


def moment(text: str) -> datetime | None:
    """A time of a SAS: ISO 8601 in UTC, to the day, minute or second ("Create a service SAS"); None for others."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None


def utc(time: datetime) -> str:
    """A time for a sentence."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def letters_of(text: str) -> str:
    """Permissions as a person writes them, in words or letters, as the service wants them.

    Args:
        text: `read,create,write,list`, `rcwl`, or both kinds between commas.

    Raises:
        UsageError: a word that is none.
    """
    wanted: set[str] = set()
    for part in re.split(r"[,\s]+", text.strip().lower()):
        if part in _WORDS:
            wanted.add(_WORDS[part])
        elif part and set(part) <= set(_LETTERS) and not get_close_matches(part, _WORDS, cutoff=_TYPING_ERROR):
            wanted.update(part)
        else:
            raise UsageError(
                f"'{part}' is no permission: give words or letters of "
                + ", ".join(f"{permission.word} ({permission.letter})" for permission in PERMISSIONS)
            )
    return "".join(letter for letter in _LETTERS if letter in wanted)
