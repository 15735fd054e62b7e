"""ContainerJob's dependencies, and runs of some indexes of an array."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerapp.controllers.containerjob.continuation import Continuation
from containerapp.controllers.containerjob.dependencies import claims, follows, state
from containerapp.controllers.containerjob.indexes import compact, parse
from containerapp.core.model import Manifest, View
from tests.expectations import conditions
from tests.jobs import a_job, edited, ended, job_names, job_view, ready, reconciled, with_status

_AFTER_IMPORT = {"dependsOn": [{"job": "import"}]}
_ARRAY = {"array": {"size": 9}}
_N_TO_N = {**_ARRAY, "dependsOn": [{"job": "import", "type": "NToN"}]}


def _peer(name: str = "import", *, after: tuple[str, ...] = (), **status: Any) -> Manifest:
    """Return a job that has succeeded, unless its status says otherwise."""
    spec = {"image": "x:1", **_ARRAY, **({"dependsOn": [{"job": each} for each in after]} if after else {})}
    outcome = status.pop("outcome", "Complete")
    said = [{"type": outcome, "status": "True"}] if outcome else []
    summary = {"type": "Ready", "status": "True" if outcome == "Complete" else "False", "reason": "Because"}
    known = {
        "observedGeneration": 1,
        "run": f"{name}-1",
        "phase": "Succeeded",
        "conditions": [*said, summary],
    }
    metadata = {"name": name, "namespace": "default", "generation": 1}
    return {"metadata": metadata, "spec": spec, "status": {**known, **status}}


def _seen(spec: Manifest, *peers: Manifest, **annotations: str) -> View:
    return job_view(a_job(spec, None, **annotations), peers=peers)


def _stands(spec: Manifest, *peers: Manifest) -> tuple[list[str], str, str]:
    view, status, _ = reconciled(_seen(spec, *peers))
    return job_names(view), status["phase"], conditions(status)["Ready"]["reason"]


def test_a_job_runs_after_the_one_that_it_depends_on() -> None:
    """And again with each further run of that one, exactly once."""
    view, status, _ = reconciled(_seen(_AFTER_IMPORT, _peer(outcome="", phase="Running")))
    assert (job_names(view), status["phase"]) == ([], "Waiting")
    assert ready(status) == ("False", "WaitingForDependency", {"Reconciling"})
    view, _, _ = reconciled(replace(view, peers=(_peer(),)))
    view, _, _ = reconciled(ended(view))
    view, status, _ = reconciled(view)
    assert (job_names(view), status["phase"]) == (["report-1"], "Succeeded")
    view, status, _ = reconciled(replace(view, peers=(_peer(run="import-2", outcome="", phase="Running"),)))
    assert (job_names(view), status["phase"]) == (["report-1"], "Waiting")
    view, _, _ = reconciled(replace(view, peers=(_peer(run="import-2"),)))
    assert job_names(view) == ["report-1", "report-2"]


def test_a_run_that_goes_on_is_named_before_what_comes_next() -> None:
    """What waits for another job meanwhile is no news yet."""
    view, _, _ = reconciled(_seen(_AFTER_IMPORT, _peer()))
    _, status, _ = reconciled(replace(view, peers=(_peer(run="import-2", outcome="", phase="Running"),)))
    assert ready(status) == ("False", "Running", {"Reconciling"})


@pytest.mark.parametrize(
    ("peers", "reason"),
    [
        ([], "DependencyMissing"),
        ([_peer(outcome="Failed", phase="Failed")], "DependencyFailed"),
        ([_peer(observedGeneration=0)], "WaitingForDependency"),
        ([_peer(outcome="", phase="")], "WaitingForDependency"),
        ([_peer(after=("report",))], "DependencyCycle"),
        (
            [_peer(after=("other", "extract")), _peer("extract", after=("import", "report"))],
            "DependencyCycle",
        ),
        ([_peer(after=("import",))], "Running"),
    ],
)
def test_says_what_a_job_waits_for(peers: list[Manifest], reason: str) -> None:
    """A ring of others is theirs to mend."""
    names = ["report-1"] if reason == "Running" else []
    phase = "Pending" if reason == "Running" else "Waiting"
    assert _stands(_AFTER_IMPORT, *peers) == (names, phase, reason)


def test_messages_name_the_remedy() -> None:
    """In full."""
    suspended = _peer(outcome="", phase="Suspended")
    suspended["spec"]["suspend"] = True
    for peer, said in (
        (suspended, "Set its spec.suspend to false."),
        (_peer(after=("report",)), "report → import → report. Remove one"),
        (_peer(outcome="Failed", phase="Failed"), "kubectl annotate containerjob import -n default run."),
    ):
        _, status, _ = reconciled(_seen(_AFTER_IMPORT, peer))
        assert said in conditions(status)["Ready"]["message"]


def test_a_job_is_found_by_those_who_depend_on_it() -> None:
    """Its counts are no news to them; how its run has ended is."""
    job, dependent = _peer(), _peer("report", after=("import",))
    assert claims(job) == follows(dependent)
    assert follows(job) == frozenset()
    assert state(job) == state(_peer(succeeded=3, failedIndexes="4"))
    assert state(job) != state(_peer(phase="Failed"))
    assert state({"metadata": {}, "spec": {}}) != state(job)


def test_an_index_runs_after_its_own_of_the_other_array() -> None:
    """What has failed there fails here, without a Pod; the failed ones alone run again on both sides."""
    failed = _peer(outcome="Failed", phase="Failed", succeeded=7, failedIndexes="3,5")
    view, _, _ = reconciled(_seen(_N_TO_N, failed))
    (job,) = (each for ref, each in view.live.items() if ref.kind == "Job")
    assert (job["spec"]["suspend"], Continuation.read(job).status) == (
        True,
        {"completedIndexes": "", "failedIndexes": "3,5"},
    )
    view = ended(view, "Failed", succeeded=7, completedIndexes="0-2,4,6-8", failedIndexes="3,5")
    view, _, _ = reconciled(view)
    again = _peer(run="import-x", continues="import-1")
    view, _, _ = reconciled(replace(view, peers=(again,)))
    second = Continuation.read(next(each for ref, each in view.live.items() if ref.name == "report-2"))
    assert (second.succeeded, second.failed, second.continues) == ("0-2,4,6-8", "", "report-1")
    view, _, _ = reconciled(_edited_peer(ended(view), {**_N_TO_N, "args": ["new"]}))
    third = Continuation.read(next(each for ref, each in view.live.items() if ref.name == "report-3"))
    assert third.status == {}


def _edited_peer(view: View, spec: Manifest) -> View:
    return edited(view, spec)


@pytest.mark.parametrize(
    ("peer", "reason"),
    [
        (_peer(outcome="Failed", phase="Failed", succeeded=5, failedIndexes="3,5"), "DependencyFailed"),
        ({**_peer(), "spec": {"array": {"size": 8}}}, "DependencySize"),
        ({**_peer(), "spec": {}}, "DependencySize"),
        (_peer(outcome="", phase="Running"), "WaitingForDependency"),
    ],
)
def test_n_to_n_needs_an_array_of_the_same_size_that_has_ended(peer: Manifest, reason: str) -> None:
    """An index that was never tried there has not succeeded."""
    assert _stands(_N_TO_N, peer) == ([], "Waiting", reason)


def _failed_array() -> View:
    view, _, _ = reconciled(_seen(_ARRAY))
    view, _, _ = reconciled(
        ended(view, "Failed", succeeded=7, completedIndexes="0-2,4,6-8", failedIndexes="3,5", failed=2)
    )
    return view


def test_failed_indexes_run_again_alone() -> None:
    """The Job waits until its status says which have succeeded, and is released then, once."""
    view, status, _ = reconciled(edited(_failed_array(), _ARRAY, again='{"indexes": "failed"}'))
    name = status["run"]
    assert (status["continues"], status["answered"]) == ("report-1", ["again"])
    made = next(each for ref, each in view.live.items() if ref.name == name)
    assert made["spec"]["suspend"]
    view, _, _ = reconciled(view)
    (written,) = (each for ref, each in view.live.items() if ref.name == name)
    assert written["status"] == {"completedIndexes": "0-2,4,6-8", "failedIndexes": ""}
    view, _, _ = reconciled(view)
    (released,) = (each for ref, each in view.live.items() if ref.name == name)
    assert not released["spec"]["suspend"]
    assert released["metadata"]["ownerReferences"] == made["metadata"]["ownerReferences"]
    view, _, gathered = reconciled(view)
    assert gathered.inputs.choice.start == ()
    assert len(job_names(view)) == 2


def test_chosen_indexes_run_alone() -> None:
    """All others count as done."""
    view, status, _ = reconciled(edited(_failed_array(), _ARRAY, some='{"indexes": "0,7-8"}'))
    made = next(each for ref, each in view.live.items() if ref.name == status["run"])
    assert Continuation.read(made) == Continuation(succeeded="1-6")


@pytest.mark.parametrize("indexes", ["9", "8-7", "failed"])
def test_indexes_that_there_are_not_are_refused(indexes: str) -> None:
    """By a condition that says so; nothing runs."""
    view, _, _ = reconciled(_seen(_ARRAY))
    view, _, _ = reconciled(ended(view))
    view, status, _ = reconciled(edited(view, _ARRAY, some=f'{{"indexes": "{indexes}"}}'))
    assert job_names(view) == ["report-1"]
    assert ready(status) == ("False", "InvalidRunRequest", {"Stalled"})


def test_one_pod_has_no_indexes() -> None:
    """Nor has a job that never ran any that failed."""
    for indexes in ("0", "failed"):
        _, status, _ = reconciled(_seen({"onChange": "Wait"}, some=f'{{"indexes": "{indexes}"}}'))
        assert ready(status)[1] == "InvalidRunRequest"


def test_a_failed_array_names_both_remedies() -> None:
    """All of it again, or what has failed."""
    message = conditions(reconciled(_failed_array())[1])["Failed"]["message"]
    assert """$(date +%s)='{"indexes": "failed"}'""" in message
    view, _, _ = reconciled(_seen({}))
    _, status, _ = reconciled(with_status(view, {"active": 1}))
    assert "continues" not in status


@given(st.frozensets(st.integers(min_value=0, max_value=60)))
def test_indexes_are_read_as_they_are_written(indexes: frozenset[int]) -> None:
    """Kubernetes' own form."""
    assert parse(compact(indexes)) == indexes
    assert (compact([3, 4]), compact([0, 1, 2, 9])) == ("3,4", "0-2,9")
