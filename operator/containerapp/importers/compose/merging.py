"""How Compose files, and services that extend others, are merged: https://docs.docker.com/reference/compose-file/merge/.

Called by `project` with trees in their long form. Pure and total.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from containerapp.importers.documents import Tagged

_REPLACED = {"command", "entrypoint", "test"}
_NULL_COUNTS = {"environment", "labels", "args"}


def merge(base: Any, override: Any, key: str = "", parent: str = "") -> Any:
    """Return `base` with `override` over it; `key` is the name of the field, `parent` that of the map around it."""
    match base, override:
        case _, Tagged("!reset", _):
            return None
        case _, Tagged(_, value):
            return value
        case Tagged(_, value), _:
            return merge(value, override, key, parent)
        case dict(), dict():
            return _merged_maps(base, override, key)
        case list(), list() if key not in _REPLACED:
            return _merged_lists(base, override, _UNIQUE.get(key))
        case _, None if parent not in _NULL_COUNTS:
            return base
        case _:
            return override


def untagged(value: Any) -> Any:
    """Return a tree without tags: what is reset is gone."""
    match value:
        case dict():
            kept = {key: inner for key, inner in value.items() if not _is_reset(inner)}
            return {key: untagged(inner) for key, inner in kept.items()}
        case list():
            return [untagged(inner) for inner in value if not _is_reset(inner)]
        case Tagged(_, inner):
            return untagged(inner)
        case _:
            return value


def _is_reset(value: Any) -> bool:
    return isinstance(value, Tagged) and value.tag == "!reset"


def _merged_maps(base: dict[str, Any], override: dict[str, Any], key: str) -> dict[str, Any]:
    merged = {
        name: merge(inner, override[name], name, key) if name in override else inner
        for name, inner in base.items()
    }
    added = {name: inner for name, inner in override.items() if name not in base}
    both = {**merged, **added}
    return {name: inner for name, inner in both.items() if not _is_reset(override.get(name))}


def _merged_lists(base: list[Any], override: list[Any], unique: Callable[[Any], Any] | None) -> list[Any]:
    """Append what is not there; where a field makes items unique, merge those that agree in it."""
    if unique is None:
        return [*base, *(item for item in override if item not in base)]
    merged: dict[Any, Any] = {}
    for item in [*base, *override]:
        name = unique(item)
        merged[name] = merge(merged[name], item) if name in merged else item
    return list(merged.values())


def _of(*keys: str) -> Callable[[Any], Any]:
    def unique(item: Any) -> Any:
        if not isinstance(item, dict):
            return str(item)
        return tuple(str(item.get(key)) for key in keys)

    return unique


def _target(item: Any) -> Any:
    """Secrets and configs stand at the path of their name unless they name a target."""
    return str(item.get("target", item.get("source"))) if isinstance(item, dict) else str(item)


_UNIQUE: dict[str, Callable[[Any], Any]] = {
    "ports": _of("host_ip", "target", "published", "protocol"),
    "volumes": _of("target"),
    "secrets": _target,
    "configs": _target,
}
