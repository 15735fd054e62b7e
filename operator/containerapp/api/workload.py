"""Groups of fields that custom kinds share: how Pods are scaled, replaced, drained and observed.

Imported by the kinds' own modules. The docstring below each field is what `kubectl explain` shows. A rule here must be
decidable from the group alone; rules between groups belong to the kind.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from containerapp.api.schema.autoscaling import MetricSpec, ScalingBehavior
from containerapp.api.schema.fields import (
    Deadline,
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


_PODS_AT_A_TIME = "has(self.maxSurge) || has(self.maxUnavailable)"
_NO_SURGE = "has(self.maxSurge) && string(self.maxSurge) in ['0', '0%']"
_NONE_UNAVAILABLE = "!has(self.maxUnavailable) || string(self.maxUnavailable) in ['0', '0%']"
_NONE = {0, "0%"}


class Rollout(ApiModel):
    """How a new version replaces the one that runs."""

    strategy: Literal["Rolling", "Recreate"] = "Rolling"
    """`Rolling` starts new Pods before old ones end. `Recreate` ends all old Pods first, so that two versions never
    run at once; the app is away meanwhile. Default: `Rolling`."""
    max_surge: IntOrPercent | None = None
    """Pods beyond the wanted number that a rollout may add, as a number or as a percentage (rounded up); for `Rolling`
    only. Default: 25%."""
    max_unavailable: IntOrPercent | None = None
    """Pods of the wanted number that may be missing during a rollout, as a number or as a percentage (rounded down);
    for `Rolling` only. Default: 0."""
    progress_deadline_seconds: Deadline | None = None
    """Seconds without progress after which a rollout counts as failed. Default: 600, and with a `startupProbe` as
    many more as it grants (initialDelaySeconds + failureThreshold * periodSeconds)."""

    rules = (
        Rule(
            cel=f"self.strategy != 'Recreate' || !({_PODS_AT_A_TIME})",
            holds=lambda rollout: (
                rollout.strategy != "Recreate" or rollout.max_surge is rollout.max_unavailable is None
            ),
            message="rollout.strategy Recreate ends all Pods at once: remove maxSurge and maxUnavailable, or set"
            " strategy: Rolling",
            path=".strategy",
        ),
        Rule(
            cel=f"!({_NO_SURGE} && ({_NONE_UNAVAILABLE}))",
            holds=lambda rollout: rollout.max_surge not in _NONE or not rollout.none_unavailable(),
            message="rollout.maxSurge and maxUnavailable are both 0 (the default of maxUnavailable), so no Pod can be"
            " replaced: set one of them to 1 or more",
            path=".maxSurge",
        ),
    )

    def none_unavailable(self) -> bool:
        """Whether every Pod of the wanted number stays until its successor is available."""
        return self.max_unavailable in {None, *_NONE}


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
