"""Prometheus metrics: what the operator counts about itself. A leaf; everything above may report, nothing may read.

One registry for each process, made by main and handed down, so that tests can have their own.
"""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


STATES = ("ready", "progressing", "stalled")
OUTCOMES = ("success", "gone", "invalid", "blocked", "transient", "bug")


class Metrics:
    """All metrics, named `containerapp_…`; durations are in seconds."""

    def __init__(self, registry: CollectorRegistry, kinds: Sequence[str]) -> None:
        self.registry = registry
        self._kinds = kinds
        self.reconciles = Counter(
            "containerapp_reconciles_total",
            "Reconciles by kind and outcome.",
            ["kind", "outcome"],
            registry=registry,
        )
        for kind in kinds:
            for outcome in OUTCOMES:
                # From 0 on: a counter that begins with 1 hides its first event from Prometheus' increase().
                self.reconciles.labels(kind=kind, outcome=outcome)
        self.duration = Histogram(
            "containerapp_reconcile_duration_seconds",
            "Time of one reconcile.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.queue_depth = Gauge(
            "containerapp_queue_depth", "Objects that wait for a worker.", registry=registry
        )
        self.queue_wait = Histogram(
            "containerapp_queue_wait_seconds",
            "Time from event to worker.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.api_requests = Counter(
            "containerapp_api_requests_total",
            "Requests to the API server by verb, resource and status code.",
            ["verb", "resource", "code"],
            registry=registry,
        )
        self.registry_lookups = Counter(
            "containerapp_registry_lookups_total",
            "Calls to image registries by kind (ecr, oci) and outcome.",
            ["registry", "outcome"],
            registry=registry,
        )
        self.aws_calls = Counter(
            "containerapp_aws_calls_total",
            "Calls to Amazon EKS by operation and outcome.",
            ["operation", "outcome"],
            registry=registry,
        )
        self.objects = Gauge(
            "containerapp_objects",
            "Custom objects by kind and readiness: ready, progressing or stalled.",
            ["kind", "state"],
            registry=registry,
        )
        self.pending_renders = Gauge(
            "containerapp_pending_renders",
            "Objects whose Pods an earlier version of the operator has rendered, and this one would render otherwise.",
            registry=registry,
        )
        self.leader = Gauge("containerapp_leader", "1 while this replica acts, else 0.", registry=registry)
        self.ready = Gauge(
            "containerapp_ready",
            "1 while this replica is of use, as `/readyz` tells, else 0.",
            registry=registry,
        )
        self.memory_limit = Gauge(
            "containerapp_memory_limit_bytes",
            "Memory that the container may take; 0 where that is not known.",
            registry=registry,
        )
        self.tasks = Gauge(
            "containerapp_tasks", "Tasks of the process; level, unless something leaks.", registry=registry
        )

    def forget_leading(self) -> None:
        """Report nothing of what a leader sees, and hold on to nothing of it: another one reports now."""
        self.queue_depth.set_function(_nothing)
        self.pending_renders.set_function(_nothing)
        for kind in self._kinds:
            for state in STATES:
                self.objects.labels(kind=kind, state=state).set_function(_nothing)

    def observe_request(self, verb: str, url: str, code: str) -> None:
        """Count one request to the API server; `url` is its path, of which only the resource is kept."""
        self.api_requests.labels(verb=verb, resource=resource_of(url), code=code).inc()

    def observe_aws(self, operation: str, outcome: str) -> None:
        """Count one call to Amazon EKS."""
        self.aws_calls.labels(operation=operation, outcome=outcome).inc()

    def observe_lookup(self, registry: str, outcome: str) -> None:
        """Count one call to an image registry."""
        self.registry_lookups.labels(registry=registry, outcome=outcome).inc()


def _nothing() -> float:
    return 0.0


def resource_of(url: str) -> str:
    """Return the resource (and subresource) that a path of the API server names, without any object's name.

    `/apis/apps/v1/namespaces/shop/deployments/web` → `deployments`.
    """
    parts = url.strip("/").split("/")
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    if len(rest) > 2 and rest[0] == "namespaces":
        rest = rest[2:]
    return "/".join(rest[:1] + rest[2:3])
