"""Scripts of faults as plain values, and answers made wrong by them."""

import asyncio
import re
from collections.abc import Callable
from typing import NamedTuple

REQUESTS = ("any", "create", "list", "head", "get", "put", "staged", "block", "commit", "document", "delete")
"""Kinds of request. A document is the table, the manifest or the page; `get` reads one of them back."""

STATUSES = {
    "400": (400, ""),
    "403": (403, ""),
    "404": (404, ""),
    "408": (408, ""),
    "429": (429, "Retry-After: 0\r\n"),
    "500": (500, ""),
    "503": (503, ""),
    "503-after-0": (503, "Retry-After: 0\r\n"),
    "503-after-3600": (503, "Retry-After: 3600\r\n"),
    "302": (302, "Location: http://elsewhere.invalid/\r\n"),
}
"""Answered in the service's place, which never hears of the request."""

BEFORE = ("cut-before", "cut-middle", "cut-after", "half-open", "early-503", "late", "delay", "twice", "corrupt")
AFTER = ("swallow", "done-500", "truncated", "garbled", "wrong-etag", "loris", "garbage", "no-length", "blind")
FLIPPED = "flipped"
"""One bit of an answer changed: what TLS rules out, so no script draws it."""
FAULTS = (*STATUSES, *BEFORE, *AFTER)

DELAY_S = 0.03
LORIS_S = 0.01
LORIS_MOST_S = 0.5


class Rule(NamedTuple):
    """What to do, and to which requests: the `nth` of that kind and those after it, so many `times`."""

    request: str
    nth: int
    fault: str
    times: int = 1
    place: int = 500
    """Where in a body, in thousandths."""


Script = tuple[Rule, ...]


class Answer(NamedTuple):
    status: int
    head: bytes
    """Status line and headers without the length, each with its line break."""
    body: bytes
    length: int
    """As declared; what a HEAD answer says of a body that it has not."""


async def write(writer: asyncio.StreamWriter, head: bytes, answer: Answer) -> bool:
    body = b"" if head.startswith(b"HEAD ") else answer.body
    writer.write(encoded(answer._replace(body=body)))
    await writer.drain()
    return True


async def spoilt(writer: asyncio.StreamWriter, head: bytes, answer: Answer, fault: str, place: int) -> bool:
    """Answer, but not as it should be; returns whether the connection lives on."""
    if fault in _WHOLE:
        return await write(writer, head, _WHOLE[fault](answer, place))
    raw = encoded(answer)
    if fault == "loris":
        for number in range(min(len(raw), int(LORIS_MOST_S / LORIS_S))):
            writer.write(raw[number : number + 1])
            await writer.drain()
            await asyncio.sleep(LORIS_S)
        return False
    if fault == "truncated":
        raw = raw[: 1 + (len(raw) - 2) * place // 1000]
    elif fault == "no-length":
        raw = answer.head + b"Connection: close\r\n\r\n" + answer.body
    else:
        raw = b"SSH-2.0-OpenSSH_9.6\r\n"
    writer.write(raw)
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    return False


def _failed(answer: Answer, place: int) -> Answer:
    return plain(500, "")


def _garbled(answer: Answer, place: int) -> Answer:
    """No XML any more; without a body, no HTTP."""
    if not answer.body:
        return answer._replace(head=b"HTTP/1.1 2o1 Created\r\n")
    return _spliced(answer, place, b"\0<&")


def _flipped(answer: Answer, place: int) -> Answer:
    at = len(answer.body) * place // 1000
    return _spliced(answer, place, bytes([answer.body[at] ^ 1]))


def _spliced(answer: Answer, place: int, data: bytes) -> Answer:
    at = len(answer.body) * place // 1000
    body = answer.body[:at] + data + answer.body[at + len(data) :]
    return answer._replace(body=body, length=len(body))


def _other_etag(answer: Answer, place: int) -> Answer:
    body = re.sub(rb"<Etag>[^<]*<", b"<Etag>0x1234567890ABCDE<", answer.body)
    head = re.sub(rb"0x[0-9A-Fa-f]+", b"0x1234567890ABCDE", answer.head)
    return answer._replace(head=head, body=body, length=len(body) or answer.length)


def _blind(answer: Answer, place: int) -> Answer:
    """A listing without any blob."""
    body = re.sub(rb"(?s)<Blob>.*</Blob>", b"", answer.body)
    return answer._replace(body=body, length=len(body) or answer.length)


_WHOLE: dict[str, Callable[[Answer, int], Answer]] = {
    "done-500": _failed,
    "garbled": _garbled,
    "wrong-etag": _other_etag,
    "blind": _blind,
    FLIPPED: _flipped,
}
"""Answers that are wrong and have all their bytes."""


def plain(status: int, header: str) -> Answer:
    return Answer(status, f"HTTP/1.1 {status} Answer\r\n{header}".encode(), b"", 0)


def encoded(answer: Answer) -> bytes:
    return answer.head + f"Content-Length: {answer.length}\r\n\r\n".encode() + answer.body
