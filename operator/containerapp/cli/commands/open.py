"""`containerapp open`: an app in the browser."""

from __future__ import annotations

import click

from containerapp.cli.apps import bare, name_argument
from containerapp.cli.options import Target, cluster_options


@click.command("open")
@name_argument
@cluster_options
@click.option("--url", "only_url", is_flag=True, help="Print the address instead.")
def command(name: str, target: Target, *, only_url: bool) -> None:
    """Open an app in the browser.

    An address inside the cluster is reached through kubectl port-forward, until Ctrl-C.
    """
    from containerapp.cli.kubectl import forward
    from containerapp.cli.looks import look
    from containerapp.cli.session import connected, run
    from containerapp.cli.visiting import address, is_internal

    async def read() -> tuple[str, str]:
        async with connected(target) as cluster:
            return address(await look(cluster, bare(name), whole=False)), cluster.namespace

    url, namespace = run(read())
    if only_url:
        click.echo(url)
    elif is_internal(url):
        forward(target, namespace, bare(name), url)
    else:
        click.echo(f"Opening {url}")
        click.launch(url)
