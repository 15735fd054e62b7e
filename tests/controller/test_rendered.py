"""What is rendered, held against the API server's own schemas: every golden case, strictly."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from devcluster import Cluster

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = sorted(GOLDEN.glob("*/expected.yaml"))

pytestmark = pytest.mark.cluster


def test_every_golden_manifest_passes_strict_validation(cluster: Cluster, namespace: str) -> None:
    """No unknown, misspelt or doubled field, and no value that the API server refuses."""
    manifests = []
    for number, case in enumerate(CASES):
        for manifest in yaml.safe_load_all(case.read_text()):
            metadata = {**manifest["metadata"], "name": f"case-{number}", "namespace": namespace}
            manifests.append({**manifest, "metadata": metadata})
    assert len(manifests) > len(CASES)
    said = cluster.kubectl(
        "apply",
        "--server-side",
        "--dry-run=server",
        "--validate=strict",
        "--filename=-",
        stdin=yaml.safe_dump_all(manifests),
    )
    assert said.count("serverside-applied (server dry run)") == len(manifests)
