"""Throw-away Kubernetes clusters for tests, the demo and the bench.

`start` gives a running cluster within seconds and removes every trace of it at the end, also when the caller crashes.
It knows nothing of the operator that is tried on it.
"""

from __future__ import annotations

from devcluster.cluster import Cluster, CommandError
from devcluster.options import DevclusterError, Kwok, Options, Real
from devcluster.provider import join, start, start_or_join
from devcluster.system import real_node_obstacle

__all__ = [
    "Cluster",
    "CommandError",
    "DevclusterError",
    "Kwok",
    "Options",
    "Real",
    "join",
    "real_node_obstacle",
    "start",
    "start_or_join",
]
