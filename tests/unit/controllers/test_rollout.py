"""How far a rollout has come, as the Deployment says: `containerapp.controllers.containerapp.rollout`."""

from __future__ import annotations

from typing import Any

import pytest

from containerapp.controllers.containerapp.rollout import Rollout, ended
from containerapp.core.model import Manifest
from tests.builders import DEPLOYMENT, an_app, live_children, with_rollout

DEADLINE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
QUOTA = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "Quota exceeded."}


def _deployment(replicas: int = 2, **rollout: Any) -> Manifest:
    return with_rollout(live_children(an_app({"replicas": replicas}))[DEPLOYMENT], **rollout)


def test_reads_nothing_from_a_deployment_that_is_not_there() -> None:
    """All counts are zero, and nothing is done."""
    rollout = Rollout.of(None)
    assert (rollout.exists, rollout.total, rollout.updated, rollout.ready, rollout.available) == (
        False,
        0,
        0,
        0,
        0,
    )
    assert not any((rollout.complete, rollout.begun, rollout.serves, rollout.paused))


def test_a_deployment_that_is_new_has_not_been_observed() -> None:
    """It has no status yet."""
    rollout = Rollout.of(live_children(an_app())[DEPLOYMENT])
    assert (rollout.exists, rollout.observed, rollout.desired) == (True, False, 1)
    assert not any((rollout.complete, rollout.begun, rollout.serves))


@pytest.mark.parametrize(
    ("counts", "begun", "serves", "complete"),
    [
        ({"total": 2, "updated": 2, "available": 2}, True, True, True),
        ({"total": 2, "updated": 2, "available": 2, "observed": 0}, False, False, False),
        ({"total": 2, "updated": 0, "available": 2}, False, False, False),
        ({"total": 3, "updated": 1, "available": 2}, True, False, False),
        ({"total": 3, "updated": 1, "available": 3}, True, True, False),
        ({"total": 3, "updated": 2, "available": 1}, True, False, False),
        ({"total": 3, "updated": 2, "available": 2}, True, True, False),
        ({"total": 3, "updated": 3, "available": 3}, True, True, False),
        ({"total": 2, "updated": 2, "available": 1}, True, True, False),
        ({"total": 2, "updated": 2, "available": 0}, True, False, False),
        ({"total": 0, "updated": 0, "available": 0}, False, False, False),
    ],
)
def test_says_how_far_a_rollout_has_come(
    counts: dict[str, int], *, begun: bool, serves: bool, complete: bool
) -> None:
    """The new version serves for certain once more Pods are available than there are old ones."""
    rollout = Rollout.of(_deployment(**counts))
    assert (rollout.begun, rollout.serves, rollout.complete) == (begun, serves, complete)


def test_a_deployment_that_is_scaled_to_zero_is_complete() -> None:
    """No Pod is wanted, and none is there."""
    assert Rollout.of(_deployment(0, total=0, updated=0, available=0)).complete


def test_a_deadline_counts_once_the_newest_template_was_observed() -> None:
    """Before, it is that of the version before."""
    assert Rollout.of(_deployment(conditions=[DEADLINE])).deadline_exceeded
    assert not Rollout.of(_deployment(observed=0, conditions=[DEADLINE])).deadline_exceeded
    assert not Rollout.of(_deployment()).deadline_exceeded


def test_a_failure_to_create_pods_is_that_of_the_condition_while_it_is_true() -> None:
    """Such as a quota."""
    assert Rollout.of(_deployment(conditions=[QUOTA])).failure == "Quota exceeded."
    assert Rollout.of(_deployment(conditions=[{**QUOTA, "status": "False"}])).failure is None


@pytest.mark.parametrize(
    ("spec", "paused"), [({"paused": True}, True), ({"paused": False}, False), ({}, False)]
)
def test_a_deployment_can_be_paused(spec: Manifest, *, paused: bool) -> None:
    """By `kubectl rollout pause`."""
    deployment = _deployment()
    deployment["spec"] |= spec
    assert Rollout.of(deployment).paused is paused


def test_a_rollout_that_has_ended_is_complete() -> None:
    """A plan looks at what comes after it; a complete one stays as it is."""
    app = an_app({"replicas": 2})
    late = with_rollout(live_children(app)[DEPLOYMENT], total=3, updated=1, available=1, observed=0)
    assert Rollout.of(ended(late)).complete
    assert ended(ended(late)) == ended(late)
