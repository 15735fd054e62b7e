"""`containerapp scale`: another number of Pods."""

from __future__ import annotations

import click

from containerapp.cli.apps import bare, name_argument
from containerapp.cli.options import Target, cluster_options


@click.command("scale")
@name_argument
@click.option("--replicas", type=click.IntRange(0, 1000), required=True, help="Number of Pods.")
@cluster_options
def command(name: str, target: Target, replicas: int) -> None:
    """Set the number of an app's Pods. No Pod restarts.

    It writes spec.replicas: where the manifest is in git, change it there.
    """
    from containerapp.cli.acting import scale
    from containerapp.cli.session import run

    click.echo(run(scale(target, bare(name), replicas)))
