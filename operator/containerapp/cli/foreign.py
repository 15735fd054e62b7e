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
    """Return the documents of a file; a placeholder may stand there without quotes. `Failure` names line and column."""
    filled = placeholders.fill_text(text, values)
    if filled.lstrip(" \t\r\n\ufeff").startswith(("{", "[", "#")) and '"' in filled:
        return _json(file, filled)
    return _yaml(file, filled)


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
