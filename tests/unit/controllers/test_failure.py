"""When a rollout has failed, as a function of what was observed and the clock: `…controllers.containerapp.failure`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from containerapp.controllers.containerapp.failure import Finding, cause, examine, failed, threshold
from containerapp.controllers.containerapp.rollout import Rollout
from containerapp.controllers.workloads.diagnosis.kinds import CERTAIN, LIKELY, WAITING, Certainty
from containerapp.core.model import Manifest
from tests.builders import BEFORE

NOW = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
DEADLINE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}


def _ago(seconds: int) -> datetime:
    return NOW - timedelta(seconds=seconds)


def _rollout(pods: int = 2, *conditions: Manifest) -> Rollout:
    return Rollout.of(
        {
            "metadata": {},
            "spec": {"replicas": pods},
            "status": {"conditions": list(conditions), "observedGeneration": 1},
        }
    )


@pytest.mark.parametrize(
    ("certainty", "age", "failures", "ready", "expected"),
    [
        (CERTAIN, 29, 0, (), False),
        (CERTAIN, 30, 0, (), True),
        (CERTAIN, 300, 0, (10,), True),
        (CERTAIN, 300, 0, (30,), False),
        (LIKELY, 300, 2, (), False),
        (LIKELY, 300, 3, (), True),
        (LIKELY, 300, 3, (29,), True),
        (LIKELY, 300, 9, (30,), False),
        (WAITING, 300, 9, (), False),
    ],
)
def test_a_rollout_fails_when_it_cannot_become_good_any_more(
    certainty: Certainty, age: int, failures: int, ready: tuple[int, ...], *, expected: bool
) -> None:
    """A healthy Pod, ready for 30 seconds here, resets the count; slow is not failed."""
    finding = Finding(
        sentence="x", certainty=certainty, since=_ago(age), failures=failures, ready=tuple(map(_ago, ready))
    )
    assert failed(finding, _rollout(), 30, NOW) is expected


def test_a_rollout_fails_at_its_deadline_whatever_its_pods_show() -> None:
    """Also where nobody has asked them."""
    assert failed(None, _rollout(2, DEADLINE), 30, NOW)
    assert failed(Finding(ready=(_ago(60),)), _rollout(2, DEADLINE), 30, NOW)
    assert not failed(None, _rollout(), 30, NOW)


@pytest.mark.parametrize(("pods", "failures"), [(0, 3), (1, 3), (6, 3), (7, 4), (25, 13), (1000, 200)])
def test_the_threshold_is_that_of_the_circuit_breaker(pods: int, failures: int) -> None:
    """Half of the wanted Pods, from 3 to 200."""
    assert threshold(pods) == failures


def _pod(*statuses: Manifest, ready: str = "", phase: str = "Running", **metadata: Any) -> Manifest:
    conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": ready}] if ready else []
    return {
        "metadata": {"name": "shop-1", "creationTimestamp": BEFORE, **metadata},
        "status": {"containerStatuses": list(statuses), "conditions": conditions, "phase": phase},
    }


def _crashed(restarts: int, message: str = "", at: str = BEFORE, code: int = 1) -> Manifest:
    ended = {"exitCode": code, "reason": "Error", "message": message, "finishedAt": at}
    return {
        "name": "app",
        "ready": False,
        "restartCount": restarts,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": ended},
    }


def test_what_pods_show_is_summed_up() -> None:
    """Restarts of Pods that are not ready, the newest words of a failed container, and since when others are ready."""
    pods = [
        _pod(_crashed(2, "first", "2026-01-01T00:01:00Z")),
        _pod(
            _crashed(1, "PASSWORD=hunter2 second", "2026-01-01T00:02:00Z"),
            creationTimestamp="2026-01-01T00:01:00Z",
        ),
        _pod(phase="Failed", creationTimestamp="2026-01-01T00:01:00Z"),
        _pod(_crashed(9, "fine now"), ready="2026-01-01T00:03:00Z"),
        _pod(_crashed(9, "leaving"), deletionTimestamp=BEFORE),
    ]
    found = examine(pods)
    assert (found.failures, found.certainty) == (4, LIKELY)
    assert found.since == datetime.fromisoformat(BEFORE)
    assert found.ready == (datetime(2026, 1, 1, 0, 3, tzinfo=UTC),)
    assert found.output == "PASSWORD=*** second"
    assert "exit code 1" in found.sentence


def test_pods_without_trouble_show_none() -> None:
    """Nothing has failed."""
    assert examine([]) == Finding()
    assert examine([_pod(_crashed(0, code=0))]).output == ""


def test_the_output_is_bounded() -> None:
    """Two kibibytes of its end."""
    assert examine([_pod(_crashed(1, "x" * 5000 + "end"))]).output.endswith("xend")
    assert len(examine([_pod(_crashed(1, "x" * 5000))]).output) == 2048


def test_the_cause_is_what_a_pod_shows_or_else_why_there_is_none() -> None:
    """A quota keeps Pods from being created."""
    refused = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": "Quota exceeded.",
    }
    assert cause(Finding(sentence="It crashes."), _rollout(1, refused)) == "It crashes."
    assert cause(Finding(), _rollout(1, refused)).startswith("No Pod is created")
    assert cause(None, _rollout()) == ""
