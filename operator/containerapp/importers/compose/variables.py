"""`${VAR}` in Compose files, and the files that variables come from. Pure; total but for the refusals that it names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from containerapp.importers.documents import Tagged
from containerapp.importers.source import Refusal

_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_OPERATOR = re.compile(r":?[-?+]")
_BETWEEN = re.compile(r"(?:\s|#[^\n]*)*")
_ENTRY = re.compile(
    r"""(?:export[^\S\n]+)?(?P<name>[\w.\[\]-]+)[^\S\n]*(?:(?=\n|\Z)|(?P<mark>[=:])[^\S\n]*"""
    r"""(?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'|(?P<plain>(?!["'])[^\n]*)))""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = dict(zip('abfnrtv"\\', '\a\b\f\n\r\t\v"\\', strict=True)) | {"$": "$$"}


@dataclass(frozen=True, slots=True)
class Variables:
    """The values of variables, and what has been asked for in vain."""

    values: Mapping[str, str]
    missing: dict[str, str] = field(default_factory=dict)

    def fill(self, value: Any, where: str) -> Any:
        """Return a tree with the variables of its values filled in; those of keys stay, as Compose leaves them.

        `where` is the file, and then the path within it: what a refusal begins with.
        """
        match value:
            case dict():
                return {key: self.fill(inner, _below(where, f".{key}")) for key, inner in value.items()}
            case list():
                return [self.fill(inner, _below(where, f"[{index}]")) for index, inner in enumerate(value)]
            case Tagged(tag, inner):
                return Tagged(tag, self.fill(inner, where))
            case str():
                return self.text(value, where)
            case _:
                return value

    def text(self, text: str, where: str) -> str:
        """Return a text with its variables filled in; `$$` is a dollar.

        Raises `Refusal` for what is no variable, without the text: it may be a password.
        """
        filled, rest = "", text
        while "$" in rest:
            before, _, rest = rest.partition("$")
            filled += before
            name = _NAME.match(rest)
            if rest.startswith("$"):
                filled, rest = filled + "$", rest[1:]
            elif rest.startswith("{"):
                inner, rest = _braced(rest, where)
                filled += self._expand(inner, where)
            elif name:
                filled, rest = filled + self._value(name[0]), rest[name.end() :]
            else:
                filled += "$"
        return filled + rest

    def _value(self, name: str) -> str:
        if name not in self.values:
            self.missing.setdefault(name, "")
        return self.values.get(name, "")

    def _expand(self, inner: str, where: str) -> str:
        """Return what `${inner}` stands for."""
        name = _NAME.match(inner)
        rest = inner[name.end() :] if name else inner
        operator = _OPERATOR.match(rest)
        if name is None or (rest and operator is None):
            raise Refusal(
                f"{where}: ${{{name[0] if name else ''}…}} is no variable, and Docker Compose refuses it: write"
                " ${NAME} or ${NAME:-default}, and $$ for a dollar",
            )
        if operator is None:
            return self._value(name[0])
        is_there = bool(self.values.get(name[0])) if ":" in operator[0] else name[0] in self.values
        otherwise = rest[operator.end() :]
        match operator[0][-1]:
            case "-":
                return self.values[name[0]] if is_there else self.text(otherwise, where)
            case "+":
                return self.text(otherwise, where) if is_there else ""
            case _:
                if not is_there:
                    self.missing[name[0]] = self.text(otherwise, where)
                return self.values.get(name[0], "")


def _below(where: str, step: str) -> str:
    """Return a path with a further step; the file stands before it."""
    return f"{where}{step}" if ": " in where else f"{where}: {step.lstrip('.')}"


def _braced(rest: str, where: str) -> tuple[str, str]:
    """Return what stands in the braces that `rest` begins with, and what follows them."""
    depth = 0
    for index, character in enumerate(rest):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth == 0:
            return rest[1:index], rest[index + 1 :]
    raise Refusal(f"{where}: a brace is not closed: add }}, or write $$ for a dollar")


def parse_env(text: str, file: str, variables: Variables) -> dict[str, str | None]:
    """Return the variables of an env file; None for a name alone, whose value is that of the caller's environment.

    Values without quotes and those in double quotes have their variables filled in: from `variables`, else from the
    lines before. `Refusal` names the line that is no variable.
    """
    found: dict[str, str | None] = {}
    at = _skip(text, 1 if text.startswith("\ufeff") else 0)
    while at < len(text):
        entry = _ENTRY.match(text, at)
        if entry is None:
            line = text.count("\n", 0, at) + 1
            raise Refusal(f"{file}:{line}: this is no variable: write NAME=value, and close its quotes")
        known = {**{name: value for name, value in found.items() if value is not None}, **variables.values}
        where = f"{file}: {entry['name']}"
        found[entry["name"]] = _env_value(entry, Variables(known, variables.missing), where)
        at = _skip(text, entry.end())
    return found


def _skip(text: str, at: int) -> int:
    """Return where the next variable begins, after spaces, empty lines and comments."""
    between = _BETWEEN.match(text, at)
    return between.end() if between else at


def _env_value(entry: re.Match[str], variables: Variables, where: str) -> str | None:
    if entry["mark"] is None:
        return None
    if entry["single"] is not None:
        return entry["single"].replace("\\'", "'")
    if entry["double"] is not None:
        plain = _ESCAPE.sub(lambda escape: _ESCAPES.get(escape[1], escape[0]), entry["double"])
        return variables.text(plain, where)
    return variables.text(entry["plain"].partition(" #")[0].rstrip(), where)


def parse_raw_env(text: str) -> dict[str, str | None]:
    """Return the variables of an env file as Docker and ECS read it: each value is what stands after the `=`."""
    found: dict[str, str | None] = {}
    for line in text.removeprefix("\ufeff").splitlines():
        name, mark, value = line.lstrip().partition("=")
        if name and not name.startswith("#"):
            found[name] = value if mark else None
    return found
