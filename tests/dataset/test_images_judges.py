"""Pixels of strangers are decoded in other processes: the verdict is theirs, and so is whatever happens."""

import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.uid import UID, JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless

from laden import check, load
from laden.dataset.images import child, judges, look
from laden.dataset.images.child import Decoder, DecodingStopped
from laden.dataset.images.judges import JUDGES, Judges
from laden.dataset.images.judging import decoded
from tests.dataset.test_images_other import GOOD, GOOD_DICOMS
from tests.support.volumes import tiff


@pytest.fixture
def fresh() -> Iterator[None]:
    """No process is idle before and after."""
    JUDGES.rest()
    yield
    JUDGES.rest()


def test_a_process_is_kept_for_the_next_image_and_ended_when_nothing_is_to_come(fresh: None) -> None:
    for _ in range(3):
        assert look("a.jpg", GOOD, "pixels").state == "whole"
    (decoder,) = JUDGES._idle
    process = decoder._process
    assert process is not None
    assert process.poll() is None
    JUDGES.rest()
    assert JUDGES._idle == []
    assert process.poll() is not None


def test_each_thread_has_a_process(fresh: None) -> None:
    meet = threading.Barrier(2, timeout=120)

    def one(_: int) -> str:
        meet.wait()
        return look("a.dcm", GOOD_DICOMS["RLE"], "pixels").state

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(one, range(2))) == ["whole", "whole"]
    assert len(JUDGES._idle) <= 2


def test_structure_and_png_start_no_process(fresh: None) -> None:
    look("a.jpg", GOOD)
    look("a.dcm", GOOD_DICOMS["JPEG"])
    look("a.dcm", GOOD_DICOMS["explicit"], "pixels")
    look("a.jpg", b"", "pixels")
    assert JUDGES._idle == []


def test_a_process_that_dies_is_a_state_of_that_image_alone(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as dying:
        dying.setattr(child, "_PROGRAM", "import os; sys.stdin.buffer.read(1); os.abort() # {memory_bytes}")
        found = look("a.jpg", GOOD, "pixels")
    assert (found.state, found.detail) == ("image-unchecked", "decoding it ended the process that decodes images")
    assert (found.kind, found.width, found.height) == ("jpeg", 40, 50), "what its structure says is known"
    assert look("a.jpg", GOOD, "pixels").state == "whole"


def test_one_that_takes_too_long_is_ended(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "_PROGRAM", "import time; time.sleep(600) # {memory_bytes}")
    monkeypatch.setattr(judges, "_TIME_S", 0.01)
    found = look("a.dcm", GOOD_DICOMS["RLE"], "pixels")
    assert found.state == "image-unchecked"
    assert "took more than" in found.detail


def test_more_memory_than_it_may_take_is_no_defect_of_the_image() -> None:
    file = io.BytesIO()
    Image.effect_noise((6000, 6000), 50).save(file, "JPEG", quality=20)
    with Decoder(memory_bytes=24 << 20) as decoder:
        state, detail = decoder.judge("jpeg", file.getvalue(), 60)
        assert (state, detail) == ("image-unchecked", "decoding it takes more memory than it may")
        assert decoder.judge("jpeg", GOOD, 60) == ("whole", "")


def test_whatever_a_library_raises_becomes_a_state(monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(*_: object, **__: object) -> None:
        raise RecursionError("deep\nwithin")

    monkeypatch.setattr("laden.dataset.images.jpeg.JpegLook.structure", raising)
    found = look("a.jpg", GOOD)
    assert (found.state, found.detail) == ("image-unchecked", "RecursionError: deep within")


def test_a_machine_that_starts_no_process_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def starting(_: Decoder) -> None:
        raise DecodingStopped("no process can be started")

    monkeypatch.setattr(Decoder, "start", starting)
    assert Judges().judge("jpeg", GOOD) == ("image-unchecked", "no process can be started")


def test_every_kind_is_judged_as_in_this_process() -> None:
    judge = Judges()
    try:
        for kind, data in (
            ("jpeg", GOOD),
            ("tiff", tiff([bytes(range(48))])),
            *(("dicom", d) for d in GOOD_DICOMS.values()),
        ):
            assert judge.judge(kind, data) == decoded(kind, data) == ("whole", "")
    finally:
        judge.rest()


@pytest.mark.parametrize(
    ("syntax", "uid"),
    [
        ("JPEGLosslessProcess14_1", JPEGLosslessSV1),
        ("JPEGLSLossless", JPEGLSLossless),
        ("JPEG2000Lossless", JPEG2000Lossless),
    ],
)
def test_what_the_extra_decodes_is_judged(syntax: str, uid: UID, tmp_path: Path) -> None:
    """Sixteen bits, compressed by GDCM itself; with its last bytes lost, and with other pixels than it says."""
    gdcm = pytest.importorskip("gdcm")
    source, target = tmp_path / "a.dcm", tmp_path / "b.dcm"
    source.write_bytes(GOOD_DICOMS["explicit"])
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(source))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(target))
    assert writer.Write()
    data = target.read_bytes()
    assert dcmread(target).file_meta.TransferSyntaxUID == uid
    assert look("a.dcm", data, "pixels")[:5] == ("dicom", 40, 50, 16, "whole")
    dataset = dcmread(target)
    dataset.Rows = 60
    dataset.save_as(target)
    assert look("a.dcm", target.read_bytes(), "pixels").state == "dicom-pixels", "GDCM itself might die of it"


@pytest.mark.parametrize("name", ["scan.jpg", "scan.tif", "scan.png", "scan.dcm", "scan"])
def test_a_program_in_an_image_s_clothes_is_not_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: None
) -> None:
    """PostScript would start Ghostscript, were Pillow left to choose the format."""
    trace, program = tmp_path / "started", tmp_path / "gs"
    program.write_text(f"#!/bin/sh\ntouch {trace}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    for kind in ("jpeg", "tiff"):
        assert decoded(kind, script)[0].endswith("-signature")
    assert look(name, script, "pixels").state != "whole"
    assert not trace.exists()


def test_a_load_leaves_no_process_behind(tmp_path: Path, fresh: None) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.jpg").write_bytes(GOOD)
    (tmp_path / "source" / "b.dcm").write_bytes(GOOD_DICOMS["RLE"])
    assert load(tmp_path / "source", str(tmp_path / "out"), images="pixels", phi="off", profile="files").exit_code == 0
    assert JUDGES._idle == []
    assert check(tmp_path / "source", images="pixels", phi="off", profile="files").exit_code == 0
    assert JUDGES._idle == []
