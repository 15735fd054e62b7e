"""`containerapp history`: the revisions of an app."""

from __future__ import annotations

import click

from containerapp.cli.apps import bare, name_argument
from containerapp.cli.options import Target, cluster_options


@click.command("history")
@name_argument
@cluster_options
def command(name: str, target: Target) -> None:
    """Show the revisions of an app, the newest first: image, cause, outcome, and which one runs."""
    from containerapp.cli.revisioning import history
    from containerapp.cli.session import run

    click.echo(run(history(target, bare(name))))
