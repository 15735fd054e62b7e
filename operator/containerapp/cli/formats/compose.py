"""`containerapp import compose`: the services of one or several Compose files."""

from __future__ import annotations

import click

from containerapp.cli.importing import Job, import_options


@click.command("compose")
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    metavar="NAME",
    help="Profile to take in; * for all; may be repeated.",
)
@click.option(
    "--env-file",
    "env_files",
    multiple=True,
    metavar="FILE",
    help="File with values of variables, besides .env; may be repeated.",
)
@click.option(
    "--job",
    "jobs",
    multiple=True,
    metavar="SERVICE",
    help="Service that runs to its end: a ContainerJob; may be repeated.",
)
@click.option(
    "--sidecar",
    "sidecars",
    multiple=True,
    metavar="SERVICE=APP",
    help="Service that runs in the Pod of another one; may be repeated.",
)
@import_options
def command(files: tuple[str, ...], job: Job, **given: tuple[str, ...]) -> None:
    """Import the services of Compose files.

    Each service becomes an app. FILE may be repeated: the later ones are merged over the earlier ones. Default:
    compose.yaml of this folder, with compose.override.yaml where there is one.
    """
    from containerapp.cli.composing import converter
    from containerapp.cli.importing import finish

    finish(converter(files, job.wishes, **given), job, literal=True)
