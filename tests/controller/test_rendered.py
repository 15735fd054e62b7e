"""What is rendered, held against the API server's own schemas: every golden case, strictly.

The definition of PodMonitor is served under a group of its own, since other tests want it to be absent.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from containerapp.core.diff import differs
from containerapp.core.model import Manifest
from devcluster import Cluster
from tests.definitions import define

TESTS = Path(__file__).parents[1]
CASES = sorted((TESTS / "golden").glob("*/expected.yaml"))
GROUP, TEST_GROUP = "monitoring.coreos.com", "monitoring.rendered.test"

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def api(cluster: Cluster) -> Cluster:
    """The cluster with the definition of PodMonitor installed under another group."""
    definition = (TESTS / "vendored" / "podmonitors.yaml").read_text()
    define(cluster, definition.replace(GROUP, TEST_GROUP))
    return cluster


def _manifests(namespace: str) -> list[Manifest]:
    manifests = []
    for number, case in enumerate(CASES):
        for manifest in yaml.safe_load_all(case.read_text()):
            metadata = {**manifest["metadata"], "name": f"case-{number}", "namespace": namespace}
            version = manifest["apiVersion"].replace(GROUP, TEST_GROUP)
            manifests.append({**manifest, "apiVersion": version, "metadata": metadata})
    return manifests


def test_every_golden_manifest_passes_strict_validation_and_is_stored_as_written(
    api: Cluster, namespace: str
) -> None:
    """No unknown, misspelt or doubled field, no value that the API server refuses, none that it stores otherwise."""
    manifests = _manifests(namespace)
    assert {"HorizontalPodAutoscaler", "PodDisruptionBudget", "PodMonitor"} <= {
        manifest["kind"] for manifest in manifests
    }
    said = api.kubectl(
        "apply",
        "--server-side",
        "--dry-run=server",
        "--validate=strict",
        "--output=json",
        "--filename=-",
        stdin=yaml.safe_dump_all(manifests),
    )
    stored = json.loads(said)["items"]
    assert len(stored) == len(manifests) > len(CASES)
    rewritten = [
        manifest for manifest, found in zip(manifests, stored, strict=True) if differs(manifest, found)
    ]
    assert rewritten == []
