"""Conditions by the rules of kstatus, for any custom kind: dates, transitions, and what they sum up to. Pure.

Called by the controllers' status functions and by the engine. `Reconciling` and `Stalled` exist only while true, a
failure that needs an edit is `Stalled`, and `Ready` speaks of the newest generation alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from containerapp.core.model import Child, Manifest, Resource
from containerapp.errors import ContainerAppError

_PROGRESS = {"Available", "RolledOut"}
"""Conditions whose reasons change with each step of a rollout."""
_LISTS = {"resources", "failedIndexes"}
"""Fields of a status that grow with each step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A proposition about the object: "True", "False" or "Unknown", why, and what to do about it."""

    type: str
    status: str
    reason: str
    message: str


def dated(conditions: Iterable[Condition], old: Manifest, generation: int, now: str) -> list[Manifest]:
    """Return the conditions as JSON; the time of the last transition is carried over from the `old` status.

    The API server's own default for a new object has generation -1; its date is none of ours.
    """
    known = by_type(old) if old.get("observedGeneration", -1) >= 0 else {}
    return [
        {
            "type": each.type,
            "status": each.status,
            "observedGeneration": generation,
            "lastTransitionTime": _since(known.get(each.type), each.status) or now,
            "reason": each.reason,
            "message": each.message,
        }
        for each in conditions
    ]


def invalid_status(manifest: Manifest, error: ContainerAppError, now: str) -> Manifest:
    """Return the status of an object that nothing is done for: all that the old status says of its parts stays."""
    generation, old = manifest["metadata"]["generation"], manifest.get("status") or {}
    summary = [
        Condition(type=kind, status=status, reason=error.reason, message=error.message)
        for kind, status in (("Ready", "False"), ("Stalled", "True"))
    ]
    parts = [part for part in old.get("conditions", []) if part["type"] not in _SUMMARY]
    conditions = dated(summary, old, generation, now) + parts
    return {**old, "observedGeneration": generation, "conditions": conditions}


_SUMMARY = {"Ready", "Reconciling", "Stalled"}


def state_of(manifest: Manifest) -> str:
    """Return in one word how an object fares, as its status says: ready, progressing or stalled."""
    conditions = {
        kind: condition["status"] for kind, condition in by_type(manifest.get("status") or {}).items()
    }
    if conditions.get("Stalled") == "True":
        return "stalled"
    return "ready" if conditions.get("Ready") == "True" else "progressing"


def is_urgent(old: Manifest, new: Manifest) -> bool:
    """Whether the change from `old` to `new` is more than progress: a count, the inventory, a message."""
    lost = _available_in(old) == "True" and _available_in(new) != "True"
    return lost or (_essence(old) != _essence(new) and not (_is_limited(old) and _is_limited(new)))


def in_progress_since(manifest: Manifest) -> datetime | None:
    """Return since when the status says Reconciling or Stalled, or None where it does not."""
    conditions = by_type(manifest.get("status") or {})
    found = conditions.get("Reconciling") or conditions.get("Stalled")
    return datetime.fromisoformat(found["lastTransitionTime"]) if found else None


def optional_kinds(wanted: Iterable[Child], absent: frozenset[Resource]) -> Iterator[Condition]:
    """Yield for each optional child kind that is wanted, and has a condition, whether its definition is installed."""
    for child in wanted:
        resource = child.resource
        if not child.condition:
            continue
        if resource in absent:
            message = (
                f"{child.purpose} The cluster has no kind {resource.kind} ({resource.api_version}). "
                f"{resource.install}"
            )
            yield Condition(type=child.condition, status="False", reason="KindNotInstalled", message=message)
        else:
            message = f"The {resource.kind} is applied."
            yield Condition(type=child.condition, status="True", reason="Applied", message=message)


def by_type(status: Manifest) -> dict[str, Manifest]:
    """Return the conditions of a status by their type."""
    return {condition["type"]: condition for condition in status.get("conditions", [])}


def turned(old: Manifest, new: Manifest, kind: str) -> bool:
    """Whether the condition `kind` of the `new` status has another status or reason than in the `old` one."""
    before, after = by_type(old).get(kind, {}), by_type(new).get(kind, {})
    return (before.get("status"), before.get("reason")) != (after.get("status"), after.get("reason"))


def _since(old: Manifest | None, status: str) -> str | None:
    return str(old["lastTransitionTime"]) if old and old["status"] == status else None


def _essence(status: Manifest) -> Manifest:
    """Return what is waited for: no counts, no inventory, and of the conditions no message."""
    conditions = {
        kind: (condition["status"], condition["reason"])
        for kind, condition in by_type(status).items()
        if kind not in _PROGRESS
    }
    counts = {key for key, value in status.items() if isinstance(value, int) and key != "observedGeneration"}
    rest = {key: value for key, value in status.items() if key not in counts | _LISTS}
    return {**rest, "conditions": conditions}


def _is_limited(status: Manifest) -> bool:
    """Whether the object is edited so often that its writes wait; then its status waits, too."""
    return bool(by_type(status).get("Ready", {}).get("reason") == "RateLimited")


def _available_in(status: Manifest) -> str | None:
    return by_type(status).get("Available", {}).get("status")
