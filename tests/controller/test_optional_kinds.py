"""A kind whose definition comes and goes while the operator runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from devcluster import Cluster
from tests.controller.world import World
from tests.definitions import define

pytestmark = pytest.mark.cluster

_DEFINITION = Path(__file__).parents[1] / "vendored" / "podmonitors.yaml"
_NAME = "podmonitors.monitoring.coreos.com"


@pytest.mark.timeout(400)
def test_a_definition_is_absent_then_installed_then_removed(cluster: Cluster, world: World) -> None:
    """The condition follows; the app is Ready throughout, and other apps do not notice."""
    metrics = {"port": "http", "path": "/metrics"}
    world.run("watched", port=8080, metrics=metrics)
    world.run("beside", port=8080)
    condition = world.await_condition("watched", "Monitored", "False", "KindNotInstalled")
    assert "PodMonitor (monitoring.coreos.com/v1)" in condition["message"]
    assert "Prometheus Operator" in condition["message"]
    assert "Monitored" not in world.conditions("beside")
    bugs = world.operator.metric("containerapp_reconciles_total", outcome="bug")
    define(cluster, _DEFINITION.read_text())
    try:
        _edit_until(world, "Applied", "True")
        monitor = world.get("PodMonitor", "watched")
        assert monitor["spec"]["podMetricsEndpoints"][0]["port"] == "http"
        assert "PodMonitor" in [item["kind"] for item in world.await_ready("watched")["status"]["resources"]]
    finally:
        world.api.delete("CustomResourceDefinition", None, _NAME)
    _edit_until(world, "KindNotInstalled", "False")
    assert "PodMonitor" not in [item["kind"] for item in world.await_ready("watched")["status"]["resources"]]
    assert world.operator.metric("containerapp_reconciles_total", outcome="bug") == bugs


def _edit_until(world: World, reason: str, status: str) -> None:
    """Edit another app again and again until the condition has come; each edit is Ready as always."""
    serials = iter(range(1000))

    def come() -> bool:
        world.run("beside", port=8080, podLabels={"serial": str(next(serials))})
        found = world.conditions("watched").get("Monitored", {})
        assert world.conditions("watched")["Ready"]["status"] == "True"
        return (found.get("reason"), found.get("status")) == (reason, status)

    world.until(f"Monitored is {status} by {reason}", come, names=["watched"], timeout=60)
