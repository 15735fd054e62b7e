"""The health checks that the GitOps page gives Argo CD and Flux tell healthy, waiting and broken apps apart."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

import devcluster
from devcluster.cluster import CommandError
from tests.definitions import define
from tests.docs.pages import ROOT, blocks

_PAGE = ROOT / "docs" / "gitops.md"
_KEY = "resource.customizations.health.containerapp.dev_ContainerApp"


def _app(*conditions: tuple[str, str, str], observed: int = 2) -> dict[str, Any]:
    return {
        "metadata": {"generation": 2},
        "status": {
            "observedGeneration": observed,
            "conditions": [
                {"type": kind, "status": status, "reason": reason, "message": f"{kind} {reason}"}
                for kind, status, reason in conditions
            ],
        },
    }


RUNNING = _app(("Ready", "True", "Running"))
CASES = {
    "without a status": ({"metadata": {"generation": 1}}, "Progressing"),
    "unseen": (_app(("Ready", "Unknown", "Pending"), observed=-1), "Progressing"),
    "running": (RUNNING, "Healthy"),
    "suspended": (_app(("Ready", "True", "Suspended")), "Suspended"),
    "rolling out": (
        _app(("Ready", "False", "RollingOut"), ("Reconciling", "True", "RollingOut")),
        "Progressing",
    ),
    "stalled": (_app(("Ready", "False", "NameTaken"), ("Stalled", "True", "NameTaken")), "Degraded"),
    "of an older generation": (_app(("Ready", "True", "Running"), observed=1), "Progressing"),
}


@pytest.mark.parametrize(("app", "expected"), CASES.values(), ids=CASES.keys())
def test_argo_cd_s_health_check_tells_apart(app: dict[str, Any], expected: str) -> None:
    """Run by Lua itself, as Argo CD does."""
    lupa = pytest.importorskip("lupa")
    (script,) = [
        manifest["data"][_KEY]
        for block in blocks()
        if block.page == _PAGE
        for manifest in block.manifests
        if manifest["kind"] == "ConfigMap"
    ]
    lua = lupa.LuaRuntime()
    check = lua.execute(f"return function(obj) {script} end")
    health = check(lua.table_from(app, recursive=True))
    assert health["status"] == expected
    assert health["message"]


@pytest.fixture
def probes(cluster: devcluster.Cluster) -> Iterator[devcluster.Cluster]:
    """The cluster with a kind whose objects are refused with the name of Flux' expression that holds for them."""
    (check,) = [
        check
        for block in blocks()
        if block.page == _PAGE
        for manifest in block.manifests
        for check in manifest.get("spec", {}).get("healthCheckExprs", [])
    ]
    condition = {
        name: {"type": "string", "maxLength": 64} for name in ("type", "status", "reason", "message")
    }
    listed = {"type": "array", "maxItems": 16, "items": {"type": "object", "properties": condition}}
    rules = [
        {
            "rule": f"!({re.sub(r'status[.]conditions', 'self.conditions', check[name])})",
            "message": f"is {name}",
        }
        for name in ("failed", "current")
    ]
    spec = {"type": "object", "properties": {"conditions": listed}, "x-kubernetes-validations": rules}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "healthprobes.docs.example"},
        "spec": {
            "group": "docs.example",
            "scope": "Namespaced",
            "names": {"plural": "healthprobes", "kind": "HealthProbe"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    define(cluster, json.dumps(definition))
    yield cluster
    cluster.kubectl("delete", "crd", "healthprobes.docs.example")


@pytest.mark.cluster
def test_flux_expressions_tell_apart(probes: devcluster.Cluster, namespace: str) -> None:
    """Evaluated by the API server's own CEL, in the place of Flux'."""
    expected = {
        "unseen": "",
        "running": "is current",
        "suspended": "is current",
        "stalled": "is failed",
        "rolling out": "",
    }
    for case, word in expected.items():
        app, _ = CASES[case]
        verdict = _verdict(probes, namespace, app["status"]["conditions"])
        assert word in verdict, case
        assert bool(word) == bool(verdict), case


def _verdict(cluster: devcluster.Cluster, namespace: str, conditions: list[dict[str, str]]) -> str:
    """Return what the API server says against the object, or nothing where no expression holds."""
    probe = {
        "apiVersion": "docs.example/v1",
        "kind": "HealthProbe",
        "metadata": {"generateName": "probe-"},
        "spec": {"conditions": conditions},
    }
    try:
        cluster.kubectl("create", f"--namespace={namespace}", "--filename=-", stdin=json.dumps(probe))
    except CommandError as refusal:
        return refusal.stderr
    return ""
