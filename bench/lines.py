"""Two promises about lines, each measured once: a listing in ranges beside one chain, and a cap on what is sent.

The endpoint runs as a process of its own; what is measured runs here, through the same store as a load's.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from bench.peers import SAS
from bench.server import Endpoint, endpoint
from laden.relations import Relations
from laden.run.loop import run
from laden.stages.inventory import Listing
from laden.store import CREATE_ONLY, Properties, open_store, parse_destination
from laden.store.cap import parse_cap

PADCHEST_BLOBS = 160_861
PAGE_LATENCY_MS = 300
LEAST_RATIO = 6.0
MOST_OFF = 0.05
_CAP = "4M"


def listing_case() -> dict[str, Any]:
    """Seconds to list a container of PADCHEST's size, in one chain and in ranges."""
    names = [f"png/{number % 52}/{number * 7919 % 10**9:09d}_{number:06d}.png" for number in range(PADCHEST_BLOBS)]
    metadata = {"laden_crc32": "deadbeef", "laden_size": "6500000", "laden_image": "png 2048 2048 16 whole"}
    with endpoint("--latency-ms", str(PAGE_LATENCY_MS)) as served:
        served.empty()
        served.preload(blobs=[{"name": name, "size": 6_500_000, "metadata": metadata} for name in names])
        chain_s = run(_listed_s(served, []))
        ranges_s = run(_listed_s(served, names))
    return {"blobs": len(names), "chain_s": chain_s, "ranges_s": ranges_s, "ratio": chain_s / ranges_s}


async def _listed_s(served: Endpoint, expected: list[str]) -> float:
    with Relations() as relations:
        if expected:
            relations.feed_columns("rows", {"row": range(len(expected)), "blob": expected}, {"usable": True})
        store = open_store(parse_destination(f"{served.container_url}?{SAS}"), connections=None)
        try:
            listing = Listing(store, relations)
            began_s = time.perf_counter()
            await listing.begin()
            await listing.finish()
            seconds = time.perf_counter() - began_s
        finally:
            await store.close()
        (count,) = relations.one("SELECT count(DISTINCT name) FROM blobs")
        if count != PADCHEST_BLOBS:
            raise RuntimeError(f"{count} of {PADCHEST_BLOBS} blobs were listed")
    return seconds


def cap_case() -> dict[str, Any]:
    """Bytes a second under a cap, for small and large requests together, and how far they are off."""
    with endpoint() as served:
        served.empty()
        seconds = run(_capped_s(served))
        sent_bytes = served.stats()["bytes_in"]
    wanted = parse_cap(_CAP).bytes_per_s or 0.0
    return {"bytes_per_s": sent_bytes / seconds, "wanted_bytes_per_s": wanted, "off": sent_bytes / seconds / wanted - 1}


async def _capped_s(served: Endpoint) -> float:
    sizes = [20_000] * 400 + [2_000_000] * 8
    store = open_store(parse_destination(f"{served.container_url}?{SAS}"), connections=16, cap=parse_cap(_CAP))
    properties = Properties(bytes(16))
    began_s = time.perf_counter()
    try:
        puts = (store.put(f"{at}", bytes(size), properties, CREATE_ONLY) for at, size in enumerate(sizes))
        await asyncio.gather(*puts)
        return time.perf_counter() - began_s
    finally:
        await store.close()


def main() -> int:
    """Measure both; the exit code is 1 if one is not kept."""
    listing, cap = listing_case(), cap_case()
    kept = listing["ratio"] >= LEAST_RATIO, abs(cap["off"]) <= MOST_OFF
    print(
        f"{listing['blobs']:,} blobs at {PAGE_LATENCY_MS} ms a page: one page after the other"
        f" {listing['chain_s']:.1f} s, in ranges {listing['ranges_s']:.1f} s, {listing['ratio']:.1f} times as fast"
        f" (target: {LEAST_RATIO:g}, {'met' if kept[0] else 'not met'})"
    )
    print(
        f"--limit {_CAP}: {cap['bytes_per_s'] / 1e6:.2f} MB/s, {cap['off']:+.1%}"
        f" (target: within {MOST_OFF:.0%}, {'met' if kept[1] else 'not met'})"
    )
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
