"""Blob requests on their way to Azurite: a bearer token passes when its role is there, and has replicated.

Azurite knows no roles, so this stands in for them: without an assignment of Storage Blob Data Contributor, and for
a few requests after it was made, 403 AuthorizationPermissionMismatch, as the service answers. Keys and SAS pass.
"""

import http.client
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.support.management.authorization import assignments
from tests.support.management.identity import claims_of

if TYPE_CHECKING:
    from tests.support.management.server import Management, _Handler

CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
"""Storage Blob Data Contributor ("Azure built-in roles for Storage")."""
_MISMATCH = "AuthorizationPermissionMismatch"
_SCOPE_PARTS = 9


def pass_on(azure: "Management", handler: "_Handler") -> None:
    """Answer a blob request."""
    body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    account = urlsplit(handler.path).path.split("/")[1]
    if not _allowed(azure, account, handler.headers.get("Authorization", "")):
        text = f"<Error><Code>{_MISMATCH}</Code><Message>This request is not authorized.</Message></Error>"
        handler.send_raw(403, {"x-ms-error-code": _MISMATCH, "Content-Type": "application/xml"}, text.encode())
        return
    assert azure.azurite is not None
    connection = _connection(azure)
    try:
        headers = {**dict(handler.headers.items()), "Host": f"127.0.0.1:{azure.azurite.port}"}
        connection.request(handler.command, handler.path, body, headers)
        answer = connection.getresponse()
        kept = {key: value for key, value in answer.getheaders() if key.lower() not in _HOP}
        content = answer.read()
    finally:
        connection.close()
    if handler.command != "HEAD":
        kept = {key: value for key, value in kept.items() if key.lower() != "content-length"}
    handler.send_raw(answer.status, kept, content)


_HOP = ("connection", "keep-alive", "transfer-encoding", "x-ms-request-id")


def _connection(azure: "Management") -> http.client.HTTPConnection:
    assert azure.azurite is not None
    if azure.azurite.url().startswith("https"):
        context = ssl.create_default_context(cafile=str(azure.certificate.certificate))
        return http.client.HTTPSConnection("127.0.0.1", azure.azurite.port, timeout=30, context=context)
    return http.client.HTTPConnection("127.0.0.1", azure.azurite.port, timeout=30)


def _allowed(azure: "Management", account: str, authorization: str) -> bool:
    claims = claims_of(authorization)
    if claims is None:
        return True
    with azure.lock:
        scope = next((key for key in azure.resources if key.endswith(f"/storageaccounts/{account.lower()}")), None)
        if scope is None or not _has_role(azure, scope, claims["oid"]):
            return False
        azure.replication_refusals -= 1
        return azure.replication_refusals < 0


def _has_role(azure: "Management", scope: str, principal: str) -> bool:
    """At the account or above it: the group, the subscription."""
    parts = scope.split("/")
    return any(assignments(azure, "/".join(parts[:count]), CONTRIBUTOR, principal) for count in (3, 5, _SCOPE_PARTS))
