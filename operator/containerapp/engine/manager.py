"""What runs while a replica leads: queue, workers, informers of the children, watch of the custom objects.

Made by main with each term as leader, so that nothing of the cluster is remembered from the last one. It connects and
ends the parts in order; every decision about an object is made below.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from containerapp import logs
from containerapp.core.events import adopted, event_manifest
from containerapp.core.model import Controller, Digests, Key, Manifest, ObjectRef, Resource
from containerapp.core.policy import Platform
from containerapp.engine.account import AccountWatch, Ask
from containerapp.engine.account import nobody_asks as no_account
from containerapp.engine.apply import Applier
from containerapp.engine.external import Backend, Externals
from containerapp.engine.reconcile import Reconciler
from containerapp.engine.recorder import Recorder
from containerapp.engine.targets import Describe, TargetWatch, nobody_asks
from containerapp.engine.throttle import RenderBudget
from containerapp.engine.turn import Next
from containerapp.errors import Blocked, ContainerAppError, InvalidSpec, Transient
from containerapp.kube.client import Client, path
from containerapp.kube.definitions import Definitions
from containerapp.kube.informer import OURS, Informer
from containerapp.kube.nodes import Nodes
from containerapp.kube.queue import WorkQueue
from containerapp.kube.references import References, Versions
from containerapp.kube.store import Store, Stores
from containerapp.kube.watch import CustomWatch
from containerapp.metrics import STATES, Metrics
from containerapp.settings import Settings
from containerapp.tasks import cancelled, end

_logger = logging.getLogger(__name__)

_FLUSH = 2.0
"""Seconds that Events which wait to be written have when the replica has to stop."""

_BLOCKED_RETRY = 30.0
"""First delay, in seconds, before something that another team has to mend is tried again."""

_PAGE = "500"
"""Custom objects in one page of the first list."""

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
    backends: Mapping[str, Backend] = field(default_factory=dict)
    """APIs outside Kubernetes, by the kind of child that lives there."""
    describe_targets: Describe | None = None
    """Says of a target group which addresses are healthy; None where no rollout waits for that."""
    ask_account: Ask | None = None
    """Asks AWS for certificates and quotas; None where no app waits for that."""
    stores: Stores = field(init=False)
    queue: WorkQueue = field(init=False)
    references: References = field(init=False)
    nodes: Nodes | None = field(init=False)
    """Those that are to go; None where nobody looks at nodes."""
    synced: bool = False
    watch: CustomWatch = field(init=False)
    _definitions: Definitions = field(init=False)
    _informers: list[Informer] = field(init=False)
    _busy_since: dict[Key, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stores = Stores(self.controllers)
        self.queue = WorkQueue(on_wait=self.metrics.queue_wait.observe)
        self.references = References(self.controllers, Platform.of(self.settings), self.queue.add)
        self.nodes, self._definitions = self._make_nodes(), Definitions()
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
        externals = {kind: self._externals(backend) for kind, backend in self.backends.items()}
        watch, account = self._target_watch(), self._account_watch()
        reconciler = self._reconciler(resolver, recorder, externals, watch, account)
        self.metrics.pending_renders.set_function(reconciler.pending_renders)
        try:
            async with asyncio.TaskGroup() as tasks:
                background = [
                    tasks.create_task(resolver.run(), name="digest resolver"),
                    tasks.create_task(recorder.run(), name="event recorder"),
                ]
                if account is not None:
                    background.append(tasks.create_task(account.run(), name="AWS account"))
                if self.nodes is not None:
                    background.append(tasks.create_task(self.nodes.run(), name="nodes that are to go"))
                if watch is not None:
                    background.append(tasks.create_task(watch.run(), name="target health"))
                for kind, each in externals.items():
                    background.append(tasks.create_task(each.run(), name=f"children of kind {kind}"))
                for informer in self._informers:
                    name = f"informer of {informer.resource.plural}"
                    background.append(tasks.create_task(informer.run(), name=name))
                for informer in self._informers:
                    await informer.synced.wait()
                await self._list_objects()
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

    def _externals(self, backend: Backend) -> Externals:
        return Externals(
            backend=backend,
            on_change=self.queue.add,
            clock=time.monotonic,
            now=lambda: datetime.now(UTC),
            interval=self.settings.identity_check_interval,
        )

    def _target_watch(self) -> TargetWatch | None:
        if self.describe_targets is None:
            return None
        return TargetWatch(
            client=self.client,
            describe=self.describe_targets,
            on_change=self.queue.add,
            clock=time.monotonic,
        )

    def _account_watch(self) -> AccountWatch | None:
        if self.ask_account is None:
            return None
        return AccountWatch(ask=self.ask_account, on_change=self.queue.add, clock=time.monotonic)

    def _reconciler(
        self,
        resolver: Digests,
        recorder: Recorder,
        externals: Mapping[str, Externals],
        watch: TargetWatch | None,
        account: AccountWatch | None,
    ) -> Reconciler:
        return Reconciler(
            controllers={controller.resource.kind: controller for controller in self.controllers},
            client=self.client,
            stores=self.stores,
            applier=Applier(client=self.client, stores=self.stores, adopted=partial(self._adopted, recorder)),
            digests=resolver,
            references=self.references,
            recorder=recorder,
            platform=Platform.of(self.settings),
            externals=externals,
            renders=RenderBudget(size=self.settings.render_budget),
            targets=watch.lookup if watch is not None else nobody_asks,
            account=account.lookup if account is not None else no_account,
            leaving=self.nodes.leaving if self.nodes is not None else lambda _key: frozenset(),
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

    async def _list_objects(self) -> None:
        """Know all custom objects before the first reconcile: what one may have depends on what others claim.

        A list that fails leaves that to the watch, which tells the others as soon as it shows the object.
        """
        for resource in (controller.resource for controller in self.controllers):
            for namespace in self.settings.namespaces or (None,):
                with suppress(ContainerAppError):
                    await self._list_pages(resource, namespace)

    async def _list_pages(self, resource: Resource, namespace: str | None) -> None:
        token = ""
        while True:
            url = path(resource.api_version, resource.plural, namespace)
            query = {"limit": _PAGE, **({"continue": token} if token else {})}
            page = await self.client.get(url, metadata_only=False, **query)
            for item in page["items"]:
                self._take(
                    resource, None, {"apiVersion": resource.api_version, "kind": resource.kind, **item}
                )
            token = page["metadata"].get("continue", "")
            if not token:
                return

    def _take(self, resource: Resource, what: str | None, manifest: Manifest) -> None:
        """Take one event of a custom object; kopf's first list comes without a type, and has low priority."""
        metadata = {name: value for name, value in manifest["metadata"].items() if name != "managedFields"}
        key = Key(resource.kind, metadata["namespace"], metadata["name"])
        stripped = {**manifest, "metadata": metadata}
        changed = (self.stores.drop_object if what == "DELETED" else self.stores.put_object)(key, stripped)
        if changed:
            (self.queue.add if what else self.queue.add_low_priority)(key)
        for peer in self.stores.claim(key):
            self.queue.add_low_priority(peer)

    def _make_informers(self) -> list[Informer]:
        namespaces: Sequence[str | None] = self.settings.namespaces or (None,)
        stores: list[tuple[Store | Versions | Nodes | Definitions, str, str | None]] = [
            *((store, OURS, each) for store in self.stores.child_stores().values() for each in namespaces),
            *((versions, "", each) for versions in self.references.versions.values() for each in namespaces),
            *([(self.nodes, "", None)] if self.nodes is not None else []),
            # Who serves some namespaces may not list definitions.
            *([] if self.settings.namespaces else [(self._definitions, "", None)]),
        ]
        return [
            Informer(
                client=self.client,
                store=store,
                namespace=namespace,
                notify=self.queue.add,
                notify_later=self.queue.add_low_priority,
                installed=self._installed,
                definitions=self._definitions,
                selector=selector,
            )
            for store, selector, namespace in stores
        ]

    def _make_nodes(self) -> Nodes | None:
        if not Platform.of(self.settings).watch_nodes:
            return None
        leaving = tuple(controller for controller in self.controllers if controller.leaves)
        return Nodes(client=self.client, controllers=leaving, notify=self.queue.add)

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
