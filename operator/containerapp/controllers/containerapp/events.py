"""Which changes of a ContainerApp's status deserve an Event. Pure.

Called by the engine after a status was written.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.core.conditions import by_type, turned
from containerapp.core.events import stalled
from containerapp.core.model import Event, Manifest


def rolled_out(image: str, digest: str, pods: int) -> Event:
    """All Pods run the wanted version."""
    noun = "Pod" if pods == 1 else "Pods"
    return Event(type="Normal", reason="RolledOut", message=f"{image} ({digest}) runs in {pods} {noun}.")


def suspended() -> Event:
    """The last Pod has ended because the app is suspended."""
    return Event(type="Normal", reason="Suspended", message="No Pod runs while spec.suspend is true.")


def tag_moved(message: str) -> Event:
    """The tag points to another digest than the one that runs."""
    return Event(type="Normal", reason="TagMoved", message=message)


def digest_gone(message: str) -> Event:
    """The registry does not have the running digest any more."""
    return Event(type="Warning", reason="DigestGone", message=message)


def transitions(old: Manifest, new: Manifest) -> Iterator[Event]:
    """Yield an event for each noteworthy difference between two statuses."""
    after, image = by_type(new), new.get("image", {})
    ready = after.get("Ready", {})
    if ready.get("status") == "True" and turned(old, new, "Ready"):
        if ready["reason"] == "Suspended":
            yield suspended()
        elif ready["reason"] == "Running":
            yield rolled_out(image.get("requested", ""), image.get("digest", ""), new.get("readyReplicas", 0))
    if after.get("Stalled") and turned(old, new, "Stalled"):
        yield stalled(after["Stalled"]["reason"], after["Stalled"]["message"])
    if after.get("Moving") and turned(old, new, "Moving"):
        yield from _move(after["Moving"])
    if turned(old, new, "ImageResolved"):
        yield from _news(after.get("ImageResolved", {}))


def _move(condition: Manifest) -> Iterator[Event]:
    """Yield that the only Pod leaves its node, or has waited in vain; its end is no event of its own."""
    match condition["reason"]:
        case "StartingElsewhere":
            yield Event(type="Normal", reason="Moving", message=condition["message"])
        case "ReplacementLate":
            yield Event(type="Warning", reason="ReplacementLate", message=condition["message"])
        case _:
            return


def _news(image: Manifest) -> Iterator[Event]:
    """Yield what has happened at the registry to the image that runs."""
    match image.get("reason"):
        case "TagMoved":
            yield tag_moved(image["message"])
        case "DigestGone":
            yield digest_gone(image["message"])
        case _:
            return
