"""Operations that take a while: 202, an address to ask, and in the end what was made.

Resource Manager has two forms ("Track asynchronous operations"): the address in `Location` answers 202 until it
answers with the resource; the one in `Azure-AsyncOperation` answers 200 with a status, and the resource is then
read at its own address. `Microsoft.Storage` uses the first.
"""

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.management.values import Refusal, Reply, Request, Route

if TYPE_CHECKING:
    from tests.support.management.server import Management

_PAUSE = {"retry-after-ms": "20"}
"""azure-core honours it as it honours `Retry-After`, which has whole seconds only."""


@dataclass
class Operation:
    """One that goes on."""

    resource: str
    """Key in `Management.resources` of what it makes."""
    polls: int
    """How often it still says that it is going on."""
    failure: tuple[str, str] | None


def begin(azure: "Management", resource: str, *, status_address: bool = False, api_version: str) -> Reply:
    """Answer that a resource is being made, and where to ask; it is in `azure.resources` already."""
    number = str(uuid.uuid4())
    azure.operations[number] = Operation(resource, azure.polls, azure.failure)
    azure.failure = None
    kind = "operationStatuses" if status_address else "asyncoperations"
    subscription = resource.split("/")[2]
    namespace = resource.split("/")[6]
    address = f"{azure.url}/subscriptions/{subscription}/providers/{namespace}/locations/here/{kind}/{number}"
    header = "Azure-AsyncOperation" if status_address else "Location"
    return Reply(202, None, {header: f"{address}?monitor=true&api-version={api_version}", **_PAUSE})


def _advance(azure: "Management", request: Request) -> Operation | None:
    """The operation, when it has ended; None while it goes on."""
    operation = azure.operations.get(request.parts["number"])
    if operation is None:
        raise Refusal(404, "NotFound", "There is no such operation.")
    operation.polls -= 1
    if operation.polls >= 0:
        return None
    if operation.failure:
        azure.resources.pop(operation.resource, None)
    else:
        properties = azure.resources[operation.resource].setdefault("properties", {})
        properties["provisioningState"] = "Succeeded"
    return operation


def _location(azure: "Management", request: Request) -> Reply:
    operation = _advance(azure, request)
    if operation is None:
        return Reply(202, None, {"Location": f"{azure.url}{request.path}?api-version={request.api_version}", **_PAUSE})
    if operation.failure:
        raise Refusal(409, *operation.failure)
    return Reply(200, azure.resources[operation.resource])


def _status(azure: "Management", request: Request) -> Reply:
    operation = _advance(azure, request)
    if operation is None:
        return Reply(200, {"status": "InProgress"}, _PAUSE)
    if operation.failure:
        code, message = operation.failure
        return Reply(200, {"status": "Failed", "error": {"code": code, "message": message}})
    return Reply(200, {"status": "Succeeded"})


_ANY = r"/subscriptions/[^/]+/providers/[^/]+/locations/[^/]+"
ROUTES = (
    Route("GET", rf"{_ANY}/asyncoperations/(?P<number>[^/]+)", _location),
    Route("GET", rf"{_ANY}/operationStatuses/(?P<number>[^/]+)", _status),
)
