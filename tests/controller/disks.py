"""Disks for the claims of imported apps and jobs: a cluster of tests has no driver that would make any."""

from __future__ import annotations

from collections.abc import Iterator

from tests.controller.api import Manifest


def disks(manifest: Manifest) -> Iterator[Manifest]:
    """Yield a volume for each claim that the operator will make: this cluster has no driver that would."""
    metadata = manifest["metadata"]
    for volume in manifest.get("spec", {}).get("volumes", []):
        if "claim" in volume:
            claim = f"{metadata['name']}-{volume['name']}"
            yield {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": f"{metadata['namespace']}-{claim}"},
                "spec": {
                    "capacity": {"storage": "1Gi"},
                    "accessModes": [volume["claim"].get("accessMode", "ReadWriteOnce")],
                    "hostPath": {"path": "/data"},
                    "claimRef": {"namespace": metadata["namespace"], "name": claim},
                },
            }
