"""Tries all that a load needs of a destination, one thing after the other, and says what to do about what fails.

Order, for a container: what a stranger's request is told (`outside`: is the service there, does its clock agree,
how far is it), the credential, a listing and the API version, then a probe blob below `_laden/` (`probe`: written,
sent in blocks for a first throughput, read back), the container as a stranger sees it, the probe taken away again,
and at last how much a SAS will see loaded before it ends. A folder is only written to and read.

What depends on something that failed is told as untested. Nothing is repeated: the first answer is what counts.
"""

from __future__ import annotations

import time

from laden.run.loop import run
from laden.store import Destination, FolderDestination, parse_destination
from laden.store.account import stranger
from laden.store.blob import BlobStore
from laden.store.credentials import Credential, find_credential, find_sas
from laden.store.folder import FolderStore
from laden.store.sas import parse_sas
from laden.values.events import Observer, Summary, ignore
from laden.verbs.doctor import outside, probe
from laden.verbs.doctor.notes import Notes

__all__ = ["examine"]


def examine(destination: str, *, observer: Observer = ignore) -> Summary:
    """Try a destination.

    Args:
        destination: as for a load.
        observer: told each check as it is made, and the summary.

    Returns:
        The summary; its exit code is 0 where nothing failed.

    Raises:
        UsageError: the destination, or a credential in the environment, cannot be used at all.
    """
    parsed = parse_destination(destination)
    notes = Notes(observer)
    if isinstance(parsed, FolderDestination):
        run(_folder(notes, parsed))
    else:
        run(_container(notes, parsed, find_credential(parsed)))
    failed = notes.failed()
    summary = Summary(
        "doctor",
        destination=str(parsed),
        message=f"not ready for a load: {', '.join(failed)}" if failed else "",
        complete=not failed,
        exit_code=int(notes.exit_code()),
    )
    observer(summary)
    return summary


async def _folder(notes: Notes, destination: FolderDestination) -> None:
    if not destination.path.exists():
        notes.untested("write", "read", "delete", why="there is no such folder yet; a load makes it")
        return
    store = FolderStore(destination.path)
    speed = await probe.write(notes, store)
    if speed:
        await probe.read(notes, store)
        await probe.delete(notes, store)


async def _container(notes: Notes, destination: Destination, credential: Credential) -> None:
    outsider = stranger(destination)
    store = BlobStore(destination, credential)
    try:
        if not await outside.reach(notes, outsider):
            notes.untested("credential", "list", "write", "read", "delete", "privacy", why="the service is not there")
            return
        if not await _sign_in(notes, credential):
            notes.untested("list", "write", "read", "delete", why="there is no credential")
            await outside.privacy(notes, destination, outsider)
            return
        if not await probe.listing(notes, store, destination):
            notes.untested("write", "read", "delete", "privacy", why="there is no container")
            return
        speed = await probe.write(notes, store)
        if speed:
            await probe.read(notes, store)
        await outside.privacy(notes, destination, outsider, probe.NAME if speed else "")
        if speed:
            await probe.delete(notes, store)
        _end(notes, destination, credential, speed)
    finally:
        await store.close()
        await outsider.close()


async def _sign_in(notes: Notes, credential: Credential) -> bool:
    async def shown() -> str:
        await credential.grant()
        return {"SAS": "a SAS", "account key": "an account key, which signs short SAS tokens and is never sent"}.get(
            credential.kind, "whoever is signed in to Azure here"
        )

    return await notes.tried("credential", shown)


def _end(notes: Notes, destination: Destination, credential: Credential, bytes_per_s: float) -> None:
    """How long the credential holds, in bytes."""
    if credential.kind != "SAS":
        notes.tell("validity", "pass", "renewed by itself while a load runs")
        return
    sas = parse_sas(find_sas(destination))
    if sas.end is None:
        notes.untested("validity", why="the SAS ends when its stored access policy says so")
    else:
        probe.tell_validity(notes, sas.ends_s - time.time(), bytes_per_s)
