"""Rollouts on the real API server: revisions, rollback, pinning, before-jobs, and an upgrade that restarts nothing."""

from __future__ import annotations

import json
import random
import time
from functools import partial

import pytest

from tests.controller.api import Manifest
from tests.controller.operators import Operator
from tests.controller.world import World

pytestmark = pytest.mark.cluster

CRASHES = {"devcluster/behaviour": "crash-loop"}
NEVER_READY = {"devcluster/behaviour": "not-ready"}
_OTHERWISE = """
from containerapp.controllers.containerapp import template
_rendered = template.pod_template
def _otherwise(app, *rest):
    found = _rendered(app, *rest)
    return {**found, "spec": {**found["spec"], "enableServiceLinks": True}}
template.pod_template = _otherwise
"""


def _pods(world: World, name: str) -> set[str]:
    """Return the uids of the app's Pods that stay."""
    return {
        pod["metadata"]["uid"]
        for pod in world.api.list("Pod", world.namespace)
        if pod["metadata"]["labels"].get("containerapp.dev/app") == name
        and "deletionTimestamp" not in pod["metadata"]
    }


def _status(world: World, name: str) -> Manifest:
    status: Manifest = world.get("ContainerApp", name)["status"]
    return status


def test_a_crashing_version_is_rolled_back_and_the_way_back_is_one_field(world: World) -> None:
    """The old Pods never end; the cause stands on the object; then a retry, a pin, and a mended spec."""
    world.run("shop", port=8080, replicas=2)
    before = _pods(world, "shop")
    position = world.audit.position()
    world.apply("shop", port=8080, replicas=2, podAnnotations=CRASHES)
    message = world.await_condition("shop", "RolledOut", "False", "RolledBack", timeout=120)["message"]
    assert message.startswith("Revision 2 has failed. Pod shop-")
    assert "Revision 1 runs." in message
    world.await_condition("shop", "Ready", "True", "RolledBack")
    world.await_condition("shop", "Stalled", "True", "RolledBack")
    assert _pods(world, "shop") >= before, "no old Pod has ended"
    status = _status(world, "shop")
    assert (status["currentRevision"], status["lastGoodRevision"]) == (1, 1)
    assert [(each["revision"], each["outcome"]) for each in status["revisions"]] == [
        (2, "Failed"),
        (1, "Good"),
    ]
    writes = world.audit.writes(position, namespace=world.namespace)
    assert (writes["deployments"], writes["controllerrevisions"]) == (2, 2)
    assert "RolledBack" in {event["reason"] for event in world.events("shop")}
    world.operator.kill()
    world.operator.start()
    world.settle()
    assert world.get("Deployment", "shop")["metadata"]["annotations"]["containerapp.dev/revision"] == "1"
    world.run("shop", port=8080, replicas=2, podAnnotations={"note": "mended"})
    assert _status(world, "shop")["currentRevision"] == 3
    world.apply("shop", port=8080, replicas=2, rollout={"revision": 1})
    world.until("it is pinned", lambda: _status(world, "shop")["currentRevision"] == 1, names=["shop"])
    world.apply("shop", port=8080, rollout={"revision": 9})
    assert "(1, 2, 3)" in world.await_condition("shop", "Stalled", "True", "RevisionNotFound")["message"]


def test_a_version_that_never_gets_ready_is_rolled_back_at_its_deadline(world: World) -> None:
    """Slow is not failed: it has all of its time."""
    rollout = {"progressDeadlineSeconds": 8}
    world.run("slow", port=8080, rollout=rollout)
    world.apply("slow", port=8080, rollout=rollout, podAnnotations=NEVER_READY)
    message = world.await_condition("slow", "RolledOut", "False", "RolledBack", timeout=120)["message"]
    assert "no progress within its deadline" in message
    world.await_condition("slow", "Ready", "True", "RolledBack")
    found = world.kubectl("get", "controllerrevisions", "-l=containerapp.dev/app=slow", "--output=name")
    assert found.split() == ["controllerrevision.apps/slow-1", "controllerrevision.apps/slow-2"]


def test_a_first_version_that_fails_is_stalled_and_written_once(world: World) -> None:
    """There is nothing to go back to."""
    world.apply("first", port=8080, podAnnotations=CRASHES)
    message = world.await_condition("first", "Stalled", "True", "RolloutFailed", timeout=120)["message"]
    assert message.startswith("Revision 1 has failed. Pod first-")
    position = world.audit.position()
    world.operator.stop()
    world.operator.start()
    world.settle()
    assert world.audit.writes(position, namespace=world.namespace)["deployments"] == 0
    world.run("first", port=8080)


def test_a_before_job_runs_before_the_new_version_and_never_twice(world: World) -> None:
    """`kubectl get jobs` shows it; its Pods are not the app's."""
    rollout = {"before": {"command": ["/app"], "args": ["migrate"]}}
    world.run("jobs", port=8080, rollout=rollout)
    world.operator.kill()
    world.operator.start()
    world.run("jobs", port=8080, rollout=rollout, args=["v2"])
    jobs = world.kubectl("get", "jobs", "-l=containerapp.dev/app=jobs", "--output=json")
    names = sorted(job["metadata"]["name"] for job in json.loads(jobs)["items"])
    assert names == ["jobs-before-1", "jobs-before-2"]
    (pod,) = [
        pod
        for pod in world.api.list("Pod", world.namespace)
        if pod["metadata"]["labels"].get("containerapp.dev/before") == "jobs-before-2"
    ]
    assert "containerapp.dev/app" not in pod["metadata"]["labels"]
    (app,) = pod["spec"]["containers"]
    assert (app["command"], app["args"]) == (["/app"], ["migrate"])
    assert "readinessProbe" not in app


def _is_new(world: World, name: str) -> bool:
    return world.get("Deployment", name)["spec"]["template"]["spec"]["enableServiceLinks"] is True


def _upgrade(world: World, operator: Operator, count: int) -> None:
    names = [f"old-{number}" for number in range(count)]
    for name in names:
        world.apply(name, port=8080)
    world.await_all_ready(names, timeout=300)
    before = {name: _pods(world, name) for name in names}
    for change in (_OTHERWISE, "", _OTHERWISE):
        operator.stop()
        operator.before = change
        operator.start()
        world.settle()
        assert {name: _pods(world, name) for name in names} == before
        assert operator.metric("containerapp_pending_renders") == (count if change else 0)
    world.run(names[0], port=8080, args=["edited"])
    template = world.get("Deployment", names[0])["spec"]["template"]["spec"]
    assert template["enableServiceLinks"] is True
    assert {name: _pods(world, name) for name in names[1:]} == {name: before[name] for name in names[1:]}
    assert operator.metric("containerapp_pending_renders") == count - 1


def test_an_upgrade_of_the_operator_restarts_no_pod(world: World, own_operator: Operator) -> None:
    """Nor does the way back; an edit takes the new rendering for its app alone."""
    own_operator.start()
    _upgrade(world, own_operator, 10)


def test_a_budget_takes_the_new_rendering_app_by_app(world: World, own_operator: Operator) -> None:
    """At the platform team's word."""
    own_operator.start()
    names = [f"kept-{number}" for number in range(3)]
    for name in names:
        world.apply(name, port=8080)
    world.await_all_ready(names)
    own_operator.stop()
    own_operator.before = _OTHERWISE
    own_operator.environment["CONTAINERAPP_RENDER_BUDGET"] = "1"
    own_operator.start()
    for name in names:
        world.until(
            "it is rendered by the new version", partial(_is_new, world, name), names=[name], timeout=120
        )
    assert {_status(world, name)["revisions"][0]["cause"] for name in names} == {"OperatorUpgraded"}


@pytest.mark.long
@pytest.mark.timeout(2400)
def test_an_upgrade_with_200_apps_restarts_no_pod(world: World, own_operator: Operator) -> None:
    """As above, at a size that a platform team has."""
    own_operator.start()
    _upgrade(world, own_operator, 200)


@pytest.mark.long
@pytest.mark.timeout(2400)
def test_50_rollouts_end_well_whenever_the_operator_is_killed(world: World, own_operator: Operator) -> None:
    """Good ones at the wanted revision, bad ones at the last good one, each before-job once."""
    rng = random.Random(1)  # noqa: S311 - repeatable
    own_operator.start()
    names = [f"k-{number}" for number in range(50)]
    rollout = {"before": {"args": ["migrate"]}}
    for name in names:
        world.apply(name, port=8080, rollout=rollout)
    world.await_all_ready(names, timeout=300)
    bad = set(rng.sample(names, 25))
    for name in names:
        annotations = CRASHES if name in bad else {"version": "2"}
        world.apply(name, port=8080, rollout=rollout, podAnnotations=annotations)
        if rng.random() < 0.3:
            time.sleep(rng.uniform(0.0, 1.0))
            own_operator.kill()
            own_operator.start()
    for name in names:
        reason = "RolledBack" if name in bad else "Running"
        world.await_condition(name, "Ready", "True", reason, timeout=300)
        assert _status(world, name)["currentRevision"] == (1 if name in bad else 2)
    jobs = json.loads(world.kubectl("get", "jobs", "--output=json"))["items"]
    assert sorted(job["metadata"]["name"] for job in jobs) == sorted(
        f"{name}-before-{number}" for name in names for number in (1, 2)
    )
