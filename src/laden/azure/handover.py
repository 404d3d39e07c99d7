"""The credential that a datastore is given, tried before it is handed over: the service takes wrong ones.

By default none: then jobs read as whoever runs them, and no secret lies in the workspace. A key or a SAS is handed
over where it is asked for; it must list the container and read a blob of it first, and a SAS must live long enough
to be worth it, because data assets stop working on the day it ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from laden.store import Destination
from laden.store.blob import BlobStore
from laden.store.credentials import find_credential, find_key, find_sas, key_credential
from laden.store.sas import Sas, lacking_for_verify, parse_sas, utc
from laden.values.errors import UsageError

Kind = Literal["identity", "key", "sas"]

LEAST_SAS_DAYS = 30
"""A datastore outlives the afternoon in which it is made."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a datastore gets."""

    kind: str
    """For people: `identity`, `account key`, `SAS`."""
    secret: str = field(default="", repr=False)

    @property
    def body(self) -> dict[str, Any]:
        """As the REST reference has it ("Datastores", `NoneDatastoreCredentials` and its siblings); secret."""
        if self.kind == "account key":
            secrets = {"secretsType": "AccountKey", "key": self.secret}
            return {"credentialsType": "AccountKey", "secrets": secrets}
        if self.kind == "SAS":
            return {"credentialsType": "Sas", "secrets": {"secretsType": "Sas", "sasToken": self.secret}}
        return {"credentialsType": "None"}


def choose(destination: Destination, kind: Kind) -> Credentials:
    """The credential of the kind that was asked for, from the address or the environment.

    Raises:
        UsageError: there is none, or a SAS that ends too soon.
    """
    if kind == "identity":
        return Credentials("identity")
    if kind == "key":
        key = find_key(destination)
        if not key:
            raise UsageError(
                f"--credential key needs the key of {destination.account}: put it in AZURE_STORAGE_KEY, or better,"
                " leave the option out: then jobs read as whoever runs them"
            )
        return Credentials("account key", key)
    sas = find_sas(destination)
    if not sas:
        raise UsageError("--credential sas needs a SAS: put it in LADEN_SAS")
    _refuse_unfit(parse_sas(sas), datetime.now(UTC))
    return Credentials("SAS", sas)


def _refuse_unfit(sas: Sas, now: datetime) -> None:
    if why := lacking_for_verify(sas):
        raise UsageError(f"jobs could not read with this SAS: {why}")
    # Behind a stored access policy the end is the policy's, which can be moved: nothing to be told from here.
    if sas.end is None and sas.policy:
        return
    if sas.end is None or sas.end - now < timedelta(days=LEAST_SAS_DAYS):
        when = utc(sas.end) if sas.end else "a time that it does not say"
        raise UsageError(
            f"the SAS ends at {when}, and every job that reads through the datastore would fail from then on: use"
            f" --credential identity, or a SAS that lives {LEAST_SAS_DAYS} days or more, signed with the account's key"
            " (a user delegation SAS lives 7 at most)"
        )


async def prove(destination: Destination, credentials: Credentials, blob: str) -> None:
    """List the container and read a blob with a credential, whatever else the environment holds.

    Raises:
        AccessDenied: it may not.
        StoreError: the service did not answer as it should.
    """
    if credentials.kind == "identity":
        return
    bare = replace(destination, sas=credentials.secret if credentials.kind == "SAS" else "")
    key = credentials.kind == "account key"
    store = BlobStore(bare, key_credential(bare, credentials.secret) if key else find_credential(bare))
    try:
        await store.list_page()
        await store.get(blob, 0, 1)
    finally:
        await store.close()
