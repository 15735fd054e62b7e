"""What a run of the cluster should consist of.

The options decide which components start and which binaries have to exist; the callers of `devcluster.start` and
the command line fill them in. They say nothing about ports or paths: every run gets its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


class DevclusterError(Exception):
    """The cluster could not do what was asked; the message says why and what to try."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kwok:
    """Simulated nodes, spread over three zones: Pods become Ready without running anything."""

    count: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Real:
    """Real nodes (kubelet and containerd each) in network and process namespaces of the run's own; needs root."""

    count: Literal[1, 2] = 1
    """With two, a drain is real. They share the run's network, so a host port of one is taken on the other as well."""
    dns: bool = True
    """Run a name server for the Pods; what knows its addresses needs none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The shape of one cluster."""

    nodes: Kwok | Real | None = field(default_factory=Kwok)
    audit: bool | Path = False
    """Keep an audit log (user, verb, resource of every request): in the run directory, or at the path given."""
    controllers: bool = True
    """Run the controller-manager, and the scheduler where there are nodes; without them nothing follows a write."""
    aws: bool = False
    """Run moto's AWS APIs; `ecr` has them too."""
    ecr: bool = False
    """Run a registry and moto's AWS APIs, together a stand-in for Amazon ECR; a real node always has them."""
    docker: bool = False
    """Run a docker daemon that builds images and pushes them to the stand-in under ECR's host name; needs root."""

    @property
    def with_ecr(self) -> bool:
        """Whether the stand-in for ECR runs, be it asked for or needed."""
        return self.ecr or self.docker or isinstance(self.nodes, Real)

    @property
    def with_aws(self) -> bool:
        """Whether the AWS APIs run, be they asked for or needed."""
        return self.aws or self.with_ecr

    @property
    def isolated(self) -> bool:
        """Whether the run has namespaces of its own, with an address that Pods can reach."""
        return self.docker or isinstance(self.nodes, Real)
