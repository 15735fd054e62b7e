# ruff: noqa: N999 - the file is named as the command
"""`containerapp import`: manifests from what others describe services and jobs with.

A format is a line in FORMATS and a module with a `command` in `cli.formats`; the module is imported when it is called.
"""

from __future__ import annotations

import click

from containerapp.cli.lazy import LazyGroup

FORMATS = {
    "ecs": "Import a task definition and a service of Amazon ECS.",
    "batch": "Import a job definition of AWS Batch.",
    "apprunner": "Import a service of AWS App Runner.",
    "compose": "Import the services of Compose files.",
    "copilot": "Import a service or a job of AWS Copilot.",
}
"""The formats, with what the list in `--help` says of each."""


@click.group("import", cls=LazyGroup, package="containerapp.cli.formats", sections={"Formats": FORMATS})
def command() -> None:
    """Make manifests of what runs elsewhere: Amazon ECS, AWS Batch, App Runner, AWS Copilot, Compose.

    Every value of the input is carried over, or listed with the reason and what to do. Nothing is applied.
    """
