"""What an iterator yields, made by a thread before it is asked for: its work goes on while the last thing is used.

Worth it where making and using both leave the interpreter's lock to others, as NumPy, hashing and files do.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")


class _Failed:
    """Stands for the error that ended the iterator."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def ahead(things: Iterable[T], most: int = 2) -> Iterator[T]:
    """Yield the same things in the same order, and raise what it raised; closing it ends the thread.

    Args:
        things: made by a thread of its own.
        most: so many are made before they are asked for.
    """
    made: SimpleQueue[T | _Failed | None] = SimpleQueue()
    room = threading.Semaphore(most)
    over = threading.Event()

    def make() -> None:
        end: _Failed | None = None
        try:
            for thing in things:
                room.acquire()
                if over.is_set():
                    break
                made.put(thing)
        except BaseException as error:  # noqa: BLE001 - raised by who asks for the next
            end = _Failed(error)
        made.put(end)

    thread = threading.Thread(target=make, name="ahead", daemon=True)
    thread.start()
    try:
        while (thing := made.get()) is not None:
            if isinstance(thing, _Failed):
                raise thing.error
            yield thing
            room.release()
    finally:
        over.set()
        room.release()
        thread.join()
