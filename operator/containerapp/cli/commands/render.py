"""`containerapp render`: the children of apps and jobs as the operator's own code makes them, without a cluster."""

from __future__ import annotations

from collections.abc import Callable

import click

from containerapp.cli.options import Source, file_options


@click.command("render")
@file_options
@click.option(
    "-n",
    "--namespace",
    default="default",
    metavar="NAME",
    show_default=True,
    help="Namespace of objects that name none.",
)
@click.option(
    "--default-registry",
    envvar="CONTAINERAPP_DEFAULT_REGISTRY",
    default="docker.io",
    metavar="HOST",
    show_default=True,
    help="Registry of short image names such as shop:1.4.2, as the operator was set up with.",
)
@click.option("--resolve", is_flag=True, help="Ask the registries for the digests, as the operator does.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["yaml", "json", "name"]),
    default="yaml",
    show_default=True,
    help="Format of the output.",
)
def command(source: Source, *, resolve: bool, **options: str) -> None:
    """Print the objects that the operator would make of apps and jobs.

    No cluster is asked. Images run by their tags here: on a cluster they run by digest, which --resolve shows.
    """
    from containerapp.cli.output import show
    from containerapp.cli.reading import custom_objects, read
    from containerapp.cli.rendering import Tags, children
    from containerapp.core.model import Digests
    from containerapp.core.policy import Platform

    documents = custom_objects(read(source))
    platform = Platform(default_registry=options["default_registry"])
    digests: Digests = Tags()
    ask: Callable[[], None] = _nothing
    if resolve:
        import asyncio

        from containerapp.cli.digests import Answers
        from containerapp.registries.policy import Policy

        digests = answers = Answers(policy=Policy(default=platform.default_registry))

        def ask() -> None:
            asyncio.run(answers.ask())

    manifests = [
        child
        for document in documents
        for child in children(document, platform, options["namespace"], digests, ask)
    ]
    click.echo(show(manifests, options["output"]), nl=False)


def _nothing() -> None:
    """Ask nobody: images run by their tags."""
