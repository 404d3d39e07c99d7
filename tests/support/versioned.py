"""Azurite with blob versions, which it lacks: a layer that keeps what is replaced or deleted, and passes all else on.

Written from the REST reference: "List Blobs" (include=versions: VersionId, IsCurrentVersion), "Get Blob" with
`versionid`, and "Blob versioning" (a write or a deletion leaves what was there as a version).
"""

import itertools
import re
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from laden.demo.emulator import Emulator
from tests.support.fuller import Answer, Fuller

_NUMBERS = itertools.count(1)


class Version(NamedTuple):
    """What a blob was."""

    id: str
    data: bytes
    md5: str
    """As the service tells it."""


class Versioned(Fuller):
    """A `with` block; `url` gives the same address through it."""

    def __init__(self, emulator: Emulator) -> None:
        super().__init__(emulator, keeps=False)
        self.kept: dict[str, list[Version]] = {}
        """By path."""

    def _forward(self, handler: Any, body: bytes) -> Answer:
        parts = urlsplit(handler.path)
        query = {key: values[0] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        path = parts.path
        if handler.command == "GET" and "versionid" in query:
            return self._version(path, query["versionid"], handler.headers.get("x-ms-range", ""))
        if "versions" in query.get("include", ""):
            return self._states(handler, body, query)
        replaces = handler.command == "PUT" and query.get("comp", "blocklist") == "blocklist"
        if path.count("/") > 2 and (replaces or handler.command == "DELETE"):
            status, found, data = self._ask("GET", f"{path}?{_without(parts.query, 'comp', 'blockid')}", {})
            answer = super()._forward(handler, body)
            if status == 200 and answer[0] in (201, 202):
                md5 = next((value for key, value in found if key.lower() == "content-md5"), "")
                number = f"2026-01-01T00:00:00.{next(_NUMBERS):07d}Z"
                self.kept.setdefault(unquote(path), []).append(Version(number, data, md5))
            return answer
        return super()._forward(handler, body)

    def _version(self, path: str, version: str, wanted: str) -> Answer:
        one = next((one for one in self.kept.get(unquote(path), []) if one.id == version), None)
        if one is None:
            return 404, [("x-ms-error-code", "BlobNotFound")], b""
        first, last = map(int, re.findall(r"\d+", wanted))
        return 206, [("Content-Range", f"bytes {first}-{last}/{len(one.data)}")], one.data[first : last + 1]

    def _states(self, handler: Any, body: bytes, query: dict[str, str]) -> Answer:
        status, headers, listed = super()._forward(handler, body)
        current = b"<VersionId>2026-12-01T00:00:00.0000000Z</VersionId><IsCurrentVersion>true</IsCurrentVersion>"
        listed = listed.replace(b"</Name>", b"</Name>" + current)
        container = unquote(urlsplit(handler.path).path).rstrip("/") + "/"
        shown = "".join(
            f"<Blob><Name>{escape(path.removeprefix(container))}</Name><VersionId>{one.id}</VersionId><Properties>"
            f"<Content-Length>{len(one.data)}</Content-Length><Etag>0x1</Etag><Content-MD5>{one.md5}</Content-MD5>"
            "</Properties></Blob>"
            for path, versions in sorted(self.kept.items())
            for one in versions
            if path.startswith(container + query.get("prefix", ""))
        )
        return status, headers, listed.replace(b"</Blobs>", f"{shown}</Blobs>".encode())


def _without(query: str, *names: str) -> str:
    return "&".join(part for part in query.split("&") if part.split("=")[0] not in names)
