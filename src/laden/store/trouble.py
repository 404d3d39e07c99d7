"""Why there is no usable answer: the failures below HTTP, for whoever turns them into a sentence."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from laden.store.connection import Answer


class Trouble(StrEnum):
    """Why there is no usable answer."""

    NAME = "the host's name cannot be resolved"
    REFUSED = "the host does not accept connections"
    UNREACHED = "no connection to the host came about in time"
    CERTIFICATE = "the host's certificate is not trusted"
    TLS = "the TLS handshake failed"
    PROXY_NAME = "the proxy's name cannot be resolved"
    PROXY_REFUSED = "the proxy does not accept connections"
    PROXY_UNREACHED = "no connection to the proxy came about in time"
    PROXY_CERTIFICATE = "the proxy's certificate is not trusted"
    PROXY_TLS = "the TLS handshake with the proxy failed"
    PROXY_BROKEN = "the proxy closed the connection"
    PROXY_GARBLED = "the proxy's answer is not HTTP"
    PROXY_LOGIN = "the proxy wants another login"
    PROXY = "the proxy does not let the connection through"
    PROXY_BUSY = "the proxy could not let the connection through now"
    TIMEOUT = "nothing moved any more"
    BROKEN = "the connection broke"
    STALE = "an idle connection had been closed by the host"
    GARBLED = "the answer is not HTTP"
    TOO_LONG = "the answer is longer than it may be"


AT_PROXY = {
    Trouble.NAME: Trouble.PROXY_NAME,
    Trouble.REFUSED: Trouble.PROXY_REFUSED,
    Trouble.UNREACHED: Trouble.PROXY_UNREACHED,
    Trouble.CERTIFICATE: Trouble.PROXY_CERTIFICATE,
    Trouble.TLS: Trouble.PROXY_TLS,
    Trouble.BROKEN: Trouble.PROXY_BROKEN,
    Trouble.STALE: Trouble.PROXY_BROKEN,
    Trouble.GARBLED: Trouble.PROXY_GARBLED,
    Trouble.TOO_LONG: Trouble.PROXY_GARBLED,
    Trouble.TIMEOUT: Trouble.PROXY_UNREACHED,
}
"""What a trouble on the way to a host is called where that host is the proxy."""

SENTENCES = {
    Trouble.NAME: "the name {host} cannot be resolved: check the account's name and the network",
    Trouble.REFUSED: "{host} does not accept connections: check the address and the firewall",
    Trouble.UNREACHED: "no connection to {host} came about: check the network; a firewall may drop what is sent there",
    Trouble.CERTIFICATE: "{host} shows a certificate that is not trusted here: a proxy may be in between;"
    " give its certificate in SSL_CERT_FILE",
    Trouble.TLS: "{host} does not complete the TLS handshake: check that it speaks https",
    Trouble.PROXY_NAME: "the name of the proxy to {host} cannot be resolved: check {proxy}",
    Trouble.PROXY_REFUSED: "the proxy to {host} does not accept connections: check {proxy}",
    Trouble.PROXY_UNREACHED: "no connection to the proxy to {host} came about: check {proxy} and the network",
    Trouble.PROXY_CERTIFICATE: "the proxy to {host} shows a certificate that is not trusted here: give its authority's"
    " certificate in SSL_CERT_FILE",
    Trouble.PROXY_TLS: "the proxy to {host} does not complete the TLS handshake: check whether {proxy} should say http://",
    Trouble.PROXY_BROKEN: "the proxy to {host} closes the connection: check {proxy}, or ask whoever runs it",
    Trouble.PROXY_GARBLED: "the proxy to {host} answers in something that is not HTTP: check its kind in {proxy}",
    Trouble.PROXY_LOGIN: "the proxy to {host} wants another login (407): check user and password in {proxy}",
    Trouble.PROXY: "the proxy refuses the way to {host} with {detail}: ask whoever runs it, or check {proxy}",
    Trouble.PROXY_BUSY: "the proxy could not reach {host} ({detail})",
    Trouble.TIMEOUT: "{host} did not answer in time",
    Trouble.BROKEN: "the connection to {host} broke",
    Trouble.STALE: "{host} had closed an idle connection",
    Trouble.GARBLED: "{host} answers in something that is not HTTP",
    Trouble.TOO_LONG: "{host} answers with more than it may: check the address; a proxy may be in between",
}
"""What a person is told of each."""
LASTING = frozenset(
    {Trouble.CERTIFICATE, Trouble.PROXY_CERTIFICATE, Trouble.PROXY_LOGIN, Trouble.PROXY, Trouble.TOO_LONG}
)
"""Troubles that asking again does not mend."""


class HttpError(Exception):
    """There is no usable answer; nothing in it repeats the address or the headers."""

    def __init__(self, trouble: Trouble, detail: str = "", *, throttled: bool = False) -> None:
        super().__init__(trouble.value)
        self.trouble = trouble
        self.detail = detail
        """What a proxy answered, where it did: a status, or what SOCKS calls it."""
        self.throttled = throttled
        """Whether a proxy said that it has too much to do."""
        self.partial: Answer | None = None
        """What had come of an answer, where its head was complete: for whoever goes on from there."""
