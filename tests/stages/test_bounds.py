"""What is asked of many names spills: memory is a matter of the machine, not of how much is there.

The limits are scaled down with the numbers: 100,000 names in 16 MB are 1.6 million in the least that laden takes.
`python -m bench.bounds` does the same for three million, and measures the whole process.
"""

import pytest

from bench import bounds, plan_scale
from laden.relations import Relations
from laden.report import gather
from laden.stages.consistency import contradictions
from laden.stages.manifest import collect
from laden.stages.plan import Plan


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("laden.values.memory._LEAST_ASKED_MB", 1)

    def limit(memory: str) -> None:
        monkeypatch.setenv("LADEN_MEMORY", memory)

    return limit


def test_blobs_of_others_may_be_any_number(limited) -> None:
    limited("16M")
    assert bounds.bound("foreign", 100_000).blobs == 100_000


def test_blobs_of_an_interrupted_load_may_be_any_number(limited) -> None:
    """A container without a manifest, all of whose images laden put there: the listing is all that is known."""
    count = 250_000
    limited("56M")
    with Relations() as relations:
        plan_scale.feed_rows(relations, count)
        plan_scale.feed_entries(relations, count)
        plan_scale.feed_blobs(relations, count, every=True)
        plan = Plan(relations, send_strays=False, replace=False, documents=())
        assert list(plan.items()) == list(plan.findings((), ())) == []
        collect(relations)
        assert relations.one("SELECT count(*), count(DISTINCT kind), min(state) FROM loaded") == (count, 1, "whole")
        assert list(contradictions(relations, "loaded", 16)) == []
        gather.show_plan(relations)
        told = gather.sizes(relations)
    assert told is not None
    assert (told.different, sum(one.number for one in told.bytes)) == (1, count)


@pytest.mark.parametrize("every", [None, 10])
def test_images_to_be_sent_may_be_any_number(limited, monkeypatch: pytest.MonkeyPatch, every: int | None) -> None:
    """Of a first load all, of an interrupted one a tenth; they come in their order, a part at a time."""
    count = 200_000
    limited("32M")
    monkeypatch.setattr("laden.stages.plan._IDS_AT_ONCE", 10_000)
    with Relations() as relations:
        plan_scale.feed_rows(relations, count)
        plan_scale.feed_entries(relations, count)
        if every:
            plan_scale.feed_blobs(relations, count)
        plan = Plan(relations, send_strays=False, replace=False, documents=())
        places = [item.entry.offset_bytes for item in plan.items()]
    assert len(places) == count // (every or 1)
    assert places == sorted(places)
