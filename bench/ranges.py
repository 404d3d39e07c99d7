"""A publisher's web server for the benchmark: files of a folder by range, late and at a capped pace, counted.

`python -m bench.ranges --folder DIR --latency-ms 30 --total-mbps 50 --connection-mbps 12.5` prints its address, then
serves until it is ended. Caps hold for what it sends; the latency is added to every request. `/_stats` gives and
`/_reset` clears the counts. It knows GET, HEAD and one range a request, and does not check conditions.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from urllib.request import urlopen

from bench.endpoint.limits import Pace

_PIECE_BYTES = 64 << 10
_RANGE = re.compile(rb"range:\s*bytes=(\d+)-(\d*)", re.IGNORECASE)


class Publisher:
    """The server's state."""

    def __init__(self, folder: Path, latency_s: float, total: Pace, connection_bytes_per_s: float) -> None:
        self._folder = folder
        self._latency_s = latency_s
        self._total = total
        self._connection_bytes_per_s = connection_bytes_per_s
        self._counts = {"requests": 0, "sent_bytes": 0}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests, one after the other."""
        own = Pace(self._connection_bytes_per_s)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._answer(head, writer, own)
        writer.close()

    async def _answer(self, head: bytes, writer: asyncio.StreamWriter, own: Pace) -> None:
        method, target = head.split(b" ", 2)[:2]
        name = unquote(target.decode()).lstrip("/").partition("?")[0]
        if name.startswith("_"):
            writer.write(_head(200, len(body := json.dumps(self._counts).encode())) + body)
            if name == "_reset":
                self._counts.update(requests=0, sent_bytes=0)
            return
        await asyncio.sleep(self._latency_s)
        self._counts["requests"] += 1
        path = self._folder / name
        if path.is_dir():
            names = (one.name + "/" * one.is_dir() for one in path.iterdir())
            page = "".join(f'<a href="{one}">{one}</a>\n' for one in names).encode()
            writer.write(_head(200, len(page), ["Content-Type: text/html"]) + (page if method == b"GET" else b""))
            return
        if not path.is_file():
            writer.write(_head(404, 0))
            return
        status = path.stat()
        found = _RANGE.search(head)
        first = int(found[1]) if found else 0
        last = min(int(found[2]), status.st_size - 1) if found and found[2] else status.st_size - 1
        told = [f"Content-Range: bytes {first}-{last}/{status.st_size}"] if found else []
        told += [f'ETag: "{status.st_mtime_ns:x}-{status.st_size:x}"', "Accept-Ranges: bytes"]
        told += [f"Last-Modified: {formatdate(status.st_mtime, usegmt=True)}"]
        writer.write(_head(206 if found else 200, last + 1 - first, told))
        if method == b"GET":
            await self._send(path, first, last, writer, own)

    async def _send(self, path: Path, first: int, last: int, writer: asyncio.StreamWriter, own: Pace) -> None:
        with path.open("rb") as file:
            file.seek(first)
            left_bytes = last + 1 - first
            while left_bytes > 0:
                piece = file.read(min(_PIECE_BYTES, left_bytes))
                left_bytes -= len(piece)
                pause_s = max(self._total.take(len(piece)), own.take(len(piece)))
                if pause_s > 0:
                    await asyncio.sleep(pause_s)
                writer.write(piece)
                self._counts["sent_bytes"] += len(piece)
                await writer.drain()


def _head(status: int, length: int, more: list[str] | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} -", f"Content-Length: {length}", *(more or [])]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@contextmanager
def publisher(folder: Path, *options: str) -> Iterator[str]:
    """Start one; gives its address without a slash at the end."""
    command = [sys.executable, "-m", "bench.ranges", "--folder", str(folder), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def counts(url: str, *, reset: bool = False) -> dict[str, Any]:
    """What was asked for and sent since the last reset."""
    with urlopen(f"{url}/{'_reset' if reset else '_stats'}", timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


async def _main(given: argparse.Namespace) -> None:
    serving = Publisher(given.folder, given.latency_ms / 1e3, Pace(given.total_mbps * 1e6), given.connection_mbps * 1e6)
    server = await asyncio.start_server(serving.serve, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--total-mbps", type=float, default=0.0, help="10^6 bytes/s over all connections")
    parser.add_argument("--connection-mbps", type=float, default=0.0, help="10^6 bytes/s each")
    with suppress(KeyboardInterrupt):
        asyncio.run(_main(parser.parse_args()))
