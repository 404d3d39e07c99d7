"""Command line of the endpoint: prints its account URL as the first line, then serves until it is ended.

`python -m bench.endpoint --port 0 --latency-ms 30`
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import socket

from bench.endpoint.connection import SLOW_BUFFER_BYTES, SLOW_BYTES_PER_S, Connection
from bench.endpoint.limits import Limits, Pace
from bench.endpoint.service import ACCOUNT, Service

try:
    import uvloop
except ImportError:
    uvloop = None  # type: ignore[assignment]


def parse(arguments: list[str] | None = None) -> tuple[int, Limits]:
    """Return the port and the limits that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m bench.endpoint", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 lets the system choose")
    parser.add_argument("--verify-md5", action="store_true", help="hash bodies; 400 Md5Mismatch where they differ")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="added to every request")
    parser.add_argument("--connection-mbps", type=float, default=0.0, help="cap per connection, 10^6 bytes/s")
    parser.add_argument("--total-mbps", type=float, default=0.0, help="cap over all connections, 10^6 bytes/s")
    parser.add_argument("--requests-per-s", type=float, default=0.0, help="503 with Retry-After above this")
    parser.add_argument("--cut-every", type=int, default=0, help="reset every n-th body half-way")
    parser.add_argument("--cut-share", type=float, default=0.0, help="reset so many of the bodies, by chance")
    parser.add_argument("--refused-share", type=float, default=0.0, help="503 to so many of the puts, by chance")
    parser.add_argument("--down", default="", metavar="FROM,FOR", help="503 to every put, in seconds from the first")
    parser.add_argument("--serve", default="", metavar="FOLDER", help="give its files' bytes for blobs of their names")
    given = parser.parse_args(arguments)
    down_from_s, _, down_s = given.down.partition(",")
    return given.port, Limits(
        latency_s=given.latency_ms / 1e3,
        connection_bytes_per_s=given.connection_mbps * 1e6,
        total_bytes_per_s=given.total_mbps * 1e6,
        requests_per_s=given.requests_per_s,
        cut_every=given.cut_every,
        cut_share=given.cut_share,
        refused_share=given.refused_share,
        down_from_s=float(down_from_s or 0),
        down_s=float(down_s or 0),
        verify_md5=given.verify_md5,
        serve=given.serve,
    )


def listen(port: int, *, small_buffer: bool = False) -> socket.socket:
    """Open a listening socket on loopback that never blocks."""
    listener = socket.create_server(("127.0.0.1", port), backlog=4096)
    listener.setblocking(False)
    if small_buffer:
        # Accepted sockets inherit it (tcp(7)).
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_BUFFER_BYTES)
    return listener


def serve(listener: socket.socket, limits: Limits) -> None:
    """Serve on an open listener until the process is told to end."""
    loop = asyncio.new_event_loop() if uvloop is None else uvloop.new_event_loop()
    service = Service(limits)
    total = Pace(limits.total_bytes_per_s)

    def accept() -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                sock, _ = listener.accept()
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                service.counts["connections"] += 1
                Connection(sock, service, loop, total)

    asyncio.set_event_loop(loop)
    loop.add_reader(listener, accept)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, loop.stop)
    loop.run_forever()


def main() -> None:
    port, limits = parse()
    listener = listen(port, small_buffer=0 < limits.total_bytes_per_s < SLOW_BYTES_PER_S)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/{ACCOUNT}", flush=True)
    serve(listener, limits)


if __name__ == "__main__":
    main()
