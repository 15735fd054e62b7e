"""Which replica acts: a Lease, held by one and watched by the others.

Called by main around everything that writes. Losing the Lease ends the work at once and begins to compete again, in
the same process; a server that cannot be reached counts as a Lease that cannot be renewed.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeVar

import aiohttp
from kubernetes.aio.client import ApiClient, V1Lease, V1ObjectMeta
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

from containerapp.kube.access import LeaseAccess
from containerapp.kube.client import describe
from containerapp.tasks import end

_logger = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")

_FAILURES = (ApiException, aiohttp.ClientError, TimeoutError, ValueError)
"""Of a request; ValueError where a proxy answers in the API server's place with something that is no Lease."""

_REQUEST_TIMEOUT = 4.0
"""Seconds for one request. An API server that does not answer is in the log within five."""

_AFTERWARDS = 0.01
"""Seconds after the end of a Lease at which it is looked at: the client counts in whole milliseconds."""

_UNREACHABLE = ApiException(status=0, reason="the API server cannot be reached")


class _Lock(LeaseLock):
    """The client's Lease, which takes only an answer of the API server for a failure, bounded and made whole.

    Without this a broken connection ends the election with an exception, and leaves its task running.
    `renewed` is when the newest renewal that succeeded was sent, unless the Lease was seen in other hands since.
    """

    renewed = -math.inf

    def __init__(self, identity: str, api: ApiClient, access: LeaseAccess) -> None:
        namespace, _, name = access.lease.partition("/")
        super().__init__(name, namespace, identity, api)
        self._access = access

    async def get(self, name: str, namespace: str) -> tuple[bool, Any]:
        try:
            found, answer = await self._bounded(super().get(name, namespace))
        except _FAILURES as error:
            self._access.failed("read", error)
            return False, _UNREACHABLE
        if not isinstance(answer, ApiException):
            self._access.succeeded("read")
            lost = getattr(answer, "holder_identity", None) != self.identity
        elif lost := answer.status == HTTPStatus.NOT_FOUND:
            self._access.absent()
        else:
            self._access.failed("read", answer)
        if lost:
            self.renewed = -math.inf
        return found, answer

    async def create(self, name: str, namespace: str, election_record: Any) -> bool:
        """Create the Lease; the client's own way passes `pretty=True`, which its own validation refuses (37.0.1)."""
        lease = V1Lease(metadata=V1ObjectMeta(name=name), spec=self.update_lease(election_record))
        return await self._written("create", self.api_instance.create_namespaced_lease(namespace, lease))

    async def update(self, name: str, namespace: str, updated_record: Any) -> bool:
        lease = self.lease_reference
        if lease is None:
            return False
        lease.spec = self.update_lease(updated_record, lease.spec)
        return await self._written(
            "update", self.api_instance.replace_namespaced_lease(name, namespace, lease)
        )

    async def _written(self, verb: str, request: Awaitable[Any]) -> bool:
        sent = time.monotonic()
        try:
            await self._bounded(request)
        except _FAILURES as error:
            if getattr(error, "status", None) != HTTPStatus.CONFLICT:  # else another replica was there first
                self._access.failed(verb, error)
            return False
        self._access.succeeded(verb)
        self.renewed = sent
        return True

    async def release(self) -> None:
        """Let the next replica take over at once, if the Lease is still ours."""
        held, record = await self.get(self.name, self.namespace)
        if not held or record.holder_identity != self.identity:
            return
        lease = self.lease_reference
        if lease is None or lease.spec is None:
            return
        lease.spec.holder_identity = None
        try:
            await self._bounded(self.api_instance.replace_namespaced_lease(self.name, self.namespace, lease))
        except _FAILURES as error:
            _logger.warning(
                "The Lease was not released: %s", getattr(error, "reason", None) or describe(error)
            )

    async def _bounded(self, request: Awaitable[_Answer]) -> _Answer:
        async with asyncio.timeout(_REQUEST_TIMEOUT):
            return await request


class _Election(LeaderElection):
    """The client's election, whose standby is awake when the Lease runs out.

    The client's own looks once a retry period: up to one passes before a renewal is seen, and up to one more before
    it is seen to have been the last. And its leader goes on until the renewal's deadline where another replica has the
    Lease already: because it was deleted or emptied by hand, say.
    """

    async def acquire(self) -> bool:
        while not await self.try_acquire_or_renew():  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(self._pause())
        return True

    async def renew_loop(self) -> None:
        config, renewed = self.election_config, time.monotonic()
        while time.monotonic() < renewed + config.renew_deadline and not self._lost():
            if await self.try_acquire_or_renew():
                renewed = time.monotonic()
            await asyncio.sleep(config.retry_period)

    def _lost(self) -> bool:
        """Whether the Lease was last seen in another replica's hands."""
        record = self.observed_record
        return record is not None and record.holder_identity != self.election_config.lock.identity

    def _pause(self) -> float:
        """Return the seconds until the next look: half a retry period, or less where the Lease runs out sooner."""
        config = self.election_config
        left = self.observed_time_milliseconds / 1000 + config.lease_duration - time.time() + _AFTERWARDS
        return min(left, config.retry_period / 2) if left > 0 else config.retry_period / 2


@dataclass(kw_only=True)
class Leadership:
    """Competes for one Lease. Durations are in seconds."""

    api: ApiClient
    name: str
    namespace: str
    identity: str
    duration: float
    renew_deadline: float
    retry_period: float
    _access: LeaseAccess = field(init=False)
    _lock: _Lock | None = None

    def __post_init__(self) -> None:
        self._access = LeaseAccess(lease=f"{self.namespace}/{self.name}", patience=self.duration)

    def readiness_error(self) -> str | None:
        """Return why this replica could not take over: it cannot read or write the Lease."""
        return self._access.readiness_error()

    def holds(self) -> bool:
        """Whether the Lease is ours for certain: nobody else can have taken it by now.

        Asked before each write: a process that was paused for longer than the Lease lasts wakes up in the belief
        that it leads.
        """
        return self._lock is not None and time.monotonic() - self._lock.renewed < self.duration

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run `work` whenever this replica leads, until it ends by itself; cancel it when the Lease is lost."""
        while not await self._lead_once(work):
            _logger.warning("The Lease %s/%s was lost; competing again", self.namespace, self.name)

    async def _lead_once(self, work: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Lead for as long as the Lease is held; True when the work has ended by itself."""
        lock = self._lock = _Lock(self.identity, self.api, self._access)
        leading = asyncio.Event()

        async def started() -> None:
            leading.set()

        async def stopped() -> None:
            leading.clear()

        election = asyncio.create_task(
            _Election(
                Config(
                    lock,
                    lease_duration=self.duration,
                    renew_deadline=self.renew_deadline,
                    retry_period=self.retry_period,
                    onstarted_leading=started,
                    onstopped_leading=stopped,
                )
            ).run(),
            name="leader election",
        )
        try:
            return await self._work_while(election, leading, work)
        finally:
            await end([election])
            self._lock = None
            await lock.release()

    async def _work_while(
        self,
        election: asyncio.Task[None],
        leading: asyncio.Event,
        work: Callable[[], Coroutine[Any, Any, None]],
    ) -> bool:
        acquired = asyncio.create_task(leading.wait())
        try:
            await asyncio.wait({acquired, election}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end([acquired])
        if election.done():
            election.result()
            return False
        _logger.info("%s leads", self.identity)
        task = asyncio.create_task(work(), name="leader's work")
        try:
            await asyncio.wait({task, election}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
                return True
            return False
        finally:
            await end([task])
