"""What can be found out without a credential: is it there, its clock, its distance, and what a stranger may read."""

from __future__ import annotations

import statistics
import time
from email.utils import parsedate_to_datetime

from laden.store import Destination
from laden.store.account import look_from_outside
from laden.store.blob import BlobStore
from laden.store.http import Answer
from laden.values.errors import StoreError
from laden.verbs.doctor.notes import Notes

_ROUND_TRIPS = 5
_LATENCY_WARN_S = 0.3
_SKEW_WARN_S = 60
_SKEW_FAIL_S = 15 * 60
"""What laden signs holds from 15 minutes back on, as Microsoft advises ("Best practices when using SAS")."""


async def reach(notes: Notes, outsider: BlobStore) -> bool:
    """Ask the service something that it will refuse; `reach`, `clock` and `latency` follow from that."""
    times_s: list[float] = []
    try:
        for _ in range(_ROUND_TRIPS + 1):
            began_s = time.time()
            _, answer = await look_from_outside(outsider)
            times_s.append(time.time() - began_s)
    except StoreError as error:
        notes.fail("reach", error)
        return False
    headers = answer.headers
    if not any(name.startswith("x-ms-") for name in headers):
        message = f"something answers ({answer.status}) that is not the Blob service"
        notes.fail("reach", StoreError(f"{message}: check the address; a proxy or sign-in page may be in between"))
        return False
    notes.tell("reach", "pass", "the Blob service answers")
    _clock(notes, answer, began_s + times_s[-1] / 2)
    _latency(notes, statistics.median(times_s[1:]))
    return True


def _clock(notes: Notes, answer: Answer, here_s: float) -> None:
    try:
        # The header has whole seconds: on average it is half of one behind.
        there_s = parsedate_to_datetime(answer.headers.get("date", "")).timestamp() + 0.5
    except ValueError:
        notes.untested("clock", why="the service does not tell its time")
        return
    skew_s = here_s - there_s
    side = "ahead of" if skew_s > 0 else "behind"
    if abs(skew_s) < _SKEW_WARN_S:
        notes.tell("clock", "pass", "this machine's clock agrees with the service's")
        return
    outcome = "fail" if abs(skew_s) >= _SKEW_FAIL_S else "warn"
    told = f"{abs(skew_s) / 60:.0f} min" if abs(skew_s) >= _SKEW_FAIL_S else f"{abs(skew_s):.0f} s"
    notes.tell(
        "clock",
        outcome,
        f"this machine's clock is {told} {side} the service's",
        "set this machine's clock (NTP): what is signed here may not be valid yet, or no longer",
    )


def _latency(notes: Notes, median_s: float) -> None:
    told = f"{median_s * 1000:.0f} ms for a request, the middle of {_ROUND_TRIPS}"
    if median_s < _LATENCY_WARN_S:
        notes.tell("latency", "pass", told)
    else:
        notes.tell("latency", "warn", told, "load from a machine nearer to the account's region, if there is one")


async def privacy(notes: Notes, destination: Destination, outsider: BlobStore, blob: str = "") -> None:
    """Look at the container as a stranger; `blob` is one that is there."""
    try:
        seen, _ = await look_from_outside(outsider, blob)
    except StoreError as error:
        notes.fail("privacy", error)
        return
    account, container = destination.account, destination.container
    if seen.container:
        what = "its blobs" if seen.container == "blob" else "its blobs and their list"
        notes.tell(
            "privacy",
            "fail",
            f"anybody can read {what} without signing in",
            f"az storage container set-permission --public-access off --account-name {account} --name {container}",
        )
    elif seen.account_allows:
        notes.tell(
            "privacy",
            "warn",
            "the container is private, but its account allows public ones",
            f"az storage account update --allow-blob-public-access false --name {account}",
        )
    else:
        notes.tell("privacy", "pass", "a stranger sees nothing of it")
