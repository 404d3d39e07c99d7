"""Which names are refused, and what is junk."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laden.relations import Relations
from laden.values import names
from laden.values.names import is_junk, plain_in_sql, problem, reserved


@pytest.mark.parametrize(
    "name",
    [
        "216840111366964012283393834152009033160348352_00-102-064.png",
        "10_-s039v.png",
        "0/0/x.PNG",
        "CheXpert-v1.0 batch 1 (validate & csv).zip",
        "..a/b",
        "a..b",
        "ünïcode/中文/🩻.png",
        "a/" * 253 + "b",
        "x" * 1024,
        ".hidden",
    ],
)
def test_fine(name):
    assert problem(name) is None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "is empty"),
        ("/etc/passwd", "is absolute"),
        ("//server/share", "is absolute"),
        ("C:/x.png", "drive letter"),
        ("c:x.png", "drive letter"),
        ("a\\b.png", "backslash"),
        ("../x.png", "`..` segment"),
        ("a/../x.png", "`..` segment"),
        ("a/..", "`..` segment"),
        ("./x.png", "`.` segment"),
        ("a/./x.png", "`.` segment"),
        ("a//b.png", "empty segment"),
        ("a/", "ends with a slash"),
        ("a./b", "ends with a dot"),
        ("a.png.", "ends with a dot"),
        ("a\0b", "U+0000"),
        ("a\nb", "U+000A"),
        ("a\x7fb", "U+007F"),
        ("a\x85b", "U+0085"),
        ("a\ud800b", "U+D800"),
        ("a\udcffb", "U+DCFF"),
        ("a\ue000b", "U+E000"),
        ("a\ufdd0b", "U+FDD0"),
        ("a\uffffb", "U+FFFF"),
        ("a\U0001fffeb", "U+1FFFE"),
        ("x" * 1025, "1,025 characters"),
        ("a/" * 254 + "b", "255 segments"),
    ],
)
def test_refused(name, reason):
    assert reason in (problem(name) or "")


@given(st.text("aZ0_-./\\: é\0", max_size=8) | st.integers(250, 260).map(lambda number: "/".join("a" * number)))
def test_the_quick_look_refuses_nothing_and_passes_nothing_that_the_close_one_would_not(name):
    if names._PLAIN.fullmatch(name) and len(name) <= names._PLAIN_CHARACTERS:
        with pytest.MonkeyPatch.context() as closely:
            closely.setattr(names, "_PLAIN_CHARACTERS", -1)
            assert problem(name) is None


@given(st.text(max_size=20))
def test_what_passes_can_be_joined_and_encoded(name):
    if problem(name) is None:
        assert name.encode().decode() == name
        assert all(segment.strip(".") for segment in name.split("/"))


@pytest.mark.parametrize(
    "path",
    [
        "__MACOSX/._a.png",
        "x/__MACOSX/a.png",
        "._a.png",
        "a/._b",
        "Thumbs.db",
        "a/thumbs.DB",
        ".DS_Store",
        "a/desktop.ini",
        "a/.azDownload-4f-1.png",
        "a/b.png_.gstmp",
        "a/",
        "__MACOSX/",
    ],
)
def test_junk(path):
    assert is_junk(path)


@pytest.mark.parametrize(
    "path", ["a.png", "a/__MACOSX", ".hidden", "_.png", "Thumbs.db/a.png", "x.azDownload-1", "a/.b._c"]
)
def test_no_junk(path):
    assert not is_junk(path)


@pytest.mark.parametrize(
    "name", ["_laden/a", "_LADEN/a", "x/_Laden/load.json", "_laden", "_laden /a", "_lad\u200cen/a", "_Laden\ufeff . /a"]
)
def test_names_of_ladens_own_folder_are_reserved_however_a_disk_spells_them(name: str) -> None:
    assert reserved(name) is not None
    with Relations() as relations:
        assert relations.one(f"SELECT {plain_in_sql('$name')}", {"name": name}) == (False,)


@pytest.mark.parametrize("name", ["_laden2/a", "x_laden/a", "ladenx/_ladena"])
def test_names_that_look_like_it_are_free(name: str) -> None:
    assert reserved(name) is None
