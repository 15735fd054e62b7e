"""YAML as the tools that are imported from read it: `on`, `yes` and `22:22` are texts, and a tag is kept.

Docker Compose and AWS Copilot read YAML 1.2. A text that is no YAML is refused with its line and column, and so is one
that has a key twice, or whose anchors make more of it than a person would write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from containerapp.importers.source import Refusal

MOST_NODES = 100_000


@dataclass(frozen=True, slots=True)
class Tagged:
    """A value with a tag of its own, such as `!reset` of Compose or `!GetAtt` of CloudFormation."""

    tag: str
    value: Any


def load(text: str, file: str, *, literal: bool = False) -> Any:
    """Return the one document of a file's text; None where it is empty. `Refusal` where it is no YAML.

    With `literal` numbers and booleans are texts, as they are written: Copilot reads them so where it wants texts.
    """
    try:
        return _constructed(text, file, _Literal if literal else _Loader)
    except yaml.MarkedYAMLError as error:
        raise Refusal(_malformed(file, error)) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Refusal(f"{file} is no YAML: {str(error).splitlines()[0]}.") from None


def _constructed(text: str, file: str, reader: type[yaml.SafeLoader]) -> Any:
    loader = reader(text)
    node = loader.get_single_node()
    if node is None:
        return None
    if _size(node, {}) > MOST_NODES:
        raise Refusal(f"{file}: its anchors make more than {MOST_NODES} values of it: write fewer of them")
    _refuse_twice(node, file, set())
    return loader.construct_document(node)


def _malformed(file: str, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
    return f"{file}{place}: this is no YAML: {error.problem}. Check the indentation and the quotes there."


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Return how many nodes there are when every alias is written out; an alias within itself is endless."""
    if id(node) not in known:
        known[id(node)] = MOST_NODES + 1
        known[id(node)] = 1 + sum(_size(child, known) for child in _children(node))
    return known[id(node)]


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _refuse_twice(node: yaml.Node, file: str, seen: set[int]) -> None:
    """Refuse a map that has a key twice, of which one would be dropped; Compose and Copilot do so, too."""
    if id(node) in seen:
        return
    seen.add(id(node))
    known: set[str] = set()
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
            if key.value in known:
                place = f"{file}:{key.start_mark.line + 1}:{key.start_mark.column + 1}"
                raise Refusal(f"{place}: {key.value} is given twice: remove one of them")
            known.add(key.value)
    for child in _children(node):
        _refuse_twice(child, file, seen)


class _Loader(yaml.SafeLoader):
    """A reader of YAML 1.2's scalars, with `<<`."""


def _tagged(loader: yaml.SafeLoader, _suffix: str, node: yaml.Node) -> Tagged:
    match node:
        case yaml.MappingNode():
            return Tagged(node.tag, loader.construct_mapping(node, deep=True))
        case yaml.SequenceNode():
            return Tagged(node.tag, loader.construct_sequence(node, deep=True))
        case _:
            text = node.value
            return Tagged(node.tag, None if text in {"", "null", "~"} else text)


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    """Return a number with a fraction; one whose fraction is 0 is a whole one, as Compose writes it to a variable."""
    number = float(loader.construct_yaml_float(node))
    return int(number) if number.is_integer() and abs(number) < _MOST_WHOLE else number


_MOST_WHOLE = 10**6
_Loader.add_constructor("tag:yaml.org,2002:float", _number)
_Loader.add_multi_constructor("!", _tagged)
_NOT_OF_YAML12 = ("bool", "int", "timestamp")
_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag.removeprefix("tag:yaml.org,2002:") not in _NOT_OF_YAML12
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int",
    re.compile("^(?:[-+]?(?:0|[1-9][0-9]*|0[0-7]+)|0o[0-7]+|0x[0-9a-fA-F]+)$"),
    list("-+0123456789"),
)


class _Literal(_Loader):
    """A reader that keeps numbers and booleans as they are written."""


_Literal.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] not in {"bool", "int", "float"}
    ]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
