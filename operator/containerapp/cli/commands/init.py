"""`containerapp init`: a first manifest, by a few questions or by flags."""

from __future__ import annotations

from pathlib import Path

import click

from containerapp.cli.exits import Failure

SIZES = {
    "small": ("250m", "512Mi"),
    "medium": ("500m", "1Gi"),
    "large": ("1", "2Gi"),
    "xlarge": ("2", "4Gi"),
}
"""CPU and memory of a Pod; the smallest sizes of Fargate."""


@click.command("init")
@click.argument("name", required=False)
@click.option(
    "--preset", type=click.Choice(["web", "worker"]), help="web has a port and an address, worker has none."
)
@click.option(
    "--image", metavar="REF", help="Image, as in 123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop:1.4.2."
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Port that the program listens on; default: what the image exposes, else 8080.",
)
@click.option("--size", type=click.Choice(list(SIZES)), help="CPU and memory of each Pod.")
@click.option("--replicas", type=click.IntRange(0, 1000), help="Number of Pods.")
@click.option("--public/--internal", default=None, help="Whether the app is reached from the internet.")
@click.option(
    "--host", metavar="NAME", help="Name that the app answers to from outside, as in shop.example.com."
)
@click.option(
    "--health", metavar="PATH", help="Path that answers once the program can serve, as in /healthz."
)
@click.option("--namespace", "-n", metavar="NAME", help="Namespace; default: that of the apply.")
@click.option(
    "-f",
    "--filename",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="File to write; - prints. Default: containerapp.yaml.",
)
@click.option(
    "--sample", is_flag=True, help="Write the sample application, with its Dockerfile, into the folder NAME."
)
@click.option("-y", "--yes", is_flag=True, help="Ask nothing: what is not given has its default.")
@click.option("--force", is_flag=True, help="Write over a file that exists.")
def command(name: str | None, **given: object) -> None:
    """Write the manifest of a new app, after asking for its image, port, size and reach.

    Each answer has a flag; with -y nothing is asked. With credentials for AWS, repositories and tags of Amazon ECR
    are choices. The next step is `containerapp plan -f containerapp.yaml`.
    """
    from containerapp.cli.beginning import ask, manifest
    from containerapp.cli.sample import copy_sample

    force = bool(given.pop("force"))
    if given.pop("sample"):
        copy_sample(Path(name or "sample-app"), force=force)
        return
    file = given.pop("file") or Path("containerapp.yaml")
    assert isinstance(file, Path)  # noqa: S101 - click has made it
    if file.exists() and not force and str(file) != "-":
        raise Failure(f"{file} exists. Give another name by -f, or --force to write over it.")
    text = manifest(ask(name, given))
    if str(file) == "-":
        click.echo(text, nl=False)
        return
    try:
        file.write_text(text)
    except OSError as error:
        raise Failure(f"{file} cannot be written: {error.strerror}. Name another file by -f.") from None
    click.echo(f"{file} is written. Next: containerapp plan -f {file}")
