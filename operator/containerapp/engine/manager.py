"""What runs while a replica leads: one queue, a few workers, reflectors of the children and the watch of the apps.

Made anew by main with every turn, so that nothing of the cluster is remembered from the last. Wires and ends the parts
in order; every decision about an app is made below.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import aiohttp

from containerapp import logs
from containerapp.aws.ecr import EcrSource
from containerapp.controllers.containerapp.children import CHILDREN
from containerapp.core.model import AppKey, Manifest
from containerapp.engine.apply import Writer
from containerapp.engine.reconcile import Next, Reconciler
from containerapp.engine.recorder import Recorder
from containerapp.errors import Blocked, ContainerAppError, InvalidSpec, Transient
from containerapp.kube.client import Client
from containerapp.kube.informer import Reflector
from containerapp.kube.queue import WorkQueue
from containerapp.kube.store import Cache
from containerapp.kube.watch import AppWatch
from containerapp.metrics import STATES, Metrics
from containerapp.registries.oci import OciSource
from containerapp.registries.resolver import DigestResolver, Timing
from containerapp.settings import Settings
from containerapp.tasks import cancelled, end

_logger = logging.getLogger(__name__)

_FLUSH = 2.0
"""Seconds that Events which wait to be written have when the replica is told to stop."""

_BLOCKED_RETRY = 30.0
"""First delay, in seconds, before something that somebody else has to mend is tried again."""


@dataclass(kw_only=True)
class Leading:
    """What runs while this replica leads: made anew with every turn, so that nothing of the cluster is remembered."""

    settings: Settings
    client: Client
    metrics: Metrics
    session: aiohttp.ClientSession
    ecr: EcrSource
    stop: asyncio.Event
    identity: str
    cache: Cache = field(default_factory=Cache)
    queue: WorkQueue = field(init=False)
    synced: bool = False
    watch: AppWatch = field(init=False)
    _busy_since: dict[AppKey, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.queue = WorkQueue(on_wait=self.metrics.queue_wait.observe)
        self.watch = AppWatch(
            client=self.client,
            namespaces=self.settings.namespaces,
            identity=self.identity,
            take=self._take,
            stop=self.stop,
        )
        self.metrics.queue_depth.set_function(lambda: len(self.queue))
        for state in STATES:
            self.metrics.apps.labels(state=state).set_function(partial(self._count, state))

    async def run(self) -> None:
        """Watch and reconcile until told to stop; what is being reconciled then may finish first."""
        resolver, recorder = self._resolver(), Recorder(client=self.client)
        reconciler = Reconciler(
            client=self.client,
            cache=self.cache,
            writer=Writer(client=self.client, cache=self.cache, clock=time.monotonic),
            digests=resolver,
            recorder=recorder,
            default_registry=self.settings.default_registry,
            clock=time.monotonic,
            now=lambda: datetime.now(UTC),
        )
        reflectors = self._reflectors()
        try:
            async with asyncio.TaskGroup() as tasks:
                background = [
                    tasks.create_task(resolver.run(), name="digest resolver"),
                    tasks.create_task(recorder.run(), name="event recorder"),
                ]
                for reflector in reflectors:
                    name = f"reflector of {reflector.kind.plural}"
                    background.append(tasks.create_task(reflector.run(), name=name))
                for reflector in reflectors:
                    await reflector.listed.wait()
                self.synced = True
                _logger.info("All children are listed; reconciling")
                workers = [
                    tasks.create_task(self._work(reconciler), name=f"worker {number}")
                    for number in range(self.settings.workers)
                ]
                background.append(tasks.create_task(self.watch.run(), name="watch of the apps"))
                await self.stop.wait()
                await end(workers)
                await recorder.flush(_FLUSH)
                await end(background)
        finally:
            self.queue.close()

    def sickness(self) -> str | None:
        """Return a complaint when a reconcile hangs, which every time-out below should have made impossible."""
        limit = 600.0
        now = time.monotonic()
        stuck = [key for key, since in self._busy_since.items() if now - since > limit]
        return f"the reconcile of {'/'.join(stuck[0])} hangs" if stuck else None

    def unreadiness(self) -> str | None:
        """Return what is waited for, or what keeps failing."""
        if not self.synced:
            return "waiting for the first lists"
        if self.watch.broken:
            return "the watch of the apps keeps failing; see the log"
        return None

    async def _work(self, reconciler: Reconciler) -> None:
        while True:
            key = await self.queue.get()
            self._busy_since[key] = time.monotonic()
            reconcile = asyncio.create_task(
                self._reconcile(reconciler, key), name=f"reconcile of {'/'.join(key)}"
            )
            try:
                await asyncio.shield(reconcile)
            except asyncio.CancelledError:
                if not cancelled():
                    self.queue.retry(key)
                    continue
                with suppress(TimeoutError):
                    await asyncio.wait_for(
                        reconcile, self.settings.shutdown_timeout if self.stop.is_set() else 0
                    )
                raise
            finally:
                del self._busy_since[key]
                self.queue.done(key)

    async def _reconcile(self, reconciler: Reconciler, key: AppKey) -> None:
        """Reconcile one app and see to its next turn; a bug at one app must not end the others' worker."""
        started = time.monotonic()
        with logs.about(*key):
            try:
                outcome = self._follow_up(key, await reconciler.reconcile(key))
            except Exception:
                _logger.exception("Reconciling failed by a bug in the operator; it is tried again")
                self.queue.retry(key)
                outcome = "bug"
        self.metrics.reconciles.labels(outcome=outcome).inc()
        self.metrics.duration.observe(time.monotonic() - started)

    def _follow_up(self, key: AppKey, following: Next) -> str:
        match following:
            case Next(gone=True):
                self.queue.forget(key)
                return "gone"
            case Next(error=None | InvalidSpec()) | Next(awaits_news=True):
                self.queue.succeeded(key)
                if following.after is not None:
                    self.queue.add_after(key, following.after)
            case Next(error=Blocked() as error):
                delay = self.queue.retry(key, floor=_BLOCKED_RETRY)
                _logger.warning("%s: %s Next try in %.0f s", error.reason, error.message, delay)
            case Next(error=error):
                asked_for = error.retry_after if isinstance(error, Transient) else None
                delay = self.queue.retry(key, floor=asked_for or 0.0)
                _logger.info("Next try in %.1f s: %s", delay, error)
        return _outcome(following.error)

    def _take(self, what: str | None, manifest: Manifest) -> None:
        metadata = {name: value for name, value in manifest["metadata"].items() if name != "managedFields"}
        key = (metadata["namespace"], metadata["name"])
        if what == "DELETED":
            changed = self.cache.drop_app(key, metadata["uid"], ended_at=int(metadata["resourceVersion"]))
        else:
            changed = self.cache.put_app({**manifest, "metadata": metadata})
        if changed:
            (self.queue.add if what else self.queue.look_over)(key)  # kopf lists without a type

    def _resolver(self) -> DigestResolver:
        return DigestResolver(
            ecr=self.ecr,
            others=OciSource(self.session, observe=self.metrics.observe_lookup),
            on_change=self.queue.add,
            timing=Timing(refresh=self.settings.image_refresh_interval),
        )

    def _reflectors(self) -> list[Reflector]:
        namespaces: Sequence[str | None] = self.settings.namespaces or (None,)
        return [
            Reflector(
                client=self.client,
                kind=child.resource,
                namespace=namespace,
                cache=self.cache,
                notify=self.queue.add,
                look_over=self.queue.look_over,
            )
            for child in CHILDREN
            for namespace in namespaces
        ]

    def _count(self, state: str) -> float:
        return sum(known == state for known in self.cache.app_states().values())


def _outcome(error: ContainerAppError | None) -> str:
    """Return the word by which the metric tells how a reconcile ended."""
    match error:
        case None:
            return "success"
        case InvalidSpec():
            return "invalid"
        case Blocked():
            return "blocked"
        case _:
            return "transient"
