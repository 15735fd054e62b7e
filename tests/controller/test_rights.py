"""The chart's rules, each of them needed and no other asked for: what the API server says when one is taken away."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from devcluster import Cluster
from tests.chart.rendering import Chart
from tests.chart.rights import Right, granted
from tests.controller.api import Api, Manifest
from tests.controller.audit import Audit
from tests.controller.installation import NAMESPACE, install
from tests.controller.node import Node
from tests.controller.operators import Operator, eventually
from tests.controller.registry import HOST
from tests.controller.world import World

pytestmark = pytest.mark.cluster

_NAME = "trial"
_KINDS = {
    "deployments": "Deployment",
    "horizontalpodautoscalers": "HorizontalPodAutoscaler",
    "poddisruptionbudgets": "PodDisruptionBudget",
    "services": "Service",
    "serviceaccounts": "ServiceAccount",
}
_VERSIONS = {
    "Deployment": "apps/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "PodDisruptionBudget": "policy/v1",
}
_RESIZED = ("list-replicasets", "patch-replicasets", "patch-pods-resize")
_STANDING = ("get-seed", *(f"delete-{plural}" for plural in _KINDS), *_RESIZED)
_ALL_CHILDREN: Manifest = {"port": 8080, "autoscaling": {"minReplicas": 2, "maxReplicas": 3}}
_MORE: dict[str, Manifest] = {
    "patch-containerapps": {"identity": {"roleArn": "arn:aws:iam::123456789012:role/shop"}}
}
"""What makes the operator write a finalizer."""
_FOR_ADMISSION = Right("containerapp.dev", "containerapps/finalizers", "update")
"""Asked for by an admission plug-in alone, OwnerReferencesPermissionEnforcement, which EKS does not run by default."""

_ABSENT = "monitoring.coreos.com"
"""Its kinds are not installed here, so that no right to them is used."""


@dataclass(kw_only=True)
class Trial:
    """An installation of the chart whose roles lose one right at a time."""

    world: World
    audit: Audit
    roles: dict[tuple[str, str | None], list[Manifest]]

    def rights(self) -> list[Right]:
        """Return everything that the chart grants and that can be used here."""
        rights = set().union(*(granted(rules) for rules in self.roles.values()))
        return sorted(right for right in rights if right.group != _ABSENT)

    def revoke(self, right: Right) -> None:
        """Take one right away, and wait until the API server knows."""
        for (name, namespace), rules in self.roles.items():
            self._write(name, namespace, [item for rule in rules for item in _without(rule, right)])
        self._await(right, allowed=False)

    def restore(self, right: Right) -> None:
        """Give all rights back."""
        for (name, namespace), rules in self.roles.items():
            self._write(name, namespace, rules)
        self._await(right, allowed=True)

    def await_refusal(self, right: Right, position: int) -> None:
        """Wait until the operator was refused exactly this."""
        resource, _, subresource = right.resource.partition("/")
        named = resource + (f"/{subresource}" if subresource else "")
        pattern = re.compile(rf'cannot {right.verb} resource "{named}" in API group "{right.group}"')

        def refused() -> bool:
            return any(pattern.search(request.message) for request in self.audit.refusals(position))

        self.world.until(f"it is refused to {right.verb} {named}", refused, timeout=40)

    def _write(self, name: str, namespace: str | None, rules: list[Manifest]) -> None:
        kind = "Role" if namespace else "ClusterRole"
        self.world.api.patch(kind, namespace, name, {"rules": rules})

    def _await(self, right: Right, *, allowed: bool) -> None:
        eventually(
            f"{right} is {'granted' if allowed else 'revoked'}",
            lambda: self._is_allowed(right) is allowed,
            timeout=20,
            interval=0.02,
        )

    def _is_allowed(self, right: Right) -> bool:
        resource, _, subresource = right.resource.partition("/")
        attributes = {
            "group": right.group,
            "resource": resource,
            "subresource": subresource,
            "verb": right.verb,
            "name": right.name,
            "namespace": NAMESPACE if resource == "leases" else self.world.namespace,
        }
        return self.world.api.is_allowed(self.audit.user, attributes)


@pytest.fixture
def trial(
    world: World, api: Api, cluster: Cluster, chart_on_cluster: Chart, own_operator: Operator, audit: Audit
) -> Iterator[Trial]:
    """The chart installed a second time, for an operator that takes the place of the session's."""
    manifests = chart_on_cluster.render(
        defaultRegistry=HOST, fullnameOverride=_NAME, identity={"clusterName": "prod"}
    )
    identity = install(cluster, api, manifests)
    roles = {
        (item["metadata"]["name"], item["metadata"].get("namespace")): item["rules"]
        for item in manifests
        if item["kind"] in {"ClusterRole", "Role"} and not _is_aggregated(item)
    }
    own_operator.identity = identity
    yield Trial(world=world, audit=Audit(log=audit.log, user=identity.user), roles=roles)
    own_operator.kill()
    for app in api.list("ContainerApp", world.namespace):
        api.patch(
            "ContainerApp", world.namespace, app["metadata"]["name"], {"metadata": {"finalizers": None}}
        )
    api.delete("ClusterRoleBinding", None, _NAME)
    api.delete("ClusterRole", None, _NAME)


def test_nothing_is_asked_for_that_the_chart_does_not_grant(world: World) -> None:
    """The audit log of everything that the tests before this one have made the operator do holds no refusal."""
    world.run("modest", port=8080)
    assert len(world.audit.since(0)) > 10
    assert [str(request) for request in world.audit.refusals()] == []


_TRIED = {
    "containerapps",
    "containerapps/status",
    "customresourcedefinitions",
    "deployments",
    "events",
    "horizontalpodautoscalers",
    "leases",
    "nodes",
    "poddisruptionbudgets",
    "pods",
    "pods/resize",
    "replicasets",
    "serviceaccounts",
    "services",
}
"""What the apps of these tests need; the rights of all other kinds are compared with the rules alone (tests/chart)."""
_ELSEWHERE = {("events", "list"), ("containerapps", "patch")}
"""For a child that another controller cannot serve, and for a finalizer."""


def _is_tried(right: Right) -> bool:
    return right.resource in _TRIED and (right.resource, right.verb) not in _ELSEWHERE


@pytest.mark.timeout(240)
def test_each_right_is_missed_by_a_running_operator(trial: Trial, own_operator: Operator) -> None:
    """Taken away one by one while it runs; each time something it must do is refused."""
    world = trial.world
    own_operator.start()
    for name in _STANDING:
        world.apply(name, **_ALL_CHILDREN)
    world.apply("waiting", podAnnotations={"devcluster/behaviour": "not-ready"})
    world.apply("alone")
    world.await_all_ready((*_STANDING, "alone"))
    running = [
        right
        for right in trial.rights()
        if not _is_needed_at_start(right) and right != _FOR_ADMISSION and _is_tried(right)
    ]
    running.sort(key=lambda right: right.resource == "pods")  # by then the rollout has taken long enough
    assert len(running) >= 24
    for right in running:
        trial.revoke(right)
        position = trial.audit.position()
        _deeds(world, right)()
        trial.await_refusal(right, position)
        trial.restore(right)
    _let_nodes_stay(world)


@pytest.mark.timeout(240)
def test_each_right_is_missed_by_an_operator_that_starts(trial: Trial, own_operator: Operator) -> None:
    """Lists, watches and the Lease, taken away one by one before it starts."""
    starting = [right for right in trial.rights() if _is_needed_at_start(right) and _is_tried(right)]
    assert len(starting) >= 17
    for right in starting:
        if right.verb == "create":
            trial.world.api.delete("Lease", NAMESPACE, _NAME)
        trial.revoke(right)
        position = trial.audit.position()
        own_operator.start(wait=False)
        trial.await_refusal(right, position)
        own_operator.kill()
        trial.restore(right)


def _is_needed_at_start(right: Right) -> bool:
    return right.resource == "leases" or (
        right.verb in {"list", "watch"} and right.resource not in {"pods", "replicasets"}
    )


def _deeds(world: World, right: Right) -> Callable[[], object]:
    """Return what makes the operator use a right."""
    kind = _KINDS.get(right.resource)
    match right.resource, right.verb:
        case "pods", verb:  # the rollout that does not end makes it list them
            return (lambda: _let_node_go(world, "alone")) if verb == "patch" else lambda: None
        case "containerapps", "get":
            return lambda: _leave_orphans(world, "get-seed")
        case _, "get" if kind:
            return lambda: _stand_in_the_way(world, kind)
        case "services", "delete":
            return lambda: world.apply("delete-services")
        case (("horizontalpodautoscalers" | "poddisruptionbudgets"), "delete"):
            return lambda: world.apply(f"delete-{right.resource}", port=8080)
        case "serviceaccounts", "delete":
            return lambda: world.apply("delete-serviceaccounts", port=8080, serviceAccountName="default")
        case "deployments", "delete":
            return lambda: _copy_deployment(world, "delete-deployments")
        case _:
            name = f"{right.verb}-{right.resource.replace('/', '-')}"
            deed = _resize if name in _RESIZED else _create
            return lambda: deed(world, name)


def _create(world: World, name: str) -> None:
    world.apply(name, **_ALL_CHILDREN, **_MORE.get(name, {}))


def _let_node_go(world: World, name: str) -> None:
    """Cordon the node of an app's only Pod: the Pod is to end when there is another one."""
    (pod,) = world.api.list("Pod", world.namespace, f"containerapp.dev/app={name}")
    world.kubectl("cordon", pod["spec"]["nodeName"])


def _let_nodes_stay(world: World) -> None:
    nodes = world.kubectl("get", "nodes", "--output=name").split()
    world.kubectl("uncordon", *(node.removeprefix("node/") for node in nodes))


def _resize(world: World, name: str) -> None:
    """Give an app's Pods other resources, which its ReplicaSet gets last: by then the nodes must have done it."""
    Node(world=world, name=name).works()
    world.apply(name, **_ALL_CHILDREN, resources={"requests": {"cpu": "300m"}})
    if name == "patch-replicasets":
        node = Node(world=world, name=name)
        node.until("all Pods are resized", node.is_done)


def _leave_orphans(world: World, name: str) -> None:
    """Make what an earlier app of the name would have left: before it is deleted, the operator asks for the app.

    Many, for Kubernetes' garbage collector deletes them, too, and may be the first.
    """
    owner = world.get("Service", name)["metadata"]["ownerReferences"][0] | {"uid": "of-an-earlier-app"}
    labels = world.get("Service", name)["metadata"]["labels"]
    for number in range(60):
        world.api.create(
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {
                    "name": f"{name}-orphan-{number}",
                    "namespace": world.namespace,
                    "labels": labels,
                    "ownerReferences": [owner],
                },
            }
        )


def _stand_in_the_way(world: World, kind: str) -> None:
    """Make an object that the operator does not watch, under the name of an app."""
    name = f"taken-{kind.lower()}"
    manifest: Manifest = {
        "apiVersion": _VERSIONS.get(kind, "v1"),
        "kind": kind,
        "metadata": {"name": name, "namespace": world.namespace},
    }
    labels = {"app": name}
    if kind == "Service":
        manifest["spec"] = {"ports": [{"port": 80}]}
    elif kind == "PodDisruptionBudget":
        manifest["spec"] = {"selector": {"matchLabels": labels}, "maxUnavailable": 1}
    elif kind == "HorizontalPodAutoscaler":
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "another"}
        manifest["spec"] = {"scaleTargetRef": target, "maxReplicas": 3}
    elif kind == "Deployment":
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
        manifest["spec"] = {"selector": {"matchLabels": labels}, "template": template, "replicas": 0}
    world.api.create(manifest)
    world.apply(name, **_ALL_CHILDREN)


def _copy_deployment(world: World, name: str) -> None:
    """Make a second Deployment that belongs to the app."""
    original = world.get("Deployment", name)
    kept = {key: original["metadata"][key] for key in ("labels", "ownerReferences", "namespace")}
    world.api.create(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": kept | {"name": f"{name}-copy"},
            "spec": original["spec"] | {"replicas": 0},
        }
    )


def _is_aggregated(role: Manifest) -> bool:
    return any(label.startswith("rbac.authorization.k8s.io/") for label in role["metadata"]["labels"])


def _without(rule: Manifest, right: Right) -> list[Manifest]:
    """Split a rule into rules of one resource each, of which one lacks the right's verb."""
    names = {"resourceNames": rule["resourceNames"]} if rule.get("resourceNames") else {}
    split = []
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            revoked = (group, resource, (rule.get("resourceNames") or [""])[0]) == (
                right.group,
                right.resource,
                right.name,
            )
            verbs = [verb for verb in rule["verbs"] if not (revoked and verb == right.verb)]
            if verbs:
                split.append({"apiGroups": [group], "resources": [resource], "verbs": verbs, **names})
    return split
