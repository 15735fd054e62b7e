"""What decides about the children that only some apps have: autoscaler, disruption budget and monitor."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from containerapp.api.workload import Disruption
from containerapp.core.diff import differs
from containerapp.core.model import Manifest
from tests.builders import an_app, desired_children
from tests.expectations import of_kind


def _children(spec: Manifest, kind: str) -> list[Manifest]:
    return [child for child in desired_children(an_app(spec)) if child["kind"] == kind]


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        ({}, None),
        ({"replicas": 0}, None),
        ({"replicas": 1, "disruption": {"maxUnavailable": 1}}, None),
        ({"replicas": 2}, {"maxUnavailable": 1}),
        ({"replicas": 2, "disruption": {}}, {"maxUnavailable": 1}),
        ({"replicas": 2, "suspend": True}, None),
        ({"replicas": 2, "suspend": True, "disruption": {"minAvailable": 1}}, None),
        ({"replicas": 2, "disruption": {"minAvailable": 0}}, {"minAvailable": 0}),
        ({"replicas": 9, "disruption": {"maxUnavailable": "25%"}}, {"maxUnavailable": "25%"}),
        ({"replicas": 9, "autoscaling": {"maxReplicas": 9}}, None),
        ({"autoscaling": {"minReplicas": 2, "maxReplicas": 9}}, {"maxUnavailable": 1}),
        ({"autoscaling": {"maxReplicas": 9}, "disruption": {"maxUnavailable": 1}}, {"maxUnavailable": 1}),
        ({"autoscaling": {"maxReplicas": 9}, "disruption": {"surge": False}}, None),
        ({"autoscaling": {"maxReplicas": 1}, "disruption": {"maxUnavailable": 1}}, None),
    ],
)
def test_there_is_a_budget_where_a_pod_can_be_spared(spec: Manifest, count: Manifest | None) -> None:
    """From two Pods on; for an app of one Pod where it asks for that: it would block the drain of its node."""
    found = [
        {key: value for key, value in budget["spec"].items() if key.endswith("vailable")}
        for budget in _children(spec, "PodDisruptionBudget")
    ]
    assert found == ([] if count is None else [count])


@given(st.integers(1, 1000), st.integers(0, 1000) | st.integers(0, 100).map("{}%".format))
def test_what_spares_a_pod_is_reckoned_as_kubernetes_does(pods: int, least: int | str) -> None:
    """It rounds percentages up: https://kubernetes.io/docs/tasks/run-application/configure-pdb/."""
    kept = least if isinstance(least, int) else math.ceil(int(least[:-1]) * pods / 100)
    assert Disruption(min_available=least, surge=False).spares_a_pod(pods) == (pods - kept >= 1)
    assert Disruption(min_available=1).spares_a_pod(pods), "the only Pod, too: a second one comes first"


@pytest.mark.parametrize(
    ("spec", "replicas", "initial"),
    [
        ({"replicas": 3}, 3, None),
        ({"replicas": 3, "autoscaling": {"minReplicas": 2, "maxReplicas": 5}}, None, "2"),
        ({"replicas": 3, "suspend": True}, 0, None),
        ({"autoscaling": {"minReplicas": 2, "maxReplicas": 5}, "suspend": True}, 0, None),
    ],
)
def test_the_autoscaler_alone_says_how_many_pods_run(
    spec: Manifest, replicas: int | None, initial: str | None
) -> None:
    """Two that write one field would undo each other for ever; a suspended app has no Pods whatever the load."""
    (deployment,) = _children(spec, "Deployment")
    assert deployment["spec"].get("replicas") == replicas
    assert deployment["metadata"]["annotations"].get("containerapp.dev/initial-replicas") == initial
    assert len(_children(spec, "HorizontalPodAutoscaler")) == ("autoscaling" in spec)


def _targets(target: Manifest) -> Manifest:
    metric = {"type": "Pods", "pods": {"metric": {"name": "requests"}, "target": target}}
    autoscaling = {"maxReplicas": 5, "metrics": [metric]}
    return of_kind(desired_children(an_app({"autoscaling": autoscaling})), "HorizontalPodAutoscaler")


@pytest.mark.parametrize(
    ("written", "stored", "at_rest"),
    [
        ("1000m", "1", True),
        ("1000", "1k", True),
        (30, "30", True),
        ("30", "31", False),
        ("30", None, False),
    ],
)
def test_the_target_of_a_metric_is_at_rest_in_its_canonical_form(
    *, written: Any, stored: str | None, at_rest: bool
) -> None:
    """Otherwise the autoscaler would be written again and again."""
    desired = _targets({"type": "AverageValue", "averageValue": written})
    live = _targets({"type": "AverageValue", "averageValue": written})
    target = live["spec"]["metrics"][0]["pods"]["target"]
    target["averageValue"] = stored
    assert differs(desired, live) != at_rest


def test_another_type_of_target_is_drift() -> None:
    """The type is no quantity."""
    desired = _targets({"type": "AverageValue", "averageValue": "30"})
    live = _targets({"type": "AverageValue", "averageValue": "30"})
    live["spec"]["metrics"][0]["pods"]["target"]["type"] = "Value"
    assert differs(desired, live)


def test_a_field_of_the_behavior_that_is_not_given_keeps_its_default() -> None:
    """Whoever lengthens the window still wants Pods to go slowly."""
    given = {"scaleDown": {"stabilizationWindowSeconds": 900}}
    (autoscaler,) = _children(
        {"autoscaling": {"maxReplicas": 5, "behavior": given}}, "HorizontalPodAutoscaler"
    )
    assert autoscaler["spec"]["behavior"]["scaleDown"] == {
        "stabilizationWindowSeconds": 900,
        "selectPolicy": "Max",
        "policies": [{"type": "Percent", "value": 10, "periodSeconds": 60}],
    }


@pytest.mark.parametrize(
    ("spec", "port", "declared", "served"),
    [
        ({"port": 8080, "metrics": {"port": "http"}}, "http", ["http"], ["http"]),
        ({"port": 8080, "metrics": {"port": 8080}}, "http", ["http"], ["http"]),
        ({"port": 8080, "metrics": {"port": 9090}}, "metrics", ["http", "metrics"], ["http"]),
        ({"metrics": {"port": 9090}}, "metrics", ["metrics"], []),
        (
            {
                "ports": [{"name": "dns", "containerPort": 53, "protocol": "UDP"}],
                "metrics": {"port": 53},
            },
            "metrics",
            ["dns", "metrics"],
            ["dns"],
        ),
    ],
)
def test_metrics_are_scraped_from_a_port_that_the_pod_declares(
    spec: Manifest, port: str, declared: list[str], served: list[str]
) -> None:
    """Prometheus finds declared ports alone; a port for metrics alone is nothing for the Service."""
    (monitor,) = _children(spec, "PodMonitor")
    assert [endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]] == [port]
    (deployment,) = _children(spec, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert [item["name"] for item in container["ports"]] == declared
    services = _children(spec, "Service")
    assert [item["name"] for service in services for item in service["spec"]["ports"]] == served


def test_the_labels_of_a_monitor_are_beside_the_operators_own() -> None:
    """A Prometheus selects monitors by label, and so does the operator."""
    (monitor,) = _children({"port": 80, "metrics": {"port": 80, "labels": {"release": "p"}}}, "PodMonitor")
    assert monitor["metadata"]["labels"].items() >= {"release": "p", "containerapp.dev/app": "shop"}.items()


@pytest.mark.parametrize(
    ("probe", "given_deadline", "deadline"),
    [
        (None, None, 600),
        (None, 60, 60),
        ({"exec": {"command": ["x"]}}, None, 630),
        (
            {
                "exec": {"command": ["x"]},
                "initialDelaySeconds": 20,
                "periodSeconds": 30,
                "failureThreshold": 60,
            },
            None,
            2420,
        ),
        ({"exec": {"command": ["x"]}, "failureThreshold": 30}, 301, 301),
    ],
)
def test_the_deadline_outlasts_the_startup_probe(
    probe: Manifest | None, given_deadline: int | None, deadline: int
) -> None:
    """A Pod that may still start must not make its rollout a failed one."""
    rollout = {"progressDeadlineSeconds": given_deadline} if given_deadline else {}
    spec: Manifest = {"rollout": rollout, **({"startupProbe": probe} if probe else {})}
    (deployment,) = _children(spec, "Deployment")
    assert deployment["spec"]["progressDeadlineSeconds"] == deadline


@pytest.mark.parametrize(
    ("rollout", "strategy"),
    [
        ({}, {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}}),
        (
            {"maxUnavailable": "50%"},
            {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "50%", "maxSurge": "25%"}},
        ),
        (
            {"maxSurge": 0, "maxUnavailable": 1},
            {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
        ),
        ({"strategy": "Recreate"}, {"type": "Recreate"}),
    ],
)
def test_the_strategy_is_kubernetes_own(rollout: Manifest, strategy: Manifest) -> None:
    """A 0 that was given is no missing value."""
    (deployment,) = _children({"rollout": rollout}, "Deployment")
    assert deployment["spec"]["strategy"] == strategy
