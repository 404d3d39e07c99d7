"""Containers: made private, and listed with what anybody may read of them.

A container is made through the Blob service, with whatever credential a load would use; whether its account allows
public access is told by what a request without credentials is answered, so that no further right is needed.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from laden.azure.account import check_name
from laden.run.loop import run
from laden.store import Destination, FolderDestination, open_store, parse_destination
from laden.store.account import Container, Privacy, list_containers, look_from_outside, stranger
from laden.store.clouds import find_cloud
from laden.store.credentials import find_credential
from laden.store.slips import bare, slip
from laden.values.errors import StoreError, UsageError

_ANY_CONTAINER = "laden"
"""Only to have a whole destination where an account alone is named."""


def create(destination: str) -> tuple[Destination, bool, Privacy]:
    """Make the container of a destination, private.

    Returns:
        The destination, whether its container was made now, and what can be seen of it without credentials.

    Raises:
        UsageError: a folder, or an address that names no container.
        AccessDenied: the credential may not create containers.
        StoreError: the service did not do it.
    """
    parsed = parse_destination(destination)
    if isinstance(parsed, FolderDestination):
        raise UsageError("a folder needs no container: laden load makes it")

    async def make() -> tuple[bool, Privacy]:
        store = open_store(parsed, connections=1)
        try:
            made = await store.create()
        finally:
            await store.close()
        return made, await _seen(parsed)

    return parsed, *run(make())


def account_address(text: str) -> Destination:
    """The account that a person typed: its name, its endpoint, or the address of anything in it.

    Args:
        text: `account`, `https://account.blob.core.windows.net`, `http://127.0.0.1:10000/devstoreaccount1`.

    Raises:
        UsageError: it is no account.
    """
    text = bare(text)
    if "://" not in text:
        if sentence := slip(text):
            raise UsageError(sentence)
        check_name(text)
        text = f"https://{text}.{find_cloud().blob_suffix}"
    address, _, query = text.strip().partition("?")
    try:
        parsed = parse_destination(address)
    except UsageError:
        parsed = parse_destination(f"{address.rstrip('/')}/{_ANY_CONTAINER}" + (f"?{query}" if query else ""))
    if isinstance(parsed, FolderDestination) or not urlsplit(parsed.endpoint).hostname:
        raise UsageError("give an account's name, or the address of its Blob service")
    return Destination(parsed.account, parsed.endpoint, parsed.container, "", query)


def listed(account: Destination) -> list[Container]:
    """The containers of an account, in name order.

    Raises:
        AccessDenied: the credential may not list containers.
        StoreError: the service did not answer as it should.
    """
    return run(list_containers(account.endpoint, account.account, find_credential(account)))


def public_access_allowed(account: Destination) -> bool | None:
    """Whether containers of an account may be made public; None where its answers do not tell."""
    try:
        return run(_seen(account)).account_allows
    except StoreError:
        return None


async def _seen(destination: Destination) -> Privacy:
    outsider = stranger(destination)
    try:
        privacy, _ = await look_from_outside(outsider)
    finally:
        await outsider.close()
    return privacy
