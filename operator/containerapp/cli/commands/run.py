"""`containerapp run`: one run of a job, now, and what it says."""

from __future__ import annotations

import click

from containerapp.cli.apps import bare, job_argument
from containerapp.cli.exits import USAGE, Failure
from containerapp.cli.options import Target, cluster_options, timeout_option


def _pairs(option: str, given: tuple[str, ...]) -> dict[str, str]:
    pairs = [each.partition("=") for each in given]
    if wrong := [name for name, equals, _ in pairs if not (name and equals)]:
        raise Failure(f"{option} takes NAME=VALUE, and got {wrong[0]!r}.", USAGE)
    return {name: value for name, _, value in pairs}


@click.command("run")
@job_argument
@click.argument("args", nargs=-1, metavar="[-- ARGS]...")
@cluster_options
@click.option(
    "--set",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter, for the words Ref::NAME; may be repeated.",
)
@click.option(
    "-e", "--env", multiple=True, metavar="NAME=VALUE", help="An environment variable; may be repeated."
)
@click.option("--indexes", metavar="LIST", help="Indexes of an array, as in 3,7-9, or `failed`.")
@click.option("--no-wait", is_flag=True, help="End once the run is made.")
@timeout_option
def command(  # noqa: PLR0913 - the options of one command
    name: str | None,
    args: tuple[str, ...],
    target: Target,
    parameters: tuple[str, ...],
    env: tuple[str, ...],
    indexes: str | None,
    *,
    no_wait: bool,
    timeout: float,
) -> None:
    """Run a job once, now, and follow its logs until it has ended.

    ARGS take the place of the job's own. Ends with 0 where the run has succeeded, with 1 where it has failed, with 124
    where it has not ended in time; it goes on then, and after Ctrl-C.
    """
    if name is None:
        raise Failure(
            "Name the job that is to run: containerapp run JOB. The operator itself is `containerapp operator`.",
            USAGE,
        )
    from containerapp.cli.jobs import Order, run_job
    from containerapp.cli.session import run

    order = Order(
        name=bare(name, "ContainerJob"),
        request={
            **({"args": list(args)} if args else {}),
            **({"parameters": _pairs("--set", parameters)} if parameters else {}),
            **({"env": _pairs("--env", env)} if env else {}),
            **({"indexes": indexes} if indexes else {}),
        },
        waits=not no_wait,
        timeout=timeout,
    )
    run(run_job(target, order))
