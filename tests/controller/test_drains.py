"""An app of one Pod leaves a node that is drained, tainted or cordoned: there is a ready Pod at every moment.

The nodes are simulated, and the drain is kubectl's own. A Pod counts as available some seconds after it is ready, so
that a drain which does not wait would be seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.controller.api import Manifest
from tests.controller.person import Person
from tests.controller.test_autoscaling import ready_pods
from tests.controller.world import World

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240)]

_SLOW = {"rollout": {"minReadySeconds": 4}}
_TAINT = {"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}


def _pods(world: World, name: str) -> list[Manifest]:
    return world.api.list("Pod", world.namespace, f"containerapp.dev/app={name}")


def _only(world: World, name: str) -> Manifest:
    (pod,) = _pods(world, name)
    return pod


def _stands_alone(world: World, name: str, pod: Manifest) -> bool:
    """Whether another Pod runs in the place of `pod`, and nothing is left of the move."""
    deployment = world.get("Deployment", name)
    uids = {each["metadata"]["uid"] for each in _pods(world, name)}
    moved = len(uids) == 1 and pod["metadata"]["uid"] not in uids
    return moved and "containerapp.dev/moving" not in deployment["metadata"]["annotations"]


@contextmanager
def _node_of(world: World, pod: Manifest) -> Iterator[str]:
    """The node of a Pod; it takes Pods again afterwards."""
    node = pod["spec"]["nodeName"]
    yield node
    world.kubectl("uncordon", node)
    taints = json.loads(world.kubectl("get", "node", node, "--output=json"))["spec"].get("taints", ())
    if any(taint["key"] == _TAINT["key"] for taint in taints):
        world.kubectl("taint", "node", node, f"{_TAINT['key']}-")


def test_a_drain_waits_until_a_second_pod_is_available(world: World) -> None:
    """The budget refuses kubectl's drain until then; the app is Ready all the time, and no rollout is seen."""
    world.run("shop", disruption={"minAvailable": 1}, **_SLOW)
    pod = _only(world, "shop")
    with _node_of(world, pod) as node, ready_pods(world, "shop") as counts:
        world.kubectl("drain", node, "--pod-selector=containerapp.dev/app=shop", "--timeout=90s")
        world.until("the move is over", lambda: _stands_alone(world, "shop", pod), names=["shop"])
    assert min(counts) == 1
    assert max(counts) == 2
    assert _only(world, "shop")["spec"]["nodeName"] != node
    world.await_ready("shop")
    reasons = [event["reason"] for event in world.events("shop")]
    assert reasons.count("Moving") == 1
    assert "Moving" not in world.conditions("shop")
    assert world.get("ContainerApp", "shop")["status"]["currentRevision"] == 1


def test_an_app_leaves_a_node_that_karpenter_is_about_to_replace(world: World) -> None:
    """By its taint alone, whatever evicts the Pods later; a killed operator goes on where it was."""
    world.run("shop", **_SLOW)
    pod = _only(world, "shop")
    with _node_of(world, pod) as node, ready_pods(world, "shop") as counts:
        world.kubectl("taint", "node", node, f"{_TAINT['key']}:{_TAINT['effect']}")
        world.until("a second Pod is there", lambda: len(_pods(world, "shop")) == 2, names=["shop"])
        world.operator.kill()
        world.operator.start()
        world.until("the move is over", lambda: _stands_alone(world, "shop", pod), names=["shop"])
    assert min(counts) == 1
    assert _only(world, "shop")["spec"]["nodeName"] != node
    assert world.find("PodDisruptionBudget", "shop") is None


def test_an_autoscaled_app_of_one_pod_is_as_safe(world: World) -> None:
    """The autoscaler is asked for two Pods as long as the first one has to stay."""
    world.run("shop", autoscaling={"maxReplicas": 4}, **_SLOW)
    pod = _only(world, "shop")
    with _node_of(world, pod) as node, ready_pods(world, "shop") as counts:
        world.kubectl("cordon", node)
        world.until(
            "the Pod may stay, and the autoscaler has the wish",
            lambda: (
                world.find("PodDisruptionBudget", "shop") is not None
                and world.get("HorizontalPodAutoscaler", "shop")["spec"]["minReplicas"] == 2
            ),
            names=["shop"],
        )
        world.kubectl("drain", node, "--pod-selector=containerapp.dev/app=shop", "--timeout=120s")
        world.until(
            "the wish is over",
            lambda: world.get("HorizontalPodAutoscaler", "shop")["spec"]["minReplicas"] == 1,
            names=["shop"],
        )
    assert min(counts) >= 1


@pytest.mark.parametrize("spec", [{}, {"autoscaling": {"maxReplicas": 4}}], ids=["alone", "autoscaled"])
def test_a_plan_during_a_move_shows_what_an_edit_changes_alone(
    world: World, person: Person, spec: Manifest
) -> None:
    """The second Pod and the budget are the move's: the operator takes them away, whatever is applied."""
    spec = spec | {"rollout": {"minReadySeconds": 30}}
    world.run("shop", **spec)
    with _node_of(world, _only(world, "shop")) as node:
        world.kubectl("cordon", node)
        world.until("a second Pod starts", lambda: len(_pods(world, "shop")) == 2, names=["shop"])
        code, plan = person.plan(world.app("shop", **spec))
        assert _moves(world)
        assert (code, plan["action"]) == (0, "none"), plan


def test_what_may_not_have_a_second_pod_is_left_alone(world: World) -> None:
    """By the field, and where old Pods end before new ones start; a node that stays costs no write either."""
    world.run("alone", disruption={"surge": False})
    world.run("single", rollout={"strategy": "Recreate"})
    world.run("shop")
    world.settle()
    position = world.audit.position()
    with _node_of(world, _only(world, "alone")) as node:
        others = {name: _only(world, name)["spec"]["nodeName"] for name in ("single", "shop")}
        world.kubectl("cordon", node, *{each for each in others.values() if each != node})
        world.until(
            "the third leaves", lambda: len(_pods(world, "shop")) != 1 or _moves(world), names=["shop"]
        )
        assert len(_pods(world, "alone")) == len(_pods(world, "single")) == 1
        for each in others.values():
            world.kubectl("uncordon", each)
        world.until("nothing moves any more", lambda: not _moves(world), names=["shop"])
    world.await_ready("shop")
    written = world.audit.since(position, namespace=world.namespace)
    assert not [request for request in written if request.is_write and "alone" in str(request)]
    assert not [request for request in written if request.is_write and "single" in str(request)]


def _moves(world: World) -> bool:
    return "containerapp.dev/moving" in world.get("Deployment", "shop")["metadata"]["annotations"]
