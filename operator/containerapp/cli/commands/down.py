"""`containerapp down`: delete an app or a job."""

from __future__ import annotations

import click

from containerapp.cli.apps import exact_name
from containerapp.cli.options import Target, cluster_options, timeout_option


@click.command("down")
@exact_name
@cluster_options
@click.option("-y", "--yes", is_flag=True, help="Delete without asking.")
@click.option("--no-wait", is_flag=True, help="Do not wait until it is gone.")
@timeout_option
def command(name: str, target: Target, timeout: float, *, yes: bool, no_wait: bool) -> None:
    """Delete an app or a job, after showing which objects go with it and which stay.

    A job is named as cjob/NAME. Claims of spec.volumes stay with their data, unless retain is false. They are named
    again at the end, with the command that deletes them.
    """
    from containerapp.cli.launching import confirm
    from containerapp.cli.removing import remove, show
    from containerapp.cli.session import run

    shown = run(show(target, name))
    own = shown.app["metadata"]["name"]
    if not yes:
        confirm(f"Delete {own}?")
    run(remove(target, shown, None if no_wait else timeout))
    click.echo(f"{own} is {'being ' if no_wait else ''}deleted.")
    for line in shown.claims:
        click.echo(line)
