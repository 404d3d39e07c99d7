"""The server: a loopback port with TLS, the token check, the judge, the routes, and operations that take a while."""

import json
import re
import ssl
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from laden.demo.emulator import Emulator
from tests.support.management import authorization, identity, operations, storage
from tests.support.management.certificate import make_certificate
from tests.support.management.dataplane import pass_on
from tests.support.management.judge import Judge
from tests.support.management.values import Refusal, Reply, Request, Route

SUBSCRIPTION = "5ab0a5b2-0000-4000-8000-0000000000aa"
GROUP = "imaging"


class Management:
    """Resource Manager, one subscription, one resource group; a `with` block, after which it is gone.

    What a test may set, before or while it runs, stands in the attributes.
    """

    def __init__(self, folder: Path, azurite: Emulator | None = None, *, user: bool = False) -> None:
        """Prepare one.

        Args:
            folder: where its certificate is put.
            azurite: what holds the blobs of the account `devstoreaccount1`; None where no test asks for blobs.
            user: whether the one who is signed in is a person; otherwise a managed identity.
        """
        self.subscriptions = [{"subscriptionId": SUBSCRIPTION, "displayName": "Research", "state": "Enabled"}]
        self.resources: dict[str, dict[str, Any]] = {}
        """Every resource by its id in lower case, as GET returns it."""
        self.registered = {"microsoft.storage", "microsoft.authorization"}
        """Resource providers that the subscription has registered."""
        self.forbidden: set[str] = set()
        """Actions that the caller may not do, for example `Microsoft.Storage/storageAccounts/write`."""
        self.taken: set[str] = set()
        """Names of accounts that somebody else in the world has."""
        self.polls = 2
        """How often an operation says that it is still going on."""
        self.failure: tuple[str, str] | None = None
        """Code and message with which the next operation ends, instead of well."""
        self.replication_refusals = 2
        """Blob requests that are refused after a role was assigned, before it works."""
        self.requests: list[tuple[str, str]] = []
        """Method and path of everything that came, in order."""
        self.bodies: list[tuple[str, str, Any]] = []
        """Method, path and body of everything that changed something."""
        self.judge = Judge()
        self.certificate = make_certificate(folder)
        self.azurite = azurite
        self.user = user
        self.lock = threading.RLock()
        self.operations: dict[str, operations.Operation] = {}
        self._routes: list[tuple[str, re.Pattern[str], Route]] = []
        self.add(*operations.ROUTES, *authorization.ROUTES, *storage.ROUTES)

    def add(self, *routes: Route) -> None:
        """Answer more; what is added later is asked first."""
        compiled = [(route.method, re.compile(route.pattern, re.IGNORECASE), route) for route in routes]
        self._routes = compiled + self._routes

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._server.server_port}"

    @property
    def env(self) -> dict[str, str]:
        """What a shell needs to take this for Azure."""
        trusted = str(self.certificate.certificate)
        return {
            "AZURE_RESOURCE_MANAGER_URL": self.url,
            "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
            "IDENTITY_ENDPOINT": f"http://127.0.0.1:{self._tokens.server_port}/msi/token",
            "IDENTITY_HEADER": identity.HEADER,
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
            "REQUESTS_CA_BUNDLE": trusted,
            "SSL_CERT_FILE": trusted,
        }

    def resource_id(self, provider_path: str) -> str:
        """The id of a resource in the group, for example of `Microsoft.Storage/storageAccounts/name`."""
        return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/{provider_path}"

    def __enter__(self) -> Self:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate)
        self._server = _Server(self._answer, context)
        self._tokens = _Server(self._token, None)
        return self

    def __exit__(self, *_: object) -> None:
        for server in (self._server, self._tokens):
            server.stop()

    def _token(self, handler: "_Handler") -> None:
        query = dict(parse_qsl(urlsplit(handler.path).query))
        if handler.headers.get("X-IDENTITY-HEADER") != identity.HEADER or "resource" not in query:
            handler.answer(Reply(401, {"error": "unauthorized"}))
            return
        value = identity.token(query["resource"], user=self.user)
        body = {"access_token": value, "expires_on": str(int(time.time()) + 3600), "resource": query["resource"]}
        handler.answer(Reply(200, {**body, "token_type": "Bearer"}))

    def _answer(self, handler: "_Handler") -> None:
        first = urlsplit(handler.path).path.strip("/").partition("/")[0].lower()
        if self.azurite and first not in ("subscriptions", "providers"):
            pass_on(self, handler)
            return
        raw = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        try:
            reply = self._judged(handler, raw)
        except Refusal as refusal:
            reply = refusal.reply
        handler.answer(reply)

    def _judged(self, handler: "_Handler", raw: bytes) -> Reply:
        parts = urlsplit(handler.path)
        path, query = unquote(parts.path), dict(parse_qsl(parts.query))
        body = json.loads(raw) if raw else None
        with self.lock:
            self.requests.append((handler.command, path))
            if handler.command != "GET":
                self.bodies.append((handler.command, path, body))
        claims = self._claims(handler)
        if "api-version" not in query:
            raise Refusal(400, "MissingApiVersionParameter", "The api-version query parameter is required.")
        if handler.command in ("PUT", "PATCH"):
            wrong = self.judge.resource(path, query["api-version"], body)
            if wrong:
                raise Refusal(400, "InvalidRequestContent", "The request content was invalid: " + "; ".join(wrong))
        for method, pattern, route in self._routes:
            match = pattern.fullmatch(path) if method == handler.command else None
            if match:
                self._allow(route.action, claims)
                request = Request(method, path, query, body, match.groupdict(), claims)
                with self.lock:
                    return route.handler(self, request)
        raise Refusal(404, "NotFound", f"No route for {handler.command} {path}.")

    def _claims(self, handler: "_Handler") -> dict[str, Any]:
        claims = identity.claims_of(handler.headers.get("Authorization", ""))
        audience = str((claims or {}).get("aud", ""))
        if claims is None or audience not in ("https://management.azure.com", "https://management.core.windows.net"):
            raise Refusal(401, "InvalidAuthenticationTokenAudience", "The access token has the wrong audience.")
        if claims["exp"] < time.time():
            raise Refusal(401, "ExpiredAuthenticationToken", "The access token expiry is in the past.")
        return claims

    def _allow(self, action: str, claims: dict[str, Any]) -> None:
        if action in self.forbidden:
            raise Refusal(
                403,
                "AuthorizationFailed",
                f"The client '{claims.get('upn', claims['oid'])}' with object id '{claims['oid']}' does not have"
                f" authorization to perform action '{action}' over scope '/subscriptions/{SUBSCRIPTION}' or the scope"
                " is invalid. If access was recently granted, please refresh your credentials.",
            )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Server"

    def handle_any(self) -> None:
        self.server.answer(self)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = handle_any  # noqa: N815

    def answer(self, reply: Reply) -> None:
        body = b"" if reply.body is None else json.dumps(reply.body).encode()
        self.send_raw(reply.status, {"Content-Type": "application/json; charset=utf-8", **reply.headers}, body)

    def send_raw(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        self.send_header("x-ms-request-id", str(uuid.uuid4()))
        for key, value in headers.items():
            self.send_header(key, value)
        if not any(key.lower() == "content-length" for key in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests keep the terminal to themselves."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, answer: Any, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        if context:
            # The handshake is the handler's thread's part: a client that says nothing must not hold up the others.
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that end leave broken connections."""
