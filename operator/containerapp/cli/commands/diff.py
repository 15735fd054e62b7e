"""`containerapp diff`: what two revisions of an app differ in."""

from __future__ import annotations

import click

from containerapp.cli.apps import bare, name_argument
from containerapp.cli.exits import CHANGES
from containerapp.cli.options import Target, cluster_options


@click.command("diff")
@name_argument
@click.argument("old", type=click.IntRange(1), metavar="OLD")
@click.argument("new", type=click.IntRange(1), metavar="NEW")
@cluster_options
def command(name: str, old: int, new: int, target: Target) -> int:
    """Show what differs between the Pods of two revisions of an app.

    OLD and NEW are numbers of `containerapp history`. Ends with 2 where something differs.
    """
    from containerapp.cli.revisioning import difference
    from containerapp.cli.session import run

    lines = run(difference(target, bare(name), old, new))
    click.echo("\n".join(lines) if lines else f"Revisions {old} and {new} are the same.")
    return CHANGES if lines else 0
