"""Several Compose files, with what they extend and include, as one tree.

Called by the command line with the text of the files and a way to read those that they name. Refuses what Docker
Compose refuses: a service that is not there, one that extends itself, a variable that must be given.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from containerapp.importers.compose.merging import merge, untagged
from containerapp.importers.compose.syntax import long_form
from containerapp.importers.compose.variables import Variables, parse_env
from containerapp.importers.documents import load
from containerapp.importers.source import Refusal

Read = Callable[[str], str | None]
"""The text of a file by its path from the folder of the first Compose file; None where there is none."""
_DEEPEST = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What the files say together.

    Attributes:
        tree: the merged file, in its long form, without anchors, variables, `extends` and `include`.
        read: for the further files that it names.
        values: values of variables.
    """

    tree: dict[str, Any]
    read: Read
    values: Mapping[str, str]


def read_project(paths: list[str], read: Read, values: Mapping[str, str]) -> Project:
    """Return the project of the files at `paths`, the later ones over the earlier ones.

    `values` win over those of the file `.env` beside the first one.
    """
    folder = posixpath.dirname(paths[0]) if paths else ""
    missing: dict[str, str] = {}
    known = {**_env(read, posixpath.join(folder, ".env"), Variables(values, missing)), **values}
    variables = Variables(known, missing)
    tree = untagged(_merged(paths, read, variables, 0))
    if variables.missing:
        raise VariablesMissing(variables.missing)
    if not isinstance(tree.get("services"), dict) or not tree["services"]:
        raise Refusal("there are no services in it: name a Compose file (compose.yaml)")
    return Project(tree=tree, read=read, values=known)


class VariablesMissing(Refusal):
    """Variables have no value; `names` are theirs."""

    def __init__(self, missing: Mapping[str, str]) -> None:
        super().__init__(_asked_for(missing))
        self.names = tuple(missing)


def _asked_for(missing: Mapping[str, str]) -> str:
    flags = " ".join(f"--set {name}=…" for name in missing)
    reasons = "".join(f"; {name}: {reason}" for name, reason in missing.items() if reason)
    return (
        f"variables without a value: {', '.join(missing)}{reasons}. Give them by {flags}, or in the file .env"
    )


def _env(read: Read, path: str, variables: Variables) -> dict[str, str]:
    found = parse_env(read(path) or "", path, variables)
    return {name: value for name, value in found.items() if value is not None}


def _merged(paths: list[str], read: Read, variables: Variables, depth: int) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path in paths:
        tree = merge(tree, _file(path, read, variables, depth))
    return _with_included(tree, paths[0] if paths else "", read, variables, depth)


def _file(path: str, read: Read, variables: Variables, depth: int) -> dict[str, Any]:
    """Return one file, with its variables filled in and the services that its own extend merged into these."""
    text = read(path)
    if text is None:
        raise Refusal(f"there is no file {path}: name the Compose file, or put it there")
    tree = long_form(variables.fill(load(text, path), path))
    if not isinstance(tree, dict):
        raise Refusal(f"{path} is no Compose file: it must be a map with services")
    services = tree.get("services")
    if not isinstance(services, dict):
        return tree
    extended = {name: _extended(name, path, services, (read, variables), depth) for name in services}
    return tree | {"services": extended}


def _extended(name: str, path: str, services: Any, reading: tuple[Read, Variables], depth: int) -> Any:
    """Return a service with all that it extends below it."""
    if depth > _DEEPEST:
        raise Refusal(f"service {name} of {path} extends itself: remove one extends")
    if name not in services:
        raise Refusal(f"there is no service {name} in {path} to extend: correct extends.service")
    service = services[name]
    extends = service.get("extends") if isinstance(service, dict) else None
    if not isinstance(extends, dict):
        return service
    file = extends.get("file")
    own = {key: value for key, value in service.items() if key != "extends"}
    if file is None:
        return merge(_extended(str(extends.get("service")), path, services, reading, depth + 1), own)
    base_path = posixpath.normpath(posixpath.join(posixpath.dirname(path), str(file)))
    base = _file_services(base_path, reading)
    found = _extended(str(extends.get("service")), base_path, base, reading, depth + 1)
    return merge(_moved(found, posixpath.dirname(str(file))), own)


def _file_services(path: str, reading: tuple[Read, Variables]) -> Any:
    read, variables = reading
    text = read(path)
    if text is None:
        raise Refusal(f"there is no file {path} to extend: put it there, or correct extends.file")
    tree = long_form(variables.fill(load(text, path), path))
    return (tree.get("services") or {}) if isinstance(tree, dict) else {}


def _moved(service: Any, folder: str) -> Any:
    """Return a service of another folder with its relative paths as seen from this one."""
    if not isinstance(service, dict) or folder in {"", "."}:
        return service
    moved = dict(service)
    for key, field in (("volumes", "source"), ("env_file", "path")):
        if isinstance(service.get(key), list):
            moved[key] = [_moved_path(item, field, folder) for item in service[key]]
    return moved


def _moved_path(item: Any, field: str, folder: str) -> Any:
    if not isinstance(item, dict) or item.get("type") == "volume" or str(item.get(field, "/"))[:1] in "/~":
        return item
    return item | {field: posixpath.join(folder, str(item[field]))}


def _with_included(
    tree: dict[str, Any], path: str, read: Read, variables: Variables, depth: int
) -> dict[str, Any]:
    """Return the tree with all that it includes below it."""
    included = tree.get("include")
    own = {key: value for key, value in tree.items() if key != "include"}
    if not included:
        return own
    if depth > _DEEPEST:
        raise Refusal(f"{path} includes itself: remove one include")
    for item in included if isinstance(included, list) else [included]:
        entry = item if isinstance(item, dict) else {"path": item}
        folder = posixpath.dirname(path)
        paths = [posixpath.normpath(posixpath.join(folder, one)) for one in _listed(entry.get("path") or [])]
        if not paths:
            raise Refusal(f"{path}: an include names no file: write its path, or remove it")
        own = merge(_included(paths, entry, path, (read, variables), depth), own)
    return own


def _included(
    paths: list[str], entry: dict[str, Any], path: str, reading: tuple[Read, Variables], depth: int
) -> dict[str, Any]:
    """Return what the files of one include say; variables come from the file `.env` of their own folder, too."""
    read, variables = reading
    folder = posixpath.dirname(path)
    named = entry.get("env_file", posixpath.join(posixpath.dirname(paths[0]), ".env"))
    known: dict[str, str] = {}
    for file in _listed(named):
        known |= _env(read, posixpath.join(folder, file) if "env_file" in entry else file, variables)
    inner = Variables({**known, **variables.values}, variables.missing)
    tree = _merged(paths, read, inner, depth + 1)
    services = tree.get("services")
    if not isinstance(services, dict):
        return tree
    below = posixpath.dirname(_listed(entry.get("path"))[0])
    return tree | {"services": {name: _moved(service, below) for name, service in services.items()}}


def _listed(value: Any) -> list[str]:
    return [str(one) for one in (value if isinstance(value, list) else [value])]
