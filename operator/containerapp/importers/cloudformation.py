"""CloudFormation templates as plain trees: what an intrinsic function stands for, or a placeholder with its name.

`{Ref: Image}` is the parameter's default, else `${Image}`, which the user gives by `--set`. Nothing is asked of AWS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_VARIABLE = re.compile(r"\$\{([^{}!]+)\}")


def plain(tree: Any) -> Any:
    """Return a tree without intrinsic functions; parameters of the template have their defaults."""
    parameters = tree.get("Parameters") if isinstance(tree, dict) else None
    known = {
        name: each["Default"]
        for name, each in (parameters.items() if isinstance(parameters, dict) else ())
        if isinstance(each, dict) and "Default" in each
    }
    return _plain(tree, known)


def _plain(tree: Any, known: Mapping[str, Any]) -> Any:
    if isinstance(tree, list):
        return [inner for inner in (_plain(each, known) for each in tree) if inner is not None]
    if not isinstance(tree, dict):
        return tree
    if len(tree) == 1:
        ((name, value),) = tree.items()
        if name == "Ref" and isinstance(value, str):
            return None if value == "AWS::NoValue" else known.get(value, f"${{{value}}}")
        if isinstance(name, str) and name.startswith("Fn::"):
            return _call(name.removeprefix("Fn::"), _plain(value, known), known)
    return {key: _plain(value, known) for key, value in tree.items()}


def _call(function: str, value: Any, known: Mapping[str, Any]) -> Any:
    """Return what a function gives, as far as the template says it."""
    match function, value:
        case "Sub", str():
            return _substituted(value, known)
        case "Sub", [str(text), dict(names)]:
            return _substituted(text, {**known, **names})
        case "Join", [str(between), [*parts]] if all(isinstance(part, str | int | float) for part in parts):
            return between.join(map(str, parts))
        case "If", [_, first, *_]:  # AWS::NoValue has left the list
            return first
        case "Select", [index, [*parts]] if str(index).isdigit() and int(index) < len(parts):
            return parts[int(index)]
        case (("GetAtt" | "ImportValue"), _):
            return f"${{{_words(value)}}}"
        case _:
            return f"${{{function} {_words(value)}}}"


def _substituted(text: str, known: Mapping[str, Any]) -> str:
    return _VARIABLE.sub(lambda found: str(known.get(found[1].strip(), found[0])), text)


def _words(value: Any) -> str:
    """Return the arguments as part of a placeholder's name."""
    parts = value if isinstance(value, list) else [value]
    return ".".join(re.sub(r"[${}]", "", str(part)) for part in parts)
