"""The running operator: kopf for the custom resources, reflectors for their children, one queue, a few workers.

Called by the command line with settings. Wires the parts together and ends them in order; every decision about an
app is made below. The only importer of kopf, whose part is the watch of the ContainerApps and nothing else: no
handler of its own kinds, since those write annotations and finalizers and act on edges.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import kopf
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from containerapp import logs, server
from containerapp.api.v1alpha1 import GROUP, PLURAL, VERSION
from containerapp.aws.ecr import EcrSource
from containerapp.digests import DigestResolver, Timing
from containerapp.errors import Blocked, ContainerAppError, InvalidSpec
from containerapp.kube.cache import Cache
from containerapp.kube.client import Client, connect
from containerapp.kube.leader import Leadership
from containerapp.kube.queue import WorkQueue
from containerapp.kube.reflector import Reflector
from containerapp.metrics import Metrics
from containerapp.model import AppKey, Manifest
from containerapp.oci import OciSource
from containerapp.reconcile import Next, Reconciler
from containerapp.render import CHILDREN
from containerapp.settings import Settings

_logger = logging.getLogger(__name__)

_BLOCKED_RETRY = 30.0
"""First delay, in seconds, before something that somebody else has to mend is tried again."""

_STOP_MARGIN = 10.0
"""Seconds that the parts may take to end, beyond what running reconciles may take."""

_KOPF_RESTART = (0.5, 1.0, 2.0, 5.0, 10.0)
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; raise when the operator cannot go on."""
    metrics = Metrics(_registry())
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(connect(metrics.observe_request))
        operator = Operator(settings=settings, client=client, metrics=metrics, stop=stop)
        port = await stack.enter_async_context(
            server.serve(
                settings.http_host,
                settings.http_port,
                metrics.registry,
                healthy=operator.sickness,
                ready=operator.unreadiness,
            )
        )
        stack.enter_context(_signals(stop))
        _logger.info("Serving metrics and health on port %d", port)
        await _until_stopped(operator)
    _logger.info("Stopped")


async def _until_stopped(operator: Operator) -> None:
    """Run the operator to its own end; a standby has nothing to finish when it is told to stop."""
    running = asyncio.create_task(operator.run(), name="operator")
    stopping = asyncio.create_task(operator.stop.wait(), name="stop")
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not running.done() and operator.leads:
        await asyncio.wait({running}, timeout=operator.settings.shutdown_timeout + _STOP_MARGIN)
    await _end([stopping, running])
    if not running.cancelled():
        running.result()


@dataclass(kw_only=True)
class Operator:
    """One replica of the operator: stands by, or leads."""

    settings: Settings
    client: Client
    metrics: Metrics
    stop: asyncio.Event
    _leading: Leading | None = None

    async def run(self) -> None:
        """Lead for as long as this replica may."""
        if not self.settings.leader_election:
            await self._lead()
            return
        leadership = Leadership(
            api=self.client.api,
            name=self.settings.lease_name,
            namespace=self.settings.lease_namespace or _own_namespace(),
            identity=_identity(),
            duration=self.settings.lease_duration,
            renew_deadline=self.settings.lease_renew_deadline,
            retry_period=self.settings.lease_retry_period,
        )
        self.client.may_write = leadership.holds
        await leadership.run(self._lead)

    async def _lead(self) -> None:
        async with aiohttp.ClientSession(trust_env=True, cookie_jar=aiohttp.DummyCookieJar()) as session:
            self._leading = Leading(
                settings=self.settings,
                client=self.client,
                metrics=self.metrics,
                session=session,
                stop=self.stop,
            )
            self.metrics.leader.set(1)
            try:
                await self._leading.run()
            finally:
                self.metrics.leader.set(0)
                self._leading = None

    @property
    def leads(self) -> bool:
        """Whether this replica acts."""
        return self._leading is not None

    def sickness(self) -> str | None:
        """Return why the process should be restarted, if it should."""
        return self._leading.sickness() if self._leading else None

    def unreadiness(self) -> str | None:
        """Return why this replica is of no use yet; a standby is of use."""
        return self._leading.unreadiness() if self._leading else None


@dataclass(kw_only=True)
class Leading:
    """What runs while this replica leads: made anew with every turn, so that nothing is remembered."""

    settings: Settings
    client: Client
    metrics: Metrics
    session: aiohttp.ClientSession
    stop: asyncio.Event
    cache: Cache = field(default_factory=Cache)
    queue: WorkQueue = field(init=False)
    synced: bool = False
    _broken_watches: int = 0
    _busy_since: dict[AppKey, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.queue = WorkQueue(on_wait=self.metrics.queue_wait.observe)
        self.metrics.queue_depth.set_function(lambda: len(self.queue))
        for state in ("ready", "progressing", "stalled"):
            self.metrics.apps.labels(state=state).set_function(partial(self._count, state))

    async def run(self) -> None:
        """Watch and reconcile until told to stop; what is being reconciled then may finish first."""
        resolver = self._resolver()
        reconciler = Reconciler(
            client=self.client,
            cache=self.cache,
            digests=resolver,
            default_registry=self.settings.default_registry,
            clock=time.monotonic,
            now=lambda: datetime.now(UTC),
        )
        reflectors = self._reflectors()
        try:
            async with asyncio.TaskGroup() as tasks:
                background = [tasks.create_task(resolver.run(), name="digest resolver")]
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
                background.append(tasks.create_task(self._watch_apps(), name="watch of the apps"))
                await self.stop.wait()
                await _end(workers)
                await _end(background)
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
        if self._broken_watches >= len(_KOPF_RESTART):
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
                if not _cancelled():
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
            case Next(error=InvalidSpec()):
                self.queue.succeeded(key)
                return "invalid"
            case Next(error=ContainerAppError() as error, awaits_news=True):
                self.queue.succeeded(key)
                return "blocked" if isinstance(error, Blocked) else "transient"
            case Next(error=Blocked() as error):
                delay = self.queue.retry(key, floor=_BLOCKED_RETRY)
                _logger.warning("%s: %s Next try in %.0f s", error.reason, error.message, delay)
                return "blocked"
            case Next(error=None, after=after):
                self.queue.succeeded(key)
                if after is not None:
                    self.queue.add_after(key, after)
                return "success"
            case Next(error=error):
                delay = self.queue.retry(key)
                _logger.info("Next try in %.1f s: %s", delay, error)
                return "transient"

    async def _watch_apps(self) -> None:
        """Let kopf watch the apps, and begin again when it gives up: it does so when the API server is away."""
        while not self.stop.is_set():
            started = time.monotonic()
            try:
                await self._run_kopf()
                self.stop.set()  # kopf ends without an error at a signal only
            except Exception as error:  # noqa: BLE001 - whatever ends kopf, the apps must be watched
                _logger.warning("The watch of the apps ended and begins again: %r", error)
                _handle_signals(self.stop)
            lasted = time.monotonic() - started > _KOPF_RESTART[-1]
            self._broken_watches = 0 if lasted else self._broken_watches + 1
            delay = _KOPF_RESTART[min(self._broken_watches, len(_KOPF_RESTART) - 1)]
            await asyncio.sleep(delay * random.uniform(0.8, 1.2))  # noqa: S311 - jitter

    async def _run_kopf(self) -> None:
        started = asyncio.Event()
        signals = asyncio.create_task(self._keep_signals(started), name="signals")
        try:
            await kopf.operator(
                registry=self._kopf_registry(),
                settings=self._kopf_settings(),
                standalone=True,
                # kopf's own guess fails for users without a name; it does not export the type.
                identity=_identity(),  # type: ignore[arg-type]
                clusterwide=not self.settings.namespaces,
                namespaces=self.settings.namespaces,
                ready_flag=started,
            )
        finally:
            signals.cancel()

    async def _keep_signals(self, started: asyncio.Event) -> None:
        """Take back SIGTERM and SIGINT, which kopf claims as it starts: the whole operator ends in order."""
        await started.wait()
        _handle_signals(self.stop)

    def _kopf_registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()

        @kopf.on.login(registry=registry)
        async def log_in(**_: Any) -> kopf.ConnectionInfo:
            """Be the same user as the rest of the operator."""
            return kopf.ConnectionInfo(**self.client.credentials())

        @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
        async def app_changed(event: Any, **_: Any) -> None:
            self._take(event["type"], event["object"])

        return registry

    def _take(self, what: str | None, manifest: Manifest) -> None:
        metadata = {name: value for name, value in manifest["metadata"].items() if name != "managedFields"}
        key = (metadata["namespace"], metadata["name"])
        if what == "DELETED":
            changed = self.cache.drop_app(key, metadata["uid"])
        else:
            changed = self.cache.put_app({**manifest, "metadata": metadata})
        if changed:
            self.queue.add(key)

    def _kopf_settings(self) -> kopf.OperatorSettings:
        settings = kopf.OperatorSettings()
        settings.posting.enabled = False
        settings.persistence.diffbase_storage = _NoDiffBase()
        settings.queueing.idle_timeout = 0.05
        settings.watching.chunk_size = 500
        settings.scanning.disabled = bool(self.settings.namespaces)
        return settings

    def _resolver(self) -> DigestResolver:
        return DigestResolver(
            ecr=EcrSource(observe=self.metrics.observe_lookup),
            others=OciSource(self.session, observe=self.metrics.observe_lookup),
            on_change=self.queue.add,
            timing=Timing(refresh=self.settings.image_refresh_interval),
        )

    def _reflectors(self) -> list[Reflector]:
        namespaces: Sequence[str | None] = self.settings.namespaces or (None,)
        return [
            Reflector(
                client=self.client, kind=kind, namespace=namespace, cache=self.cache, notify=self.queue.add
            )
            for kind in CHILDREN
            for namespace in namespaces
        ]

    def _count(self, state: str) -> float:
        return sum(1 for manifest in self.cache.apps().values() if _state(manifest) == state)


class _NoDiffBase(kopf.DiffBaseStorage):
    """Builds, reads and writes nothing: kopf would else compare each event with an annotation of its own."""

    def build(self, **_: Any) -> Any:
        return None

    def fetch(self, **_: Any) -> Any:
        return None

    def store(self, **_: Any) -> None:
        return None


def _state(manifest: Manifest) -> str:
    conditions = {
        condition["type"]: condition["status"]
        for condition in manifest.get("status", {}).get("conditions", [])
    }
    if conditions.get("Ready") == "True":
        return "ready"
    return "stalled" if conditions.get("Stalled") == "True" else "progressing"


def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def _identity() -> str:
    return os.environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}"


def _own_namespace() -> str:
    if (namespace := os.environ.get("POD_NAMESPACE")) is not None:
        return namespace
    return _OWN_NAMESPACE.read_text().strip() if _OWN_NAMESPACE.exists() else "default"


def _handle_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


@contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """Turn SIGTERM and SIGINT into `stop` while inside."""
    loop = asyncio.get_running_loop()
    _handle_signals(stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _cancelled() -> bool:
    """Whether the current task itself was cancelled, not something that it waits for.

    kopf, when it ends, cancels every task that began after it: reconciles too.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel the tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
