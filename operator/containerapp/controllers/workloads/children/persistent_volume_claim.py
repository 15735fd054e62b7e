"""PersistentVolumeClaim: the storage of `volumes[].claim`. It grows, and outlives the app unless `retain` is false.

A claim that is retained has no owner reference, so that the garbage collector leaves it; a label says whose it is, and
a new app of the name takes it again. What Kubernetes never changes in a claim is rendered as it lives; the condition
VolumesReady says what stands against the spec.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.api.schema.quantity import quantity
from containerapp.api.volumes import Claim, Volume
from containerapp.controllers.pods.metadata import metadata
from containerapp.controllers.pods.volumes import claim_name, class_name
from containerapp.controllers.pods.workload import Workload
from containerapp.controllers.workloads.inputs import PodInputs
from containerapp.core.model import RETAINED_ANNOTATION, Child, Manifest, Resource


def render(app: Workload, inputs: PodInputs) -> Iterator[Manifest]:
    """Yield a claim for each volume that asks for one."""
    for volume in app.spec.volumes:
        if volume.claim is not None:
            name = claim_name(app, volume)
            yield {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {**_metadata(app, volume.claim), "name": name},
                "spec": _spec(volume.claim, inputs.claims.get(name), inputs.platform.storage_class),
            }


def _metadata(app: Workload, claim: Claim) -> Manifest:
    if not claim.retain:
        return metadata(app)
    base = metadata(app, annotations={RETAINED_ANNOTATION: "true"})
    return {key: value for key, value in base.items() if key != "ownerReferences"}


def _spec(claim: Claim, live: Manifest | None, storage_class: str | None) -> Manifest:
    if live is None:
        return {
            "accessModes": [claim.access_mode],
            **class_name(claim.storage_class or storage_class),
            "resources": {"requests": {"storage": claim.size}},
        }
    spec = live["spec"]
    return {
        "accessModes": spec["accessModes"],
        **class_name(spec.get("storageClassName")),
        "resources": {"requests": {"storage": _larger(claim.size, _size(live))}},
    }


def _larger(wanted: str, live: str) -> str:
    return wanted if quantity(wanted) > quantity(live) else live


def _size(live: Manifest) -> str:
    return str(live["spec"]["resources"]["requests"]["storage"])


def mismatches(volume: Volume, live: Manifest) -> Iterator[str]:
    """Yield what the app asks of a claim that Kubernetes never changes, each with the remedy."""
    claim, name = volume.claim or Claim(), live["metadata"]["name"]
    prefix, spec = f"The PersistentVolumeClaim {name}", live["spec"]
    other = "or give the volume another name to start with an empty one"
    if quantity(claim.size) < quantity(_size(live)):
        yield f"{prefix} has {_size(live)}, and no claim shrinks: set size back to {_size(live)}, {other}."
    if claim.storage_class not in {None, spec.get("storageClassName")}:
        was = spec.get("storageClassName")
        yield f"{prefix} has the StorageClass {was}, which never changes: set storageClass back to it, {other}."
    if [claim.access_mode] != spec["accessModes"]:
        was = ", ".join(spec["accessModes"])
        yield f"{prefix} has the access mode {was}, which never changes: set accessMode back to it, {other}."


CHILD = Child(
    resource=Resource(api_version="v1", kind="PersistentVolumeClaim", plural="persistentvolumeclaims"),
    render=render,
)
