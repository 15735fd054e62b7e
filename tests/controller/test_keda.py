"""KEDA's definitions come, the replicas pass to it and back: no ready Pod is lost. The test stands in for KEDA."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from devcluster import Cluster
from tests.controller.test_autoscaling import owns_replicas, ready_pods, replicas, scale
from tests.controller.world import World
from tests.definitions import define

pytestmark = pytest.mark.cluster

_VENDORED = Path(__file__).parents[1] / "vendored"
_KINDS = ("scaledobjects", "triggerauthentications")
_QUEUE = {"sqs": {"queueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"}}


@pytest.fixture
def keda(cluster: Cluster, world: World) -> Iterator[None]:
    """Have KEDA's definitions on the cluster, once the test's own Pods are watched without them."""
    for kind in _KINDS:
        define(cluster, (_VENDORED / f"{kind}.yaml").read_text())
    yield
    for kind in _KINDS:
        world.api.delete("CustomResourceDefinition", None, f"{kind}.keda.sh")


def _says(world: World, name: str, status: str) -> None:
    """Say what KEDA says of a ScaledObject."""
    condition = {"type": "Ready", "status": status, "reason": "Test", "message": "Said by a test."}
    change = {"status": {"conditions": [condition]}}
    world.api.patch("ScaledObject", world.namespace, name, change, "status")


def _is_there(world: World, kind: str) -> bool:
    return world.find(kind, "elastic") is not None


def _is_gone(world: World, kind: str) -> bool:
    return world.find(kind, "elastic") is None


@pytest.mark.timeout(400)
def test_keda_is_absent_then_installed(cluster: Cluster, world: World) -> None:
    """A worker that no one could start again has a Pod until then; KEDA may end it."""
    scaled = {"minReplicas": 0, "maxReplicas": 5, "triggers": [_QUEUE]}
    world.run("worker", autoscaling=scaled)
    message = world.await_condition("worker", "Autoscaled", "False", "KindNotInstalled")["message"]
    assert "Install KEDA" in message
    assert replicas(world, "worker") == 1
    uid = world.get("Deployment", "worker")["metadata"]["uid"]
    for kind in _KINDS:
        define(cluster, (_VENDORED / f"{kind}.yaml").read_text())
    try:
        world.await_condition("worker", "Autoscaled", "Unknown", "WaitingForKeda")
        _says(world, "worker", "True")
        world.await_condition("worker", "Autoscaled", "True", "ScaledByKeda")
        world.until("it may ask AWS", lambda: world.find("TriggerAuthentication", "worker"))
        assert world.get("TriggerAuthentication", "worker")["spec"] == {"podIdentity": {"provider": "aws"}}
        assert replicas(world, "worker") == 1
        scale(world, "worker", 0)
        world.await_ready("worker")
        world.settle()
        assert replicas(world, "worker") == 0
        world.apply("worker", autoscaling={"minReplicas": 2, "maxReplicas": 5})
        world.until("two Pods are wanted again", lambda: replicas(world, "worker") == 2)
        world.await_ready("worker")
        assert world.find("ScaledObject", "worker") is None
        assert world.get("Deployment", "worker")["metadata"]["uid"] == uid
    finally:
        for kind in _KINDS:
            world.api.delete("CustomResourceDefinition", None, f"{kind}.keda.sh")


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("keda")
def test_replicas_pass_between_all_that_scales_without_a_dip(world: World) -> None:
    """From a count to an autoscaler, to KEDA, back to an autoscaler, to KEDA, and to a count."""
    hpa = {"minReplicas": 2, "maxReplicas": 8}
    keda = {**hpa, "triggers": [_QUEUE]}
    world.run("elastic", port=8080, replicas=4)
    with ready_pods(world, "elastic") as counts:
        for autoscaling, mine, other in (
            (hpa, "HorizontalPodAutoscaler", "ScaledObject"),
            (keda, "ScaledObject", "HorizontalPodAutoscaler"),
            (hpa, "HorizontalPodAutoscaler", "ScaledObject"),
            (keda, "ScaledObject", "HorizontalPodAutoscaler"),
        ):
            world.apply("elastic", port=8080, autoscaling=autoscaling)
            world.until(f"the {mine} scales", partial(_is_there, world, mine))
            world.until(f"the {other} is gone", partial(_is_gone, world, other))
            world.await_ready("elastic")
            world.settle()
            assert replicas(world, "elastic") == 4
            assert not owns_replicas(world, "elastic")
        world.run("elastic", port=8080, replicas=4)
        world.until("the replicas are ours", lambda: owns_replicas(world, "elastic"))
        world.until("KEDA's object is gone", lambda: world.find("ScaledObject", "elastic") is None)
    assert min(counts) == 4
