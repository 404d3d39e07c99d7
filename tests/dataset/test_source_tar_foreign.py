"""Tars of strangers: links, odd records and names as tar programs read them."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from laden.dataset.source import Reader, entries
from laden.values.records import Entry, Finding

END = bytes(1024)


def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = "", **pax: str) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname, info.pax_headers = len(data), kind, link, pax
    style = tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT
    return info.tobuf(style) + data + bytes(-len(data) % 512)


@pytest.fixture(params=["0.tar", "0.tar.gz"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    name: str = request.param
    return tmp_path / name


def put(path: Path, *members: bytes) -> Path:
    data = b"".join(members) + END
    path.write_bytes(gzip.compress(data) if path.name.endswith("gz") else data)
    return path


def looked(path: Path, encoding: str | None = None) -> dict[str, bytes | str]:
    with Reader(str(path.parent)) as reader:
        found = list(entries(path.parent, path.name, encoding))
        contents = {one.member: b"".join(reader.read(one, 1 << 20)) for one in found if isinstance(one, Entry)}
    return {**{one.member or one.code: one.code for one in found if isinstance(one, Finding)}, **contents}


def test_a_hard_link_has_the_data_of_what_it_names(path: Path) -> None:
    put(
        path,
        member("./d/a.png", b"data"),
        member("b.png", kind=tarfile.LNKTYPE, link="./d/a.png"),
        member("c.png", kind=tarfile.LNKTYPE, link="d/a.png"),
        member("e.png", kind=tarfile.LNKTYPE, link="b.png"),
    )
    assert looked(path) == dict.fromkeys(("d/a.png", "b.png", "c.png", "e.png"), b"data")


def test_a_hard_link_names_the_last_of_that_name_before_it(path: Path) -> None:
    link = member("l.png", kind=tarfile.LNKTYPE, link="a.png")
    put(path, member("a.png", b"old"), link, member("z.png", b"z"))
    assert looked(path)["l.png"] == b"old"


@pytest.mark.parametrize("target", ["absent.png", "later.png", "l.png", "d", "../../etc/passwd", "s.png"])
def test_a_hard_link_to_nothing_that_was_read_is_told(path: Path, target: str) -> None:
    put(
        path,
        member("d", kind=tarfile.DIRTYPE),
        member("s.png", kind=tarfile.SYMTYPE, link="a.png"),
        member("l.png", kind=tarfile.LNKTYPE, link=target),
        member("later.png", b"x"),
    )
    got = looked(path)
    assert (got["l.png"], got["later.png"], got["s.png"]) == ("member-link", b"x", "member-link")


def test_hard_links_that_the_standard_library_writes(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"same")
    (tmp_path / "b.png").hardlink_to(tmp_path / "a.png")
    with tarfile.open(tmp_path / "0.tar", "w") as archive:
        archive.add(tmp_path / "a.png", "x/a.png")
        archive.add(tmp_path / "b.png", "x/b.png")
    assert b"x/b.png" in (tmp_path / "0.tar").read_bytes()
    assert looked(tmp_path / "0.tar") == {"x/a.png": b"same", "x/b.png": b"same"}


@pytest.mark.parametrize("size", ["4", "0004", "00000000000000000000000004"])
def test_a_size_with_zeros_in_front(path: Path, size: str) -> None:
    assert looked(put(path, member("a.png", b"data", size=size), member("z.png", b"z"))) == {
        "a.png": b"data",
        "z.png": b"z",
    }


@pytest.mark.parametrize("size", ["", "-4", "4 ", "0x4", "9" * 19])
def test_a_size_that_is_none(path: Path, size: str) -> None:
    assert looked(put(path, member("a.png", b"data", size=size))) == {"archive-header": "archive-header"}


def test_folders_of_an_incremental_dump_are_folders(path: Path) -> None:
    dump = member("d/", b"Ya.png\0Nb.png\0\0", b"D")
    assert looked(put(path, dump, member("d/a.png", b"x"))) == {"junk-ignored": "junk-ignored", "d/a.png": b"x"}


@pytest.mark.parametrize("name", ["./", ""])
def test_a_member_without_a_name_is_no_junk_where_it_has_data(path: Path, name: str) -> None:
    got = looked(put(path, member(name, b"data"), member("z.png", b"z")))
    assert "name-refused" in got.values()
    assert got["z.png"] == b"z"


@pytest.mark.parametrize(
    ("encoding", "name"), [("cp932", "胸部.png"), ("latin-1", "tórax.png"), ("koi8-r", "снимок.png")]
)
def test_names_whose_encoding_a_person_names(path: Path, encoding: str, name: str) -> None:
    with io.BytesIO() as out:
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT, encoding=encoding) as archive:
            info = tarfile.TarInfo(name)
            info.size = 1
            archive.addfile(info, io.BytesIO(b"x"))
            archive.addfile(tarfile.TarInfo("plain.png"))
        data = out.getvalue()
    path.write_bytes(gzip.compress(data) if path.name.endswith("gz") else data)
    assert looked(path, encoding) == {name: b"x", "plain.png": b""}
    assert sorted(map(str, looked(path).values())) == ["b''", "name-refused"]
    assert "name-refused" in looked(path, "ascii").values()


def test_archives_within_an_archive_are_told_once(path: Path) -> None:
    assert looked(put(path, member("a.zip", b"x"), member("b.7z", b"x"))) == {
        "archive-nested": "archive-nested", "a.zip": b"x", "b.7z": b"x",
    }  # fmt: skip
