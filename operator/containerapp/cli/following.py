"""Waiting for an app: each change of its state and of its Pods once, until it is Ready, stalled, or too late.

Called by `up`, `wait`, `rollback` and `down`. Reads only, once a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import click

from containerapp.cli.exits import FAILED, TIMED_OUT, Failure
from containerapp.cli.looks import Look, age, locate, look, pod_state
from containerapp.cli.options import Target
from containerapp.cli.session import Cluster, connected
from containerapp.controllers.containerapp.controller import CONTAINER_APP
from containerapp.core.model import Controller
from containerapp.errors import Transient
from containerapp.kube.client import NotFound

_INTERVAL = 1.0
_STALLED_FOR = 2
"""Looks in a row that say Stalled: the operator may have seen half of the change."""


@dataclass(kw_only=True)
class Progress:
    """Shows each change once."""

    say: Callable[[str], None]
    _said: set[str] = field(default_factory=set)
    _summary: str = ""

    def show(self, seen: Look) -> None:
        """Say what is new."""
        if (summary := describe(seen)) != self._summary:
            self._summary = summary
            self.say(summary)
        for line in pod_lines(seen):
            if line not in self._said:
                self._said.add(line)
                self.say(line)


def describe(seen: Look) -> str:
    """Return in one line how the app fares."""
    name, ready = seen.app["metadata"]["name"], seen.conditions.get("Ready", {})
    if not seen.current:
        return f"{name}: waiting for the operator to see the change."
    return f"{name}: {ready.get('reason', 'Pending')}: {ready.get('message', '')}"


def pod_lines(seen: Look) -> Iterator[str]:
    """Yield a line for each Pod, and what ails them."""
    for pod in seen.pods:
        yield f"  Pod {pod['metadata']['name']}: {pod_state(pod)}"
    ready = str(seen.conditions.get("Ready", {}).get("message", ""))
    if (problem := seen.problem) and problem not in ready:
        yield click.style(f"  {problem}", fg="red")


async def follow(
    cluster: Cluster,
    name: str,
    timeout: float,  # noqa: ASYNC109 - ours
    progress: Progress,
    controller: Controller = CONTAINER_APP,
) -> Look:
    """Watch an app, or a job, until it is Ready; end the command where it stalls, or takes too long.

    One that is Ready because an earlier version runs in its place is stalled: what was asked for does not run.
    """
    deadline, stalled = time.monotonic() + timeout, 0
    while True:
        seen = await _look(cluster, name, controller)
        if seen is not None:
            progress.show(seen)
            stalled = stalled + 1 if seen.stalled else 0
            if stalled >= _STALLED_FOR:
                why = seen.conditions["Stalled"]
                raise Failure(f"{name} is stalled: {why['reason']}: {why['message']}", FAILED)
            if seen.ready and not stalled:
                return seen
        if time.monotonic() > deadline:
            said = describe(seen) if seen else "the API server does not answer"
            raise Failure(f"Not Ready within {timeout:.0f} s. {said}", TIMED_OUT)
        await asyncio.sleep(_INTERVAL)


async def _look(cluster: Cluster, name: str, controller: Controller) -> Look | None:
    """Return how the app fares; None where the API server does not answer this time."""
    try:
        return await look(cluster, name, controller=controller)
    except Transient:
        return None


async def await_condition(target: Target, name: str, kind: str, timeout: float) -> str:  # noqa: ASYNC109 - ours
    """Wait until a condition of an app's or a job's newest generation is True; return its name."""
    deadline = time.monotonic() + timeout
    async with connected(target) as cluster:
        controller, own = await locate(cluster, name)
        while True:
            seen = await look(cluster, own, whole=False, controller=controller)
            found = seen.conditions.get(kind, {})
            if seen.current and found.get("status") == "True":
                return own
            if time.monotonic() > deadline:
                ready = seen.conditions.get("Ready", {})
                raise Failure(
                    f"{own} is not {kind} within {timeout:.0f} s: {ready.get('message', 'no status yet')}",
                    TIMED_OUT,
                )
            await asyncio.sleep(_INTERVAL)


async def await_gone(cluster: Cluster, name: str, timeout: float, controller: Controller) -> None:  # noqa: ASYNC109 - ours
    """Wait until an app or a job is deleted."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            seen = await look(cluster, name, whole=False, controller=controller)
        except NotFound:
            return
        if time.monotonic() > deadline:
            since = age(seen.app["metadata"].get("deletionTimestamp"))
            raise Failure(f"{name} is still there; its deletion began {since} ago.", TIMED_OUT)
        await asyncio.sleep(_INTERVAL)
