"""The operator's process: connects, serves metrics and health, competes for the Lease, and stops in order.

Called by the command line with settings. What a replica does while it leads is the manager's affair.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from containerapp import server
from containerapp.aws.account import AwsAccount
from containerapp.aws.ecr import EcrSource
from containerapp.aws.pod_identity import PodIdentityAssociations
from containerapp.aws.target_health import TargetHealth
from containerapp.controllers import CONTROLLERS
from containerapp.core.model import Key
from containerapp.engine.account import Ask
from containerapp.engine.external import Backend
from containerapp.engine.manager import Manager
from containerapp.engine.targets import Describe
from containerapp.kube.client import Client, connect
from containerapp.kube.definition import DefinitionCheck
from containerapp.kube.lease import Leadership
from containerapp.kube.watch import handle_signals
from containerapp.metrics import Metrics
from containerapp.registries.oci import OciSource
from containerapp.registries.policy import Policy
from containerapp.registries.resolver import DigestResolver
from containerapp.registries.tags import Timing
from containerapp.registries.web import Web, open_web
from containerapp.settings import Settings
from containerapp.tasks import end

_logger = logging.getLogger(__name__)

_STOP_MARGIN = 10.0
"""Seconds that the parts may take to end, beyond what running reconciles may take."""

_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; raise when the operator cannot go on."""
    metrics = Metrics(_registry(), [controller.resource.kind for controller in CONTROLLERS])
    metrics.tasks.set_function(lambda: len(asyncio.all_tasks()))
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(connect(metrics.observe_request))
        ecr = EcrSource(observe=metrics.observe_lookup)
        operator = Operator(
            settings=settings,
            client=client,
            metrics=metrics,
            stop=stop,
            ecr=ecr,
            backends=_backends(settings, client, metrics),
            ask_account=_account(settings, metrics),
            describe_targets=TargetHealth(observe=metrics.observe_aws).describe
            if settings.expose_await_targets
            else None,
        )
        metrics.ready.set_function(lambda: float(operator.readiness_error() is None))
        metrics.memory_limit.set(float(os.environ.get("MEMORY_LIMIT") or 0))
        port = await stack.enter_async_context(
            server.serve(
                settings.http_host,
                settings.http_port,
                metrics.registry,
                healthy=operator.liveness_error,
                ready=operator.readiness_error,
            )
        )
        stack.enter_context(_signals(stop))
        _logger.info("Serving metrics and health on port %d", port)
        await _until_stopped(operator)
    _logger.info("Stopped")


async def _until_stopped(operator: Operator) -> None:
    """Run the operator to its end; a standby has nothing to finish when it has to stop."""
    running = asyncio.create_task(operator.run(), name="operator")
    stopping = asyncio.create_task(operator.stop.wait(), name="stop")
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not running.done() and operator.leads:
        await asyncio.wait({running}, timeout=operator.settings.shutdown_timeout + _STOP_MARGIN)
    await end([stopping, running])
    if not running.cancelled():
        running.result()


@dataclass(kw_only=True)
class Operator:
    """One replica of the operator: stands by, or leads."""

    settings: Settings
    client: Client
    metrics: Metrics
    stop: asyncio.Event
    ecr: EcrSource
    """Kept over all turns: each client of boto3's takes 9 MB, and gives them back late."""
    backends: Mapping[str, Backend]
    """Kept for the same reason."""
    describe_targets: Describe | None = None
    ask_account: Ask | None = None
    _manager: Manager | None = None
    _leadership: Leadership | None = None
    _definition: DefinitionCheck | None = None

    async def run(self) -> None:
        """Lead for as long as this replica may."""
        if not self.settings.leader_election:
            await self._lead()
            return
        leadership = self._leadership = Leadership(
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
        async with open_web(_registry_policy(self.settings)) as web:
            self._manager = Manager(
                controllers=CONTROLLERS,
                settings=self.settings,
                client=self.client,
                metrics=self.metrics,
                make_resolver=partial(self._resolver, web),
                stop=self.stop,
                identity=_identity(),
                backends=self.backends,
                describe_targets=self.describe_targets,
                ask_account=self.ask_account,
            )
            self._definition = DefinitionCheck(
                client=self.client,
                resources=tuple(controller.resource for controller in CONTROLLERS),
                namespaces=self.settings.namespaces,
            )
            checking = asyncio.create_task(self._definition.run(), name="definition check")
            self.metrics.leader.set(1)
            try:
                await self._manager.run()
            finally:
                await end([checking])
                self.metrics.leader.set(0)
                self.metrics.forget_leading()
                self._manager = None
                gc.collect()  # its parts refer to each other; the next term's stores would come on top of them

    def _resolver(self, web: Web, on_change: Callable[[Key], None]) -> DigestResolver:
        return DigestResolver(
            ecr=self.ecr,
            others=OciSource(web, observe=self.metrics.observe_lookup),
            on_change=on_change,
            policy=web.policy,
            timing=Timing(refresh=self.settings.image_refresh_interval),
        )

    @property
    def leads(self) -> bool:
        """Whether this replica acts."""
        return self._manager is not None

    def liveness_error(self) -> str | None:
        """Return why the process should be restarted, if it should."""
        return self._manager.liveness_error() if self._manager else None

    def readiness_error(self) -> str | None:
        """Return why this replica is of no use yet; a standby that can take over is of use."""
        if self._manager is not None:
            return (self._definition and self._definition.problem) or self._manager.readiness_error()
        return self._leadership.readiness_error() if self._leadership else None


def _backends(settings: Settings, client: Client, metrics: Metrics) -> Mapping[str, Backend]:
    """Return the APIs outside Kubernetes; none of them is asked before an app needs it."""

    def may_write() -> bool:
        return client.may_write()  # which is set once there is a Lease

    associations = PodIdentityAssociations(
        cluster=settings.identity_cluster_name,
        operator=f"{settings.lease_namespace or _own_namespace()}/{settings.lease_name}",
        may_write=may_write,
        observe=metrics.observe_aws,
    )
    return {"PodIdentityAssociation": associations}


def _account(settings: Settings, metrics: Metrics) -> Ask | None:
    """Return what asks AWS for what the settings want to be looked at; None where that is nothing."""
    if not (settings.expose_preflight or settings.fargate_check_profiles):
        return None
    return AwsAccount(cluster=settings.identity_cluster_name, observe=metrics.observe_aws).ask


def _registry_policy(settings: Settings) -> Policy:
    return Policy(
        allowed=settings.allowed_registries,
        private=settings.private_registries,
        insecure=settings.insecure_registries,
        by_tag=settings.skip_tag_resolving,
        default=settings.default_registry,
    )


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


@contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    """Turn SIGTERM and SIGINT into `stop` while inside."""
    loop = asyncio.get_running_loop()
    handle_signals(stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
