"""Why the scheduler finds no node for a Pod. Pure.

Called with the message of the condition PodScheduled. Such a message counts the nodes by reason; the reason that most
nodes have is the cause, since a control plane's taint, for one, is always among them.
"""

from __future__ import annotations

import re

from containerapp.controllers.workloads.diagnosis.kinds import (
    CERTAIN,
    WAITING,
    Kind,
    Problem,
    classified,
    found,
)
from containerapp.core.model import Manifest

_NODES = r"(?<!\d)(?P<nodes>\d{1,9}+) "
_COMES = "With Karpenter, EKS Auto Mode or Fargate a node comes within minutes"

WHOLE = (
    Kind(
        says="PersistentVolumeClaim {name} does not exist",
        remedy="Create it in the app's namespace.",
        certainty=CERTAIN,
        pattern=r"persistentvolumeclaim \"(?P<name>[^\"]*)\" not found",
    ),
    Kind(
        says="its PersistentVolumeClaims have no volume yet",
        remedy="See kubectl describe pvc: the StorageClass or its CSI driver may be missing.",
        certainty=WAITING,
        pattern=r"unbound immediate PersistentVolumeClaims|waiting for (?:a volume|first consumer)",
    ),
    Kind(
        says="Fargate does not take the Pod",
        remedy="Check the Fargate profile: its namespace, labels, subnets and Pod execution role. {quote}.",
        certainty=WAITING,
        pattern=r"(?i)fargate",
    ),
    Kind(
        says="the cluster has no nodes",
        remedy=f"{_COMES}; otherwise add nodes.",
        certainty=WAITING,
        pattern=r"no nodes available to schedule|^0/0 nodes",
    ),
)
COUNTED = (
    Kind(
        says="{nodes} of {all} nodes have too little free cpu: it requests {cpu}",
        remedy=f"{_COMES}; otherwise add nodes, or lower spec.resources.requests.cpu.",
        certainty=WAITING,
        pattern=_NODES + r"Insufficient cpu",
    ),
    Kind(
        says="{nodes} of {all} nodes have too little free memory: it requests {memory}",
        remedy=f"{_COMES}; otherwise add nodes, or lower spec.resources.requests.memory.",
        certainty=WAITING,
        pattern=_NODES + r"Insufficient memory",
    ),
    Kind(
        says="{nodes} of {all} nodes have too few free {resource}",
        remedy=f"{_COMES}; otherwise add nodes that have it, or lower spec.resources.",
        certainty=WAITING,
        pattern=_NODES + r"Insufficient (?!cpu\b|memory\b)(?P<resource>[\w./-]+)",
    ),
    Kind(
        says="{nodes} of {all} nodes run as many Pods as they may",
        remedy=f"{_COMES}; otherwise add nodes, or raise their number of Pods (prefix delegation of the VPC CNI).",
        certainty=WAITING,
        pattern=_NODES + r"Too many pods",
    ),
    Kind(
        says="{nodes} of {all} nodes have a taint that it does not tolerate: {taint}",
        remedy=f"{_COMES}; otherwise remove the taint, or add nodes without one.",
        certainty=WAITING,
        pattern=_NODES + r"node\(s\) had (?:untolerated )?taint(?:\(s\))? \{(?P<taint>[^}]*)\}",
    ),
    Kind(
        says="{nodes} of {all} nodes are not those that its node selector or affinity names",
        remedy=f"{_COMES}; otherwise label nodes, or correct what selects them.",
        certainty=WAITING,
        pattern=_NODES + r"node\(s\) didn't match Pod's node (?:affinity|selector)",
    ),
    Kind(
        says="{nodes} of {all} nodes do not fit beside other Pods (affinity or topology spread)",
        remedy=f"{_COMES}; otherwise add nodes, or relax the rule.",
        certainty=WAITING,
        pattern=_NODES + r"node\(s\) didn't (?:match pod|satisfy existing pods)",
    ),
    Kind(
        says="{nodes} of {all} nodes are in another zone than its volume",
        remedy="Add a node in the zone of the volume: an EBS volume does not leave its zone.",
        certainty=WAITING,
        pattern=_NODES + r"node\(s\) had (?:volume node affinity conflict|no available volume zone)",
    ),
    Kind(
        says="{nodes} of {all} nodes have no room for another volume",
        remedy=f"{_COMES}; otherwise add nodes.",
        certainty=WAITING,
        pattern=_NODES + r"node\(s\) exceed max volume count",
    ),
    Kind(
        says="{nodes} of {all} nodes are cordoned",
        remedy="Uncordon them: kubectl uncordon NODE. Or wait until their upgrade has ended.",
        certainty=WAITING,
        pattern=_NODES + r"node\(s\) were unschedulable",
    ),
)
OTHER = Kind(says="cannot be scheduled: {quote}", remedy="See kubectl describe pod {pod}.", certainty=WAITING)
KINDS = (*WHOLE, *COUNTED, OTHER)


def unscheduled(message: str, pod: Manifest, values: dict[str, str]) -> Problem:
    """Return what most of the nodes lack for the Pod."""
    said = message.partition("preemption:")[0]
    total = re.search(r"0/(\d{1,9}) nodes", said)
    known = {
        **values,
        "all": total[1] if total else "the",
        **{resource: _requested(pod, resource) for resource in ("cpu", "memory")},
    }
    whole = found(WHOLE, said, known)
    if whole is not None:
        return whole
    counted = [problem for kind in COUNTED if (problem := found((kind,), said, known)) is not None]
    other = classified((OTHER,), said, known)
    return max(counted, key=lambda problem: int(problem.values["nodes"]), default=other)


def _requested(pod: Manifest, resource: str) -> str:
    """Return what the Pod's containers request, each on its own: the scheduler adds them up."""
    containers = pod.get("spec", {}).get("containers", [])
    amounts = (item.get("resources", {}).get("requests", {}).get(resource) for item in containers)
    return " + ".join(str(amount) for amount in amounts if amount is not None) or "none"
