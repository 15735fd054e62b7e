"""What people have published of AWS Batch and of Copilot's Scheduled Jobs, imported, runs to its end as it is written.

Sizes, retries, time-outs, schedules, secrets and placement are theirs. The cluster has what they ask for: a node with
GPUs, disks, paths of nodes that the platform allows; the test plays External Secrets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from devcluster import Cluster
from tests.controller.api import Api, Manifest
from tests.controller.disks import disks
from tests.controller.operators import Operator, eventually
from tests.controller.secrets import EXTERNAL_SECRETS, fetch, installed
from tests.controller.world import World
from tests.published import FOLDER, WHERE, Published, batch, copilot

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not FOLDER.is_dir(), reason=WHERE),
]

_ENVIRONMENT = {
    "CONTAINERAPP_SKIP_TAG_RESOLVING": "*.amazonaws.com,public.ecr.aws",
    "CONTAINERAPP_ALLOWED_HOST_PATHS": "/*",
    "CONTAINERAPP_IDENTITY_METHOD": "irsa",
}
_RUN = "published"
_GPUS = "node-with-gpus"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """A job of a file, in a namespace of its own."""

    title: str
    world: World
    manifests: tuple[Manifest, ...]

    @property
    def name(self) -> str:
        """Name of the job."""
        return str(self.manifests[-1]["metadata"]["name"])

    def report(self) -> str:
        """Say how the job stands."""
        status = self.world.get("ContainerJob", self.name).get("status")
        return f"{status}\n{self.world.operator.tail()}"

    def has_run(self) -> bool:
        """Fetch what its runs wait for, and say whether the run that was asked for has succeeded."""
        for source in self.world.api.list("ExternalSecret", self.world.namespace):
            if not source.get("status"):
                fetch(self.world, source, {each["secretKey"]: "x" for each in source["spec"]["data"]})
        runs = self.world.get("ContainerJob", self.name).get("status", {}).get("runs", ())
        return any((run["trigger"], run["phase"]) == (f"run/{_RUN}", "Succeeded") for run in runs)


def _jobs() -> Iterator[tuple[str, tuple[Manifest, ...]]]:
    """Yield title and manifests of each file that becomes a job, for one of its environments."""
    found: dict[str, Published] = {}
    for each in (*batch(), *copilot()):
        if each.imported and each.imported.manifests[-1]["kind"] == "ContainerJob":
            found[each.title.split()[0]] = each
    for title, each in found.items():
        assert each.imported is not None
        yield title, each.imported.manifests


@pytest.fixture
def node(cluster: Cluster, api: Api) -> Iterator[None]:
    """A node with GPUs beside the others."""
    like = cluster.kubectl("get", "nodes", "--output=name").split()[0].removeprefix("node/")
    found = api.get("Node", None, like)
    capacity = {**found["status"]["capacity"], "nvidia.com/gpu": "8"}
    labels = {**found["metadata"]["labels"], "kubernetes.io/hostname": _GPUS}
    api.apply(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": _GPUS, "labels": labels},
            "status": {"capacity": capacity, "allocatable": capacity},
        }
    )
    yield
    api.delete("Node", None, _GPUS)


def _given(world: World, volumes: list[str]) -> Iterator[_Given]:
    """Apply all of them, and ask for a run of each."""
    for number, (title, manifests) in enumerate(_jobs()):
        namespace = f"{world.namespace}-{number}"
        world.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        placed = tuple(
            {**each, "metadata": {**each["metadata"], "namespace": namespace}} for each in manifests
        )
        for manifest in placed:
            for disk in disks(manifest):
                volumes.append(disk["metadata"]["name"])
                world.api.apply(disk)
            world.api.apply(manifest)
        given = _Given(title=title, world=replace(world, namespace=namespace), manifests=placed)
        given.world.kubectl("annotate", "cjob", given.name, f"run.containerapp.dev/{_RUN}=")
        yield given


@pytest.mark.usefixtures("node")
def test_published_jobs_run_to_their_end_as_they_are_written(
    cluster: Cluster, api: Api, world: World, own_operator: Operator, volumes: list[str]
) -> None:
    """One run of each, once; and applying them has run nothing else."""
    own_operator.environment |= _ENVIRONMENT
    with installed(cluster, api, EXTERNAL_SECRETS.read_text()):
        own_operator.start()
        every = list(_given(world, volumes))
        assert len(every) >= 10
        for each in every:
            eventually(f"{each.title} has run", each.has_run, timeout=120, details=each.report)
            (run,) = each.world.get("ContainerJob", each.name)["status"]["runs"]
            assert run["trigger"] == f"run/{_RUN}"
        for each in every:
            api.delete("Namespace", None, each.world.namespace)
