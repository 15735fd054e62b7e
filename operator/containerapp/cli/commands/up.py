"""`containerapp up`: review, apply, and follow until the app is Ready."""

from __future__ import annotations

import click

from containerapp.cli.options import (
    Source,
    Target,
    cluster_options,
    file_options,
    plan_options,
    timeout_option,
)


@click.command("up")
@file_options
@cluster_options
@plan_options
@click.option("-y", "--yes", is_flag=True, help="Apply without asking.")
@click.option("--no-wait", is_flag=True, help="Apply, and do not follow.")
@timeout_option
def command(
    source: Source,
    target: Target,
    timeout: float,
    *,
    yes: bool,
    no_wait: bool,
    **options: object,
) -> int:
    """Review, apply, and follow each app until it is Ready; print its URL.

    A job is Ready once it has succeeded, one with a schedule once that is set. Several are followed at once. Ends with
    1 where an app or a job stalls: the message says of each what to do; with 124 where one is not Ready in time. Ctrl-C
    ends the command; what was applied stays.
    """
    from containerapp.cli.launching import Launch, confirm, launch
    from containerapp.cli.plans import text
    from containerapp.cli.reading import custom_objects, read
    from containerapp.cli.reviewing import review
    from containerapp.cli.session import run

    documents = custom_objects(read(source))
    plans = run(review(documents, target, options))
    click.echo(text(plans))
    if not yes and not all(plan.empty for plan in plans):
        confirm("Apply this?")
    wanted = Launch(
        documents=documents,
        plans=plans,
        force=bool(options["force_conflicts"]),
        timeout=None if no_wait else timeout,
    )
    run(launch(wanted, target))
    return 0
