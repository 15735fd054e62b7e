"""Writes Events, one at a time and after everything else: no object waits for them.

Filled by the reconcile; run by the manager. An Event that cannot be written is lost, as everywhere in Kubernetes: the
status has what matters.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from containerapp.core.model import Manifest
from containerapp.errors import ContainerAppError
from containerapp.kube.client import Client, path
from containerapp.tasks import cancelled

_logger = logging.getLogger(__name__)

_MOST_WAITING = 10_000


@dataclass(kw_only=True)
class Recorder:
    """A queue of Events and the loop that writes them."""

    client: Client
    _waiting: asyncio.Queue[Manifest] = field(default_factory=lambda: asyncio.Queue(_MOST_WAITING))

    def record(self, event: Manifest) -> None:
        """Have `event` written; it is lost where too many wait already."""
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            _logger.warning("The event %s is lost: %d others wait", event["reason"], _MOST_WAITING)

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            event = await self._waiting.get()
            try:
                await self.client.create(path("v1", "events", event["metadata"]["namespace"]), event)
            except ContainerAppError as error:
                _logger.warning("The event %s is lost: %s", event["reason"], error)
            except asyncio.CancelledError:
                if cancelled():
                    raise
                _logger.warning("The event %s is lost: its request was cancelled", event["reason"])
            except Exception:
                _logger.exception("The event %s is lost by a bug in the operator", event["reason"])
            finally:
                self._waiting.task_done()

    async def flush(self, seconds: float) -> None:
        """Wait until all are written, but no longer than this."""
        try:
            await asyncio.wait_for(self._waiting.join(), seconds)
        except TimeoutError:
            _logger.warning("The last events are lost, since this replica ends")
