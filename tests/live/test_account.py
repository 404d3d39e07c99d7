"""What no emulator can show: real sign-in, a real account, a role that really replicates, a stranger's real answers."""

import os

from tests.support.harness import run


def test_from_nothing_to_a_container_that_is_ready(group: str, account_name: str) -> None:
    options = ("--resource-group", group, "--location", os.environ["LADEN_LIVE_LOCATION"], "--json")
    made = run("account", "create", account_name, *options, "--assign-role", timeout_s=900)
    assert made.code == 0, made.err
    facts = next(event["facts"] for event in made.events if event["event"] == "shown")
    assert (facts["sku"], facts["kind"], facts["minimum_tls"]) == ("Standard_LRS", "StorageV2", "TLS1_2")
    assert (facts["public_access_allowed"], facts["https_only"], facts["hierarchical"]) == (False, True, False)
    again = run("account", "create", account_name, *options)
    assert again.events[0]["state"] == "already there, left as it is"

    container = f"{facts['endpoint']}/padchest"
    created = run("container", "create", container, "--json")
    assert created.code == 0, created.out
    assert [event for event in created.events if event["event"] == "warning"] == []
    listed = run("container", "list", account_name, "--json")
    assert [event["facts"] for event in listed.events if event["event"] == "shown"] == [
        {"name": "padchest", "public": "nothing"}
    ]
    examined = run("doctor", container, "--json")
    assert examined.code == 0, examined.out
    outcomes = {event["check"]: event["outcome"] for event in examined.events if event["event"] == "checked"}
    assert outcomes["privacy"] == outcomes["delete"] == outcomes["clock"] == "pass"
