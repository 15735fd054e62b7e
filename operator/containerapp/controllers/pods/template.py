"""The Pod template: the app's container with the defaults of a careful EKS engineer.

Called by the kinds that run Pods. A Pod template is one value that a revision can carry; a changed line here
rolls every app's Pods at the next upgrade of the operator, so the golden cases treat it as a breaking change.
"""

from __future__ import annotations

from containerapp.api.containerapp import ContainerApp
from containerapp.api.ports import Port
from containerapp.api.workload import pre_stop_seconds
from containerapp.controllers.pods.container import container, plain, privileges, resources
from containerapp.controllers.pods.metadata import labels, service_account_name, track_selector
from containerapp.controllers.pods.placement import place, scheduling
from containerapp.controllers.pods.ports import container_port, probe
from containerapp.controllers.pods.settings import pod_settings
from containerapp.controllers.pods.sidecars import init_containers
from containerapp.controllers.pods.volumes import app_mounts, pod_volumes, storage_group
from containerapp.controllers.pods.workload import Workload
from containerapp.core.model import Manifest, PinnedImage

CONTAINER = "app"
DEFAULT_REQUESTS = {"cpu": "100m", "memory": "256Mi"}


def pod_template(app: ContainerApp, image: PinnedImage) -> Manifest:
    """Return the template of the app's Pods, running `image`."""
    annotations = app.spec.pod_annotations
    template = {
        "metadata": {
            "labels": {**labels(app, image), **app.spec.pod_labels, **track_selector(app)},
            **({"annotations": dict(annotations)} if annotations else {}),
        },
        "spec": {
            "serviceAccountName": service_account_name(app),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": pod_security(app),
            "terminationGracePeriodSeconds": app.spec.termination_grace_period_seconds,
            "containers": [_app(app, image.image)],
            **scheduling(app),
            **pull_secrets(app),
            **further_containers(app, image),
            **volumes_of(app),
            **pod_settings(app.spec),
        },
    }
    return place(app, template)


def _app(app: ContainerApp, image: str) -> Manifest:
    spec, port, listeners = app.spec, app.spec.probe_port(), app.spec.listeners()
    more = {
        "ports": [container_port(item) for item in _ports(app) if listeners.get(item.name, item) is item],
        "volumeMounts": app_mounts(app),
        "lifecycle": _lifecycle(app),
        "startupProbe": probe(spec.startup_probe, port, listeners),
        "livenessProbe": probe(spec.liveness_probe, port, listeners),
        "readinessProbe": probe(spec.readiness_probe, port, listeners) or _default_readiness(app),
    }
    return container(
        spec,
        name=CONTAINER,
        image=image,
        requests=DEFAULT_REQUESTS,
        security=privileges(spec.security),
        more=more,
    )


def further_containers(app: Workload, image: PinnedImage) -> Manifest:
    """Return the sidecars and init containers, where there are any."""
    promised = resources(app.spec.resources, DEFAULT_REQUESTS)["requests"]
    found = list(init_containers(app.spec, image, {name: promised[name] for name in DEFAULT_REQUESTS}))
    return {"initContainers": found} if found else {}


def _ports(app: ContainerApp) -> tuple[Port, ...]:
    """The app's ports, and one for metrics that no container has: a PodMonitor finds declared ports alone."""
    ports, extra = app.spec.container_ports(), app.spec.metrics_port()
    known = (*ports, *app.spec.sidecar_ports())
    return ports if extra is None or extra in known else (*ports, extra)


def _lifecycle(app: ContainerApp) -> Manifest | None:
    """Pause before SIGTERM, so that load balancers and kube-proxy stop sending first; not for workers."""
    seconds = pre_stop_seconds(app.spec.termination_grace_period_seconds)
    if not app.spec.container_ports() or seconds == 0:
        return None
    return {"preStop": {"sleep": {"seconds": seconds}}}


def _default_readiness(app: ContainerApp) -> Manifest | None:
    """A Pod is ready when its first TCP port accepts connections; other protocols cannot be asked."""
    port = app.spec.probe_port()
    return {"tcpSocket": {"port": port.name}, "periodSeconds": 5} if port else None


def pod_security(app: Workload) -> Manifest:
    """Return what stands for the Pod as a whole."""
    security = app.spec.security
    optional = {
        "runAsUser": security.run_as_user,
        "runAsGroup": security.run_as_group,
        "fsGroup": security.fs_group,
        "supplementalGroups": list(security.supplemental_groups) or None,
        "sysctls": [plain(sysctl) for sysctl in security.sysctls] or None,
    }
    return {
        "runAsNonRoot": security.run_as_non_root,
        "seccompProfile": plain(security.seccomp_profile),
        **{key: value for key, value in optional.items() if value is not None},
        **storage_group(app),
    }


def volumes_of(app: Workload) -> Manifest:
    """Return the volumes of the Pod, where there are any."""
    volumes = pod_volumes(app)
    return {"volumes": volumes} if volumes else {}


def pull_secrets(app: Workload) -> Manifest:
    """Return the Secrets for registries that ask for a password, where there are any."""
    secrets = app.spec.image_pull_secrets
    return {"imagePullSecrets": [{"name": secret.name} for secret in secrets]} if secrets else {}
