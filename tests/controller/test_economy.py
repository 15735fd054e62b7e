"""What things cost, counted in the API server's audit log: no request where nothing is to be done."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.controller.api import Manifest
from tests.controller.world import World

pytestmark = pytest.mark.cluster


def test_creating_an_app_costs_one_write_a_child_and_at_most_two_of_the_status(world: World) -> None:
    """That it is under way, where it still is, and that it is done; and one event. No child is read first."""
    position = world.audit.position()
    world.run("frugal", port=8080)
    world.until("the event is there", lambda: world.events("frugal"))
    world.settle()
    requests = world.audit.since(position, namespace=world.namespace)
    writes = world.audit.writes(position, namespace=world.namespace)
    events = writes.pop("events", 0)
    status = writes.pop("containerapps/status")
    assert writes == {"serviceaccounts": 1, "services": 1, "controllerrevisions": 1, "deployments": 1}
    assert status <= 2
    assert events <= 1
    assert [request for request in requests if not request.is_write] == []


def test_what_changes_nothing_costs_nothing(world: World) -> None:
    """An annotation of somebody else's, the same manifest again, a label."""
    world.run("calm", port=8080)
    world.settle()
    position = world.audit.position()
    world.apply("calm", port=8080)
    world.kubectl("annotate", "capp/calm", "example.com/note=seen")
    world.kubectl("label", "capp/calm", "team=checkout")
    world.settle()
    assert [str(r) for r in world.audit.since(position, namespace=world.namespace)] == []


def test_an_update_of_the_image_writes_the_deployment_and_its_revision(world: World) -> None:
    """What changes with every release stands on no other child."""
    world.registry.push("1.1", "shop 1.1")
    world.run("update", port=8080)
    world.settle()
    position = world.audit.position()
    world.apply("update", port=8080, image="shop:1.1")
    world.await_ready("update")
    world.settle()
    writes = world.audit.writes(position, namespace=world.namespace)
    assert (writes["deployments"], writes["controllerrevisions"]) == (1, 1)
    assert writes["services"] == writes["serviceaccounts"] == 0
    assert writes["containerapps/status"] <= 3


def test_a_restart_costs_the_first_lists_alone(world: World) -> None:
    """Nothing is written, no object is read by itself, and no registry's answer rolls anything."""
    names = [f"asleep-{number}" for number in range(5)]
    for name in names:
        world.apply(name, port=8080)
    world.await_all_ready(names)
    world.settle()
    before = {name: _traces(world, name) for name in names}
    world.operator.stop()
    position = world.audit.position()
    world.operator.start()
    world.until(
        "all apps were looked at again", lambda: world.operator.metric("containerapp_reconciles_total") >= 5
    )
    world.settle()
    own = [r for r in world.audit.since(position) if r.resource and r.namespace in {"", world.namespace}]
    assert [str(r) for r in own if r.is_write] == []
    listed = Counter(r.resource for r in own if r.verb == "list")
    assert {"deployments", "services", "serviceaccounts", "containerapps"} <= set(listed)
    assert [str(r) for r in own if r.verb not in {"list", "watch"}] == []
    assert {name: _traces(world, name) for name in names} == before


def _traces(world: World, name: str) -> Manifest:
    kinds = ("ContainerApp", "Deployment", "Service", "ServiceAccount")
    return {kind: world.get(kind, name)["metadata"]["resourceVersion"] for kind in kinds}
