"""The probe blob: listed around, written, read back, deleted; and what its speed says of a whole load.

It lies below `_laden/`, where nothing counts as data, always by the same name. Where it may not be deleted (a SAS for
loading need not allow that), an empty one stays.
"""

from __future__ import annotations

import hashlib
import os

from laden.store import Destination, Properties, Store
from laden.store.blob import API_VERSION, BlobStore
from laden.values.commands import command
from laden.values.errors import AccessDenied, ContainerMissing, LadenError, StoreError, UsageError
from laden.values.units import duration
from laden.verbs.doctor.notes import Notes
from laden.verbs.measuring import AT_ONCE, measure

NAME = "_laden/doctor-probe"

_PROBE_BYTES = 256 << 10
_MUCH_BYTES = 10**12
"""PADCHEST, about: what a SAS should see loaded before it ends."""


async def listing(notes: Notes, store: BlobStore, destination: Destination) -> bool:
    """Ask for one name, and look at the API version; False without a container: nothing else makes sense then."""
    try:
        answer = await store.request("GET", "", (200,), "list", "restype=container&comp=list&maxresults=1")
    except ContainerMissing:
        missing = UsageError(
            f"there is no container '{destination.container}': {command('container', 'create', destination)}"
        )
        notes.fail("list", missing)
        return False
    except LadenError as error:
        notes.fail("list", error)
        return True
    notes.tell("list", "pass", "the container is there" + (", with blobs" if b"<Name>" in answer.body else ", empty"))
    _version(notes, answer.headers.get("x-ms-version", ""))
    return True


def _version(notes: Notes, version: str) -> None:
    # Versions are dates; a service that answers with a newer one of its own has taken laden's.
    if version >= API_VERSION:
        notes.tell("version", "pass", f"the service takes laden's API version, {API_VERSION}")
        return
    spoken = f"version {version}" if version else "no API version that it tells"
    todo = "if something fails below, look there first: an old emulator, or a gateway"
    notes.tell("version", "warn", f"the service answers with {spoken}, and laden speaks {API_VERSION}", todo)


async def write(notes: Notes, store: Store) -> float:
    """Write the probe, after blocks for a first throughput; bytes per second, or 0 where it could not be written."""
    probe = os.urandom(_PROBE_BYTES)
    try:
        pace = await measure(store, NAME)
        # It also takes the place of the blocks that are staged.
        await store.put(NAME, probe, _properties(probe), None)
    except LadenError as error:
        notes.fail("write", error)
        notes.untested("read", "delete", why="nothing could be written")
        return 0.0
    speed = pace.bytes_per_s
    notes.tell("write", "pass", f"{NAME} written; the service checked its MD5")
    notes.tell(
        "throughput",
        "pass",
        f"{speed / 1e6:.1f} MB/s with {AT_ONCE} requests at once: 1 TB in about {duration(_MUCH_BYTES / speed)};"
        " a load finds out how many the link bears",
    )
    return speed


async def read(notes: Notes, store: Store) -> None:
    """Read the probe back and hold it against the MD5 that is kept with it."""

    async def compared() -> str:
        blob = await store.head(NAME)
        data = await store.get(NAME, 0, blob.size_bytes)
        if hashlib.md5(data, usedforsecurity=False).digest() != blob.md5:
            raise StoreError("what was read back is not what was written: something on the way changes bytes")
        return "read back, and the same"

    await notes.tried("read", compared)


async def delete(notes: Notes, store: Store) -> None:
    """Take the probe away, or make it empty."""
    try:
        await store.delete(NAME)
    except AccessDenied:
        try:
            await store.put(NAME, b"", _properties(b""), None)
        except LadenError as error:
            notes.fail("delete", error)
            return
        notes.untested("delete", why=f"not allowed, and no load needs it; {NAME} stays, empty")
    except LadenError as error:
        notes.fail("delete", error)
    else:
        notes.tell("delete", "pass", "the probe is gone again")


def tell_validity(notes: Notes, seconds: float, bytes_per_s: float) -> None:
    """Say how much a SAS will see loaded before it ends."""
    if seconds <= 0:
        notes.tell("validity", "fail", "the SAS has ended", "make a new one (laden sas)")
        return
    told = f"the SAS holds for {duration(seconds)}"
    if not bytes_per_s:
        notes.tell("validity", "pass", told)
        return
    amount = seconds * bytes_per_s
    told += f": enough for about {amount / 1e9:,.0f} GB at this speed" if amount < _MUCH_BYTES else ": enough for 1 TB"
    if amount < _MUCH_BYTES:
        notes.tell("validity", "warn", told, "for more, make one that holds longer (laden sas --hours)")
    else:
        notes.tell("validity", "pass", told)


def _properties(data: bytes) -> Properties:
    return Properties(hashlib.md5(data, usedforsecurity=False).digest())
