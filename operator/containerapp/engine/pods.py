"""What the Pods of a rollout wait for: asked once it takes longer than usual, at growing intervals.

Called by the reconcile before the status. The answer and its time are in the object's memory; losing them costs one
list.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from containerapp.core.model import Controller, View
from containerapp.engine.memory import Memory
from containerapp.errors import ContainerAppError
from containerapp.kube.client import Client, path

_logger = logging.getLogger(__name__)

ASK_AFTER = 10.0
"""Seconds of rollout after which the Pods are asked what they wait for."""

_INTERVAL = (20.0, 300.0)
"""Seconds between two such questions about one object: at first, and at the longest."""


@dataclass(kw_only=True)
class PodQuestions:
    """Lists Pods. `clock` is monotonic."""

    client: Client
    clock: Callable[[], float]

    async def problem(
        self, controller: Controller, view: View, memory: Memory, rolling_for: float
    ) -> str | None:
        """Return what keeps the Pods of a rollout from becoming available, where that is known."""
        selector = controller.watched_pods(view)
        if selector is None:
            memory.forget_pods()
            return None
        if rolling_for < ASK_AFTER:
            return None
        if self.clock() < memory.pods_asked_at + memory.pods_interval:
            return memory.pod_problem
        first, longest = _INTERVAL
        memory.pods_interval = min(memory.pods_interval * 2, longest) or first
        memory.pods_asked_at = self.clock()
        url = path("v1", "pods", view.key.namespace)
        try:
            pods = await self.client.get(url, labelSelector=selector, limit="50", resourceVersion="0")
        except ContainerAppError as error:
            _logger.warning("Cannot list the Pods: %s", error)
        else:
            memory.pod_problem = controller.explain(pods["items"])
        return memory.pod_problem
