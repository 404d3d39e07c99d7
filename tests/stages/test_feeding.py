"""A listing comes into the database while it is still read: whole, or with the error that ended it."""

from collections.abc import Iterator

import pytest

from laden.relations import Relations
from laden.stages.feeding import Feeding
from laden.stages.metadata import feed
from laden.store.pages import PlainBlobs, plain_blobs
from laden.values.records import Blob

PAGE = "<?xml version='1.0'?><EnumerationResults><Blobs>{}</Blobs><NextMarker /></EnumerationResults>"


@pytest.fixture
def relations() -> Iterator[Relations]:
    with Relations() as opened:
        yield opened


def page(first: int, count: int = 50, metadata: str = "<laden_size>7</laden_size>") -> PlainBlobs:
    """So many blobs, as a page of a listing has them."""
    found = plain_blobs(PAGE.format("".join(listed(n, metadata) for n in range(first, first + count))).encode(), "")
    assert found is not None
    return found[0]


def listed(number: int, metadata: str) -> str:
    properties = f"<Content-Length>{number}</Content-Length><Etag>0x{number}</Etag>"
    return (
        f"<Blob><Name>{number:06}.png</Name><Properties>{properties}</Properties><Metadata>{metadata}</Metadata></Blob>"
    )


def test_pages_of_all_kinds_come_in_as_each_alone_would(relations: Relations) -> None:
    origin = "<laden_origin>https://example.org/a.zip</laden_origin>"
    pages = [page(n * 50, metadata=origin if n == 3 else "<a>1</a>") for n in range(12)]
    # What a parser had to read, and a page without blobs.
    mixed = [*pages, list(page(900)), page(0)[:0], page(1_000)]
    for one in mixed:
        feed(relations, one)
    relations.run("CREATE TABLE seen AS FROM blobs; CREATE TABLE came AS FROM origins")
    relations.clear("blobs", "origins")
    with Feeding(relations) as feeding:
        for one in mixed:
            feeding.put(one)
    assert relations.one("SELECT count(*), count(DISTINCT name) FROM blobs") == (700, 700)
    for one, other in (("seen", "blobs"), ("blobs", "seen"), ("came", "origins"), ("origins", "came")):
        assert not list(relations.stream(f"FROM {one} EXCEPT ALL FROM {other}"))


def test_what_the_database_refuses_is_raised_by_who_brings_pages(relations: Relations) -> None:
    """None waits for a page to be taken that nobody takes any more."""
    relations.run("DROP TABLE blobs")
    brought = []

    def bring() -> None:
        with Feeding(relations) as feeding:
            for number in range(20):
                feeding.put(page(number * 50))
                brought.append(number)

    with pytest.raises(Relations.Error, match="blobs"):
        bring()
    assert len(brought) < 3


def test_a_page_that_cannot_be_read_is_raised_at_the_end(relations: Relations, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: PlainBlobs) -> None:
        raise ValueError("this page is broken")

    monkeypatch.setattr("laden.stages.feeding.columns", broken)
    with pytest.raises(ValueError, match="this page is broken"), Feeding(relations) as feeding:
        feeding.put(page(0))
    assert relations.one("SELECT count(*) FROM blobs") == (0,)


def test_an_error_of_the_listing_is_the_one_that_is_raised(relations: Relations) -> None:
    """What came before is in, and the relation can be used at once."""

    def bring() -> None:
        with Feeding(relations) as feeding:
            feeding.put(page(0))
            feeding.put([Blob("x", 1, None, "", {})])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bring()
    assert relations.one("SELECT count(*) FROM blobs") == (51,)
    relations.clear("blobs")
    assert relations.one("SELECT count(*) FROM blobs") == (0,)
