"""`containerapp import ecs`: task definitions and services of Amazon ECS."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from containerapp.cli.exits import USAGE, Failure
from containerapp.cli.importing import Job, import_options


@click.command("ecs")
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option(
    "--cluster", metavar="NAME", help="Cluster of ECS to read the service from, with your AWS credentials."
)
@click.option("--service", metavar="NAME", help="Service of the cluster.")
@click.option(
    "--region", metavar="NAME", help="Region of the cluster. Default: that of your AWS configuration."
)
@click.option(
    "--split", is_flag=True, help="Make apps of containers that share nothing, instead of one Pod of all."
)
@click.option("--job", "jobs", is_flag=True, help="Make ContainerJobs: the tasks run to completion.")
@import_options
def command(
    files: tuple[str, ...],
    cluster: str | None,
    service: str | None,
    region: str | None,
    job: Job,
    **how: bool,
) -> None:
    """Import a task definition and a service of Amazon ECS.

    FILE has what is registered, or what `aws ecs describe-task-definition` and `describe-services` print, or a
    CloudFormation template; - is standard input. Further files may describe target groups, listeners, rules, load
    balancers, scalable targets, scaling policies, and schedules. With --cluster and --service all of it is read.
    """
    from containerapp.cli.importing import finish, read_templates
    from containerapp.importers import ecs

    wishes = replace(job.wishes, split=how["split"], job=how["jobs"])
    if cluster and service:
        documents = _live(cluster, service, region)
        finish(lambda _values: ecs.convert(documents, wishes), job)
    elif files:
        finish(lambda values: ecs.convert(read_templates(files, values), wishes), job)
    else:
        raise Failure("Name a file, or give --cluster and --service.", USAGE)


def _live(cluster: str, service: str, region: str | None) -> list[tuple[str, Any]]:
    from containerapp.aws.ecs import Unreadable, describe

    try:
        described = describe(cluster, service, region)
    except Unreadable as error:
        raise Failure(str(error)) from None
    for call in described.unread:
        click.echo(f"Not read: {call}", err=True)
    return described.documents
