"""A strategic merge patch laid over a manifest, as `kubectl patch` and kustomize do it. Pure.

Called by the overrides. Maps are merged, null removes a field, lists of Kubernetes' own kinds are merged by the key
that the API has for them, and all other lists are replaced. `$patch: delete`, `$patch: replace` and `$retainKeys` do
what they do in Kubernetes; any other directive is refused. Neither the manifest nor the patch is changed.
"""

from __future__ import annotations

from typing import Any

from containerapp.core.model import Manifest

_LIST_KEYS: dict[str, str] = {
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "resourceClaims": "name",
    "schedulingGates": "name",
    "secrets": "name",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
"""`patchMergeKey` of Kubernetes' own types; that of `ports` depends on what has them."""

_PATCH, _RETAIN = "$patch", "$retainKeys"
_REPLACE = {_PATCH: "replace"}
"""An item that has the rest of its list replace what was there."""


def merge(base: Manifest, patch: Manifest, *, strategic: bool = True) -> Manifest:
    """Return `base` with `patch` laid over it.

    Not `strategic`: lists are replaced, as they are for kinds that Kubernetes does not define itself.

    Raises:
        ValueError: the patch has a directive that is not known, an item without the key of its list, or something else
            where `base` has a map or a list.
    """
    mode = patch.get(_PATCH)
    if mode not in {None, "replace", "merge"}:
        raise ValueError(f"$patch: {mode} has no meaning here: a field is removed by null")
    retained = patch.get(_RETAIN)
    fields = {name: value for name, value in patch.items() if name not in {_PATCH, _RETAIN}}
    if unknown := next((name for name in fields if name.startswith("$")), None):
        raise ValueError(f"{unknown} is no directive: there are $patch and $retainKeys")
    kept = {} if mode == "replace" else base
    merged = {name: value for name, value in kept.items() if retained is None or name in retained}
    for name, value in fields.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value, name, strategic=strategic)
    return merged


def _merged(base: Any, value: Any, field: str, *, strategic: bool) -> Any:
    if isinstance(base, dict | list) and not isinstance(value, type(base)):
        raise ValueError(f"{field} is a {'map' if isinstance(base, dict) else 'list'}")  # noqa: TRY004
    if isinstance(value, dict):
        return merge(base if isinstance(base, dict) else {}, value, strategic=strategic)
    if not isinstance(value, list):
        return value
    given = [item for item in value if item != _REPLACE]
    key = _key_of(field, given) if strategic and given == value else None
    if key is None:
        return [_merged(None, item, "", strategic=strategic) for item in given]
    return _merged_items(base if isinstance(base, list) else [], given, field, key)


def _key_of(field: str, items: list[Any]) -> str | None:
    if field == "ports":
        return "containerPort" if any("containerPort" in item for item in items) else "port"
    return _LIST_KEYS.get(field)


def _merged_items(base: list[Any], items: list[Any], field: str, key: str) -> list[Any]:
    """Merge a list of maps by `key`, in the order of `base`, with what is new behind it."""
    merged = list(base)
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get(key), str | int):
            raise ValueError(f"each item of {field} needs its {key}, by which the list is merged")  # noqa: TRY004
        if item.get(_PATCH) == "delete":
            merged = [old for old in merged if not _same(old, item, key)]
        elif any(_same(old, item, key) for old in merged):
            merged = [merge(old, item) if _same(old, item, key) else old for old in merged]
        else:
            merged.append(merge({}, item))
    return merged


def _same(old: Manifest, item: Manifest, key: str) -> bool:
    """Whether `item` means `old`. Of two ports with one number, the protocol tells them apart where it is given."""
    protocols = "protocol" not in item or old.get("protocol", "TCP") == item["protocol"]
    return bool(old.get(key) == item[key]) and protocols
