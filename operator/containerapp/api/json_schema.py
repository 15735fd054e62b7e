"""A kind's JSON Schema, by which editors complete and check manifests. Pure.

Made from the structural schema of the definition, so that an editor says what the API server says, but for the rules
that only CEL can express: their messages stand in the descriptions.
"""

from __future__ import annotations

from typing import Any

from containerapp.api.crd import Definition, Schema, openapi_schema
from containerapp.api.schema import GROUP, VERSION
from containerapp.api.schema.rules import VALIDATIONS

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(definition: Definition) -> Schema:
    """Return the JSON Schema of a whole manifest."""
    schema = openapi_schema(definition)
    spec = _closed(schema["properties"]["spec"])
    return {
        "$schema": _DIALECT,
        "title": f"{definition.kind} {GROUP}/{VERSION}",
        "description": schema.get("description", ""),
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": f"{GROUP}/{VERSION}"},
            "kind": {"const": definition.kind},
            "metadata": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string", "maxLength": 63}},
            },
            "spec": spec,
            "status": {"type": "object"},
        },
        "additionalProperties": False,
    }


def _closed(schema: Schema) -> Schema:
    """Return a structural schema in JSON Schema's own words: nothing but what it names is allowed."""
    kept: dict[str, Any] = {
        key: value for key, value in schema.items() if not key.startswith("x-kubernetes-")
    }
    if "x-kubernetes-int-or-string" in schema:
        kept["type"] = ["integer", "string"]
    if rules := schema.get(VALIDATIONS):
        kept["description"] = " ".join(
            [schema.get("description", ""), *(rule["message"] + "." for rule in rules)]
        )
    if "properties" in schema:
        kept["properties"] = {name: _closed(part) for name, part in schema["properties"].items()}
        kept["additionalProperties"] = False
    if "items" in schema:
        kept["items"] = _closed(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        kept["additionalProperties"] = _closed(schema["additionalProperties"])
    return kept
