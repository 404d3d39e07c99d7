"""The process that decodes strangers' images: it gives pixels back, and whatever happens to it happens there alone."""

import contextlib
import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from laden.dataset.images import child
from laden.dataset.images.child import Decoder, DecodingStopped
from laden.dataset.images.decode import FORMATS, decode
from laden.demo import png

SMALL_PIXELS = 100

DEEP = np.arange(700 * 500, dtype=np.uint16).reshape(700, 500)


def saved(kind: str, mode: str = "L", size: tuple[int, int] = (500, 700)) -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert(mode).save(file, kind)
    return file.getvalue()


def test_one_process_decodes_one_image_after_the_other() -> None:
    with Decoder() as decoder:
        for _ in range(2):
            whole = decoder.decode(png.encode(DEEP))
            assert whole is not None
            assert whole.pixels.dtype == np.uint16
            assert np.array_equal(whole.pixels, DEEP)
        process = decoder._process
        small = decoder.decode(png.encode(DEEP), SMALL_PIXELS)
        assert small is not None
        assert (small.pixels.shape, small.width, small.height) == ((100, 71), 500, 700)
        assert small.pixels[10, 10] == pytest.approx(DEEP[70:77, 70:77].mean())
        assert decoder.decode(b"no image") is None
        assert decoder._process is process
    assert process is not None
    assert process.returncode is not None


@pytest.mark.skipif(sys.platform == "win32", reason="groups of processes are POSIX's")
def test_a_signal_to_the_whole_group_blames_no_image() -> None:
    """Ctrl-C and SIGTERM of a service reach every process of the group; the parent alone answers them."""
    with Decoder() as decoder:
        assert decoder.decode(png.encode(DEEP)) is not None
        assert decoder._process is not None
        assert os.getpgid(decoder._process.pid) == decoder._process.pid != os.getpgrp()


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_every_format_that_is_meant_is_decoded_small(kind: str, mode: str) -> None:
    found = decode(saved(kind, mode), SMALL_PIXELS)
    assert found is not None
    assert (found.width, found.height, found.pixels.dtype) == (500, 700, np.uint8)
    assert SMALL_PIXELS <= max(found.pixels.shape[:2]) < 2 * SMALL_PIXELS
    top, bottom = found.pixels[:5].mean(), found.pixels[-5:].mean()
    assert top < 20
    assert bottom > 235


def test_a_program_in_an_image_s_clothes_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostScript would start Ghostscript, were Pillow left to choose the format."""
    trace = tmp_path / "started"
    program = tmp_path / "gs"
    program.write_text(f"#!/bin/sh\ntouch {trace}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    with Image.open(io.BytesIO(script)) as image, contextlib.suppress(OSError):
        image.load()
    assert trace.exists(), "it is a program that Pillow would have run"
    trace.unlink()
    assert decode(script) is None
    assert not trace.exists()


def test_a_process_that_dies_is_told_and_another_takes_the_next_image(monkeypatch: pytest.MonkeyPatch) -> None:
    with Decoder() as decoder:
        with monkeypatch.context() as dying:
            dying.setattr(child, "_PROGRAM", "import os; sys.stdin.buffer.read(1); os.abort() # {memory_bytes}")
            with pytest.raises(DecodingStopped, match="ended the process"):
                decoder.decode(png.encode(DEEP))
        assert decoder.decode(png.encode(DEEP)) is not None


def test_a_process_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "_PROGRAM", "import time; time.sleep(600) # {memory_bytes}")
    with Decoder(time_s=0.01) as decoder:
        with pytest.raises(DecodingStopped, match=r"took more than 0\.01 seconds"):
            decoder.decode(png.encode(DEEP))
        assert decoder._process is None


def test_a_machine_that_starts_no_process_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    with Decoder() as decoder, pytest.raises(DecodingStopped, match="no process can be started"):
        decoder.decode(b"")


def test_it_knows_no_keys_and_may_write_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LADEN_SAS", "sig=secret")
    with Decoder() as decoder:
        decoder.decode(b"")
        assert decoder._process is not None
        process = Path(f"/proc/{decoder._process.pid}")
        environment, limits = (process / "environ").read_bytes(), (process / "limits").read_text()
    assert b"PATH=" in environment
    assert b"secret" not in environment
    (files,) = [line for line in limits.splitlines() if line.startswith("Max file size")]
    assert files.split()[3:5] == ["0", "0"]


def test_what_takes_more_memory_than_it_may_is_no_picture() -> None:
    """A progressive JPEG's coefficients are held whole, however small it is to be."""
    file = io.BytesIO()
    Image.new("RGB", (8000, 8000)).save(file, "JPEG", progressive=True)
    with Decoder(memory_bytes=64 << 20) as decoder:
        assert decoder.decode(file.getvalue(), SMALL_PIXELS) is None
        assert decoder.decode(png.encode(DEEP), SMALL_PIXELS) is not None, "the process lives on"


def test_more_pixels_than_a_picture_is_worth_are_not_decoded() -> None:
    file = io.BytesIO()
    Image.new("L", (9000, 9000)).save(file, "PNG")
    assert decode(file.getvalue(), SMALL_PIXELS) is None
    file = io.BytesIO()
    Image.new("L", (9000, 9000)).save(file, "JPEG")
    small = decode(file.getvalue(), SMALL_PIXELS)
    assert small is not None, "a JPEG can be decoded small"
    assert (small.width, small.height) == (9000, 9000)
    assert decode(file.getvalue()) is None
