"""`containerapp doctor`: is this cluster ready for apps? Reads only."""

from __future__ import annotations

import click

from containerapp.cli.apps import bare, optional_name
from containerapp.cli.exits import FAILED
from containerapp.cli.options import Target, cluster_options


@click.command("doctor")
@optional_name
@cluster_options
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Format of the report.",
)
@click.option(
    "--cluster-name", metavar="NAME", help="Name of the cluster in EKS; default: that of the kubeconfig."
)
def command(name: str | None, target: Target, output: str, cluster_name: str | None) -> int:
    """Check whether the cluster is ready for apps, or what ails the app NAME.

    Each check is ok, a warning (something optional is missing), a failure, or skipped where you may not read, with
    what mends it. AWS is asked with your own credentials. Nothing is written.
    Ends with 1 where a check fails, with 0 where checks warn or are skipped.
    """
    import json

    from containerapp.cli.diagnosing import examine
    from containerapp.cli.findings import Grade
    from containerapp.cli.session import run

    findings = run(examine(target, bare(name) if name else None, cluster_name))
    if output == "json":
        click.echo(json.dumps([finding.as_json() for finding in findings], indent=2))
    else:
        click.echo("\n".join(finding.line() for finding in findings))
    return FAILED if any(finding.grade is Grade.FAIL for finding in findings) else 0
