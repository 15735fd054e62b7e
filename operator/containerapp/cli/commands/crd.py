"""`containerapp crd`: the definitions of the kinds, or their reference pages, made from the models."""

from __future__ import annotations

import click


@click.command("crd")
@click.argument("kind", default="", metavar="[KIND]")
@click.option("--reference", is_flag=True, help="Print the reference of all fields (Markdown) instead.")
def command(kind: str, *, reference: bool) -> None:
    """Print the CustomResourceDefinition of KIND, or of all kinds, for `kubectl apply --server-side -f -`."""
    from containerapp.api import crd as generator
    from containerapp.cli.kinds import definition_of
    from containerapp.controllers import CONTROLLERS

    definitions = [definition_of(kind)] if kind else [each.definition for each in CONTROLLERS]
    write, between = (generator.reference_page, "\n") if reference else (generator.render_yaml, "---\n")
    click.echo(between.join(map(write, definitions)), nl=False)
