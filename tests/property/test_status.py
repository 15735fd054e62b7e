"""Invariants of the status, whatever was done and whatever lives: `containerapp.controllers.containerapp.status`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.containerapp.events import transitions
from containerapp.controllers.containerapp.status import compute_status
from containerapp.controllers.workloads.image import Pinned
from containerapp.core.conditions import invalid_status, is_urgent
from containerapp.core.model import Manifest, ObjectRef, Outcome
from containerapp.errors import InvalidSpec
from tests.builders import BEFORE, LATER, NOW, a_view, an_app, app_manifest, live_children
from tests.expectations import assert_follows_kstatus, conditions
from tests.strategies import live_states, outcomes, specs, unhurried


def _moment(data: st.DataObject, app: ContainerApp) -> tuple[Outcome, dict[ObjectRef, Manifest]]:
    return data.draw(outcomes()), data.draw(live_states(live_children(app)))


def _any_status(data: st.DataObject, app: ContainerApp, now: str) -> Manifest:
    outcome, live = _moment(data, app)
    return compute_status(a_view(app, live), outcome, now)


@unhurried
@given(specs(), st.data())
def test_the_status_follows_kstatus(spec: Manifest, data: st.DataObject) -> None:
    """Ready is there always; Reconciling and Stalled only while true, never both, never beside a true Ready."""
    app = an_app(spec)
    outcome, live = _moment(data, app)
    status = compute_status(a_view(app, live), outcome, NOW)
    assert_follows_kstatus(status)
    assert conditions(status).keys() >= {"Ready", "ImageResolved", "Available", "RolledOut"}
    assert all(condition["message"] and condition["reason"] for condition in status["conditions"])


@unhurried
@given(specs(), st.data())
def test_computing_it_again_later_changes_nothing(spec: Manifest, data: st.DataObject) -> None:
    """Else every reconcile would patch, and every patch would make a reconcile."""
    app = an_app(spec)
    outcome, live = _moment(data, app)
    status = compute_status(a_view(app, live), outcome, NOW)
    again = compute_status(a_view(an_app(spec, status=status), live), outcome, LATER)
    assert again == status
    assert not is_urgent(status, again)
    assert list(transitions(status, again)) == []


@unhurried
@given(specs(), st.data())
def test_a_time_changes_exactly_when_its_status_does(spec: Manifest, data: st.DataObject) -> None:
    """`lastTransitionTime` is what `kubectl wait` and alerts go by."""
    app = an_app(spec)
    old = _any_status(data, app, BEFORE)
    new = _any_status(data, an_app(spec, status=old), NOW)
    before = conditions(old)
    for kind, condition in conditions(new).items():
        kept = kind in before and before[kind]["status"] == condition["status"]
        assert condition["lastTransitionTime"] == (BEFORE if kept else NOW)


@unhurried
@given(specs(), st.data())
def test_ready_is_never_true_before_the_wanted_pods_are_available(
    spec: Manifest, data: st.DataObject
) -> None:
    """No more and no fewer Pods than wanted, all of the newest template, and nothing in the way."""
    app = an_app(spec)
    outcome, live = _moment(data, app)
    status = compute_status(a_view(app, live), outcome, NOW)
    if conditions(status)["Ready"]["status"] == "True":
        wanted = 0 if app.spec.suspend else app.spec.replicas
        assert status["replicas"] == status["updatedReplicas"] == status["readyReplicas"] == wanted
        assert outcome.error is None
        assert not outcome.terminating
        assert isinstance(outcome.gathered.inputs.image, Pinned)


@unhurried
@given(specs(), st.data())
def test_a_spec_that_cannot_be_read_is_reported_once(spec: Manifest, data: st.DataObject) -> None:
    """After whatever state the last good version was in."""
    app = an_app(spec)
    old = _any_status(data, app, BEFORE)
    error = InvalidSpec("InvalidSpec", "Correct it.")
    status = invalid_status(app_manifest(spec, status=old), error, NOW)
    assert_follows_kstatus(status)
    assert invalid_status(app_manifest(spec, status=status), error, LATER) == status
