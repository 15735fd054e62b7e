"""`up`: the question, the applies, and each app or job followed until it is Ready.

The question is asked outside of any event loop, so that Ctrl-C ends it at once.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import click

from containerapp.cli.exits import USAGE, Failure
from containerapp.cli.following import Progress, follow
from containerapp.cli.kinds import controller_named
from containerapp.cli.options import Target
from containerapp.cli.planning import AppPlan
from containerapp.cli.reading import Document
from containerapp.cli.rendering import in_namespace
from containerapp.cli.screen import screen
from containerapp.cli.session import Cluster, connected, resource_of
from containerapp.core.model import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What to apply, and how long to follow it; `timeout` is None where it is not followed."""

    documents: Sequence[Document]
    plans: Sequence[AppPlan]
    force: bool
    timeout: float | None


async def launch(wanted: Launch, target: Target) -> None:
    """Apply what changes, and follow each app until it is Ready, and each job: it is once it has succeeded."""
    async with connected(target) as cluster:
        manifests = [in_namespace(each.value, cluster.namespace) for each in wanted.documents]
        try:
            for manifest, plan in zip(manifests, wanted.plans, strict=True):
                if not plan.empty:
                    await cluster.apply(resource_of(manifest), manifest, force=wanted.force, dry=False)
            if wanted.timeout is not None:
                await _follow(cluster, manifests, wanted.timeout)
        except asyncio.CancelledError:
            names = dict.fromkeys(manifest["metadata"]["name"] for manifest in manifests)
            pages = ", ".join(f"`containerapp status {name}`" for name in names)
            click.echo(f"\nThe operator goes on with what was applied. See {pages}.", err=True)
            raise


def confirm(question: str) -> None:
    """Ask, and end the command unless the answer is yes; without a terminal, end with how to answer beforehand."""
    if not sys.stdin.isatty():
        raise Failure("There is no terminal to ask on: give -y to go ahead without a question.", USAGE)
    click.confirm(question, abort=True)


async def _follow(cluster: Cluster, manifests: Sequence[Manifest], timeout: float) -> None:  # noqa: ASYNC109 - ours
    """Follow all of them at once; end the command where some do not become Ready, with what keeps each of them."""
    with screen() as say:

        async def until_ready(manifest: Manifest) -> Failure | None:
            name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
            controller = controller_named(manifest["kind"])
            progress = Progress(say=say)
            try:
                seen = await follow(cluster.within(namespace), name, timeout, progress, controller)
            except Failure as failure:
                return failure
            url = seen.status.get("url")
            say(click.style(f"{name} is Ready", fg="green") + (f": {url}" if url else "."))
            return None

        ended = await asyncio.gather(*map(until_ready, manifests))
    failures = [each for each in ended if each is not None]
    if failures:
        raise Failure("\n".join(each.message for each in failures), min(each.code for each in failures))
