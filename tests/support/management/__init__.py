"""Azure Resource Manager on this machine, for the tests: TLS, state, and Microsoft's own schemas as the judge.

    with Management(tmp_path) as azure:              # or the fixture `azure`
        run("account", "create", ..., env=azure.env)

`azure.env` is what a shell needs: where Resource Manager is, which certificate to trust, and a managed identity's
token endpoint, so that the whole real road is walked: azure-identity gets a token, the official SDKs send requests.

In order: `server` takes a request, refuses what has no valid token, gives the body of every PUT and PATCH to the
`judge`, then looks for a route. Routes are plain functions (`storage`, `authorization`); another provider adds its
own with `azure.add(Route(...))` and keeps its resources in `azure.resources`. `identity` gives tokens, `dataplane`
passes blob requests on to Azurite once the caller's role has "replicated".

What it cannot show: real sign-in, real replication times, throttling, and everything that Azure checks beyond
its schemas.
"""

from tests.support.management.judge import Judge, tally
from tests.support.management.server import Management
from tests.support.management.values import Refusal, Reply, Request, Route

__all__ = ["Judge", "Management", "Refusal", "Reply", "Request", "Route", "tally"]
