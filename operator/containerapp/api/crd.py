"""The models of the API as a CustomResourceDefinition: a structural schema with defaults and CEL rules.

`containerapp crd` prints it, and `crds/` and the chart carry copies that a test compares. Deterministic:
the same models give the same bytes. It must never say anything about a field that the models do not say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from containerapp.api.schema import GROUP, VERSION
from containerapp.api.schema.rules import VALIDATIONS, ApiModel

_HEADER = "# Made by `containerapp crd` from the models in operator/containerapp/api: edit those instead.\n"
_PAGE = """# {kind} reference

Every field of `{version}`, made from the models in `operator/containerapp/api`.
`kubectl explain {kind_lower}.spec --recursive` shows the same on the command line.
"""
_KEPT = (
    "type",
    "enum",
    "format",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "maxProperties",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-preserve-unknown-fields",
    VALIDATIONS,
)
Schema = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of `kubectl get`; with priority 1 it is shown by `-o wide` alone."""

    name: str
    type: str
    path: str
    description: str
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A custom kind as its CustomResourceDefinition describes it. `scale` is the path of the replicas, if it scales."""

    kind: str
    plural: str
    short_name: str
    model: type[ApiModel]
    columns: tuple[Column, ...] = ()
    scale: str = ""

    @property
    def name(self) -> str:
        """Name of the CustomResourceDefinition."""
        return f"{self.plural}.{GROUP}"


def custom_resource_definition(definition: Definition) -> Schema:
    """The CustomResourceDefinition as plain JSON."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": definition.name},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": definition.kind,
                "listKind": f"{definition.kind}List",
                "plural": definition.plural,
                "singular": definition.kind.lower(),
                "shortNames": [definition.short_name],
                "categories": ["all"],
            },
            "scope": "Namespaced",
            "versions": [_version(definition)],
        },
    }


def render_yaml(definition: Definition) -> str:
    """The text of a file below `crds/`."""
    return _HEADER + to_yaml(custom_resource_definition(definition))


def to_yaml(obj: Any) -> str:
    """An object as YAML in the order it was written, with no anchors and lines of bearable length."""
    unshared = json.loads(json.dumps(obj))
    return yaml.safe_dump(unshared, sort_keys=False, width=110, allow_unicode=True)


def openapi_schema(definition: Definition) -> Schema:
    """The structural schema of a kind: everything inlined, nothing nullable, open only where said so."""
    models = definition.model.model_json_schema(by_alias=True)
    schema = _structural(models, models["$defs"])
    standard = _standard(definition.kind)
    properties = {name: standard.get(name, part) for name, part in schema["properties"].items()}
    return schema | {"properties": properties, "required": ["spec"]}


def reference_page(definition: Definition) -> str:
    """The text of a page below `docs/reference`: every object of the kind, its fields and its rules."""
    schema = openapi_schema(definition)
    parts = {name: schema["properties"][name] for name in ("spec", "status")}
    sections = [section for name, part in parts.items() for section in _sections(name, part)]
    page = _PAGE.format(
        kind=definition.kind, kind_lower=definition.kind.lower(), version=f"{GROUP}/{VERSION}"
    )
    return "\n".join([page, *sections])


def _standard(kind: str) -> Schema:
    """What every object has, in the words of the API conventions."""
    return {
        "apiVersion": {
            "type": "string",
            "description": f"Version of the schema that this object is written in: {GROUP}/{VERSION}.",
        },
        "kind": {"type": "string", "description": f"Kind of this object: {kind}."},
        "metadata": {"type": "object", "properties": {"name": {"type": "string"}}},
    }


def _sections(path: str, schema: Schema) -> Iterator[str]:
    """The section of an object, then those of the objects below it."""
    if "items" in schema:
        yield from _sections(f"{path}[]", schema["items"])
    if "properties" not in schema:
        return
    required = schema.get("required", [])
    rows = [
        _row(name, part, default="required" if name in required else _default(part))
        for name, part in schema["properties"].items()
    ]
    rules = [f"- {message}" for message in _messages(schema)]
    table = ["| Field | Type | Default | Meaning |", "|---|---|---|---|", *rows]
    held = ["", "What `kubectl apply` refuses:", "", *rules] if rules else []
    yield "\n".join([f"## `{path}`", "", schema["description"], "", *table, *held, ""])
    for name, part in schema["properties"].items():
        yield from _sections(f"{path}.{name}", part)


def _messages(schema: Schema) -> list[str]:
    """What the rules of an object say, and those of its fields that have no section of their own."""
    fields = [
        leaf
        for part in schema["properties"].values()
        for leaf in (part, part.get("items", {}), part.get("additionalProperties", {}))
        if "properties" not in leaf
    ]
    rules = [rule for part in (schema, *fields) for rule in part.get(VALIDATIONS, [])]
    return list(dict.fromkeys(rule["message"] for rule in rules))


def _default(schema: Schema) -> str:
    """A field's default; that of an object stands with its own fields."""
    return f"`{json.dumps(schema['default'])}`" if "default" in schema and "properties" not in schema else ""


def _row(name: str, schema: Schema, *, default: str) -> str:
    cells = (f"`{name}`", type_of(schema), default, schema["description"])
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def type_of(schema: Schema) -> str:
    """A field's type and bounds in a few words."""
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "x-kubernetes-int-or-string" in schema:
        return "integer or string"
    if "items" in schema:
        return f"list of {type_of(schema['items'])}"
    if "additionalProperties" in schema:
        return f"map of {type_of(schema['additionalProperties'])}"
    if "maximum" in schema:
        return f"{schema['type']}, {schema['minimum']} to {schema['maximum']}"
    return str(schema["type"])


def _version(definition: Definition) -> Schema:
    scale = {
        "specReplicasPath": definition.scale,
        "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    }
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [_column(column) for column in definition.columns],
        "subresources": {"status": {}, **({"scale": scale} if definition.scale else {})},
        "schema": {"openAPIV3Schema": openapi_schema(definition)},
    }


def _column(column: Column) -> Schema:
    written: Schema = {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.path,
        "description": column.description,
    }
    return written | ({"priority": column.priority} if column.priority else {})


def _structural(schema: Schema, definitions: Schema) -> Schema:
    """One model's or field's JSON schema without references, alternatives and titles."""
    flat = _flattened(schema, definitions)
    written: Schema = {"description": _prose(flat["description"])} if "description" in flat else {}
    written |= {key: flat[key] for key in _KEPT if key in flat}
    if "const" in flat:
        written["enum"] = [flat["const"]]
    default = _without_empties(flat.get("default"))
    if not _is_empty(default):
        written["default"] = default
    if "properties" in flat:
        parts = flat["properties"].items()
        written["properties"] = {name: _structural(part, definitions) for name, part in parts}
        if "required" in flat:
            written["required"] = flat["required"]
    if "items" in flat:
        written["items"] = _without_defaults(_structural(flat["items"], definitions))
        written.setdefault("x-kubernetes-list-type", "atomic")
    if isinstance(flat.get("additionalProperties"), dict):
        written["additionalProperties"] = _structural(flat["additionalProperties"], definitions)
    return written


def _without_defaults(schema: Schema) -> Schema:
    """The schema of a list's items, which the API server leaves as they were written.

    `kubectl apply` and GitOps tools compare the lists of a custom resource as wholes: an item with a default
    filled in differs from the manifest for ever (docs/decisions/0008-no-defaults-in-lists.md).
    """
    bare = {key: part for key, part in schema.items() if key != "default"}
    if "properties" in schema:
        bare["properties"] = {name: _without_defaults(part) for name, part in schema["properties"].items()}
    return bare


def _flattened(schema: Schema, definitions: Schema) -> Schema:
    """The schema with what it refers to merged in: its own words win, its rules are added."""
    if "anyOf" in schema:  # an optional field: the schema itself, or null, which the API server drops
        value = next(part for part in schema["anyOf"] if part.get("type") != "null")
        return _merged(_flattened(value, definitions), {k: v for k, v in schema.items() if k != "anyOf"})
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        return _merged(target, {k: v for k, v in schema.items() if k != "$ref"})
    return schema


def _merged(base: Schema, over: Schema) -> Schema:
    rules = [*base.get(VALIDATIONS, []), *over.get(VALIDATIONS, [])]
    return base | over | ({VALIDATIONS: rules} if rules else {})


def _without_empties(default: Any) -> Any:
    """An object's default with nothing in it that means the same as its absence."""
    if isinstance(default, list):
        return [_without_empties(item) for item in default]
    if not isinstance(default, dict):
        return default
    parts = {name: _without_empties(part) for name, part in default.items()}
    return {name: part for name, part in parts.items() if not _is_empty(part)}


def _is_empty(default: Any) -> bool:
    return default is None or default in ([], {}, "")


def _prose(text: str) -> str:
    """A docstring as running text."""
    return " ".join(text.split())
