"""Toward a hundred million images: what planning them by ranges costs, and what a load would take of time and money.

`python -m bench.scale range FIRST COUNT` plans one range of a hundred million made-up images (`bench.plan_scale`):
rows, entries and a listing that lacks each tenth, in a process of its own; it prints one JSON object. `python -m
bench.scale ranges` does so for each range of a million, one after the other, and sums up (half an hour).

`python -m bench.scale` prints the simulator's table: hours, requests and money for 1, 8 and 64 machines, into one
account or several, by costs that were measured (`Measured`), limits and prices that the service publishes (`Service`),
and a network that is assumed. It is arithmetic: each stage takes as long as its narrowest part.
"""

from __future__ import annotations

import json
import math
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, replace

from bench.plan_scale import plan
from laden.stages.plan.dealing import RUN_BYTES
from laden.store.listing import NAMES_IN_RANGE

IMAGES = 100_000_000
RANGE = 1_000_000


@dataclass(frozen=True, slots=True)
class Measured:
    """Costs of laden, on one core unless said otherwise; docs/scale.md says where each was measured."""

    plan_s_per_image: float = 39e-6
    """Seconds that a share takes to read table and directories, take in the listing and join all (`bench.shares`)."""
    list_cpu_s_per_page: float = 0.020
    send_cpu_s_per_gb: float = 3.0
    """Inflate, CRC-32, MD5, send."""
    send_cpu_s_per_image: float = 400e-6
    """Of small images, beside their bytes."""
    publish_s_per_image: float = 7.5e-6
    """Proof and manifest, by the last load, on one machine."""


@dataclass(frozen=True, slots=True)
class Service:
    """Limits of one account in a large region, and prices that Microsoft gives as examples, not as an offer.

    Sources: "Scalability and performance targets for standard storage accounts"; "Estimate the cost of using Azure Blob
    Storage" (hot tier, sample prices).
    """

    requests_per_s: float = 40_000.0
    ingress_bytes_per_s: float = 60e9 / 8
    blob_page_names: int = 5_000
    write_usd: float = 0.055 / 10_000
    list_usd: float = 0.055 / 10_000
    month_usd_per_gb: float = 0.0208


@dataclass(frozen=True, slots=True)
class Case:
    """What is loaded, by what, into what."""

    images: int = IMAGES
    image_bytes: float = 1e12 / 160_861
    """PADCHEST's mean."""
    machines: int = 1
    accounts: int = 1
    cores: int = 8
    link_bytes_per_s: float = 12.5e9 / 8
    """Of one machine, assumed: an 8-core D-series VM has 12.5 Gbit/s."""
    page_latency_s: float = 0.1
    """Of one page of a listing, assumed."""
    listings_at_once: int = 16
    """As `laden.store.listing` has it."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the simulator says."""

    machines: int
    accounts: int
    plan_hours: float
    send_hours: float
    publish_hours: float
    hours: float
    bound_by: str
    writes: int
    lists: int
    request_usd: float
    month_usd: float


def simulate(case: Case, measured: Measured = Measured(), service: Service = Service()) -> Told:
    """How long a load takes by shares, and what it costs.

    Every share surveys all of the table and of the directories; it lists the spans of its own names, before and after.
    The last load lists all of it twice more, and publishes, on one machine.
    """
    pages = math.ceil(case.images / service.blob_page_names)
    survey_s = case.images * measured.plan_s_per_image
    own_pages = _own_pages(case, pages, service.blob_page_names)
    plan_s = survey_s + 2 * _listing_s(own_pages, case, measured)
    send_s, bound_by = _sending(case, measured, service)
    last_s = survey_s + 2 * _listing_s(pages, case, measured) + case.images * measured.publish_s_per_image
    lists = 2 * own_pages * case.machines + 2 * pages
    size_gb = case.images * case.image_bytes / 1e9
    return Told(
        case.machines,
        case.accounts,
        round(plan_s / 3600, 2),
        round(send_s / 3600, 2),
        round(last_s / 3600, 2),
        round((plan_s + send_s + last_s) / 3600, 2),
        bound_by,
        case.images,
        lists,
        round(case.images * service.write_usd + lists * service.list_usd, 2),
        round(size_gb * service.month_usd_per_gb, 0),
    )


def _own_pages(case: Case, pages: int, page_names: int) -> int:
    """Pages that a share lists, where names are in the order of the archives: all, or some for each of its runs."""
    run_names = max(1, round(RUN_BYTES / case.image_bytes))
    if (case.machines - 1) * run_names <= NAMES_IN_RANGE:
        return pages
    own_runs = math.ceil(case.images / run_names / case.machines)
    return min(pages, own_runs * math.ceil(run_names / page_names))


def _listing_s(pages: int, case: Case, measured: Measured) -> float:
    """Pages come several at once, and one core takes them in."""
    return max(pages * case.page_latency_s / case.listings_at_once, pages * measured.list_cpu_s_per_page)


def _sending(case: Case, measured: Measured, service: Service) -> tuple[float, str]:
    """Seconds, and what is the narrowest part."""
    size_bytes = case.images * case.image_bytes
    cpu_s = size_bytes / 1e9 * measured.send_cpu_s_per_gb + case.images * measured.send_cpu_s_per_image
    parts = {
        "processors": cpu_s / (case.cores * case.machines),
        "links": size_bytes / (case.link_bytes_per_s * case.machines),
        "ingress of the accounts": size_bytes / (service.ingress_bytes_per_s * case.accounts),
        "requests of the accounts": case.images / (service.requests_per_s * case.accounts),
    }
    narrowest = max(parts, key=lambda name: parts[name])
    return parts[narrowest], narrowest


def plan_range(first: int, count: int) -> dict[str, object]:
    """Plan one range of the hundred million, and what that took."""
    if first + count > IMAGES:
        raise ValueError(f"there are {IMAGES:,} images: the range ends at {first + count:,}")
    began_s = time.monotonic()
    cost = plan(count, first)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"first": first, "count": count, "seconds": cost.seconds, "cpu_s": cost.cpu_s, "peak_mb": round(peak_mb),
            "to_send": cost.to_send, "wall_s": round(time.monotonic() - began_s, 1)}  # fmt: skip


def plan_ranges() -> dict[str, object]:
    """Plan all of the hundred million, range by range, each in a process that is asked its own peak of memory."""
    found = []
    for first in range(0, IMAGES, RANGE):
        command = [sys.executable, "-m", "bench.scale", "range", str(first), str(RANGE)]
        found.append(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))
        print(json.dumps(found[-1]), flush=True)
    cpu_s = sorted(one["cpu_s"] for one in found)
    return {"ranges": len(found), "images": sum(one["count"] for one in found), "cpu_s": round(sum(cpu_s)),
            "to_send": sum(one["to_send"] for one in found), "seconds": round(sum(one["seconds"] for one in found)),
            "range_cpu_s": (cpu_s[0], statistics.median(cpu_s), cpu_s[-1]),
            "peak_mb": max(one["peak_mb"] for one in found)}  # fmt: skip


def main() -> None:
    """Plan a range or all of them, or print the simulator's table."""
    if sys.argv[1:2] == ["ranges"]:
        print(json.dumps(plan_ranges()))
        return
    if sys.argv[1:2] == ["range"]:
        print(json.dumps(plan_range(int(sys.argv[2]), int(sys.argv[3]))))
        return
    for image_bytes in (Case().image_bytes, 100_000.0):
        for machines, accounts in ((1, 1), (8, 1), (64, 1), (64, 8)):
            told = simulate(replace(Case(), image_bytes=image_bytes, machines=machines, accounts=accounts))
            print(f"{image_bytes / 1e6:.2f} MB an image: {told}")


if __name__ == "__main__":
    main()
