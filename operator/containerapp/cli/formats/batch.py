"""`containerapp import batch`: job definitions of AWS Batch."""

from __future__ import annotations

import click

from containerapp.cli.importing import Job, import_options


@click.command("batch")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@import_options
def command(files: tuple[str, ...], job: Job) -> None:
    """Import a job definition of AWS Batch.

    FILE has what is registered, or what `aws batch describe-job-definitions` prints, or a CloudFormation template; - is
    standard input. Each job definition becomes a ContainerJob.
    """
    from containerapp.cli.importing import finish, read_templates
    from containerapp.importers import batch

    finish(lambda values: batch.convert(read_templates(files, values), job.wishes), job)
