"""Sidecars and init containers of a running app, on a real API server: added, moved, changed, removed."""

from __future__ import annotations

import pytest

from tests.controller.api import Manifest
from tests.controller.registry import HOST, digest_of
from tests.controller.world import World
from tests.expectations import conditions

pytestmark = pytest.mark.cluster

PROXY: Manifest = {"name": "proxy", "image": "proxy:1", "ports": [{"name": "proxy", "containerPort": 9000}]}
AGENT: Manifest = {"name": "agent", "image": "agent:1"}
ROUTER: Manifest = {"name": "router", "image": "router:1"}
FILES: Manifest = {"name": "files", "image": "shop:1.0", "after": "proxy"}


def _started(world: World, name: str) -> list[tuple[str, str | None]]:
    """Return what starts before the app: names in order, and whether each is a sidecar."""
    pod = world.get("Deployment", name)["spec"]["template"]["spec"]
    return [(each["name"], each.get("restartPolicy")) for each in pod.get("initContainers", ())]


def _revisions(world: World, name: str) -> int:
    selector = world.get("ContainerApp", name)["status"]["selector"]
    return len(world.api.list("ReplicaSet", world.namespace, selector))


def test_sidecars_of_a_running_app_are_added_moved_and_removed(world: World) -> None:
    """Each edit rolls the Pods once, in the order that is written, and is at rest afterwards."""
    for image in ("proxy", "router"):
        world.registry.push("1", f"{image} 1", repository=image)
    world.run("crew", port=8080)
    children = [item["kind"] for item in world.get("ContainerApp", "crew")["status"]["resources"]]

    world.apply("crew", port=8080, sidecars=[PROXY], initContainers=[FILES])
    world.await_ready("crew")
    assert _started(world, "crew") == [("proxy", "Always"), ("files", None)]
    (proxy, files) = world.get("Deployment", "crew")["spec"]["template"]["spec"]["initContainers"]
    assert proxy["image"] == f"{HOST}/proxy@{digest_of('proxy 1')}"
    assert files["image"] == world.image("crew"), "one reference is one image"

    world.apply("crew", port=8080, sidecars=[ROUTER, PROXY], initContainers=[FILES])
    world.await_ready("crew")
    assert _started(world, "crew") == [("router", "Always"), ("proxy", "Always"), ("files", None)]

    world.apply("crew", port=8080, sidecars=[PROXY, ROUTER])
    world.await_ready("crew")
    assert _started(world, "crew") == [("proxy", "Always"), ("router", "Always")]

    world.apply("crew", port=8080)
    app = world.await_ready("crew")
    assert _started(world, "crew") == []
    now = [item["kind"] for item in app["status"]["resources"]]
    assert sorted(set(now)) == sorted(set(children)), "no other kind of child comes or goes"


def test_a_sidecar_whose_image_is_missing_keeps_the_old_pods_and_is_named(world: World) -> None:
    """The app goes on as it was; the condition says which container and what to do."""
    world.run("lonely", port=8080)
    before = world.get("Deployment", "lonely")["metadata"]["generation"]
    world.apply("lonely", port=8080, sidecars=[{"name": "proxy", "image": "nowhere:1"}])
    world.until(
        "the condition names the container",
        lambda: (
            "Container proxy: "
            in conditions(world.get("ContainerApp", "lonely")["status"])["ImageResolved"]["message"]
        ),
    )
    assert world.get("Deployment", "lonely")["metadata"]["generation"] == before
    world.registry.push("1", "nowhere 1", repository="nowhere")
    world.apply("lonely", port=8080, sidecars=[{"name": "proxy", "image": "nowhere:1"}], replicas=2)
    world.await_ready("lonely")
    assert _started(world, "lonely") == [("proxy", "Always")]


def test_a_tag_of_a_sidecar_that_is_pushed_again_restarts_nothing(world: World) -> None:
    """Not even where the app is edited otherwise."""
    world.registry.push("1", "agent 1", repository="agent")
    world.run("steady", port=8080, sidecars=[AGENT])
    world.registry.push("1", "agent 1 again", repository="agent")
    world.apply("steady", port=8080, sidecars=[AGENT], replicas=2)
    world.await_ready("steady")
    assert _revisions(world, "steady") == 1
