"""The Pod template: the app's one container with the defaults of a careful EKS engineer.

Called by the kinds that run Pods. A Pod template is one value that a revision can carry; a changed line here
rolls every app's Pods at the next upgrade of the operator, so the golden cases treat it as a breaking change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from containerapp.api.containerapp import ContainerApp, ContainerPort
from containerapp.api.schema.kubernetes import Probe
from containerapp.controllers.pods.metadata import labels, service_account_name, track_selector
from containerapp.core.model import Manifest, PinnedImage

CONTAINER = "app"
_DEFAULT_REQUESTS = {"cpu": "100m", "memory": "256Mi"}
_PRE_STOP_SECONDS = 10
"""Load balancers that send to Pods' addresses take some seconds to hear that one is going."""

_MAX_SKEW = 1


def pod_template(app: ContainerApp, image: PinnedImage) -> Manifest:
    """Return the template of the app's Pods, running `image`."""
    annotations = app.spec.pod_annotations
    return {
        "metadata": {
            "labels": {**labels(app, image), **app.spec.pod_labels, **track_selector(app)},
            **({"annotations": dict(annotations)} if annotations else {}),
        },
        "spec": {
            "serviceAccountName": service_account_name(app),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": _pod_security(app),
            "terminationGracePeriodSeconds": app.spec.termination_grace_period_seconds,
            "containers": [_container(app, image.image)],
            "topologySpreadConstraints": _spread(app),
            **_pull_secrets(app),
        },
    }


def _container(app: ContainerApp, image: str) -> Manifest:
    spec, port, listeners = app.spec, app.spec.probe_port(), app.spec.listeners()
    optional: Manifest = {
        "command": list(spec.command),
        "args": list(spec.args),
        "workingDir": spec.working_dir,
        "env": [_plain(item) for item in spec.env],
        "envFrom": [_plain(item) for item in spec.env_from],
        "ports": [_port(item) for item in _ports(app) if listeners.get(item.name, item) is item],
        "lifecycle": _lifecycle(app),
        "startupProbe": _probe(spec.startup_probe, port, listeners),
        "livenessProbe": _probe(spec.liveness_probe, port, listeners),
        "readinessProbe": _probe(spec.readiness_probe, port, listeners) or _default_readiness(app),
    }
    return {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": spec.image_pull_policy,
        "resources": _resources(app),
        "securityContext": _container_security(app),
        **{key: value for key, value in optional.items() if value},
    }


def _ports(app: ContainerApp) -> tuple[ContainerPort, ...]:
    """The app's ports, and one for metrics where that is another: a PodMonitor finds declared ports alone."""
    ports, extra = app.spec.container_ports(), app.spec.metrics_port()
    return ports if extra is None or extra in ports else (*ports, extra)


def _port(port: ContainerPort) -> Manifest:
    return {"name": port.name, "containerPort": port.container_port, "protocol": port.protocol}


def _lifecycle(app: ContainerApp) -> Manifest | None:
    """Pause before SIGTERM, so that load balancers and kube-proxy stop sending first; not for workers."""
    seconds = min(_PRE_STOP_SECONDS, app.spec.termination_grace_period_seconds // 2)
    if not app.spec.container_ports() or seconds == 0:
        return None
    return {"preStop": {"sleep": {"seconds": seconds}}}


def _default_readiness(app: ContainerApp) -> Manifest | None:
    """A Pod is ready when its first TCP port accepts connections; other protocols cannot be asked."""
    port = app.spec.probe_port()
    return {"tcpSocket": {"port": port.name}, "periodSeconds": 5} if port else None


def _probe(
    probe: Probe | None, port: ContainerPort | None, listeners: Mapping[str, ContainerPort]
) -> Manifest | None:
    """Kubernetes' probe; where it leaves the port out, `port` is meant; a name means a port of the container."""
    if probe is None:
        return None
    manifest = _plain(probe)
    for handler in ("httpGet", "tcpSocket", "grpc"):
        if handler not in manifest:
            continue
        asked = manifest[handler].get("port")
        if asked in listeners:
            return manifest | {handler: manifest[handler] | {"port": listeners[asked].name}}
        if asked is None and port is not None:
            number = port.container_port if handler == "grpc" else port.name
            return manifest | {handler: manifest[handler] | {"port": number}}
    return manifest


def _resources(app: ContainerApp) -> Manifest:
    """Requests always set, no CPU limit, memory limit = request, unless the user says otherwise."""
    given = app.spec.resources
    limits = dict(given.limits)
    requests = _DEFAULT_REQUESTS | limits | dict(given.requests)
    return {"requests": requests, "limits": {"memory": requests["memory"]} | limits}


def _pod_security(app: ContainerApp) -> Manifest:
    security = app.spec.security
    optional = {
        "runAsUser": security.run_as_user,
        "runAsGroup": security.run_as_group,
        "fsGroup": security.fs_group,
        "supplementalGroups": list(security.supplemental_groups) or None,
    }
    return {
        "runAsNonRoot": security.run_as_non_root,
        "seccompProfile": _plain(security.seccomp_profile),
        **{key: value for key, value in optional.items() if value is not None},
    }


def _container_security(app: ContainerApp) -> Manifest:
    security = app.spec.security
    return {
        "allowPrivilegeEscalation": security.allow_privilege_escalation,
        "readOnlyRootFilesystem": security.read_only_root_filesystem,
        "capabilities": {key: value for key, value in _plain(security.capabilities).items() if value},
        **({"privileged": True} if security.privileged else {}),
    }


def _pull_secrets(app: ContainerApp) -> Manifest:
    secrets = app.spec.image_pull_secrets
    return {"imagePullSecrets": [{"name": secret.name} for secret in secrets]} if secrets else {}


def _spread(app: ContainerApp) -> list[Manifest]:
    """Spread replicas over zones and hosts, without ever keeping a Pod from being scheduled.

    Always there, also for one replica: were it to come with the second, scaling up would restart the first.
    """
    return [
        {
            "maxSkew": _MAX_SKEW,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": track_selector(app)},
            "matchLabelKeys": ["pod-template-hash"],
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]


def _plain(value: BaseModel) -> dict[str, Any]:
    """One of Kubernetes' own types as the JSON that the user wrote."""
    return value.model_dump(by_alias=True, exclude_none=True, mode="json")
