"""What load balancers say of the Pods of apps that roll out: asked in the background, every few seconds.

The reconcile calls `lookup`, which answers at once from what is known; `run` asks, and calls `on_change` for the custom
objects to which the answer is news. Without a rollout nothing is asked. Losing what it remembers costs one round.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from containerapp.core.model import Key, Manifest
from containerapp.core.targets import Answer, PodAt, Question, Silence, Targets
from containerapp.errors import ContainerAppError, Transient
from containerapp.kube.client import Client, NotFound, path

_logger = logging.getLogger(__name__)

INTERVAL = 8.0
"""Seconds between two rounds."""

FRESH = 30.0
"""Seconds for which an answer is one."""

_BINDINGS_KEPT = 60.0
_AT_A_TIME = 8

Describe: TypeAlias = Callable[[str], Awaitable[Mapping[str, str]]]
"""From a target group's ARN to the state of each address; raises `ContainerAppError`."""


def nobody_asks(_key: Key, _question: Question | None) -> Targets | None:
    """Return that no load balancer is asked."""
    return None


@dataclass(slots=True, kw_only=True)
class _Ask:
    """Times are on the monotonic clock."""

    question: Question
    since: float
    """When the answer came, or the question where none has come."""
    answer: Answer | None = None
    error: ContainerAppError | None = None
    groups: tuple[str, ...] = ()
    groups_until: float = 0.0


@dataclass(kw_only=True)
class TargetWatch:
    """Asks Kubernetes for Pods and TargetGroupBindings, and `describe` for target groups."""

    client: Client
    describe: Describe
    on_change: Callable[[Key], None]
    clock: Callable[[], float]
    _asks: dict[Key, _Ask] = field(default_factory=dict)
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)

    def lookup(self, key: Key, question: Question | None) -> Targets | None:
        """Return what is known, and go on asking; without a question, nothing is asked any more."""
        if question is None:
            self._asks.pop(key, None)
            return None
        ask = self._asks.get(key)
        if ask is None or ask.question != question:
            ask = self._asks[key] = _Ask(question=question, since=self.clock())
            self._wanted.set()
        silent = self.clock() - ask.since
        if ask.answer is not None and silent < FRESH:
            return ask.answer
        return Silence(seconds=silent, error=ask.error)

    async def run(self) -> None:
        """Ask until cancelled."""
        limit = asyncio.Semaphore(_AT_A_TIME)
        while True:
            await self._wanted.wait()
            await asyncio.gather(*(self._ask(key, ask, limit) for key, ask in list(self._asks.items())))
            if not self._asks:
                self._wanted.clear()
            await asyncio.sleep(INTERVAL)

    async def _ask(self, key: Key, ask: _Ask, limit: asyncio.Semaphore) -> None:
        """Ask for one object; a bug of ours must not end the others' round."""
        before = (ask.answer, ask.error and ask.error.reason)
        async with limit:
            try:
                ask.answer, ask.error = await self._answer(key, ask), None
                ask.since = self.clock()
            except ContainerAppError as error:
                ask.error, ask.groups = error, ()
            except Exception:
                _logger.exception("Asking target groups failed by a bug in the operator")
                ask.error = Transient("Bug", "The operator has a bug; its log has more. It is tried again.")
        if before != (ask.answer, ask.error and ask.error.reason):
            self.on_change(key)

    async def _answer(self, key: Key, ask: _Ask) -> Answer:
        """The Pods come last: one that is younger than what the groups say is waited for."""
        if not ask.groups or self.clock() >= ask.groups_until:
            ask.groups, ask.groups_until = await self._bindings(key, ask), self.clock() + _BINDINGS_KEPT
        groups = [await self.describe(arn) for arn in ask.groups]
        listed = await self.client.get(
            path("v1", "pods", key.namespace), labelSelector=ask.question.selector, resourceVersion="0"
        )
        pods = (_pod(item, ask.question.label) for item in listed["items"] or ())
        return Answer(pods=tuple(pod for pod in pods if pod is not None), groups=tuple(groups))

    async def _bindings(self, key: Key, ask: _Ask) -> tuple[str, ...]:
        """Return the target groups of addresses that are bound to the Service; none where the kind is absent."""
        url = path(ask.question.bindings, "targetgroupbindings", key.namespace)
        try:
            listed = await self.client.get(url)
        except NotFound:
            return ()
        bound = (item["spec"] for item in listed["items"] or ())
        return tuple(
            spec["targetGroupARN"]
            for spec in bound
            if spec.get("serviceRef", {}).get("name") == ask.question.service
            and spec.get("targetType", "ip") == "ip"
            and spec.get("targetGroupARN")
        )


def _pod(manifest: Manifest, label: str) -> PodAt | None:
    """Return a Pod that has an address and is not ending."""
    metadata, status = manifest["metadata"], manifest.get("status", {})
    if "deletionTimestamp" in metadata or not status.get("podIP"):
        return None
    ready = next(
        (
            condition["lastTransitionTime"]
            for condition in status.get("conditions", ())
            if condition["type"] == "Ready" and condition["status"] == "True"
        ),
        None,
    )
    since = datetime.fromisoformat(ready) if ready else None
    return PodAt(address=status["podIP"], label=metadata.get("labels", {}).get(label, ""), ready_since=since)
