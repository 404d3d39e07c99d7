"""A bad network: passes HTTP on to the emulator, and by a script does to single requests what networks do.

A script is a tuple of frozen rules: "to the 2nd listing do `truncated`, three times". It can be printed, compared,
shrunk and pasted into a test. The proxy runs an event loop in a thread of its own. A `Watch` is told of each request
when it arrives, when it was done and when it was answered, so that a test can kill a process at that very point.

Azurite looks at no Content-MD5 on Put Block List, which the service does (REST reference, "Put Block List", request
headers), so the proxy does it in its place.
"""

import asyncio
import base64
import hashlib
import re
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, NamedTuple, Self
from urllib.parse import unquote

from tests.faults.script import (
    AFTER,
    DELAY_S,
    FLIPPED,
    LORIS_MOST_S,
    STATUSES,
    Answer,
    Rule,
    Script,
    encoded,
    plain,
    spoilt,
    write,
)


class Request(NamedTuple):
    """What came by."""

    kind: str
    nth: int
    """From 1, among those of its kind."""
    name: str
    """Of the blob; empty for the container."""


class Done(NamedTuple):
    """A request that a fault was done to, and the service's answer (0: it was not asked)."""

    request: Request
    fault: str
    status: int


Watch = Callable[[Request, str], bool]
"""Told of a request `before`, `after` and when `answered`; True ends the connection at that point."""


class Proxy:
    """Passes requests on; a `with` block, after which it is gone."""

    def __init__(self, target_port: int, script: Script = (), watch: Watch = lambda request, moment: False) -> None:
        self._target_port = target_port
        self._script = script
        self._watch = watch
        self._counts: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self.faults: list[Done] = []
        self.seen: list[Request] = []
        self.port = 0

    def url(self, address: str) -> str:
        """The same address through this proxy."""
        return address.replace(f":{self._target_port}/", f":{self.port}/")

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._accept, "127.0.0.1", 0, limit=1 << 20))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def settle(self) -> None:
        """Wait until nothing that came in is still on its way to the emulator: its clients must be gone."""
        self._call(self._settled())

    def _call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _settled(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _end(self) -> None:
        self._server.close()
        # What is late is still passed on: it belongs to the script.
        if self._tasks:
            _, still = await asyncio.wait(self._tasks, timeout=2 * LORIS_MOST_S)
            for task in still:
                task.cancel()
            await asyncio.gather(*still, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = _Upstream(self._target_port)
        try:
            with suppress(OSError, EOFError):
                while await self._pass(reader, writer, upstream):
                    pass
        finally:
            writer.transport.abort()
            upstream.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: "_Upstream") -> bool:
        """One request; False when the connection is to end."""
        head = await reader.readuntil(b"\r\n\r\n")
        request, rule = self._look(head)
        fault = rule.fault if rule else ""
        if self._watch(request, "before"):
            return False
        body = await self._body(request, fault, head, reader, writer, upstream)
        if body is None:
            return False
        if fault in STATUSES:
            self.faults.append(Done(request, fault, 0))
            return await write(writer, head, plain(*STATUSES[fault]))
        answer = await self._done(request, rule, head, body, upstream)
        if self._watch(request, "after") or fault in ("late", "swallow"):
            return False
        if fault in (*AFTER, FLIPPED):
            return await spoilt(writer, head, answer, fault, rule.place if rule else 0)
        return await write(writer, head, answer) and not self._watch(request, "answered")

    async def _body(
        self,
        request: Request,
        fault: str,
        head: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        upstream: "_Upstream",
    ) -> bytes | None:
        """The request's body; None where the fault lies before its end, and the connection is to end with it."""
        size = int(_header(head, b"content-length") or 0)
        if fault == "half-open":
            await reader.read()
        elif fault == "cut-middle":
            await upstream.begin(head + await reader.readexactly(size // 2))
        elif fault == "early-503":
            writer.write(encoded(plain(503, "")))
            await writer.drain()
        elif fault != "cut-before":
            body = await reader.readexactly(size)
            if fault == "late":
                writer.transport.abort()
            if fault in ("late", "delay"):
                await asyncio.sleep(DELAY_S)
            if fault != "cut-after":
                return body
        self.faults.append(Done(request, fault, 0))
        return None

    async def _done(
        self, request: Request, rule: Rule | None, head: bytes, body: bytes, upstream: "_Upstream"
    ) -> Answer:
        fault = rule.fault if rule else ""
        if rule and fault == "corrupt" and body:
            at = min(len(body) - 1, len(body) * rule.place // 1000)
            body = body[:at] + bytes([body[at] ^ 1 << rule.place % 8]) + body[at + 1 :]
        if request.kind == "commit" and not _is_whole(head, body):
            answer = plain(400, "x-ms-error-code: Md5Mismatch\r\n")
        else:
            if fault == "twice":
                await upstream.exchange(head, body)
            answer = await upstream.exchange(head, body)
        if fault and not (fault == "corrupt" and not body):
            self.faults.append(Done(request, fault, answer.status))
        return answer

    def _look(self, head: bytes) -> tuple[Request, Rule | None]:
        """Which request it is, and the first rule that speaks of it."""
        kind, name = _kind(head)
        self._counts.update(("any", kind))
        request = Request(kind, self._counts[kind], name)
        self.seen.append(request)
        for rule in self._script:
            if rule.request in ("any", kind) and 0 <= self._counts[rule.request] - rule.nth < rule.times:
                return request, rule
        return request, None


class _Upstream:
    """A connection to the emulator, opened when it is needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writer: asyncio.StreamWriter | None = None

    async def begin(self, data: bytes) -> None:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)
        self._writer.write(data)
        await self._writer.drain()

    async def exchange(self, head: bytes, body: bytes) -> Answer:
        await self.begin(head + body)
        raw = await self._reader.readuntil(b"\r\n\r\n")
        status = int(raw.split(b" ", 2)[1])
        declared = int(_header(raw, b"content-length") or 0)
        answered = b""
        if _header(raw, b"transfer-encoding"):
            answered = await self._chunks()
            declared = len(answered)
        elif not head.startswith(b"HEAD "):
            answered = await self._reader.readexactly(declared)
        kept = re.sub(rb"(?im)^(?:connection|keep-alive|transfer-encoding|content-length):.*\r\n", b"", raw[:-2])
        return Answer(status, kept, answered, declared)

    async def _chunks(self) -> bytes:
        """A chunked body (RFC 9112, section 7.1), without its framing."""
        parts = []
        while size := int((await self._reader.readuntil(b"\r\n")).split(b";")[0], 16):
            parts.append(await self._reader.readexactly(size))
            await self._reader.readexactly(2)
        await self._reader.readuntil(b"\r\n")
        return b"".join(parts)

    def abort(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


def _header(head: bytes, name: bytes) -> bytes:
    found = re.search(rb"(?im)^%s:[ \t]*(.*?)\r$" % name, head)
    return found[1] if found else b""


def _is_whole(head: bytes, body: bytes) -> bool:
    declared = _header(head, b"content-md5")
    return not declared or base64.b64decode(declared) == hashlib.md5(body).digest()


def _kind(head: bytes) -> tuple[str, str]:
    """Kind of a request, and the name of the blob it is about."""
    method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
    path, _, query = target.partition("?")
    name = unquote(path).split("/", 3)[3] if path.count("/") > 2 else ""
    if not name:
        return ("create" if method == "PUT" else "list"), name
    if method != "PUT":
        return ("staged" if "comp=blocklist" in query else method.lower()), name
    if "comp=blocklist" in query:
        return "commit", name
    if "comp=block" in query:
        return "block", name
    return ("put" if name.startswith(("png/", "data/png/")) else "document"), name
