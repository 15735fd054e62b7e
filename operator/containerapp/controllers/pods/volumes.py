"""The volumes of a Pod, and where its containers mount them.

Called by the Pod template, once for the Pod and once for each container. Further containers mount the volumes of
`spec.volumes` by name, at paths of their own.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.api.volumes import Ephemeral, Volume
from containerapp.controllers.pods.files import file_mounts, file_volumes
from containerapp.controllers.pods.workload import Workload
from containerapp.core.model import Manifest

_FS_GROUP = 65532
"""Group of the storage that is made for an app, unless the app names one: a fresh disk belongs to root alone."""


def claim_name(app: Workload, volume: Volume) -> str:
    """Return the name of the claim that is made for a volume."""
    return f"{app.metadata.name}-{volume.name}"


def pod_volumes(app: Workload) -> list[Manifest]:
    """Return the volumes of the Pod."""
    named = ({"name": volume.name, **_source(app, volume)} for volume in app.spec.volumes)
    return [*named, *file_volumes(app)]


def app_mounts(app: Workload) -> list[Manifest]:
    """Return where the app's own container mounts its volumes and files."""
    return [*(_mount(volume) for volume in app.spec.volumes), *file_mounts(app.spec.files)]


def storage_group(app: Workload) -> Manifest:
    """Return the part of the Pod's security context by which the program may write to storage made for it.

    The owner of a big volume's files is changed only where its root shows another one.
    """
    if not any(volume.claim or volume.ephemeral for volume in app.spec.volumes):
        return {}
    security = app.spec.security
    group = next((each for each in (security.fs_group, security.run_as_group) if each is not None), _FS_GROUP)
    return {"fsGroup": group, "fsGroupChangePolicy": "OnRootMismatch"}


def _mount(volume: Volume) -> Manifest:
    return {
        "name": volume.name,
        "mountPath": volume.mount_path,
        **({"subPath": volume.sub_path} if volume.sub_path is not None else {}),
        **({"readOnly": True} if volume.read_only or volume.image else {}),
    }


def _source(app: Workload, volume: Volume) -> Manifest:
    if volume.claim is not None:
        return {"persistentVolumeClaim": {"claimName": claim_name(app, volume)}}
    if volume.existing_claim is not None:
        return {"persistentVolumeClaim": {"claimName": volume.existing_claim.name}}
    if volume.ephemeral is not None:
        return {"ephemeral": _template(volume.ephemeral)}
    return dict(_plain(volume))


def _template(ephemeral: Ephemeral) -> Manifest:
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": ephemeral.size}},
        **class_name(ephemeral.storage_class),
    }
    return {"volumeClaimTemplate": {"spec": spec}}


def class_name(name: str | None) -> Manifest:
    """Return the part of a claim's spec that names its StorageClass; without it the cluster's default counts."""
    return {"storageClassName": name} if name is not None else {}


def _plain(volume: Volume) -> Iterator[tuple[str, Manifest]]:
    """Yield the source that Kubernetes has in the same words."""
    for key, source in (
        ("emptyDir", volume.empty_dir),
        ("image", volume.image),
        ("hostPath", volume.host_path),
    ):
        if source is not None:
            yield key, source.model_dump(by_alias=True, exclude_none=True, mode="json")
