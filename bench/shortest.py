"""The shortest script from zips to verified blobs that keeps laden's guarantees: a floor, not a tool.

Threads inflate a member whole, check its CRC-32 and compute its MD5; one loop sends each as a Put Blob with
Content-MD5. It has no plan, no retries, no limits on memory but the window, and no care for what is there
already. `python bench/shortest.py FOLDER_OF_ZIPS CONTAINER_URL`
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import struct
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import uvloop
from isal import isal_zlib

THREADS, WINDOW = 3, 16


def read(path: Path, info: zipfile.ZipInfo) -> tuple[bytes, str]:
    """Return one member's bytes and its MD5 in base64; raises ValueError if its CRC-32 differs."""
    with path.open("rb") as file:
        file.seek(info.header_offset)
        name_bytes, extra_bytes = struct.unpack("<HH", file.read(30)[26:30])
        file.seek(name_bytes + extra_bytes, 1)
        data = file.read(info.compress_size)
    if info.compress_type == zipfile.ZIP_DEFLATED:
        data = isal_zlib.decompress(data, wbits=-15, bufsize=info.file_size)
    if isal_zlib.crc32(data) != info.CRC:
        raise ValueError(f"{info.filename}: CRC-32 differs")
    return data, base64.b64encode(hashlib.md5(data).digest()).decode()


async def main(archives: list[Path], url: str) -> None:
    jobs = [(path, info) for path in archives for info in zipfile.ZipFile(path).infolist()]
    loop, pool, window = asyncio.get_running_loop(), ThreadPoolExecutor(THREADS), asyncio.Semaphore(WINDOW)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=WINDOW)) as session:

        async def send(path: Path, info: zipfile.ZipInfo) -> None:
            async with window:
                data, md5 = await loop.run_in_executor(pool, read, path, info)
                headers = {"x-ms-blob-type": "BlockBlob", "Content-MD5": md5, "If-None-Match": "*"}
                async with session.put(f"{url}/{info.filename}", data=data, headers=headers) as answer:
                    answer.raise_for_status()

        await asyncio.gather(*(send(path, info) for path, info in jobs))


if __name__ == "__main__":
    uvloop.run(main(sorted(Path(sys.argv[1]).glob("*.zip")), sys.argv[2]))
