"""What a controller asks about, such as the Pods of a rollout: once it takes longer than usual, at growing intervals.

Called by the reconcile before it gathers. The answer and its time are in the object's memory; losing them costs one
list.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from containerapp.core.model import Key, Listing
from containerapp.engine.memory import Memory
from containerapp.errors import ContainerAppError
from containerapp.kube.client import Client, path

_logger = logging.getLogger(__name__)

ASK_AFTER = 10.0
"""Seconds of rollout after which the Pods are asked."""

_SHARE, _LONGEST = 0.25, 120.0
"""The next listing waits for this share of the time that the rollout has taken, and for so many seconds at most."""


@dataclass(kw_only=True)
class PodQuestions:
    """Lists Pods. `clock` is monotonic."""

    client: Client
    clock: Callable[[], float]

    async def finding(
        self, listing: Listing | None, key: Key, memory: Memory, rolling_for: float
    ) -> Any | None:
        """Return what was found last, or None where nothing was asked; the answer to another listing is forgotten."""
        selector = listing.selector if listing else None
        if selector != memory.pods_selector:
            memory.forget_pods(selector)
        if listing is None:
            return None
        if rolling_for < ASK_AFTER:
            return None
        if self.clock() < memory.pods_asked_at + memory.pods_interval:
            return memory.finding
        memory.pods_interval = min(max(ASK_AFTER, rolling_for * _SHARE), _LONGEST)
        memory.pods_asked_at = self.clock()
        kind = listing.resource
        url = path(kind.api_version, kind.plural, key.namespace)
        try:
            found = await self.client.get(
                url, labelSelector=listing.selector, limit="50", resourceVersion="0"
            )
        except ContainerAppError as error:
            _logger.warning("Cannot list the %ss: %s", kind.kind, error)
        else:
            memory.finding = listing.examine(found["items"])
        return memory.finding
