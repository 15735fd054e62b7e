"""What runs while a replica leads: queue, workers, informers of the children, watch of the custom objects.

Made by main with each term as leader, so that nothing of the cluster is remembered from the last one. It connects and
ends the parts in order; every decision about an object is made below.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from containerapp import logs
from containerapp.core.events import adopted, event_manifest
from containerapp.core.model import Controller, Digests, Key, Manifest, ObjectRef, Resource
from containerapp.core.policy import Platform
from containerapp.engine.apply import Applier
from containerapp.engine.reconcile import Next, Reconciler
from containerapp.engine.recorder import Recorder
from containerapp.errors import Blocked, ContainerAppError, InvalidSpec, Transient
from containerapp.kube.client import Client
from containerapp.kube.informer import Informer
from containerapp.kube.queue import WorkQueue
from containerapp.kube.store import Stores
from containerapp.kube.watch import CustomWatch
from containerapp.metrics import STATES, Metrics
from containerapp.settings import Settings
from containerapp.tasks import cancelled, end

_logger = logging.getLogger(__name__)

_FLUSH = 2.0
"""Seconds that Events which wait to be written have when the replica has to stop."""

_BLOCKED_RETRY = 30.0
"""First delay, in seconds, before something that another team has to mend is tried again."""

_HANGS = 600.0
"""Seconds after which a reconcile hangs; every request has a time-out far below."""


class Resolver(Digests, Protocol):
    """Answers where tags point, and asks the registries in the background."""

    async def run(self) -> None:
        """Ask registries until cancelled."""


@dataclass(kw_only=True)
class Manager:
    """Watches and reconciles the kinds of `controllers` for one term; `resolver` is made for the queue's `add`."""

    controllers: tuple[Controller, ...]
    settings: Settings
    client: Client
    metrics: Metrics
    make_resolver: Callable[[Callable[[Key], None]], Resolver]
    stop: asyncio.Event
    identity: str
    stores: Stores = field(init=False)
    queue: WorkQueue = field(init=False)
    synced: bool = False
    watch: CustomWatch = field(init=False)
    _informers: list[Informer] = field(init=False)
    _busy_since: dict[Key, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stores = Stores(self.controllers)
        self.queue = WorkQueue(on_wait=self.metrics.queue_wait.observe)
        self._informers = self._make_informers()
        self.watch = CustomWatch(
            client=self.client,
            resources=tuple(controller.resource for controller in self.controllers),
            namespaces=self.settings.namespaces,
            identity=self.identity,
            take=self._take,
            stop=self.stop,
        )
        self.metrics.queue_depth.set_function(lambda: len(self.queue))
        for controller in self.controllers:
            for state in STATES:
                counted = self.metrics.objects.labels(kind=controller.resource.kind, state=state)
                counted.set_function(partial(self._count, controller.resource.kind, state))

    async def run(self) -> None:
        """Watch and reconcile until `stop` is set; what is being reconciled then may finish first."""
        resolver, recorder = self.make_resolver(self.queue.add), Recorder(client=self.client)
        reconciler = self._reconciler(resolver, recorder)
        try:
            async with asyncio.TaskGroup() as tasks:
                background = [
                    tasks.create_task(resolver.run(), name="digest resolver"),
                    tasks.create_task(recorder.run(), name="event recorder"),
                ]
                for informer in self._informers:
                    name = f"informer of {informer.resource.plural}"
                    background.append(tasks.create_task(informer.run(), name=name))
                for informer in self._informers:
                    await informer.synced.wait()
                self.synced = True
                _logger.info("All children are listed; reconciling")
                workers = [
                    tasks.create_task(self._work(reconciler), name=f"worker {number}")
                    for number in range(self.settings.workers)
                ]
                background.append(tasks.create_task(self.watch.run(), name="watch of the custom objects"))
                await self.stop.wait()
                await end(workers)
                await recorder.flush(_FLUSH)
                await end(background)
        finally:
            self.queue.close()

    def liveness_error(self) -> str | None:
        """Return which reconcile hangs, if one does."""
        now = time.monotonic()
        stuck = [key for key, since in self._busy_since.items() if now - since > _HANGS]
        return f"the reconcile of {stuck[0]} hangs" if stuck else None

    def readiness_error(self) -> str | None:
        """Return what is waited for, or what keeps failing."""
        if not self.synced:
            waiting = [each.resource.plural for each in self._informers if not each.synced.is_set()]
            return f"waiting for the first list of {', '.join(sorted(set(waiting)))}"
        if self.watch.broken:
            return "the watch of the custom objects keeps failing; see the log"
        return None

    def _reconciler(self, resolver: Digests, recorder: Recorder) -> Reconciler:
        return Reconciler(
            controllers={controller.resource.kind: controller for controller in self.controllers},
            client=self.client,
            stores=self.stores,
            applier=Applier(client=self.client, stores=self.stores, adopted=partial(self._adopted, recorder)),
            digests=resolver,
            recorder=recorder,
            platform=Platform.of(self.settings),
            clock=time.monotonic,
            now=lambda: datetime.now(UTC),
        )

    def _adopted(self, recorder: Recorder, key: Key, child: Manifest) -> None:
        """Record the adoption on both objects."""
        event = adopted(ObjectRef.of(child), key)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        recorder.record(event_manifest(event, self.stores.of(child).resource, child, now))
        if (owner := self.stores.object(key)) is not None:
            custom = next(each.resource for each in self.controllers if each.resource.kind == key.kind)
            recorder.record(event_manifest(event, custom, owner, now))

    async def _work(self, reconciler: Reconciler) -> None:
        while True:
            key = await self.queue.get()
            self._busy_since[key] = time.monotonic()
            reconcile = asyncio.create_task(self._reconcile(reconciler, key), name=f"reconcile of {key}")
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

    async def _reconcile(self, reconciler: Reconciler, key: Key) -> None:
        """Reconcile one object and arrange its next turn; a bug at one object must not end the others' worker."""
        started = time.monotonic()
        with logs.about(*key):
            try:
                outcome = self._follow_up(key, await reconciler.reconcile(key))
            except Exception:
                _logger.exception("Reconciling failed by a bug in the operator; it is tried again")
                self.queue.retry(key)
                outcome = "bug"
        self.metrics.reconciles.labels(kind=key.kind, outcome=outcome).inc()
        self.metrics.duration.observe(time.monotonic() - started)

    def _follow_up(self, key: Key, following: Next) -> str:
        match following:
            case Next(gone=True):
                self.queue.forget(key)
                return "gone"
            case Next(error=None | InvalidSpec()) | Next(awaits_answer=True):
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

    def _take(self, resource: Resource, what: str | None, manifest: Manifest) -> None:
        """Take one event of a custom object; kopf's first list comes without a type, and has low priority."""
        metadata = {name: value for name, value in manifest["metadata"].items() if name != "managedFields"}
        key = Key(resource.kind, metadata["namespace"], metadata["name"])
        stripped = {**manifest, "metadata": metadata}
        changed = (self.stores.drop_object if what == "DELETED" else self.stores.put_object)(key, stripped)
        if changed:
            (self.queue.add if what else self.queue.add_low_priority)(key)

    def _make_informers(self) -> list[Informer]:
        namespaces: Sequence[str | None] = self.settings.namespaces or (None,)
        return [
            Informer(
                client=self.client,
                store=store,
                namespace=namespace,
                notify=self.queue.add,
                notify_later=self.queue.add_low_priority,
                installed=self._installed,
            )
            for store in self.stores.child_stores().values()
            for namespace in namespaces
        ]

    def _installed(self, resource: Resource, installed: bool) -> None:  # noqa: FBT001 - the informer's callback
        """Note that the definition of a kind has come or gone; all owners of such children look at it."""
        known = resource not in self.stores.absent
        if known == installed:
            return
        (self.stores.absent.discard if installed else self.stores.absent.add)(resource)
        _logger.info("The kind %s is %s", resource.kind, "installed" if installed else "not installed")
        for key in list(self.stores.states()):
            self.queue.add_low_priority(key)

    def _count(self, kind: str, state: str) -> float:
        return sum(known == state for key, known in self.stores.states().items() if key.kind == kind)


def _outcome(error: ContainerAppError | None) -> str:
    """Return the word by which the metric names the end of a reconcile."""
    match error:
        case None:
            return "success"
        case InvalidSpec():
            return "invalid"
        case Blocked():
            return "blocked"
        case _:
            return "transient"
