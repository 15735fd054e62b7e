"""When a replica looks at the Lease, and what it makes of it: `containerapp.kube.lease`."""

from __future__ import annotations

import asyncio
import copy
import time
from typing import cast

import pytest
from kubernetes.aio.client import ApiClient, CoordinationV1Api, V1Lease
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.aio.leaderelection.resourcelock.baselock import BaseLock

from containerapp.kube.access import LeaseAccess
from containerapp.kube.lease import Leadership, _Election, _Lock

_DURATION, _RENEW_DEADLINE, _RETRY = 15, 10, 2


class _Lease(BaseLock):
    """The Lease of a leader that renews it every retry period, `renewals` times more, and then never again."""

    def __init__(self, clock: _Clock, renewals: int) -> None:
        super().__init__("lease", "ops", "standby")
        self.clock = clock
        self.renewals = renewals
        self.looks: list[float] = []

    async def get(self, _name: str, _namespace: str) -> tuple[bool, LeaderElectionRecord]:
        self.looks.append(round(self.clock.now, 2))
        renewed = f"renewal {min(self.renewals, self.clock.now // _RETRY)}"
        return True, LeaderElectionRecord("leader", str(_DURATION), "acquired", renewed)

    async def create(self, _name: str, _namespace: str, _election_record: LeaderElectionRecord) -> bool:
        raise AssertionError("there is one")

    async def update(self, _name: str, _namespace: str, _record: LeaderElectionRecord) -> bool:
        return True


class _Clock:
    """Goes on while a task sleeps, and only then."""

    now = 0.0

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    """The clock of the election."""
    clock = _Clock()
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0 + clock.now)
    monkeypatch.setattr(asyncio, "sleep", clock.sleep)
    return clock


async def _nothing() -> None:
    """Begin or end to lead."""


def _election(lease: BaseLock) -> _Election:
    return _Election(
        Config(
            lease,
            lease_duration=_DURATION,
            renew_deadline=_RENEW_DEADLINE,
            retry_period=_RETRY,
            onstarted_leading=_nothing,
            onstopped_leading=_nothing,
        )
    )


async def test_a_standby_takes_the_lease_at_the_moment_it_runs_out(clock: _Clock) -> None:
    """Not a retry period later: no replica acts meanwhile."""
    lease = _Lease(clock, renewals=0)
    assert await _election(lease).acquire()
    assert lease.looks == pytest.approx([*range(_DURATION), _DURATION], abs=0.02)


async def test_a_lease_that_is_renewed_is_left_alone(clock: _Clock) -> None:
    """Its time counts from the last renewal that was seen."""
    lease = _Lease(clock, renewals=50)
    assert await _election(lease).acquire()
    assert lease.looks[-1] == pytest.approx(50 * _RETRY + _DURATION, abs=0.02)


async def test_a_lease_that_ran_out_long_ago_is_no_reason_to_hurry(clock: _Clock) -> None:
    """An API server that refuses or is away is not asked the more often for it."""
    election = _election(_Lease(clock, renewals=0))
    clock.now += 1000
    assert election._pause() == _RETRY / 2


class _Leases:
    """An API server with one Lease, as the client's own code asks for it."""

    def __init__(self) -> None:
        self.lease: V1Lease | None = None

    async def read_namespaced_lease(self, _name: str, _namespace: str) -> V1Lease:
        if self.lease is None:
            error = ApiException(status=404, reason="Not Found")
            error.body = '{"code": 404}'
            raise error
        return copy.deepcopy(self.lease)

    async def create_namespaced_lease(self, _namespace: str, lease: V1Lease) -> None:
        self.lease = lease

    async def replace_namespaced_lease(self, _name: str, _namespace: str, lease: V1Lease) -> None:
        self.lease = lease


async def _leader(leases: _Leases) -> tuple[Leadership, _Election]:
    access = LeaseAccess(lease="ops/lease", patience=_DURATION)
    lock = _Lock("leader", cast("ApiClient", None), access)
    lock.api_instance = cast("CoordinationV1Api", leases)
    leadership = Leadership(
        api=cast("ApiClient", None),
        name="lease",
        namespace="ops",
        identity="leader",
        duration=_DURATION,
        renew_deadline=_RENEW_DEADLINE,
        retry_period=_RETRY,
    )
    leadership._lock = lock
    election = _election(lock)
    assert await election.acquire()
    assert leadership.holds()
    return leadership, election


async def test_a_leader_that_sees_its_lease_in_other_hands_ends_at_once() -> None:
    """It was deleted or emptied by hand, and another replica was there first."""
    leases = _Leases()
    leadership, election = await _leader(leases)
    assert leases.lease is not None
    assert leases.lease.spec is not None
    leases.lease.spec.holder_identity = "another"
    await asyncio.wait_for(election.renew_loop(), _RETRY + 1)
    assert not leadership.holds()


async def test_a_leader_that_finds_its_lease_deleted_creates_it_again() -> None:
    """No other replica was there first, so that it goes on."""
    leases = _Leases()
    leadership, election = await _leader(leases)
    leases.lease = None
    found, _ = await election.election_config.lock.get("lease", "ops")
    assert not found
    assert not leadership.holds()
    assert await election.try_acquire_or_renew()
    assert leadership.holds()
