"""A resize in place on a real node: the same Pod, the same container, other limits of its control group."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import devcluster
from containerapp.api import crd
from containerapp.controllers import CONTROLLERS
from devcluster import ecr, images, system
from tests.controller.api import Api, Manifest
from tests.controller.operators import Identity, Operator, eventually
from tests.definitions import define
from tests.expectations import conditions

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]

_CGROUPS = Path("/sys/fs/cgroup")


@pytest.fixture(scope="module")
def api(node_cluster: devcluster.Cluster) -> Iterator[Api]:
    """The API server, as its administrator sees it."""
    api = Api(node_cluster.kubeconfig)
    yield api
    api.close()


@pytest.fixture
def operator(node_cluster: devcluster.Cluster, tmp_path: Path) -> Iterator[Operator]:
    """The operator, as the cluster's administrator."""
    for controller in CONTROLLERS:
        define(node_cluster, crd.render_yaml(controller.definition))
    identity = Identity(
        service_account="none",
        namespace="default",
        kubeconfig=node_cluster.kubeconfig,
        environment={"CONTAINERAPP_LEADER_ELECTION": "false"},
    )
    operator = Operator(identity=identity, directory=tmp_path)
    yield operator.start()
    operator.kill()


@pytest.fixture(scope="module")
def image(node_cluster: devcluster.Cluster) -> str:
    """An image that serves HTTP."""
    system.require({"/bin/busybox": "busybox-static"})
    files = {"/bin/busybox": Path("/bin/busybox").read_bytes(), "/www/index.html": b"shop\n"}
    entrypoint = ["/bin/busybox", "httpd", "-f", "-p", "8080", "-h", "/www"]
    return ecr.push(node_cluster, "resized", "v1", images.Image(files=files, entrypoint=entrypoint))


def _apply(api: Api, image: str, cpu: str, memory: str, **spec: Any) -> None:
    resources = {"requests": {"cpu": "20m", "memory": memory}, "limits": {"cpu": cpu, "memory": memory}}
    api.apply(
        {
            "apiVersion": "containerapp.dev/v1alpha1",
            "kind": "ContainerApp",
            "metadata": {"name": "resized", "namespace": "default"},
            "spec": {
                "image": image,
                "port": 8080,
                "security": {"runAsUser": 65532},
                "terminationGracePeriodSeconds": 1,
                "replicas": 2,
                "resources": resources,
                **spec,
            },
        }
    )


def _await_good(api: Api, operator: Operator, revision: int) -> None:
    def good() -> bool:
        app = api.get("ContainerApp", "default", "resized")
        status = app.get("status", {})
        current = status.get("observedGeneration") == app["metadata"]["generation"]
        ready = conditions(status).get("Ready", {}).get("status") == "True"
        return bool(current and ready and status.get("lastGoodRevision") == revision)

    eventually(f"revision {revision} is good", good, timeout=150, interval=0.5, details=operator.tail)


def _pods(api: Api) -> list[Manifest]:
    found = api.list("Pod", "default", "containerapp.dev/app=resized")
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def _containers(api: Api) -> set[tuple[str, str, int]]:
    """Return uid, container and restarts of each Pod."""
    return {
        (pod["metadata"]["uid"], status["containerID"], status["restartCount"])
        for pod in _pods(api)
        for status in pod["status"].get("containerStatuses", ())
    }


def _limits(api: Api) -> set[tuple[str, str]]:
    """Return what the kernel holds the containers to: CPU time of a period, and bytes."""
    return {_limit(container.partition("://")[2]) for _, container, _ in _containers(api)}


def _limit(container: str) -> tuple[str, str]:
    if (_CGROUPS / "cgroup.controllers").exists():
        (group,) = _CGROUPS.rglob(f"*{container}*/cpu.max")
        quota, period = group.read_text().split()
        memory = (group.parent / "memory.max").read_text()
    else:
        (group,) = (_CGROUPS / "cpu").rglob(f"*{container}*/cpu.cfs_quota_us")
        quota, period = group.read_text(), (group.parent / "cpu.cfs_period_us").read_text()
        (limit,) = (_CGROUPS / "memory").rglob(f"*{container}*/memory.limit_in_bytes")
        memory = limit.read_text()
    return f"{int(quota) * 1000 // int(period)}m", f"{int(memory) >> 20}Mi"


def test_running_containers_get_other_limits(api: Api, operator: Operator, image: str) -> None:
    """No restart, not even where the operator is killed on the way; more than the node has is rolled out, and back."""
    _apply(api, image, "100m", "64Mi")
    _await_good(api, operator, 1)
    before = _containers(api)
    assert _limits(api) == {("100m", "64Mi")}
    _apply(api, image, "300m", "96Mi")
    eventually(
        "it is under way",
        lambda: (
            "containerapp.dev/resizing"
            in api.get("Deployment", "default", "resized")["metadata"]["annotations"]
        ),
        timeout=30,
        interval=0.02,
    )
    operator.kill()
    operator.start()
    _await_good(api, operator, 2)
    assert _containers(api) == before
    assert _limits(api) == {("300m", "96Mi")}
    _apply(api, image, "300m", "1000Gi", rollout={"progressDeadlineSeconds": 20, "minReadySeconds": 0})
    eventually(
        "it is rolled back",
        lambda: (
            conditions(api.get("ContainerApp", "default", "resized")["status"])
            .get("RolledOut", {})
            .get("reason")
            == "RolledBack"
        ),
        timeout=150,
        details=operator.tail,
    )
    assert _containers(api) >= before, "no old Pod has ended"
    _apply(api, image, "300m", "96Mi", podAnnotations={"note": "a rollout as any other"})
    _await_good(api, operator, 4)
    assert not before & _containers(api)
    assert _limits(api) == {("300m", "96Mi")}
