"""Desired against live: exactly the writes that are needed, and none when nothing differs. Pure.

A child is written when it is missing, when a field that we set has another value, or when we used to set a field
that we no longer want (a hash of the manifest in an annotation shows it). An object without the owner's reference is
never the owner's to change or delete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from containerapp.core.diff import differs
from containerapp.core.model import Key, Manifest, ObjectRef, Prune
from containerapp.core.ownership import (
    adoptable,
    adopted_by,
    as_adopted,
    deleting,
    orphans,
    owned_by,
    owned_by_predecessor,
    retained,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The custom object that a plan is for. `adopts`: it may take over objects that no controller owns."""

    key: Key
    uid: str
    adopts: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The writes of one reconcile, in order.

    `prune_first` and `prune_last` are no longer wanted; `creates` were not seen live and must not exist; `updates`
    differ from what lives. `conflicts` stand in the way and belong to others; `terminating` are in the way and will be
    gone; `orphans` belong to a deleted object of the same name alone. `unseen` are in the inventory, and neither wanted
    nor shown by the watches: they are gone, or their labels were removed. `live` is what the plan was made from.
    """

    live: Mapping[ObjectRef, Manifest]
    prune_first: tuple[ObjectRef, ...] = ()
    creates: tuple[Manifest, ...] = ()
    updates: tuple[Manifest, ...] = ()
    prune_last: tuple[ObjectRef, ...] = ()
    unseen: tuple[ObjectRef, ...] = ()
    conflicts: tuple[ObjectRef, ...] = ()
    terminating: tuple[ObjectRef, ...] = ()
    orphans: tuple[ObjectRef, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing needs to be written."""
        return not (
            self.prune_first or self.creates or self.updates or self.prune_last or self.unseen or self.orphans
        )


@dataclass(kw_only=True)
class _Sorted:
    creates: list[Manifest] = field(default_factory=list)
    updates: list[Manifest] = field(default_factory=list)
    conflicts: list[Manifest] = field(default_factory=list)
    terminating: list[Manifest] = field(default_factory=list)


def make_plan(
    *,
    desired: Iterable[Manifest],
    live: Mapping[ObjectRef, Manifest],
    owner: Owner,
    prune: Callable[[ObjectRef], Prune],
    inventory: Iterable[ObjectRef] = (),
    held: Callable[[ObjectRef], bool] | None = None,
) -> Plan:
    """Compare the stamped `desired` manifests with the `live` objects under the owner's name.

    `prune` says when a child that is not wanted is deleted; `inventory` are the children that the status names. `held`
    is given where not all that is wanted could be rendered: nothing that lives is deleted, and what it holds is not
    changed. Pods of the old version run on, and what they need stays as it is.
    """
    found = _Sorted()
    wanted = tuple(for_live(manifest, live.get(ObjectRef.of(manifest)), owner) for manifest in desired)
    for manifest in wanted:
        if (pile := _pile(found, manifest, live.get(ObjectRef.of(manifest)), owner)) is not None:
            pile.append(manifest)
    stale = unwanted(live=live.values(), desired=wanted, uid=owner.uid) if held is None else ()
    seen = {*live, *map(ObjectRef.of, wanted)}
    return Plan(
        live=live,
        prune_first=tuple(ref for ref in stale if prune(ref) is Prune.NOW),
        creates=tuple(found.creates),
        updates=tuple(each for each in found.updates if held is None or not held(ObjectRef.of(each))),
        prune_last=tuple(ref for ref in stale if prune(ref) is Prune.AFTER_ROLLOUT),
        unseen=tuple(ref for ref in inventory if ref not in seen and prune(ref) is not Prune.NEVER),
        conflicts=tuple(map(ObjectRef.of, found.conflicts)),
        terminating=tuple(map(ObjectRef.of, found.terminating)),
        orphans=orphans(live=live.values(), key=owner.key, uid=owner.uid),
    )


def for_live(manifest: Manifest, live: Manifest | None, owner: Owner) -> Manifest:
    """Return what is to be written over `live`: an object that is adopted, or will be, gets no owner reference."""
    if live is None or deleting(live):
        return manifest
    adopted = adopted_by(live, owner.uid) if owned_by(live, owner.uid) else owner.adopts and adoptable(live)
    return as_adopted(manifest, owner.uid) if adopted else manifest


def unwanted(*, live: Iterable[Manifest], desired: Iterable[Manifest], uid: str) -> tuple[ObjectRef, ...]:
    """Return the live children of the owner that are no longer wanted and not retained, in a stable order."""
    wanted = {ObjectRef.of(manifest) for manifest in desired}
    owned = {
        ObjectRef.of(manifest)
        for manifest in live
        if owned_by(manifest, uid) and not deleting(manifest) and not retained(manifest)
    }
    return tuple(sorted(owned - wanted))


def _pile(found: _Sorted, manifest: Manifest, live: Manifest | None, owner: Owner) -> list[Manifest] | None:
    if live is None:
        return found.creates
    if deleting(live) or owned_by_predecessor(live, owner.key, owner.uid):
        return found.terminating
    if not owned_by(live, owner.uid) and not (owner.adopts and adoptable(live)):
        return found.conflicts
    return found.updates if differs(manifest, live) else None
