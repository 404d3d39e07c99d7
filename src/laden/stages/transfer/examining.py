"""Reads items on all cores as a transfer does, and sends nothing: CRC-32, length, MD5, and a look at each image.

Threads do it: what costs time (inflating, hashing, decoding) runs outside Python's lock. Memory: for each thread one
item, or a block of a large one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from laden.dataset.images import JUDGES, Level, Phi
from laden.dataset.source import Reader
from laden.stages.transfer.reading import BlockReader, Loaded, read_item, unread
from laden.values.errors import SourceError
from laden.values.records import Item, Outcome, Receipt

_WHOLE_BYTES = 64 << 20
"""Larger items are read in blocks; the largest image of PADCHEST has 32 MB before it is compressed."""
_BLOCK_BYTES = 32 << 20


def examine(
    items: Iterable[Item],
    reader: Reader,
    level: Level,
    *,
    threads: int,
    phi: Phi = "off",
    stopping: Callable[[], bool] = lambda: False,
) -> Iterator[Receipt]:
    """Read items, and yield their receipts in order: `READ`, or why one could not be.

    Args:
        items: what to read; taken as threads become free.
        reader: opens the entries; used by all threads at once.
        level: how closely images are looked at.
        threads: how many items are read at a time.
        phi: unless `off`, fields are told that may say who a person is.
        stopping: asked before each item; once true, no more are begun.
    """
    pending: deque[Future[Receipt]] = deque()
    with ThreadPoolExecutor(threads, "laden-read") as pool:
        try:
            for item in reader.ahead(items):
                if stopping():
                    break
                pending.append(pool.submit(partial(_examined, reader, item, level, phi)))
                # One more for each thread than it works at, so that none waits.
                if len(pending) >= 2 * threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
            JUDGES.rest()


def _examined(reader: Reader, item: Item, level: Level, phi: Phi) -> Receipt:
    # Nothing is sent, so nothing is held back: what is found is told.
    told: Phi = "off" if phi == "off" else "warn"
    if item.entry.size_bytes <= _WHOLE_BYTES:
        read = read_item(reader, item, level=level, send_broken=True, replace_other=False, phi=told)
    else:
        read = _read_blocks(reader, item, level, told)
    if isinstance(read, Receipt):
        return read
    return Receipt(item, Outcome.READ, read.digests, read.image)


def _read_blocks(reader: Reader, item: Item, level: Level, phi: Phi) -> Loaded | Receipt:
    blocks = BlockReader(reader, item, _BLOCK_BYTES, level, phi)
    try:
        while blocks.next_block() is not None:
            pass
    except SourceError as error:
        return unread(item, error)
    return blocks.loaded()
