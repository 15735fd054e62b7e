"""A file system of Amazon EFS that exists, as a PersistentVolume and a claim that an app names."""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]

NEEDS = "needs the Amazon EFS CSI driver; the PersistentVolume is the cluster's, and made by its admins"
"""What to say of a file system."""

_SHAPE = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}


def handle_of(system: str, folder: str, access_point: str) -> str:
    """Return what the EFS driver calls a folder of a file system, by an access point if one is named."""
    root = folder.strip("/")
    return ":".join([system, root and f"/{root}", access_point]).rstrip(":")


def volume_and_claim(
    claim: str, handle: str, *, namespace: str | None, iam: bool, encrypted: bool = True
) -> list[Manifest]:
    """Return both objects."""
    place = {"namespace": namespace} if namespace else {}
    name = "-".join([*place.values(), claim])
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            **_SHAPE,
            "capacity": {"storage": "1Gi"},
            "persistentVolumeReclaimPolicy": "Retain",
            **({"mountOptions": ["iam"]} if iam else {}),
            "csi": {
                "driver": "efs.csi.aws.com",
                "volumeHandle": handle,
                **({} if encrypted else {"volumeAttributes": {"encryptInTransit": "false"}}),
            },
        },
    }
    bound = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": claim, **place},
        "spec": {**_SHAPE, "volumeName": name, "resources": {"requests": {"storage": "1Gi"}}},
    }
    return [volume, bound]
