"""Names and labels: nothing of one app is taken for another's, nor for another controller's."""

from __future__ import annotations

import pytest

from tests.controller.api import Manifest
from tests.controller.world import World

pytestmark = pytest.mark.cluster


def _addresses(world: World, service: str) -> set[str]:
    """Return the Pods behind a Service."""
    slices = world.api.list("EndpointSlice", world.namespace, f"kubernetes.io/service-name={service}")
    return {
        endpoint["targetRef"]["name"]
        for item in slices
        for endpoint in item.get("endpoints") or ()
        if endpoint
    }


def _await_pods(world: World, service: str, count: int) -> None:
    world.until(f"{count} Pods are behind {service}", lambda: len(_addresses(world, service)) == count)


def _foreign_deployment(world: World, name: str) -> Manifest:
    """Return another controller's Deployment, whose Pods have the recommended labels of an app."""
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "Helm"}
    container = {
        "name": "app",
        "image": "other:1",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"{name}-of-helm", "namespace": world.namespace, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [container], "securityContext": security},
            },
        },
    }


def test_a_name_that_begins_like_another_and_labels_like_a_chart_s_do_not_mix(world: World) -> None:
    """Services, Deployments, budgets and statuses keep to their own Pods."""
    foreign = world.api.create(_foreign_deployment(world, "shop"))
    for name, replicas in (("shop", 2), ("shop-api", 3), ("sho", 1)):
        world.apply(name, port=8080, replicas=replicas)
    for name, replicas in (("shop", 2), ("shop-api", 3), ("sho", 1)):
        assert world.await_ready(name)["status"]["readyReplicas"] == replicas
        _await_pods(world, name, replicas)
        assert all(pod.rsplit("-", 2)[0] == name for pod in _addresses(world, name))
    world.delete("ContainerApp", "shop")
    world.until("its Deployment is gone", lambda: world.find("Deployment", "shop") is None)
    assert world.get("Deployment", "shop-of-helm")["metadata"]["uid"] == foreign["metadata"]["uid"]
    assert world.await_ready("shop-api")["status"]["readyReplicas"] == 3
