"""What the operator counts about itself: `containerapp.metrics`."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from containerapp.metrics import OUTCOMES, STATES, Metrics, resource_of

KINDS = ("ContainerApp", "Other")


@pytest.mark.parametrize(
    ("url", "resource"),
    [
        ("/apis/apps/v1/namespaces/shop/deployments/web", "deployments"),
        ("/apis/apps/v1/namespaces/shop/deployments", "deployments"),
        ("/apis/apps/v1/deployments", "deployments"),
        ("/apis/containerapp.dev/v1alpha1/namespaces/a/containerapps/b/status", "containerapps/status"),
        ("/apis/coordination.k8s.io/v1/namespaces/operators/leases/x", "leases"),
        ("/api/v1/namespaces/shop/services/web", "services"),
        ("/api/v1/namespaces/shop/pods/", "pods"),
        ("/api/v1/services", "services"),
        ("/api/v1/namespaces/shop", "namespaces"),
        ("/api/v1/namespaces", "namespaces"),
        ("/apis", ""),
        ("/version", ""),
    ],
)
def test_a_path_is_counted_by_its_resource_alone(url: str, resource: str) -> None:
    """A name in a label would make a new time series for every object."""
    assert resource_of(url) == resource


def test_requests_and_lookups_are_counted_by_what_became_of_them() -> None:
    """Each registry has figures of its own, so that several may live in one process."""
    metrics = Metrics(CollectorRegistry(), KINDS)
    metrics.observe_request("PATCH", "/api/v1/namespaces/shop/services/web", "200")
    metrics.observe_request("PATCH", "/api/v1/namespaces/shop/services/other", "200")
    metrics.observe_lookup("ecr", "resolved")
    sample = metrics.registry.get_sample_value
    requests = {"verb": "PATCH", "resource": "services", "code": "200"}
    assert sample("containerapp_api_requests_total", requests) == 2
    assert sample("containerapp_registry_lookups_total", {"registry": "ecr", "outcome": "resolved"}) == 1
    assert Metrics(CollectorRegistry(), KINDS).registry.get_sample_value("containerapp_leader") == 0


def test_outcomes_are_counted_from_zero_on() -> None:
    """Prometheus takes a counter that begins with 1 for one that always was 1: the first bug would be missed."""
    sample = Metrics(CollectorRegistry(), KINDS).registry.get_sample_value
    counts = {
        sample("containerapp_reconciles_total", {"kind": kind, "outcome": outcome})
        for kind in KINDS
        for outcome in OUTCOMES
    }
    assert counts == {0}


def test_a_replica_that_leads_no_more_reports_no_objects() -> None:
    """Another one reports them now; what the functions hold on to can be freed."""
    metrics = Metrics(CollectorRegistry(), KINDS)
    sample = metrics.registry.get_sample_value
    labels = [{"kind": kind, "state": state} for kind in KINDS for state in STATES]
    metrics.queue_depth.set_function(lambda: 7)
    for each in labels:
        metrics.objects.labels(**each).set_function(lambda: 7)
    assert {sample("containerapp_objects", each) for each in labels} == {7}
    metrics.forget_leading()
    assert {sample("containerapp_objects", each) for each in labels} == {0}
    assert sample("containerapp_queue_depth") == 0
