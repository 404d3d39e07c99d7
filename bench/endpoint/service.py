"""Answers one request: finds out which operation it is, does it on the blobs in memory, builds the response.

Operations and error codes are those of the Blob service REST API. Conditions are looked at when the body
has arrived.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from bench.endpoint.blobs import PAGE_LIMIT, Container, Query, StoredBlob, listing_xml
from bench.endpoint.limits import Limits, Rate, Weather
from bench.endpoint.messages import Request, clock, error, response

ACCOUNT = "devstoreaccount1"
_METADATA = re.compile(rb"\r\nx-ms-meta-([^:\r]+):[ \t]*([^\r]*)", re.IGNORECASE)
_BLOCK_ID = re.compile(rb"<(?:Latest|Committed|Uncommitted)>([^<]*)<")
_RANGE = re.compile(rb"bytes=(\d+)-(\d*)$")
_TOTALS = ("bytes_in", "connections", "refused", "cut", "md5_mismatch")


class Service:
    """The account's containers, and the counts of what was asked of them."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.counts: Counter[str] = Counter()
        self.containers: dict[str, Container] = {}
        self.bodies = 0
        self.weather = Weather(limits)
        self._rate = Rate(limits.requests_per_s)
        self._serial = 0

    def answer(self, request: Request) -> bytes:
        """Build the whole response to one request."""
        if request.path.startswith(b"/_"):
            return self._answer_control(request)
        if not self._rate.admit():
            self.counts["refused"] += 1
            return error(503, "ServerBusy", request.method, "Retry-After: 1\r\n")
        if request.method == b"PUT" and request.body_bytes and self.weather.refuses():
            self.counts["refused"] += 1
            return error(503, "ServerBusy", request.method)
        _, _, rest = request.path[1:].partition(b"/")
        container_name, _, name = rest.partition(b"/")
        if name:
            blob_name = unquote(name.decode()) if b"%" in name else name.decode()
            return self._answer_blob(request, container_name.decode(), blob_name)
        return self._answer_container(request, container_name.decode())

    def _answer_blob(self, request: Request, container_name: str, name: str) -> bytes:
        container = self.containers.get(container_name)
        if container is None:
            self.counts["other"] += 1
            return error(404, "ContainerNotFound", request.method)
        if request.method == b"PUT":
            if b"comp=blocklist" in request.query:
                return self._put_block_list(request, container, name)
            if b"comp=block" in request.query:
                return self._put_block(request, container, name)
            if b"comp=" not in request.query:
                return self._put_blob(request, container, name)
        elif request.method == b"HEAD":
            return self._head_blob(container, name)
        elif request.method == b"GET" and (
            name in container.bodies or name not in container.blobs or self.limits.serve
        ):
            return self._get_blob(request, container, name)
        elif request.method == b"DELETE":
            self.counts["delete_blob"] += 1
            return response(202) if container.delete(name) else error(404, "BlobNotFound")
        return self._not_done(request)

    def _put_blob(self, request: Request, container: Container, name: str) -> bytes:
        self.counts["put_blob"] += 1
        transport = request.header(b"content-md5").decode()
        md5 = request.header(b"x-ms-blob-content-md5").decode() or transport or request.md5
        if request.md5 and request.md5 not in (md5, transport):
            return self._md5_mismatch()
        answer = self._commit(request, container, name, request.body_bytes, md5)
        if request.body and answer.startswith(b"HTTP/1.1 201"):
            container.bodies[name] = request.body
        return answer

    def _put_block(self, request: Request, container: Container, name: str) -> bytes:
        self.counts["put_block"] += 1
        transport = request.header(b"content-md5").decode()
        if request.md5 and transport and transport != request.md5:
            return self._md5_mismatch()
        block_id = dict(parse_qsl(request.query.decode())).get("blockid", "")
        container.blocks.setdefault(name, {})[block_id] = request.body_bytes
        return response(201)

    def _put_block_list(self, request: Request, container: Container, name: str) -> bytes:
        self.counts["put_block_list"] += 1
        sizes_bytes = container.blocks.get(name, {})
        ids = [match.decode() for match in _BLOCK_ID.findall(request.body)]
        if any(block_id not in sizes_bytes for block_id in ids):
            return error(400, "InvalidBlockList")
        size_bytes = sum(sizes_bytes[block_id] for block_id in ids)
        md5 = request.header(b"x-ms-blob-content-md5").decode()
        answer = self._commit(request, container, name, size_bytes, md5)
        container.blocks.pop(name, None)
        return answer

    def _commit(self, request: Request, container: Container, name: str, size_bytes: int, md5: str) -> bytes:
        """Conditions first, then the blob as it will be listed."""
        there = container.blobs.get(name)
        if there is not None and request.header(b"if-none-match") == b"*":
            return error(409, "BlobAlreadyExists")
        if_match = request.header(b"if-match").decode().strip('"')
        if if_match and (there is None or if_match not in ("*", there.etag)):
            return error(412, "ConditionNotMet")
        metadata = {key.decode().lower(): value.decode() for key, value in _METADATA.findall(request.head)}
        content_type = request.header(b"x-ms-blob-content-type") or request.header(b"content-type")
        blob = self._store(container, name, size_bytes, md5, metadata, content_type.decode())
        extra = f'ETag: "{blob.etag}"\r\nLast-Modified: {blob.modified}\r\n'
        return response(201, f"{extra}Content-MD5: {md5}\r\n" if md5 else extra)

    def _store(
        self,
        container: Container,
        name: str,
        size_bytes: int,
        md5: str,
        metadata: dict[str, str],
        content_type: str = "",
    ) -> StoredBlob:
        self._serial += 1
        kind = content_type or "application/octet-stream"
        blob = StoredBlob(size_bytes, md5, f"0x{self._serial:016X}", clock(), metadata, kind)
        container.put(name, blob)
        return blob

    def _get_blob(self, request: Request, container: Container, name: str) -> bytes:
        self.counts["get_blob"] += 1
        blob = container.blobs.get(name)
        body = self._body(container, name)
        if body is None or blob is None:
            return error(404, "BlobNotFound")
        condition = request.header(b"if-match").decode().strip('"')
        if condition not in ("", "*", blob.etag):
            return error(412, "ConditionNotMet")
        extra = f'ETag: "{blob.etag}"\r\nLast-Modified: {blob.modified}\r\nx-ms-blob-type: BlockBlob\r\n'
        extra += f"x-ms-blob-content-md5: {blob.md5}\r\nContent-Type: {blob.content_type}\r\n"
        wanted = _RANGE.match(request.header(b"x-ms-range") or request.header(b"range"))
        if wanted is None:
            return response(200, extra, body)
        first, last = int(wanted[1]), min(int(wanted[2] or len(body)), len(body) - 1)
        extra += f"Content-Range: bytes {first}-{last}/{len(body)}\r\n"
        return response(206, extra, body[first : last + 1])

    def _body(self, container: Container, name: str) -> bytes | None:
        if name in container.bodies or not self.limits.serve:
            return container.bodies.get(name)
        path = Path(self.limits.serve) / name.rpartition("/")[2]
        return path.read_bytes() if path.is_file() else None

    def _head_blob(self, container: Container, name: str) -> bytes:
        self.counts["head_blob"] += 1
        blob = container.blobs.get(name)
        if blob is None:
            return error(404, "BlobNotFound", b"HEAD")
        extra = (
            f'ETag: "{blob.etag}"\r\nLast-Modified: {blob.modified}\r\nContent-Type: {blob.content_type}\r\n'
            "x-ms-blob-type: BlockBlob\r\nx-ms-access-tier: Hot\r\nAccept-Ranges: bytes\r\n"
        )
        extra += f"Content-MD5: {blob.md5}\r\n" if blob.md5 else ""
        extra += "".join(f"x-ms-meta-{key}: {value}\r\n" for key, value in blob.metadata.items())
        return response(200, extra, length=blob.size_bytes)

    def _answer_container(self, request: Request, name: str) -> bytes:
        query = dict(parse_qsl(request.query.decode(), keep_blank_values=True))
        if not name or query.get("restype") != "container":
            self.counts["other"] += 1
            return response(200, "x-ms-sku-name: Standard_LRS\r\nx-ms-account-kind: StorageV2\r\n")
        container = self.containers.get(name)
        if request.method == b"PUT" and "comp" not in query:
            self.counts["create_container"] += 1
            if container is not None:
                return error(409, "ContainerAlreadyExists")
            self.containers[name] = Container()
            return response(201, _container_headers())
        if container is None:
            self.counts["other"] += 1
            return error(404, "ContainerNotFound", request.method)
        if request.method == b"GET" and query.get("comp") == "list":
            self.counts["list_blobs"] += 1
            return response(200, "Content-Type: application/xml\r\n", _list(container, name, query))
        if request.method in (b"GET", b"HEAD") and "comp" not in query:
            self.counts["get_container_properties"] += 1
            return response(200, _container_headers())
        return self._not_done(request)

    def _answer_control(self, request: Request) -> bytes:
        """`GET /_stats`, `POST /_reset` (counts only), `POST /_clear` (blobs too), `POST /_preload`."""
        if request.path == b"/_preload":
            self.preload(json.loads(request.body))
        elif request.path == b"/_clear":
            self.containers.clear()
        if request.path in (b"/_reset", b"/_clear", b"/_preload"):
            self.counts.clear()
            self.weather.clear()
        elif request.path != b"/_stats":
            return self._not_done(request)
        return response(200, "Content-Type: application/json\r\n", json.dumps(self.stats()).encode())

    def stats(self) -> dict[str, Any]:
        """Count what was asked since the last reset: by kind, in all, and blobs by container."""
        kinds = {kind: count for kind, count in sorted(self.counts.items()) if kind not in _TOTALS}
        totals = {name: self.counts[name] for name in _TOTALS}
        blobs = {name: len(container.blobs) for name, container in self.containers.items()}
        asked = sum(kinds.values()) + totals["refused"]
        return {"requests": kinds, "requests_total": asked, **totals, "blobs": blobs}

    def preload(self, wanted: dict[str, Any]) -> None:
        """Blobs that are there already: `{"container", "blobs": [{"name", "size", "md5", "metadata"}]}`.

        Or by a rule: `{"container", "count", "name": "png/{i:06d}.png", "size"}`.
        """
        container = self.containers.setdefault(wanted["container"], Container())
        for row in wanted.get("blobs", ()):
            self._store(container, row["name"], row["size"], row.get("md5", ""), row.get("metadata", {}))
        for i in range(wanted.get("count", 0)):
            self._store(container, wanted["name"].format(i=i), wanted["size"], "", {})
        for name in container.names():
            container.told(name)

    def _md5_mismatch(self) -> bytes:
        self.counts["md5_mismatch"] += 1
        return error(400, "Md5Mismatch")

    def _not_done(self, request: Request) -> bytes:
        self.counts["other"] += 1
        return error(501, "NotImplemented", request.method)


def _list(container: Container, name: str, query: dict[str, str]) -> bytes:
    wanted = Query(
        query.get("prefix", ""),
        query.get("marker", ""),
        query.get("startFrom", ""),
        query.get("delimiter", ""),
        min(int(query.get("maxresults") or PAGE_LIMIT), PAGE_LIMIT),
        "metadata" in query.get("include", ""),
    )
    return listing_xml(container, name, f"http://127.0.0.1/{ACCOUNT}/", wanted)


def _container_headers() -> str:
    return f'ETag: "0x1"\r\nLast-Modified: {clock()}\r\nx-ms-lease-state: available\r\n'
