"""A manifest of AWS Copilot in its workspace, and what `containerapp import copilot` writes for each environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from containerapp.cli.exits import USAGE, Failure
from containerapp.cli.importing import Job, prepare, write
from containerapp.cli.reading import optional_text, standard_input
from containerapp.importers.copilot.application import from_copilot
from containerapp.importers.copilot.environments import names
from containerapp.importers.documents import load
from containerapp.importers.source import Imported, Refusal


def import_manifest(file: str, environment: str | None, application: str | None, job: Job) -> None:
    """Import the manifest for one environment, or for each that it names."""
    manifest = _manifest(file)
    given = {"COPILOT_APPLICATION_NAME": application} if application else {}
    chosen: list[str | None] = [environment] if environment else [*names(manifest)] or [None]
    if len(chosen) > 1 and job.out == "-":
        raise Failure(
            f"The manifest has the environments {', '.join(map(str, chosen))}: choose one by --env, or write a file for"
            " each by -o FILE.",
            USAGE,
        )
    write(
        [
            prepare(
                _convert(manifest, file, each, job),
                _for_environment(job, given, each if len(chosen) > 1 else None),
            )
            for each in chosen
        ]
    )


def _convert(manifest: Any, file: str, environment: str | None, job: Job) -> Any:
    def convert(values: dict[str, str]) -> Imported:
        return from_copilot(
            manifest,
            job.wishes,
            environment=environment,
            values=values,
            read=lambda path: optional_text(_root(file) / path),
        )

    return convert


def _for_environment(job: Job, given: Mapping[str, str], environment: str | None) -> Job:
    """Return where to write what an environment gets, one of several."""
    named = replace(job, values={**given, **job.values})
    if environment is None:
        return named
    report = _beside(job.report, environment) if job.report not in {None, "-"} else job.report
    return replace(named, out=_beside(job.out, environment), report=report)


def _beside(file: str | None, environment: str) -> str:
    path = Path(str(file))
    return str(path.with_name(f"{path.stem}.{environment}{path.suffix}"))


def _manifest(file: str) -> Any:
    text = standard_input() if file == "-" else optional_text(Path(file))
    if text is None:
        raise Failure(f"There is no file {file}, or it is no text: name copilot/NAME/manifest.yml.")
    try:
        return load(text, "standard input" if file == "-" else file, literal=True)
    except Refusal as error:
        raise Failure(str(error)) from None


def _root(file: str) -> Path:
    """Return the folder that the paths of a manifest begin at: the one around `copilot/`."""
    folder = Path(file).resolve().parent
    return folder.parent.parent if folder.parent.name == "copilot" else Path()
