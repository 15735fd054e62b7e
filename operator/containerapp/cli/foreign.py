"""What others have written: JSON and YAML, and CloudFormation's; a text that is neither ends with line and column."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from containerapp.cli.exits import Failure
from containerapp.cli.reading import Loader, malformed
from containerapp.importers import placeholders


def values_of(file: str, text: str, values: Mapping[str, str]) -> list[Any]:
    """Return the documents of a file, its placeholders filled in. `Failure` names line and column.

    A placeholder may stand without quotes. A value takes its place once the text is read, so that it may have quotes
    and stays a text; where it is a list or a map, or the text cannot be read without it, it is put into the text.
    """
    pieces = {name: value for name, value in values.items() if value.lstrip().startswith(("[", "{"))}
    try:
        read = _read(file, placeholders.fill_text(text, pieces))
    except Failure:
        read = _read(file, placeholders.fill_text(text, values))
    return [placeholders.fill(value, values) for value in read]


def _read(file: str, text: str) -> list[Any]:
    if text.lstrip(" \t\r\n\ufeff").startswith(("{", "[", "#")) and '"' in text:
        return _json(file, text)
    return _yaml(file, text)


def _json(file: str, text: str) -> list[Any]:
    """Read JSON; what is none may still be YAML, which has comments and commas at the end."""
    plain = placeholders.quoted(text)
    try:
        return [json.loads(plain)]
    except json.JSONDecodeError as error:
        try:
            return _yaml(file, plain.replace("\t", " "))
        except Failure:
            if plain.lstrip().startswith("#"):
                raise
            place = f"{file}:{error.lineno}:{error.colno}"
            raise Failure(
                f"{place}: this is no JSON: {error.msg}. Check the commas and the quotes there."
            ) from None
    except RecursionError:
        raise Failure(f"{file} is nested too deeply.") from None


def _yaml(file: str, text: str) -> list[Any]:
    try:
        return [value for value in yaml.load_all(text, Loader=_Loader) if value is not None]
    except yaml.MarkedYAMLError as error:
        raise Failure(malformed(file, error)) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Failure(f"{file} is no YAML: {str(error).splitlines()[0]}.") from None


class _Loader(Loader):
    """Reads CloudFormation's short forms as the long ones: `!Ref X` is `{Ref: X}`."""


def _intrinsic(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.MappingNode):
        value: Any = loader.construct_mapping(node, deep=True)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.ScalarNode)  # noqa: S101 - there is no fourth kind
        value = loader.construct_scalar(node)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _intrinsic)
