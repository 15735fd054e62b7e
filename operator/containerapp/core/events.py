"""Events for `kubectl describe`: they say what conditions cannot, that something happened. Pure.

Made by the controllers from a change of the status, and by the engine; written by the recorder.
"""

from __future__ import annotations

from collections.abc import Sequence

from containerapp.core.external import External
from containerapp.core.model import MANAGER, Event, Key, Manifest, ObjectRef, Resource


def stalled(reason: str, message: str) -> Event:
    """Return the event of an object that needs an edit, or an act of another team."""
    return Event(type="Warning", reason=reason, message=message)


def rate_limited(changed: ObjectRef, managers: Sequence[str]) -> Event:
    """Return the event of an object whose next write waits; `managers` write to its child `changed` too."""
    others = f" Other field managers of it: {', '.join(managers)}." if managers else ""
    message = (
        f"{changed} is written too often; the next write waits.{others} Find out what edits the object "
        "continuously, or reverts what the operator writes. An autoscaler belongs in spec.autoscaling, not on the "
        "Deployment."
    )
    return Event(type="Warning", reason="RateLimited", message=message)


def adopted(ref: ObjectRef, owner: Key) -> Event:
    """Return the event of an object that a custom object has adopted."""
    message = f"{owner} has adopted {ref}. It stays when {owner.kind} {owner.name} is deleted."
    return Event(type="Normal", reason="Adopted", message=message)


def left_behind(external: External, id_: str | None, why: str) -> Event:
    """Return the event of an object whose child outside Kubernetes cannot be deleted, and is given up."""
    what = f"{external.kind} {id_}" if id_ else f"A {external.kind}, if there is one,"
    message = f"{what} is left behind: {why} To delete it: {external.remedy(id_ or '<id>')}"
    return Event(type="Warning", reason="LeftBehind", message=message)


def event_manifest(event: Event, resource: Resource, owner: Manifest, now: str) -> Manifest:
    """Return the Event object about `owner`, an object of kind `resource`, dated `now` (RFC 3339)."""
    metadata = owner["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{metadata['name'][:50]}-", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
        "type": event.type,
        "reason": event.reason,
        "message": event.message[:1000],
        "source": {"component": MANAGER},
        "reportingComponent": MANAGER,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
