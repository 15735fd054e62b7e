"""`containerapp status`: one page about an app or a job."""

from __future__ import annotations

import click

from containerapp.cli.apps import any_name
from containerapp.cli.exits import FAILED
from containerapp.cli.options import Target, cluster_options


@click.command("status")
@any_name
@cluster_options
@click.option(
    "-o", "--output", type=click.Choice(["json", "yaml"]), help="Print the object instead of the page."
)
def command(name: str, target: Target, output: str | None) -> int:
    """Show one page about an app or a job.

    Of an app: its conditions, revisions, Pods, Events, image and URL. Of a job: its runs, why the last one that failed
    has failed, when it runs next; cjob/NAME where an app has the name, too. Ends with 0 where it is Ready, else with 1.
    """
    from containerapp.cli.job_pages import job_page
    from containerapp.cli.looks import Look, find
    from containerapp.cli.output import show
    from containerapp.cli.pages import page
    from containerapp.cli.session import connected, run

    async def read() -> Look:
        async with connected(target) as cluster:
            return await find(cluster, name)

    found = run(read())
    shown = job_page if found.app["kind"] == "ContainerJob" else page
    click.echo(show([found.app], output) if output else shown(found), nl=not output)
    return 0 if found.ready else FAILED
