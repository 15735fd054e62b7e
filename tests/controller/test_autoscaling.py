"""The replicas pass to an autoscaler and back: no ready Pod is lost, whatever becomes of the operator."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Event, Thread
from typing import Any

import pytest

from tests.controller.api import Api, Manifest
from tests.controller.world import World

pytestmark = pytest.mark.cluster

_MANAGER = "containerapp-operator"
_AUTOSCALING = {"minReplicas": 3, "maxReplicas": 8}


@contextmanager
def ready_pods(world: World, name: str) -> Iterator[list[int]]:
    """Record how many Pods of an app are ready, each 100 ms while inside."""
    counts: list[int] = []
    over = Event()

    def watch() -> None:
        with closing(Api(world.cluster.kubeconfig)) as api:
            while not over.wait(0.1):
                pods = api.list("Pod", world.namespace, f"containerapp.dev/app={name}")
                counts.append(sum(map(_is_ready, pods)))

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield counts
    finally:
        over.set()
        thread.join(30)


def _is_ready(pod: Manifest) -> bool:
    conditions = {item["type"]: item["status"] for item in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def owns_replicas(world: World, name: str) -> bool:
    """Whether the operator is an owner of the Deployment's `spec.replicas`."""
    managers = world.get("Deployment", name)["metadata"]["managedFields"]
    return any(
        entry["manager"] == _MANAGER and "f:replicas" in entry["fieldsV1"].get("f:spec", {})
        for entry in managers
    )


def scale(world: World, name: str, count: int) -> None:
    """Scale as the HorizontalPodAutoscaler's controller does: by the scale subresource of the Deployment."""
    world.api.patch("Deployment", world.namespace, name, {"spec": {"replicas": count}}, "scale")


def replicas(world: World, name: str) -> int:
    """Return the count that the Deployment asks for."""
    return int(world.get("Deployment", name)["spec"]["replicas"])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("killed_after", [None, 0.1, 0.4], ids=lambda delay: f"killed: {delay}")
def test_replicas_pass_to_an_autoscaler_and_back_without_a_dip(
    world: World, killed_after: float | None
) -> None:
    """Also where the operator is killed in the middle."""

    def change(**spec: Any) -> None:
        world.apply("elastic", port=8080, **spec)
        if killed_after is not None:
            time.sleep(killed_after)
            world.operator.kill()
            world.operator.start()

    world.run("elastic", port=8080, replicas=4)
    with ready_pods(world, "elastic") as counts:
        change(autoscaling=_AUTOSCALING)
        world.until("the replicas are handed over", lambda: not owns_replicas(world, "elastic"))
        world.await_ready("elastic")
        assert replicas(world, "elastic") == 4
        scale(world, "elastic", 6)
        world.until("six Pods are ready", lambda: counts and counts[-1] == 6)
        position = len(counts)
        world.settle()
        assert replicas(world, "elastic") == 6
        change(replicas=6)
        world.until(
            "the autoscaler is gone", lambda: world.find("HorizontalPodAutoscaler", "elastic") is None
        )
        world.until("the replicas are ours", lambda: owns_replicas(world, "elastic"))
        world.await_ready("elastic")
        time.sleep(1)
    assert min(counts) == 4
    assert min(counts[position:]) == 6


def test_an_autoscaled_app_starts_and_resumes_with_its_least_replicas(world: World) -> None:
    """Kubernetes' default is one Pod, and an autoscaler leaves a Deployment alone that is scaled to 0."""
    world.run("elastic", port=8080, autoscaling=_AUTOSCALING)
    assert replicas(world, "elastic") == 3
    assert not owns_replicas(world, "elastic")
    world.run("elastic", port=8080, autoscaling=_AUTOSCALING, suspend=True)
    assert replicas(world, "elastic") == 0
    world.run("elastic", port=8080, autoscaling=_AUTOSCALING)
    assert replicas(world, "elastic") == 3
    assert not owns_replicas(world, "elastic")


def test_a_worker_is_scaled_to_none_by_kubernetes_itself(world: World) -> None:
    """The API server takes 0 with an external metric; a suspended app is not started by its autoscaler."""
    metric = {"metric": {"name": "waiting"}, "target": {"type": "AverageValue", "averageValue": "20"}}
    scaled = {
        "minReplicas": 0,
        "maxReplicas": 5,
        "metrics": [{"type": "External", "external": metric}],
    }
    world.run("worker", autoscaling=scaled)
    assert world.get("HorizontalPodAutoscaler", "worker")["spec"]["minReplicas"] == 0
    assert replicas(world, "worker") == 1
    scale(world, "worker", 0)
    world.until(
        "it is Ready without a Pod",
        lambda: "nothing to do" in world.conditions("worker").get("Ready", {}).get("message", ""),
        names=["worker"],
    )
    world.run("worker", autoscaling=scaled, suspend=True)
    assert world.get("HorizontalPodAutoscaler", "worker")["spec"]["minReplicas"] == 1
    world.run("worker", autoscaling=scaled)
    assert replicas(world, "worker") == 1
