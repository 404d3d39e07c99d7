"""Which proxy stands between this machine and a host: what the environment says, or the system's settings.

`HTTPS_PROXY` (for http addresses `HTTP_PROXY`) comes before `ALL_PROXY`; names in lower case count as well. Hosts in
`NO_PROXY` are reached directly: names with all that end in them, addresses, networks (`10.0.0.0/8`), `*`; this machine
always is. Nothing is opened here, and no login is ever shown.
"""

from __future__ import annotations

import base64
import ipaddress
import re
import urllib.request
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, cast, get_args
from urllib.parse import unquote, urlsplit

from laden.values.errors import UsageError

Kind = Literal["http", "https", "socks5", "socks5h"]
"""`http` and `https` ask for a tunnel (RFC 9110, 9.3.6), in the clear or over TLS; `socks5h` resolves names itself."""

_OTHERS = ("ftp", "pac", "socks", "socks4", "socks4a", "ssh", "wss")
"""Kinds that are named in a refusal; what else stands there may be half a password."""

_PORTS = {"http": 8080, "https": 443, "socks5": 1080, "socks5h": 1080}


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy and the login for it."""

    kind: Kind
    host: str
    port: int
    setting: str
    """Where it is named, for a sentence."""
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def authorization(self) -> str:
        """A header line for the proxy alone (RFC 7617), or nothing."""
        if not self.user:
            return ""
        login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return f"Proxy-Authorization: Basic {login}\r\n"


def find_proxy(scheme: str, host: str) -> Proxy | None:
    """The proxy for a host, or None where it is reached directly.

    Args:
        scheme: `http` or `https`, of the address that is asked for.
        host: name or address, without brackets.

    Raises:
        UsageError: a setting that is no proxy's address, or of a kind that is not spoken here.
    """
    settings = urllib.request.getproxies()
    key = scheme if settings.get(scheme) else "all"
    address = settings.get(key, "")
    if not address or _is_here(host) or _is_excepted(host, settings.get("no", "")):
        return None
    return parse_proxy(address, f"{key.upper()}_PROXY")


def parse_proxy(address: str, setting: str) -> Proxy:
    """A proxy's address as people write it: `[KIND://][USER:PASSWORD@]HOST[:PORT]`. Raises `UsageError`."""
    kind, _, _ = address.partition("://") if "://" in address else ("http", "", "")
    kind = kind.strip().lower()
    if kind not in get_args(Kind):
        shown = f" '{kind}'" if kind in _OTHERS else ""
        raise UsageError(
            f"{setting} names a proxy of a kind{shown} that laden does not speak: give one of"
            f" {', '.join(get_args(Kind))}, or name the destination in NO_PROXY"
        )
    try:
        parts = urlsplit(address.strip() if "://" in address else f"http://{address.strip()}")
        host, port = parts.hostname or "", parts.port or _PORTS[kind]
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
    except ValueError:
        host = ""
    if not host or re.search(r"[\x00-\x20\x7f]", address.strip()):
        raise UsageError(
            f"{setting} is not a proxy's address (what it says is not shown, it may hold a password):"
            " write it as http://USER:PASSWORD@HOST:PORT, special characters in % form"
        )
    return Proxy(cast("Kind", kind), host, port, setting, user, password)


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _is_excepted(host: str, exceptions: str) -> bool:
    """Whether a host stands in NO_PROXY or, where there is none, in the system's own list."""
    if not exceptions:
        return bool(urllib.request.proxy_bypass(host))
    return any(_matches(host.lower(), entry.lower()) for entry in re.split(r"[\s,]+", exceptions) if entry)


def _matches(host: str, entry: str) -> bool:
    if entry == "*":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = entry.removeprefix("*").lstrip(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
    with suppress(ValueError):
        return address in ipaddress.ip_network(entry.strip("[]"), strict=False)
    return False
