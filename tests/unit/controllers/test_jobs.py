"""ContainerJob's decisions: which runs start, wait, end and are kept, and what the status says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from containerapp.controllers.containerjob.choice import choose
from containerapp.controllers.containerjob.controller import CONTAINER_JOB, gather
from containerapp.controllers.containerjob.events import transitions
from containerapp.controllers.containerjob.failure import Finding, examine
from containerapp.controllers.containerjob.runs import Run, SpecRun
from containerapp.controllers.workloads.identity import KIND as ASSOCIATION
from containerapp.core.external import Awaited, Refused
from containerapp.core.model import (
    Failed,
    Manifest,
    ObjectRef,
    Outcome,
    Pending,
    Resolved,
    View,
)
from containerapp.core.policy import Platform, Policy, SecretStores
from containerapp.errors import Blocked, InvalidSpec, Transient
from tests.builders import DIGEST, NOW, by_ref
from tests.expectations import conditions
from tests.jobs import AT, a_job, digests, edited, ended, job_names, job_view, ready, reconciled, with_status


def test_a_new_job_runs_once() -> None:
    """By the digest, and never again while the spec stays, whatever becomes of its Job."""
    view, status, _ = reconciled(job_view(a_job()))
    assert (job_names(view), status["phase"], ready(status)) == (
        ["report-1"],
        "Pending",
        ("False", "Running", {"Reconciling"}),
    )
    view, status, _ = reconciled(ended(view, succeeded=1))
    assert (status["phase"], ready(status)) == ("Succeeded", ("True", "Completed", set()))
    assert conditions(status)["Complete"]["status"] == "True"
    view, status, _ = reconciled(replace(view, live={}))
    assert job_names(view) == []
    assert (status["phase"], ready(status)) == ("Succeeded", ("True", "Completed", set()))


def test_a_job_that_was_deleted_while_it_ran_has_failed() -> None:
    """It does not come back by itself: its user has ended it."""
    view, _, _ = reconciled(job_view(a_job()))
    view, status, _ = reconciled(replace(view, live={}))
    assert (job_names(view), status["phase"]) == ([], "Failed")
    assert ready(status) == ("False", "RunFailed", {"Stalled"})
    assert conditions(status)["Failed"]["status"] == "True"


def test_a_crash_between_the_job_and_the_status_makes_no_second_run() -> None:
    """The Job itself says what it answers."""
    job = a_job(None, now="")
    view, _, _ = reconciled(job_view(job, ()))
    again, _, gathered = reconciled(replace(view, obj=job))
    assert job_names(again) == job_names(view)
    assert gathered.inputs.choice.start == ()


@pytest.mark.parametrize(
    ("policy", "names"),
    [
        ("Queue", ["report-1"]),
        ("Forbid", ["report-1"]),
        ("Allow", ["report-1", "report-2"]),
        ("Replace", ["report-2"]),
    ],
)
def test_a_changed_spec_while_a_run_goes_on(policy: str, names: list[str]) -> None:
    """The running Job never changes."""
    view, _, _ = reconciled(job_view(a_job({"concurrencyPolicy": policy})))
    view, _, _ = reconciled(edited(view, {"concurrencyPolicy": policy, "args": ["new"]}))
    assert job_names(view) == names


def test_a_run_that_waits_starts_when_the_other_has_ended() -> None:
    """And what is back to an earlier spec is a run of its own."""
    view, _, _ = reconciled(job_view(a_job()))
    view, _, _ = reconciled(edited(view, {"args": ["new"]}))
    view, status, _ = reconciled(ended(view))
    assert (job_names(view), status["run"]) == (["report-1", "report-2"], "report-2")
    view, _, _ = reconciled(edited(ended(view), {}))
    assert job_names(view) == ["report-1", "report-2", "report-3"]


def test_replace_and_forbid_leave_runs_out() -> None:
    """They count as answered."""
    for policy in ("Replace", "Forbid"):
        view, status, _ = reconciled(job_view(a_job({"concurrencyPolicy": policy}, None, a="", b="")))
        assert len(job_names(view)) == 1
        assert status["answered"] == ["a", "b"]


def test_a_run_on_demand_replaces_that_of_the_spec_for_good() -> None:
    """It has the newest spec: the one that was left out must not come back and end it."""
    view, _, _ = reconciled(job_view(a_job({"concurrencyPolicy": "Replace"}, None, now="")))
    first = job_names(view)
    for _ in range(2):
        view, status, _ = reconciled(view)
    assert (len(first), job_names(view), status["phase"]) == (1, first, "Pending")
    view, _, _ = reconciled(ended(replace(view, live={})))
    assert job_names(view) == []
    view, _, _ = reconciled(edited(view, {"concurrencyPolicy": "Replace", "args": ["new"]}, now=""))
    assert job_names(view) == ["report-2"]


def test_a_job_that_is_only_registered_runs_nothing() -> None:
    """Where `onChange` says so, neither its creation nor a change makes a run: GitOps tools find it Ready."""
    spec = {"onChange": "Wait"}
    view, status, _ = reconciled(job_view(a_job(spec)))
    assert (job_names(view), status["phase"], ready(status)) == ([], "OnDemand", ("True", "OnDemand", set()))
    assert "run.containerapp.dev/$(date +%s)=" in conditions(status)["Ready"]["message"]
    view, _, _ = reconciled(edited(view, {**spec, "args": ["new"]}))
    assert job_names(view) == []
    view, status, _ = reconciled(edited(view, {**spec, "args": ["new"]}, go=""))
    assert len(job_names(view)) == 1
    assert (status["answered"], ready(status)) == (["go"], ("False", "Running", {"Reconciling"}))
    view, _, _ = reconciled(edited(ended(view), {**spec, "args": ["newer"]}, go=""))
    assert len(job_names(view)) == 1
    view, _, _ = reconciled(edited(view, {"args": ["newer"]}, go=""))
    assert "report-1" in job_names(view)


def test_a_failed_run_on_demand_does_not_stall_the_job() -> None:
    """Its definition is as it should be; `Failed` and the phase say how the newest run went."""
    view, _, _ = reconciled(job_view(a_job({"onChange": "Wait"}, None, go="")))
    _, status, _ = reconciled(ended(view, "Failed"))
    assert (status["phase"], ready(status)) == ("Failed", ("True", "OnDemand", set()))
    failed = conditions(status)["Failed"]
    assert (failed["status"], "Run it again: kubectl" in failed["message"]) == ("True", True)
    assert "Change the spec" not in failed["message"]


def test_runs_are_kept_by_count_and_age() -> None:
    """Those that the status does not know yet are kept in any case."""
    spec = {"successfulJobsHistoryLimit": 1, "failedJobsHistoryLimit": 0, "concurrencyPolicy": "Allow"}
    view, _, _ = reconciled(job_view(a_job(spec, None, a="", b="")))
    before = job_names(view)
    fresh = replace(ended(view), obj=a_job(spec, None, a="", b=""))
    assert job_names(reconciled(fresh)[0]) == before
    view, status, _ = reconciled(ended(view))
    assert len(job_names(view)) == 1
    assert len(status["runs"]) == 3
    assert job_names(reconciled(edited(view, {**spec, "ttlSecondsAfterFinished": 10}, a="", b=""))[0]) == []
    _, _, gathered = reconciled(edited(view, {**spec, "ttlSecondsAfterFinished": 90}, a="", b=""))
    assert gathered.again_after == 30.0
    view, _, _ = reconciled(job_view(a_job(spec)))
    assert job_names(reconciled(ended(view, "Failed"))[0]) == []


def test_a_suspended_job_starts_nothing() -> None:
    """It is Ready, and runs what is due once it goes on."""
    view, status, _ = reconciled(job_view(a_job({"suspend": True}, None, a="")))
    assert (job_names(view), status["phase"], ready(status)) == (
        [],
        "Suspended",
        ("True", "Suspended", set()),
    )
    view, status, _ = reconciled(edited(view, {}, a=""))
    assert job_names(view) == ["report-1"]


def test_a_schedule_is_ready_and_reports_the_cron_jobs_runs() -> None:
    """They belong to the CronJob, which deletes them."""
    view, status, _ = reconciled(job_view(a_job({"schedule": "@daily"})))
    assert (status["phase"], ready(status)) == ("Scheduled", ("True", "Scheduled", set()))
    cron_job = view.live[ObjectRef(api_version="batch/v1", kind="CronJob", name="report")]
    owner = {"kind": "CronJob", "name": "report"}
    made = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "report-29",
            "namespace": "default",
            "creationTimestamp": NOW,
            "ownerReferences": [owner],
        },
        "spec": {},
        "status": {"active": 1, "startTime": NOW},
    }
    stranger = {**made, "metadata": {"name": "other", "namespace": "default"}}
    live = {**view.live, ObjectRef.of(cron_job): {**cron_job, "status": {"lastScheduleTime": NOW}}}
    view, status, _ = reconciled(replace(view, live=live, dependents=by_ref([made, stranger])))
    assert (status["phase"], status["run"], status["lastScheduleTime"]) == ("Running", "report-29", NOW)
    assert ready(status) == ("True", "Scheduled", set())
    assert [run["trigger"] for run in status["runs"]] == ["Schedule"]


def test_started_is_enough_where_it_says_so() -> None:
    """For jobs that a GitOps tool must not wait for."""
    view, _, _ = reconciled(job_view(a_job({"readyWhen": "Started", "array": {"size": 3}})))
    running = with_status(view, {"active": 2, "succeeded": 1, "failed": 1})
    _, status, _ = reconciled(replace(running, finding=Finding(sentence="It is slow.")))
    assert ready(status) == ("True", "Started", set())
    assert conditions(status)["Ready"]["message"] == (
        "Job report-1: 1 of 3 Pods have succeeded, 2 active, 1 attempt has failed. It is slow."
    )
    _, status, _ = reconciled(with_status(view, {"failed": 2}))
    assert "1 of 3" not in conditions(status)["Ready"]["message"]
    assert "2 attempts have failed" in conditions(status)["Ready"]["message"]


def test_of_secrets_that_a_driver_mounts_nobody_can_say_whether_they_are_there() -> None:
    """Each Pod of each run mounts them again."""
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:report-AbCdEf"
    job = a_job({"secrets": [{"name": "PASSWORD", "valueFrom": arn}]})
    _, status, _ = reconciled(job_view(job, platform=Platform(secrets=SecretStores(backend="csi"))))
    found = conditions(status)["SecretsReady"]
    assert (found["status"], found["reason"]) == ("Unknown", "Mounting")


def _asked(view: View) -> str:
    listing = CONTAINER_JOB.listing(view)
    assert listing is not None
    return listing.selector


def test_a_failed_run_is_stalled_and_says_why() -> None:
    """The Pods are asked once more; what they show stays in the status."""
    view, _, _ = reconciled(job_view(a_job({"array": {"size": 9}})))
    assert _asked(view) == "batch.kubernetes.io/job-name=report-1"
    view, status, _ = reconciled(ended(view, "Failed", failedIndexes="1,3-5", failed=4))
    assert ready(status) == ("False", "RunFailed", {"Stalled"})
    assert status["failedIndexes"] == "1,3-5"
    message = conditions(status)["Failed"]["message"]
    assert message.startswith(
        "Job report-1 has failed. Failed indexes: 1,3-5. Because: It is so. Change the spec, or run"
    )
    assert _asked(view).startswith("containerapp.dev/job=report,")
    found = replace(view, finding=Finding(sentence="Out of memory.", exit_code=137, output="last words"))
    view, status, _ = reconciled(found)
    expected = {"run": "report-1", "exitCode": 137, "message": "Out of memory.", "output": "last words"}
    assert status["lastFailure"] == expected
    assert CONTAINER_JOB.listing(view) is None
    _, status, _ = reconciled(replace(view, finding=None))
    assert "Out of memory." in conditions(status)["Failed"]["message"]
    assert status["lastFailure"] == expected


def test_pods_are_asked_of_what_goes_on_alone() -> None:
    """A run that has succeeded has nothing to say."""
    view, _, _ = reconciled(job_view(a_job()))
    assert CONTAINER_JOB.listing(ended(view)) is None
    assert CONTAINER_JOB.listing(job_view(a_job())) is None


@pytest.mark.parametrize(("took", "said"), [(0, "0s"), (61, "1m1s"), (3600, "1h"), (90061, "25h1m1s")])
def test_says_how_long_a_run_took(took: int, said: str) -> None:
    """As kubectl writes it."""
    view, _, _ = reconciled(job_view(a_job()))
    start = (AT - timedelta(seconds=took)).isoformat()
    _, status, _ = reconciled(ended(view, ago=0, startTime=start))
    assert status["duration"] == said


def test_what_a_run_needs_is_waited_for() -> None:
    """Nothing starts, nothing is deleted, and the status names what is missing."""
    view = job_view(a_job())
    _, status, gathered = reconciled(view, Pending())
    assert (gathered.complete, gathered.waits) == (False, True)
    assert ready(status) == ("False", "ResolvingImage", {"Reconciling"})
    assert status["phase"] == "Pending"
    after, status, gathered = reconciled(view, Failed(error=Blocked("ImageNotFound", "No such tag.")))
    assert (job_names(after), gathered.error is not None) == ([], True)
    assert ready(status) == ("False", "ImageNotFound", {"Stalled"})
    refused = {ASSOCIATION: Refused(error=Blocked("Denied", "No."))}
    _, status, gathered = reconciled(replace(view, external=refused))
    assert ready(status) == ("False", "Denied", {"Stalled"})
    _, _, gathered = reconciled(replace(view, external={ASSOCIATION: Awaited(message="Soon.")}))
    assert gathered.waits


def test_the_images_of_further_containers_are_fixed_too() -> None:
    """By what the Jobs or the CronJob have on record; where the tag points now makes no run and changes no schedule."""
    moved = Resolved(digest=f"sha256:{'7' * 64}", resolved_at=0.0)
    spec = {"sidecars": [{"name": "proxy", "image": "proxy:2"}]}
    for more, kind, names in (({}, "Job", ["report-1"]), ({"schedule": "0 3 * * *"}, "CronJob", [])):
        view, _, _ = reconciled(job_view(a_job(spec | more)))
        view, status, gathered = reconciled(ended(view), moved)
        pin = gathered.inputs.ready_pin
        assert pin.of("proxy") == f"docker.io/library/proxy@{DIGEST}"
        assert (job_names(view), ready(status)[0]) == (names, "True")
        rendered = next(child for ref, child in view.live.items() if ref.kind == kind)
        assert rendered["metadata"]["annotations"]["containerapp.dev/images"]
        assert f"proxy@{DIGEST}" in str(rendered["spec"])
    view, status, gathered = reconciled(replace(view, live={}), moved)
    assert gathered.inputs.ready_pin.of("proxy").endswith("7" * 64)
    assert job_names(view) == []


def test_a_run_waits_for_the_images_of_further_containers() -> None:
    """The status names the container whose image is awaited or refused."""
    digest = f"report@{DIGEST}"
    view = job_view(a_job({"image": digest, "initContainers": [{"name": "files", "image": "files:1"}]}))
    after, status, gathered = reconciled(view, Pending())
    assert (job_names(after), gathered.waits) == ([], True)
    assert "files:1 (container files)" in conditions(status)["Ready"]["message"]
    after, status, _ = reconciled(view, Failed(error=Blocked("RegistryNotAllowed", "Not allowed.")))
    assert (job_names(after), ready(status)) == ([], ("False", "RegistryNotAllowed", {"Stalled"}))
    assert "Container files" in conditions(status)["Ready"]["message"]


def test_obstacles_come_first() -> None:
    """What went wrong when it was written, and what stands in the way."""
    ref = ObjectRef(api_version="batch/v1", kind="Job", name="report-1")
    for outcome, expected in (
        ({"error": Transient("Conflict", "Again.")}, "Conflict"),
        ({"terminating": (ref,)}, "PredecessorTerminating"),
    ):
        _, status, _ = reconciled(job_view(a_job()), **outcome)
        assert ready(status)[1] == expected


def test_a_bad_request_is_named_and_stops_no_other() -> None:
    """It is the annotation's author who has to act."""
    view, status, _ = reconciled(job_view(a_job({"concurrencyPolicy": "Allow"}, None, bad="{", good="")))
    assert len(job_names(view)) == 2
    assert ready(status) == ("False", "InvalidRunRequest", {"Stalled"})


def test_nothing_was_made_yet() -> None:
    """A run that is due says so, whatever has kept it."""
    job = a_job({"suspend": True})
    _, _, gathered = reconciled(job_view(job))
    status = CONTAINER_JOB.status(job_view(a_job()), Outcome(gathered=gathered), NOW)
    assert (status["phase"], ready(status)) == ("Waiting", ("False", "Waiting", {"Reconciling"}))
    _, _, idle = reconciled(ended(reconciled(job_view(a_job()))[0]))
    status = CONTAINER_JOB.status(job_view(a_job()), Outcome(gathered=idle), NOW)
    assert ready(status) == ("False", "Pending", {"Reconciling"})


def test_forbids_what_the_platform_forbids() -> None:
    """A job's Pods are Pods like an app's; and a word that names no parameter is the user's mistake."""
    platform = Platform(policy=Policy(security=frozenset({"runAsRoot"})))
    job = a_job({"security": {"runAsNonRoot": False}})
    assert CONTAINER_JOB.forbidden(a_job(), platform) is None
    assert isinstance(CONTAINER_JOB.forbidden(job, platform), InvalidSpec)
    unknown = CONTAINER_JOB.forbidden(a_job({"args": ["Ref::day"]}), platform)
    assert unknown is not None
    assert "Ref::day" in unknown.message


def test_settled_and_retained() -> None:
    """What a run needs stays while it goes on, and so does the account that the user names."""
    job = a_job({"serviceAccountName": "mine"})
    view, _, _ = reconciled(job_view(job))
    gathered = gather(view, digests())
    assert not CONTAINER_JOB.settled(view, gathered.inputs)
    assert {ref.name for ref in CONTAINER_JOB.retained(job, gathered.inputs)} == {"mine", "report-1"}
    over = ended(view)
    assert CONTAINER_JOB.settled(over, gather(over, digests()).inputs)


def test_a_malformed_record_is_older_than_all() -> None:
    """Another client has edited the status or a Job."""
    assert SpecRun.read("nonsense") == SpecRun()
    assert str(SpecRun.read("3-abc")) == "3-abc"
    manifest = {"metadata": {"name": "x"}, "spec": {}}
    assert Run.read(manifest, own=True).phase == "Pending"
    assert choose(a_job(), None, (), AT).start == ()


def _pod(name: str, phase: str, *, code: int | None = None, reason: str = "", at: str = NOW) -> Manifest:
    terminated = {"exitCode": code, "reason": "Error", "message": f"words of {name}", "finishedAt": at}
    container = {"name": "app", "ready": False, "restartCount": 0, "state": {"terminated": terminated}}
    return {
        "metadata": {"name": name, "namespace": "default", "creationTimestamp": NOW},
        "spec": {"containers": [{"name": "app"}]},
        "status": {
            "phase": phase,
            **({"reason": reason} if reason else {}),
            **({"containerStatuses": [container]} if code is not None else {}),
        },
    }


def test_the_pod_that_failed_last_explains_the_run() -> None:
    """Its exit code, its words; one that was ended by its time-out needs another remedy than the diagnosis has."""
    finding = examine(
        [_pod("old", "Failed", code=1), _pod("new", "Failed", code=42, at="2026-01-02T09:00:00Z")]
    )
    assert (finding.exit_code, finding.output) == (42, "words of new")
    assert "new" in finding.sentence
    assert examine([_pod("good", "Succeeded", code=0)]) == Finding()
    late = examine([_pod("late", "Failed", code=137, reason="DeadlineExceeded")])
    assert "spec.attemptTimeoutSeconds" in late.sentence
    assert examine([_pod("lost", "Failed", reason="NodeLost")]).exit_code is None
    assert examine([_pod("odd", "Failed", code=0)]).exit_code is None


def _said(old: Mapping[str, Any], new: Manifest) -> list[str]:
    return [event.reason for event in transitions(dict(old), new)]


def test_events_tell_of_runs() -> None:
    """That one was made, how it has ended, and what an edit is needed for."""
    view, first, _ = reconciled(job_view(a_job()))
    assert _said({}, first) == ["RunStarted"]
    _, second, _ = reconciled(ended(view))
    assert _said(first, second) == ["Completed"]
    assert _said(second, second) == []
    _, third, _ = reconciled(ended(view, "Failed"))
    assert _said(first, third) == ["RunFailed"]
    _, refused, _ = reconciled(
        job_view(a_job(None, None, bad="{")), Failed(error=Blocked("ImageNotFound", "No."))
    )
    assert _said({}, refused) == ["ImageNotFound"]
