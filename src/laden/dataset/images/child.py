"""A process that decodes images, one after the other, so that what a stranger's file does to a decoder ends there.

In order: the process is started once, with nothing of the environment that it does not need; it takes as much memory
as it was allowed, may write no file, and ends with its parent; each image goes there through a pipe, and its pixels
(`decode`) come back. One that dies or takes too long is ended, told (`DecodingStopped`), and another is started for
the next image. Decoders' memory is given back with it.
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
from math import prod
from types import TracebackType
from typing import IO, Any

import numpy as np

from laden.dataset.images.decode import Decoded, decode
from laden.dataset.images.states import Buffer

MEMORY_BYTES = 256 << 20
"""What decoding may take beyond what the interpreter and the decoders take themselves, some 50 MB."""
TIME_S = 20.0
"""For one image; the largest that are decoded take one second."""

_REQUEST = struct.Struct("<QII")
"""Bytes of the file that follows, pixels of the longer side (0 for all), and the frame."""
_ANSWER = struct.Struct("<I")
"""Bytes of the JSON that follows; then come the pixels, if there are any."""
_PROGRAM = "from laden.dataset.images.child import serve; serve({memory_bytes})"
_PASSED_ON = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME")
"""Of the environment: what an interpreter may need to start. No keys, no tokens."""
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Numerical libraries take address space for each."""


class DecodingStopped(Exception):  # noqa: N818 - what happened; nothing here is wrong
    """The process died over an image, or took too long; the message says which."""


class Decoder:
    """Decodes images in a process of its own, which `start` or the first image starts. A context manager."""

    def __init__(self, *, memory_bytes: int = MEMORY_BYTES, time_s: float = TIME_S) -> None:
        """Set the bounds.

        Args:
            memory_bytes: that decoding may take; held where the system can (not on Windows and macOS).
            time_s: for one image.
        """
        self._memory_bytes = memory_bytes
        self._time_s = time_s
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, without waiting for it; raises `DecodingStopped` where that cannot be done."""
        if self._process is not None:
            return
        paths = [path for path in sys.path if path]
        code = f"import sys; sys.path[:] = {paths!r}; {_PROGRAM.format(memory_bytes=self._memory_bytes)}"
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, own text
                [sys.executable, "-P", "-s", "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment | _ONE_THREAD,
            )
        except OSError as error:
            raise DecodingStopped(f"no process can be started to decode images ({error.strerror})") from error

    def decode(self, data: Buffer, edge_pixels: int | None = None, frame: int = 0) -> Decoded | None:
        """The pixels of an image file, as `laden.dataset.images.decode.decode` gives them.

        Raises:
            DecodingStopped: the process died or took too long; the next image may be decoded all the same.
        """
        self.start()
        process = self._process
        assert process is not None
        slow = threading.Event()

        def end() -> None:
            slow.set()
            process.kill()

        timer = threading.Timer(self._time_s, end)
        timer.daemon = True
        timer.start()
        try:
            return _asked(process, data, edge_pixels, frame)
        except (OSError, EOFError) as error:
            self.close()
            what = (
                f"took more than {self._time_s:g} seconds" if slow.is_set() else "ended the process that decodes images"
            )
            raise DecodingStopped(f"decoding it {what}") from error
        finally:
            timer.cancel()

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


def _asked(process: subprocess.Popen[bytes], data: Buffer, edge_pixels: int | None, frame: int) -> Decoded | None:
    requests, answers = process.stdin, process.stdout
    assert requests is not None
    assert answers is not None
    requests.write(_REQUEST.pack(len(data), edge_pixels or 0, frame))
    requests.write(data)
    requests.flush()
    (length,) = _ANSWER.unpack(_exactly(answers, _ANSWER.size))
    told = json.loads(_exactly(answers, length))
    if told is None:
        return None
    kind, shape, *facts = told
    pixels = np.frombuffer(_exactly(answers, np.dtype(kind).itemsize * prod(shape)), kind).reshape(shape)
    return Decoded(pixels, *facts)


def _exactly(file: IO[bytes], count_bytes: int) -> bytes:
    data = file.read(count_bytes)
    if len(data) < count_bytes:
        raise EOFError
    return data


def serve(memory_bytes: int) -> None:
    """What the process does: decode what comes in, until nothing more can come."""
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
            length, edge_pixels, frame = _REQUEST.unpack(head)
            _answer(answers, _decoded(length, edge_pixels or None, frame))


def _decoded(length: int, edge_pixels: int | None, frame: int) -> Decoded | None:
    return decode(_exactly(sys.stdin.buffer, length), edge_pixels, frame)


def _answer(answers: IO[bytes], found: Decoded | None) -> None:
    told: list[Any] | None = None
    if found is not None:
        told = [found.pixels.dtype.str, found.pixels.shape, *found[1:]]
    text = json.dumps(told).encode()
    answers.write(_ANSWER.pack(len(text)) + text)
    if found is not None:
        answers.write(np.ascontiguousarray(found.pixels).data)
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
