"""What a deletion promises to bring back comes back, whatever it is called."""

import pytest

from tests.explorer.served import explored
from tests.support.softdelete import SoftDelete

SAS = "?sv=2023-11-03&sig=xxxxxxxxxxxxxxxx&se=2100-01-01&sp=rwdl&sr=c"
NAMES = ["a.bin", "b//c.bin", "d./e.bin", "f.bin", "g\\h.bin", "x\u0085y.bin"]
"""Some of them names that no load would give."""


@pytest.mark.parametrize("versions", [False, True])
def test_all_that_was_deleted_comes_back_whatever_it_is_called(versions: bool) -> None:
    with SoftDelete(versions) as service:
        for name in NAMES:
            service.put(name, name.encode())
        with explored(service.url + SAS, write=True) as asker:
            plan = asker.post("plan", action="delete", view=asker.post("view")["view"])
            assert plan["count"] == len(NAMES)
            assert "brought back" in plan["undo"]
            asker.job(asker.post("act", plan=plan["plan"], count=str(plan["count"]))["number"])
            asker.ready()
            gone = [one["name"] for one in asker.get("deleted")["deleted"]]
            assert sorted(gone) == sorted(NAMES)
            plan = asker.post("plan", action="undelete", names=gone)
            assert plan["count"] == len(NAMES)
            job = asker.job(asker.post("act", plan=plan["plan"], count=str(plan["count"]))["number"])
            assert job["message"] == f"{len(NAMES)} of {len(NAMES)} blobs are done"
            asker.ready()
            assert sorted(asker.names(asker.post("view"))) == sorted(NAMES)


def test_a_name_that_was_chosen_thrice_comes_back_once() -> None:
    with SoftDelete(versions=False) as service:
        service.put("a", b"x")
        with explored(service.url + SAS, write=True) as asker:
            plan = asker.post("plan", action="delete", names=["a", "a"])
            assert plan["count"] == 1
            asker.job(asker.post("act", plan=plan["plan"], count="1")["number"])
            asker.ready()
            plan = asker.post("plan", action="undelete", names=["a", "a", "", "a"])
            assert plan["sentence"].startswith("Bring back 1 blob in")
            job = asker.job(asker.post("act", plan=plan["plan"], count="1")["number"])
            assert job["message"] == "1 of 1 blob is done"
            assert "nothing was chosen" in asker.refused("POST", "plan", action="undelete", names=[""])[1]
