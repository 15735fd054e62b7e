"""`containerapp rollback`: an earlier revision of an app."""

from __future__ import annotations

import click

from containerapp.cli.apps import bare, name_argument
from containerapp.cli.options import Target, cluster_options, timeout_option


@click.command("rollback")
@name_argument
@cluster_options
@click.option(
    "--to", "number", type=click.IntRange(1), metavar="N", help="Revision; default: the last good one before."
)
@click.option("--release", is_flag=True, help="Run what the manifest asks for again.")
@click.option("--no-wait", is_flag=True, help="Do not follow.")
@timeout_option
def command(name: str, target: Target, number: int | None, timeout: float, **flags: bool) -> None:
    """Run an earlier revision of an app.

    It runs whatever else the manifest says. The command follows until the app is Ready.

    It writes spec.rollout.revision. `rollback --release` removes it.
    """
    from containerapp.cli.revisioning import follow_rollback, pin
    from containerapp.cli.session import run

    if flags["release"] and number is not None:
        raise click.UsageError("Give one of --to and --release.")
    chosen = run(pin(target, bare(name), number, release=flags["release"]))
    if chosen is None:
        click.echo(f"{bare(name)} runs what its manifest asks for.")
    else:
        click.echo(
            f"{bare(name)} stays at revision {chosen} until `containerapp rollback {bare(name)} --release`."
        )
    if not flags["no_wait"]:
        run(follow_rollback(target, bare(name), timeout))
