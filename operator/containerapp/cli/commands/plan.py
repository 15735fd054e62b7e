"""`containerapp plan`: what an apply would change. Writes nothing."""

from __future__ import annotations

import click

from containerapp.cli.exits import CHANGES
from containerapp.cli.options import Source, Target, cluster_options, file_options, plan_options


@click.command("plan")
@file_options
@cluster_options
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "markdown"]),
    default="text",
    show_default=True,
    help="Format of the plan.",
)
@plan_options
def command(
    source: Source,
    target: Target,
    output: str,
    **options: object,
) -> int:
    """Show what an apply of the manifests would create, change and delete, and which Pods restart.

    The operator's own code renders the objects; the API server tries every write and makes none. Ends with 0 where
    nothing would change, with 2 where something would.
    """
    from containerapp.cli.plans import RENDERERS
    from containerapp.cli.reading import custom_objects, read
    from containerapp.cli.reviewing import review
    from containerapp.cli.session import run

    documents = custom_objects(read(source))
    plans = run(review(documents, target, options))
    click.echo(RENDERERS[output](plans))
    return 0 if all(plan.empty for plan in plans) else CHANGES
