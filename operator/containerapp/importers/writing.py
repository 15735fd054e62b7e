"""Manifests as a person would have written them: YAML with short maps on one line, comments above their fields.

Called by the command line. Knows nothing of what an import means: it takes an `Imported`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any

import yaml

from containerapp.importers.source import Imported, Loss

_WIDTH = 100
_OTHER_BREAKS = frozenset("\x85\u2028\u2029")
"""Ends of a line to YAML, which a text on several lines would have as `\\n` when it is read."""
_STEP = re.compile(r"[^.\[\]]+|\[\d+\]")


class _Dumper(yaml.SafeDumper):
    """Indents the items of a list, and writes each value out where it stands."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002, ARG002
        """Indent the items of a list below its key."""
        super().increase_indent(flow, indentless=False)

    def choose_scalar_style(self) -> str:
        """Write texts that need quotes in double ones."""
        style: str = super().choose_scalar_style()
        return '"' if style == "'" else style

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        """Write no anchors."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text and _OTHER_BREAKS.isdisjoint(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def to_yaml(manifests: Sequence[dict[str, Any]], imported: Imported, *, losses: bool) -> str:
    """Return manifests of an import as one text; with `losses` it begins with what is not carried, and decisions."""
    head = _head(imported) if losses else []
    bodies = [document(manifest, imported.comments) for manifest in manifests]
    return "".join(f"# {line}\n" if line else "#\n" for line in head) + "---\n".join(bodies)


def _head(imported: Imported) -> list[str]:
    lines = []
    for title, entries in (("Not carried over:", imported.losses), ("Please look at:", imported.notes)):
        if entries:
            lines += [title, *_listed(entries)]
    return lines


def _listed(entries: Iterable[Loss]) -> list[str]:
    return [_one_line(f"- {entry.path}: {entry.reason}") for entry in entries]


def _one_line(text: str) -> str:
    """Return a text that a comment can have, whatever keys the input has: a line's end would end the comment."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def report(imported: Imported) -> str:
    """Return what an import has made, lost and decided, as text."""
    made = [f"- {manifest['kind']} {manifest['metadata']['name']}" for manifest in imported.manifests]
    return "\n".join(["Made:", *made, *_head(imported)]) + "\n"


def as_json(imported: Imported) -> dict[str, Any]:
    """Return the same for a program."""
    return {
        "manifests": [
            f"{manifest['kind']}/{manifest['metadata']['name']}" for manifest in imported.manifests
        ],
        "losses": [{"path": loss.path, "reason": loss.reason} for loss in imported.losses],
        "notes": [{"path": note.path, "reason": note.reason} for note in imported.notes],
    }


def document(manifest: dict[str, Any], comments: dict[str, str]) -> str:
    """Return one manifest as YAML, with its comments."""
    dumper = _Dumper(StringIO(), sort_keys=False)
    node = dumper.represent_data(manifest)
    _lay_out(node, 0)
    text = yaml.serialize(node, Dumper=_Dumper, width=_WIDTH, allow_unicode=True)
    prefix = f"{manifest['kind']}/{manifest['metadata']['name']} "
    mine = {path.removeprefix(prefix): said for path, said in comments.items() if path.startswith(prefix)}
    return _commented(text, mine)


def _lay_out(node: yaml.Node, depth: int) -> int:
    """Write maps and lists of a few scalars on one line; return how long the value is then."""
    if isinstance(node, yaml.ScalarNode):
        return 2 * _WIDTH if node.style == "|" else len(node.value) + 2
    if isinstance(node, yaml.MappingNode):
        length = sum(_lay_out(key, depth) + _lay_out(value, depth + 1) + 2 for key, value in node.value)
        nested = any(isinstance(value, yaml.CollectionNode) for _, value in node.value)
    else:
        assert isinstance(node, yaml.SequenceNode)  # noqa: S101 - there is no fourth kind
        length = sum(_lay_out(item, depth + 1) + 2 for item in node.value)
        nested = any(isinstance(item, yaml.CollectionNode) and item.value for item in node.value)
    node.flow_style = not node.value or (depth > 1 and not nested and length + 4 * depth < _WIDTH)
    return length


def _commented(text: str, comments: dict[str, str]) -> str:
    lines = text.splitlines()
    root = yaml.compose(text)
    places = {path: _line(root, path) for path in comments}
    for path in sorted(comments, key=lambda each: places[each], reverse=True):
        line = places[path]
        indent = lines[line][: len(lines[line]) - len(lines[line].lstrip())]
        lines.insert(line, f"{indent}# {_one_line(comments[path])}")
    return "\n".join(lines) + "\n"


def _line(node: yaml.Node | None, path: str) -> int:
    """Return the line of a field; of one within a short map, that of the map."""
    line = 0
    for step in _STEP.findall(path):
        if isinstance(node, yaml.MappingNode):
            key, node = next((pair for pair in node.value if pair[0].value == step), (None, None))
            line = key.start_mark.line if key else line
        elif isinstance(node, yaml.SequenceNode):
            node = node.value[int(step.strip("[]"))]
            line = node.start_mark.line
    return line
