"""What differs between two versions of an object, field by field. Pure.

Called by the command line to show a plan, and what a revision has changed. What Kubernetes itself writes into every
object is left out, and so is the status.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from containerapp.core.diff import key_of, keys_of
from containerapp.core.model import HASH_ANNOTATION, Manifest

_SERVER_METADATA = frozenset(
    {
        "creationTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_DEPLOYMENT_REVISION = "deployment.kubernetes.io/revision"
_BOOKKEEPING = frozenset({HASH_ANNOTATION, _LAST_APPLIED, _DEPLOYMENT_REVISION})


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A field by its path, and its value before and after; None where it is absent."""

    path: str
    before: Any
    after: Any


def changes(before: Manifest | None, after: Manifest | None) -> tuple[FieldChange, ...]:
    """Return what differs; of an object that comes or goes, each of its fields."""
    return tuple(_changes("", "", _essence(before or {}), _essence(after or {})))


def _essence(manifest: Manifest) -> Manifest:
    """Return what users and operators write of an object."""
    metadata = manifest.get("metadata", {})
    kept = {key: value for key, value in metadata.items() if key not in _SERVER_METADATA}
    annotations = {
        key: value for key, value in (kept.pop("annotations", None) or {}).items() if key not in _BOOKKEEPING
    }
    written = {key: value for key, value in manifest.items() if key not in {"apiVersion", "kind", "status"}}
    return {**written, "metadata": {**kept, **({"annotations": annotations} if annotations else {})}}


def _changes(path: str, field: str, before: Any, after: Any) -> Iterator[FieldChange]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            yield from _changes(_below(path, key), key, before.get(key), after.get(key))
        return
    if isinstance(before, list) and isinstance(after, list) and (keys := keys_of(before or after, field)):
        old, new = ({key_of(item, keys): item for item in items} for items in (before, after))
        for key in dict.fromkeys([*old, *new]):
            yield from _changes(f"{path}[{_label(key)}]", "", old.get(key), new.get(key))
        return
    yield FieldChange(path=path, before=before, after=after)


def _below(path: str, key: str) -> str:
    if "." in key or "/" in key:
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def _label(key: tuple[Any, ...]) -> str:
    return "/".join(str(part) for part in key if part is not None)
