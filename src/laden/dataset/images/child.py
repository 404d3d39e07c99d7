"""A process that decodes images, one after the other, so that what a stranger's file does to a decoder ends there.

In order: the process is started once, with nothing of the environment that it does not need; it takes as much memory
as it was allowed, may write no file, and ends with its parent; each image goes there through a pipe, and its pixels
(`decode`) or what was found of it (`judging`) come back. One that dies or takes too long is ended, told
(`DecodingStopped`), and another is started for the next image. Decoders' memory is given back with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import warnings
from types import TracebackType
from typing import IO, Any

import numpy as np

from laden.dataset.images.decode import Decoded, decode
from laden.dataset.images.judging import decoded
from laden.dataset.images.states import Buffer
from laden.values.memory import keep_memory

MEMORY_BYTES = 256 << 20
"""What decoding may take beyond what the interpreter and the decoders take themselves, some 50 MB."""
TIME_S = 20.0
"""For one image; the largest that are decoded take one second."""

_NICENESS = 10
"""Of a process whose work can wait: beside one that has work for a core, it gets a tenth of that core (Linux)."""

_REQUEST = struct.Struct("<QII8s")
"""Bytes of the file that follows, pixels of the longer side (0 for all), the frame, and the kind of a file that is to
be judged; empty where its pixels are wanted."""
_ANSWER = struct.Struct("<IQ")
"""Bytes of the JSON that follows, and of the pixels behind it, if there are any."""
_PROGRAM = "from laden.dataset.images.child import serve; serve({memory_bytes}, {niceness})"
_PIPE_BYTES = 1 << 20
"""Room between the two, where the system gives it: else they wait for each other a hundred times an image."""
_PASSED_ON = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME")
"""Of the environment: what an interpreter may need to start. No keys, no tokens."""
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Numerical libraries take address space for each."""


class DecodingStopped(Exception):  # noqa: N818 - what happened; nothing here is wrong
    """The process died over an image, or took too long; the message says which."""


class Decoder:
    """Decodes images in a process of its own, which `start` or the first image starts. A context manager."""

    def __init__(self, *, memory_bytes: int = MEMORY_BYTES, time_s: float = TIME_S, low_priority: bool = False) -> None:
        """Set the bounds.

        Args:
            memory_bytes: that decoding may take; held where the system can (not on Windows and macOS).
            time_s: for one image.
            low_priority: whether others' work goes first, where the system knows priorities.
        """
        self._memory_bytes = memory_bytes
        self._time_s = time_s
        self._niceness = _NICENESS if low_priority else 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, without waiting for it; raises `DecodingStopped` where that cannot be done."""
        if self._process is not None:
            return
        paths = [path for path in sys.path if path]
        program = _PROGRAM.format(memory_bytes=self._memory_bytes, niceness=self._niceness)
        code = f"import sys; sys.path[:] = {paths!r}; {program}"
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, own text
                [sys.executable, "-P", "-s", "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment | _ONE_THREAD,
                pipesize=_PIPE_BYTES,
                # A signal to the whole group is the parent's to answer: a process that it ends would blame its image.
                process_group=None if sys.platform == "win32" else 0,
            )
        except OSError as error:
            raise DecodingStopped(f"no process can be started to decode images ({error.strerror})") from error

    def decode(self, data: Buffer, edge_pixels: int | None = None, frame: int = 0) -> Decoded | None:
        """The pixels of an image file, as `laden.dataset.images.decode.decode` gives them.

        Raises:
            DecodingStopped: the process died or took too long; the next image may be decoded all the same.
        """
        told, answers = self._asked(_REQUEST.pack(len(data), edge_pixels or 0, frame, b""), data, self._time_s)
        if told is None:
            return None
        kind, shape, *found = told
        pixels = np.frombuffer(answers, kind).reshape(shape)
        return Decoded(pixels, *found)

    def judge(self, kind: str, data: Buffer, time_s: float) -> tuple[str, str]:
        """State and detail of an image file, once its pixels were decoded (`laden.dataset.images.judging.decoded`).

        Args:
            kind: of file, as `look_at` takes it.
            data: the file.
            time_s: that it may take.

        Raises:
            DecodingStopped: as `decode` does.
        """
        told, _ = self._asked(_REQUEST.pack(len(data), 0, 0, kind.encode()), data, time_s)
        assert told is not None
        state, detail = told
        return state, detail

    def _asked(self, request: bytes, data: Buffer, time_s: float) -> tuple[list[Any] | None, bytes]:
        """What the process answers: JSON, and the bytes behind it."""
        self.start()
        process = self._process
        assert process is not None
        slow = threading.Event()

        def end() -> None:
            slow.set()
            process.kill()

        timer = threading.Timer(time_s, end)
        timer.daemon = True
        timer.start()
        try:
            return _answered(process, request, data)
        except (OSError, EOFError) as error:
            self.close()
            what = f"took more than {time_s:g} seconds" if slow.is_set() else "ended the process that decodes images"
            raise DecodingStopped(f"decoding it {what}") from error
        finally:
            timer.cancel()

    def interrupt(self) -> None:
        """End the process from another thread than the one that it works for, which learns it as `DecodingStopped`."""
        if (process := self._process) is not None:
            process.kill()

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with contextlib.suppress(OSError), process:
                pass

    def __enter__(self) -> Decoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _answered(process: subprocess.Popen[bytes], request: bytes, data: Buffer) -> tuple[list[Any] | None, bytes]:
    requests, answers = process.stdin, process.stdout
    assert requests is not None
    assert answers is not None
    requests.write(request)
    requests.write(data)
    requests.flush()
    length, pixel_bytes = _ANSWER.unpack(_exactly(answers, _ANSWER.size))
    return json.loads(_exactly(answers, length)), _exactly(answers, pixel_bytes)


def _exactly(file: IO[bytes], count_bytes: int) -> bytes:
    data = file.read(count_bytes)
    if len(data) < count_bytes:
        raise EOFError
    return data


def serve(memory_bytes: int, niceness: int) -> None:
    """What the process does: decode what comes in, until nothing more can come."""
    if niceness and hasattr(os, "nice"):
        os.nice(niceness)
    keep_memory()
    # Ctrl-C is for the parent, which ends this process when it wants to.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _import_decoders()
    _bound(memory_bytes)
    warnings.simplefilter("ignore")
    with contextlib.suppress(BrokenPipeError, EOFError):
        while head := sys.stdin.buffer.read(_REQUEST.size):
            length, edge_pixels, frame, kind = _REQUEST.unpack(head)
            if kind := kind.rstrip(b"\0").decode():
                _answer(answers, [*decoded(kind, _exactly(sys.stdin.buffer, length))])
            else:
                _answer_pixels(answers, length, edge_pixels or None, frame)


def _answer_pixels(answers: IO[bytes], length: int, edge_pixels: int | None, frame: int) -> None:
    found = decode(_exactly(sys.stdin.buffer, length), edge_pixels, frame)
    if found is None:
        _answer(answers, None)
    else:
        told = [found.pixels.dtype.str, found.pixels.shape, *found[1:]]
        _answer(answers, told, np.ascontiguousarray(found.pixels).data.cast("B"))


def _answer(answers: IO[bytes], told: list[Any] | None, pixels: Buffer = b"") -> None:
    text = json.dumps(told).encode()
    answers.write(_ANSWER.pack(len(text), len(pixels)) + text)
    answers.write(pixels)
    answers.flush()


def _import_decoders() -> None:
    """All of Pillow's that may be tried: no module is looked for when memory is short."""
    from PIL import BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

    assert all((BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin))


def _bound(memory_bytes: int) -> None:
    """Take no more address space than this beyond what is taken now, write no file, leave no core (setrlimit(2))."""
    try:
        import resource
    except ImportError:
        return
    limits = [(resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)]
    with contextlib.suppress(OSError), open("/proc/self/statm") as file:  # noqa: PTH123 - no path, the kernel's answer
        limits.append((resource.RLIMIT_AS, int(file.read().split()[0]) * resource.getpagesize() + memory_bytes))
    for kind, most in limits:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (most, most))
