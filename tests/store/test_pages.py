"""A page read as columns says what the parser says of it, or is left to the parser."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import patch
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laden.relations import Relations
from laden.stages.metadata import feed
from laden.store import Page, answers
from laden.store.answers import page_from_xml
from laden.store.manage.answers import details_from_xml
from laden.store.pages import PlainBlobs, plain_blobs
from laden.values.errors import TransientStoreError
from laden.values.records import Blob

TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
NAMES = st.one_of(TEXTS.filter(bool), st.sampled_from(["a", "p/a", "p/ä", "p/a>b", "p/]]>"]))
VALUES = st.one_of(TEXTS, st.sampled_from(["", "0", "12", "7f", "7F", "0x1f", "1_0", " 1", "+1", "-1", "٣", "9" * 19]))
MD5S = st.text("AB+/=-! ", min_size=22, max_size=24).map(lambda text: f"{text[:22]}==") | st.sampled_from(
    ["AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAAB==", "", "AAAA", "A" * 24, "AAAAAAAAAAAAAAAAAAAAA!=="]
)
ETAGS = st.sampled_from(["0x8D", '"0x8D"', "", 'W/"1', "ä"])
KEYS = st.sampled_from(
    ["laden_crc32", "Laden_Size", "laden_size", "laden_mtime", "laden_image", "laden_source", "_", "hdi_isfolder"]
)


@st.composite
def elements(draw: st.DrawFn, tag: str, text: str) -> str:
    """An element as a service may write it: mostly as it does, at times in another way."""
    if not text and draw(st.booleans()):
        return draw(st.sampled_from([f"<{tag} />", f"<{tag}/>"]))
    how = draw(st.integers(0, 30))
    if how == 0 and "]]>" not in text:
        return f"<{tag}><![CDATA[{text}]]></{tag}>"
    if how == 1:
        return f"<{tag}>{escape(text)}<more>x</more></{tag}>"
    if how == 2:
        return f"<{tag} >{escape(text)}</{tag} >"
    return f"<{tag}>{escape(text)}</{tag}>"


@st.composite
def blobs(draw: st.DrawFn) -> str:
    said = {
        "Content-Length": draw(st.integers(0, 1 << 62).map(str)),
        "Content-MD5": draw(MD5S),
        "Etag": draw(ETAGS),
        "ResourceType": draw(st.sampled_from(["file", "file", "directory"])),
        "Content-Type": draw(VALUES),
    }
    tags = draw(st.permutations([*said, *draw(st.lists(st.sampled_from(["Etag", "Owner"]), max_size=1))]))
    kept = [tag for tag in tags if tag == "Content-Length" or draw(st.integers(0, 9))]
    properties = "".join(draw(elements(tag, said.get(tag, "x"))) for tag in kept)
    pairs = draw(st.lists(st.tuples(KEYS, VALUES), max_size=4))
    metadata = "".join(draw(elements(key, value)) for key, value in pairs)
    told = draw(
        st.sampled_from([f"<Metadata>{metadata}</Metadata>", f"<Metadata>{metadata}</Metadata>", "<Metadata />", ""])
    )
    name = escape(draw(NAMES))
    name = draw(st.sampled_from([f"<Name>{name}</Name>"] * 9 + [f'<Name Encoded="true">{name}</Name>']))
    rest = draw(st.sampled_from(["<OrMetadata />", "", "<Tags/>"]))
    return f"<Blob>{name}<Properties>{properties}</Properties>{told}{rest}</Blob>"


def page(blobs: str, marker: str = "<NextMarker />") -> str:
    head = '<?xml version="1.0" encoding="utf-8"?>'
    return f"{head}<EnumerationResults><Blobs>{blobs}</Blobs>{marker}</EnumerationResults>"


def blob(name: str = "a", metadata: str = "<laden_size>12</laden_size>") -> str:
    properties = "<Etag>0x8D</Etag><Content-Length>12</Content-Length>"
    return f"<Blob><Name>{name}</Name><Properties>{properties}</Properties><Metadata>{metadata}</Metadata></Blob>"


def said_by(body: bytes, prefix: str = "") -> tuple[list[Blob], str] | str:
    try:
        read = page_from_xml(body, prefix=prefix)
    except TransientStoreError as error:
        return str(error)
    return list(read.blobs), read.marker


def parsed(body: bytes, prefix: str = "") -> tuple[list[Blob], str] | str:
    """By the parser, whatever the page is."""
    with patch.object(answers, "plain_blobs", lambda *_: None):
        return said_by(body, prefix)


PAGES = st.tuples(st.lists(blobs(), min_size=1, max_size=5).map("".join), TEXTS).map(
    lambda made: page(made[0], f"<NextMarker>{escape(made[1])}</NextMarker>").encode()
)


@given(PAGES, st.sampled_from(["", "p/", "ä"]))
def test_both_ways_say_the_same(body: bytes, prefix: str) -> None:
    fast, slow = said_by(body, prefix), parsed(body, prefix)
    assert fast == slow


@given(PAGES, st.data())
def test_both_ways_say_the_same_of_a_page_that_was_garbled(body: bytes, data: st.DataObject) -> None:
    at, until = sorted(data.draw(st.lists(st.integers(0, len(body)), min_size=2, max_size=2)))
    other = data.draw(
        st.one_of(
            st.binary(max_size=3),
            st.sampled_from(
                [b"<Blobs>", b"</Blobs>", b"<Blob>", b"</Blob>", b"<!--", b"<x>", b"&amp;", b"]]>", b"\xff", b"\r"]
            ),
            st.just(body[at:until]),
        )
    )
    garbled = body[:at] + other + body[data.draw(st.sampled_from([at, until])) :]
    assert said_by(garbled) == parsed(garbled)


@pytest.fixture(scope="module")
def relations() -> Iterator[Relations]:
    with Relations() as relations:
        relations.run("CREATE TABLE seen AS FROM blobs")
        yield relations


@given(body=PAGES)
def test_the_relation_holds_the_same(relations: Relations, body: bytes) -> None:
    plain = plain_blobs(body, "")
    if plain is None:
        return
    relations.run("DELETE FROM blobs; DELETE FROM seen")
    feed(relations, plain[0])
    relations.run("INSERT INTO seen FROM blobs; DELETE FROM blobs")
    feed(relations, list(plain[0]))
    assert relations.one("SELECT count(*) FROM blobs") == (len(plain[0]),)
    for one, other in (("seen", "blobs"), ("blobs", "seen")):
        assert not list(relations.stream(f"FROM {one} EXCEPT ALL FROM {other}"))


def many(count: int) -> str:
    """Blobs of three shapes, in turns, as a container that several tools write to has them."""
    kinds = ("<laden_size>12</laden_size>", "", "<a>1</a><laden_source>0.zip:x</laden_source>")
    return "".join(blob(f"p/{number}", kinds[number % 3]) for number in range(count))


def test_a_page_of_several_shapes_is_plain() -> None:
    body = page(many(300)).encode()
    plain = plain_blobs(body, "p/")
    assert plain is not None
    assert (list(plain[0]), "") == parsed(body, "p/")
    assert plain[0].names() == [str(number) for number in range(300)]
    assert list(plain[0][7:9]) == list(plain[0])[7:9]


def test_a_page_of_very_many_shapes_is_left_to_the_parser() -> None:
    body = page("".join(blob("a", f"<m{number}>1</m{number}>") for number in range(40))).encode()
    assert plain_blobs(body, "") is None
    assert said_by(body) == parsed(body)


@pytest.mark.parametrize("at", [0, 1, 150, 299])
@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("</Etag>", "</Etax>"),
        ("<Etag>", "<Etag><"),
        ("</Name>", "</Name> "),
        ("0x8D", "0x<8D"),
        ("</Blob>", "</Blob>x"),
    ],
)
def test_one_blob_that_is_otherwise_is_noticed(at: int, good: str, bad: str) -> None:
    pieces = many(300).split("<Blob>")
    pieces[at + 1] = pieces[at + 1].replace(good, bad)
    body = page("<Blob>".join(pieces)).encode()
    assert plain_blobs(body, "p/") is None
    assert said_by(body) == parsed(body)


@pytest.mark.parametrize(
    "text",
    [
        page(blob())[:-1],
        page(blob()).replace("</Blob>", ""),
        page(blob() + "<!-- a comment -->"),
        page("<!-- <Blobs>" + blob() + "</Blobs> -->"),
        page("<Blobs>" + blob() + "</Blobs>"),
        page(blob()).replace("<Blobs>", "<x><Blobs>").replace("</Blobs>", "</Blobs></x>"),
        page(blob()).replace("<Blobs>", "<?x <Blobs>").replace("</Blobs>", "</Blobs>?><Blobs />"),
        page(blob()) + page(blob()),
        page(blob().replace("12</Content", "<b>12</b></Content")),
        page(blob().replace("<Name>", '<Name Encoded="true">')),
        page(blob().replace(">a<", "><![CDATA[a]]><")),
        page(blob().replace(">a<", ">a&amp;b<")),
        page(blob().replace(">a<", ">a]]>b<")),
        page(blob().replace(">a<", "><")),
        page("<BlobPrefix><Name>p/</Name></BlobPrefix>" + blob()),
        page(blob()).replace("<Enum", "<!DOCTYPE x><Enum"),
        page(blob().replace("</Etag>", "</Etag ><x>")),
        page(blob().replace(">a<", ">a\x01b<")),
        page(blob().replace(">a<", ">a\ufffeb<")),
        page(blob().replace(">a<", ">a\r\nb<")),
        page(blob(metadata="<0>1</0>")),
        page(""),
    ],
)
def test_what_is_not_plain_is_left_to_the_parser(text: str) -> None:
    body = text.encode()
    plain = plain_blobs(body, "")
    assert said_by(body) == parsed(body)
    assert plain is None or not isinstance(said_by(body), Page)


def test_names_that_do_not_begin_with_the_prefix_are_left_to_the_parser() -> None:
    assert plain_blobs(page(blob("q/a") + blob("p/b")).encode(), "p/") is None


def test_a_blob_that_is_called_as_the_prefix_has_no_name_below_it_either_way() -> None:
    """As tools leave it to say that there is the prefix."""
    body = page(blob("p/") + blob("p/a")).encode()
    assert [one.name for one in page_from_xml(body, prefix="p/").blobs] == ["a"]
    assert [one.blob.name for one in details_from_xml(body, 2).details] == ["a"]
    assert [one.name for one in page_from_xml(body).blobs] == ["p/", "p/a"]


def test_folders_of_hierarchical_accounts_are_no_blobs_either_way() -> None:
    folder = blob().replace("<Etag>", "<ResourceType>directory</ResourceType><Etag>")
    marked = blob(metadata="<hdi_isfolder>true</hdi_isfolder>")
    file = blob("b").replace("<Etag>", "<ResourceType>file</ResourceType><Etag>")
    read = page_from_xml(page(folder + marked + file).encode()).blobs
    assert isinstance(read, PlainBlobs)
    assert [one.name for one in read] == ["b"]


def test_a_blob_without_length_is_refused_either_way() -> None:
    bad = blob().replace("Content-Length", "Length")
    for text in (page(bad), page(bad + "<!-- -->")):
        with pytest.raises(TransientStoreError, match="length"):
            page_from_xml(text.encode())
