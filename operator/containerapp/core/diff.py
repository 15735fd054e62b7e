"""Whether what lives says what we would write. Pure.

Called by the plan and after each write. Fields that others set are never looked at: defaults, injected annotations,
sidecars. It knows which lists Kubernetes merges by key and how it stores quantities, and no kind beyond that.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from math import ceil
from typing import Any

import orjson

from containerapp.api.schema.quantity import is_quantity, quantity
from containerapp.core.model import HASH_ANNOTATION, Manifest

_LIST_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "env": ("name",),
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "ownerReferences": ("uid",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
"""Lists that Kubernetes merges by key, so that others may add items; `ports` is keyed by what it holds."""

_FREE_KEYS = {"annotations", "labels", "matchLabels"}
"""Maps whose keys are the user's words, not fields."""

_AMOUNTS = {"emptyDir", "requests", "limits", "target"}
"""Maps of quantities, among which other values may stand."""

_ATOMIC = {"selector", "labelSelector", "podSelector", "namespaceSelector"}
"""Maps that Kubernetes takes as one value: a label that is added to a selector changes what it selects."""

_OMITTED_WHEN_EMPTY = {
    "externalName",
    "fsType",
    "healthCheckNodePort",
    "host",
    "hostIP",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostPort",
    "hostname",
    "initialDelaySeconds",
    "loadBalancerIP",
    "medium",
    "minReadySeconds",
    "nodeName",
    "nodePort",
    "paused",
    "prefix",
    "priorityClassName",
    "publishNotReadyAddresses",
    "readOnly",
    "stdin",
    "stdinOnce",
    "subPath",
    "subPathExpr",
    "subdomain",
    "tty",
    "value",
    "workingDir",
}
"""Fields that Kubernetes leaves out of what it stores where they are empty or zero; all others it keeps."""

_EXCLUSIVE = (
    {"exec", "grpc", "httpGet", "sleep", "tcpSocket"},
    {"value", "valueFrom"},
    {"configMapKeyRef", "fieldRef", "resourceFieldRef", "secretKeyRef"},
    {"maxUnavailable", "minAvailable"},
    {"localhostProfile", "type"},
    {"rollingUpdate", "type"},
    {
        "configMap",
        "emptyDir",
        "ephemeral",
        "hostPath",
        "image",
        "persistentVolumeClaim",
        "secret",
    },
)
"""Fields of one map that Kubernetes refuses beside each other, or may refuse, unless we set both."""


def stamped(manifest: Manifest) -> Manifest:
    """Return the manifest with an annotation that tells by its hash whether we would write the same again."""
    metadata = manifest["metadata"]
    digest = hashlib.sha256(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    annotations = {**metadata.get("annotations", {}), HASH_ANNOTATION: digest}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def differs(desired: Any, live: Any, field: str = "") -> bool:
    """Whether `live` lacks or contradicts anything that `desired` says."""
    if desired == live:
        return False  # most of what is compared, and compared in one step
    if field in _ATOMIC:
        return True
    if isinstance(desired, dict):
        if not isinstance(live, dict):
            return bool(desired)
        return any(_part_differs(desired, live, key, field) for key in desired)
    if isinstance(desired, list):
        return _list_differs(desired, live or [], field)
    if live is None:
        return bool(desired) or field not in _OMITTED_WHEN_EMPTY
    return True


def difference(desired: Manifest, live: Manifest, field: str = "") -> str:
    """Return the path of the first field in which `live` differs; empty where it does not."""
    for key, value in desired.items():
        if _part_differs(desired, live, key, field):
            inner = live.get(key)
            below = (
                difference(value, inner, key) if isinstance(value, dict) and isinstance(inner, dict) else ""
            )
            return f"{key}.{below}" if below else key
    return ""


def _part_differs(desired: Manifest, live: Manifest, key: str, field: str) -> bool:
    """Whether what stands under `key` in a map differs; `field` is the name of the map."""
    wanted, found = desired[key], live.get(key)
    if field in _AMOUNTS and wanted != found and _is_amount(wanted) and _is_amount(found):
        return _thousandths(wanted) != _thousandths(found)
    return differs(desired[key], live.get(key), "" if field in _FREE_KEYS else key)


def _list_differs(desired: list[Any], live: list[Any], field: str) -> bool:
    """Keyed lists may hold others' items between ours, in our order; all other lists are ours whole."""
    keys = keys_of(desired, field)
    if keys is None:
        return len(desired) != len(live) or any(differs(a, b) for a, b in zip(desired, live, strict=True))
    wanted = {key_of(item, keys): item for item in desired}
    present = {key_of(item, keys): item for item in live}
    order = [key for key in present if key in wanted]
    return order != list(wanted) or any(differs(item, present[key]) for key, item in wanted.items())


def keys_of(items: list[Any], field: str) -> tuple[str, ...] | None:
    """Return the fields by which Kubernetes tells the items of a list apart; None where it takes the list as one."""
    if field == "ports" and items:
        number = "containerPort" if "containerPort" in items[0] else "port"
        return (number, "protocol")
    return _LIST_KEYS.get(field)


def key_of(item: Manifest, keys: tuple[str, ...]) -> tuple[Any, ...]:
    """Return what tells an item apart."""
    return tuple(item.get(key) for key in keys)


def _is_amount(value: Any) -> bool:
    """Whether it is a quantity, of which Kubernetes stores a canonical form: 1000m becomes 1, 0.1m becomes 1m."""
    return isinstance(value, str) and is_quantity(value)


@lru_cache(maxsize=1024)
def _thousandths(amount: str) -> int:
    """Round up as Kubernetes does: https://github.com/kubernetes/kubernetes/issues/18538."""
    return ceil(quantity(amount) * 1000)


def repair(desired: Manifest, live: Manifest, field: str = "") -> Manifest:
    """Return the strategic merge patch that makes `live` say what `desired` says, and touches nothing else.

    What others have set stays, unless it excludes what we set.
    """
    change = {
        key: _repaired(value, live.get(key), "" if field in _FREE_KEYS else key)
        for key, value in desired.items()
        if _part_differs(desired, live, key, field)
    }
    for group in _EXCLUSIVE if field not in _FREE_KEYS else ():
        if not group.isdisjoint(desired):
            change |= dict.fromkeys(key for key in live if key in group and key not in desired)
    return change


def _repaired(desired: Any, live: Any, field: str) -> Any:
    if field in _ATOMIC or not isinstance(live, type(desired)):
        return desired
    if isinstance(desired, dict):
        return repair(desired, live, field)
    keys = keys_of(desired, field) if isinstance(desired, list) else None
    return desired if keys is None else _repaired_items(desired, live, keys)


def _repaired_items(desired: list[Manifest], live: list[Manifest], keys: tuple[str, ...]) -> list[Manifest]:
    """Return the items that differ, and the removal of others' items that have no name, or that of one of ours."""
    wanted, present = {key_of(item, keys) for item in desired}, {key_of(item, keys): item for item in live}
    names = {item["name"] for item in desired if "name" in item}
    excluded = (
        {*names, None} if names and keys[0] == "port" else names
    )  # several ports of a Service all need a name
    removed = [
        {"$patch": "delete", keys[0]: item[keys[0]]}
        for item in live
        if key_of(item, keys) not in wanted and item.get("name") in excluded
    ]
    return removed + [
        {key: item[key] for key in keys if key in item} | repair(item, present[key_of(item, keys)])
        if key_of(item, keys) in present
        else item
        for item in desired
        if differs(item, present.get(key_of(item, keys)))
    ]
