"""Which transitions of the status are worth an event, and what it says: `containerapp.core.events`."""

from __future__ import annotations

import pytest

from containerapp.core import events
from containerapp.core.events import Event, event_manifest, transitions
from containerapp.core.model import Manifest
from tests.builders import DIGEST, NOW, UID, app_manifest


def _status(**conditions: tuple[str, str]) -> Manifest:
    return {
        "conditions": [
            {"type": kind, "status": status, "reason": reason, "message": f"{reason} it is."}
            for kind, (status, reason) in conditions.items()
        ],
        "image": {"requested": "shop:1.4.2", "digest": DIGEST},
        "readyReplicas": 3,
    }


RUNNING = _status(Ready=("True", "Running"), ImageResolved=("True", "Resolved"))
ROLLING = _status(Ready=("False", "RollingOut"), Reconciling=("True", "RollingOut"))
SUSPENDED = _status(Ready=("True", "Suspended"))
MOVED = _status(Ready=("True", "Running"), ImageResolved=("True", "TagMoved"))
BLOCKED = _status(Ready=("False", "AccessDenied"), Stalled=("True", "AccessDenied"))
ELSEWISE = _status(Ready=("False", "ImageNotFound"), Stalled=("True", "ImageNotFound"))
DONE = Event(type="Normal", reason="RolledOut", message=f"shop:1.4.2 ({DIGEST}) runs in 3 Pods.")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ({}, ROLLING, []),
        ({}, RUNNING, [DONE]),
        (ROLLING, RUNNING, [DONE]),
        (SUSPENDED, RUNNING, [DONE]),
        (BLOCKED, RUNNING, [DONE]),
        (RUNNING, ROLLING, []),
        (RUNNING, SUSPENDED, [events.suspended()]),
        (RUNNING, BLOCKED, [events.stalled("AccessDenied", "AccessDenied it is.")]),
        (BLOCKED, ELSEWISE, [events.stalled("ImageNotFound", "ImageNotFound it is.")]),
        (RUNNING, MOVED, [events.tag_moved("TagMoved it is.")]),
        (MOVED, RUNNING, []),
        ({}, {}, []),
    ],
)
def test_tells_what_has_happened(old: Manifest, new: Manifest, told: list[Event]) -> None:
    """Each turn of Ready, Stalled and the tag is told in words of its own; progress is not."""
    assert list(transitions(old, new)) == told


@pytest.mark.parametrize("status", [RUNNING, ROLLING, SUSPENDED, MOVED, BLOCKED])
def test_tells_nothing_twice(status: Manifest) -> None:
    """A status with other counts and messages is the same state: no event."""
    again = {
        **status,
        "readyReplicas": 1,
        "conditions": [{**condition, "message": "In other words."} for condition in status["conditions"]],
    }
    assert list(transitions(status, again)) == []


def test_one_pod_is_not_called_pods() -> None:
    """The most common app has one."""
    assert events.rolled_out("shop:1", DIGEST, 1).message == f"shop:1 ({DIGEST}) runs in 1 Pod."


def test_an_event_stands_under_its_app() -> None:
    """`kubectl describe` finds it by kind, name and uid; names and messages keep within Kubernetes' bounds."""
    app = app_manifest(name="s" * 63)
    manifest = event_manifest(events.stalled("AccessDenied", "x" * 5000), app, NOW)
    assert manifest["involvedObject"] == {
        "apiVersion": "containerapp.dev/v1alpha1",
        "kind": "ContainerApp",
        "name": "s" * 63,
        "namespace": "default",
        "uid": UID,
        "resourceVersion": "1",
    }
    assert manifest["metadata"] == {"generateName": f"{'s' * 50}-", "namespace": "default"}
    assert (manifest["type"], manifest["reason"]) == ("Warning", "AccessDenied")
    assert len(manifest["message"]) == 1000
    assert manifest["firstTimestamp"] == manifest["lastTimestamp"] == NOW
    assert manifest["source"]["component"] == manifest["reportingComponent"] == "containerapp-operator"
