"""Desired against live: exactly the writes that are needed, and none when nothing differs. Pure.

A child is written when it is missing, when a field that we set has another value, or when we used to set a field
that we no longer want (told by a hash of the manifest in an annotation). Fields that others set are never looked
at: defaults, injected annotations, sidecars.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Any

import orjson

from containerapp.api.schema.quantity import quantity
from containerapp.core.model import HASH_ANNOTATION, Manifest, ObjectRef
from containerapp.core.ownership import deleting, leftovers, owned_by, owned_by_predecessor, stale_children

_LIST_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "ownerReferences": ("uid",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
}
"""Lists that Kubernetes merges by key, so that others may add items; `ports` is keyed by what it holds."""

_FREE_KEYS = {"annotations", "labels", "matchLabels"}
"""Maps whose keys are the user's words, not fields."""

_ATOMIC = {"selector", "labelSelector"}
"""Maps that Kubernetes takes as one value: whoever adds a label to a selector has changed what it selects."""

_OMITTED_WHEN_EMPTY = {"initialDelaySeconds", "prefix", "value"}
"""Fields that Kubernetes leaves out of what it stores where they are empty or zero; all others it keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The writes of one reconcile, in order.

    `creates` were not seen live and must not exist; `updates` differ from what lives; `deletes` are no longer
    wanted; `foreign` stand in the way without being ours; `waiting` belong to a deleted app of the same name
    or are themselves being deleted, and will be gone; `leftovers` are all that such an app alone has left, wanted
    again or not: nobody else may ever remove it.
    """

    creates: tuple[Manifest, ...] = ()
    updates: tuple[Manifest, ...] = ()
    deletes: tuple[ObjectRef, ...] = ()
    foreign: tuple[ObjectRef, ...] = ()
    waiting: tuple[ObjectRef, ...] = ()
    leftovers: tuple[ObjectRef, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing needs to be written."""
        return not (self.creates or self.updates or self.deletes or self.leftovers)


def make_plan(
    *,
    desired: Iterable[Manifest],
    live: Mapping[ObjectRef, Manifest],
    owner: tuple[str, str],
    adopt: bool,
    keep: frozenset[ObjectRef] | None = frozenset(),
) -> Plan:
    """Compare the stamped `desired` manifests with the `live` children of the app `owner` (name, uid).

    `adopt` lets foreign objects be taken over; `keep` names children that are not wanted any more but needed. It is
    None while not everything that is wanted could be rendered: what is missing then is not unwanted.
    """
    name, uid = owner
    wanted = tuple(desired)
    sorted_out: dict[str, list[Manifest]] = {"creates": [], "updates": [], "foreign": [], "waiting": []}
    for manifest in wanted:
        verdict = _judge(manifest, live.get(ObjectRef.of(manifest)), name=name, uid=uid, adopt=adopt)
        if verdict is not None:
            sorted_out[verdict].append(manifest)
    return Plan(
        creates=tuple(sorted_out["creates"]),
        updates=tuple(sorted_out["updates"]),
        deletes=()
        if keep is None
        else tuple(
            ref for ref in stale_children(live=live.values(), desired=wanted, uid=uid) if ref not in keep
        ),
        foreign=tuple(ObjectRef.of(manifest) for manifest in sorted_out["foreign"]),
        waiting=tuple(ObjectRef.of(manifest) for manifest in sorted_out["waiting"]),
        leftovers=leftovers(live=live.values(), name=name, uid=uid),
    )


def _judge(manifest: Manifest, live: Manifest | None, *, name: str, uid: str, adopt: bool) -> str | None:
    if live is None:
        return "creates"
    if deleting(live) or owned_by_predecessor(live, name, uid):
        return "waiting"
    if not owned_by(live, uid) and not adopt:
        return "foreign"
    return "updates" if differs(manifest, live) else None


def stamped(manifest: Manifest) -> Manifest:
    """Return the manifest with an annotation that tells by its hash whether we would write the same again."""
    metadata = manifest["metadata"]
    digest = hashlib.sha256(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    annotations = {**metadata.get("annotations", {}), HASH_ANNOTATION: digest}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def differs(desired: Any, live: Any, field: str = "") -> bool:
    """Whether `live` lacks or contradicts anything that `desired` says."""
    if desired == live:
        return False  # most of what is compared, and told apart in one step
    if field in _ATOMIC:
        return True
    if isinstance(desired, dict):
        if not isinstance(live, dict):
            return bool(desired)
        if field in {"requests", "limits"}:
            return any(_quantity_differs(amount, live.get(name)) for name, amount in desired.items())
        free = field in _FREE_KEYS
        return any(differs(value, live.get(key), "" if free else key) for key, value in desired.items())
    if isinstance(desired, list):
        return _list_differs(desired, live or [], field)
    if live is None:
        return bool(desired) or field not in _OMITTED_WHEN_EMPTY
    return True


def _list_differs(desired: list[Any], live: list[Any], field: str) -> bool:
    """Keyed lists may hold others' items between ours, in our order; all other lists are ours whole."""
    keys = _keys_of(desired, field)
    if keys is None:
        return len(desired) != len(live) or any(differs(a, b) for a, b in zip(desired, live, strict=True))
    wanted = {_key(item, keys): item for item in desired}
    present = {_key(item, keys): item for item in live}
    order = [key for key in present if key in wanted]
    return order != list(wanted) or any(differs(item, present[key]) for key, item in wanted.items())


def _keys_of(items: list[Any], field: str) -> tuple[str, ...] | None:
    if field == "ports" and items:
        number = "containerPort" if "containerPort" in items[0] else "port"
        return (number, "protocol")
    return _LIST_KEYS.get(field)


def _key(item: Manifest, keys: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(item.get(key) for key in keys)


def _quantity_differs(desired: str, live: str | None) -> bool:
    """Kubernetes stores quantities in a canonical form: 1000m becomes 1, 0.5 becomes 500m, 0.1m becomes 1m."""
    return live is None or _thousandths(desired) != _thousandths(live)


@lru_cache(maxsize=1024)
def _thousandths(amount: str) -> int:
    """Round up as Kubernetes does: https://github.com/kubernetes/kubernetes/issues/18538."""
    return ceil(quantity(amount) * 1000)
