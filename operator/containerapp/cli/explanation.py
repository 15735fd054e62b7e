"""A field's explanation from its schema, in the form of `kubectl explain`."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator

from containerapp.api.crd import Definition, Schema, openapi_schema, type_of
from containerapp.api.schema import GROUP, VERSION
from containerapp.api.schema.rules import VALIDATIONS
from containerapp.cli.exits import Failure

_WIDTH = 100
_LONGEST_PATTERN = 200
"""Characters. A longer one tells nobody anything: the field's rule says it in words."""


def explanation(definition: Definition, field: str, *, recursive: bool) -> str:
    """Return the text about a field; about the object itself where `field` is empty."""
    path, schema = _find(definition, field)
    lines = [f"KIND:     {definition.kind}", f"VERSION:  {GROUP}/{VERSION}"]
    if path:
        lines += ["", f"FIELD:    {'.'.join(path)} <{type_of(schema)}>"]
    lines += ["", *_wrapped(schema.get("description", f"A {definition.kind}."))]
    lines += _facts(schema)
    inner = _fields(schema)
    if inner:
        lines += ["", "FIELDS:"]
        lines += list(_tree(inner, "  ")) if recursive else list(_described(inner))
    return "\n".join(lines)


def _find(definition: Definition, field: str) -> tuple[list[str], Schema]:
    """Follow the path; a path that begins with no field of the object is one of the spec."""
    root = openapi_schema(definition)
    steps = [step for step in field.strip(".").replace("[]", "").split(".") if step]
    if steps and steps[0].lower() in {definition.kind.lower(), definition.plural, definition.short_name}:
        steps = steps[1:]
    if steps and steps[0] not in root["properties"]:
        steps = ["spec", *steps]
    schema = root
    for number, step in enumerate(steps):
        inner = _fields(schema)
        if step not in inner:
            parent = ".".join(steps[:number]) or definition.kind
            known = ", ".join(inner) or "none: it has no fields"
            raise Failure(f"{parent} has no field {step!r}. Its fields: {known}.")
        schema = inner[step]
    return steps, schema


def _fields(schema: Schema) -> Schema:
    """Return the fields of an object, of a list's items, or of a map's values."""
    for inner in ("items", "additionalProperties"):
        if isinstance(schema.get(inner), dict):
            return _fields(schema[inner])
    found: Schema = schema.get("properties", {})
    return found


def _facts(schema: Schema) -> list[str]:
    """What is peculiar to the field: its default, its bounds, its rules."""
    facts: list[str] = []
    if "default" in schema and "properties" not in schema:
        facts.append(f"Default: {json.dumps(schema['default'])}")
    if len(pattern := schema.get("pattern", "")) in range(1, _LONGEST_PATTERN + 1):
        facts.append(f"Pattern: {pattern}")
    for key, said in (
        ("maxLength", "At most this many characters"),
        ("maxItems", "At most this many items"),
    ):
        if key in schema:
            facts.append(f"{said}: {schema[key]}")
    rules = [f"- {rule['message']}" for rule in schema.get(VALIDATIONS, [])]
    return (["", *facts] if facts else []) + (["", "RULES:", *_lines(rules)] if rules else [])


def _lines(texts: list[str]) -> Iterator[str]:
    for text in texts:
        yield from textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="    ")


def _described(fields: Schema) -> Iterator[str]:
    for name, schema in fields.items():
        yield f"  {name} <{type_of(schema)}>"
        yield from _wrapped(schema.get("description", ""), "    ")
        yield ""


def _tree(fields: Schema, indent: str) -> Iterator[str]:
    for name, schema in fields.items():
        yield f"{indent}{name} <{type_of(schema)}>"
        yield from _tree(_fields(schema), indent + "  ")


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent)
