"""Volumes of an app: storage and where it is mounted, in one item.

One field of a custom kind's spec, with its rules. The docstring below each field is what `kubectl explain` shows. What
becomes of a volume is decided in `controllers.pods.volumes` and by the PersistentVolumeClaim's child kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field

from containerapp.api.schema.fields import Boolean, ObjectName
from containerapp.api.schema.rules import ApiModel, ListMap, Rule
from containerapp.api.schema.storage import ImageName, MountPath, StorageSize, SubPath, VolumeName

AccessMode = Literal["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany", "ReadOnlyMany"]
SINGLE_WRITER = ("ReadWriteOnce", "ReadWriteOncePod")
"""Access modes by which the Pods of one node, or one Pod, can mount a claim."""


class EmptyDir(ApiModel):
    """A folder that begins empty and ends with its Pod."""

    medium: Literal["Memory"] | None = None
    """`Memory` keeps the files in memory, where they count as the container's. Default: the node's disk."""
    size_limit: StorageSize | None = None
    """Size at which the Pod is evicted, as in 1Gi; for `Memory`, the size of the folder. Default: none."""


class Claim(ApiModel):
    """Storage that is made for the app, as the PersistentVolumeClaim APP-VOLUME, and outlives it."""

    size: StorageSize = "1Gi"
    """Size of the storage, as in 10Gi. Raise it to let the volume grow, where its class allows that; it never shrinks.
    Default: 1Gi, which means nothing to EFS."""
    storage_class: ObjectName | None = None
    """StorageClass that makes the volume, as in gp3. It never changes afterwards. Default: that of the platform, else
    of the cluster."""
    access_mode: AccessMode = "ReadWriteOnce"
    """Who can mount it: the Pods of one node (`ReadWriteOnce`), one Pod (`ReadWriteOncePod`), or those of all nodes
    (`ReadWriteMany`, `ReadOnlyMany`), which a shared file system such as EFS can. It never changes afterwards."""
    retain: Boolean = True
    """Whether the claim stays, with its data, when the volume or the app is deleted. A new app of the name takes it
    again. False deletes it."""


class ExistingClaim(ApiModel):
    """A PersistentVolumeClaim that others have made, in the app's namespace."""

    name: ObjectName
    """Name of the claim."""
    access_mode: AccessMode = "ReadWriteOnce"
    """Access mode that the claim has: by it the operator knows how many Pods can mount it."""


class Ephemeral(ApiModel):
    """Storage of each Pod's own, which ends with the Pod."""

    size: StorageSize
    """Size of the storage, as in 100Gi."""
    storage_class: ObjectName | None = None
    """StorageClass that makes the volumes, as in gp3. Default: that of the cluster."""


class ImageVolume(ApiModel):
    """The files of an OCI image or artifact, read-only. The cluster must have the feature: Kubernetes 1.35 or later."""

    reference: ImageName
    """The image, with its registry. Name its digest: the tag of an image volume is not resolved by the operator."""
    pull_policy: Literal["IfNotPresent", "Always", "Never"] | None = None
    """When a node pulls it. Default: `IfNotPresent`, and `Always` for the tag `latest`."""


class HostPath(ApiModel):
    """A file or folder of the node, where the platform allows its path."""

    path: MountPath
    """Path on the node."""
    type: (
        Literal[
            "DirectoryOrCreate",
            "Directory",
            "FileOrCreate",
            "File",
            "Socket",
            "CharDevice",
            "BlockDevice",
        ]
        | None
    ) = None
    """What must be there, or is made. Default: nothing is checked."""


_SOURCES = {
    "emptyDir": "empty_dir",
    "claim": "claim",
    "existingClaim": "existing_claim",
    "ephemeral": "ephemeral",
    "image": "image",
    "hostPath": "host_path",
}


class Volume(ApiModel):
    """Storage at a path of the container, from exactly one source."""

    name: VolumeName
    """Name of the volume, unique in the list. The claim that is made for it is called APP-VOLUME."""
    mount_path: MountPath
    """Path in the container."""
    sub_path: SubPath | None = None
    """Folder of the storage that is mounted instead of the whole. A new disk of EBS has a folder `lost+found`, which
    some databases refuse beside their data."""
    read_only: Boolean | None = None
    """Whether the container cannot write to it. Default: false."""
    empty_dir: EmptyDir | None = None
    """A folder that begins empty and ends with its Pod: caches, sockets, `/tmp`."""
    claim: Claim | None = None
    """Storage that is made for the app and outlives its Pods."""
    existing_claim: ExistingClaim | None = None
    """A PersistentVolumeClaim that others have made."""
    ephemeral: Ephemeral | None = None
    """Storage of each Pod's own, larger or faster than the node's disk."""
    image: ImageVolume | None = None
    """The files of an OCI image, read-only: models, static content."""
    host_path: HostPath | None = None
    """A file or folder of the node. Only where the platform allows the path, and Pod Security of the namespace too."""

    rules = (
        Rule(
            cel=f"[{', '.join(f'has(self.{name})' for name in _SOURCES)}].filter(given, given).size() == 1",
            holds=lambda volume: volume.sources() == 1,
            message=f"a volume needs exactly one of {', '.join(_SOURCES)}: keep one of them; files come from"
            " spec.files, EFS by a claim of its StorageClass or an existing claim",
        ),
    )

    def sources(self) -> int:
        """How many sources are given."""
        return sum(getattr(self, name) is not None for name in _SOURCES.values())

    def single_writer(self) -> bool:
        """Whether Pods on several nodes cannot mount it."""
        claim = self.claim or self.existing_claim
        return claim is not None and claim.access_mode in SINGLE_WRITER

    def single_pod(self) -> bool:
        """Whether two Pods cannot mount it at once."""
        claim = self.claim or self.existing_claim
        return claim is not None and claim.access_mode == "ReadWriteOncePod"


def _distinct(paths: Iterable[str]) -> bool:
    listed = list(paths)
    return len(set(listed)) == len(listed)


Volumes = Annotated[
    tuple[Volume, ...],
    Field(max_length=32),
    ListMap("name"),
    Rule(
        cel="self.all(a, self.exists_one(b, a.mountPath == b.mountPath))",
        holds=lambda volumes: _distinct(volume.mount_path for volume in volumes),
        message="spec.volumes has two entries with the same mountPath: give one of them another",
    ),
]

_MODE = "has(v.{0}) && (!has(v.{0}.accessMode) || v.{0}.accessMode in ['ReadWriteOnce', 'ReadWriteOncePod'])"
_ONE_POD = "has(v.{0}) && has(v.{0}.accessMode) && v.{0}.accessMode == 'ReadWriteOncePod'"
_NO_SURGE = {0, "0%"}


def _some(condition: str) -> str:
    either = " || ".join(f"({condition.format(source)})" for source in ("claim", "existingClaim"))
    return f"self.volumes.exists(v, {either})"


def _fits_the_pods(spec: Any) -> bool:
    return spec.most_pods() <= 1 or not any(volume.single_writer() for volume in spec.volumes)


def _can_roll(spec: Any) -> bool:
    rolling = spec.rollout.strategy == "Rolling" and spec.rollout.max_surge not in _NO_SURGE
    return not rolling or not any(volume.single_pod() for volume in spec.volumes)


def _paths_differ(spec: Any) -> bool:
    return {volume.mount_path for volume in spec.volumes}.isdisjoint(file.path for file in spec.files)


VOLUME_RULES = (
    Rule(
        cel=f"!has(self.volumes) || (has(self.autoscaling) ? self.autoscaling.maxReplicas : self.replicas) <= 1"
        f" || !{_some(_MODE)}",
        holds=_fits_the_pods,
        message="a claim with accessMode ReadWriteOnce (the default) is mounted on one node alone, so there can be one"
        " Pod: set replicas (with autoscaling: maxReplicas) to 1, or use a claim with accessMode ReadWriteMany, as EFS"
        " offers",
        path=".volumes",
    ),
    Rule(
        cel="!has(self.volumes) || !has(self.rollout) || !has(self.rollout.strategy)"
        " || self.rollout.strategy != 'Rolling' || (has(self.rollout.maxSurge)"
        " && string(self.rollout.maxSurge) in ['0', '0%'])"
        f" || !{_some(_ONE_POD)}",
        holds=_can_roll,
        message="rollout.strategy Rolling starts a new Pod beside the old one, which cannot mount a claim with"
        " accessMode ReadWriteOncePod: remove strategy (the default is Recreate then), or set maxSurge: 0 and"
        " maxUnavailable: 1",
        path=".rollout.strategy",
    ),
    Rule(
        cel="!has(self.volumes) || !has(self.files)"
        " || !self.volumes.exists(v, self.files.exists(file, file.path == v.mountPath))",
        holds=_paths_differ,
        message="spec.files has the mountPath of a volume as its path: choose another path for one of them",
        path=".files",
    ),
)
