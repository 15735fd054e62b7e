"""Simulated nodes: kwok plays the kubelet, so Pods become Ready without anything being run.

`embedded` starts kwok with these stages and creates the nodes. A Pod says by annotation how it wants to fare
(`BEHAVIOUR`, `READY_AFTER`), so that tests can play bad images, crashes and slow starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from devcluster.supervision import Component

if TYPE_CHECKING:
    from pathlib import Path

BEHAVIOUR = "devcluster/behaviour"
"""Pod annotation: `not-ready`, `image-pull-error` or `crash-loop`; without it a Pod becomes Ready."""
READY_AFTER = "devcluster/ready-after"
"""Pod annotation: how long the Pod takes to become Ready, as in `3s`."""

_NODE_LABEL = "devcluster/simulated"
_ZONES = ("zone-a", "zone-b", "zone-c")
_CAPACITY = {"cpu": "1000", "memory": "4Ti", "pods": "100000", "ephemeral-storage": "4Ti"}
_READY_STATUS = '.status.conditions.[] | select( .type == "Ready" ) | .status'
_BEHAVIOUR_KEY = f'.metadata.annotations["{BEHAVIOUR}"]'


def component(program: Path, run_dir: Path, kubeconfig: Path, address: str) -> Component:
    """Return kwok itself."""
    config = run_dir / "kwok.yaml"
    config.write_text(yaml.safe_dump_all(_stages(), sort_keys=False))
    return Component(
        name="kwok",
        argv=[
            *(str(program), f"--kubeconfig={kubeconfig}", f"--config={config}"),
            *(
                f"--manage-nodes-with-label-selector={_NODE_LABEL}=true",
                "--manage-all-nodes=false",
                "--v=WARN",
            ),
            *("--node-lease-duration-seconds=40", "--cidr=10.244.0.0/16", f"--node-ip={address}"),
        ],
        env={"HOME": str(run_dir)},
    )


def nodes(count: int) -> list[dict[str, Any]]:
    """Return the Node objects, spread evenly over the zones."""
    return [_node(f"node-{number}", _ZONES[(number - 1) % len(_ZONES)]) for number in range(1, count + 1)]


def _node(name: str, zone: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                _NODE_LABEL: "true",
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/os": "linux",
                "kubernetes.io/hostname": name,
                "topology.kubernetes.io/region": "devcluster",
                "topology.kubernetes.io/zone": zone,
            },
        },
        "status": {"capacity": _CAPACITY, "allocatable": _CAPACITY},
    }


def _stages() -> list[dict[str, Any]]:
    pending = [_absent(".metadata.deletionTimestamp"), _one_of(".status.phase", "Pending")]
    running = [_absent(".metadata.deletionTimestamp"), _one_of(".status.phase", "Running")]
    slow_start = {"durationFrom": {"expressionFrom": f'.metadata.annotations["{READY_AFTER}"]'}}
    return [
        _stage("node-ready", "Node", [_none_of(_READY_STATUS, "True")], {"statusTemplate": _NODE_READY}),
        _stage(
            "node-heartbeat",
            "Node",
            [_one_of(_READY_STATUS, "True")],
            {"statusTemplate": _NODE_CONDITIONS},
            delay={"durationMilliseconds": 300_000, "jitterDurationMilliseconds": 310_000},
        ),
        _stage(
            "pod-ready",
            "Pod",
            [*pending, _absent(_BEHAVIOUR_KEY)],
            {"statusTemplate": _pod_status("Running", _RUNNING, ready=True)},
            delay={"durationMilliseconds": 0, **slow_start},
        ),
        *(
            _stage(
                f"pod-{behaviour}",
                "Pod",
                [*pending, _none_of(_READY_STATUS, "False"), _one_of(_BEHAVIOUR_KEY, behaviour)],
                {"statusTemplate": _pod_status(phase, state, ready=False)},
            )
            for behaviour, (phase, state) in _BEHAVIOURS.items()
        ),
        _stage(
            "pod-complete",
            "Pod",
            [*running, _one_of(".metadata.ownerReferences.[].kind", "Job")],
            {"statusTemplate": _POD_COMPLETE},
        ),
        _stage("pod-delete", "Pod", [_present(".metadata.deletionTimestamp")], {"delete": True}),
    ]


def _stage(
    name: str,
    kind: str,
    conditions: list[dict[str, Any]],
    outcome: dict[str, Any],
    delay: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": conditions},
            "next": outcome,
            **({"delay": delay} if delay else {}),
        },
    }


def _one_of(key: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": list(values)}


def _none_of(key: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": "NotIn", "values": list(values)}


def _present(key: str) -> dict[str, Any]:
    return {"key": key, "operator": "Exists"}


def _absent(key: str) -> dict[str, Any]:
    return {"key": key, "operator": "DoesNotExist"}


_NODE_CONDITIONS = """
{{ $now := Now }}
{{ $since := or .metadata.creationTimestamp $now }}
conditions:
{{ range NodeConditions }}
- type: {{ .type | Quote }}
  status: {{ .status | Quote }}
  reason: {{ .reason | Quote }}
  message: {{ .message | Quote }}
  lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $since | Quote }}
{{ end }}
"""

_NODE_READY = (
    _NODE_CONDITIONS
    + """
addresses:
- type: InternalIP
  address: {{ NodeIP | Quote }}
- type: Hostname
  address: {{ .metadata.name | Quote }}
nodeInfo:
  architecture: amd64
  operatingSystem: linux
  bootID: ""
  containerRuntimeVersion: "kwok"
  kernelVersion: "kwok"
  kubeProxyVersion: "kwok"
  kubeletVersion: "kwok"
  machineID: ""
  osImage: ""
  systemUUID: ""
phase: Running
"""
)

_RUNNING = "running: {startedAt: {{ $now | Quote }}}"

_BEHAVIOURS = {
    "not-ready": ("Running", _RUNNING),
    "image-pull-error": (
        "Pending",
        "waiting: {reason: ImagePullBackOff, message: the image cannot be pulled}",
    ),
    "crash-loop": (
        "Running",
        "waiting: {reason: CrashLoopBackOff, message: the container exits again and again}",
    ),
    "fail": (
        "Failed",
        "terminated: {exitCode: 1, reason: Error, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}",
    ),
}

_POD_COMPLETE = """
{{ $now := Now }}
phase: Succeeded
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: {{ .image | Quote }}
  ready: false
  started: false
  restartCount: 0
  state:
    terminated:
      exitCode: 0
      reason: Completed
      startedAt: {{ $now | Quote }}
      finishedAt: {{ $now | Quote }}
{{ end }}
"""

_POD_STATUS = """
{{ $now := Now }}
phase: PHASE
startTime: {{ $now | Quote }}
hostIP: {{ NodeIP | Quote }}
{{ $hostNetwork := or .spec.hostNetwork false }}
podIP: {{ PodIPWith .spec.nodeName $hostNetwork .metadata.uid .metadata.name .metadata.namespace | Quote }}
conditions:
- {type: Initialized, status: "True", lastTransitionTime: {{ $now | Quote }}}
- {type: Ready, status: "CONDITION", lastTransitionTime: {{ $now | Quote }}}
- {type: ContainersReady, status: "CONDITION", lastTransitionTime: {{ $now | Quote }}}
{{ range .spec.readinessGates }}
- {type: {{ .conditionType | Quote }}, status: "True", lastTransitionTime: {{ $now | Quote }}}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: {{ .image | Quote }}
  ready: READY
  started: STARTED
  restartCount: RESTARTS
  state: {STATE}
{{ end }}
"""


def _pod_status(phase: str, state: str, *, ready: bool) -> str:
    """Return the template of a Pod whose containers are all in one state."""
    return (
        _POD_STATUS.replace("PHASE", phase)
        .replace("STATE", state)
        .replace("READY", str(ready).lower())
        .replace("CONDITION", str(ready))
        .replace("STARTED", str(state is _RUNNING).lower())
        .replace("RESTARTS", "3" if "CrashLoop" in state else "0")
    )
