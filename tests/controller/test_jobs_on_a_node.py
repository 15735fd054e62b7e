"""ContainerJob on a real node: how programs really end, and what the status makes of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import devcluster
from containerapp.api import crd
from containerapp.controllers import CONTROLLERS
from devcluster import ecr, images, system
from tests.controller.operators import Identity, Operator, eventually
from tests.definitions import define
from tests.expectations import conditions

pytestmark = pytest.mark.node

_USER = {"runAsUser": 65532}


@pytest.fixture(scope="module")
def operator(
    node_cluster: devcluster.Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """The operator, as the cluster's administrator."""
    for controller in CONTROLLERS:
        define(node_cluster, crd.render_yaml(controller.definition))
    identity = Identity(
        service_account="none",
        namespace="default",
        kubeconfig=node_cluster.kubeconfig,
        environment={"CONTAINERAPP_LEADER_ELECTION": "false"},
    )
    operator = Operator(identity=identity, directory=tmp_path_factory.mktemp("operator"))
    yield operator.start()
    operator.kill()


@pytest.fixture(scope="module")
def shell(node_cluster: devcluster.Cluster) -> str:
    """An image that runs a shell's commands."""
    system.require({"/bin/busybox": "busybox-static"})
    image = images.Image(
        files={"/bin/busybox": Path("/bin/busybox").read_bytes()}, entrypoint=["/bin/busybox", "sh", "-c"]
    )
    return ecr.push(node_cluster, "shell", "v1", image)


def _apply(cluster: devcluster.Cluster, name: str, image: str, script: str, **spec: Any) -> None:
    manifest = {
        "apiVersion": "containerapp.dev/v1alpha1",
        "kind": "ContainerJob",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "image": image,
            "args": [script],
            "security": _USER,
            "terminationGracePeriodSeconds": 1,
            **spec,
        },
    }
    cluster.kubectl("apply", "--filename=-", stdin=json.dumps(manifest))


def _status(cluster: devcluster.Cluster, name: str) -> dict[str, Any]:
    found = json.loads(cluster.kubectl("get", "containerjob", name, "--namespace=default", "--output=json"))
    return dict(found.get("status", {}))


def _ended(cluster: devcluster.Cluster, operator: Operator, name: str) -> dict[str, Any]:
    eventually(
        f"{name} has ended",
        lambda: _status(cluster, name).get("phase") in {"Succeeded", "Failed"},
        timeout=120,
        interval=0.5,
        details=lambda: f"{_status(cluster, name)}\n{operator.tail()}",
    )
    return _status(cluster, name)


def test_programs_end_as_they_do(node_cluster: devcluster.Cluster, operator: Operator, shell: str) -> None:
    """Success, failure with and without another attempt, a time-out, memory, and an array of which some fail."""
    once = "echo only once > /dev/termination-log; exit 42"
    _apply(node_cluster, "good", shell, "echo done")
    _apply(
        node_cluster,
        "bad",
        shell,
        once,
        retry={"attempts": 3, "onExit": [{"exitCode": "42", "action": "Exit"}]},
    )
    _apply(node_cluster, "tried", shell, "exit 7", retry={"attempts": 2})
    _apply(node_cluster, "slow", shell, "sleep 300", attemptTimeoutSeconds=3)
    _apply(node_cluster, "late", shell, "sleep 300", deadlineSeconds=3)
    _apply(
        node_cluster,
        "some",
        shell,
        'case $AWS_BATCH_JOB_ARRAY_INDEX in 3|7|8) exit 1;; esac; [ "$JOB_COMPLETION_INDEX" -ge 0 ]',
        array={"size": 20, "parallelism": 10},
        resources={"requests": {"cpu": "5m", "memory": "8Mi"}},
    )
    _apply(
        node_cluster,
        "greedy",
        shell,
        "tail /dev/zero",
        resources={"requests": {"memory": "16Mi"}, "limits": {"memory": "32Mi"}},
    )
    names = ("good", "bad", "tried", "slow", "late", "some", "greedy")
    ended = {name: _ended(node_cluster, operator, name) for name in names}
    assert {name: status["phase"] for name, status in ended.items()} == {
        **dict.fromkeys(names, "Failed"),
        "good": "Succeeded",
    }
    assert (ended["bad"]["failed"], ended["tried"]["failed"]) == (1, 2)
    assert (ended["some"]["succeeded"], ended["some"]["failedIndexes"]) == (17, "3,7,8")
    for name in ("bad", "tried", "slow", "greedy"):
        eventually(
            f"the Pod of {name} was asked",
            lambda name=name: "lastFailure" in _status(node_cluster, name),  # type: ignore[misc]
            timeout=60,
            details=operator.tail,
        )
    failure = _status(node_cluster, "bad")["lastFailure"]
    assert (failure["exitCode"], failure["output"]) == (42, "only once")
    assert _status(node_cluster, "tried")["lastFailure"]["exitCode"] == 7
    assert "attemptTimeoutSeconds" in _status(node_cluster, "slow")["lastFailure"]["message"]
    assert "DeadlineExceeded" in conditions(ended["late"])["Failed"]["message"]
    assert "OOMKilled at 32Mi" in _status(node_cluster, "greedy")["lastFailure"]["message"]


def _annotate(cluster: devcluster.Cluster, name: str, *annotations: str) -> None:
    cluster.kubectl("annotate", f"containerjob/{name}", "--namespace=default", *annotations)


def _jobs(cluster: devcluster.Cluster, name: str) -> list[dict[str, Any]]:
    listed = cluster.kubectl(
        "get", "jobs", "--namespace=default", f"--selector=containerapp.dev/job={name}", "--output=json"
    )
    return list(json.loads(listed)["items"])


def _said(cluster: devcluster.Cluster, run: str) -> list[str]:
    """Return the lines of all Pods of a run."""
    selector = f"--selector=batch.kubernetes.io/job-name={run}"
    output = cluster.kubectl("logs", "--namespace=default", selector, "--tail=-1", "--max-log-requests=50")
    return sorted(output.split(), key=int)


def test_an_array_goes_by_another_index_by_index(
    node_cluster: devcluster.Cluster, operator: Operator, shell: str
) -> None:
    """Three of twenty fail: seventeen run there, and then the three alone, with the indexes that they had."""
    small = {
        "array": {"size": 20, "parallelism": 10},
        "resources": {"requests": {"cpu": "5m", "memory": "8Mi"}},
    }
    says = "echo $AWS_BATCH_JOB_ARRAY_INDEX"
    fails = f"{says}; case $AWS_BATCH_JOB_ARRAY_INDEX in 3|7|8) exit 1;; esac"
    _apply(node_cluster, "first", shell, fails, **small)
    _apply(node_cluster, "second", shell, says, **small, dependsOn=[{"job": "first", "type": "NToN"}])
    assert _ended(node_cluster, operator, "first")["failedIndexes"] == "3,7,8"
    status = _ended(node_cluster, operator, "second")
    assert (status["phase"], status["succeeded"], status["failedIndexes"]) == ("Failed", 17, "3,7,8")
    assert _said(node_cluster, "second-1") == [str(each) for each in range(20) if each not in {3, 7, 8}]
    again = json.dumps({"indexes": "failed", "args": [says]})
    _annotate(node_cluster, "first", f"run.containerapp.dev/again={again}")
    eventually(
        "both have succeeded",
        lambda: all(_status(node_cluster, name).get("phase") == "Succeeded" for name in ("first", "second")),
        timeout=120,
        details=lambda: f"{_status(node_cluster, 'first')}\n{_status(node_cluster, 'second')}",
    )
    first, second = _status(node_cluster, "first"), _status(node_cluster, "second")
    assert (first["succeeded"], second["succeeded"]) == (20, 20)
    assert _said(node_cluster, first["run"]) == _said(node_cluster, second["run"]) == ["3", "7", "8"]


def test_each_trigger_is_one_run(node_cluster: devcluster.Cluster, operator: Operator, shell: str) -> None:
    """Two on demand at once; and those that the operator was killed after."""
    _apply(node_cluster, "asked", shell, "echo 1", concurrencyPolicy="Allow", onChange="Wait")
    _annotate(node_cluster, "asked", "run.containerapp.dev/a=", "run.containerapp.dev/b=")
    eventually("both ran", lambda: len(_jobs(node_cluster, "asked")) == 2, timeout=60)
    for number in range(4):
        _annotate(node_cluster, "asked", f"run.containerapp.dev/killed-{number}=")
        time.sleep(number * 0.3)
        operator.kill()
        operator.start()
    eventually(
        "all are answered", lambda: len(_status(node_cluster, "asked").get("answered", ())) == 6, timeout=60
    )
    runs = {run["name"] for run in _status(node_cluster, "asked")["runs"]}
    assert len(runs) == 6


@pytest.mark.long
def test_a_schedule_of_each_minute_runs_twice(
    node_cluster: devcluster.Cluster, operator: Operator, shell: str
) -> None:
    """The job stays Ready, and its history has both."""
    _apply(node_cluster, "minutely", shell, "echo 1", schedule="rate(1 minute)")

    def runs() -> list[str]:
        return [
            run["trigger"]
            for run in _status(node_cluster, "minutely").get("runs", ())
            if run["phase"] == "Succeeded"
        ]

    eventually("it has run twice", lambda: len(runs()) == 2, timeout=200, details=operator.tail)
    assert runs() == ["Schedule", "Schedule"]
    assert conditions(_status(node_cluster, "minutely"))["Ready"]["status"] == "True"
