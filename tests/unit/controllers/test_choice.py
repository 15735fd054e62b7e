"""The state machine of revisions, row by row as docs/rollouts.md lists it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from containerapp.controllers.containerapp import before
from containerapp.controllers.containerapp import template as templates
from containerapp.controllers.containerapp.controller import listing
from containerapp.controllers.containerapp.failure import examine
from containerapp.controllers.containerapp.revisions import Cause, Fingerprint, Revision
from containerapp.controllers.pods.template import pod_template
from containerapp.core.model import ObjectRef, View
from containerapp.core.policy import Platform
from tests.builders import a_view, an_app, pinned
from tests.rollouts import BEGINNING, Cluster

_REVISION = Revision(
    number=1,
    fingerprint=Fingerprint(spec="", images="", facts=""),
    template="",
    pin=pinned(),
    operator="1",
    cause=Cause.CREATED,
)
BEFORE = {"before": {"args": ["migrate"]}}


def a_rolled_back(**spec: Any) -> Cluster:
    """Return an app whose revision 1 is good, and whose revision 2 has failed."""
    cluster = Cluster(spec={"image": "shop:1", **spec}, bad={"shop:2"}).settle()
    return cluster.edit(image="shop:2").settle()


def test_the_first_revision_is_good_once_its_pods_are_available() -> None:
    """It is kept as a ControllerRevision; the Deployment names it."""
    cluster = Cluster().settle()
    assert (cluster.running, cluster.revisions) == (1, [1])
    assert (cluster.status["currentRevision"], cluster.status["lastGoodRevision"]) == (1, 1)
    assert cluster.status["revisions"][0]["outcome"] == "Good"


def test_a_new_image_is_a_new_revision() -> None:
    """One write of the Deployment, one of the ControllerRevision."""
    cluster = Cluster().settle()
    cluster.writes.clear()
    cluster.edit(image="shop:2").settle()
    assert (cluster.running, cluster.revisions) == (2, [1, 2])
    assert sorted(cluster.writes) == ["ControllerRevision", "Deployment"]
    causes = [(entry["cause"], entry["outcome"]) for entry in cluster.status["revisions"]]
    assert causes == [("ImageChanged", "Good"), ("Created", "Good")]


@pytest.mark.parametrize(
    ("edit", "cause"),
    [
        ({"env": [{"name": "A", "value": "1"}]}, "SpecChanged"),
        ({"image": "shop:2", "env": [{"name": "A", "value": "1"}]}, "ImageChanged"),
        ({"image": f"shop:1@sha256:{'2' * 64}"}, "ImageChanged"),
    ],
)
def test_a_revision_says_why_it_was_made(edit: dict[str, Any], cause: str) -> None:
    """In one word."""
    cluster = Cluster().settle().edit(**edit).settle()
    assert cluster.status["revisions"][0]["cause"] == cause


@pytest.mark.parametrize(
    "edit",
    [{"replicas": 3}, {"labels": {"team": "checkout"}}, {"rollout": {"maxSurge": 2}}, {"suspend": True}],
)
def test_an_edit_that_no_pod_sees_is_no_revision(edit: dict[str, Any]) -> None:
    """And restarts nothing."""
    cluster = Cluster().settle()
    template = cluster.deployment["spec"]["template"] if cluster.deployment else None
    cluster.edit(**edit).settle()
    assert cluster.revisions == [1]
    assert cluster.deployment is not None
    assert cluster.deployment["spec"]["template"] == template


def test_a_revision_that_fails_is_rolled_back() -> None:
    """The last good one runs; what runs is Ready, what is asked for is Stalled."""
    cluster = a_rolled_back()
    assert cluster.running == 1
    assert cluster.condition("Ready") == ("True", "RolledBack")
    assert cluster.message("Ready").startswith("The Pod runs an earlier version and is available. Revision 2")
    assert cluster.condition("Stalled") == ("True", "RolledBack")
    assert cluster.condition("RolledOut") == ("False", "RolledBack")
    assert cluster.message("RolledOut").startswith("Revision 2 has failed. Pod shop-1: exit code 1.")
    assert "no database" in cluster.message("RolledOut")
    assert "Revision 1 runs." in cluster.message("RolledOut")
    assert "containerapp.dev/retry" in cluster.message("RolledOut")
    assert [entry["outcome"] for entry in cluster.status["revisions"]] == ["Failed", "Good"]


def test_a_rolled_back_revision_is_not_tried_again() -> None:
    """Nothing is written any more; not even an edit that no Pod sees brings it back."""
    cluster = a_rolled_back()
    cluster.writes.clear()
    cluster.settle()
    assert cluster.writes == []
    cluster.edit(replicas=2).settle()
    assert cluster.running == 1


def test_a_rolled_back_revision_is_tried_again_when_the_user_asks() -> None:
    """Once for each value of the annotation."""
    cluster = a_rolled_back()
    cluster.retry().reconcile()
    assert cluster.running == 2
    cluster.settle()
    assert cluster.running == 1
    cluster.bad.clear()
    assert cluster.retry("once more").settle().running == 2
    assert cluster.condition("Ready") == ("True", "Running")
    assert cluster.status["revisions"][0]["outcome"] == "Good"


def test_a_rolled_back_revision_is_tried_again_after_another_one_was_wanted() -> None:
    """The spec has changed twice."""
    cluster = a_rolled_back().edit(image="shop:1").settle()
    assert cluster.condition("RolledOut") == ("True", "RolloutComplete")
    cluster.edit(image="shop:2").reconcile()
    assert cluster.running == 2


def test_a_change_during_a_rollback_is_rolled_out() -> None:
    """The mended spec does not wait for the old version."""
    cluster = Cluster(bad={"shop:2"}).settle().edit(image="shop:2")
    cluster.reconcile()
    cluster.work()
    cluster.reconcile()
    assert cluster.running == 1, "the rollback has begun"
    cluster.edit(image="shop:3").settle()
    assert (cluster.running, cluster.condition("Ready")) == (3, ("True", "Running"))


def test_two_changes_in_quick_succession_end_at_the_last() -> None:
    """The first never was good, and is not what a rollback returns to."""
    cluster = Cluster(bad={"shop:3"}).settle()
    cluster.edit(image="shop:2").reconcile()
    cluster.edit(image="shop:3").settle()
    assert (cluster.running, cluster.status["lastGoodRevision"]) == (1, 1)
    outcomes = [entry["outcome"] for entry in cluster.status["revisions"]]
    assert outcomes == ["Failed", "Superseded", "Good"]


def test_a_spec_equal_to_an_old_revision_is_that_revision() -> None:
    """Its Pods are the same, so its number is."""
    cluster = Cluster().settle().edit(image="shop:2").settle().edit(image="shop:1").settle()
    assert (cluster.running, cluster.revisions) == (1, [1, 2])
    assert cluster.status["lastGoodRevision"] == 1


def test_a_first_revision_that_fails_is_stalled() -> None:
    """There is nothing to go back to, and nothing is written again and again."""
    cluster = Cluster(bad={"shop:1"}).settle()
    assert cluster.running == 1
    assert cluster.condition("Stalled") == ("True", "RolloutFailed")
    assert cluster.condition("Ready") == ("False", "RolloutFailed")
    assert "Pod shop-1: exit code 1." in cluster.message("Stalled")
    cluster.writes.clear()
    cluster.settle()
    assert cluster.writes == []
    cluster.bad.clear()
    assert cluster.settle().condition("Ready") == ("True", "Running")


def test_without_automatic_rollback_a_failed_revision_stays() -> None:
    """For those who want to look at its Pods."""
    cluster = a_rolled_back(rollout={"automaticRollback": False})
    assert cluster.running == 2
    assert cluster.condition("Ready") == ("False", "RolloutFailed")
    cluster.edit(rollout={"automaticRollback": True}).settle()
    assert cluster.running == 1
    cluster.edit(rollout={"automaticRollback": False}).settle()
    assert cluster.running == 2


def test_a_pinned_revision_runs_whatever_the_spec_says() -> None:
    """Until the pin is removed; nothing new is made meanwhile."""
    cluster = Cluster().settle().edit(image="shop:2").settle()
    cluster.edit(image="shop:3", rollout={"revision": 1}).settle()
    assert (cluster.running, cluster.revisions) == (1, [1, 2])
    assert cluster.condition("RolledOut") == ("True", "RolloutComplete")
    assert cluster.edit(rollout=None).settle().running == 3


def test_a_pinned_revision_that_does_not_exist_changes_nothing() -> None:
    """The condition lists those that do."""
    cluster = Cluster().settle().edit(image="shop:2").settle().edit(rollout={"revision": 9}).settle()
    assert cluster.running == 2
    assert cluster.condition("Stalled") == ("True", "RevisionNotFound")
    assert "(1, 2)" in cluster.message("Stalled")
    assert "none" in Cluster().edit(rollout={"revision": 9}).settle().message("Stalled")


def test_a_pinned_revision_that_fails_is_rolled_back() -> None:
    """The pin asks for it as a spec does."""
    cluster = Cluster().settle().edit(image="shop:2").settle()
    cluster.bad.add("shop:1")
    cluster.edit(rollout={"revision": 1}).settle()
    assert (cluster.running, cluster.condition("RolledOut")) == (2, ("False", "RolledBack"))


def test_no_pod_shows_that_a_revision_is_good_while_the_app_is_suspended() -> None:
    """A rollback waits until there are Pods again."""
    cluster = Cluster(bad={"shop:2"}).settle().edit(suspend=True).settle()
    cluster.edit(image="shop:2").settle()
    assert (cluster.running, cluster.status["lastGoodRevision"]) == (2, 1)
    assert cluster.condition("Ready") == ("True", "Suspended")
    cluster.edit(suspend=None).settle()
    assert (cluster.running, cluster.condition("RolledOut")) == (1, ("False", "RolledBack"))
    cluster.edit(suspend=True).settle()
    assert cluster.running == 1, "a rolled-back app stays so while it is suspended"
    assert cluster.message("Ready").startswith("Suspended: no Pod runs. Set spec.suspend to false")


def test_no_pod_shows_that_a_revision_is_good_with_zero_replicas() -> None:
    """The last good revision stays the one that has run."""
    cluster = Cluster().settle().edit(replicas=0, image="shop:2").settle()
    assert cluster.status["lastGoodRevision"] == 1
    assert cluster.edit(replicas=2).settle().status["lastGoodRevision"] == 2


def test_scaling_during_a_rollout_changes_nothing_of_it() -> None:
    """An autoscaler does so at any time."""
    cluster = Cluster(spec={"image": "shop:1", "replicas": 2}, bad={"shop:2"}).settle()
    cluster.edit(image="shop:2").reconcile()
    cluster.edit(replicas=5).settle()
    assert (cluster.running, cluster.condition("Ready")) == (1, ("True", "RolledBack"))


def test_a_good_revision_that_fails_later_is_not_rolled_back() -> None:
    """It was good: what has changed lies elsewhere, and the version before may fail in the same way."""
    cluster = Cluster().settle().edit(image="shop:2").settle()
    cluster.bad.add("shop:2")
    cluster.work()
    cluster.settle()
    assert cluster.running == 2
    assert cluster.condition("Reconciling") == ("True", "RollingOut")


def test_history_is_limited_and_keeps_what_may_run() -> None:
    """The running and the last good revision are never deleted."""
    cluster = Cluster(spec={"image": "shop:0", "rollout": {"historyLimit": 2}}).settle()
    for number in range(1, 6):
        cluster.edit(image=f"shop:{number}").settle()
    assert cluster.revisions == [4, 5, 6]
    cluster.edit(rollout={"historyLimit": 0}, image="shop:bad")
    cluster.bad.add("shop:bad")
    cluster.settle()
    assert {6, 7} <= set(cluster.revisions)
    assert cluster.running == 6


def test_numbers_are_never_used_again() -> None:
    """Also where a user has deleted the history."""
    cluster = Cluster().settle().edit(image="shop:2").settle()
    cluster.live = {ref: child for ref, child in cluster.live.items() if ref.kind != "ControllerRevision"}
    assert cluster.settle().running == 3
    assert cluster.condition("Ready") == ("True", "Running")


def test_a_last_good_revision_that_is_gone_leaves_the_failed_one() -> None:
    """Without it there is no template to go back to."""
    cluster = Cluster(bad={"shop:2"}).settle()
    cluster.edit(image="shop:2").reconcile()
    del cluster.live[ObjectRef(api_version="apps/v1", kind="ControllerRevision", name="shop-1")]
    assert cluster.settle().condition("Stalled") == ("True", "RolloutFailed")


def test_a_lost_status_costs_nothing_while_the_app_runs() -> None:
    """The Deployment shows that its revision is good."""
    cluster = Cluster(bad={"shop:3"}).settle().edit(image="shop:2").settle()
    cluster.status = {}
    cluster.edit(image="shop:2").settle().edit(image="shop:3").settle()
    assert (cluster.running, cluster.status["lastGoodRevision"]) == (2, 2)


@pytest.mark.parametrize("kind", ["ControllerRevision", "Deployment"])
@pytest.mark.parametrize("image", ["shop:2", "shop:3"])
def test_a_crash_between_any_two_writes_ends_in_the_same_state(kind: str, image: str) -> None:
    """Killed at each write of a rollout and of a rollback, the operator takes up where it was."""
    cluster = Cluster(bad={"shop:2"}).settle().edit(image=image)
    for _ in range(6):
        cluster.reconcile(crash_after=kind)
        cluster.work()
        cluster.reconcile()
        cluster.work()
    cluster.settle()
    assert cluster.running == (1 if image == "shop:2" else 2)
    assert len(cluster.revisions) == 2


def _upgraded(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    original = pod_template

    def changed(*given: Any) -> Any:
        template = original(*given)
        return {**template, "spec": {**template["spec"], "enableServiceLinks": True}}

    monkeypatch.setattr(templates, "pod_template", changed)
    cluster.platform = replace(cluster.platform, version="2")
    return cluster


def test_an_upgrade_of_the_operator_restarts_no_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorded template stays; what this version would render otherwise is counted."""
    cluster = _upgraded(Cluster().settle(), monkeypatch)
    cluster.writes.clear()
    cluster.settle()
    assert (cluster.writes, cluster.revisions) == ([], [1])
    assert cluster.gathered is not None
    assert cluster.gathered.outdated
    cluster.edit(replicas=3).settle()
    assert cluster.revisions == [1]
    cluster.edit(env=[{"name": "A", "value": "1"}]).settle()
    assert cluster.running == 2
    assert cluster.deployment is not None
    assert cluster.deployment["spec"]["template"]["spec"]["enableServiceLinks"]


def test_a_budget_lets_an_app_take_what_the_new_operator_renders(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a revision of its own, which can be rolled back."""
    cluster = _upgraded(Cluster().settle(), monkeypatch)
    cluster.may_render = True
    cluster.settle()
    assert (cluster.running, cluster.status["revisions"][0]["cause"]) == (2, "OperatorUpgraded")
    cluster.may_render = False
    cluster.settle()
    assert cluster.running == 2
    assert cluster.gathered is not None
    assert not cluster.gathered.outdated


def test_a_before_job_runs_once_before_the_first_pod() -> None:
    """The old version runs on until it has succeeded."""
    cluster = Cluster(spec={"image": "shop:1", "rollout": BEFORE}).settle()
    assert (cluster.jobs, cluster.running) == (["shop-before-1"], 1)
    cluster.edit(image="shop:2").reconcile()
    assert (cluster.running, cluster.condition("RolledOut")) == (1, ("False", "RunningBeforeJob"))
    cluster.settle()
    assert (cluster.jobs, cluster.running) == (["shop-before-1", "shop-before-2"], 2)
    cluster.edit(image="shop:1").settle().edit(image="shop:2").settle()
    assert len(cluster.jobs) == 2, "both revisions have had theirs"


def test_a_before_job_that_fails_stops_the_rollout() -> None:
    """With its last words; a retry runs it once more, which an edit of the job alone does not, as the message says."""
    cluster = Cluster(spec={"image": "shop:1", "rollout": BEFORE}).settle()
    cluster.bad_jobs.add("shop:2")
    cluster.edit(image="shop:2").settle()
    assert cluster.running == 1
    assert cluster.condition("Stalled") == ("True", "BeforeJobFailed")
    assert "The before-job shop-before-2 has failed." in cluster.message("Stalled")
    assert "no database" in cluster.message("Stalled")
    assert "as an edit of rollout.before alone needs, too): kubectl annotate" in cluster.message("Stalled")
    jobs = len(cluster.jobs)
    cluster.edit(rollout={"before": {"command": ["migrate", "--wait"]}}).settle()
    assert len(cluster.jobs) == jobs
    cluster.bad_jobs.clear()
    cluster.retry().settle()
    assert (cluster.running, len(cluster.jobs)) == (2, jobs + 1)
    assert len(cluster.jobs[-1]) <= 63


def test_a_before_job_of_the_first_revision_that_fails_leaves_nothing_running() -> None:
    """There is no Deployment before it has succeeded."""
    cluster = Cluster(spec={"image": "shop:1", "rollout": BEFORE}, bad_jobs={"shop:1"}).settle()
    assert cluster.deployment is None
    assert cluster.condition("Stalled") == ("True", "BeforeJobFailed")


def test_a_before_job_never_runs_for_a_rollback_or_a_pin() -> None:
    """Those revisions have run before."""
    cluster = Cluster(bad={"shop:3"}).settle().edit(image="shop:2").settle()
    cluster.edit(rollout={**BEFORE, "revision": 1}).settle()
    assert (cluster.running, cluster.jobs) == (1, [])
    cluster.edit(rollout=BEFORE, image="shop:3").settle()
    assert len(cluster.jobs) == 1
    assert cluster.running in {1, 2}


@pytest.mark.parametrize("seconds", [0, 30])
def test_the_first_revision_need_not_stay_ready_for_a_time(seconds: int) -> None:
    """It protects what runs, and nothing does."""
    platform = Platform(version="1", min_ready_seconds=seconds)
    cluster = Cluster(platform=platform).settle()
    assert cluster.deployment is not None
    assert "minReadySeconds" not in cluster.deployment["spec"]
    cluster.edit(image="shop:2").settle()
    assert cluster.deployment["spec"].get("minReadySeconds", 0) == seconds
    cluster.edit(rollout={"minReadySeconds": 5, "progressDeadlineSeconds": 60}).settle()
    assert cluster.deployment["spec"]["minReadySeconds"] == 5
    cluster.now += timedelta(seconds=1)


def test_a_long_name_is_cut_for_the_job() -> None:
    """A label of its Pods has the Job's name: at most 63 characters, and no other app's."""
    revision = replace(_REVISION, number=12, retried="again")
    names = {before.ref_of(an_app(name=name), revision).name for name in ("a" * 60, "a" * 61)}
    assert len(names) == 2
    assert all(len(name) <= 63 and name.startswith("aaa") and "-before-12-" in name for name in names)


def _asked(cluster: Cluster) -> str:
    asked = listing(_seen(cluster))
    assert asked is not None
    selector: str = asked.selector
    return selector


def test_the_pods_of_a_before_job_are_watched_until_it_has_succeeded() -> None:
    """Not those of an earlier revision, whose failed Job stays for the user to see."""
    cluster = Cluster(spec={"image": "shop:1", "rollout": BEFORE})
    cluster.reconcile()
    assert _asked(cluster) == "containerapp.dev/before=shop-before-1"
    cluster.settle()
    cluster.bad_jobs.add("shop:2")
    cluster.edit(image="shop:2").settle()
    assert _asked(cluster) == "containerapp.dev/before=shop-before-2"
    cluster.bad.add("shop:3")
    cluster.edit(image="shop:3", rollout=None).reconcile()
    cluster.work()
    assert _asked(cluster).endswith("containerapp.dev/revision=3")


def _seen(cluster: Cluster) -> View:
    return a_view(cluster.app, cluster.live)


def test_a_pod_that_is_not_ready_says_so_without_the_condition() -> None:
    """Between its creation and the kubelet's first word."""
    assert (
        examine(
            [
                {
                    "metadata": {"name": "p", "creationTimestamp": BEGINNING.isoformat()},
                    "status": {"conditions": [{"type": "PodScheduled", "status": "True"}]},
                }
            ]
        ).ready
        == ()
    )
