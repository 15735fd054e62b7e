"""What other controllers complain of at a child, for those that do so by Events alone: asked at growing intervals.

Called by the reconcile before the status, for the children that the custom kind's controller names. The answers and
their time are in the object's memory; losing them costs one list.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from containerapp.core.model import Controller, Manifest, ObjectRef, View
from containerapp.engine.memory import Memory
from containerapp.errors import ContainerAppError
from containerapp.kube.client import Client, path

_logger = logging.getLogger(__name__)

_INTERVAL = (20.0, 300.0)
"""Seconds between two such questions about one object: at first, and at the longest."""

_MOST = "100"
"""Events of one child that are listed; Kubernetes counts repeated ones in one object, and keeps them for an hour."""


@dataclass(kw_only=True)
class WarningQuestions:
    """Lists Events. `clock` is monotonic."""

    client: Client
    clock: Callable[[], float]

    async def newest(
        self, controller: Controller, view: View, inputs: Any, memory: Memory
    ) -> Mapping[ObjectRef, str]:
        """Return by child `reason: message` of its newest Event, where that is a Warning."""
        asked = controller.asks(view, inputs)
        memory.warnings = {ref: said for ref, said in memory.warnings.items() if ref in asked}
        if not asked:
            memory.forget_warnings()
            return {}
        if self.clock() < memory.warnings_asked_at + memory.warnings_interval:
            return memory.warnings
        first, longest = _INTERVAL
        memory.warnings_interval = min(memory.warnings_interval * 2, longest) or first
        memory.warnings_asked_at = self.clock()
        for ref in asked:
            said = await self._ask(view, ref)
            memory.warnings = {**memory.warnings, ref: said} if said else _without(memory.warnings, ref)
        return memory.warnings

    async def _ask(self, view: View, ref: ObjectRef) -> str | None:
        selector = f"involvedObject.kind={ref.kind},involvedObject.uid={view.live[ref]['metadata']['uid']}"
        url = path("v1", "events", view.key.namespace)
        try:
            listed = await self.client.get(url, fieldSelector=selector, limit=_MOST)
        except ContainerAppError as error:
            _logger.warning("Cannot list the Events of %s: %s", ref, error)
            return None
        return newest_warning(listed["items"])


def newest_warning(events: list[Manifest]) -> str | None:
    """Return `reason: message` of the newest Event, where it is a Warning: a success that came later ends it."""
    newest = max(events, key=_when, default=None)
    if newest is None or newest.get("type") != "Warning":
        return None
    return f"{newest.get('reason', '')}: {newest.get('message', '')}"


def _when(event: Manifest) -> str:
    series = event.get("series") or {}
    times = (event.get("lastTimestamp"), series.get("lastObservedTime"), event.get("eventTime"))
    return max(filter(None, (*times, event["metadata"].get("creationTimestamp"))), default="")


def _without(warnings: Mapping[ObjectRef, str], ref: ObjectRef) -> Mapping[ObjectRef, str]:
    return {each: said for each, said in warnings.items() if each != ref}
