"""Where Pods run, as Kubernetes' scheduling fields. Pure.

Called by the Pod template. What is asked for as capacity and architecture becomes
required node affinity, beside the user's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from containerapp.api.containerapp import ContainerApp
from containerapp.api.placement import Placement
from containerapp.controllers.pods.fargate import guaranteed
from containerapp.controllers.pods.metadata import track_selector
from containerapp.controllers.pods.workload import OWNER_LABELS, Workload
from containerapp.core.model import Manifest
from containerapp.core.unchecked import as_map, as_maps

FARGATE_PROFILE = "eks.amazonaws.com/fargate-profile"
_DO_NOT_DISRUPT = "karpenter.sh/do-not-disrupt"
_ARCHITECTURE = "kubernetes.io/arch"
_CAPACITY = {
    "Spot": {"karpenter.sh/capacity-type": ["spot"], "eks.amazonaws.com/capacityType": ["SPOT"]},
    "OnDemand": {
        "karpenter.sh/capacity-type": ["on-demand", "reserved"],
        "eks.amazonaws.com/capacityType": ["ON_DEMAND"],
    },
}
"""Label and values of the nodes, by who makes them: Karpenter and EKS Auto Mode, or managed node groups."""

_MUST = "requiredDuringSchedulingIgnoredDuringExecution"
_NOWHERE = Placement()


def place(app: Workload, template: Manifest) -> Manifest:
    """Return the Pod template with the labels, annotations and requests that Fargate and Karpenter look at."""
    placement = app.spec.placement or _NOWHERE
    labels = {FARGATE_PROFILE: placement.fargate_profile} if placement.fargate_profile else {}
    hold = {_DO_NOT_DISRUPT: placement.do_not_disrupt} if placement.do_not_disrupt else {}
    metadata = template["metadata"]
    annotations = {**metadata.get("annotations", {}), **hold}
    return {
        "metadata": {
            "labels": {**metadata["labels"], **labels},
            **({"annotations": annotations} if annotations else {}),
        },
        "spec": guaranteed(template["spec"]) if placement.fargate else template["spec"],
    }


def scheduling(app: Workload) -> Manifest:
    """Return the fields of the Pod's spec that say where it runs."""
    placement = app.spec.placement or _NOWHERE
    optional = {
        "nodeSelector": placement.node_selector,
        "tolerations": _tolerations(app, placement),
        "affinity": _affinity(placement),
        "topologySpreadConstraints": _spread(app, placement),
        "priorityClassName": placement.priority_class_name,
        "runtimeClassName": placement.runtime_class_name,
        "schedulerName": placement.scheduler_name,
    }
    return {name: value for name, value in optional.items() if value}


def _tolerations(app: Workload, placement: Placement) -> list[Manifest]:
    """The user's, and one for each device: nodes with GPUs mostly have a taint of the device's name."""
    given = [toleration.dump() for toleration in placement.tolerations]
    keys = {toleration.get("key") for toleration in given}
    containers = (app.spec, *app.spec.sidecars, *app.spec.init_containers)
    devices = sorted({name for each in containers for name in each.resources.limits if "/" in name})
    return given + [{"key": name, "operator": "Exists"} for name in devices if name not in keys]


def _affinity(placement: Placement) -> Manifest:
    given: Manifest = _without_empties(placement.affinity.dump())
    required = _required(placement)
    if required != [{}]:
        node = given.get("nodeAffinity", {})
        terms = as_maps(as_map(node.get(_MUST)).get("nodeSelectorTerms")) or [{}]
        combined = [_both(term, added) for term, added in product(terms, required)]
        given["nodeAffinity"] = {**node, _MUST: {"nodeSelectorTerms": combined}}
    return given


def _required(placement: Placement) -> list[Manifest]:
    """Terms of which a node must meet one: those of capacity, each with the architectures."""
    built_for: list[str] = list(placement.architectures)
    architectures = {_ARCHITECTURE: built_for} if built_for else {}
    capacity = _CAPACITY.get(placement.capacity or "", {})
    kinds = [{label: values} for label, values in capacity.items()] or [{}]
    return [_term({**kind, **architectures}) for kind in kinds]


def _term(labels: Mapping[str, list[str]]) -> Manifest:
    expressions = [{"key": key, "operator": "In", "values": values} for key, values in labels.items()]
    return {"matchExpressions": expressions} if expressions else {}


def _both(term: Manifest, added: Manifest) -> Manifest:
    given = term.get("matchExpressions")
    expressions = given if isinstance(given, list) else []
    return {**term, "matchExpressions": [*expressions, *added["matchExpressions"]]}


def _without_empties(value: Any) -> Any:
    """Kubernetes leaves out what is empty here, but for a selector, which then selects everything."""
    if isinstance(value, list):
        return [_without_empties(item) for item in value if item is not None]
    if not isinstance(value, dict):
        return value
    parts = {key: _without_empties(item) for key, item in value.items()}
    return {
        key: part
        for key, part in parts.items()
        if part not in (None, "", [], {}) or (part == {} and key in _SELECTORS)
    }


_SELECTORS = {"labelSelector", "namespaceSelector"}


def _spread(app: Workload, placement: Placement) -> list[Manifest]:
    """Spread replicas over zones and hosts, without ever keeping a Pod from being scheduled, unless the user says how.

    Always there, also for one replica: were it to come with the second, scaling up would restart the first. Not on
    Fargate, which does not support it, and not by itself for the Pods of a job, which end.
    https://docs.aws.amazon.com/eks/latest/userguide/fargate-profile.html
    """
    if placement.fargate:
        return []
    if isinstance(app, ContainerApp):
        selector, keys = track_selector(app), ["pod-template-hash"]
    else:
        selector, keys = {OWNER_LABELS[app.kind]: app.metadata.name}, ["batch.kubernetes.io/job-name"]
    counted = {"labelSelector": {"matchLabels": selector}, "matchLabelKeys": keys}
    if placement.topology_spread is None:
        defaults = [
            {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway"}
            for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
        ]
        wanted = defaults if isinstance(app, ContainerApp) else []
    else:
        wanted = [item.model_dump(by_alias=True, exclude_none=True) for item in placement.topology_spread]
    return [item | counted for item in wanted]
