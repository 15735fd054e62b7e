"""Groups of fields that custom kinds share: how Pods are scaled, drained and observed.

Imported by the kinds' own modules. The docstring below each field is what `kubectl explain` shows. A rule here must be
decidable from the group alone; rules between groups belong to the kind.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from containerapp.api.schema.autoscaling import MetricSpec, ScalingBehavior
from containerapp.api.schema.fields import (
    Interval,
    IntOrPercent,
    MonitorLabels,
    PortReference,
    ScaledReplicas,
    UrlPath,
    Utilization,
)
from containerapp.api.schema.rules import ApiModel, Rule


class Autoscaling(ApiModel):
    """How many Pods run, by load: a HorizontalPodAutoscaler sets their number."""

    min_replicas: ScaledReplicas = 1
    """Least number of Pods. Default: 1. Use 2 or more for a service that must survive the loss of a node."""
    max_replicas: ScaledReplicas
    """Greatest number of Pods."""
    cpu: Utilization | None = None
    """Percent of the container's cpu request that the Pods use on average. Default: 70, unless `memory` or `metrics` is
    given."""
    memory: Utilization | None = None
    """Percent of the container's memory request that the Pods use on average; for programs that give memory back."""
    metrics: Annotated[tuple[MetricSpec, ...], Field(max_length=16)] = ()
    """Further metrics, in Kubernetes' own terms. The metric that asks for most Pods wins."""
    behavior: ScalingBehavior = ScalingBehavior()
    """How fast Pods are added and removed, in Kubernetes' own terms. Default: up at once, down slowly."""

    rules = (
        Rule(
            cel="self.minReplicas <= self.maxReplicas",
            holds=lambda autoscaling: autoscaling.min_replicas <= autoscaling.max_replicas,
            message="autoscaling.minReplicas is above maxReplicas: lower it, or raise maxReplicas",
            path=".minReplicas",
        ),
    )


class Disruption(ApiModel):
    """How many Pods a drain may take at a time: a PodDisruptionBudget for node upgrades and consolidation."""

    max_unavailable: IntOrPercent | None = None
    """Pods that may be missing at a time, as a number or as a percentage (rounded up). Default: 1, unless
    `minAvailable` is given."""
    min_available: IntOrPercent | None = None
    """Pods that must stay, as a number or as a percentage (rounded up), instead of `maxUnavailable`."""

    rules = (
        Rule(
            cel="!has(self.maxUnavailable) || !has(self.minAvailable)",
            holds=lambda disruption: disruption.max_unavailable is None or disruption.min_available is None,
            message="disruption has both maxUnavailable and minAvailable: keep one of them",
            path=".minAvailable",
        ),
        Rule(
            cel="!has(self.maxUnavailable) || !(string(self.maxUnavailable) in ['0', '0%'])",
            holds=lambda disruption: disruption.max_unavailable not in {0, "0%"},
            message="disruption.maxUnavailable of 0 blocks the drain of every node: set 1 or more",
            path=".maxUnavailable",
        ),
    )

    def spares_a_pod(self, pods: int) -> bool:
        """Whether one of so many Pods can be evicted. Kubernetes rounds percentages up."""
        least = self.min_available
        if least is None or pods == 0:
            return True
        if isinstance(least, int):
            return least < pods
        return int(least.removesuffix("%")) * pods <= 100 * (pods - 1)


class Metrics(ApiModel):
    """Where Prometheus finds the app's metrics: a PodMonitor of the Prometheus Operator."""

    port: PortReference
    """Port that serves the metrics, by its name in `ports` (`http` for `port`) or by number. A number that is not among
    the app's ports is added to the container under the name `metrics`, and not to the Service."""
    path: UrlPath = "/metrics"
    """Path of the metrics. Default: `/metrics`."""
    interval: Interval | None = None
    """Time from one scrape to the next, for example `30s`. Default: that of the Prometheus."""
    labels: MonitorLabels = Field(default_factory=dict)
    """Labels of the PodMonitor, by which a Prometheus selects it, for example `release: kube-prometheus-stack`."""
