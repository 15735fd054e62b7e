"""`containerapp cost`: what apps cost in a month, by what they request."""

from __future__ import annotations

import click

from containerapp.cli.options import Source, file_options


@click.command("cost")
@file_options
@click.option(
    "--region", metavar="NAME", help="Region whose prices count. Default: that of AWS_REGION, else us-east-1."
)
@click.option("--node", metavar="TYPE", help="EC2 instance whose shares are counted. Default: m6i.large.")
@click.option("--offline", is_flag=True, help="Count with the built-in table, and do not ask AWS.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Format of the output.",
)
def command(source: Source, region: str | None, node: str | None, output: str, *, offline: bool) -> None:
    """Estimate what apps cost in a month by what they request.

    Counted are Pods, load balancers and disks.

    An estimate, not a bill: requests, traffic and logs, taxes and discounts are not counted.
    """
    from containerapp.cli.costs import costs_of, known_prices, shown

    prices = known_prices(region, node, offline=offline)
    click.echo(shown(costs_of(source, prices), prices, output))
