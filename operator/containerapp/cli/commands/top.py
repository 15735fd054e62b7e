"""`containerapp top`: cpu and memory of an app's Pods."""

from __future__ import annotations

import click

from containerapp.cli.apps import bare, name_argument
from containerapp.cli.options import Target, cluster_options


@click.command("top")
@name_argument
@cluster_options
def command(name: str, target: Target) -> None:
    """Show what the Pods of an app use, and what they request. Needs metrics-server."""
    from containerapp.cli.session import run
    from containerapp.cli.usage import usage

    click.echo(run(usage(target, bare(name))))
