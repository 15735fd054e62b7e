"""What a Pod waits for that has a node and has not failed: its set-up, its probes, its readiness gates. Pure.

Called with Pods whose containers say nothing themselves. Only Events name the cause of a set-up or a probe that fails;
without them the remedy says where to look.
"""

from __future__ import annotations

from collections.abc import Iterable

from containerapp.controllers.workloads.diagnosis.kinds import (
    LIKELY,
    WAITING,
    Kind,
    Problem,
    classified,
    quoted,
)
from containerapp.core.model import Manifest

_DESCRIBE = "See kubectl describe pod {pod}."
_SETUP = Kind(says="its network or its volumes are not ready yet", remedy=_DESCRIBE, certainty=WAITING)
SETUP_KINDS = (
    Kind(
        says="its node has no free address for it",
        remedy="Use larger subnets, or prefix delegation of the VPC CNI. The node says: {quote}.",
        certainty=WAITING,
        pattern=r"failed to assign an IP address|no available IP addresses",
    ),
    Kind(
        says="its network cannot be set up",
        remedy="Check the CNI's Pods on the node (aws-node in kube-system). The node says: {quote}.",
        certainty=WAITING,
        pattern=r"^FailedCreatePodSandBox",
    ),
    Kind(
        says="its volume is still attached to another node",
        remedy="Wait until the old Pod has ended. The cluster says: {quote}.",
        certainty=WAITING,
        pattern=r"Multi-Attach error",
    ),
    Kind(
        says="a volume cannot be mounted",
        remedy="Check what the volume names. The node says: {quote}.",
        certainty=LIKELY,
        pattern=r"^Failed(?:Mount|AttachVolume)",
    ),
    _SETUP,
)
"""All but the last need Events."""
_STARTUP = Kind(
    says="has not passed its startup probe yet ({probe})",
    remedy="A slow start needs a higher spec.startupProbe.failureThreshold. " + _DESCRIBE,
    certainty=WAITING,
)
_READINESS = Kind(
    says="runs but does not pass its readiness probe ({probe})",
    remedy="Check spec.readinessProbe and spec.port. " + _DESCRIBE,
    certainty=WAITING,
)
_INIT = Kind(
    says="has not ended yet, and the app starts after it",
    remedy="See kubectl logs {pod} -c {container}.",
    certainty=WAITING,
)
_GATE = Kind(
    says="its readiness gate is not met: {quote}",
    remedy="With target-health.elbv2.k8s.aws the load balancer's health check fails: check its path and port, and the "
    "security groups.",
    certainty=WAITING,
)
_SILENT_NODE = Kind(
    says="its node {node} does not report any more",
    remedy="See kubectl get nodes: after five minutes another Pod takes its place.",
    certainty=WAITING,
)
KINDS = (_SETUP, _STARTUP, _READINESS, _INIT, _GATE, _SILENT_NODE)


def running(
    status: Manifest, spec: Manifest, events: Iterable[str], values: dict[str, str]
) -> Problem | None:
    """Return which probe of a container that runs has not succeeded."""
    if not status.get("started", True) and "startupProbe" in spec:
        return Problem(
            kind=_STARTUP, values={**values, "probe": _probe(spec["startupProbe"], "Startup", events)}
        )
    if "readinessProbe" in spec:
        return Problem(
            kind=_READINESS, values={**values, "probe": _probe(spec["readinessProbe"], "Readiness", events)}
        )
    return None


def initializing(values: dict[str, str]) -> Problem:
    """Return that an init container runs still."""
    return Problem(kind=_INIT, values=values)


def unready(pod: Manifest, values: dict[str, str]) -> Problem | None:
    """Return why a Pod is not ready although all of its containers are."""
    conditions = {item["type"]: item for item in pod["status"].get("conditions", ())}
    ready, containers = conditions.get("Ready", {}), pod["status"].get("containerStatuses", [])
    if ready.get("status") != "False" or not containers or not all(item["ready"] for item in containers):
        return None
    if ready.get("reason") == "ReadinessGatesNotReady":
        return Problem(kind=_GATE, values={**values, "quote": quoted(ready.get("message", ""))})
    if not ready.get("reason"):
        # The node controller turns the condition of a Pod on a silent node, and gives no reason.
        return Problem(kind=_SILENT_NODE, values={**values, "node": pod["spec"].get("nodeName", "")})
    return None


def setting_up(pod: Manifest, events: Iterable[str], values: dict[str, str]) -> Problem | None:
    """Return what keeps a node from setting up the Pod, before any of its containers starts."""
    conditions = {item["type"]: item["status"] for item in pod["status"].get("conditions", ())}
    if conditions.get("PodScheduled") != "True" or conditions.get("PodReadyToStartContainers") != "False":
        return None
    return classified(SETUP_KINDS, next((text for text in events if text.startswith("Failed")), ""), values)


def _probe(probe: Manifest, name: str, events: Iterable[str]) -> str:
    """Describe the probe, and how it failed last where an Event says so."""
    prefix = f"Unhealthy {name} probe failed: "
    last = next((text.removeprefix(prefix) for text in events if text.startswith(prefix)), None)
    asked = "command"
    if http := probe.get("httpGet"):
        asked = f"GET {http.get('path', '/')} on port {http['port']}"
    elif tcp := probe.get("tcpSocket"):
        asked = f"TCP connection to port {tcp['port']}"
    elif grpc := probe.get("grpc"):
        asked = f"gRPC health check on port {grpc['port']}"
    return f"{asked}: {quoted(last)}" if last else asked
