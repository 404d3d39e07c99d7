"""Holds request bodies against Microsoft's published schemas, and counts.

The schemas describe resources in templates: the body, plus `name`, `type` and `apiVersion`. They are looked for in
the folder that RESOURCE_MANAGER_SCHEMAS names, then in `../shared/schemas` beside the repository, then as the frozen
extract in `schemas/` here (see `freeze`). Draft 4, as each of them says itself; in one point read as it is meant
(see `kinds`).

What has no schema (actions such as checkNameAvailability, providers whose schema is not there) is counted apart:
it passes here, and its route has to look at it.
"""

import json
import os
import re
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4

from tests.support.management.kinds import read_by_kind

FROZEN = Path(__file__).with_name("schemas")
REPOSITORY = Path(__file__).parents[3]
COMMON = "common.definitions.json"

tally: Counter[str] = Counter()
"""Of the whole run: `judged`, `rejected`, `without schema`."""

_RESOURCE = re.compile(r".*/providers/(?P<namespace>[^/]+)/(?P<rest>.+)", re.IGNORECASE)


def full_schemas() -> Path | None:
    """The folder of whole schemas, where there is one."""
    named = os.environ.get("RESOURCE_MANAGER_SCHEMAS")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "schemas"
    return folder if (folder / COMMON).is_file() else None


class Judge:
    """Says what Microsoft's schema has against a request."""

    def __init__(self, folder: Path | None = None, counts: Counter[str] = tally) -> None:
        self.folder = folder or full_schemas() or FROZEN
        self._counts = counts

    def resource(self, path: str, api_version: str, body: Any) -> list[str]:
        """What is wrong with the body of a PUT to a resource; nothing if it is well formed.

        Args:
            path: of the URL; the last `/providers/` in it names the resource's type.
            api_version: of the query.
            body: parsed JSON.
        """
        match = _RESOURCE.fullmatch(path)
        segments = match["rest"].strip("/").split("/") if match else []
        if not match or len(segments) % 2:
            return [f"{path} is not a resource"]
        types, name = segments[::2], segments[-1]
        resource_type = "/".join([match["namespace"], *types])
        return self.template({**(body or {}), "name": name, "type": resource_type, "apiVersion": api_version})

    def template(self, resource: dict[str, Any]) -> list[str]:
        """What is wrong with a resource as templates hold it, with `name`, `type` and `apiVersion`."""
        namespace, _, types = resource["type"].partition("/")
        validator = _validator(self.folder, namespace, resource["apiVersion"], types.replace("/", "_"))
        if validator is None:
            self._counts["without schema"] += 1
            return []
        self._counts["judged"] += 1
        wrong = [
            f"{'/'.join(map(str, error.absolute_path)) or 'body'}: {error.message[:300]}"
            for error in validator.iter_errors(resource)
        ]
        self._counts["rejected"] += bool(wrong)
        return wrong


@lru_cache(64)
def _validator(folder: Path, namespace: str, api_version: str, definition: str) -> Draft4Validator | None:
    path = folder / f"{namespace}.{api_version}.json"
    if not path.is_file():
        return None
    schema = read_by_kind(json.loads(path.read_text("utf-8")))
    common = json.loads((folder / COMMON).read_text("utf-8"))
    if definition not in schema["resourceDefinitions"]:
        return None
    registry: Registry[Any] = Registry().with_resources(
        [(document["id"].rstrip("#"), DRAFT4.create_resource(document)) for document in (schema, common)]
    )
    reference = f"{schema['id'].rstrip('#')}#/resourceDefinitions/{definition}"
    return Draft4Validator({"$ref": reference}, registry=registry)
