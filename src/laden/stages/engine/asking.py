"""How a worker process gets a SAS: it asks the coordinator through a pipe, which has the program or the person.

One question at a time for each worker; the coordinator answers from a thread, so that its own loop goes on. Nothing
of it is written anywhere: a SAS passes through the pipe only.
"""

from __future__ import annotations

import threading
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from laden.values.errors import Interrupted, LadenError

if TYPE_CHECKING:
    from laden.store.credentials import SasSource


class SasAsker:
    """A worker's `laden.store.credentials.SasSource`."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._lock = threading.Lock()
        self.ahead = bool(self._asked("ahead"))

    def fresh(self, old: str, *, refused: bool) -> str:
        return str(self._asked((old, refused)))

    def _asked(self, question: object) -> object:
        with self._lock:
            try:
                self._pipe.send(question)
                reply: object = self._pipe.recv()
            except (EOFError, OSError):
                raise Interrupted("the coordinating process is gone") from None
        if isinstance(reply, LadenError):
            raise reply
        return reply


def answer(pipe: Connection, source: SasSource) -> None:
    """Answer a worker's questions until it is gone."""
    with pipe:
        while True:
            try:
                question = pipe.recv()
            except (EOFError, OSError):
                return
            try:
                reply: object = source.ahead if question == "ahead" else source.fresh(question[0], refused=question[1])
            except LadenError as error:
                reply = error
            try:
                pipe.send(reply)
            except OSError:
                return
