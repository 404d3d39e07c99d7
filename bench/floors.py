"""What the machine can do at best: the same bytes sent by plain sockets, and inflated and hashed by plain threads.

No tool that moves and verifies these bytes can be faster than the slower of the two. Each floor is a
command that prints its own seconds (interpreter start left out) as JSON: `python -m bench.floors send
FOLDER CONTAINER_URL` and `python -m bench.floors digest FOLDER_OF_ZIPS`.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import socket
import struct
import sys
import time
import zipfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from isal import isal_zlib

CONNECTIONS = 4


def send(folder: Path, container_url: str, connections: int = CONNECTIONS) -> int:
    """Put every file of a folder as one blob from page cache, over blocking sockets in threads; return bytes."""
    parts = urlsplit(container_url)
    files = sorted(path for path in folder.rglob("*") if path.is_file())

    def send_some(mine: list[Path]) -> int:
        sent_bytes = 0
        with socket.create_connection((parts.hostname, parts.port)) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for path in mine:
                sent_bytes += _put(sock, f"{parts.path}/{path.name}", path)
        return sent_bytes

    with ThreadPoolExecutor(connections) as pool:
        return sum(pool.map(send_some, (files[first::connections] for first in range(connections))))


def _put(sock: socket.socket, target: str, path: Path) -> int:
    size_bytes = path.stat().st_size
    head = (
        f"PUT {target} HTTP/1.1\r\nHost: bench\r\nx-ms-blob-type: BlockBlob\r\n"
        f"Content-MD5: AAAAAAAAAAAAAAAAAAAAAA==\r\nContent-Length: {size_bytes}\r\n\r\n"
    )
    sock.sendall(head.encode())
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        sock.sendall(data)
    answer = sock.recv(4096)
    if not answer.startswith(b"HTTP/1.1 201"):
        raise RuntimeError(f"the endpoint refused {target}: {answer[:80]!r}")
    return size_bytes


def digest(folder: Path) -> int:
    """Inflate every member, and compute its CRC-32 and MD5, on all cores; return uncompressed bytes."""
    total_bytes = 0
    for path in sorted(folder.glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            view = memoryview(data)
            total_bytes += sum(_on_all_cores(partial(_digest_one, view), members))
            view.release()
    return total_bytes


def _on_all_cores(work: Callable[[zipfile.ZipInfo], int], members: Iterable[zipfile.ZipInfo]) -> Iterable[int]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(work, members)


def _digest_one(view: memoryview, info: zipfile.ZipInfo) -> int:
    # Local file header (APPNOTE 4.3.7): name and extra field lengths at 26, then both, then the data.
    name_bytes, extra_bytes = struct.unpack_from("<HH", view, info.header_offset + 26)
    first = info.header_offset + 30 + name_bytes + extra_bytes
    with view[first : first + info.compress_size] as stored:
        if info.compress_type == zipfile.ZIP_DEFLATED:
            plain = isal_zlib.decompress(stored, wbits=-15, bufsize=max(info.file_size, 1))
        else:
            plain = bytes(stored)
    if isal_zlib.crc32(plain) != info.CRC:
        raise ValueError(f"{info.filename}: CRC-32 differs")
    hashlib.md5(plain).digest()
    return len(plain)


def main() -> None:
    began_s = time.perf_counter()
    verb, folder = sys.argv[1], Path(sys.argv[2])
    size_bytes = send(folder, sys.argv[3]) if verb == "send" else digest(folder)
    print(json.dumps({"seconds": time.perf_counter() - began_s, "bytes": size_bytes}))


if __name__ == "__main__":
    main()
