"""`containerapp exec`: a command in a Pod of an app."""

from __future__ import annotations

import click

from containerapp.cli.apps import bare, name_argument
from containerapp.cli.exits import NOT_FOUND, Failure
from containerapp.cli.options import Target, cluster_options


@click.command("exec", context_settings={"ignore_unknown_options": True})
@cluster_options
@click.option("--pod", metavar="NAME", help="Pod; default: a ready one.")
@click.option(
    "-c", "--container", default="app", show_default=True, metavar="NAME", help="Container of the Pod."
)
@name_argument
@click.argument("words", nargs=-1, metavar="[-- COMMAND...]", type=click.UNPROCESSED)
def command(name: str, words: tuple[str, ...], target: Target, pod: str | None, container: str) -> None:
    """Run a command in a Pod of an app, by default a shell. kubectl carries the terminal."""
    from containerapp.cli.kubectl import execute
    from containerapp.cli.looks import Look, look
    from containerapp.cli.session import connected, run

    async def read() -> tuple[Look, str]:
        async with connected(target) as cluster:
            return await look(cluster, bare(name), whole=False), cluster.namespace

    seen, namespace = run(read())
    ready = [
        each["metadata"]["name"]
        for each in seen.pods
        if any(c["type"] == "Ready" and c["status"] == "True" for c in each["status"].get("conditions", ()))
    ]
    chosen = pod or next(iter(ready), None)
    if chosen is None:
        raise Failure(f"{bare(name)} has no ready Pod. See `containerapp status {bare(name)}`.", NOT_FOUND)
    execute(target, namespace, chosen, container, words or ("/bin/sh",))
