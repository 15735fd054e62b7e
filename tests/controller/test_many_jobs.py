"""ContainerJobs in numbers: what each costs the API server, and that a restart of the operator costs nothing."""

from __future__ import annotations

import sys

import pytest
import yaml

from tests.controller.api import Manifest
from tests.controller.world import World

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(1500)]

_JOBS = 500
_INDEXES = 2000


def _job(world: World, name: str, **spec: object) -> Manifest:
    return {
        "apiVersion": "containerapp.dev/v1alpha1",
        "kind": "ContainerJob",
        "metadata": {"name": name, "namespace": world.namespace},
        "spec": {"image": "shop:1.0", **spec},
    }


def _until_ended(world: World, count: int, phase: str) -> None:
    def ended() -> bool:
        jobs = world.api.list("ContainerJob", world.namespace)
        return bool(sum(job.get("status", {}).get("phase") == phase for job in jobs) == count)

    world.until(f"{count} jobs are {phase}", ended, timeout=1200)
    world.settle()


def test_five_hundred_jobs_cost_a_few_writes_each(world: World) -> None:
    """No reads; a foreign annotation and a restart of the operator write nothing."""
    position = world.audit.position()
    manifests = [_job(world, f"job-{number}") for number in range(_JOBS)]
    world.kubectl("apply", "--server-side", "--filename=-", stdin=yaml.safe_dump_all(manifests))
    _until_ended(world, _JOBS, "Succeeded")
    requests = world.audit.since(position, namespace=world.namespace)
    writes = world.audit.writes(position, namespace=world.namespace)
    sys.stdout.write(f"{_JOBS} jobs: writes {dict(writes)}, reads {sum(not r.is_write for r in requests)}\n")
    assert (writes["serviceaccounts"], writes["jobs"]) == (_JOBS, _JOBS)
    assert writes["containerjobs/status"] <= 4 * _JOBS
    position = world.audit.position()
    world.kubectl("annotate", "cjob", "--all", "example.com/note=seen")
    world.settle()
    assert world.audit.writes(position, namespace=world.namespace) == {}
    world.operator.stop()
    position = world.audit.position()
    world.operator.start()
    world.settle()
    assert world.audit.writes(position, namespace=world.namespace) == {}


def test_a_large_array_costs_as_little_as_one_pod(world: World) -> None:
    """Progress is written from time to time, never for each Pod; of one that fails, neither."""
    for phase, more in (
        ("Succeeded", {}),
        ("Failed", {"podAnnotations": {"devcluster/behaviour": "fail"}}),
    ):
        position = world.audit.position()
        name = f"array-{phase.lower()}"
        size = _INDEXES if phase == "Succeeded" else _INDEXES // 4
        world.api.apply(_job(world, name, array={"size": size, "parallelism": 200}, **more))
        _until_ended(world, 1, phase)
        status = world.get("ContainerJob", name)["status"]
        writes = world.audit.writes(position, namespace=world.namespace)
        reads = [r for r in world.audit.since(position, namespace=world.namespace) if not r.is_write]
        sys.stdout.write(
            f"array of {size}, {phase} in {status['duration']}: writes {dict(writes)}, reads {len(reads)}\n"
        )
        assert writes["jobs"] == 1
        assert writes["containerjobs/status"] <= size // 20
        assert len(reads) <= 40
        if phase == "Failed":
            assert status["failedIndexes"] == f"0-{size - 1}"
