"""`containerapp events`: the Events of an app, its objects and its Pods."""

from __future__ import annotations

import click

from containerapp.cli.apps import any_name
from containerapp.cli.options import Target, cluster_options


@click.command("events")
@any_name
@cluster_options
def command(name: str, target: Target) -> None:
    """Show the Events of an app or a job, of its objects and of its Pods, the oldest first."""
    from containerapp.cli.looks import Look, find
    from containerapp.cli.pages import events
    from containerapp.cli.session import connected, run

    async def read() -> Look:
        async with connected(target) as cluster:
            return await find(cluster, name)

    found = run(read())
    click.echo(events(found.events) if found.events else "No Events: Kubernetes keeps them for an hour.")
