"""The logs of the Pods of an app or of a job, read together: one stream a Pod, a colour for each.

With `follow`, Pods that come later are read from their beginning, and a container that has not started is asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Self

import click

from containerapp.cli.exits import NOT_FOUND, Failure
from containerapp.cli.looks import items, locate
from containerapp.cli.options import Target
from containerapp.cli.session import Cluster, connected
from containerapp.controllers.pods.template import CONTAINER
from containerapp.errors import Blocked, ContainerAppError, Transient
from containerapp.kube.client import NotFound, path

_COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green", "bright_magenta")
_INTERVAL = 2.0
_LAST_WORDS = 30.0
"""Seconds that streams have to come to their ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which lines."""

    follow: bool
    container: str
    query: Mapping[str, str]

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Wanted:
        """Read the command's options."""
        since, tail = options["since"], options["tail"]
        query = {
            **({"sinceSeconds": str(max(1, int(since)))} if since is not None else {}),
            **({"tailLines": str(tail)} if tail is not None else {}),
            **({"previous": "true"} if options["previous"] else {}),
            **({"timestamps": "true"} if options["timestamps"] else {}),
        }
        follow = bool(options["follow"])
        container = str(options["container"] or CONTAINER)
        return cls(follow=follow, container=container, query=query | ({"follow": "true"} if follow else {}))


class Lines:
    """The streams of the Pods that a selector chooses; at the end of the block those are read to their ends."""

    def __init__(self, cluster: Cluster, selector: str, wanted: Wanted) -> None:
        self._cluster, self._selector, self._wanted = cluster, selector, wanted
        self._colours = cycle(_COLOURS)
        self._known: set[str] = set()
        self._tasks = set[asyncio.Task[None]]()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        """Read on to the ends, unless something went wrong; a container that never started has no end."""
        if self._tasks and error is None:
            await asyncio.wait(self._tasks, timeout=_LAST_WORDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def add_new(self) -> bool:
        """Read the Pods that have come since; return whether there has been any."""
        listed = await items(self._cluster, path("v1", "pods", self._cluster.namespace), self._selector)
        for pod in sorted({pod["metadata"]["name"] for pod in listed} - self._known):
            self._known.add(pod)
            stream = _stream(self._cluster, pod, self._wanted, next(self._colours))
            self._tasks.add(asyncio.create_task(stream))
        return bool(self._known)


async def show(target: Target, name: str, wanted: Wanted) -> None:
    """Print the logs of all Pods of an app or a job."""
    async with connected(target) as cluster:
        controller, own = await locate(cluster, name)
        await cluster.app(controller.resource, own)
        async with Lines(cluster, f"{controller.label}={own}", wanted) as lines:
            while True:
                if not await lines.add_new() and not wanted.follow:
                    raise Failure(f"{own} has no Pods. See `containerapp status {name}`.", NOT_FOUND)
                if not wanted.follow:
                    return
                await asyncio.sleep(_INTERVAL)


async def _stream(cluster: Cluster, pod: str, wanted: Wanted, colour: str) -> None:
    """Print one Pod's lines; what keeps them from coming is one line, too."""
    prefix = click.style(f"{pod} | ", fg=colour)
    url = path("v1", "pods", cluster.namespace, pod, "log")
    complained = False
    while True:
        try:
            async for line in cluster.client.lines(url, container=wanted.container, **wanted.query):
                click.echo(prefix + line)
        except NotFound:
            return
        except (Blocked, Transient) as error:
            if not complained:
                click.echo(prefix + click.style(_reason(error), fg="red"), err=True)
                complained = True
            if not wanted.follow:
                return
            await asyncio.sleep(_INTERVAL)
        else:
            return


def _reason(error: ContainerAppError) -> str:
    return str(error.__cause__ or error.message)
