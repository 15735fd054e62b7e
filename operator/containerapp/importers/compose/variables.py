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
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][\w.-]*)\s*(?:=\s*(.*))?")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Variables:
    """The values of variables, and what has been asked for in vain."""

    values: Mapping[str, str]
    missing: dict[str, str] = field(default_factory=dict)

    def fill(self, value: Any) -> Any:
        """Return a tree with the variables of its values filled in; those of keys stay, as Compose leaves them."""
        match value:
            case dict():
                return {key: self.fill(inner) for key, inner in value.items()}
            case list():
                return [self.fill(inner) for inner in value]
            case Tagged(tag, inner):
                return Tagged(tag, self.fill(inner))
            case str():
                return self.text(value)
            case _:
                return value

    def text(self, text: str) -> str:
        """Return a text with its variables filled in; `$$` is a dollar."""
        filled, rest = "", text
        while "$" in rest:
            before, _, rest = rest.partition("$")
            filled += before
            name = _NAME.match(rest)
            if rest.startswith("$"):
                filled, rest = filled + "$", rest[1:]
            elif rest.startswith("{"):
                inner, rest = _braced(rest, text)
                filled += self._expand(inner, text)
            elif name:
                filled, rest = filled + self._value(name[0]), rest[name.end() :]
            else:
                filled += "$"
        return filled + rest

    def _value(self, name: str) -> str:
        if name not in self.values:
            self.missing.setdefault(name, "")
        return self.values.get(name, "")

    def _expand(self, inner: str, text: str) -> str:
        """Return what `${inner}` stands for."""
        name = _NAME.match(inner)
        rest = inner[name.end() :] if name else inner
        operator = _OPERATOR.match(rest)
        if name is None or (rest and operator is None):
            raise Refusal(
                f"${{{inner}}} in {text!r} is no variable, and Docker Compose refuses it: write ${{NAME}}"
                " or ${NAME:-default}, and $$ for a dollar",
            )
        if operator is None:
            return self._value(name[0])
        is_there = bool(self.values.get(name[0])) if ":" in operator[0] else name[0] in self.values
        otherwise = rest[operator.end() :]
        match operator[0][-1]:
            case "-":
                return self.values[name[0]] if is_there else self.text(otherwise)
            case "+":
                return self.text(otherwise) if is_there else ""
            case _:
                if not is_there:
                    self.missing[name[0]] = self.text(otherwise)
                return self.values.get(name[0], "")


def _braced(rest: str, text: str) -> tuple[str, str]:
    """Return what stands in the braces that `rest` begins with, and what follows them."""
    depth = 0
    for index, character in enumerate(rest):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth == 0:
            return rest[1:index], rest[index + 1 :]
    raise Refusal(f"a brace is not closed in {text!r}: add }}, or write $$ for a dollar")


def parse_env(text: str, values: Mapping[str, str] | None = None) -> dict[str, str | None]:
    """Return the variables of an env file; None for a name alone, whose value is that of the caller's environment.

    Values without quotes and those in double quotes have their variables filled in from `values` and the lines before.
    """
    found: dict[str, str | None] = {}
    for line in text.splitlines():
        matched = _LINE.fullmatch(line.strip())
        if matched is None:
            continue  # an empty line or a comment
        known = {**(values or {}), **{name: value for name, value in found.items() if value is not None}}
        found[matched[1]] = None if matched[2] is None else _env_value(matched[2], known)
    return found


def _env_value(written: str, known: Mapping[str, str]) -> str:
    if quoted := re.match(r"'([^']*)'", written):
        return quoted[1]
    if quoted := re.match(r'"((?:[^"\\]|\\.)*)"', written):
        plain = re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), quoted[1])
        return Variables(known).text(plain)
    plain = re.sub(r"(^|\s)#.*$", "", written).strip()
    return Variables(known).text(plain)
