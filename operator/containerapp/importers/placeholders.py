"""Placeholders in files that a pipeline fills in: `${VAR}`, `{{ x }}`, `<IMAGE>`, `YOUR_ACCOUNT_ID`.

Found in texts, filled with given values, and named where they would reach a manifest. What a shell expands by itself,
in a command, is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

_SHELL_KEYS = {"command", "args", "entryPoint", "EntryPoint", "Command", "content"}
_CURLY = r"\$?\{\{\s*(?P<double>[^{}]+?)\s*\}\}"
_DOLLAR = r"\$\{(?P<braces>[^{}]+)\}|\$(?P<plain>[A-Z][A-Z0-9_]*)(?![A-Za-z0-9])"
_MARKED = (
    r"<(?P<angle>[A-Za-z][A-Za-z0-9_ -]+)>|%(?P<percent>[A-Z][A-Z0-9_]+)%|@(?P<at>[A-Z][A-Z0-9_]+)@"
    r"|(?<![A-Za-z0-9])__(?P<underscores>(?!main__|init__|name__)[A-Za-z][A-Za-z0-9_]*?)__(?![A-Za-z0-9])"
    r"|(?<![A-Za-z0-9_])(?P<word>(?:YOUR|REPLACE|INSERT|CHANGE)_[A-Z0-9_]+)(?![A-Za-z0-9_])"
)
_PLAIN = re.compile(f"{_CURLY}|{_MARKED}")
_ANY = re.compile(f"{_CURLY}|{_DOLLAR}|{_MARKED}")
_ARN = re.compile(r"arn:[a-z-]+:[a-z0-9-]+:(?P<region>[^:${<{]*):(?P<account>[^:${<{]*):")
_ECR = re.compile(
    r"(?<![A-Za-z0-9_-])(?P<account>[A-Za-z0-9_-]+)\.dkr\.ecr\.(?P<region>[A-Za-z0-9_-]+)\.amazonaws\.com"
)
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+|aws")
_ACCOUNT = re.compile(r"[0-9]{11,12}|aws")
_VALUE = re.compile(
    r"""(?P<bare>\$?\{\{[^{}]*\}\}|\$\{[^{}]*\}|\$[A-Za-z_][A-Za-z0-9_]*)|"(?:\\.|[^"\\])*\""""
)
_QUOTED_WORD = re.compile(r"""[`"']([^`"']+)[`"']""")


class Placeholder(NamedTuple):
    """Where a placeholder stands in a text, and the name by which its value is given."""

    start: int
    end: int
    name: str


def find(text: str, *, shell: bool = False) -> list[Placeholder]:
    """Return the placeholders of a text in their order; `shell` leaves out what a shell would expand."""
    found = [
        Placeholder(match.start(), match.end(), _name(next(part for part in match.groups() if part)))
        for match in (_PLAIN if shell else _ANY).finditer(text)
    ]
    inside = [*found, *_in_addresses(text)]
    return sorted(set(inside))


def _name(inner: str) -> str:
    """Return the name in a placeholder: of a template's call, what it is called with."""
    word = _QUOTED_WORD.search(inner)
    return word[1] if word else inner.partition(":-")[0].strip()


def _in_addresses(text: str) -> Iterator[Placeholder]:
    """Yield words that stand for the account and the region in ARNs and addresses of ECR."""
    for pattern in (_ARN, _ECR):
        for match in pattern.finditer(text):
            for part, known in (("region", _REGION), ("account", _ACCOUNT)):
                word = match[part]
                if word and not known.fullmatch(word) and not _ANY.search(word):
                    yield Placeholder(match.start(part), match.end(part), word)


def fill(value: Any, given: Mapping[str, str]) -> Any:
    """Return the tree with each placeholder replaced whose name is given."""
    if isinstance(value, dict):
        return {fill(key, given): fill(inner, given) for key, inner in value.items()}
    if isinstance(value, list):
        return [fill(inner, given) for inner in value]
    return fill_text(value, given) if isinstance(value, str) else value


def fill_text(text: str, given: Mapping[str, str]) -> str:
    """Return the text with each placeholder replaced whose name is given."""
    for placeholder in reversed(find(text)):
        if placeholder.name in given:
            text = text[: placeholder.start] + given[placeholder.name] + text[placeholder.end :]
    return text


def names(value: Any, *, shell: bool = False) -> list[str]:
    """Return the names of all placeholders of a tree, each once, in their order."""
    if isinstance(value, dict):
        found = [
            name for key, inner in value.items() for name in names(inner, shell=shell or key in _SHELL_KEYS)
        ]
    elif isinstance(value, list):
        found = [name for inner in value for name in names(inner, shell=shell)]
    else:
        found = [each.name for each in find(value, shell=shell)] if isinstance(value, str) else []
    return list(dict.fromkeys(found))


def quoted(text: str) -> str:
    """Return a text that should be JSON with quotes around placeholders that stand in place of a value."""
    return _VALUE.sub(_in_quotes, text)


def _in_quotes(match: re.Match[str]) -> str:
    return '"' + match[0].replace('"', "'") + '"' if match["bare"] else match[0]
