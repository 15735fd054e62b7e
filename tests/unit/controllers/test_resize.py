"""Resizes in place, row by row as docs/rollouts.md lists them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from containerapp.controllers.containerapp.controller import listing
from containerapp.controllers.containerapp.resize import REACHES
from containerapp.controllers.containerapp.revisions import pods_label
from containerapp.core.policy import ExposeDefaults, Platform
from tests.builders import a_view
from tests.resizes import DEFERRED, IN_PROGRESS, INFEASIBLE, Pods
from tests.rollouts import Cluster

RESIZING = "containerapp.dev/resizing"


def cpu(amount: str, memory: str = "64Mi") -> dict[str, Any]:
    """Return resources."""
    return {"requests": {"cpu": amount, "memory": memory}}


def a_running(**options: Any) -> Cluster:
    """Return an app of four small Pods, all of them good."""
    spec = {"image": "shop:1", "replicas": 4, "resources": cpu("100m"), **options.pop("spec", {})}
    return Cluster(spec=spec, below=Pods(**options)).settle()


def under_way(cluster: Cluster) -> bool:
    """Whether the Deployment is paused, and says why."""
    assert cluster.deployment is not None
    marked = RESIZING in cluster.deployment["metadata"]["annotations"]
    assert marked is bool(cluster.deployment["spec"].get("paused"))
    return marked


def turn(cluster: Cluster, seconds: float = 1.0) -> None:
    """Let the operator look, and Kubernetes work after it."""
    cluster.reconcile()
    cluster.now += timedelta(seconds=seconds)
    cluster.work()


def label(cluster: Cluster) -> str:
    """Return the label of the Deployment's Pods."""
    assert cluster.deployment is not None
    return pods_label(cluster.deployment)


def finish(cluster: Cluster) -> Cluster:
    """Let everybody work until nothing is left to do; time hardly passes."""
    for _ in range(20):
        turn(cluster)
    cluster.reconcile()
    return cluster


def test_resources_alone_change_the_pods_that_run() -> None:
    """The template follows; the Deployment is written twice, and goes on."""
    cluster = a_running()
    uids = cluster.below.uids
    cluster.writes.clear()
    cluster.edit(resources=cpu("200m")).reconcile()
    assert under_way(cluster)
    assert cluster.condition("Reconciling") == ("True", "Resizing")
    finish(cluster)
    assert not under_way(cluster)
    assert (cluster.below.uids, cluster.below.cpus, cluster.running) == (uids, {"200m"}, 2)
    assert sorted(cluster.writes) == ["ControllerRevision"] * 1 + ["Deployment"] * 2
    assert cluster.condition("Ready") == ("True", "Running")
    assert cluster.status["lastGoodRevision"] == 2
    assert label(cluster) == "1", "by it the Pods are found"
    assert cluster.gathered is not None
    assert cluster.gathered.queries == ()


def test_a_quarter_of_the_pods_changes_at_a_time() -> None:
    """And the next ones when these are ready; the ReplicaSet comes last."""
    cluster = a_running()
    cluster.edit(resources=cpu("200m"))
    turn(cluster)
    for number in range(1, 5):
        cluster.reconcile()
        assert len(cluster.below.patched) == number
        cluster.reconcile()
        assert len(cluster.below.patched) == number, "the node has not worked yet"
        cluster.work()
        assert f"{number - 1} of 4 are" in cluster.message("Reconciling")
    cluster.reconcile()
    assert cluster.below.patched[-1] == "set-1"
    cluster.reconcile()
    assert under_way(cluster), "the controllers have not seen it"
    cluster.work()
    cluster.reconcile()
    assert not under_way(cluster)


def test_the_next_rollout_and_its_rollback_know_which_pods_are_which() -> None:
    """A rollback scales the ReplicaSet of the resized Pods, whose label they have."""
    cluster = finish(a_running().edit(resources=cpu("200m")))
    uids = cluster.below.uids
    cluster.bad.add("shop:2")
    cluster.edit(image="shop:2")
    turn(cluster)
    assert label(cluster) == "3"
    cluster.settle()
    assert (cluster.running, cluster.below.uids, label(cluster)) == (2, uids, "1")
    assert cluster.condition("RolledOut") == ("False", "RolledBack")


@pytest.mark.parametrize(
    ("spec", "edit"),
    [
        ({}, {"resources": cpu("200m"), "rollout": {"resizeInPlace": False}}),
        ({}, {"resources": cpu("200m"), "env": [{"name": "A", "value": "1"}]}),
        ({"resources": cpu("100m", "128Mi")}, {"resources": cpu("100m", "64Mi")}),
        ({}, {"resources": {**cpu("100m"), "limits": {"cpu": "1"}}}),
        ({}, {"resources": {"requests": {"cpu": "100m", "memory": "64Mi", "ephemeral-storage": "1Gi"}}}),
        (
            {"resources": {**cpu("100m"), "limits": {"cpu": "200m"}}},
            {"resources": {**cpu("200m"), "limits": {"cpu": "200m"}}},
        ),
        (
            {
                "env": [
                    {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu"}}},
                ]
            },
            {"resources": cpu("200m")},
        ),
        ({"placement": {"fargate": True}}, {"resources": cpu("200m")}),
    ],
    ids=[
        "off",
        "more than that",
        "less memory",
        "a new limit",
        "storage",
        "QoS class",
        "read at start",
        "Fargate",
    ],
)
def test_what_needs_new_pods_is_rolled_out(spec: dict[str, Any], edit: dict[str, Any]) -> None:
    """As any other change; the API server is asked for nothing."""
    cluster = a_running(spec=spec)
    uids = cluster.below.uids
    cluster.edit(**edit).reconcile()
    assert cluster.gathered is not None
    assert (under_way(cluster), cluster.gathered.queries) == (False, ())
    finish(cluster)
    assert (cluster.running, label(cluster), uids & cluster.below.uids) == (2, "2", set())


@pytest.mark.parametrize("version", [{"major": "1", "minor": "34"}, {"major": "1"}, {}, None])
def test_an_older_cluster_rolls_out(version: dict[str, str] | None) -> None:
    """And one that does not say how old it is."""
    cluster = a_running(version=version)
    uids = cluster.below.uids
    finish(cluster.edit(resources=cpu("200m")))
    assert not uids & cluster.below.uids


def test_without_pods_there_is_nothing_to_resize() -> None:
    """A rollout to no Pods costs nothing."""
    cluster = a_running(spec={"replicas": 0})
    cluster.edit(resources=cpu("200m")).reconcile()
    assert not under_way(cluster)


def test_a_rollout_that_goes_on_is_no_time_for_it() -> None:
    """Not all Pods are of one ReplicaSet."""
    cluster = a_running()
    cluster.edit(image="shop:2").reconcile()
    cluster.edit(resources=cpu("200m")).reconcile()
    assert not under_way(cluster)
    assert label(cluster) == "3"


def test_a_deployment_that_a_person_has_paused_stays_theirs() -> None:
    """It says so, and nothing is resized."""
    cluster = a_running()
    assert cluster.deployment is not None
    cluster.deployment["spec"]["paused"] = True
    cluster.edit(resources=cpu("200m")).reconcile()
    assert RESIZING not in cluster.deployment["metadata"]["annotations"]


@pytest.mark.parametrize(
    "trouble",
    [
        {"said": INFEASIBLE},
        {"refusal": "Pod running on node without support for resize"},
        {"unreadable": True},
    ],
    ids=["a node refuses", "the API server refuses", "a right is missing"],
)
def test_what_cannot_be_resized_is_rolled_out_at_once(trouble: dict[str, Any]) -> None:
    """A Pod that was asked for it gets back what it had, so that a rollback finds it as it was."""
    cluster = a_running(**trouble)
    uids = cluster.below.uids
    cluster.edit(resources=cpu("200m"))
    turn(cluster)
    while under_way(cluster):
        cluster.work()
        cluster.reconcile()
    assert (label(cluster), cluster.below.cpus) == ("2", {"100m"})
    finish(cluster)
    assert (cluster.running, cluster.below.cpus) == (2, {"200m"})
    assert not uids & cluster.below.uids


@pytest.mark.parametrize(
    ("trouble", "seconds"),
    [({"said": DEFERRED}, 61), ({"said": IN_PROGRESS}, 301), ({"silent": True}, 301), ({"fixed": True}, 301)],
    ids=["put off", "in progress", "silent", "a webhook keeps the ReplicaSet as it is"],
)
def test_what_a_node_does_not_do_in_time_is_rolled_out(trouble: dict[str, Any], seconds: int) -> None:
    """A minute where the node puts it off; else a minute for each quarter, and one more."""
    cluster = a_running(**trouble)
    uids = cluster.below.uids
    cluster.edit(resources=cpu("200m"))
    for _ in range(4):
        turn(cluster)
    assert under_way(cluster)
    if said := trouble.get("said"):
        assert f"Pod pod-2: {said['message']}" in cluster.message("Reconciling")
    assert cluster.gathered is not None
    assert cluster.gathered.again_after == 1.0
    cluster.now += timedelta(seconds=seconds)
    finish(cluster)
    assert (label(cluster), uids & cluster.below.uids) == ("2", set())


def test_a_way_back_on_the_way_resizes_back() -> None:
    """No Pod is replaced."""
    cluster = a_running()
    uids = cluster.below.uids
    cluster.edit(resources=cpu("200m"))
    for _ in range(3):
        turn(cluster)
    assert cluster.below.cpus == {"100m", "200m"}
    finish(cluster.edit(resources=cpu("100m")))
    assert (cluster.running, cluster.below.uids, cluster.below.cpus) == (1, uids, {"100m"})


@pytest.mark.parametrize("edit", [{"image": "shop:2"}, {"rollout": {"resizeInPlace": False}}])
def test_another_change_on_the_way_is_rolled_out(edit: dict[str, Any]) -> None:
    """What was resized so far gets back what it had, before anything else is written."""
    cluster = a_running()
    cluster.edit(resources=cpu("200m"))
    for _ in range(3):
        turn(cluster)
    cluster.edit(**edit).reconcile(crash_after="Patch")
    assert cluster.below.cpus == {"100m"}
    assert under_way(cluster)
    finish(cluster)
    assert (cluster.below.cpus, under_way(cluster)) == ({"200m"}, False)
    assert cluster.condition("Ready") == ("True", "Running")


def test_a_template_that_somebody_else_has_changed_is_rolled_out() -> None:
    """Its ReplicaSet differs in more than amounts."""
    cluster = a_running()
    cluster.edit(resources=cpu("200m"))
    turn(cluster)
    cluster.below.sets[0]["spec"]["template"]["metadata"]["annotations"] = {"restarted": "now"}
    cluster.reconcile()
    assert (under_way(cluster), label(cluster)) == (False, "2")


def test_a_deployment_of_an_unknown_revision_is_rolled_out() -> None:
    """One that was taken over, or whose annotation was removed."""
    cluster = a_running()
    assert cluster.deployment is not None
    del cluster.deployment["metadata"]["annotations"]["containerapp.dev/revision"]
    cluster.edit(resources=cpu("200m")).reconcile()
    assert (under_way(cluster), label(cluster)) == (False, "2")


def test_suspension_on_the_way_ends_it() -> None:
    """Without Pods there is nothing left to resize."""
    cluster = a_running()
    cluster.edit(resources=cpu("200m"))
    turn(cluster)
    finish(cluster.edit(suspend=True))
    assert cluster.condition("Ready") == ("True", "Suspended")
    assert not under_way(cluster)
    finish(cluster.edit(suspend=False))
    assert cluster.below.cpus == {"200m"}


def test_scaling_on_the_way_ends_well() -> None:
    """New Pods of the old template are resized, too."""
    cluster = a_running()
    uids = cluster.below.uids
    cluster.edit(resources=cpu("200m"))
    for _ in range(3):
        turn(cluster)
    finish(cluster.edit(replicas=6))
    assert (len(cluster.below.pods), cluster.below.cpus) == (6, {"200m"})
    assert cluster.below.uids > uids


def test_somebody_resumes_the_deployment() -> None:
    """It is paused again, and nothing is asked of the Pods meanwhile."""
    cluster = a_running()
    cluster.edit(resources=cpu("200m"))
    turn(cluster)
    assert cluster.deployment is not None
    del cluster.deployment["spec"]["paused"]
    cluster.reconcile()
    assert (under_way(cluster), cluster.below.patched) == (True, [])


@pytest.mark.parametrize("kind", ["ControllerRevision", "Deployment", "Patch"])
def test_a_crash_on_the_way_changes_nothing(kind: str) -> None:
    """Each step follows from what lives."""
    cluster = a_running()
    uids = cluster.below.uids
    cluster.edit(resources=cpu("200m"))
    for _ in range(12):
        cluster.reconcile(crash_after=kind)
        cluster.now += timedelta(seconds=1)
        cluster.work()
        cluster.status = {}
    finish(cluster)
    assert (cluster.below.uids, cluster.below.cpus, cluster.running) == (uids, {"200m"}, 2)


def test_pods_are_told_apart_that_had_the_number_already() -> None:
    """A rollout back to the revision whose label the resized Pods keep; its number is taken, and so is the next one."""
    cluster = finish(a_running().edit(resources=cpu("200m", "128Mi")))
    finish(cluster.edit(resources=cpu("100m")))
    assert (cluster.running, label(cluster)) == (1, "1.2")
    assert listing(a_view(cluster.app, cluster.live)) is None
    finish(cluster.edit(resources=cpu("200m", "128Mi")))
    assert (cluster.running, label(cluster)) == (2, "1.2")
    finish(cluster.edit(resources=cpu("100m")))
    assert (cluster.running, label(cluster)) == (1, "1.3")
    finish(cluster.edit(resources=cpu("200m", "128Mi")))
    cluster.bad.add("shop:2")
    cluster.edit(image="shop:2")
    turn(cluster)
    finish(cluster)
    assert (cluster.running, label(cluster)) == (2, "1.3"), "the rollback finds its Pods"


def test_a_label_that_is_none_of_ours_is_written_over() -> None:
    """Whatever has changed it."""
    cluster = a_running()
    assert cluster.deployment is not None
    cluster.deployment["spec"]["template"]["metadata"]["labels"]["containerapp.dev/revision"] = "mine"
    cluster.reconcile()
    assert label(cluster) == "1"


@pytest.mark.parametrize("begun", [False, True])
def test_a_preview_shows_how_it_ends(begun: bool) -> None:  # noqa: FBT001 - a case
    """Nothing is paused in it, whether it begins or goes on."""
    cluster = a_running()
    cluster.edit(resources=cpu("200m"))
    if begun:
        turn(cluster)
    cluster.rehearses = True
    cluster.reconcile()
    assert (under_way(cluster), cluster.running, label(cluster)) == (False, 2, "1")


def test_a_resize_waits_for_no_load_balancer() -> None:
    """There are no new Pods whose targets could be waited for."""
    cluster = a_running(spec={"port": 8080, "expose": {"public": True}})
    expose = ExposeDefaults(via="alb", await_targets=True)
    cluster.platform = Platform(version="1", expose=expose, min_ready_seconds=30)
    cluster.edit(resources=cpu("200m")).reconcile()
    assert under_way(cluster)
    assert cluster.deployment is not None
    assert cluster.deployment["spec"]["minReadySeconds"] == 30


def test_it_reaches_what_it_needs() -> None:
    """No more."""
    assert [(each.plural, each.verbs) for each in REACHES] == [
        ("replicasets", ("list", "patch")),
        ("pods/resize", ("patch",)),
    ]
