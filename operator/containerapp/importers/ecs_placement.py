"""Where a task runs, by launch type, capacity providers, constraints and platform, to `placement`."""

from __future__ import annotations

import re

from containerapp.importers.manifest import Draft
from containerapp.importers.source import Source

_ATTRIBUTES = {
    "ecs.instance-type": "node.kubernetes.io/instance-type",
    "ecs.availability-zone": "topology.kubernetes.io/zone",
    "ecs.os-type": "kubernetes.io/os",
    "ecs.subnet-id": None,
}
_EQUALS = re.compile(r"attribute:(?P<name>[a-z.-]+) *== *(?P<value>[A-Za-z0-9.-]+)")
_ARCHITECTURES = {"X86_64": "amd64", "ARM64": "arm64"}


def put(task: Source, service: Source, draft: Draft) -> bool:
    """Put the placement; return whether the Pods run on Fargate."""
    placement: dict[str, object] = {}
    comments = [_capacity(service, placement), _architecture(task, placement)]
    for constraint in (*task.at("placementConstraints").items(), *service.at("placementConstraints").items()):
        _constraint(constraint, placement)
    for strategy in service.at("placementStrategy").items():
        _strategy(strategy)
    task.at("requiresCompatibilities").take()
    draft.put("placement", placement, "; ".join(filter(None, comments)))
    return placement.get("fargate") is True


def _capacity(service: Source, placement: dict[str, object]) -> str:
    """Take the launch type and the capacity providers; return a remark."""
    launch = service.at("launchType")
    providers = {
        each.at("capacityProvider").text(): each for each in service.at("capacityProviderStrategy").items()
    }
    for name, provider in providers.items():
        if name not in {"FARGATE", "FARGATE_SPOT"}:
            provider.at("capacityProvider").lose("name the nodes by labels, in placement.nodeSelector")
        for key in ("weight", "base"):
            value = provider.at(key)
            value.take() if len(providers) == 1 else value.lose(
                "all Pods of an app have one kind of capacity"
            )
    if launch.text() == "EXTERNAL":
        launch.lose("EKS Hybrid Nodes run Pods on servers of your own; name them by placement.nodeSelector")
    if launch.text() == "FARGATE" or "FARGATE" in providers:
        placement["fargate"] = True
        return (
            "a Fargate profile of the cluster must select the namespace; without this field Pods run on nodes"
        )
    if "FARGATE_SPOT" in providers:
        placement["capacity"] = "Spot"
        return "Fargate on EKS has no Spot: EC2 nodes have"
    return ""


def _architecture(task: Source, placement: dict[str, object]) -> str:
    platform = task.at("runtimePlatform")
    system, architecture = platform.at("operatingSystemFamily"), platform.at("cpuArchitecture").text().upper()
    if not system.text("LINUX").upper().startswith("LINUX"):
        system.lose("an app runs on Linux: run Windows containers by a Deployment of your own")
    if architecture not in _ARCHITECTURES:
        return ""
    placement["architectures"] = [_ARCHITECTURES[architecture]]
    if architecture == "ARM64" and placement.pop("fargate", False):
        return "Fargate on EKS has no arm64: Pods run on nodes"
    return ""


def _constraint(constraint: Source, placement: dict[str, object]) -> None:
    expression = constraint.at("expression")
    if constraint.at("type").text() == "distinctInstance":
        placement["topologySpread"] = [
            {"topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
        ]
        expression.lose("a task on each instance needs no expression")
        return
    found = _EQUALS.fullmatch(expression.text().strip())
    label = _ATTRIBUTES.get(found["name"]) if found else None
    if found and label:
        selector = placement.setdefault("nodeSelector", {})
        assert isinstance(selector, dict)  # noqa: S101 - made here
        selector[label] = found["value"]
    else:
        expression.lose("name the nodes by labels, in placement.nodeSelector or placement.affinity")


def _strategy(strategy: Source) -> None:
    kind, where = strategy.at("type"), strategy.at("field")
    if kind.text() == "spread" and where.text() in {
        "attribute:ecs.availability-zone",
        "instanceId",
        "host",
        "",
    }:
        return
    kind.lose(
        "Pods are spread over zones and nodes: placement.topologySpread says otherwise; nodes are filled and"
        " emptied by Karpenter or EKS Auto Mode"
    )
    where.take()
