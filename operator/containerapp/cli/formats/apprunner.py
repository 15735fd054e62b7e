"""`containerapp import apprunner`: a service of AWS App Runner, described or by its apprunner.yaml."""

from __future__ import annotations

import click

from containerapp.cli.importing import Job, import_options


@click.command("apprunner")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@import_options
def command(files: tuple[str, ...], job: Job) -> None:
    """Import a service of AWS App Runner.

    FILE is the output of `aws apprunner describe-service`, or apprunner.yaml; - is standard input. Further files with
    the outputs of describe-auto-scaling-configuration and describe-custom-domains are read as parts of it.
    """
    from containerapp.cli.importing import finish, read
    from containerapp.importers import apprunner

    finish(lambda values: apprunner.convert(read(files, values), job.wishes), job)
