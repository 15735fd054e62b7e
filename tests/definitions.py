"""Puts a definition on a cluster and waits until it is served.

Not by `kubectl wait --for=condition`: that fails, rather than waits, in the moment in which a definition's conditions
are null because the API server has not looked at it yet.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from tests.controller.operators import eventually

if TYPE_CHECKING:
    from devcluster import Cluster


def define(cluster: Cluster, manifest: str) -> None:
    """Apply one definition, given as YAML, and wait until the API server has established it."""
    cluster.kubectl("apply", "--server-side", "--filename=-", stdin=manifest)
    name = yaml.safe_load(manifest)["metadata"]["name"]

    def told() -> bool:
        return established(json.loads(cluster.kubectl("get", "crd", name, "--output=json")))

    eventually(f"{name} is served", told)


def established(definition: dict[str, Any]) -> bool:
    """Say whether the API server serves it."""
    conditions = definition.get("status", {}).get("conditions") or []
    return any(item["type"] == "Established" and item["status"] == "True" for item in conditions)
