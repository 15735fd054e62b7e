"""Which children exist that nothing asks for any more: set maths, called between plan and prune. Pure.

Never decides by name alone: an object without the app's owner reference is not the app's to delete.
"""

from __future__ import annotations

from collections.abc import Iterable

from containerapp.api.containerapp import GROUP, KIND
from containerapp.core.model import Manifest, ObjectRef


def is_app(owner: Manifest) -> bool:
    """Whether an owner reference names a ContainerApp of ours: another group may have a kind of that name, too."""
    return owner.get("kind") == KIND and str(owner.get("apiVersion")).partition("/")[0] == GROUP


def owned_by(manifest: Manifest, uid: str) -> bool:
    """Whether the app with `uid` controls the object."""
    return any(owner.get("uid") == uid for owner in _owners(manifest))


def owned_by_predecessor(manifest: Manifest, name: str, uid: str | None) -> bool:
    """Whether an earlier app of the same name owned it; any app of the name where there is no `uid`."""
    return any(
        is_app(owner) and owner.get("name") == name and owner.get("uid") != uid for owner in _owners(manifest)
    )


def stale_children(
    *, live: Iterable[Manifest], desired: Iterable[Manifest], uid: str
) -> tuple[ObjectRef, ...]:
    """References of live children of the app that are no longer wanted, in a stable order."""
    wanted = {ObjectRef.of(manifest) for manifest in desired}
    owned = {
        ObjectRef.of(manifest) for manifest in live if owned_by(manifest, uid) and not deleting(manifest)
    }
    return tuple(sorted(owned - wanted))


def leftovers(*, live: Iterable[Manifest], name: str, uid: str | None) -> tuple[ObjectRef, ...]:
    """References of what another app of the name than `uid` has left and nobody else owns, in a stable order."""
    return tuple(
        sorted(
            ObjectRef.of(manifest)
            for manifest in live
            if owned_by_predecessor(manifest, name, uid)
            and len(_owners(manifest)) == 1
            and not deleting(manifest)
        )
    )


def deleting(manifest: Manifest) -> bool:
    """Whether the object's deletion has begun."""
    return "deletionTimestamp" in manifest["metadata"]


def _owners(manifest: Manifest) -> list[Manifest]:
    owners: list[Manifest] = manifest["metadata"].get("ownerReferences") or []
    return owners
