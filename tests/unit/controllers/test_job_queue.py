"""ContainerJob in a queue of Kueue: suspended until Kueue releases it, and why it waits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from containerapp.controllers.containerjob.controller import CONTAINER_JOB
from containerapp.controllers.containerjob.failure import Finding
from containerapp.controllers.containerjob.queue import LOCAL_QUEUE, WATCHES, WORKLOADS, examine_workloads
from containerapp.core.model import Manifest, View
from tests.expectations import conditions
from tests.jobs import a_job, edited, ended, job_names, job_view, ready, reconciled

_QUEUED = {"queue": "team-a", "queuePriorityClass": "high"}
_THERE = {LOCAL_QUEUE.ref("team-a"): "1"}
_LABELS = {"kueue.x-k8s.io/queue-name": "team-a", "kueue.x-k8s.io/priority-class": "high"}


def _view(spec: Manifest | None = None, **fields: Any) -> View:
    return job_view(a_job(spec or _QUEUED), watched=_THERE, **fields)


def _job(view: View) -> Manifest:
    return next(each for ref, each in view.live.items() if ref.kind == "Job")


def _released(view: View) -> View:
    live = {
        ref: {**each, "spec": {**each["spec"], "suspend": False}} if ref.kind == "Job" else each
        for ref, each in view.live.items()
    }
    return replace(view, live=live)


def test_a_run_waits_in_its_queue() -> None:
    """Suspended, with the labels by which Kueue takes it; the status says why in Kueue's words."""
    view, status, _ = reconciled(_view())
    job = _job(view)
    assert (job["spec"]["suspend"], _LABELS.items() <= job["metadata"]["labels"].items()) == (True, True)
    assert ready(status) == ("False", "Queued", {"Reconciling"})
    listing = CONTAINER_JOB.listing(view)
    assert listing is not None
    assert (listing.resource, listing.selector.partition("=")[0]) == (WORKLOADS, "kueue.x-k8s.io/job-uid")
    found = Finding(sentence="insufficient unused quota for cpu", reason="Pending")
    view, status, _ = reconciled(replace(view, finding=found))
    admitted = conditions(status)["Admitted"]
    assert (admitted["status"], admitted["reason"]) == ("False", "Pending")
    assert admitted["message"] == "Job report-1 waits in the queue team-a: insufficient unused quota for cpu"
    _, status, _ = reconciled(_released(view))
    assert (conditions(status)["Admitted"]["status"], ready(status)[1]) == ("True", "Running")


def test_a_run_of_some_indexes_reaches_its_queue_once_they_are_written() -> None:
    """Kueue would release it before."""
    spec = {**_QUEUED, "array": {"size": 9}}
    view, _, _ = reconciled(_view(spec))
    view, _, _ = reconciled(ended(view, "Failed", completedIndexes="0-6,8", failedIndexes="7"))
    view, _, _ = reconciled(edited(view, spec, again='{"indexes": "failed"}'))
    name = next(each for each in job_names(view) if each != "report-1")

    def made(view: View) -> Manifest:
        return next(each for ref, each in view.live.items() if ref.name == name)

    assert not _LABELS.keys() & made(view)["metadata"]["labels"].keys()
    view, _, _ = reconciled(view)
    view, _, _ = reconciled(view)
    assert made(view)["spec"]["suspend"]
    assert _LABELS.items() <= made(view)["metadata"]["labels"].items()
    after, _, _ = reconciled(view)
    assert made(after) == made(view)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"absent": frozenset([LOCAL_QUEUE])}, "KindNotInstalled"),
        ({"watched": {LOCAL_QUEUE.ref("team-a"): ""}}, "QueueMissing"),
    ],
)
def test_nothing_starts_without_the_queue(fields: dict[str, Any], reason: str) -> None:
    """Nothing would ever release it; a schedule is suspended."""
    view, status, _ = reconciled(job_view(a_job(_QUEUED), **fields))
    assert (job_names(view), ready(status)) == ([], ("False", reason, {"Stalled"}))
    assert conditions(status)["Admitted"]["reason"] == reason
    view, _, _ = reconciled(job_view(a_job({**_QUEUED, "schedule": "@daily"}), **fields))
    (cron_job,) = (each for ref, each in view.live.items() if ref.kind == "CronJob")
    assert cron_job["spec"]["suspend"]


def test_only_the_queue_that_is_named_is_watched() -> None:
    """None without a queue."""
    (watch,) = WATCHES
    assert [*watch.refs(a_job(_QUEUED)), *watch.refs(a_job())] == ["team-a"]


def test_a_queue_that_nobody_can_see_is_left_to_kueue() -> None:
    """It says so of the Workload."""
    view, _, _ = reconciled(job_view(a_job(_QUEUED)))
    assert job_names(view) == ["report-1"]


@pytest.mark.parametrize(
    ("conditions_", "found"),
    [
        ([], Finding()),
        (
            [{"type": "QuotaReserved", "status": "False", "reason": "Pending", "message": "No quota."}],
            Finding(sentence="No quota.", reason="Pending"),
        ),
        (
            [
                {"type": "QuotaReserved", "status": "False", "reason": "Pending", "message": "No quota."},
                {"type": "Evicted", "status": "True", "reason": "Preempted", "message": "Preempted by x."},
            ],
            Finding(sentence="Preempted by x. No quota.", reason="Preempted"),
        ),
        (
            [{"type": "QuotaReserved", "status": "True", "reason": "QuotaReserved", "message": "ok"}],
            Finding(
                sentence="It has its quota, and waits for Kueue's admission checks.", reason="AdmissionChecks"
            ),
        ),
    ],
)
def test_the_newest_workload_says_why(conditions_: list[Manifest], found: Finding) -> None:
    """Of a Job that was released and evicted there may be an older one."""
    newest = {"metadata": {"creationTimestamp": "2026-01-02"}, "status": {"conditions": conditions_}}
    assert examine_workloads([{"metadata": {"creationTimestamp": "2026-01-01"}}, newest]) == found
    assert examine_workloads([]) == Finding()


@pytest.mark.parametrize("policy", ["Queue", "Forbid"])
def test_a_newer_spec_takes_the_place_of_a_run_that_its_queue_never_released(policy: str) -> None:
    """Else a run that is larger than its quota would keep all others waiting, and the edit that mends it, too."""
    spec = {**_QUEUED, "concurrencyPolicy": policy}
    view, _, _ = reconciled(_view({**spec, "args": ["large"]}))
    edit = {**spec, "args": ["small"], "queue": "team-b"}
    view, _, _ = reconciled(replace(edited(view, edit), watched={LOCAL_QUEUE.ref("team-b"): "1"}))
    assert job_names(view) == ["report-2"]


def test_a_run_that_was_released_stays_when_the_spec_changes() -> None:
    """What runs is not ended by an edit; and with `Allow` both wait."""
    view, _, _ = reconciled(_view())
    view, _, _ = reconciled(edited(_released(view), {**_QUEUED, "args": ["new"]}))
    assert job_names(view) == ["report-1"]
    both = {**_QUEUED, "concurrencyPolicy": "Allow"}
    view, _, _ = reconciled(_view(both))
    view, _, _ = reconciled(edited(view, {**both, "args": ["new"]}))
    assert job_names(view) == ["report-1", "report-2"]


def test_a_run_on_demand_keeps_its_place_in_the_queue() -> None:
    """Each trigger is one run: only that of the spec is answered by a newer spec."""
    spec = {**_QUEUED, "onChange": "Wait"}
    view, _, _ = reconciled(edited(_view(spec), spec, again="{}"))
    (name,) = job_names(view)
    view, _, _ = reconciled(edited(view, {**_QUEUED, "args": ["new"]}))
    assert job_names(view) == [name]


def test_a_waiting_run_goes_where_its_spec_says() -> None:
    """Kueue moves what it has not released; what has no queue any more is named by the one that it waits in."""
    view, _, _ = reconciled(_view())
    there = {LOCAL_QUEUE.ref("team-b"): "1"}
    moved = replace(edited(view, {"queue": "team-b"}), watched=there)
    after, status, _ = reconciled(moved)
    labels = _job(after)["metadata"]["labels"]
    assert (labels["kueue.x-k8s.io/queue-name"], "kueue.x-k8s.io/priority-class" in labels) == (
        "team-b",
        False,
    )
    assert _job(after)["spec"] == _job(view)["spec"]
    again, status, _ = reconciled(after)
    assert _job(again) == _job(after)
    assert "waits in the queue team-b" in conditions(status)["Admitted"]["message"]
    _, status, _ = reconciled(edited(view, {}))
    assert "waits in the queue team-a" in conditions(status)["Ready"]["message"]
