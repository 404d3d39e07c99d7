"""Tokens: as a managed identity's endpoint gives them to azure-identity, and as a test makes them itself.

App Service's endpoint (IDENTITY_ENDPOINT and IDENTITY_HEADER) is the one real way to sign in that works over plain
http on a loopback address; "How to use managed identities for App Service", section "REST endpoint reference".
The tokens are shaped as Entra's and signed by nobody.
"""

import base64
import json
import time
from typing import Any

TENANT = "72f988bf-0000-4000-8000-2d7cd011db47"
OBJECT_ID = "9f6c2b1e-0000-4000-8000-00000000a11c"
HEADER = "a-header-that-only-this-machine-knows"


def token(resource: str, *, user: bool = False, life_s: int = 3600, **claims: Any) -> str:
    """A bearer token for a resource, for example `https://storage.azure.com`; of a person with `user`."""
    now = int(time.time())
    kind = {"scp": "user_impersonation", "upn": "person@example.org"} if user else {"idtyp": "app"}
    payload = {
        "aud": resource.rstrip("/"),
        "iss": f"https://sts.windows.net/{TENANT}/",
        "iat": now - 60,
        "nbf": now - 60,
        "exp": now + life_s,
        "oid": OBJECT_ID,
        "tid": TENANT,
        **kind,
        **claims,
    }
    head, body = ({"alg": "RS256", "typ": "JWT"}, payload)
    return ".".join([_segment(head), _segment(body), base64.urlsafe_b64encode(b"unsigned").decode().rstrip("=")])


def claims_of(authorization: str) -> dict[str, Any] | None:
    """What a header `Authorization: Bearer ...` says; None if it is no such thing."""
    kind, _, value = authorization.partition(" ")
    parts = value.split(".")
    if kind != "Bearer" or len(parts) != 3:
        return None
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
    return claims


def _segment(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
