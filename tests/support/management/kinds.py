"""Reads Microsoft's schemas of bodies that come in kinds as they are meant, not as they were written down.

A body with kinds (a datastore, its credentials, a version of a data asset) is published as

    allOf: [{what all kinds have, additionalProperties: false}, {oneOf: [{allOf: [{$ref: a kind}, {its name, const}]}]}]

Taken literally this refuses every property that only one kind has, such as `accountName` of a blob datastore:
`additionalProperties` does not see through `allOf` (draft 4, 5.4.4). It refuses Microsoft's own examples, which
tests/azure/test_management.py shows. And draft 4 knows no `const`, so that kinds are not told apart.

So the closing is moved to where a kind is complete: what all kinds have and what this kind has, and nothing else.
`const` becomes an `enum` of one. Nothing is allowed that no kind has; nothing else is changed, and the files in
`schemas/` stay as Microsoft has them.
"""

import copy
from typing import Any

_LOCAL = "#/definitions/"


def read_by_kind(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with its definitions of kinds closed where each kind is complete."""
    definitions = schema.get("definitions", {})
    return {**schema, "definitions": {name: _closed(one, definitions) for name, one in definitions.items()}}


def _closed(definition: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    parts = definition.get("allOf", [])
    if len(parts) != 2 or parts[0].get("additionalProperties") is not False or "oneOf" not in parts[1]:
        return definition
    closed = copy.deepcopy(definition)
    common, kinds = closed["allOf"]
    del common["additionalProperties"]
    for kind in kinds["oneOf"]:
        reference, name = kind["allOf"]
        own = definitions[reference["$ref"].removeprefix(_LOCAL)]
        for value in name["properties"].values():
            value["enum"] = [value.pop("const")]
        names = [*common["properties"], *own.get("properties", {})]
        kind |= {"properties": {known: {} for known in names}, "additionalProperties": False}
    return closed
