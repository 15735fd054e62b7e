"""Where the demo's cluster comes from: chosen by what the machine can do, or named by `DEVCLUSTER_PROVIDER`.

`story` tries the places in their order. Each says in one line what it is and why, and what a user who wants more of it
has to do.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from devcluster import Cluster, Kwok, Options, Real, binaries, embedded, kind, system
from examples.demo.errors import DemoError

_CHOICES = "kind, embedded, or nothing, which chooses"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One way to a cluster."""

    title: str
    why: str
    start: Callable[[], Cluster]
    real: bool = True
    """Whether Pods run there, so that there is a page and a load balancer before it."""
    image_step: str = "Build examples/sample-app with Docker, push it to ECR"


def candidates(*, simulated: bool) -> list[Place]:
    """Return the places to try, the first one first."""
    if simulated:
        return [_simulated("The nodes are simulated, as asked for.")]
    match os.environ.get("DEVCLUSTER_PROVIDER"):
        case "embedded":
            return [_embedded("as DEVCLUSTER_PROVIDER asks")]
        case "kind":
            return [_kind("as DEVCLUSTER_PROVIDER asks")]
        case "existing":
            raise DemoError(
                "DEVCLUSTER_PROVIDER=existing: the demo builds images and has no way to bring them into your cluster. "
                f"Set DEVCLUSTER_PROVIDER to {_CHOICES}; docs/install.md installs the operator on a cluster of yours"
            )
        case None | "":
            obstacle = kind.obstacle()
            if obstacle:
                return [_embedded(obstacle)]
            return [_kind("Docker answers"), _embedded("kind could not start")]
        case other:
            raise DemoError(f"DEVCLUSTER_PROVIDER={other}: choose {_CHOICES}")


def _kind(why: str) -> Place:
    return Place(
        title="Create a cluster with kind",
        why=f"The cluster is kind's: {why}.",
        start=_start_kind,
        image_step="Build examples/sample-app with Docker, load it onto the node",
    )


def _embedded(why: str) -> Place:
    obstacle = system.real_node_obstacle() or system.docker_obstacle()
    if obstacle:
        return _simulated(f"The nodes are simulated: {why}, and a real node cannot run here ({obstacle}).")
    options = Options(nodes=Real(dns=False), docker=True)
    return Place(
        title="Start a cluster with one real node (kubelet, containerd)",
        why=f"The cluster runs as processes of this machine: {why}.",
        start=lambda: _start_embedded(options),
    )


def _simulated(why: str) -> Place:
    options = Options(nodes=Kwok(), aws=True)
    return Place(
        title="Start a cluster with simulated nodes (kwok)",
        why=f"{why} Pods become Ready without running, so no page will open. "
        "With Docker, or as root on Linux, there is one.",
        start=lambda: _start_embedded(options),
        real=False,
    )


def _start_kind() -> Cluster:
    binaries.obtain([name for name in ("kind", "kubectl", "helm") if shutil.which(name) is None])
    return kind.start(Options(nodes=Real(), aws=True))


def _start_embedded(options: Options) -> Cluster:
    programs = [*embedded.needed_programs(options), "helm"]
    binaries.obtain([*programs, "traefik"] if isinstance(options.nodes, Real) else programs)
    return embedded.start(options)
