"""Manifests from files, folders, standard input and kustomizations, with the place of every value.

Called by every command that takes `-f`. A text that is no YAML ends the command with its line and column; what the
manifest says is not judged here.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import click
import yaml

from containerapp.cli.exits import USAGE, Failure
from containerapp.cli.kinds import controller_of
from containerapp.cli.options import Source
from containerapp.core.model import Manifest

_SUFFIXES = (".yaml", ".yml", ".json")
_SECONDS = 60


class Place(NamedTuple):
    """Line and column, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One object of a file: its value, and where each part of it stands."""

    file: str
    value: Any
    node: yaml.Node

    @property
    def title(self) -> str:
        """Kind and name, as far as there are any."""
        if not isinstance(self.value, dict):
            return "document"
        metadata = self.value.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        return f"{self.value.get('kind', 'object')} {name or '(without a name)'}"

    def place(self, steps: Iterable[int | str]) -> Place:
        """Return where the value stands that `steps` lead to; of what is missing, where its parent begins."""
        node, found = self.node, self.node
        for step in steps:
            pair = _child(node, step)
            if pair is None:
                continue  # a step of the type's, not of the text's
            found, node = pair
        return Place(found.start_mark.line + 1, found.start_mark.column + 1)

    def duplicates(self) -> Iterator[tuple[str, Place]]:
        """Yield each key that a map has twice, which YAML readers resolve in silence."""
        waiting, seen = [self.node], {id(self.node)}
        while waiting:
            node = waiting.pop()
            inner = (
                [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else []
            )
            if isinstance(node, yaml.SequenceNode):
                inner = list(node.value)
            for part in inner:
                if id(part) not in seen:
                    seen.add(id(part))
                    waiting.append(part)
            if isinstance(node, yaml.MappingNode):
                yield from _twice(node)


def read(source: Source) -> list[Document]:
    """Return all objects of all files; a `List` counts as its items."""
    found = [*texts(source.filenames, recursive=source.recursive)]
    if source.kustomize is not None:
        found.append((source.kustomize, _built(source.kustomize)))
    if not found:
        raise Failure("Name a manifest: -f FILE, -f - for standard input, or -k FOLDER.", USAGE)
    return [document for file, text in found for document in _documents(file, text)]


def custom_objects(documents: Iterable[Document]) -> list[Document]:
    """Return the objects of our kinds; name the others, and end where there is none of ours."""
    documents = list(documents)
    ours = [document for document in documents if controller_of(_as_manifest(document)) is not None]
    for document in documents:
        if document not in ours:
            click.echo(
                f"{document.file}: {document.title} is left out: it is no ContainerApp and no ContainerJob.",
                err=True,
            )
    if not ours:
        files = ", ".join(sorted({document.file for document in documents})) or "the files"
        raise Failure(f"There is no ContainerApp and no ContainerJob in {files}.")
    return ours


def _as_manifest(document: Document) -> Manifest:
    return document.value if isinstance(document.value, dict) else {}


def texts(filenames: Iterable[str], *, recursive: bool = False) -> Iterator[tuple[str, str]]:
    """Yield name and text of each file, of the files of folders, and of standard input for `-`."""
    for filename in filenames:
        if filename == "-":
            yield "standard input", standard_input()
            continue
        if not filename:
            raise Failure("-f has no file: an empty text, as of a variable that is not set.", USAGE)
        if "://" in filename:
            raise Failure(f"{filename} is no file: fetch it first, as in `curl -sL URL | … -f -`.", USAGE)
        path = Path(filename)
        if not path.exists():
            raise Failure(f"There is no file {filename}.")
        files = _files(path, recursive=recursive) if path.is_dir() else [path]
        if not files:
            raise Failure(f"There is no .yaml, .yml or .json file in {filename}; -R looks deeper.")
        for file in files:
            yield str(file), _text(file)


def _files(folder: Path, *, recursive: bool) -> list[Path]:
    found = folder.rglob("*") if recursive else folder.glob("*")
    return sorted(path for path in found if path.is_file() and path.suffix in _SUFFIXES)


def optional_text(file: Path) -> str | None:
    """Return a file's text; None where there is none, or it is something else."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def standard_input() -> str:
    """Return the text of standard input."""
    return _decoded("standard input", sys.stdin.buffer.read())


def _text(file: Path) -> str:
    try:
        return _decoded(str(file), file.read_bytes())
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}.") from None


def _decoded(file: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Failure(f"{file} is no UTF-8 text: {error.reason} at byte {error.start}.") from None


def _built(folder: str) -> str:
    """Return what kustomize makes of a folder."""
    program = next((path for name in ("kustomize", "kubectl") if (path := shutil.which(name))), None)
    if program is None:
        raise Failure("-k needs kustomize or kubectl on the PATH: install one of them.")
    verb = "build" if Path(program).name.startswith("kustomize") else "kustomize"
    try:
        done = subprocess.run(
            [program, verb, folder], capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise Failure(f"kustomize has not ended within {_SECONDS} seconds.") from None
    if done.returncode:
        raise Failure(f"kustomize refuses {folder}: {done.stderr.strip()}")
    return done.stdout


def _documents(file: str, text: str) -> Iterator[Document]:
    try:
        loader = Loader(text)
        while loader.check_node():
            node = loader.get_node()
            value = loader.construct_document(node)
            if node is not None and value is not None:
                yield from _items(Document(file=file, value=value, node=node))
    except yaml.MarkedYAMLError as error:
        raise Failure(malformed(file, error)) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Failure(f"{file} is no YAML: {str(error).splitlines()[0]}.") from None


def _items(document: Document) -> Iterator[Document]:
    """Yield the items of a `List`, or the object itself."""
    value = document.value
    if not (isinstance(value, dict) and value.get("kind") == "List" and isinstance(value.get("items"), list)):
        yield document
        return
    pair = _child(document.node, "items")
    nodes = pair[1].value if pair else []
    for item, node in zip(value["items"], nodes, strict=True):
        yield Document(file=document.file, value=item, node=node)


def malformed(file: str, error: yaml.MarkedYAMLError) -> str:
    """Return where a text is no YAML, and why."""
    mark = error.problem_mark or error.context_mark
    place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
    context = f" {error.context}" if error.context else ""
    return f"{file}{place}: this is no YAML: {error.problem}{context}. Check the indentation and the quotes there."


def _child(node: yaml.Node, step: int | str) -> tuple[yaml.Node, yaml.Node] | None:
    """Return the node to point at, and the value's node, of one step down."""
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def _twice(node: yaml.MappingNode) -> Iterator[tuple[str, Place]]:
    seen: set[str] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value != "<<":
            if key.value in seen:
                yield key.value, Place(key.start_mark.line + 1, key.start_mark.column + 1)
            seen.add(key.value)


class Loader(yaml.SafeLoader):
    """Reads YAML as kubectl does: a date is text."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
