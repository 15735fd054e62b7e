"""Where Pods run, and overrides, on a real API server and scheduler: accepted, stored as written, and at rest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devcluster import Cluster
from tests.controller.api import Manifest
from tests.controller.operators import Operator
from tests.controller.world import World

pytestmark = pytest.mark.cluster

_LABELS = {"eks.amazonaws.com/capacityType": "SPOT", "kubernetes.io/arch": "arm64", "pool": "shop"}
_AFFINITY = {
    "nodeAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 5, "preference": {"matchExpressions": [{"key": "pool", "operator": "Exists", "values": []}]}}
        ]
    },
    "podAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {
                "weight": 1,
                "podAffinityTerm": {
                    "topologyKey": "topology.kubernetes.io/zone",
                    "namespaceSelector": {},
                    "labelSelector": {"matchLabels": {"app": "cache"}, "matchExpressions": []},
                },
            }
        ]
    },
    "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []},
}  # fmt: skip
_PLACEMENT = {
    "capacity": "Spot",
    "architectures": ["arm64"],
    "nodeSelector": {"pool": "shop"},
    "tolerations": [{"key": "team", "value": "", "effect": "NoSchedule"}, {"operator": "Exists"}],
    "affinity": _AFFINITY,
    "topologySpread": [
        {"topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule", "minDomains": 1},
        {"topologyKey": "topology.kubernetes.io/zone", "nodeTaintsPolicy": "Honor"},
    ],
    "priorityClassName": "system-cluster-critical",
    "doNotDisrupt": "true",
    "schedulerName": "default-scheduler",
}
_TEMPLATE = {
    "metadata": {"annotations": {"example.com/tier": "web"}},
    "spec": {
        "hostAliases": [{"ip": "10.0.0.9", "hostnames": ["legacy.example.com"]}],
        "containers": [{"name": "app", "volumeMounts": [{"name": "cache", "mountPath": "/cache"}]}],
        "volumes": [{"name": "cache", "emptyDir": {"medium": "Memory"}}],
    },
}
_OVERRIDES = [
    {"kind": "Deployment", "patch": {"spec": {"minReadySeconds": 0, "template": _TEMPLATE}}},
    {"kind": "Service", "patch": {"spec": {"sessionAffinity": "ClientIP"}}},
    {"kind": "PodDisruptionBudget", "patch": {"spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}}},
    {"kind": "ServiceAccount", "patch": {"imagePullSecrets": [{"name": "registry"}]}},
]


@pytest.fixture
def spot_node(cluster: Cluster) -> Iterator[str]:
    """A node of a managed node group: Spot capacity on Graviton."""
    node = cluster.kubectl("get", "nodes", "--output=name").split()[0]
    before = cluster.kubectl("get", node, "--output=jsonpath={.metadata.labels.kubernetes\\.io/arch}")
    cluster.kubectl("label", "--overwrite", node, *(f"{key}={value}" for key, value in _LABELS.items()))
    yield node.removeprefix("node/")
    removed = [f"{key}-" for key in _LABELS if key != "kubernetes.io/arch"]
    cluster.kubectl("label", "--overwrite", node, *removed, f"kubernetes.io/arch={before or 'amd64'}")


def _pods(world: World, name: str) -> list[Manifest]:
    pods = world.api.list("Pod", world.namespace)
    labels = (pod["metadata"]["labels"] for pod in pods)
    return [
        pod
        for pod, label in zip(pods, labels, strict=True)
        if label.get("containerapp.dev/app") == name and "deletionTimestamp" not in pod["metadata"]
    ]


def _rests(world: World, name: str) -> None:
    """Check that a fresh look at the app writes nothing."""
    world.settle()
    position = world.audit.position()
    world.kubectl("label", f"capp/{name}", "looked=again")
    world.settle()
    assert [str(r) for r in world.audit.since(position, namespace=world.namespace)] == []


def test_an_app_runs_where_its_placement_says_until_it_is_removed(world: World, spot_node: str) -> None:
    """Found by the label of a managed node group, though the term of Karpenter's label comes first."""
    world.run("placed", port=8080)
    before = {pod["metadata"]["uid"] for pod in _pods(world, "placed")}
    world.run("placed", port=8080, placement=_PLACEMENT)
    world.until("the old Pods are gone", lambda: len(_pods(world, "placed")) == 1)
    (pod,) = _pods(world, "placed")
    assert pod["metadata"]["uid"] not in before
    assert pod["spec"]["nodeName"] == spot_node
    assert pod["metadata"]["annotations"]["karpenter.sh/do-not-disrupt"] == "true"
    _rests(world, "placed")
    world.run("placed", port=8080)
    template = world.get("Deployment", "placed")["spec"]["template"]
    assert "karpenter.sh/do-not-disrupt" not in template["metadata"].get("annotations", {})
    assert not {"affinity", "nodeSelector", "tolerations", "priorityClassName"} & set(template["spec"])
    assert len(template["spec"]["topologySpreadConstraints"]) == 2


def test_what_nodes_cannot_give_is_said(world: World) -> None:
    """No node of the cluster is of Spot capacity."""
    world.apply("nowhere", port=8080, placement={"capacity": "Spot"})
    world.until(
        "a Pod is Pending",
        lambda: "affinity" in world.conditions("nowhere").get("Ready", {}).get("message", ""),
        names=["nowhere"],
    )


def test_an_image_that_is_not_built_for_the_nodes_is_refused(world: World) -> None:
    """By the index of the image, before a Pod starts; what runs runs on, and a push for both is found by itself."""
    world.registry.push("intel", "shop intel", architectures=["amd64"])
    world.run("built", port=8080, image="shop:intel", placement={"architectures": ["amd64"]})
    before = world.get("Deployment", "built")["metadata"]["generation"]
    world.apply("built", port=8080, image="shop:intel", placement={"architectures": ["amd64", "arm64"]})
    said = world.await_condition("built", "ImageResolved", "False", "ArchitectureMissing")
    assert "is built for amd64, and not for arm64" in said["message"]
    assert world.get("Deployment", "built")["metadata"]["generation"] == before
    world.registry.push("both", "shop both", architectures=["amd64", "arm64"])
    world.run("built", port=8080, image="shop:both", placement={"architectures": ["amd64", "arm64"]})


def test_a_bad_affinity_is_refused_in_the_api_servers_words(world: World) -> None:
    """The definition does not know its fields; nothing is created of a Deployment that cannot be."""
    bad: Manifest = {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerm": [{}]}}
    }
    world.apply("misspelt", port=8080, placement={"affinity": bad})
    stalled = world.await_condition("misspelt", "Stalled", "True", "Rejected")
    assert "nodeSelectorTerm" in stalled["message"]
    world.run("misspelt", port=8080)


def test_fargate_says_what_it_bills(world: World) -> None:
    """And a Pod that is too big for it is refused before anything is written."""
    size = {"requests": {"cpu": "1", "memory": "8Gi"}}
    world.run("serverless", port=8080, placement={"fargate": True, "fargateProfile": "web"}, resources=size)
    assert "2 vCPU and 9 GB" in world.conditions("serverless")["Placed"]["message"]
    template = world.get("Deployment", "serverless")["spec"]["template"]
    assert template["metadata"]["labels"]["eks.amazonaws.com/fargate-profile"] == "web"
    assert "topologySpreadConstraints" not in template["spec"]
    _rests(world, "serverless")
    world.apply("giant", placement={"fargate": True}, resources={"requests": {"cpu": "17"}})
    stalled = world.await_condition("giant", "Stalled", "True", "NotOnFargate")
    assert "at most 16 vCPU" in stalled["message"]
    assert world.find("Deployment", "giant") is None


def test_overrides_change_each_child_and_are_listed(world: World) -> None:
    """Pods restart once, for the template; what is removed again goes back to what it was."""
    world.run("patched", port=8080, replicas=2)
    world.run("patched", port=8080, replicas=2, overrides=_OVERRIDES)
    pod = world.get("Deployment", "patched")["spec"]["template"]["spec"]
    assert pod["hostAliases"] == [{"ip": "10.0.0.9", "hostnames": ["legacy.example.com"]}]
    assert pod["containers"][0]["volumeMounts"] == [{"name": "cache", "mountPath": "/cache"}]
    assert world.get("Service", "patched")["spec"]["sessionAffinity"] == "ClientIP"
    said = world.conditions("patched")["Overridden"]
    assert said["status"] == "True"
    assert "Service: spec.sessionAffinity" in said["message"]
    _rests(world, "patched")
    world.run("patched", port=8080, replicas=2)
    world.settle()
    assert "hostAliases" not in world.get("Deployment", "patched")["spec"]["template"]["spec"]
    assert world.get("Service", "patched")["spec"]["sessionAffinity"] == "None"
    assert "Overridden" not in world.conditions("patched")


def test_an_override_that_the_api_server_refuses_changes_nothing(world: World) -> None:
    """Not even the children whose patches are good: all of it is written, or nothing."""
    world.run("rehearsed", port=8080)
    before = world.get("Deployment", "rehearsed")["metadata"]["generation"]
    good = {"kind": "Deployment", "patch": {"spec": {"minReadySeconds": 7}}}
    for patch, words in (
        ({"spec": {"sessionAffinity": "Sometimes"}}, "sessionAffinity"),
        ({"spec": {"sessionAfinity": "None"}}, "sessionAfinity"),
    ):
        world.apply("rehearsed", port=8080, overrides=[good, {"kind": "Service", "patch": patch}])
        stalled = world.await_condition("rehearsed", "Stalled", "True", "OverrideRefused")
        assert "spec.overrides of kind Service" in stalled["message"]
        assert words in stalled["message"]
    assert world.get("Deployment", "rehearsed")["metadata"]["generation"] == before
    world.run("rehearsed", port=8080, overrides=[good])
    assert world.get("Deployment", "rehearsed")["spec"]["minReadySeconds"] == 7


def test_what_an_override_may_not_change_is_refused(world: World) -> None:
    """Before anything is written; what ran runs on."""
    world.run("guarded", port=8080)
    for override, reason, words in (
        (
            {"kind": "Service", "patch": {"spec": {"selector": {"app": "other"}}}},
            "InvalidOverride",
            "spec.selector",
        ),
        ({"kind": "Secret", "patch": {"data": {}}}, "InvalidOverride", "Deployment, "),
    ):
        world.apply("guarded", port=8080, overrides=[override])
        stalled = world.await_condition("guarded", "Stalled", "True", reason)
        assert words in stalled["message"]
    assert world.get("Service", "guarded")["spec"]["selector"] == {"containerapp.dev/app": "guarded"}


def test_an_override_is_no_way_around_the_platform(world: World, own_operator: Operator) -> None:
    """The rendered result counts, whatever has put it there."""
    own_operator.environment["CONTAINERAPP_FORBIDDEN_SECURITY"] = "privileged,allowPrivilegeEscalation"
    own_operator.environment["CONTAINERAPP_FORBIDDEN_OVERRIDES"] = "ServiceAccount"
    own_operator.start()
    privileged = {"securityContext": {"privileged": True, "allowPrivilegeEscalation": True}}
    pod = {"spec": {"template": {"spec": {"containers": [{"name": "app", **privileged}]}}}}
    world.apply("escape", port=8080, overrides=[{"kind": "Deployment", "patch": pod}])
    stalled = world.await_condition("escape", "Stalled", "True", "ForbiddenByPlatform")
    assert "privileged true in the container app" in stalled["message"]
    world.apply("escape", port=8080, overrides=[{"kind": "ServiceAccount", "patch": {"metadata": {}}}])
    stalled = world.await_condition("escape", "Stalled", "True", "ForbiddenByPlatform")
    assert "spec.overrides of kind ServiceAccount" in stalled["message"]
    assert world.find("Deployment", "escape") is None
