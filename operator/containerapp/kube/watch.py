"""The watch of the custom objects, by kopf: every event becomes a call of `take`, and nothing else happens here.

Run by the manager. kopf keeps the watch alive, logs in, and notices a definition that is installed late. It has
handlers of raw events alone: its other handlers write annotations and finalizers, and act on edges.
"""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import kopf

from containerapp.core.model import Manifest, Resource
from containerapp.errors import Blocked, Transient
from containerapp.kube.client import PAGE, Client, describe, path
from containerapp.tasks import end

_logger = logging.getLogger(__name__)

_REFUSED_RETRY = 60.0
"""Seconds after which a namespace that may not be listed is tried again."""

_RESTART = (0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(kw_only=True)
class CustomWatch:
    """Watches the objects of `resources` in `namespaces` (none: the cluster) until `stop`; `take` has each event."""

    client: Client
    resources: tuple[Resource, ...]
    namespaces: tuple[str, ...]
    identity: str
    take: Callable[[Resource, str | None, Manifest], None]
    stop: asyncio.Event
    _failures: int = 0

    @property
    def broken(self) -> bool:
        """Whether the watch has kept failing for a while."""
        return self._failures >= len(_RESTART)

    async def run(self) -> None:
        """Let kopf watch, and begin again when it gives up: it does so when the API server is away."""
        while not self.stop.is_set():
            started, refused = time.monotonic(), await self._refused_namespaces()
            again = asyncio.Event()
            try:
                await self._run_kopf(again, refused)
            except Exception as error:  # noqa: BLE001 - whatever ends kopf, the watch must go on
                _logger.warning("The watch of the custom objects ended and begins again: %s", describe(error))
            lasted = time.monotonic() - started > _RESTART[-1]
            self._failures = 0 if lasted else self._failures + 1
            delay = _RESTART[min(self._failures, len(_RESTART) - 1)]
            await asyncio.sleep(delay * random.uniform(0.8, 1.2))  # noqa: S311 - jitter

    async def _refused_namespaces(self) -> frozenset[str]:
        """Return the namespaces whose objects may not be listed: one of them would end kopf's watch of all."""
        refused = set()
        for namespace in self.namespaces:
            try:
                for resource in self.resources:
                    await self.client.get(path(resource.api_version, resource.plural, namespace), limit="1")
            except Blocked as error:
                _logger.warning("Namespace %s is not served: %s", namespace, error)
                refused.add(namespace)
            except Transient:
                _logger.debug("Whether namespace %s can be served is not known yet", namespace)
        return frozenset(refused)

    async def _run_kopf(self, again: asyncio.Event, refused: frozenset[str]) -> None:
        """Run kopf until an error, or, by `again`, until other namespaces can be served."""
        served = [namespace for namespace in self.namespaces if namespace not in refused]
        if self.namespaces and not served:
            again.set()
            await asyncio.sleep(_REFUSED_RETRY)
            return
        others = asyncio.all_tasks()
        tasks = await kopf.spawn_tasks(
            registry=self._kopf_registry(),
            settings=self._kopf_settings(),
            standalone=True,
            # kopf's own guess fails for users without a name; it does not export the type.
            identity=self.identity,  # type: ignore[arg-type]
            clusterwide=not self.namespaces,
            namespaces=served,
            stop_flag=again,
        )
        # Take back SIGTERM and SIGINT, which kopf has just claimed: the whole operator ends, in order.
        handle_signals(self.stop)
        admission = [asyncio.create_task(self._await_admission(again, refused))] if refused else []
        try:
            await kopf.run_tasks(tasks, ignored=others)
        finally:
            await end(admission)

    async def _await_admission(self, again: asyncio.Event, refused: frozenset[str]) -> None:
        """Set `again` as soon as a namespace that was refused no longer is."""
        while not again.is_set():
            await asyncio.sleep(_REFUSED_RETRY)
            if not await self._refused_namespaces() >= refused:
                again.set()

    def _kopf_registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()

        @kopf.on.login(registry=registry)
        async def log_in(**_: Any) -> kopf.ConnectionInfo:
            """Be the same user as the rest of the operator."""
            return _Connection(**await self.client.credentials())

        for resource in self.resources:
            self._register(registry, resource)
        return registry

    def _register(self, registry: kopf.OperatorRegistry, resource: Resource) -> None:
        group, _, version = resource.api_version.partition("/")

        @kopf.on.event(group, version, resource.plural, registry=registry, id=resource.plural)
        async def changed(event: Any, **_: Any) -> None:
            self.take(resource, event["type"], event["object"])

    def _kopf_settings(self) -> kopf.OperatorSettings:
        settings = kopf.OperatorSettings()
        settings.posting.enabled = False
        settings.persistence.diffbase_storage = _NoDiffBase()
        settings.queueing.idle_timeout = 0.05
        settings.watching.chunk_size = PAGE
        settings.scanning.disabled = bool(self.namespaces)
        return settings


class _Connection(kopf.ConnectionInfo):
    """kopf's, without Python 3.13's demands on certificate authorities: see `kube.client.connect`."""

    def as_ssl_context(self) -> ssl.SSLContext:
        context = super().as_ssl_context()
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context


class _NoDiffBase(kopf.DiffBaseStorage):
    """Builds, reads and writes nothing: kopf would else compare each event with an annotation that it writes."""

    def build(self, **_: Any) -> Any:
        return None

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        return None


def handle_signals(stop: asyncio.Event) -> None:
    """Turn SIGTERM and SIGINT into `stop`, in place of earlier handlers."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
