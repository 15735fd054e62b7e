"""Sidecars and init containers of a Pod, in the order of their start.

Called by the template. A sidecar is Kubernetes' own: an init container that is restarted always, so that it starts
before the app and ends after it. A Job that has one still completes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from containerapp.api.containerapp import ContainerAppSpec
from containerapp.api.containerjob import ContainerJobSpec
from containerapp.api.ports import listeners
from containerapp.api.security import ContainerSecurity
from containerapp.api.sidecars import FurtherContainer, InitContainer, Sidecar, VolumeMount
from containerapp.controllers.pods.container import container, plain, privileges
from containerapp.controllers.pods.ports import container_port, probe
from containerapp.core.model import Manifest, PinnedImage

_SIDECAR_REQUESTS = {"cpu": "50m", "memory": "64Mi"}


def init_containers(
    spec: ContainerAppSpec | ContainerJobSpec, pin: PinnedImage, requests: Mapping[str, str]
) -> Iterator[Manifest]:
    """Yield what starts before the app; `requests` are the app's, which an init container without its own is given."""
    read_only = {volume.name for volume in spec.volumes if volume.image}
    for each in in_order(spec):
        more = {"volumeMounts": [_mount(mount, read_only) for mount in each.volume_mounts]}
        if isinstance(each, Sidecar):
            yield _container(each, pin, _SIDECAR_REQUESTS, {**more, **_of_a_sidecar(each)})
        else:
            yield _container(each, pin, requests, more)


def in_order(spec: ContainerAppSpec | ContainerJobSpec) -> Iterator[Sidecar | InitContainer]:
    """Yield sidecars and init containers in the order of their start."""
    sidecars = iter(spec.sidecars)
    started: set[str] = set()
    for each in spec.init_containers:
        while each.after is not None and each.after not in started:
            sidecar = next(sidecars)
            started.add(sidecar.name)
            yield sidecar
        yield each
    yield from sidecars


def _of_a_sidecar(sidecar: Sidecar) -> Manifest:
    """Return what an init container does not have."""
    port, ports = sidecar.probe_port(), listeners(sidecar.ports)
    return {
        "ports": [container_port(item) for item in sidecar.ports],
        "startupProbe": probe(sidecar.startup_probe, port, ports),
        "livenessProbe": probe(sidecar.liveness_probe, port, ports),
        "readinessProbe": probe(sidecar.readiness_probe, port, ports),
        "restartPolicy": "Always",
    }


def _container(
    each: FurtherContainer, pin: PinnedImage, requests: Mapping[str, str], more: Manifest
) -> Manifest:
    return container(
        each,
        name=each.name,
        image=pin.of(each.name),
        requests=requests,
        security=_security(each.security),
        more=more,
    )


def _mount(mount: VolumeMount, read_only: set[str]) -> Manifest:
    """Return the mount; the files of an image cannot be written to."""
    return {
        "name": mount.name,
        "mountPath": mount.mount_path,
        **({"subPath": mount.sub_path} if mount.sub_path is not None else {}),
        **({"readOnly": True} if mount.read_only or mount.name in read_only else {}),
    }


def _security(security: ContainerSecurity) -> Manifest:
    optional = {
        "runAsUser": security.run_as_user,
        "runAsGroup": security.run_as_group,
        "runAsNonRoot": security.run_as_non_root,
        "seccompProfile": security.seccomp_profile and plain(security.seccomp_profile),
    }
    return {**privileges(security), **{key: value for key, value in optional.items() if value is not None}}
