"""Whose object it is: owner references, and the label that names an owner where the reference is gone. Pure.

Called by the store, the plan and the engine. Never decides by name alone: an object without the owner's reference is
not the owner's to delete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from containerapp.api.schema import GROUP
from containerapp.core.model import (
    ADOPTED_ANNOTATION,
    RETAINED_ANNOTATION,
    Controller,
    Key,
    Manifest,
    ObjectRef,
)

_KEPT_BY_KUBERNETES = {
    ("Service", "kubernetes"),
    ("ServiceAccount", "default"),
    ("ConfigMap", "kube-root-ca.crt"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Owners:
    """Finds the custom object that a child belongs to.

    `labels` has the kind that each owner label speaks of.
    """

    labels: Mapping[str, str]

    @classmethod
    def of(cls, controllers: Iterable[Controller]) -> Owners:
        """Return the finder for these custom kinds."""
        return cls(labels={each.label: each.resource.kind for each in controllers})

    def key(self, child: Manifest) -> Key | None:
        """Return the owner by the owner reference, else by the label."""
        metadata = child["metadata"]
        namespace = metadata["namespace"]
        for owner in metadata.get("ownerReferences") or ():
            if owner.get("kind") in self.labels.values() and _is_ours(owner):
                return Key(owner["kind"], namespace, owner["name"])
        labels = metadata.get("labels") or {}
        return next(
            (Key(kind, namespace, labels[label]) for label, kind in self.labels.items() if labels.get(label)),
            None,
        )


def owned_by(manifest: Manifest, uid: str) -> bool:
    """Whether the custom object with `uid` owns the object, has adopted it, or takes it as the one its label names."""
    owned = any(owner.get("uid") == uid for owner in _owners(manifest))
    return owned or adopted_by(manifest, uid) or retained(manifest)


def retained(manifest: Manifest) -> bool:
    """Whether the object outlives its owner; the next one of the name takes it again."""
    annotations = manifest["metadata"].get("annotations") or {}
    return annotations.get(RETAINED_ANNOTATION) == "true" and not any(
        owner.get("controller") for owner in _owners(manifest)
    )


def adopted_by(manifest: Manifest, uid: str) -> bool:
    """Whether the custom object with `uid` has adopted the object."""
    annotations = manifest["metadata"].get("annotations") or {}
    return bool(annotations.get(ADOPTED_ANNOTATION) == uid)


def adoptable(manifest: Manifest) -> bool:
    """Whether the object may be adopted: no controller owns it, and Kubernetes does not keep it itself."""
    name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
    kept = (manifest["kind"], name) in _KEPT_BY_KUBERNETES or namespace.startswith("kube-")
    return not kept and not any(owner.get("controller") for owner in _owners(manifest))


def as_adopted(manifest: Manifest, uid: str) -> Manifest:
    """Return what is written over an adopted object: no owner reference, because it outlives its adopter."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "ownerReferences"}
    annotations = {**metadata.get("annotations", {}), ADOPTED_ANNOTATION: uid}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def owned_by_predecessor(manifest: Manifest, key: Key, uid: str | None) -> bool:
    """Whether an earlier custom object of the same kind and name owned it; any one of the name where `uid` is None."""
    return any(
        owner.get("kind") == key.kind
        and owner.get("name") == key.name
        and _is_ours(owner)
        and owner.get("uid") != uid
        for owner in _owners(manifest)
    )


def orphans(*, live: Iterable[Manifest], key: Key, uid: str | None) -> tuple[ObjectRef, ...]:
    """Return what another object of the name than `uid` has left and nobody else owns, in a stable order."""
    return tuple(
        sorted(
            ObjectRef.of(manifest)
            for manifest in live
            if owned_by_predecessor(manifest, key, uid)
            and len(_owners(manifest)) == 1
            and not deleting(manifest)
        )
    )


def deleting(manifest: Manifest) -> bool:
    """Whether the object's deletion has begun."""
    return "deletionTimestamp" in manifest["metadata"]


def _is_ours(owner: Manifest) -> bool:
    """Whether an owner reference names our API group: another group may have a kind of the same name."""
    return str(owner.get("apiVersion")).partition("/")[0] == GROUP


def _owners(manifest: Manifest) -> list[Manifest]:
    owners: list[Manifest] = manifest["metadata"].get("ownerReferences") or []
    return owners
