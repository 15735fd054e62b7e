"""`containerapp list`: the apps or the jobs of a namespace, or of all."""

from __future__ import annotations

import click

from containerapp.cli.options import Target, cluster_options, kind_argument


@click.command("list")
@kind_argument
@cluster_options
@click.option("-A", "--all-namespaces", is_flag=True, help="List those of all namespaces.")
@click.option(
    "-l", "--selector", default="", metavar="LABELS", help="Labels that they have, as in team=checkout."
)
@click.option(
    "-o", "--output", type=click.Choice(["wide", "json", "yaml", "name"]), help="Format; default: columns."
)
def command(kind: str, target: Target, selector: str, output: str | None, *, all_namespaces: bool) -> None:
    """List the apps, or the jobs, with their state.

    KIND is ContainerApp, or with cjob ContainerJob. The columns are those of `kubectl get`.
    """
    from containerapp.cli.kinds import controller_named
    from containerapp.cli.listing import columns, fetch
    from containerapp.cli.output import show
    from containerapp.cli.session import run

    controller = controller_named(kind)
    apps = run(fetch(target, controller.resource, selector, all_namespaces=all_namespaces))
    if output in {"json", "yaml", "name"}:
        click.echo(show(apps, output), nl=False)
    elif not apps:
        click.echo(f"No {controller.resource.kind}s found.", err=True)
    else:
        click.echo(columns(apps, controller.definition, wide=output == "wide", namespaces=all_namespaces))
