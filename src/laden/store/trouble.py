"""Why there is no usable answer: the failures below HTTP, for whoever turns them into a sentence."""

from __future__ import annotations

from enum import StrEnum


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
}
"""What a trouble on the way to a host is called where that host is the proxy."""


class HttpError(Exception):
    """There is no usable answer; nothing in it repeats the address or the headers."""

    def __init__(self, trouble: Trouble, detail: str = "", *, throttled: bool = False) -> None:
        super().__init__(trouble.value)
        self.trouble = trouble
        self.detail = detail
        """What a proxy answered, where it did: a status, or what SOCKS calls it."""
        self.throttled = throttled
        """Whether a proxy said that it has too much to do."""
