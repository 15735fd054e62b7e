"""`containerapp restart`: new Pods of the same version."""

from __future__ import annotations

import click

from containerapp.cli.apps import bare, name_argument
from containerapp.cli.options import Target, cluster_options


@click.command("restart")
@name_argument
@cluster_options
def command(name: str, target: Target) -> None:
    """Replace the Pods of an app by new ones of the same version, one after another.

    As `kubectl rollout restart` does: the manifest stays as it is.
    """
    from containerapp.cli.acting import restart
    from containerapp.cli.session import run

    run(restart(target, bare(name)))
    click.echo(f"{bare(name)} restarts. See `containerapp status {bare(name)}`.")
