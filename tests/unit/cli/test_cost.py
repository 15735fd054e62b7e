"""What apps cost by what they request: `containerapp cost` with the built-in prices."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml

from containerapp.cli import plans
from containerapp.cli.costing import HOURS, Estimate, Line, estimate
from containerapp.cli.planning import Action, AppPlan, ObjectPlan, PodsPlan
from containerapp.cli.prices import BUILT_IN
from containerapp.core.model import Key
from tests.builders import app_manifest
from tests.unit.cli.test_offline import call

_ROUND = replace(
    BUILT_IN,
    fargate_cpu=1.0,
    fargate_memory=0.1,
    fargate_storage=0.01,
    node_hour=0.8,
    spot=0.5,
    alb=2.0,
    nlb=3.0,
    disk=1.0,
)


def _deployment(replicas: int, cpu: str, memory: str, **more: str) -> dict[str, Any]:
    requests = {"cpu": cpu, "memory": memory, **more}
    containers = [{"name": "app", "resources": {"requests": requests, "limits": {}}}]
    return {
        "kind": "Deployment",
        "spec": {"replicas": replicas, "template": {"spec": {"containers": containers}}},
    }


def _child(kind: str, annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "data", "annotations": annotations or {}}, "spec": spec}


def _hours(spec: dict[str, Any], *children: dict[str, Any]) -> tuple[float, float]:
    found = estimate(app_manifest(spec), children, _ROUND)
    return round(found.least / HOURS, 6), round(found.most / HOURS, 6)


def test_a_pod_costs_its_greater_share_of_a_node() -> None:
    """A node that is full of memory sells no CPU any more. Spot has its price."""
    assert _hours({}, _deployment(1, "1", "1Gi")) == (0.4, 0.4)
    assert _hours({}, _deployment(2, "100m", "4Gi")) == (0.8, 0.8)
    assert _hours({"placement": {"capacity": "Spot"}}, _deployment(2, "100m", "4Gi")) == (0.4, 0.4)


def test_fargate_costs_what_it_bills() -> None:
    """Its own 256 MiB make the next size of 1 GiB; 20 GiB of storage are free."""
    on_fargate = {"placement": {"fargate": True}}
    assert _hours(on_fargate, _deployment(1, "500m", "1Gi")) == (0.7, 0.7)
    stored = _deployment(1, "500m", "1Gi", **{"ephemeral-storage": "30Gi"})
    assert _hours(on_fargate, stored) == (0.8, 0.8)


def test_an_autoscaler_makes_a_range_and_a_suspended_app_costs_nothing() -> None:
    """The sum between its bounds depends on the load."""
    pods = _deployment(3, "1", "1Gi")
    assert _hours({}, pods, _child("HorizontalPodAutoscaler", maxReplicas=4)) == (0.4, 1.6)
    assert _hours({}, pods, _child("ScaledObject", maxReplicaCount=2)) == (0, 0.8)
    assert _hours({}, _deployment(0, "1", "1Gi"), _child("HorizontalPodAutoscaler", maxReplicas=4)) == (0, 0)
    assert str(Estimate(lines=(Line(what="x", least=1, most=2000),))) == "$1.00 to $2,000.00"


def test_load_balancers_and_disks_are_counted() -> None:
    """An Ingress of another controller and a Service in the cluster cost nothing."""
    alb = {"alb.ingress.kubernetes.io/scheme": "internal"}
    assert _hours({}, _child("Ingress", alb)) == (2, 2)
    assert _hours({}, _child("Ingress")) == (0, 0)
    assert _hours({}, _child("Service", type="LoadBalancer")) == (3, 3)
    assert _hours({}, _child("Service", type="ClusterIP")) == (0, 0)
    claim = _child("PersistentVolumeClaim", resources={"requests": {"storage": "10Gi"}})
    assert estimate(app_manifest({}), [claim], _ROUND).lines == (
        Line(what="10 GiB of gp3 for the claim data", least=10, most=10),
    )
    shared = alb | {"alb.ingress.kubernetes.io/group.name": "shop"}
    (line,) = estimate(app_manifest({}), [_child("Ingress", shared)], _ROUND).lines
    assert line.what == "an Application Load Balancer that its group shares, without its traffic"


_APPS = yaml.safe_dump_all(
    [
        {
            "apiVersion": "containerapp.dev/v1alpha1",
            "kind": "ContainerApp",
            "metadata": {"name": name},
            "spec": {"image": "shop:1", **spec},
        }
        for name, spec in {
            "shop": {"port": 80, "replicas": 2, "expose": {"hosts": ["shop.example.com"], "via": "alb"}},
            "worker": {
                "placement": {"fargate": True},
                "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}},
            },
        }.items()
    ]
)


def test_the_command_lists_what_costs_and_says_that_it_is_no_bill() -> None:
    """With the date of its prices."""
    text = call("cost", "-f", "-", "--offline", stdin=_APPS).stdout
    assert "shop: $23.43 a month\n" in text
    assert "$7.01  2 of 0.1 vCPU and 0.25 GiB, 5.0% of m6i.large" in text
    assert "worker: $9.01 a month\n" in text
    assert "1 of 0.25 vCPU and 0.5 GB on Fargate" in text
    assert "All: $32.44 a month" in text
    assert "An estimate by the prices of us-east-1, March 2026, not a bill" in text
    found = json.loads(call("cost", "-f", "-", "--offline", "-o", "json", stdin=_APPS).stdout)
    assert [app["name"] for app in found["apps"]] == ["shop", "worker"]
    assert found["apps"][0]["lines"][0]["what"].startswith("an Application Load Balancer")


def test_a_plan_says_what_becomes_of_the_cost() -> None:
    """Nothing where it stays."""
    shop = ObjectPlan(kind="ContainerApp", name="shop", action=Action.CHANGE, fields=())
    pods = PodsPlan(before=1, after=2, restart=False, strategy="")
    one, two = (Estimate(lines=(Line(what="Pods", least=amount, most=amount),)) for amount in (7.0, 14.0))
    plan = AppPlan(
        key=Key("ContainerApp", "team", "shop"),
        app=shop,
        children=(),
        pods=pods,
        problem=None,
        cost=(one, two),
    )
    said = "Estimated cost a month: $7.00 → $14.00 (prices of us-east-1, March 2026; not a bill)."
    assert said in plans.text([plan])
    assert said in plans.markdown([plan])
    assert json.loads(plans.as_json([plan]))["apps"][0]["cost"]["after"] == {"least": 14.0, "most": 14.0}
    assert "Estimated" not in plans.text([replace(plan, cost=(one, one))])


def test_a_job_has_no_monthly_cost() -> None:
    """It costs as long as it runs."""
    job = _APPS.replace("kind: ContainerApp", "kind: ContainerJob", 1).partition("---")[0]
    job = yaml.safe_dump(yaml.safe_load(job) | {"spec": {"image": "shop:1"}})
    result = call("cost", "-f", "-", "--offline", stdin=f"{job}---\n{_APPS}")
    assert "ContainerJob shop is left out" in result.stderr


def test_where_aws_does_not_answer_the_table_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the message names what to allow."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    result = call("cost", "-f", "-", "--region", "eu-west-1", stdin=_APPS)
    assert "AWS does not tell its prices" in result.stderr
    assert ". Allow pricing:GetProducts" in result.stderr
    assert "Counted with the table of us-east-1, March 2026." in result.stderr
    assert "us-east-1, March 2026" in result.stdout


def test_the_table_has_one_region_and_one_instance() -> None:
    """Another one is not guessed."""
    result = call("cost", "-f", "-", "--offline", "--region", "eu-west-1", stdin=_APPS)
    assert result.exit_code == 64
    assert "The built-in table has us-east-1 and m6i.large alone" in result.stderr
