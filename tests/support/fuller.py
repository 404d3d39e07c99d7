"""Azurite with two things that it lacks: soft delete, and Put Blob From URL; a layer that passes all else on.

Written from the REST reference: "Delete Blob", "Undelete Blob", "List Blobs" (include=deleted), "Get Blob Service
Properties", and "Put Blob From URL" (its source is read with the source's own credential; x-ms-source-if-match,
x-ms-source-content-md5, If-None-Match; nothing is stored unless all hold). What a test wants to know of the requests
that were made is in `copies`.
"""

import base64
import hashlib
import http.client
import re
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from laden.demo.emulator import Emulator
from tests.support.harness import Proxy

Answer = tuple[int, list[tuple[str, str]], bytes]
_DAYS = 14
_KEPT = ("content-type", "content-md5", "x-ms-meta-")


class Kept(NamedTuple):
    """A deleted blob."""

    data: bytes
    headers: dict[str, str]


class Copy(NamedTuple):
    """A request to copy from a URL, as the service sees it."""

    name: str
    source: str
    headers: dict[str, str]
    """Of the request, by names in small letters."""


class Fuller(Proxy):
    """A `with` block; `url` gives the same address through it."""

    def __init__(self, emulator: Emulator, *, keeps: bool = True, copies: bool = True) -> None:
        super().__init__(emulator)
        self._keeps = keeps
        self._takes = copies
        self._deleted: dict[str, Kept] = {}
        self.copies: list[Copy] = []
        self.source: Callable[[str], Answer | None] = lambda url: None
        """Asked how a source answers; None for "as it does"."""

    def _forward(self, handler: Any, body: bytes) -> Answer:
        parts = urlsplit(handler.path)
        query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        is_blob = parts.path.count("/") > 2
        headers = {key.lower(): value for key, value in handler.headers.items()}
        if self._keeps and query.get("restype") == "service" and query.get("comp") == "properties":
            days = f"<Enabled>true</Enabled><Days>{_DAYS}</Days>"
            policy = f"<DeleteRetentionPolicy>{days}</DeleteRetentionPolicy>"
            return 200, [], f"<StorageServiceProperties>{policy}</StorageServiceProperties>".encode()
        if self._keeps and handler.command == "DELETE" and is_blob:
            return self._delete(handler, body)
        if self._keeps and query.get("comp") == "list" and "deleted" in query.get("include", ""):
            return self._list(handler, body, query)
        if self._keeps and query.get("comp") == "undelete":
            return self._undelete(handler)
        if handler.command == "PUT" and "x-ms-copy-source" in headers:
            name = unquote(parts.path).split("/", 3)[3]
            self.copies.append(Copy(name, headers["x-ms-copy-source"], headers))
            if "comp" not in query and "x-ms-blob-type" in headers and self._takes:
                return self._take(handler, headers)
            self._at_target(handler, headers)
        return super()._forward(handler, body)

    def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._target, timeout=60)
        try:
            connection.request(method, path, body, {"x-ms-version": "2023-11-03", **headers})
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def _delete(self, handler: Any, body: bytes) -> Answer:
        status, found, data = self._ask("GET", handler.path, {})
        answer = super()._forward(handler, body)
        if answer[0] == 202 and status == 200:
            kept = {key.lower(): value for key, value in found if key.lower().startswith(_KEPT)}
            self._deleted[urlsplit(handler.path).path] = Kept(data, kept)
        return answer

    def _undelete(self, handler: Any) -> Answer:
        parts = urlsplit(handler.path)
        kept = self._deleted.pop(parts.path, None)
        if kept is None:
            return 404, [("x-ms-error-code", "BlobNotFound")], b""
        query = "&".join(part for part in parts.query.split("&") if not part.startswith("comp="))
        self._ask("PUT", f"{parts.path}?{query}", {"x-ms-blob-type": "BlockBlob", **kept.headers}, kept.data)
        return 200, [], b""

    def _list(self, handler: Any, body: bytes, query: dict[str, str]) -> Answer:
        status, headers, listed = super()._forward(handler, body)
        container = urlsplit(handler.path).path.rstrip("/") + "/"
        shown = ""
        for path, kept in self._deleted.items():
            name = unquote(path).removeprefix(container)
            if path.startswith(container) and name.startswith(query.get("prefix", "")):
                properties = f"<Content-Length>{len(kept.data)}</Content-Length><Etag>0x1</Etag>"
                properties += f"<RemainingRetentionDays>{_DAYS}</RemainingRetentionDays>"
                shown += f"<Blob><Name>{escape(name)}</Name><Deleted>true</Deleted>"
                shown += f"<Properties>{properties}</Properties></Blob>"
        listed = re.sub(rb"</Blobs>|<Blobs ?/>", f"{shown}</Blobs>".encode(), listed)
        if b"<Blobs>" not in listed:
            listed = listed.replace(shown.encode() + b"</Blobs>", b"<Blobs>" + shown.encode() + b"</Blobs>")
        return status, headers, listed

    def _take(self, handler: Any, headers: dict[str, str]) -> Answer:
        """Put Blob From URL: read the source as anybody would, and store it in one go."""
        source = urlsplit(headers["x-ms-copy-source"])
        asked = {"If-Match": headers["x-ms-source-if-match"]} if "x-ms-source-if-match" in headers else {}
        if "x-ms-copy-source-authorization" in headers:
            asked["Authorization"] = headers["x-ms-copy-source-authorization"]
        told = self.source(headers["x-ms-copy-source"])
        status, found, data = told or self._ask("GET", f"{source.path}?{source.query}", asked)
        if status == 412:
            return 412, [("x-ms-error-code", "SourceConditionNotMet")], b""
        if status != 200:
            return status, [("x-ms-error-code", "CannotVerifyCopySource")], b""
        md5 = headers.get("x-ms-source-content-md5")
        if md5 and base64.b64decode(md5) != hashlib.md5(data).digest():
            return 400, [("x-ms-error-code", "Md5Mismatch")], b""
        passed = {key: value for key, value in headers.items() if key.startswith(("x-ms-meta-", "x-ms-blob-", "if-"))}
        if not any(key.startswith("x-ms-meta-") for key in passed):
            # Where none are named, those of the source come along.
            passed |= {key: value for key, value in found if key.lower().startswith("x-ms-meta-")}
        passed |= {key: headers[key] for key in ("x-ms-access-tier", "x-ms-tags") if key in headers}
        return self._ask("PUT", handler.path, passed, data)

    def _at_target(self, handler: Any, headers: dict[str, str]) -> None:
        """Azurite copies from itself alone, by its own port."""
        source = headers["x-ms-copy-source"].replace(f":{self.port}/", f":{self._target}/")
        handler.headers.replace_header("x-ms-copy-source", source)
