"""ContainerJob on a real API server with its own Job controller: each trigger is one run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devcluster import Cluster
from tests.controller.api import Manifest
from tests.controller.endings import finish
from tests.controller.operators import Operator
from tests.controller.person import Person
from tests.controller.secrets import installed
from tests.controller.world import World
from tests.expectations import conditions

pytestmark = pytest.mark.cluster

_STUBS = Path(__file__).parents[1] / "stubs"
_SLOW = {"podAnnotations": {"devcluster/ready-after": "600s"}}
"""Its Pod does not end by itself within a test."""


def _apply(world: World, name: str, annotations: dict[str, str] | None = None, **spec: Any) -> Manifest:
    return world.api.apply(
        {
            "apiVersion": "containerapp.dev/v1alpha1",
            "kind": "ContainerJob",
            "metadata": {
                "name": name,
                "namespace": world.namespace,
                **({"annotations": annotations} if annotations else {}),
            },
            "spec": {"image": "shop:1.0", **spec},
        }
    )


def _status(world: World, name: str) -> Manifest:
    status: Manifest = world.get("ContainerJob", name).get("status", {})
    return status


def _jobs(world: World, name: str) -> list[Manifest]:
    return world.api.list("Job", world.namespace, f"containerapp.dev/job={name}")


def _until_phase(world: World, name: str, phase: str) -> Manifest:
    def holds() -> bool:
        job = world.get("ContainerJob", name)
        status = job.get("status", {})
        return (status.get("observedGeneration"), status.get("phase")) == (
            job["metadata"]["generation"],
            phase,
        )

    world.until(f"{name} is {phase}", holds, timeout=60)
    return _status(world, name)


def _ready(status: Manifest) -> tuple[str, str]:
    ready = conditions(status)["Ready"]
    return ready["status"], ready["reason"]


def test_a_job_runs_once_by_digest_and_is_complete(world: World) -> None:
    """What it runs is the digest that the tag stood for; nothing more is written afterwards, nor by a restart."""
    _apply(world, "once")
    status = _until_phase(world, "once", "Succeeded")
    assert _ready(status) == ("True", "Completed")
    assert (status["run"], status["succeeded"]) == ("once-1", 1)
    (job,) = _jobs(world, "once")
    assert "@sha256:" in job["spec"]["template"]["spec"]["containers"][0]["image"]
    world.kubectl("wait", "--for=condition=Complete", "--timeout=10s", "cjob/once")
    world.until("its events are there", lambda: {"RunStarted", "Completed"} <= _reasons(world, "once"))
    world.settle()
    position = world.audit.position()
    world.kubectl("annotate", "cjob/once", "example.com/note=seen")
    world.settle()
    assert [str(each) for each in world.audit.since(position, namespace=world.namespace)] == []
    world.operator.stop()
    position = world.audit.position()
    world.operator.start()
    world.settle()
    requests = world.audit.since(position, namespace=world.namespace)
    assert [str(each) for each in requests if each.is_write] == []


def _reasons(world: World, name: str) -> set[str]:
    return {
        str(event["reason"])
        for event in world.api.list("Event", world.namespace)
        if event["involvedObject"]["kind"] == "ContainerJob" and event["involvedObject"]["name"] == name
    }


def test_two_runs_on_demand_at_once_are_two_runs(world: World) -> None:
    """Neither is lost or doubled, each has arguments of its own, and what was answered stays so without its Job."""
    _apply(world, "twice", args=["--day", "Ref::day"], parameters={"day": "none"}, concurrencyPolicy="Allow")
    _until_phase(world, "twice", "Succeeded")
    world.kubectl(
        "annotate",
        "cjob/twice",
        'run.containerapp.dev/monday={"parameters": {"day": "monday"}}',
        'run.containerapp.dev/tuesday={"args": ["tuesday"], "env": {"A": "b"}}',
    )
    world.until("both are answered", lambda: len(_status(world, "twice").get("answered", [])) == 2)
    world.until("all have succeeded", lambda: _status(world, "twice").get("phase") == "Succeeded")
    asked = {
        job["metadata"]["annotations"]["containerapp.dev/trigger"]: _container(job).get("args")
        for job in _jobs(world, "twice")
    }
    assert asked == {
        "Spec": ["--day", "none"],
        "run/monday": ["--day", "monday"],
        "run/tuesday": ["tuesday"],
    }
    for job in _jobs(world, "twice"):
        world.delete("Job", job["metadata"]["name"])
    world.settle()
    assert _jobs(world, "twice") == []
    assert _status(world, "twice")["phase"] == "Succeeded"


def _container(job: Manifest) -> Manifest:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return dict(container)


def test_an_operator_killed_after_the_trigger_makes_exactly_one_run(
    world: World, own_operator: Operator
) -> None:
    """What it has made, or has not, is seen in the cluster alone."""
    own_operator.start()
    names = [f"killed-{number}" for number in range(6)]
    for number, name in enumerate(names):
        _apply(world, name, {"run.containerapp.dev/now": ""}, concurrencyPolicy="Allow", **_SLOW)
        if number % 2:
            world.until("something was made", lambda name=name: _jobs(world, name))  # type: ignore[misc]
        own_operator.kill()
        own_operator.start()
    for name in names:
        world.until(f"{name} has its runs", lambda name=name: len(_jobs(world, name)) == 2)  # type: ignore[misc]
    world.settle()
    assert {name: len(_jobs(world, name)) for name in names} == dict.fromkeys(names, 2)


@pytest.mark.parametrize("policy", ["Queue", "Replace"])
def test_a_changed_spec_makes_a_new_run(world: World, policy: str) -> None:
    """The Job that runs never changes; it is waited for, or ended."""
    name = f"changed-{policy.lower()}"
    _apply(world, name, concurrencyPolicy=policy, **_SLOW)
    _until_phase(world, name, "Running")
    _apply(world, name, concurrencyPolicy=policy, args=["new"], **_SLOW)
    if policy == "Queue":
        world.settle()
        assert [job["metadata"]["name"] for job in _jobs(world, name)] == [f"{name}-1"]
        finish(world, f"{name}-1")
    world.until("the new run is there", lambda: _status(world, name).get("run") == f"{name}-2")
    assert world.get("Job", f"{name}-2")["spec"]["template"]["spec"]["containers"][0]["args"] == ["new"]
    if policy == "Replace":
        world.until("the old one is gone", lambda: world.find("Job", f"{name}-1") is None)


def test_a_failed_run_says_why(world: World) -> None:
    """Exit code and last words are in the status, Stalled tells GitOps tools, and the job is at rest then."""
    _apply(world, "broken", retry={"onExit": [{"exitCode": "42", "action": "Exit"}]}, **_SLOW)
    _until_phase(world, "broken", "Running")
    finish(world, "broken-1", 42)
    status = _until_phase(world, "broken", "Failed")
    assert _ready(status) == ("False", "RunFailed")
    world.until("its Pod was asked", lambda: "lastFailure" in _status(world, "broken"))
    failure = _status(world, "broken")["lastFailure"]
    assert (failure["run"], failure["exitCode"], failure["output"]) == ("broken-1", 42, "the disk is full")
    assert conditions(_status(world, "broken"))["Stalled"]["status"] == "True"


def test_an_array_reports_its_failed_indexes(world: World) -> None:
    """All indexes run, and few writes tell of many Pods."""
    size = 20
    _apply(world, "many", array={"size": size, "parallelism": 10})
    position = world.audit.position()
    status = _until_phase(world, "many", "Succeeded")
    assert status["succeeded"] == size
    world.settle()
    assert world.audit.writes(position, namespace=world.namespace)["containerjobs/status"] <= 6
    _apply(world, "some", array={"size": 4}, **_SLOW)
    _until_phase(world, "some", "Running")
    world.until("all have a Pod", lambda: _status(world, "some").get("active") == 4)
    finish(world, "some-1", 3)
    status = _until_phase(world, "some", "Failed")
    assert status["failedIndexes"] == "0-3"


def test_a_schedule_is_a_cron_job(world: World) -> None:
    """A job with a schedule is Ready, its runs come into its status, and suspending it writes the CronJob alone."""
    _apply(world, "nightly", schedule="cron(30 9 ? * 2-6 *)", timeZone="Europe/Berlin")
    status = _until_phase(world, "nightly", "Scheduled")
    assert _ready(status) == ("True", "Scheduled")
    cron_job = world.get("CronJob", "nightly")
    assert cron_job["spec"]["schedule"] == "30 9 * * 1-5"
    assert _jobs(world, "nightly") == []
    world.kubectl("create", "job", "by-hand", "--from=cronjob/nightly")
    world.until("its run is seen", lambda: [run["name"] for run in _status(world, "nightly").get("runs", [])])
    world.settle()
    position = world.audit.position()
    _apply(world, "nightly", schedule="cron(30 9 ? * 2-6 *)", timeZone="Europe/Berlin", suspend=True)
    _until_phase(world, "nightly", "Suspended")
    world.settle()
    writes = world.audit.writes(position, namespace=world.namespace)
    assert (writes["cronjobs"], writes["containerjobs/status"], writes["jobs"]) == (1, 1, 0)


def test_what_has_run_is_deleted_by_count_and_by_age(world: World) -> None:
    """And is never run again."""
    _apply(world, "short", ttlSecondsAfterFinished=2)
    _until_phase(world, "short", "Succeeded")
    world.until("its Job is gone", lambda: _jobs(world, "short") == [])
    tokens = [f"run.containerapp.dev/n{number}=" for number in range(4)]
    _apply(world, "counted", successfulJobsHistoryLimit=1)
    world.kubectl("annotate", "cjob/counted", *tokens)
    world.until("all are answered", lambda: len(_status(world, "counted").get("answered", [])) == 4)
    world.until("one is kept", lambda: len(_jobs(world, "counted")) == 1)
    world.settle()
    assert len(_status(world, "counted")["runs"]) == 5
    assert _jobs(world, "short") == []
    assert _status(world, "short")["phase"] == "Succeeded"


def test_an_unreadable_run_request_is_named(world: World) -> None:
    """The other runs go on."""
    _apply(world, "typo", {"run.containerapp.dev/a": "{oops", "run.containerapp.dev/b": ""})
    world.until("the good one is answered", lambda: _status(world, "typo").get("answered") == ["b"])
    world.until(
        "and the bad one named", lambda: _ready(_status(world, "typo")) == ("False", "InvalidRunRequest")
    )


def _fail(world: World, job: str, *indexes: int) -> None:
    """End the Pods of a Job, those of some indexes with a failure."""
    for pod in world.api.list("Pod", world.namespace, f"batch.kubernetes.io/job-name={job}"):
        index = int(pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"])
        phase = "Failed" if index in indexes else "Succeeded"
        world.api.patch(
            "Pod", world.namespace, pod["metadata"]["name"], {"status": {"phase": phase}}, sub="status"
        )


def _indexes(world: World, job: str) -> list[int]:
    pods = world.api.list("Pod", world.namespace, f"batch.kubernetes.io/job-name={job}")
    return sorted(
        int(pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"]) for pod in pods
    )


def test_failed_indexes_run_again_alone_here_and_in_the_array_that_follows(world: World) -> None:
    """On both sides each Pod has the index that it had, and none that has succeeded runs twice."""
    array = {"size": 20}
    _apply(world, "extract", array=array, **_SLOW)
    _apply(world, "transform", array=array, dependsOn=[{"job": "extract", "type": "NToN"}])
    _apply(world, "publish", dependsOn=[{"job": "transform"}])
    world.until("all run", lambda: len(_indexes(world, "extract-1")) == 20)
    assert _ready(_until_phase(world, "publish", "Waiting")) == ("False", "WaitingForDependency")
    _fail(world, "extract-1", 3, 7, 8)
    assert _until_phase(world, "extract", "Failed")["failedIndexes"] == "3,7,8"
    assert _until_phase(world, "transform", "Failed")["failedIndexes"] == "3,7,8"
    assert _indexes(world, "transform-1") == [each for each in range(20) if each not in {3, 7, 8}]
    world.until(
        "publish names it", lambda: _ready(_status(world, "publish")) == ("False", "DependencyFailed")
    )
    world.kubectl("annotate", "cjob/extract", 'run.containerapp.dev/again={"indexes": "failed"}')
    world.until("it is answered", lambda: _status(world, "extract").get("answered") == ["again"])
    run = _status(world, "extract")["run"]
    world.until("the failed ones run", lambda: _indexes(world, run) == [3, 7, 8])
    _fail(world, run)
    status = _until_phase(world, "extract", "Succeeded")
    assert (status["succeeded"], status["continues"]) == (20, "extract-1")
    assert _until_phase(world, "transform", "Succeeded")["run"] == "transform-2"
    assert _indexes(world, "transform-2") == [3, 7, 8]
    assert _until_phase(world, "publish", "Succeeded")["run"] == "publish-1"


def test_jobs_that_wait_for_each_other_say_so(world: World) -> None:
    """All of them, in whatever order they come; and none runs until one lets go."""
    names = ("a", "b", "c")
    for name, other in zip(names, ("b", "c", "a"), strict=True):
        _apply(world, name, dependsOn=[{"job": other}])
    for name in names:
        world.until(
            f"{name} says so",
            lambda name=name: _ready(_status(world, name)) == ("False", "DependencyCycle"),  # type: ignore[misc]
        )
    world.settle()
    assert [job for name in names for job in _jobs(world, name)] == []
    _apply(world, "c", dependsOn=[])
    for name in names:
        _until_phase(world, name, "Succeeded")


@pytest.mark.timeout(300)
def test_a_run_waits_in_its_queue_until_it_is_released(world: World, cluster: Cluster) -> None:
    """Without Kueue it is refused with the remedy; with it, the status says in its words why the run waits."""
    _apply(world, "queued", queue="team-a")
    world.until("it is refused", lambda: _ready(_status(world, "queued")) == ("False", "KindNotInstalled"))
    assert _jobs(world, "queued") == []
    definitions = [(_STUBS / f"{kind}.yaml").read_text() for kind in ("localqueues", "workloads")]
    with installed(cluster, world.api, *definitions):
        world.until(
            "the queue is missed",
            lambda: _ready(_status(world, "queued")) == ("False", "QueueMissing"),
            timeout=120,
        )
        kueue = {"apiVersion": "kueue.x-k8s.io/v1beta2"}
        metadata: Manifest = {"namespace": world.namespace}
        world.api.apply(
            {**kueue, "kind": "LocalQueue", "metadata": {**metadata, "name": "team-a"}, "spec": {}}
        )
        world.until("the run waits", lambda: _ready(_status(world, "queued")) == ("False", "Queued"))
        (job,) = _jobs(world, "queued")
        waiting = {"type": "QuotaReserved", "status": "False", "reason": "Pending", "message": "no quota"}
        metadata |= {"name": "job-queued-1", "labels": {"kueue.x-k8s.io/job-uid": job["metadata"]["uid"]}}
        status = {"conditions": [waiting]}
        world.api.apply({**kueue, "kind": "Workload", "metadata": metadata, "status": status})
        world.until("Kueue is heard", lambda: _ready(_status(world, "queued")) == ("False", "Pending"))
        world.patch("Job", "queued-1", {"spec": {"suspend": False}})
        assert conditions(_until_phase(world, "queued", "Succeeded"))["Admitted"]["status"] == "True"


def test_a_person_runs_a_job_from_the_command_line(world: World, person: Person) -> None:
    """With values of its own, once; what cannot run is said before anything is written."""
    _apply(world, "report", parameters={"day": "none"}, args=["Ref::day"], onChange="Wait")
    assert _ready(_until_phase(world, "report", "OnDemand")) == ("True", "OnDemand")
    assert _jobs(world, "report") == []
    result = person.here("run", "cjob/report", "--set", "day=monday", "--env", "A=b", "--timeout", "60s")
    assert result.exit_code == 0, result.output
    assert "has succeeded." in result.stderr
    (made,) = _jobs(world, "report")
    container = _container(made)
    assert (container["args"], container["env"]) == (["monday"], [{"name": "A", "value": "b"}])
    assert "run.containerapp.dev" not in str(
        world.get("ContainerJob", "report")["metadata"].get("annotations")
    )
    result = person.here("run", "report", "--no-wait", "--", "--full", "x")
    assert result.exit_code == 0, result.output
    newest = max(_jobs(world, "report"), key=lambda job: int(job["metadata"]["resourceVersion"]))
    assert ["--full", "x"] in [_container(job)["args"] for job in _jobs(world, "report")], newest
    assert "report" in person.here("list", "cjob").stdout
    assert person.here("logs", "cjob/report").exit_code == 0
    refused = person.here("run", "report", "--indexes", "failed")
    assert (refused.exit_code, "InvalidRunRequest" in str(_status(world, "report"))) == (1, True)
    assert "The annotation" in refused.stderr
    assert person.here("run", "report", "--indexes", "x").exit_code == 1
    assert person.here("run", "report", "--set", "day").exit_code == 64
    assert person.here("run", "absent").exit_code == 5
    unnamed = person.call("run")
    assert (unnamed.exit_code, "containerapp operator" in unnamed.stderr) == (64, True)
