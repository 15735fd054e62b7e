"""What is rendered, held against the API server's own schemas: every golden case, strictly.

The definitions of optional kinds are served under groups of their own, since other tests want them to be absent.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from containerapp.core.diff import differs
from containerapp.core.model import Manifest
from devcluster import Cluster
from devcluster.definitions import gateway_api
from tests.definitions import define

TESTS = Path(__file__).parents[1]
CASES = sorted(TESTS.glob("golden*/*/expected.yaml"))
GROUPS = {
    "monitoring.coreos.com": ["vendored/podmonitors.yaml"],
    "external-secrets.io": ["vendored/externalsecrets.yaml"],
    "keda.sh": ["vendored/scaledobjects.yaml", "vendored/triggerauthentications.yaml"],
    "secrets-store.csi.x-k8s.io": ["stubs/secretproviderclasses.yaml"],
    "gateway.k8s.aws": ["stubs/targetgroupconfigurations.yaml"],
}
"""Groups of optional kinds, and the files of their definitions."""

GATEWAY = "gateway.networking.k8s.io"

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def api(cluster: Cluster) -> Cluster:
    """The cluster with the definitions of optional kinds installed under other groups."""
    for group, files in GROUPS.items():
        for file in files:
            define(cluster, (TESTS / file).read_text().replace(group, _other(group)))
    for definition in gateway_api("httproutes", "grpcroutes"):
        define(cluster, definition.replace(GATEWAY, _other(GATEWAY)))
    return cluster


def _other(group: str) -> str:
    return f"{group.partition('.')[0]}.rendered.test"


def _manifests(namespace: str) -> list[Manifest]:
    manifests: list[Manifest] = []
    for case in CASES:
        for manifest in yaml.safe_load_all(case.read_text()):
            metadata = {**manifest["metadata"], "name": f"case-{len(manifests)}", "namespace": namespace}
            group, _, version = manifest["apiVersion"].rpartition("/")
            served = f"{_other(group)}/{version}" if group in {*GROUPS, GATEWAY} else manifest["apiVersion"]
            manifests.append({**manifest, "apiVersion": served, "metadata": metadata})
    return manifests


def test_every_golden_manifest_passes_strict_validation_and_is_stored_as_written(
    api: Cluster, namespace: str
) -> None:
    """No unknown, misspelt or doubled field, no value that the API server refuses, none that it stores otherwise."""
    manifests = _manifests(namespace)
    assert {
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "PodMonitor",
        "ScaledObject",
        "TriggerAuthentication",
        "ExternalSecret",
        "SecretProviderClass",
        "NetworkPolicy",
        "Ingress",
        "HTTPRoute",
        "GRPCRoute",
        "TargetGroupConfiguration",
    } <= {manifest["kind"] for manifest in manifests}
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
