"""Resizes in place on the real API server: Pods stay, the template follows; what does not work out is rolled out."""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

import pytest

from tests.controller.api import Manifest
from tests.controller.node import Node
from tests.controller.operators import Operator
from tests.controller.person import Person
from tests.controller.world import World, dumped

pytestmark = pytest.mark.cluster

SMALL = {"requests": {"cpu": "100m", "memory": "64Mi"}}
LARGE = {"requests": {"cpu": "200m", "memory": "128Mi"}}
CRASHES = {"devcluster/behaviour": "crash-loop"}


def _requests(pod: Manifest) -> Any:
    (app,) = pod["spec"]["containers"]
    return app["resources"]["requests"]


def _has(node: Node, resources: Manifest) -> bool:
    return all(_requests(pod) == resources["requests"] for pod in node.pods())


def _running(world: World, name: str = "shop", **spec: Any) -> Node:
    """Return the node of an app that runs small Pods."""
    world.run(name, **{"port": 8080, "replicas": 2, "resources": SMALL, **spec})
    node = Node(world=world, name=name)
    node.works()
    return node


def _replica_sets(world: World) -> int:
    return len(world.kubectl("get", "replicasets", "--output=name").split())


def test_resources_alone_change_without_a_restart(world: World, person: Person) -> None:
    """As planned. The Deployment's template follows; a rollout and a rollback afterwards know which Pods are which."""
    node = _running(world)
    manifest = world.app("shop", port=8080, replicas=2, resources=LARGE)
    ask = ("plan", "-f", "-", "--force-conflicts")
    (plan,) = json.loads(person.here(*ask, "-o", "json", stdin=dumped(manifest)).stdout)["apps"]
    assert (plan["pods"]["restart"], plan["pods"]["resize"]) == (False, True)
    assert "2 Pods: resized in place" in person.here(*ask, stdin=dumped(manifest)).output
    before, position = node.uids(), world.audit.position()
    world.api.apply(manifest)
    node.await_revision(2)
    assert node.uids() == before
    assert _has(node, LARGE)
    assert _replica_sets(world) == 1
    deployment = world.get("Deployment", "shop")
    (app,) = deployment["spec"]["template"]["spec"]["containers"]
    assert app["resources"]["requests"] == LARGE["requests"]
    assert "paused" not in deployment["spec"]
    assert "containerapp.dev/resizing" not in deployment["metadata"]["annotations"]
    assert world.get("ContainerApp", "shop")["status"]["lastGoodRevision"] == 2
    writes = world.audit.writes(position, namespace=world.namespace)
    assert (writes["deployments"], writes["replicasets"], writes["pods/resize"]) == (2, 1, 2), writes
    position = world.audit.position()
    world.operator.stop()
    world.operator.start()
    world.settle()
    assert not world.audit.writes(position, namespace=world.namespace)
    world.apply("shop", port=8080, replicas=2, resources=LARGE, podAnnotations=CRASHES)
    world.await_condition("shop", "RolledOut", "False", "RolledBack", timeout=120)
    world.await_condition("shop", "Ready", "True", "RolledBack")
    assert node.uids() >= before, "no old Pod has ended"
    world.run("shop", port=8080, replicas=2, resources=LARGE, podAnnotations={"note": "mended"})
    assert not node.uids() & before


def test_what_a_node_refuses_is_rolled_out(world: World) -> None:
    """At once, where it says that it never can; the way back makes new Pods with another label."""
    node = _running(world)
    node.pending = {
        "reason": "Infeasible",
        "message": "Node didn't have enough capacity",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    before = node.uids()
    world.apply("shop", port=8080, replicas=2, resources=LARGE)
    node.await_revision(2)
    assert not node.uids() & before
    assert _has(node, LARGE)
    world.apply("shop", port=8080, replicas=2, resources=SMALL)
    node.await_revision(1)
    assert _has(node, SMALL)


def test_a_node_that_cannot_resize_at_all_is_no_obstacle(world: World) -> None:
    """The API server refuses the resize, and the Pods are replaced."""
    world.run("old", port=8080, resources=SMALL)
    node = Node(world=world, name="old")
    before = node.uids()
    world.apply("old", port=8080, resources=LARGE)
    world.until(
        "it is rolled out",
        lambda: world.get("ContainerApp", "old")["status"].get("lastGoodRevision") == 2,
        names=["old"],
    )
    assert not node.uids() & before


def test_a_field_turns_it_off_and_less_memory_is_rolled_out(world: World) -> None:
    """A program does not give back memory because its limit shrinks."""
    node = _running(world)
    before = node.uids()
    world.apply("shop", port=8080, replicas=2, resources=LARGE, rollout={"resizeInPlace": False})
    node.await_revision(2)
    replaced = node.uids()
    assert not replaced & before
    less = {"requests": {"cpu": "50m", "memory": "128Mi"}}
    world.apply("shop", port=8080, replicas=2, resources=less)
    node.await_revision(3)
    assert node.uids() == replaced, "less CPU needs no new Pod"
    world.apply("shop", port=8080, replicas=2, resources={"requests": {"cpu": "50m", "memory": "64Mi"}})
    node.await_revision(4)
    assert not node.uids() & replaced


def test_another_change_on_the_way_is_rolled_out(world: World) -> None:
    """The Pods that were resized get back what they had, so that a rollback finds them as they were."""
    node = _running(world)
    before = node.uids()
    world.apply("shop", port=8080, replicas=2, resources=LARGE)
    world.until("one Pod is resized", lambda: not _has(node, SMALL), names=["shop"])
    assert not _has(node, LARGE), "a quarter at a time"
    world.apply("shop", port=8080, replicas=2, resources=LARGE, podAnnotations=CRASHES)
    world.await_condition("shop", "RolledOut", "False", "RolledBack", timeout=120)
    world.await_condition("shop", "Ready", "True", "RolledBack")
    world.until("the new Pods have ended", lambda: node.uids() == before, names=["shop"])
    assert _has(node, SMALL)
    assert world.get("ContainerApp", "shop")["status"]["currentRevision"] == 1


def test_a_way_back_on_the_way_resizes_back(world: World) -> None:
    """No Pod is replaced."""
    more = {"requests": {"cpu": "200m", "memory": "64Mi"}}
    node = _running(world)
    before = node.uids()
    world.apply("shop", port=8080, replicas=2, resources=more)
    world.until("one Pod is resized", lambda: not _has(node, SMALL), names=["shop"])
    world.apply("shop", port=8080, replicas=2, resources=SMALL)
    node.await_revision(1)
    assert node.uids() == before
    assert _has(node, SMALL)


def test_scaling_on_the_way_ends_well(world: World) -> None:
    """A paused Deployment scales, and no ReplicaSet is added."""
    node = _running(world)
    before = node.uids()
    world.apply("shop", port=8080, replicas=2, resources=LARGE)
    world.await_condition("shop", "Reconciling", "True", "Resizing")
    world.apply("shop", port=8080, replicas=4, resources=LARGE)
    node.await_revision(2)
    assert node.uids() > before
    assert (len(node.pods()), _has(node, LARGE), _replica_sets(world)) == (4, True, 1)


def test_suspension_on_the_way_ends_well(world: World) -> None:
    """Pods that start afterwards have the new resources."""
    node = _running(world)
    world.apply("shop", port=8080, replicas=2, resources=LARGE)
    world.await_condition("shop", "Reconciling", "True", "Resizing")
    world.apply("shop", port=8080, replicas=2, resources=LARGE, suspend=True)
    world.await_condition("shop", "Ready", "True", "Suspended")
    assert not node.pods()
    world.apply("shop", port=8080, replicas=1, resources=LARGE)
    node.await_revision(2)
    assert _has(node, LARGE)


def test_a_resize_goes_on_whenever_the_operator_is_killed(world: World, own_operator: Operator) -> None:
    """Every step follows from what lives."""
    own_operator.start()
    names = [f"k-{number}" for number in range(3)]
    nodes = [_running(world, name) for name in names]
    before = {node.name: node.uids() for node in nodes}
    for name in names:
        world.apply(name, port=8080, replicas=2, resources=LARGE)
    for seconds in (0.2, 0.5, 0.9, 1.5):
        time.sleep(seconds)
        own_operator.kill()
        own_operator.start()
        for node in nodes:
            node.works()
    for node in nodes:
        node.await_revision(2)
        node.until("all are large", partial(_has, node, LARGE))
    assert {node.name: node.uids() for node in nodes} == before
