"""The sample application with its Dockerfile, as files to build from."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from containerapp.cli.exits import Failure

_PACKAGED = Path(__file__).parent / "sample"
_IN_REPOSITORY = Path(__file__).parents[3] / "examples" / "sample-app"


def copy_sample(folder: Path, *, force: bool) -> None:
    """Write the sample application into a folder, and say what comes next."""
    source = _PACKAGED if _PACKAGED.is_dir() else _IN_REPOSITORY
    if folder.exists() and any(folder.iterdir()) and not force:
        raise Failure(f"The folder {folder} is not empty. Name another one, or give --force.")
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(source.iterdir()):
        shutil.copyfile(file, folder / file.name)
        click.echo(f"{folder / file.name}")
    click.echo(
        "Next, in that folder: build the program as its Dockerfile says, push the image to a registry, write the image "
        "into containerapp.yaml, then: containerapp up -f containerapp.yaml"
    )
