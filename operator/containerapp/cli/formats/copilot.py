"""`containerapp import copilot`: a service or job of AWS Copilot, for its environments."""

from __future__ import annotations

import click

from containerapp.cli.importing import Job, import_options


@click.command("copilot")
@click.argument("file", metavar="FILE")
@click.option(
    "--env", "environment", metavar="NAME", help="Environment. Default: each one that the manifest names."
)
@click.option(
    "--app", "application", metavar="NAME", help="Name of the Copilot application, which parameters have."
)
@import_options
def command(file: str, environment: str | None, application: str | None, job: Job) -> None:
    """Import a service or a job of AWS Copilot.

    FILE is copilot/NAME/manifest.yml, or - for standard input. With several environments each gets a file of its own:
    -o shop.yaml writes shop.test.yaml and shop.prod.yaml.
    """
    from containerapp.cli.workspace import import_manifest

    import_manifest(file, environment, application, job)
