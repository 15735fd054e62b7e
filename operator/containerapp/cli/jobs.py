"""A run of a job from the command line: the annotation that asks for it, its logs, and how it ended.

The annotation has a name of its own, so that the operator makes exactly one run of it; it is removed once it is
answered. Ctrl-C ends the command, not the run.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import click

from containerapp.api.containerjob import ContainerJob
from containerapp.api.run_request import PREFIX, RunRequest
from containerapp.cli.exits import TIMED_OUT, Failure
from containerapp.cli.logstreams import Lines, Wanted
from containerapp.cli.options import Target
from containerapp.cli.session import Cluster, connected
from containerapp.controllers.containerjob.controller import CONTAINER_JOB
from containerapp.controllers.containerjob.runs import DEMAND, SpecRun, Trigger
from containerapp.controllers.pods.job import RESOURCE as JOB
from containerapp.controllers.pods.job import ending
from containerapp.core.conditions import by_type
from containerapp.core.model import Manifest
from containerapp.engine.apply import url_of
from containerapp.errors import InvalidSpec

RESOURCE = CONTAINER_JOB.resource
_INTERVAL = 1.0
_FOLLOWED = {
    "since": None,
    "tail": None,
    "previous": False,
    "timestamps": False,
    "follow": True,
    "container": None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to run: the job's name, and what the run has instead of what the spec says."""

    name: str
    request: dict[str, Any]
    waits: bool
    timeout: float
    token: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}")

    @property
    def annotation(self) -> str:
        """Key of the annotation that asks for the run."""
        return f"{PREFIX}{self.token}"


async def run_job(target: Target, order: Order) -> None:
    """Ask for the run, follow it, and end as it ends."""
    text = json.dumps(order.request) if order.request else ""
    try:
        RunRequest.parse(order.token, text)
    except InvalidSpec as error:
        raise Failure(error.message) from None
    deadline = time.monotonic() + order.timeout
    async with connected(target) as cluster:
        job = await cluster.app(RESOURCE, order.name)
        run = _name_of_run(job, order)
        await _annotate(cluster, order, text)
        await _answered(cluster, order, deadline)
        await _annotate(cluster, order, None)
        if await cluster.find(url_of(JOB, cluster.namespace, run)) is None:
            raise Failure(
                f"No run was made: {order.name} has the concurrencyPolicy "
                f"{job['spec'].get('concurrencyPolicy', 'Queue')}, and another run goes on or has taken its place."
            )
        click.echo(f"Job {run} of {order.name} was made.", err=True)
        if order.waits:
            await _follow(cluster, order, run, deadline)


def _name_of_run(job: Manifest, order: Order) -> str:
    return Trigger(name=f"{DEMAND}{order.token}", spec_run=SpecRun()).ref(ContainerJob.parse(job)).name


async def _annotate(cluster: Cluster, order: Order, text: str | None) -> None:
    url = url_of(RESOURCE, cluster.namespace, order.name)
    await cluster.patch(url, {"metadata": {"annotations": {order.annotation: text}}})


async def _answered(cluster: Cluster, order: Order, deadline: float) -> None:
    """Wait until the operator has answered; Ctrl-C and the deadline leave the request as it is."""
    said = ""
    while True:
        job = await cluster.app(RESOURCE, order.name)
        status = job.get("status") or {}
        if order.token in status.get("answered", ()):
            return
        ready = by_type(status).get("Ready", {})
        if ready.get("reason") == "InvalidRunRequest":
            await _annotate(cluster, order, None)
            raise Failure(str(ready["message"]))
        if time.monotonic() > deadline:
            raise Failure(
                f"No run within {order.timeout:.0f} s: {ready.get('message', 'the operator says nothing')} "
                f"It is still asked for; to take that back: kubectl annotate cjob {order.name} {order.annotation}-",
                TIMED_OUT,
            )
        waiting = str(ready.get("message", ""))
        if waiting != said and ready.get("status") == "False":
            click.echo(f"{order.name}: {waiting}", err=True)
            said = waiting
        await asyncio.sleep(_INTERVAL)


async def _follow(cluster: Cluster, order: Order, run: str, deadline: float) -> None:
    """Print what the Pods of the run say until it has ended."""
    url = url_of(JOB, cluster.namespace, run)
    async with Lines(cluster, f"batch.kubernetes.io/job-name={run}", Wanted.of(_FOLLOWED)) as lines:
        while True:
            await lines.add_new()
            job = await cluster.find(url)
            ended = ending(job) if job is not None else {"type": "Failed", "message": "Its Job was deleted."}
            if ended:
                break
            if time.monotonic() > deadline:
                raise Failure(f"Job {run} has not ended within {order.timeout:.0f} s; it goes on.", TIMED_OUT)
            await asyncio.sleep(_INTERVAL)
    if ended["type"] == "Failed":
        raise Failure(
            f"Job {run} has failed: {ended.get('message', '')} See `containerapp status cjob/{order.name}`."
        )
    click.echo(f"Job {run} has succeeded.", err=True)
