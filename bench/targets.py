"""What laden is to reach, each target computed from the measured cases: ratio, bound, met or not.

A target whose case or tool wasn't measured says so instead; nothing is filled in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from bench.cases import THROTTLED_LATENCIES_MS, THROTTLED_REQUESTS_PER_S

Cases = dict[str, dict[str, Any]]
TUNED = "AzCopy tuned --put-md5"
GETTERS = ("AzCopy tuned", "rclone tuned")
MEMORY_BYTES = 500e6


@dataclass(frozen=True, slots=True)
class Target:
    """One line of the table of targets."""

    name: str
    bound: str
    """As a person reads it: `<= 0.25`."""
    measured: float | None
    """None where it wasn't measured."""
    met: bool | None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a dictionary."""
        return asdict(self)


class _NotMeasuredError(Exception):
    """A case or a tool is absent, or one of its runs failed."""


def _of(cases: Cases, case: str, peer: str, field: str = "wall_s") -> float:
    row = cases.get(case, {}).get("peers", {}).get(peer)
    if row is None or row["failed"]:
        raise _NotMeasuredError
    return float(row[field])


def _ratio(case: str, peer: str, field: str = "wall_s") -> Callable[[Cases], float]:
    return lambda cases: _of(cases, case, "laden", field) / max(_of(cases, case, peer, field), 1e-9)


def _of_faster(case: str, field: str) -> Callable[[Cases], float]:
    """Laden's seconds over those of the peer that has fewest."""

    def computed(cases: Cases) -> float:
        return _of(cases, case, "laden", field) / min(_of(cases, case, peer, field) for peer in GETTERS)

    return computed


def _speedup(case: str, peers: tuple[str, ...]) -> Callable[[Cases], float]:
    """How many times laden's files per second are those of the fastest of the peers."""
    return lambda cases: min(_of(cases, case, peer) for peer in peers) / _of(cases, case, "laden")


def _of_floor(case: str) -> Callable[[Cases], float]:
    floors = ("floor: raw send", "floor: inflate, CRC-32, MD5")
    return lambda cases: max(_of(cases, case, floor) for floor in floors) / _of(cases, case, "laden")


def _of_best_fixed(cases: Cases) -> float:
    """Laden's speed with its own choice of connections, over that with the best fixed number."""
    rows = cases.get("link", {}).get("peers", {})
    fixed = [row["wall_s"] for name, row in rows.items() if name.startswith("laden --connections")]
    if not fixed:
        raise _NotMeasuredError
    return float(min(fixed)) / _of(cases, "link", "laden")


def _goodput(case: str) -> Callable[[Cases], float]:
    """Files per second of a whole load over what the service admits."""

    def compute(cases: Cases) -> float:
        row = cases.get(case, {}).get("peers", {}).get("laden")
        if row is None or row["failed"]:
            raise _NotMeasuredError
        seconds = float(row["said"].get("seconds") or row["wall_s"])
        return float(cases[case]["files"]) / seconds / THROTTLED_REQUESTS_PER_S

    return compute


def _refused(case: str) -> Callable[[Cases], float]:
    return lambda cases: _of(cases, case, "laden", "refused") / _of(cases, case, "laden", "requests")


def _growth(cases: Cases) -> float:
    return _of(cases, "memory", "laden", "memory_bytes") / _of(cases, "zip", "laden", "memory_bytes")


def _plain(case: str, field: str = "wall_s", scale: float = 1.0) -> Callable[[Cases], float]:
    return lambda cases: _of(cases, case, "laden", field) / scale


def _at_most(bound: float) -> tuple[str, Callable[[float], bool]]:
    return f"<= {bound:g}", lambda value: value <= bound


def _at_least(bound: float) -> tuple[str, Callable[[float], bool]]:
    return f">= {bound:g}", lambda value: value >= bound


_ROAD = f"unzip, then {TUNED}"
_OVERLAPPED = f"unzip overlapped with {TUNED}"
_ALL: list[tuple[str, tuple[str, Callable[[float], bool]], Callable[[Cases], float]]] = [
    ("zip: wall over unzip, then tuned AzCopy", _at_most(0.25), _ratio("zip", _ROAD)),
    ("zip: CPU over unzip, then tuned AzCopy", _at_most(0.45), _ratio("zip", _ROAD, "cpu_s")),
    ("zip: wall over unzip overlapped with tuned AzCopy", _at_most(0.43), _ratio("zip", _OVERLAPPED)),
    ("zip: speed over that of the slower floor", _at_least(0.8), _of_floor("zip")),
    ("inflated zip: wall over unzip, then tuned AzCopy", _at_most(0.25), _ratio("zip-loose", _ROAD)),
    ("inflated zip: CPU over unzip, then tuned AzCopy", _at_most(0.45), _ratio("zip-loose", _ROAD, "cpu_s")),
    ("inflated zip: wall over unzip overlapped", _at_most(0.43), _ratio("zip-loose", _OVERLAPPED)),
    ("inflated zip: speed over that of the slower floor", _at_least(0.8), _of_floor("zip-loose")),
    ("folder: wall over tuned AzCopy", _at_most(0.75), _ratio("folder", TUNED)),
    ("folder: CPU over tuned AzCopy", _at_most(1.0), _ratio("folder", TUNED, "cpu_s")),
    ("small, 30 ms: files/s over tuned AzCopy", _at_least(8), _speedup("small-30ms", (TUNED,))),
    ("small, 30 ms: files/s over tuned rclone", _at_least(8), _speedup("small-30ms", ("rclone tuned",))),
    ("small, 0 ms: files/s over tuned AzCopy", _at_least(1), _speedup("small-0ms", (TUNED,))),
    ("small, 0 ms: CPU over tuned AzCopy", _at_most(1), _ratio("small-0ms", TUNED, "cpu_s")),
    ("run again, 160,861 there: seconds", _at_most(10), _plain("again")),
    ("run again, 160,861 there: requests", _at_most(50), _plain("again", "requests")),
    ("plan of 1,000,000 against 1,000,000: seconds", _at_most(6), _plain("plan")),
    ("plan of 1,000,000 against 1,000,000: MB", _at_most(450), _plain("plan", "memory_bytes", 1e6)),
    ("plan: seconds over ten times those of 100,000", _at_most(1.05), _plain("plan", "growth")),
    ("memory: 12 GB over 1.2 GB", _at_most(1.1), _growth),
    ("memory: MB at 12 GB", _at_most(500), _plain("memory", "memory_bytes", 1e6)),
    ("cloud link: speed over best fixed connections", _at_least(0.9), _of_best_fixed),
    *(
        judged
        for ms in THROTTLED_LATENCIES_MS
        for judged in (
            (f"throttled, {ms} ms: files/s over what is admitted", _at_least(0.85), _goodput(f"throttled-{ms}ms")),
            (f"throttled, {ms} ms: requests refused", _at_most(0.1), _refused(f"throttled-{ms}ms")),
        )
    ),
    *(
        (f"{case}: {what} over the faster of AzCopy and rclone", _at_most(0.8), _of_faster(case, field))
        for case in ("get", "get-small-0ms", "get-small-30ms")
        for what, field in (("wall", "wall_s"), ("CPU", "cpu_s"))
    ),
    ("start-up: laden --help, seconds", _at_most(0.25), _plain("help")),
    ("start-up: 10 files to Azurite, seconds", _at_most(1.2), _plain("azurite")),
]


def judge(cases: Cases) -> list[Target]:
    """Compute every target from what was measured."""
    judged = []
    for name, (bound, holds), compute in _ALL:
        try:
            measured = compute(cases)
        except _NotMeasuredError:
            judged.append(Target(name, bound, None, None))
        else:
            judged.append(Target(name, bound, measured, holds(measured)))
    return judged
