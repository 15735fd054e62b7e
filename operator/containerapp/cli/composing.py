"""The files of a Compose project, read for `containerapp import compose` by their paths from the first one's folder."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from containerapp.cli.exits import USAGE, Failure
from containerapp.cli.importing import Convert, is_terminal
from containerapp.cli.reading import optional_text, standard_input
from containerapp.importers.compose.application import from_compose
from containerapp.importers.compose.project import Project, VariablesMissing, read_project
from containerapp.importers.compose.variables import Variables, parse_env
from containerapp.importers.source import Imported
from containerapp.importers.wishes import Wishes

_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_STDIN = "standard input"


def converter(
    files: Sequence[str],
    wishes: Wishes,
    *,
    profiles: Sequence[str],
    env_files: Sequence[str],
    jobs: Sequence[str],
    sidecars: Sequence[str],
) -> Convert:
    """Return what makes manifests of the files; variables without a value are asked for on a terminal."""
    typed = standard_input() if "-" in files else None
    joined = dict(_joined(text) for text in sidecars)

    def convert(values: dict[str, str]) -> Imported:
        try:
            project = _project(files, typed, env_files, values)
            return from_compose(project, wishes, profiles=profiles, jobs=jobs, sidecars=joined)
        except VariablesMissing as error:
            if not is_terminal():
                raise
            return Imported(manifests=(), losses=(), wanted=tuple(f"${{{name}}}" for name in error.names))

    return convert


def _joined(text: str) -> tuple[str, str]:
    name, equals, app = text.partition("=")
    if not equals:
        raise Failure(f"--sidecar {text} names no app: write --sidecar {text}=APP.", USAGE)
    return name, app


def _project(
    files: Sequence[str], typed: str | None, env_files: Sequence[str], values: Mapping[str, str]
) -> Project:
    """Return the project of the files; `values` win over those of the env files, and these over `.env`."""
    named = list(files) or _default()
    folder = Path(named[0]).parent if named[0] != "-" else Path()
    paths = [_STDIN if file == "-" else os.path.relpath(file, folder) for file in named]

    def read(path: str) -> str | None:
        return typed if path == _STDIN else optional_text(folder / Path(path).expanduser())

    known: dict[str, str] = {}
    missing: dict[str, str] = {}
    for file in env_files:
        text = optional_text(Path(file))
        if text is None:
            raise Failure(f"There is no file {file}, or it is no text: correct --env-file.")
        given = Variables({**known, **values}, missing)
        known |= {name: value for name, value in parse_env(text, file, given).items() if value is not None}
    if missing:
        raise VariablesMissing(missing)
    return read_project(paths, read, {**known, **values})


def _default() -> list[str]:
    """Return the file of this folder, and the one that is laid over it."""
    base = next((Path(name) for name in _NAMES if Path(name).is_file()), None)
    if base is None:
        raise Failure("There is no compose.yaml in this folder: name the Compose file.", USAGE)
    over = base.with_suffix(f".override{base.suffix}")
    return [str(base), *([str(over)] if over.is_file() else [])]
