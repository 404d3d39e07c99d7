"""A SAS for reading what is shown, made when a person asks for it."""

from __future__ import annotations

import asyncio

from laden.store import Destination, FolderDestination
from laden.store.minting import Wanted, mint
from laden.values.errors import UsageError

_LETTERS = "rl"
"""Read and list: what a training job needs, and no more."""
_MOST_HOURS = 24


async def reading_sas(destination: Destination | FolderDestination, hours: int) -> str:
    """The container's URL with a SAS; raises `UsageError` for a folder, or for more than a day."""
    if isinstance(destination, FolderDestination):
        raise UsageError("a folder needs no SAS")
    if not 1 <= hours <= _MOST_HOURS:
        raise UsageError(f"a SAS made here lasts 1 to {_MOST_HOURS} hours: laden sas makes longer ones")
    minted = await asyncio.to_thread(mint, destination, Wanted(_LETTERS, float(hours)))
    return f"{destination.url()}?{minted.query}"
