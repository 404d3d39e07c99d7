"""A stand-in for a Blob service with soft delete and versions, which Azurite has not: as far as the second port asks.

Written from the REST reference: "List Blobs" (include=versions,deleted,snapshots; VersionId, IsCurrentVersion, Deleted,
RemainingRetentionDays), "Delete Blob", "Undelete Blob", "Copy Blob" from `?versionid=`, and "Get Blob Service
Properties". It checks no signature. A version is what a write leaves; a deletion leaves no current one.
"""

import itertools
import threading
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_DAYS = 14


@dataclass
class Version:
    number: int
    data: bytes
    current: bool = True
    deleted: bool = False

    @property
    def id(self) -> str:
        return f"2026-01-01T00:00:00.{self.number:07d}Z"

    @property
    def etag(self) -> str:
        return f'"0x{self.number:X}"'


@dataclass
class SoftDelete:
    """A `with` block around one service."""

    versions: bool
    days: int = _DAYS
    blobs: dict[str, list[Version]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def put(self, name: str, data: bytes) -> None:
        """A write: what was there stays as a version, or is gone."""
        before = self.blobs.get(name, [])
        for one in before:
            one.current = False
        self.blobs[name] = [*(before if self.versions else ()), Version(next(_NUMBERS), data)]

    def __enter__(self) -> Self:
        service = self

        class Handler(_Handler):
            pass

        Handler.service = service
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/account/container"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


_NUMBERS = itertools.count(1)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: SoftDelete

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", headers.pop("length", str(len(body))))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _asked(self) -> tuple[str, dict[str, str]]:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        self.service.requests.append(f"{self.command} {query.get('comp', '')}".strip())
        return unquote(parts.path).removeprefix("/account/container").lstrip("/"), query

    def _current(self, name: str) -> Version | None:
        return next((one for one in self.service.blobs.get(name, []) if one.current and not one.deleted), None)

    def do_GET(self) -> None:
        name, query = self._asked()
        if query.get("restype") == "service":
            policy = f"<Enabled>{str(bool(self.service.days)).lower()}</Enabled>"
            policy += f"<Days>{self.service.days}</Days>" if self.service.days else ""
            policy = f"<DeleteRetentionPolicy>{policy}</DeleteRetentionPolicy>"
            return self._answer(200, f"<StorageServiceProperties>{policy}</StorageServiceProperties>".encode())
        if query.get("comp") == "list":
            return self._answer(200, self._listing(query).encode())
        one = self._current(name)
        return self._answer(200, one.data, ETag=one.etag) if one else self._missing()

    def _missing(self) -> None:
        self._answer(404, b"<Error><Code>BlobNotFound</Code></Error>", x_ms_error_code="BlobNotFound")

    def _listing(self, query: dict[str, str]) -> str:
        include = query.get("include", "").split(",")
        names = sorted(name for name in self.service.blobs if name.startswith(query.get("prefix", "")))
        names = [name for name in names if name >= query.get("marker", "")]
        most = int(query.get("maxresults", "5000"))
        shown = ""
        for name in names[:most]:
            for one in self.service.blobs[name]:
                if (one.current and not one.deleted) or "versions" in include or (one.deleted and "deleted" in include):
                    shown += self._element(name, one)
        after = escape("".join(names[most : most + 1]))
        return f"<EnumerationResults><Blobs>{shown}</Blobs><NextMarker>{after}</NextMarker></EnumerationResults>"

    def _element(self, name: str, one: Version) -> str:
        version = f"<VersionId>{one.id}</VersionId>" if self.service.versions else ""
        if self.service.versions and one.current and not one.deleted:
            version += "<IsCurrentVersion>true</IsCurrentVersion>"
        gone = f"<RemainingRetentionDays>{self.service.days}</RemainingRetentionDays>" if one.deleted else ""
        return (
            f"<Blob><Name>{escape(name)}</Name>{'<Deleted>true</Deleted>' if one.deleted else ''}{version}<Properties>"
            f"<Last-Modified>{formatdate(usegmt=True)}</Last-Modified><Etag>{one.etag.strip(chr(34))}</Etag>"
            f"<Content-Length>{len(one.data)}</Content-Length>{gone}</Properties></Blob>"
        )

    def do_HEAD(self) -> None:
        name, _ = self._asked()
        one = self._current(name)
        if one is None:
            return self._missing()
        version: dict[str, Any] = {"x_ms_version_id": one.id} if self.service.versions else {}
        return self._answer(200, one.data, ETag=one.etag, **version)

    def do_DELETE(self) -> None:
        name, _ = self._asked()
        one = self._current(name)
        if one is None:
            return self._missing()
        if self.headers.get("If-Match") != one.etag:
            return self._answer(412, x_ms_error_code="ConditionNotMet")
        if self.service.versions:
            one.current = False
        elif self.service.days:
            one.deleted = True
        else:
            del self.service.blobs[name]
        return self._answer(202)

    def do_PUT(self) -> None:
        name, query = self._asked()
        found = self.service.blobs.get(name, [])
        if query.get("comp") == "undelete":
            for one in found:
                one.deleted = False
            return self._answer(200) if found else self._missing()
        source = urlsplit(self.headers.get("x-ms-copy-source") or "")
        wanted = parse_qs(source.query).get("versionid", [""])[0]
        assert source.path, "only copies are written here"
        one = next(one for one in found if one.id == wanted)
        if self._current(name):
            return self._answer(409, x_ms_error_code="BlobAlreadyExists")
        self.service.put(name, one.data)
        return self._answer(202, x_ms_copy_status="success")

    def log_message(self, *_: object) -> None:
        """Tests keep the terminal to themselves."""
