"""Which changes of a status deserve an event, and what it says: `containerapp.controllers.containerapp.events`."""

from __future__ import annotations

import pytest

from containerapp.controllers.containerapp import events
from containerapp.controllers.containerapp.events import transitions
from containerapp.core.events import stalled
from containerapp.core.model import Event, Manifest
from tests.builders import DIGEST


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
GONE = _status(Ready=("True", "Running"), ImageResolved=("True", "DigestGone"))
BLOCKED = _status(Ready=("False", "AccessDenied"), Stalled=("True", "AccessDenied"))
MISSING = _status(Ready=("False", "ImageNotFound"), Stalled=("True", "ImageNotFound"))
BACK = _status(Ready=("True", "RolledBack"), Stalled=("True", "RolledBack"))
MOVES = _status(Ready=("True", "Running"), Moving=("True", "StartingElsewhere"))
ENDS = _status(Ready=("True", "Running"), Moving=("True", "EndingHere"))
LATE = _status(Ready=("True", "Running"), Moving=("False", "ReplacementLate"))
DONE = Event(type="Normal", reason="RolledOut", message=f"shop:1.4.2 ({DIGEST}) runs in 3 Pods.")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({}, ROLLING, []),
        ({}, RUNNING, [DONE]),
        (ROLLING, RUNNING, [DONE]),
        (SUSPENDED, RUNNING, [DONE]),
        (BLOCKED, RUNNING, [DONE]),
        (RUNNING, ROLLING, []),
        (RUNNING, SUSPENDED, [events.suspended()]),
        (RUNNING, BLOCKED, [stalled("AccessDenied", "AccessDenied it is.")]),
        (BLOCKED, MISSING, [stalled("ImageNotFound", "ImageNotFound it is.")]),
        (RUNNING, MOVED, [events.tag_moved("TagMoved it is.")]),
        (MOVED, RUNNING, []),
        (ROLLING, BACK, [stalled("RolledBack", "RolledBack it is.")]),
        (BACK, RUNNING, [DONE]),
        (MOVED, GONE, [events.digest_gone("DigestGone it is.")]),
        (RUNNING, MOVES, [Event(type="Normal", reason="Moving", message="StartingElsewhere it is.")]),
        (MOVES, ENDS, []),
        (MOVES, LATE, [Event(type="Warning", reason="ReplacementLate", message="ReplacementLate it is.")]),
        (ENDS, RUNNING, []),
        ({}, {}, []),
    ],
)
def test_reports_what_has_happened(old: Manifest, new: Manifest, expected: list[Event]) -> None:
    """Each change of Ready, Stalled and the tag has an event; progress has none."""
    assert list(transitions(old, new)) == expected


@pytest.mark.parametrize("status", [RUNNING, ROLLING, SUSPENDED, MOVED, GONE, BLOCKED])
def test_reports_nothing_twice(status: Manifest) -> None:
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
