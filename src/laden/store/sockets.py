"""What the system knows of a connection: bytes that the other side acknowledged, words that wait to be read.

Functions of a socket, or of what an event loop gives for one. Where a system does not tell, they say so.
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct
import sys
from contextlib import suppress
from typing import Any

_BYTES_ACKED = struct.Struct("=Q")
_BYTES_ACKED_AT = 120
"""Place of `tcpi_bytes_acked` in `struct tcp_info` (linux/tcp.h, since Linux 4.1)."""
_TCP_INFO_BYTES = 256
_TCP_INFO = 11
_TELLS = sys.platform == "linux"
"""Whether the system tells what was acknowledged."""

_GONE = (OSError, ValueError, TypeError, AttributeError)
"""What asking about a socket raises that is closed already, or whose event loop shows none."""

_SMALL_BUFFER_BYTES = 256 << 10


def acknowledged_bytes(transport: asyncio.BaseTransport) -> int | None:
    """Bytes that the other side has acknowledged since the connection began; None where the system does not tell."""
    if not _TELLS:
        return None
    with suppress(*_GONE):
        info = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _TCP_INFO_BYTES)
        if len(info) >= _BYTES_ACKED_AT + _BYTES_ACKED.size:
            acked: int = _BYTES_ACKED.unpack_from(info, _BYTES_ACKED_AT)[0]
            return acked
    return None


def prepare(sock: socket.socket) -> None:
    """Set up a socket before it connects: nothing waits for company, and little is hidden in a buffer.

    Where the system tells what was acknowledged, its own buffer, which grows with the link, is left alone.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not _TELLS:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SMALL_BUFFER_BYTES)


def reset_on_close(transport: asyncio.BaseTransport) -> None:
    """Let closing drop what has not been sent (RFC 9293, 3.10.5): the system would go on sending it for minutes."""
    # Linger of zero seconds; two shorts on Windows, two ints elsewhere.
    off = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
    with suppress(*_GONE):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, off)


def is_silent(transport: asyncio.BaseTransport) -> bool:
    """Whether nothing came in on an idle connection, its end included, that the event loop has not seen yet."""
    poll: Any = getattr(select, "poll", None)
    if poll is None:
        return True
    try:
        poller = poll()
        poller.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poller.poll(0)
    except _GONE:
        return False
