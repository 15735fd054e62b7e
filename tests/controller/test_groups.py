"""Each group of the spec comes to a running app and goes again: what restarts, what is made, pruned, and kept."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tests.controller.world import World

pytestmark = pytest.mark.cluster

_CONFIG = [{"path": "/etc/shop.yaml", "content": "currency: EUR"}]
_CLAIM = [{"name": "data", "mountPath": "/data", "claim": {"size": "1Gi"}}]
_GROUPS: dict[str, tuple[dict[str, Any], str, bool]] = {
    "network": ({"network": {"allowFrom": [{"app": "web"}]}}, "NetworkPolicy", False),
    "expose": ({"expose": {"hosts": ["grows.example.com"], "via": "ingress"}}, "Ingress", False),
    "disruption": ({"disruption": {"maxUnavailable": 1}}, "", False),
    "labels": ({"labels": {"team": "shop"}}, "", False),
    "rollout": ({"rollout": {"maxSurge": 1}}, "", False),
    "overrides": (
        {"overrides": [{"kind": "Service", "patch": {"metadata": {"annotations": {"a": "b"}}}}]},
        "",
        False,
    ),
    "files": ({"files": _CONFIG}, "ConfigMap", True),
    "folder": ({"volumes": [{"name": "tmp", "mountPath": "/cache", "emptyDir": {}}]}, "", True),
    "claim": ({"volumes": _CLAIM}, "PersistentVolumeClaim", True),
    "sidecars": ({"sidecars": [{"name": "proxy", "image": "shop:1.0"}]}, "", True),
    "initContainers": ({"initContainers": [{"name": "migrate", "image": "shop:1.0"}]}, "", True),
    "placement": ({"placement": {"tolerations": [{"key": "team", "operator": "Exists"}]}}, "", True),
    "pod": ({"hostAliases": [{"ip": "127.0.0.1", "hostnames": ["db"]}]}, "", True),
    "env": ({"env": [{"name": "A", "value": "1"}]}, "", True),
}
"""By group: its fields, the kind of child that it makes, and whether its Pods are others."""
_KEPT = {"PersistentVolumeClaim", "ConfigMap"}
"""Data outlives its field; so do the texts of a revision that may run again."""


def _pods(world: World) -> set[str]:
    return {
        pod["metadata"]["uid"]
        for pod in world.api.list("Pod", world.namespace, "containerapp.dev/app=grows")
        if "deletionTimestamp" not in pod["metadata"]
    }


def _has(world: World, kind: str, count: int) -> bool:
    return len(world.api.list(kind, world.namespace, "containerapp.dev/app=grows")) == count


@pytest.mark.long
@pytest.mark.timeout(900)
def test_groups_come_and_go(world: World) -> None:
    """A group restarts Pods where it is a part of them, and nothing else does; a claim stays."""
    world.run("grows", port=8080)
    for group, (fields, kind, restarts) in _GROUPS.items():
        for spec, made in ((fields, 1), ({}, int(kind in _KEPT))):
            _change(world, spec, group, restarts=restarts)
            if kind:
                world.until(f"{group}: {kind}", partial(_has, world, kind, made), names=["grows"])


def _change(world: World, spec: dict[str, Any], group: str, *, restarts: bool) -> None:
    before = _pods(world)
    world.apply("grows", port=8080, **spec)
    world.await_condition("grows", "RolledOut", "True", "RolloutComplete")
    if restarts:
        world.until(f"{group} restarts", lambda: not before & _pods(world), names=["grows"])
    else:
        world.settle()
        assert _pods(world) == before, group
