"""A page read as text says what the parser says of it, or is left to the parser."""

from __future__ import annotations

from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laden.store import answers
from laden.store.answers import page_from_xml
from laden.store.pages import plain_page
from laden.values.errors import TransientStoreError
from laden.values.records import Blob

TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
PROPERTIES = st.permutations(
    [
        "<Etag>0x8D</Etag>",
        "<Content-Length>12</Content-Length>",
        "<Content-MD5>AAAAAAAAAAAAAAAAAAAAAA==</Content-MD5>",
        "<Content-Encoding />",
        "<Cache-Control></Cache-Control>",
    ]
)
BLOBS = st.tuples(TEXTS.filter(bool), PROPERTIES, st.dictionaries(st.sampled_from("abC_x"), TEXTS, max_size=3))


def page(blobs: str, marker: str = "<NextMarker />") -> str:
    head = '<?xml version="1.0" encoding="utf-8"?>'
    return f"{head}<EnumerationResults><Blobs>{blobs}</Blobs>{marker}</EnumerationResults>"


def blob(name: str, properties: list[str], metadata: dict[str, str]) -> str:
    pairs = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in metadata.items())
    told = f"<Metadata>{pairs}</Metadata>" if pairs else "<Metadata />"
    return f"<Blob><Name>{escape(name)}</Name><Properties>{''.join(properties)}</Properties>{told}<OrMetadata /></Blob>"


def parsed(text: str) -> list[Blob]:
    """By the parser, whatever the page is."""
    found = [answers.blob_from_element(one, 0) for one in answers.tree(text).iter("Blob")]
    return [one for one in found if one is not None]


@given(st.lists(BLOBS, max_size=4), TEXTS)
def test_both_ways_say_the_same(blobs: list[tuple[str, list[str], dict[str, str]]], marker: str) -> None:
    text = page("".join(blob(*one) for one in blobs), f"<NextMarker>{escape(marker)}</NextMarker>")
    read = page_from_xml(text.encode())
    assert read.blobs == parsed(text)
    assert read.marker == marker
    assert (plain_page(text) is None) == ("&" in text)


GOOD = blob("a", ["<Etag>0x8D</Etag>", "<Content-Length>12</Content-Length>"], {"laden_size": "12"})


@pytest.mark.parametrize(
    "text",
    [
        page(GOOD)[:-1],
        page(GOOD).replace("</Blob>", ""),
        page(GOOD + "<!-- a comment -->"),
        page(GOOD.replace("12</Content", "<b>12</b></Content")),
        page(GOOD.replace("<Name>", '<Name Encoded="true">')),
        page(GOOD.replace(">a<", "><![CDATA[a]]><")),
        page(GOOD.replace(">a<", ">a&amp;b<")),
        page("<BlobPrefix><Name>p/</Name></BlobPrefix>" + GOOD),
        page(GOOD).replace("<Enum", "<!DOCTYPE x><Enum"),
        page(GOOD.replace("</Etag>", "</Etag ><x>")),
        page(GOOD.replace(">a<", ">a\x01b<")),
    ],
)
def test_what_is_not_plain_is_left_to_the_parser(text: str) -> None:
    assert plain_page(text) is None


def test_folders_of_hierarchical_accounts_are_no_blobs_either_way() -> None:
    folder = GOOD.replace("<Etag>", "<ResourceType>directory</ResourceType><Etag>")
    marked = GOOD.replace("laden_size>12", "hdi_isfolder>true").replace("laden_size", "hdi_isfolder")
    assert page_from_xml(page(folder + marked).encode()).blobs == []
    assert plain_page(page(folder + marked)) is not None


def test_a_blob_without_length_is_refused_either_way() -> None:
    bad = GOOD.replace("Content-Length", "Length")
    for text in (page(bad), page(bad + "<!-- -->")):
        with pytest.raises(TransientStoreError, match="length"):
            page_from_xml(text.encode())
