"""What goes in and out of a route."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.support.management.server import Management


@dataclass(frozen=True)
class Request:
    """One request, its token and its body already accepted."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    """Parsed JSON; None where there was none."""
    parts: dict[str, str]
    """The named groups of the route's pattern."""
    claims: dict[str, Any]
    """Of the caller's token."""

    @property
    def api_version(self) -> str:
        return self.query.get("api-version", "")


@dataclass(frozen=True)
class Reply:
    """What is answered."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):  # noqa: N818
    """An error as Resource Manager words it: `{"error": {"code", "message"}}`."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.reply = Reply(status, {"error": {"code": code, "message": message}})


Handler = Callable[["Management", Request], Reply]


@dataclass(frozen=True)
class Route:
    """A pattern of the whole path (regular expression, case ignored as Resource Manager does) and who answers."""

    method: str
    pattern: str
    handler: Handler
    action: str = ""
    """What the caller must be allowed to do, as role definitions name it; empty for anybody signed in."""
