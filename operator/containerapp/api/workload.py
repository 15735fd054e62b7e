"""Groups of fields that custom kinds share: how Pods are scaled, replaced, drained and observed.

Imported by the kinds' own modules. The docstring below each field is what `kubectl explain` shows. A rule here must be
decidable from the group alone; rules between groups belong to the kind.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from containerapp.api.identity import RoleArn
from containerapp.api.schema.autoscaling import MetricSpec, ScalingBehavior
from containerapp.api.schema.fields import (
    Boolean,
    Deadline,
    HistoryLimit,
    Interval,
    IntOrPercent,
    MinReady,
    MonitorLabels,
    PortReference,
    Replicas,
    RevisionNumber,
    ScaledReplicas,
    Text,
    UrlPath,
    Utilization,
)
from containerapp.api.schema.rules import ApiModel, Rule
from containerapp.api.triggers import Triggers

_HAS_TRIGGERS = "has(self.triggers) && self.triggers.size() > 0"


class Autoscaling(ApiModel):
    """How many Pods run, by load: a HorizontalPodAutoscaler sets their number, or KEDA where there are `triggers`."""

    min_replicas: Replicas = 1
    """Least number of Pods. Default: 1. Use 2 or more for a service that must survive the loss of a node; 0 lets a
    worker end all its Pods while there is nothing to do: with `triggers`, or with a metric of type `External` or
    `Object` from Kubernetes 1.37 on."""
    max_replicas: ScaledReplicas
    """Greatest number of Pods."""
    cpu: Utilization | None = None
    """Percent of the container's cpu request that the Pods use on average. Default: 70, unless `memory`, `metrics` or
    `triggers` is given."""
    memory: Utilization | None = None
    """Percent of the container's memory request that the Pods use on average; for programs that give memory back."""
    metrics: Annotated[tuple[MetricSpec, ...], Field(max_length=16)] = ()
    """Further metrics, in Kubernetes' own terms. The metric that asks for most Pods wins."""
    triggers: Triggers = ()
    """Queues, requests and hours to scale by, besides `cpu` and `memory`. KEDA does it, which has to be installed."""
    role_arn: RoleArn | None = None
    """ARN of the IAM role that KEDA assumes to ask AWS for `triggers`; its trust policy names KEDA's own role. Default:
    KEDA's own role."""
    behavior: ScalingBehavior = ScalingBehavior()
    """How fast Pods are added and removed, in Kubernetes' own terms. Default: up at once, down slowly."""

    rules = (
        Rule(
            cel="self.minReplicas <= self.maxReplicas",
            holds=lambda autoscaling: autoscaling.min_replicas <= autoscaling.max_replicas,
            message="autoscaling.minReplicas is above maxReplicas: lower it, or raise maxReplicas",
            path=".minReplicas",
        ),
        Rule(
            cel=f"self.minReplicas > 0 || {_HAS_TRIGGERS}"
            " || (has(self.metrics) && self.metrics.exists(each, each.type in ['External', 'Object']))",
            holds=lambda autoscaling: autoscaling.min_replicas > 0 or autoscaling.looks_outside(),
            message="autoscaling.minReplicas is 0, and cpu and memory of no Pods never ask for one: set it to 1, or"
            " give autoscaling.triggers, or a metric of type External or Object",
            path=".minReplicas",
        ),
        Rule(
            cel=f"!has(self.metrics) || self.metrics.size() == 0 || !({_HAS_TRIGGERS})",
            holds=lambda autoscaling: not (autoscaling.metrics and autoscaling.triggers),
            message="autoscaling.metrics and triggers are both given, and KEDA knows no metrics of Kubernetes but cpu"
            " and memory: write each metric as a trigger, for example prometheus",
            path=".metrics",
        ),
        Rule(
            cel=f"!has(self.roleArn) || ({_HAS_TRIGGERS}"
            " && self.triggers.exists(each, has(each.sqs) || has(each.albRequests)))",
            holds=lambda autoscaling: autoscaling.role_arn is None or autoscaling.asks_aws(),
            message="autoscaling.roleArn is for triggers that ask AWS (sqs, albRequests): remove it",
            path=".roleArn",
        ),
    )

    def looks_outside(self) -> bool:
        """Whether anything counts that is there without Pods."""
        return bool(self.triggers) or any(metric.type in {"External", "Object"} for metric in self.metrics)

    def asks_aws(self) -> bool:
        """Whether a trigger asks AWS."""
        return any(trigger.asks_aws() for trigger in self.triggers)


_PODS_AT_A_TIME = "has(self.maxSurge) || has(self.maxUnavailable)"
_NO_SURGE = "has(self.maxSurge) && string(self.maxSurge) in ['0', '0%']"
_NONE_UNAVAILABLE = "!has(self.maxUnavailable) || string(self.maxUnavailable) in ['0', '0%']"
_NONE = {0, "0%"}


class BeforeJob(ApiModel):
    """A Job that runs to completion before the first Pod of a new revision, for example a database migration.

    It runs once for each revision, from the new image and with the environment and the identity of the app.
    """

    command: Annotated[tuple[Text, ...], Field(max_length=256)] = ()
    """Program to run instead of the app's."""
    args: Annotated[tuple[Text, ...], Field(max_length=1024)] = ()
    """Arguments instead of the app's."""
    deadline_seconds: Deadline = 600
    """Seconds after which the Job is ended and counts as failed. Default: 600."""

    rules = (
        Rule(
            cel="has(self.command) || has(self.args)",
            holds=lambda before: bool(before.command or before.args),
            message="rollout.before runs the app itself: give it a command or args",
            path=".command",
        ),
    )


class Rollout(ApiModel):
    """How a new version replaces the one that runs."""

    strategy: Literal["Rolling", "Recreate"] | None = None
    """`Rolling` starts new Pods before old ones end. `Recreate` ends all old Pods first, so that two versions never
    run at once; the app is away meanwhile. Default: `Rolling`; `Recreate` with a claim that one node alone can mount
    (`volumes`), unless `maxSurge` or `maxUnavailable` is given."""
    max_surge: IntOrPercent | None = None
    """Pods beyond the wanted number that a rollout may add, as a number or as a percentage (rounded up); for `Rolling`
    only. Default: 25%."""
    max_unavailable: IntOrPercent | None = None
    """Pods of the wanted number that may be missing during a rollout, as a number or as a percentage (rounded down);
    for `Rolling` only. Default: 0."""
    progress_deadline_seconds: Deadline | None = None
    """Seconds without progress after which a rollout counts as failed. Default: 600, and with a `startupProbe` as
    many more as it grants (initialDelaySeconds + failureThreshold * periodSeconds)."""
    min_ready_seconds: MinReady | None = None
    """Seconds that a new Pod must be ready to count as available: one that crashes within that time never replaces a
    good one. Default: 30, unless the platform sets another number; none for the first revision."""
    automatic_rollback: Boolean = True
    """Whether the last good revision runs again when a new one fails. The spec stays as it is. A revision has failed
    when it cannot become available any more, or has made no progress within `progressDeadlineSeconds`; see the
    condition `RolledOut`. Default: true."""
    resize_in_place: Boolean = True
    """Whether an edit of `resources` alone changes the Pods that run, without a restart, where the cluster can
    (Kubernetes 1.35 or later) and their nodes have room. A smaller memory limit is always rolled out. Default: true."""
    history_limit: HistoryLimit = 10
    """Revisions to keep besides those that run or may run again. Default: 10."""
    revision: RevisionNumber | None = None
    """Number of the revision that runs whatever the rest of the spec says, until this field is removed. See
    `kubectl get controllerrevisions -l containerapp.dev/app=<app>`. Default: none."""
    before: BeforeJob | None = None
    """Job that runs to completion before the first Pod of a new revision. Where it fails, the revision is not rolled
    out. Default: none."""

    rules = (
        Rule(
            cel="!has(self.minReadySeconds) || !has(self.progressDeadlineSeconds)"
            " || self.minReadySeconds < self.progressDeadlineSeconds",
            holds=lambda rollout: (
                rollout.min_ready_seconds is None
                or rollout.progress_deadline_seconds is None
                or rollout.min_ready_seconds < rollout.progress_deadline_seconds
            ),
            message="rollout.minReadySeconds is not below progressDeadlineSeconds, so no rollout could end in time:"
            " lower it, or raise the deadline",
            path=".minReadySeconds",
        ),
        Rule(
            cel=f"!has(self.strategy) || self.strategy != 'Recreate' || !({_PODS_AT_A_TIME})",
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
    """Pods that must stay, as a number or as a percentage (rounded up), instead of `maxUnavailable`. 1 keeps the only
    Pod of an app from being evicted before there is a second one (`surge`); autoscalers of nodes then leave its node
    alone."""

    surge: Boolean = True
    """Whether an app of one Pod gets a second one before its node is drained or replaced: the first Pod ends when the
    second is available, at the latest after ten minutes. For no app whose strategy is Recreate. Default: true."""

    @property
    def counts(self) -> bool:
        """Whether it says how many Pods a drain may take."""
        return self.max_unavailable is not None or self.min_available is not None

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
        """Whether one of so many Pods can be evicted, or can when there is one more. Percentages are rounded up."""
        least = self.min_available
        if least is None or pods == 0:
            return True
        if isinstance(least, int):
            return least < pods or (least == 1 and self.surge)
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


def pre_stop_seconds(grace: int) -> int:
    """Return the pause before SIGTERM of an app with ports: load balancers hear meanwhile that the Pod is leaving."""
    return min(10, grace // 2)
