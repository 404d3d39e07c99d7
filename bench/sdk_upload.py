"""Uploads a folder through the Azure SDK, as its samples do: `upload_blob` in a pool of threads.

`python bench/sdk_upload.py FOLDER CONTAINER_URL THREADS`
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import ContainerClient


def main() -> None:
    folder, url, threads = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    client = ContainerClient.from_container_url(url, transport=RequestsTransport(connection_pool_maxsize=threads))

    def upload(path: Path) -> None:
        with path.open("rb") as data:
            name = path.relative_to(folder).as_posix()
            client.upload_blob(name, data, length=path.stat().st_size, validate_content=True)

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(upload, (path for path in sorted(folder.rglob("*")) if path.is_file())):
            pass


if __name__ == "__main__":
    main()
