"""Which hosts may get a token or what a key signs: the clouds' own, this machine's emulator, and those a person names.

A token opens every account that its holder may use, and what a key signs every container of an account. So neither
goes to a host that only looks like one of the service's: a slip or a link of somebody else's would give them away. A
SAS that was given for this destination goes where the destination says. Nothing is asked of the network here.
"""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from laden.store.clouds import BLOB_SUFFIXES
from laden.store.destination import Destination
from laden.values.errors import UsageError

TRUST_HOST = "LADEN_TRUST_HOST"
"""Setting that names further hosts, between commas or blanks; what `--trust-host` sets."""


def require_trust(destination: Destination, what: str, also: str = "") -> None:
    """Let a secret go to a destination, or refuse it.

    Args:
        destination: where it would be sent.
        what: it is, for the sentence: `the token of a sign-in`.
        also: a host that the same setting names as the secret came from.

    Raises:
        UsageError: the host is not one that may have it.
    """
    host = (urlsplit(destination.endpoint).hostname or "").lower()
    if destination.is_local or is_azure(host) or host in {*named_hosts(), also.lower()} - {""}:
        return
    raise UsageError(
        f"{what} goes to Azure's own hosts only (*.{BLOB_SUFFIXES[0]} and the like), and {host} is none of them: check"
        f" the address; if the host is yours, name it with --trust-host {host} (or {TRUST_HOST}), or use a SAS"
    )


def is_azure(host: str) -> bool:
    """Whether a host is below a cloud's own name for the Blob service; those of private links are."""
    return host.lower().endswith(tuple(f".{suffix}" for suffix in BLOB_SUFFIXES))


def named_hosts() -> list[str]:
    """The hosts that a person trusts, in lower case."""
    return [host.lower() for host in re.split(r"[,\s]+", os.environ.get(TRUST_HOST, "")) if host]


def trust_host(host: str) -> None:
    """Trust a host for the rest of this process and those it starts.

    Raises:
        UsageError: it is no host's name.
    """
    name = host.strip()
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:]+", name):
        raise UsageError("--trust-host takes the name of a host alone, as in --trust-host blobs.example.org")
    os.environ[TRUST_HOST] = ",".join([*named_hosts(), name])
