"""`containerapp explain`: the field reference from the models, without a cluster."""

from __future__ import annotations

import click


@click.command("explain")
@click.argument("field", default="")
@click.option(
    "--recursive", "-R", is_flag=True, help="List the fields of fields, without their descriptions."
)
@click.option(
    "--kind",
    default="ContainerApp",
    metavar="KIND",
    show_default=True,
    help="Kind whose field it is, as in cjob.",
)
def command(field: str, kind: str, *, recursive: bool) -> None:
    """Explain FIELD of a manifest: its type, default, bounds and rules.

    FIELD is a path such as `spec.autoscaling` or `autoscaling.cpu`; without one, the whole object is explained.
    """
    from containerapp.cli.explanation import explanation
    from containerapp.cli.kinds import definition_of

    click.echo(explanation(definition_of(kind), field, recursive=recursive))
