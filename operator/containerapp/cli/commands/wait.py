"""`containerapp wait`: until an app or a job is Ready, or another condition holds."""

from __future__ import annotations

import click

from containerapp.cli.apps import any_name
from containerapp.cli.options import Target, cluster_options, timeout_option


@click.command("wait")
@any_name
@cluster_options
@click.option(
    "--for",
    "condition",
    default="Ready",
    metavar="CONDITION",
    help="Condition, as in Ready or RolledOut; of a job, as in Complete. Default: Ready.",
)
@timeout_option
def command(name: str, target: Target, condition: str, timeout: float) -> int:
    """Wait until an app or a job is Ready, or another condition is True, of its newest generation.

    A job is Ready once its newest run has succeeded, or once its schedule is set. Ends with 124 where the condition is
    not True in time.
    """
    from containerapp.cli.following import await_condition
    from containerapp.cli.session import run

    kind = condition.removeprefix("condition=")
    click.echo(f"{run(await_condition(target, name, kind, timeout))}: {kind}")
    return 0
