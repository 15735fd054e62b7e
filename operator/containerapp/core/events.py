"""Events for `kubectl describe`: which transitions of the status deserve one, each by a named constructor. Pure.

Called by the reconcile after a status was written; events tell what conditions cannot: that something happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from containerapp.api.containerapp import API_VERSION, KIND
from containerapp.core.model import MANAGER, Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line under `kubectl describe`."""

    type: str
    reason: str
    message: str


def rolled_out(image: str, digest: str, pods: int) -> Event:
    """All Pods run the wanted version."""
    noun = "Pod" if pods == 1 else "Pods"
    return Event(type="Normal", reason="RolledOut", message=f"{image} ({digest}) runs in {pods} {noun}.")


def suspended() -> Event:
    """The last Pod has ended because the user asked for it."""
    return Event(type="Normal", reason="Suspended", message="No Pod runs while spec.suspend is true.")


def stalled(reason: str, message: str) -> Event:
    """Nothing goes on until somebody acts."""
    return Event(type="Warning", reason=reason, message=message)


def tag_moved(message: str) -> Event:
    """The tag points to another digest than the one that runs."""
    return Event(type="Normal", reason="TagMoved", message=message)


def held_off(seconds: float) -> Event:
    """What is asked for now is written later."""
    message = (
        f"The app, or what it consists of, is changed too often: it is written again in {seconds:.0f} s, as is asked "
        "for by then. See what edits it without end, or undoes what the operator writes."
    )
    return Event(type="Warning", reason="HeldOff", message=message)


def transitions(old: Manifest, new: Manifest) -> Iterator[Event]:
    """Yield an event for each noteworthy difference between two statuses."""
    before, after = _conditions(old), _conditions(new)
    ready, image = after.get("Ready", {}), new.get("image", {})
    if ready.get("status") == "True" and _turned(before, after, "Ready"):
        if ready["reason"] == "Suspended":
            yield suspended()
        else:
            yield rolled_out(image.get("requested", ""), image.get("digest", ""), new.get("readyReplicas", 0))
    if after.get("Stalled") and _turned(before, after, "Stalled"):
        yield stalled(after["Stalled"]["reason"], after["Stalled"]["message"])
    if after.get("ImageResolved", {}).get("reason") == "TagMoved" and _turned(before, after, "ImageResolved"):
        yield tag_moved(after["ImageResolved"]["message"])


def event_manifest(event: Event, app: Manifest, now: str) -> Manifest:
    """Return the Event object about `app`, dated `now` (RFC 3339)."""
    metadata = app["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{metadata['name'][:50]}-", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
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


def _conditions(status: Manifest) -> dict[str, Manifest]:
    return {condition["type"]: condition for condition in status.get("conditions", [])}


def _turned(before: dict[str, Manifest], after: dict[str, Manifest], kind: str) -> bool:
    old, new = before.get(kind, {}), after[kind]
    return (old.get("status"), old.get("reason")) != (new["status"], new["reason"])
