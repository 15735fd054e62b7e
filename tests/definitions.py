"""Puts a definition on a cluster and waits until it is served.

Not by `kubectl wait --for=condition`: that fails, rather than waits, in the moment in which a definition's conditions
are null because the API server has not looked at it yet.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import yaml

from tests.controller.operators import eventually

if TYPE_CHECKING:
    from devcluster import Cluster


def define(cluster: Cluster, manifest: str) -> None:
    """Apply one definition, given as YAML, and wait until the API server serves it."""
    cluster.kubectl("apply", "--server-side", "--filename=-", stdin=manifest)
    await_served(cluster, yaml.safe_load(manifest)["metadata"]["name"])


def await_served(cluster: Cluster, name: str) -> None:
    """Wait until the API server has established the definition."""
    eventually(f"{name} is served", lambda: _established(cluster, name))


def _established(cluster: Cluster, name: str) -> bool:
    definition = json.loads(cluster.kubectl("get", "crd", name, "--output=json"))
    conditions = definition.get("status", {}).get("conditions") or []
    return any(item["type"] == "Established" and item["status"] == "True" for item in conditions)
