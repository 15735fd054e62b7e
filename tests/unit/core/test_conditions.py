"""Conditions by the rules of kstatus, for any kind: `containerapp.core.conditions`."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from containerapp.core.conditions import (
    Condition,
    by_type,
    dated,
    in_progress_since,
    invalid_status,
    is_urgent,
    optional_kinds,
    state_of,
    turned,
)
from containerapp.core.model import Child, Manifest, Resource
from containerapp.errors import InvalidSpec
from tests.builders import BEFORE, DIGEST, LATER, NOW, app_manifest
from tests.expectations import assert_follows_kstatus, conditions, summary


def _condition(kind: str, status: str, reason: str = "Because") -> Condition:
    return Condition(type=kind, status=status, reason=reason, message=f"{reason}.")


def _status(*listed: Condition, now: str = NOW, **fields: Any) -> Manifest:
    return {"observedGeneration": 1, "conditions": dated(listed, {}, 1, now), **fields}


RUNNING = _status(
    _condition("Ready", "True", "Running"),
    _condition("ImageResolved", "True", "Resolved"),
    _condition("Available", "True", "PodsAvailable"),
    _condition("RolledOut", "True", "RolloutComplete"),
    replicas=1,
    readyReplicas=1,
    image={"requested": "shop:1", "digest": DIGEST},
    resources=[{"kind": "Service", "name": "shop"}],
    url="http://shop.default.svc",
)
ROLLING = _status(
    _condition("Ready", "False", "RollingOut"),
    _condition("Reconciling", "True", "RollingOut"),
    _condition("Available", "True", "PodsAvailable"),
    now=BEFORE,
    replicas=2,
)


def _with(given: Manifest, kind: str, **fields: Any) -> Manifest:
    changed = deepcopy(given)
    conditions(changed)[kind].update(fields)
    return changed


# --- times -----------------------------------------------------------------------------------------


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    """Another reason or message is no transition."""
    old = {"observedGeneration": 1, "conditions": dated([_condition("Ready", "False")], {}, 1, BEFORE)}
    (kept,) = dated([_condition("Ready", "False", "Otherwise")], old, 2, NOW)
    assert kept == {
        "type": "Ready",
        "status": "False",
        "observedGeneration": 2,
        "lastTransitionTime": BEFORE,
        "reason": "Otherwise",
        "message": "Otherwise.",
    }
    (turned_true,) = dated([_condition("Ready", "True")], old, 2, NOW)
    assert turned_true["lastTransitionTime"] == NOW


def test_the_default_of_the_api_server_has_no_time_of_ours() -> None:
    """It stands in the status of a new object, with no generation observed."""
    default = _status(_condition("Ready", "Unknown"), now=BEFORE) | {"observedGeneration": -1}
    (condition,) = dated([_condition("Ready", "Unknown")], default, 1, NOW)
    assert condition["lastTransitionTime"] == NOW
    assert dated([_condition("Ready", "Unknown")], {}, 1, NOW) == [condition]


# --- a spec that cannot be read --------------------------------------------------------------------


def test_a_spec_that_cannot_be_read_leaves_all_else_as_it_was() -> None:
    """The last good version runs on, and the status still describes it."""
    broken = app_manifest({"replicas": "many"}, status=ROLLING, generation=2)
    status = invalid_status(broken, InvalidSpec("InvalidSpec", "spec.replicas: correct it"), NOW)
    assert_follows_kstatus(status)
    assert summary(status) == {
        "Ready": ("False", "InvalidSpec"),
        "Stalled": ("True", "InvalidSpec"),
        "Available": ("True", "PodsAvailable"),
    }
    assert conditions(status)["Ready"]["message"] == "spec.replicas: correct it"
    assert conditions(status)["Ready"]["lastTransitionTime"] == BEFORE
    assert conditions(status)["Stalled"]["lastTransitionTime"] == NOW
    assert (status["observedGeneration"], status["replicas"]) == (2, 2)


@pytest.mark.parametrize("given", [{}, {"status": None}])
def test_a_spec_that_could_never_be_read_has_a_status_too(given: Manifest) -> None:
    """The very first manifest may be the broken one; to say it again changes nothing."""
    manifest = {**app_manifest({"replicas": "many"}), **given}
    error = InvalidSpec("InvalidSpec", "spec.replicas: correct it")
    status = invalid_status(manifest, error, NOW)
    assert_follows_kstatus(status)
    assert invalid_status({**manifest, "status": status}, error, LATER) == status


# --- what cannot wait ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("new", "urgent"),
    [
        (RUNNING, False),
        ({**RUNNING, "replicas": 2, "readyReplicas": 2, "resources": []}, False),
        (_with(RUNNING, "Ready", message="In other words."), False),
        (_with(RUNNING, "RolledOut", status="False"), False),
        (_with(RUNNING, "Ready", status="False"), True),
        (_with(RUNNING, "Ready", reason="Suspended"), True),
        (_with(RUNNING, "ImageResolved", reason="TagMoved"), True),
        (_with(RUNNING, "Available", status="False"), True),
        ({**RUNNING, "url": "http://elsewhere"}, True),
        ({**RUNNING, "observedGeneration": 2}, True),
        ({**RUNNING, "image": {"requested": "shop:2"}}, True),
        ({}, True),
    ],
)
def test_only_what_is_waited_for_is_urgent(new: Manifest, *, urgent: bool) -> None:
    """Another count of Pods may wait for the next patch; readiness, lost availability and addresses may not."""
    assert is_urgent(RUNNING, new) is urgent


def test_an_object_that_is_edited_without_end_has_no_status_for_each_edit() -> None:
    """Its writes wait, and so does the news of each further generation; the first and the last are urgent."""
    limited = _with(RUNNING, "Ready", status="False", reason="RateLimited")
    assert is_urgent(RUNNING, limited)
    assert not is_urgent(limited, {**limited, "observedGeneration": 2})
    assert is_urgent(limited, RUNNING)


def test_availability_that_comes_back_may_wait_for_the_next_patch() -> None:
    """It is a step on the way to Ready, which is urgent itself."""
    assert not is_urgent(_with(RUNNING, "Available", status="False"), RUNNING)


# --- what a status sums up to ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listed", "state"),
    [
        ({"Ready": "True"}, "ready"),
        ({"Ready": "False", "Stalled": "True"}, "stalled"),
        ({"Ready": "False", "Reconciling": "True"}, "progressing"),
        ({"Ready": "Unknown"}, "progressing"),
        ({}, "progressing"),
    ],
)
def test_one_word_says_how_an_object_fares(listed: dict[str, str], state: str) -> None:
    """The metrics count objects by it; one without a status has only just been created."""
    assert state_of({"status": _status(*(_condition(*item) for item in listed.items()))}) == state
    assert state_of({}) == state_of({"status": None}) == "progressing"


@pytest.mark.parametrize(
    ("listed", "since"),
    [
        ([_condition("Ready", "False"), _condition("Reconciling", "True")], NOW),
        ([_condition("Ready", "False"), _condition("Stalled", "True")], NOW),
        ([_condition("Ready", "True")], None),
        ([], None),
    ],
)
def test_says_since_when_an_object_is_not_ready(listed: list[Condition], since: str | None) -> None:
    """A rollout is timed by it, also over a restart of the operator."""
    expected = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC) if since else None
    assert in_progress_since({"status": _status(*listed)}) == expected
    assert in_progress_since({}) is None


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (RUNNING, False),
        (_with(RUNNING, "Ready", message="In other words."), False),
        (_with(RUNNING, "Ready", reason="Suspended"), True),
        (_with(RUNNING, "Ready", status="False"), True),
        ({}, True),
    ],
)
def test_a_condition_turns_with_its_status_or_its_reason(new: Manifest, *, expected: bool) -> None:
    """Events are made from it."""
    assert turned(RUNNING, new, "Ready") is expected
    assert turned(new, RUNNING, "Ready") is expected
    assert not turned({}, {}, "Ready")
    assert by_type({}) == {}


# --- kinds that may be absent ----------------------------------------------------------------------


def test_says_of_each_optional_kind_whether_it_is_installed() -> None:
    """What is missing without it, and how to get it."""
    scaler = Resource(
        api_version="keda.sh/v1alpha1",
        kind="ScaledObject",
        plural="scaledobjects",
        optional=True,
        install="Install KEDA.",
    )
    child = Child(
        resource=scaler,
        render=lambda _app, _inputs: iter(()),
        condition="Scaled",
        purpose="Nothing scales the Pods.",
    )
    (absent,) = optional_kinds([child], frozenset({scaler}))
    (present,) = optional_kinds([child], frozenset())
    assert absent == Condition(
        type="Scaled",
        status="False",
        reason="KindNotInstalled",
        message="Nothing scales the Pods. The cluster has no kind ScaledObject (keda.sh/v1alpha1). Install KEDA.",
    )
    assert present == Condition(
        type="Scaled", status="True", reason="Applied", message="The ScaledObject is applied."
    )
    assert list(optional_kinds([], frozenset({scaler}))) == []
    assert list(optional_kinds([replace(child, condition="")], frozenset({scaler}))) == []
