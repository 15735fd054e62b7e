"""Apps that are exposed, on a real API server: the tests play the controllers of load balancers and Gateways."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from containerapp.api.schema import API_VERSION
from devcluster import Cluster
from devcluster.definitions import gateway_api
from tests.controller.api import Manifest
from tests.controller.operators import Operator
from tests.controller.world import World
from tests.definitions import define

pytestmark = pytest.mark.cluster

_ROUTES = "httproutes.gateway.networking.k8s.io"
_ALB = {"CONTAINERAPP_EXPOSE_VIA": "alb"}
_GATEWAY = {"CONTAINERAPP_EXPOSE_VIA": "gateway", "CONTAINERAPP_EXPOSE_GATEWAY": "infra/shared"}
_APPS, _CLASHING = 200, 10


def _ingress(world: World, name: str, status: Manifest) -> None:
    """Let the controller of the Ingress write its status."""
    world.kubectl(
        "patch",
        "ingress",
        name,
        "--subresource=status",
        "--type=merge",
        f"--patch={json.dumps({'status': status})}",
    )


def _serve(world: World, name: str, address: str = "k8s-shop.elb.amazonaws.com") -> None:
    _ingress(world, name, {"loadBalancer": {"ingress": [{"hostname": address}]}})


def _complain(world: World, name: str, message: str) -> None:
    """Record a Warning event about the Ingress, as its controller would."""
    ingress = json.loads(world.kubectl("get", "ingress", name, "--output=json"))
    about = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "name": name,
        "namespace": world.namespace,
        "uid": ingress["metadata"]["uid"],
    }
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{name}-", "namespace": world.namespace},
        "involvedObject": about,
        "type": "Warning",
        "reason": "FailedBuildModel",
        "message": message,
    }
    world.kubectl("create", "--filename=-", stdin=json.dumps(event))


@pytest.mark.timeout(300)
def test_an_app_waits_for_its_address_and_says_why_there_is_none(
    world: World, own_operator: Operator
) -> None:
    """The controller's only word is an Event; once there is an address, nothing is written any more."""
    own_operator.environment |= _ALB
    own_operator.start()
    expose = {"hosts": ["shop.example.com"], "public": True}
    world.apply("shop", port=8080, expose=expose, readinessProbe={"httpGet": {"path": "/ready"}})
    world.await_condition("shop", "Exposed", "False", "WaitingForLoadBalancer")
    _complain(world, "shop", "ingress: shop/shop: no certificate found for host: shop.example.com")
    condition = world.await_condition("shop", "Exposed", "False", "CertificateNotFound", timeout=120)
    assert "covers shop.example.com: request one" in condition["message"]
    assert world.conditions("shop")["Stalled"]["reason"] == "CertificateNotFound"
    _serve(world, "shop")
    app = world.await_ready("shop")
    assert app["status"]["url"] == "https://shop.example.com"
    assert "k8s-shop.elb.amazonaws.com" in world.conditions("shop")["Exposed"]["message"]
    world.settle()
    before = world.get("ContainerApp", "shop")["metadata"]["resourceVersion"]
    ingress = json.loads(world.kubectl("get", "ingress", "shop", "--output=json"))["metadata"][
        "resourceVersion"
    ]
    world.kubectl("annotate", "capp", "shop", "example.com/note=1")
    world.settle()
    after = json.loads(world.kubectl("get", "ingress", "shop", "--output=json"))["metadata"][
        "resourceVersion"
    ]
    assert (after, before != world.get("ContainerApp", "shop")["metadata"]["resourceVersion"]) == (
        ingress,
        True,
    )


@pytest.fixture
def gateways(cluster: Cluster) -> Iterator[str]:
    """The definitions of the Gateway API, not installed yet; removed after the test."""
    (definition,) = gateway_api("httproutes")
    yield definition
    cluster.kubectl("delete", "crd", _ROUTES, "--ignore-not-found")


@pytest.mark.timeout(400)
def test_routes_are_absent_then_installed_then_removed(
    cluster: Cluster, world: World, own_operator: Operator, gateways: str
) -> None:
    """The condition follows, and other apps do not notice."""
    own_operator.environment |= _GATEWAY
    own_operator.start()
    world.apply("shop", port=8080, expose={"hosts": ["shop.example.com"]})
    world.run("beside", port=8080)
    condition = world.await_condition("shop", "Exposed", "False", "KindNotInstalled")
    assert "HTTPRoute (gateway.networking.k8s.io/v1)" in condition["message"]
    define(cluster, gateways)
    world.await_condition("shop", "Exposed", "False", "WaitingForGateway", timeout=120)
    accepted = {
        "type": "Accepted",
        "status": "True",
        "reason": "Accepted",
        "message": "",
        "observedGeneration": 1,
    }
    accepted["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    parent = {
        "parentRef": {"name": "shared", "namespace": "infra"},
        "controllerName": "example.com/gateway",
        "conditions": [accepted],
    }
    patch = json.dumps({"status": {"parents": [parent]}})
    world.kubectl("patch", "httproute", "shop", "--subresource=status", "--type=merge", f"--patch={patch}")
    assert world.await_ready("shop")["status"]["url"] == "https://shop.example.com"
    cluster.kubectl("delete", "crd", _ROUTES)
    world.await_condition("shop", "Exposed", "False", "KindNotInstalled", timeout=120)
    assert world.conditions("beside")["Ready"]["status"] == "True"


@pytest.mark.timeout(600)
def test_clashing_apps_of_many_are_refused_and_the_others_unaffected(
    world: World, own_operator: Operator
) -> None:
    """The older of two has the host; when it leaves, the younger takes over: also an operator that begins with both."""
    own_operator.environment |= _ALB
    own_operator.start()
    apps = [_exposed(world, f"app-{number:03}", number) for number in range(_APPS - _CLASHING)]
    _apply(world, apps)
    world.until("all have an Ingress", lambda: len(_ingresses(world)) == len(apps), timeout=180)
    _apply(world, [_exposed(world, f"bad-{number}", number) for number in range(_CLASHING)])
    for number in range(_CLASHING):
        condition = world.await_condition(f"bad-{number}", "Exposed", "False", "HostTaken")
        assert f"{world.namespace}/app-{number:03}" in condition["message"]
    assert _ingresses(world) == {app["metadata"]["name"] for app in apps}
    own_operator.kill()
    own_operator.start()
    world.settle()
    assert _ingresses(world) == {app["metadata"]["name"] for app in apps}
    assert world.conditions("app-000")["Exposed"]["reason"] == "WaitingForLoadBalancer"
    world.delete("ContainerApp", "app-000")
    world.patch("ContainerApp", "app-001", {"spec": {"expose": {"hosts": ["moved.example.com"]}}})
    for name in ("bad-0", "bad-1"):
        world.await_condition(name, "Exposed", "False", "WaitingForLoadBalancer")
    world.until("they have taken over", lambda: {"bad-0", "bad-1"} <= _ingresses(world))
    assert "bad-2" not in _ingresses(world)


def _exposed(world: World, name: str, number: int) -> Manifest:
    """Return an app without Pods on a load balancer that it shares with others."""
    expose = {"group": f"group-{number % 4}", "hosts": [f"host-{number}.example.com"]}
    app = world.app(name, port=8080, replicas=0, imagePullPolicy="Never", expose=expose)
    assert app["apiVersion"] == API_VERSION
    return app


def _apply(world: World, apps: list[Manifest]) -> None:
    for app in apps:
        world.api.apply(app)


def _ingresses(world: World) -> set[str]:
    return set(
        world.kubectl("get", "ingress", "--output=name").replace("ingress.networking.k8s.io/", "").split()
    )
