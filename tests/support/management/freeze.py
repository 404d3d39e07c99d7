"""Cuts the extract in `schemas/` out of the whole schemas: `python -m tests.support.management.freeze FOLDER`.

Kept are the resource definitions in `WANTED` and all that they refer to, byte for byte as Microsoft has them, but
for each resource's `resources`: children nested into a template, which no request carries and which would bring
the whole schema along.
"""

import json
import sys
from pathlib import Path
from typing import Any

WANTED = {
    "Microsoft.MachineLearningServices.2025-12-01": ("workspaces_data_versions", "workspaces_datastores"),
    "Microsoft.Storage.2026-04-01": ("storageAccounts", "storageAccounts_blobServices_containers"),
}
"""What the project sends."""

_LOCAL = "#/definitions/"


def extract(schema: dict[str, Any], wanted: tuple[str, ...]) -> dict[str, Any]:
    """The wanted resource definitions of a schema, and the definitions that they need."""
    resources = {name: _without_children(schema["resourceDefinitions"][name]) for name in wanted}
    needed: dict[str, Any] = {}
    queue = list(resources.values())
    while queue:
        for name in sorted(_references(queue.pop()) - needed.keys()):
            needed[name] = schema["definitions"][name]
            queue.append(needed[name])
    head = {key: schema[key] for key in ("id", "title", "description", "$schema")}
    return {**head, "resourceDefinitions": resources, "definitions": dict(sorted(needed.items()))}


def text(document: dict[str, Any]) -> str:
    """As the files hold it."""
    return json.dumps(document, indent=1) + "\n"


def _without_children(resource: dict[str, Any]) -> dict[str, Any]:
    properties = {name: value for name, value in resource["properties"].items() if name != "resources"}
    return {**resource, "properties": properties}


def _references(part: Any) -> set[str]:
    if isinstance(part, list):
        return set().union(*map(_references, part))
    if not isinstance(part, dict):
        return set()
    own = part.get("$ref")
    found = {own.removeprefix(_LOCAL)} if isinstance(own, str) and own.startswith(_LOCAL) else set()
    return found.union(*map(_references, part.values()))


def main(source: Path, target: Path) -> None:
    """Write the extract."""
    for name, wanted in WANTED.items():
        schema = json.loads((source / f"{name}.json").read_text("utf-8"))
        (target / f"{name}.json").write_text(text(extract(schema, wanted)), "utf-8")
    common = json.loads((source / "common.definitions.json").read_text("utf-8"))
    (target / "common.definitions.json").write_text(text(common), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).with_name("schemas"))
