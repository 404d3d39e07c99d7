"""Batches go to the workers of a Dask scheduler (extra `dask`): the pool over `distributed`, which is used only here.

In order: the scheduler is reached; every worker is asked for its version of laden and whether it sees the source, and
its memory is held against what the work takes; then each batch is a task of its own key. Workers tell about once a
second how far they are, by numbers alone. Results are let go of as soon as they are here.

It starts no scheduler and no workers, and gives no credential to anybody: workers have their own.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from laden.dataset.source import open_archive
from laden.stages.engine.carrying import carry, own_version
from laden.stages.engine.works import Told
from laden.values.errors import SourceError, UsageError
from laden.values.secrets import redact
from laden.values.units import size

try:
    from dask.config import set as dask_settings
    from distributed import Client, get_worker
except ImportError as error:
    raise UsageError(
        "--engine dask needs the package distributed: install laden with its extra dask, pip install 'laden[dask]'"
    ) from error

_REACHED_WITHIN_S = 10.0
_WORKERS_WITHIN_S = 30.0
_ANSWERED_WITHIN_S = 10.0
_LOOK_S = 5.0
_TOPIC = "laden"
_BESIDE_WINDOW_BYTES = 1 << 30
"""Of a worker's memory: Python, readers, receipts."""
_TLS = "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, ...__CLIENT__CERT and ...__CLIENT__KEY"


class DaskPool:
    """The workers of one scheduler; a `Pool`."""

    def __init__(self, client: Any, address: str) -> None:
        """Of a client that is connected."""
        self.name = f"the scheduler at {address}"
        self._client = client
        self._closed = threading.Event()
        self.workers = 0
        """Threads of all of them."""
        self._see()
        threading.Thread(target=self._watch, name="laden-dask", daemon=True).start()

    def submit(self, key: str, work: bytes, things: bytes) -> Future[Told]:
        theirs = self._client.submit(_carry, own_version(), work, things, key=key, pure=False)
        ours: Future[Told] = Future()

        def hand_over(_: Any) -> None:
            if not ours.set_running_or_notify_cancel():
                return
            try:
                ours.set_result(theirs.result())
            except BaseException as error:  # noqa: BLE001 - whatever it is, is this future's
                ours.set_exception(error)
            theirs.release()

        theirs.add_done_callback(hand_over)
        ours.add_done_callback(lambda done: theirs.cancel() if done.cancelled() else None)
        return ours

    def gone(self, error: BaseException) -> bool:
        return isinstance(error, CancelledError) or self._client.status != "running"

    def on_way(self, tell: Callable[[str, int, int], None]) -> None:
        self._client.subscribe_topic(_TOPIC, lambda event: tell(*event[1]))

    def check(self, window_bytes: int) -> None:
        """Hold every worker against what it needs: memory, and the same laden.

        Args:
            window_bytes: uncompressed bytes in memory for each batch.

        Raises:
            UsageError: one does not have it.
        """
        try:
            self._client.wait_for_workers(1, timeout=_WORKERS_WITHIN_S)
        except TimeoutError:
            raise UsageError(
                f"{self.name} has no workers: start some, as in dask worker {self._client.scheduler.address}"
            ) from None
        for address, worker in self._client.scheduler_info(n_workers=-1)["workers"].items():
            wanted_bytes = worker["nthreads"] * window_bytes + _BESIDE_WINDOW_BYTES
            if 0 < worker["memory_limit"] < wanted_bytes:
                raise UsageError(
                    f"the worker at {address} may use {size(worker['memory_limit'])} of memory, and its"
                    f" {worker['nthreads']} thread(s) take {size(wanted_bytes)}: start it with --nthreads 1 and"
                    " --memory-limit 2GiB"
                )
        for address, version in self._asked(own_version).items():
            if version != own_version():
                raise UsageError(
                    f"the worker at {address} has laden {version}, and this one is {own_version()}: install the same"
                    " version everywhere"
                )
        self._see()

    def see(self, path: str, sizes: Mapping[str, int]) -> None:
        for address, unseen in self._asked(_unseen, path, dict(sizes)).items():
            if unseen:
                raise UsageError(
                    f"the worker at {address} {unseen}: every worker has to see the same source under the same path"
                )

    def _asked(self, question: Callable[..., Any], *arguments: object) -> dict[str, Any]:
        """What each worker answers in time; of one that does not, its batches will tell (`carry`)."""
        answers: dict[str, Any] = {}

        def ask() -> None:
            with suppress(OSError, CancelledError):
                answers.update(self._client.run(question, *arguments, on_error="return"))

        asking = threading.Thread(target=ask, name="laden-dask-ask", daemon=True)
        asking.start()
        asking.join(_ANSWERED_WITHIN_S)
        for answer in [*answers.values()]:
            if isinstance(answer, ImportError):
                raise UsageError(f"a worker of {self.name} cannot run laden ({answer}): install laden there too")
        return {address: answer for address, answer in answers.items() if not isinstance(answer, BaseException)}

    def close(self) -> None:
        """Leave the scheduler to others."""
        self._closed.set()

    def _see(self) -> None:
        with suppress(OSError):
            self.workers = int(self._client.scheduler_info(n_workers=0)["total_threads"])

    def _watch(self) -> None:
        while not self._closed.wait(_LOOK_S):
            with suppress(Exception):
                self._see()


@contextmanager
def dask_pool(address: str) -> Iterator[DaskPool]:
    """Reach a scheduler, as in `tcp://10.0.0.4:8786` or `tls://...`, and let go of it afterwards.

    Raises:
        UsageError: it is no such address, nobody answers there, or TLS is not set up.
    """
    with _quiet():
        client = _reached(address)
        pool = DaskPool(client, address)
        try:
            yield pool
        finally:
            pool.close()
            with suppress(Exception):
                client.close(timeout=_LOOK_S)


def _reached(address: str) -> Any:
    try:
        with dask_settings({"distributed.comm.timeouts.connect": _REACHED_WITHIN_S}):
            return Client(  # type: ignore[no-untyped-call]
                address, timeout=_REACHED_WITHIN_S, set_as_default=False, name="laden"
            )
    except (OSError, TimeoutError) as error:
        told = redact(str(error.__cause__ or error))
        if "ssl" in told.lower() or "certificate" in told.lower() or address.startswith("tls:"):
            raise UsageError(
                f"the scheduler at {address} cannot be reached over TLS: its certificate and yours must be of one CA"
                f" ({_TLS}), or nobody listens there"
            ) from None
        raise UsageError(
            f"the scheduler at {address} cannot be reached: check the address and the network, and whether it asks"
            " for TLS (tls://...)"
        ) from None
    except (ValueError, TypeError, RuntimeError) as error:
        raise UsageError(
            f"--scheduler {address} cannot be used ({redact(str(error))}): give tcp://HOST:PORT, or tls://HOST:PORT"
            f" with {_TLS}"
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """What Dask's client logs of a lost scheduler is told here, in one sentence."""
    loggers = [logging.getLogger(f"distributed.{name}") for name in ("client", "batched", "core", "utils", "comm")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _carry(version: str, work: bytes, things: bytes) -> Told:
    """`carry` on a worker of Dask's, which tells how far it is through the scheduler."""
    worker = get_worker()
    key = worker.get_current_task()
    return carry(version, work, things, lambda done, size_bytes: worker.log_event(_TOPIC, [key, done, size_bytes]))


def _unseen(path: str, sizes: dict[str, int]) -> str:
    """What a worker does not see of a source, for a sentence; empty where it sees all of it."""
    root = Path(path)
    if not root.exists():
        return f"does not see {path}"
    for name, size_bytes in sizes.items():
        try:
            file = open_archive(root, name)
        except (OSError, SourceError):
            return f"does not see {root / name}"
        file.close()
        if file.size_bytes != size_bytes:
            return f"sees another {root / name}, of {file.size_bytes:,} bytes and not {size_bytes:,}"
    return ""
