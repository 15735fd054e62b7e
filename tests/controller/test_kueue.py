"""ContainerJobs in a queue of the real Kueue (0.17.0), with its own definitions and webhooks.

The controller is built from its Go module, which takes many minutes the first time: hence `long`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from devcluster import Cluster
from tests.controller.api import Api, Manifest
from tests.controller.operators import eventually
from tests.controller.real_kueue import queueing
from tests.controller.world import World
from tests.expectations import conditions

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(3600)]

_KUEUE = "kueue.x-k8s.io/v1beta2"
_NAMES = ("first", "second", "third")


@pytest.fixture(scope="module")
def controller(cluster: Cluster, api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Kueue at work."""
    if "kube-apiserver" not in cluster.ready_urls:
        pytest.skip("the API server of this cluster may not reach webhooks on this machine")
    with queueing(cluster, api, tmp_path_factory.mktemp("kueue")):
        yield


@pytest.fixture
def queued(controller: None, world: World) -> World:  # noqa: ARG001 - what runs
    """A world whose namespace has a queue `team-a`, for one CPU."""
    name = world.namespace
    quotas = [{"name": "cpu", "nominalQuota": 1}, {"name": "memory", "nominalQuota": "8Gi"}]
    group = {"coveredResources": ["cpu", "memory"], "flavors": [{"name": name, "resources": quotas}]}
    spec: Manifest = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
        "resourceGroups": [group],
        "preemption": {"withinClusterQueue": "LowerPriority"},
    }
    _make(world, "ResourceFlavor", {"name": name})
    _make(world, "ClusterQueue", {"name": name}, spec=spec)
    for queue in ("team-a", "team-b"):
        _make(world, "LocalQueue", {"name": queue, "namespace": name}, spec={"clusterQueue": name})
    for priority, value in (("high", 1000), ("low", 1)):
        _make(world, "WorkloadPriorityClass", {"name": f"{name}-{priority}"}, value=value)

    def active() -> bool:
        found = _conditions(world.get("LocalQueue", "team-a").get("status", {}))
        return bool(found.get("Active", {}).get("status") == "True")

    eventually("the queue is active", active)
    return world


def _conditions(status: Manifest) -> dict[str, Manifest]:
    """Return the conditions by type, none where nothing was written yet."""
    return conditions({"conditions": [], **status})


def _make(world: World, kind: str, metadata: Manifest, **fields: Any) -> None:
    world.api.apply({"apiVersion": _KUEUE, "kind": kind, "metadata": metadata, **fields})


def _apply(world: World, name: str, cpu: str = "1", seconds: int = 5, **spec: Any) -> None:
    world.api.apply(
        {
            "apiVersion": "containerapp.dev/v1alpha1",
            "kind": "ContainerJob",
            "metadata": {"name": name, "namespace": world.namespace},
            "spec": {
                "image": "shop:1.0",
                "queue": "team-a",
                "resources": {"requests": {"cpu": cpu}},
                "podAnnotations": {"devcluster/ready-after": f"{seconds}s"},
                **spec,
            },
        }
    )


def _status(world: World, name: str) -> Manifest:
    status: Manifest = world.get("ContainerJob", name).get("status", {})
    return status


def _admitted(world: World, name: str) -> tuple[str, str, str]:
    found = _conditions(_status(world, name)).get("Admitted", {})
    return found.get("status", ""), found.get("reason", ""), found.get("message", "")


def _until(world: World, name: str, description: str, condition: Any, timeout: float = 120) -> None:
    eventually(
        f"{name} {description}",
        condition,
        timeout=timeout,
        details=lambda: (
            f"{_status(world, name)}\n{world.api.list('Workload', world.namespace)}\n{world.operator.tail()}"
        ),
    )


def _until_phase(world: World, name: str, phase: str) -> None:
    _until(world, name, f"is {phase}", lambda: _status(world, name).get("phase") == phase)


def _running(world: World) -> list[str]:
    return [
        pod["metadata"]["name"]
        for pod in world.api.list("Pod", world.namespace)
        if pod.get("status", {}).get("phase") not in {"Succeeded", "Failed"}
    ]


def test_three_jobs_share_a_quota_of_one(queued: World) -> None:
    """Never do two of them run at once, all complete, and meanwhile Kueue's own words say why one waits."""
    for name in _NAMES:
        _apply(queued, name, seconds=15)  # longer than the operator waits before it asks why
    most = 0
    seen: set[tuple[str, str, str]] = set()

    def done() -> bool:
        nonlocal most
        most = max(most, len(_running(queued)))
        seen.update(_admitted(queued, name) for name in _NAMES)
        return all(_status(queued, name).get("phase") == "Succeeded" for name in _NAMES)

    eventually("all have completed", done, timeout=180, details=lambda: f"{seen}\n{queued.operator.tail()}")
    assert most == 1
    jobs = [queued.get("Job", f"{name}-1")["status"] for name in _NAMES]
    times = sorted((job["startTime"], job["completionTime"]) for job in jobs)
    assert all(ended <= started for (_, ended), (started, _) in pairwise(times)), times
    waiting = [message for status, reason, message in seen if (status, reason) == ("False", "Pending")]
    assert any("insufficient unused quota for cpu in flavor" in message for message in waiting), seen
    assert all(_admitted(queued, name)[0] == "True" for name in _NAMES)


def test_a_job_that_is_larger_than_the_quota_says_so_and_never_starts(queued: World) -> None:
    """Nothing but the quota, or the job, can help: the message has both sizes."""
    _apply(queued, "large", cpu="5")
    _until(
        queued,
        "large",
        "says why it waits",
        lambda: "maximum capacity" in _admitted(queued, "large")[2],
    )
    status, reason, message = _admitted(queued, "large")
    assert (status, reason) == ("False", "Pending")
    assert message.startswith("Job large-1 waits in the queue team-a: ")
    _apply(queued, "small")
    _until_phase(queued, "small", "Succeeded")
    assert queued.get("Job", "large-1")["spec"]["suspend"]
    assert _running(queued) == []
    _apply(queued, "large", cpu="1")
    _until_phase(queued, "large", "Succeeded")


def test_a_job_of_a_higher_class_comes_first(queued: World) -> None:
    """The other is suspended again, says why, and runs to its end afterwards."""
    _apply(queued, "low", seconds=20, queuePriorityClass=f"{queued.namespace}-low")
    _until_phase(queued, "low", "Running")
    _apply(queued, "high", seconds=20, queuePriorityClass=f"{queued.namespace}-high")
    _until(queued, "low", "was preempted", lambda: _admitted(queued, "low")[1] == "Preempted")
    assert "Preempted to accommodate a workload" in _admitted(queued, "low")[2]
    _until_phase(queued, "high", "Succeeded")
    _until_phase(queued, "low", "Succeeded")
    assert _status(queued, "low")["run"] == "low-1"


def test_some_indexes_of_an_array_run_again_through_the_queue(queued: World) -> None:
    """Kueue releases the Job when the other indexes count as done, and no others run."""
    _apply(queued, "array", cpu="100m", seconds=1, array={"size": 3})
    _until_phase(queued, "array", "Succeeded")
    queued.kubectl("annotate", "cjob/array", 'run.containerapp.dev/again={"indexes": "1"}')
    _until(queued, "array", "is answered", lambda: _status(queued, "array").get("answered") == ["again"])
    _until_phase(queued, "array", "Succeeded")
    run = _status(queued, "array")["run"]
    pods = queued.api.list("Pod", queued.namespace, f"batch.kubernetes.io/job-name={run}")
    assert [pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"] for pod in pods] == [
        "1"
    ]


def test_a_stopped_queue_is_named(queued: World) -> None:
    """The reason is Kueue's, and the run starts when the queue does, or in another queue."""
    queued.patch("LocalQueue", "team-a", {"spec": {"stopPolicy": "Hold"}})
    for name in ("held", "moved"):
        _apply(queued, name, seconds=1)
    _until(queued, "held", "says so", lambda: _admitted(queued, "held")[1] == "Inadmissible")
    assert "team-a" in _admitted(queued, "held")[2]
    _apply(queued, "moved", seconds=1, queue="team-b")
    _until_phase(queued, "moved", "Succeeded")
    assert _status(queued, "moved")["run"] == "moved-1"
    queued.patch("LocalQueue", "team-a", {"spec": {"stopPolicy": "None"}})
    _until_phase(queued, "held", "Succeeded")
