"""`containerapp validate`: manifests against the models, with the place of each mistake. Reads no cluster."""

from __future__ import annotations

import click

from containerapp.cli.exits import FAILED
from containerapp.cli.options import Source, file_options


@click.command("validate")
@file_options
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "junit", "sarif"]),
    default="text",
    show_default=True,
    help="Format of the report.",
)
def command(source: Source, output: str) -> int:
    """Check manifests as the API server would: fields, bounds, and the rules between fields.

    Each mistake is named with its file, line and column and what to do about it. Ends with 1 where there is one.
    """
    from containerapp.cli.checks import check
    from containerapp.cli.reading import read
    from containerapp.cli.reports import REPORTS

    sources = read(source)
    result = check(sources)
    click.echo(REPORTS[output](result))
    return FAILED if result.mistakes else 0
