"""Opens TCP connections to one host, by whichever of its addresses works (RFC 8305, "Happy Eyeballs").

Order: resolve the name, put the address that worked last in front, try them 250 ms apart, the kinds of address in
turns, and keep the first that connects. A dead address costs a quarter of a second once. It speaks no TLS.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohappyeyeballs

from laden.store.sockets import prepare
from laden.store.trouble import HttpError, Trouble

_RESOLVE_S = 15
_ADDRESS_S = 10
"""For one address; as all are tried at once but for their staggered starts, also about the time for all of them."""

_NEXT_ADDRESS_S = 0.25
"""RFC 8305, section 8, "Connection Attempt Delay"."""

_Info = tuple[Any, Any, int, str, Any]
"""What `getaddrinfo` says of an address."""


class Dialler:
    """Connects to one host and port, and remembers the address that worked."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._worked: Any = None

    async def connect(self) -> socket.socket:
        """A connected socket that does not block. Raises `HttpError`."""
        infos = await self._resolved()
        infos.sort(key=lambda info: info[4] != self._worked)
        try:
            async with asyncio.timeout(_ADDRESS_S + _NEXT_ADDRESS_S * (len(infos) - 1)):
                sock = await aiohappyeyeballs.start_connection(
                    infos, happy_eyeballs_delay=_NEXT_ADDRESS_S, interleave=1, socket_factory=_socket
                )
        except TimeoutError:
            raise HttpError(Trouble.UNREACHED) from None
        except ConnectionRefusedError:
            raise HttpError(Trouble.REFUSED) from None
        except (OSError, RuntimeError):
            # A network that cannot be reached, or several reasons for several addresses.
            raise HttpError(Trouble.UNREACHED) from None
        self._worked = sock.getpeername()
        return sock

    async def _resolved(self) -> list[_Info]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_RESOLVE_S):
                found = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):  # socket.gaierror and TimeoutError among them; a name no resolver takes
            raise HttpError(Trouble.NAME) from None
        return list(found)


def _socket(info: _Info) -> socket.socket:
    family, kind, protocol, _, _ = info
    sock = socket.socket(family, kind, protocol)
    prepare(sock)
    return sock
