"""What load balancers say of Pods: asked while an app needs it, remembered for a while, never waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from containerapp.core.model import Key, Manifest
from containerapp.core.targets import Answer, PodAt, Question, Silence
from containerapp.engine import targets
from containerapp.engine.targets import FRESH, TargetWatch, nobody_asks
from containerapp.errors import Blocked, ContainerAppError
from containerapp.kube.client import Client, NotFound
from tests.builders import KEY, Clock
from tests.unit.engine.fake_api import FakeApi, Request

QUESTION = Question(
    service="shop", selector="containerapp.dev/app=shop", bindings="elbv2.k8s.aws/v1beta1", label="revision"
)
BINDINGS = "/apis/elbv2.k8s.aws/v1beta1/namespaces/default/targetgroupbindings"
PODS = "/api/v1/namespaces/default/pods"
GROUP = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop/1"
READY = "2026-01-01T00:00:00Z"


def _binding(service: str = "shop", arn: str = GROUP, **spec: Any) -> Manifest:
    return {"spec": {"serviceRef": {"name": service}, "targetGroupARN": arn, "targetType": "ip", **spec}}


def _pod(address: str, *, ready: bool = True, **metadata: Any) -> Manifest:
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": READY}
    return {
        "metadata": {"labels": {"revision": "2"}, **metadata},
        "status": {"podIP": address, "conditions": [{"type": "Initialized", "status": "True"}, condition]},
    }


@pytest.fixture
def api() -> FakeApi:
    """An API server with one binding and one Pod of the app."""
    return FakeApi(lists={BINDINGS: [_binding()], PODS: [_pod("10.0.0.1")]})


@pytest.fixture
def notified() -> list[Key]:
    """The objects to which something was news."""
    return []


class Elb:
    """Says of every group the same, or fails."""

    def __init__(self) -> None:
        self.states: Mapping[str, str] = {"10.0.0.1": "healthy"}
        self.asked: list[str] = []
        self.error: Exception | None = None

    async def describe(self, group: str) -> Mapping[str, str]:
        """Return the states."""
        self.asked.append(group)
        if self.error is not None:
            raise self.error
        return self.states


@pytest.fixture
def elb() -> Elb:
    """The target groups."""
    return Elb()


@pytest.fixture
def clock() -> Clock:
    """A clock that a test moves."""
    return Clock()


@pytest.fixture
def watch(
    api: FakeApi, elb: Elb, notified: list[Key], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> TargetWatch:
    """The watch, whose rounds follow each other at once."""
    monkeypatch.setattr(targets, "INTERVAL", 0)
    return TargetWatch(
        client=cast("Client", api), describe=elb.describe, on_change=notified.append, clock=clock
    )


async def _while_running(watch: TargetWatch, holds: Callable[[], bool]) -> None:
    """Run the watch until something holds."""
    task = asyncio.create_task(watch.run())
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_the_answer_has_the_pods_and_the_states_of_their_addresses(
    watch: TargetWatch, api: FakeApi, notified: list[Key]
) -> None:
    """What is asked first is not known; the answer is passed on once."""
    assert watch.lookup(KEY, QUESTION) == Silence(seconds=0.0)
    await _while_running(watch, lambda: len(api.requests) > 6)
    ready = datetime(2026, 1, 1, tzinfo=UTC)
    assert watch.lookup(KEY, QUESTION) == Answer(
        pods=(PodAt(address="10.0.0.1", label="2", ready_since=ready),), groups=({"10.0.0.1": "healthy"},)
    )
    assert notified == [KEY]


async def test_pods_that_end_or_have_no_address_are_left_out(
    watch: TargetWatch, api: FakeApi, notified: list[Key]
) -> None:
    """One that is not ready is there, without a time."""
    api.lists[PODS] = [
        _pod("10.0.0.1", deletionTimestamp=READY),
        {"metadata": {}, "status": {}},
        _pod("10.0.0.2", ready=False),
    ]
    watch.lookup(KEY, QUESTION)
    await _while_running(watch, lambda: bool(notified))
    answer = watch.lookup(KEY, QUESTION)
    assert isinstance(answer, Answer)
    assert answer.pods == (PodAt(address="10.0.0.2", label="2"),)


async def test_only_groups_of_addresses_that_the_service_is_bound_to_are_asked(
    watch: TargetWatch, api: FakeApi, elb: Elb, notified: list[Key]
) -> None:
    """Those of other apps of the namespace, and of nodes, say nothing of the Pods."""
    api.lists[BINDINGS] = [
        _binding(),
        _binding("till", "arn:other"),
        _binding(arn="arn:nodes", targetType="instance"),
        _binding(arn=""),
    ]
    watch.lookup(KEY, QUESTION)
    await _while_running(watch, lambda: bool(notified))
    assert set(elb.asked) == {GROUP}


async def test_without_the_kind_there_are_no_groups(
    watch: TargetWatch, api: FakeApi, elb: Elb, notified: list[Key]
) -> None:
    """Then nothing is waited for."""

    def refuse(request: Request) -> None:
        if request.url == BINDINGS:
            raise NotFound("NotFound", "The server could not find the requested resource.")

    api.refuse = refuse
    watch.lookup(KEY, QUESTION)
    await _while_running(watch, lambda: bool(notified))
    answer = watch.lookup(KEY, QUESTION)
    assert isinstance(answer, Answer)
    assert answer.groups == ()
    assert elb.asked == []


async def test_bindings_are_listed_once_a_minute(
    watch: TargetWatch, api: FakeApi, elb: Elb, clock: Clock
) -> None:
    """They change with the load balancer, and the states every few seconds."""
    watch.lookup(KEY, QUESTION)
    await _while_running(watch, lambda: len(elb.asked) > 3)
    assert [request.url for request in api.requests].count(BINDINGS) == 1
    clock.now += 61
    await _while_running(watch, lambda: len(elb.asked) > 6)
    assert [request.url for request in api.requests].count(BINDINGS) == 2


async def test_an_old_answer_is_none(watch: TargetWatch, elb: Elb, notified: list[Key], clock: Clock) -> None:
    """A failure is passed on once; the last answer counts for half a minute, and then the silence since it."""
    watch.lookup(KEY, QUESTION)
    await _while_running(watch, lambda: bool(notified))
    elb.error = denied = Blocked("AccessDenied", "Allow it.")
    await _while_running(watch, lambda: len(elb.asked) > 5)
    assert isinstance(watch.lookup(KEY, QUESTION), Answer)
    clock.now += FRESH
    assert watch.lookup(KEY, QUESTION) == Silence(seconds=FRESH, error=denied)
    assert notified == [KEY, KEY]


@pytest.mark.parametrize("error", [Blocked("AccessDenied", "Allow it."), ValueError("a bug")])
async def test_one_that_fails_does_not_stop_the_others(
    watch: TargetWatch, elb: Elb, notified: list[Key], error: Exception
) -> None:
    """Nor does a bug: it is shown, and asked again."""
    other = KEY._replace(name="till")
    elb.error = error
    watch.lookup(KEY, QUESTION)
    watch.lookup(other, replace(QUESTION, service="till"))
    await _while_running(watch, lambda: set(notified) == {KEY, other})
    silence = watch.lookup(KEY, QUESTION)
    assert isinstance(silence, Silence)
    assert isinstance(silence.error, ContainerAppError)


async def test_without_a_question_nothing_is_asked(
    watch: TargetWatch, api: FakeApi, notified: list[Key]
) -> None:
    """A rollout that is over costs no request, and another question begins again."""
    watch.lookup(KEY, QUESTION)
    await _while_running(watch, lambda: bool(notified))
    assert watch.lookup(KEY, None) is None
    assert watch.lookup(KEY, None) is None
    task = asyncio.create_task(watch.run())
    for _ in range(20):
        await asyncio.sleep(0)
    asked = len(api.requests)
    for _ in range(50):
        await asyncio.sleep(0)
    task.cancel()
    assert len(api.requests) == asked
    assert watch.lookup(KEY, replace(QUESTION, selector="other")) == Silence(seconds=0.0)


def test_where_no_load_balancer_is_asked_nothing_is_known() -> None:
    """The default: nothing is waited for."""
    assert nobody_asks(KEY, QUESTION) is None
