"""`containerapp logs`: what all Pods of an app say, together."""

from __future__ import annotations

import click

from containerapp.cli.apps import any_name
from containerapp.cli.options import Duration, Target, cluster_options


@click.command("logs")
@any_name
@cluster_options
@click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C, with the Pods that come later.")
@click.option("--since", type=Duration(), help="Only what is newer, as in 30s, 5m or 2h.")
@click.option("--tail", type=click.IntRange(0), metavar="LINES", help="Only the last lines of each Pod.")
@click.option("-p", "--previous", is_flag=True, help="The container before the last restart.")
@click.option("-c", "--container", metavar="NAME", help="Container; default: the app's own.")
@click.option("--timestamps", is_flag=True, help="Begin each line with its time.")
def command(name: str, target: Target, **options: object) -> None:
    """Show the logs of all Pods of an app or a job, each line after the name of its Pod."""
    from containerapp.cli.logstreams import Wanted, show
    from containerapp.cli.session import run

    run(show(target, name, Wanted.of(options)))
