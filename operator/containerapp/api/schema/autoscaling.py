"""Kubernetes' own types of `autoscaling/v2` as far as workloads use them: the same names, the same meaning.

Imported by `workload`. The rules are those of the API server's own validation, a little stricter where it accepts what
an autoscaler then ignores. `tolerance` is left out: clusters before Kubernetes 1.35 drop it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from containerapp.api.schema.fields import (
    LabelValue,
    ObjectName,
    PositiveQuantity,
    QualifiedName,
    Utilization,
)
from containerapp.api.schema.rules import ApiModel, Rule, is_empty

_FIELDS = {"Utilization": "average_utilization", "Value": "value", "AverageValue": "average_value"}
_SOURCES = {
    "Resource": "resource",
    "ContainerResource": "container_resource",
    "Pods": "pods",
    "Object": "object",
    "External": "external",
}


class LabelSelectorRequirement(ApiModel):
    """One condition on a label."""

    key: QualifiedName
    """Key of the label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """How the label's value relates to `values`."""
    values: Annotated[tuple[LabelValue, ...], Field(max_length=32)] = Field((), exclude_if=is_empty)
    """Values for `In` and `NotIn`; none for the others."""


class LabelSelector(ApiModel):
    """Which labels a metric has; all conditions must hold."""

    match_labels: Annotated[dict[str, LabelValue], Field(max_length=16)] = Field(
        default_factory=dict, exclude_if=is_empty
    )
    """Labels with exactly these values."""
    match_expressions: Annotated[tuple[LabelSelectorRequirement, ...], Field(max_length=16)] = Field(
        (), exclude_if=is_empty
    )
    """Further conditions."""


class MetricIdentifier(ApiModel):
    """A metric of the custom or external metrics API."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the metric, for example `http_requests_per_second`."""
    selector: LabelSelector | None = None
    """Labels of the metric. Default: all of that name."""


class CrossVersionObjectReference(ApiModel):
    """An object of the app's namespace that a metric describes."""

    api_version: Annotated[str, Field(min_length=1, max_length=317)] | None = None
    """API version of the object, for example `networking.k8s.io/v1`."""
    kind: Annotated[str, Field(min_length=1, max_length=63)]
    """Kind of the object, for example `Ingress`."""
    name: ObjectName
    """Name of the object."""


class MetricTarget(ApiModel):
    """The value that the autoscaler keeps a metric at: the field that `type` names, and no other."""

    type: Literal["Utilization", "Value", "AverageValue"]
    """`Utilization` is a percentage of the request, `Value` the metric as it is, `AverageValue` the metric divided by
    the number of Pods."""
    average_utilization: Utilization | None = None
    """Percent of the request, averaged over all Pods; for type `Utilization`."""
    value: PositiveQuantity | None = None
    """The metric's value; for type `Value`."""
    average_value: PositiveQuantity | None = None
    """The metric's value for each Pod; for type `AverageValue`."""

    rules = (
        Rule(
            cel="(self.type == 'Utilization') == has(self.averageUtilization) && (self.type == 'Value') =="
            " has(self.value) && (self.type == 'AverageValue') == has(self.averageValue)",
            holds=lambda target: all(
                (target.type == kind) == (getattr(target, field) is not None)
                for kind, field in _FIELDS.items()
            ),
            message="target.type names the one field to give: averageUtilization for Utilization, value for Value,"
            " averageValue for AverageValue",
        ),
    )


def _of_type(*types: str) -> Rule:
    listed = ", ".join(map(repr, types))
    return Rule(
        cel=f"self.target.type in [{listed}]",
        holds=lambda source: source.target.type in types,
        message=f"target.type of this metric must be {' or '.join(types)}: change it and the field of its name",
        path=".target",
    )


class ResourceMetricSource(ApiModel):
    """Cpu or memory of all containers of the Pods."""

    name: Literal["cpu", "memory"]
    """`cpu` or `memory`."""
    target: MetricTarget
    """Target of type `Utilization` or `AverageValue`."""

    rules = (_of_type("Utilization", "AverageValue"),)


class ContainerResourceMetricSource(ApiModel):
    """Cpu or memory of one container of the Pods."""

    name: Literal["cpu", "memory"]
    """`cpu` or `memory`."""
    container: ObjectName
    """Name of the container; the app's own is `app`."""
    target: MetricTarget
    """Target of type `Utilization` or `AverageValue`."""

    rules = (_of_type("Utilization", "AverageValue"),)


class PodsMetricSource(ApiModel):
    """A metric of the app's Pods, from the custom metrics API."""

    metric: MetricIdentifier
    """The metric."""
    target: MetricTarget
    """Target of type `AverageValue`."""

    rules = (_of_type("AverageValue"),)


class ObjectMetricSource(ApiModel):
    """A metric of another object, from the custom metrics API."""

    described_object: CrossVersionObjectReference
    """The object."""
    metric: MetricIdentifier
    """The metric."""
    target: MetricTarget
    """Target of type `Value` or `AverageValue`."""

    rules = (_of_type("Value", "AverageValue"),)


class ExternalMetricSource(ApiModel):
    """A metric from outside the cluster, such as the length of a queue, from the external metrics API."""

    metric: MetricIdentifier
    """The metric."""
    target: MetricTarget
    """Target of type `Value` or `AverageValue`."""

    rules = (_of_type("Value", "AverageValue"),)


class MetricSpec(ApiModel):
    """One metric to scale by: the source that `type` names, and no other."""

    type: Literal["Resource", "ContainerResource", "Pods", "Object", "External"]
    """Where the metric comes from."""
    resource: ResourceMetricSource | None = None
    """For type `Resource`."""
    container_resource: ContainerResourceMetricSource | None = None
    """For type `ContainerResource`."""
    pods: PodsMetricSource | None = None
    """For type `Pods`."""
    object: ObjectMetricSource | None = None
    """For type `Object`."""
    external: ExternalMetricSource | None = None
    """For type `External`."""

    rules = (
        Rule(
            cel="(self.type == 'Resource') == has(self.resource) && (self.type == 'ContainerResource') =="
            " has(self.containerResource) && (self.type == 'Pods') == has(self.pods) && (self.type == 'Object') =="
            " has(self.object) && (self.type == 'External') == has(self.external)",
            holds=lambda metric: all(
                (metric.type == kind) == (getattr(metric, field) is not None)
                for kind, field in _SOURCES.items()
            ),
            message="the metric's type names the one field to give: resource for Resource, containerResource for"
            " ContainerResource, pods for Pods, object for Object, external for External",
        ),
    )


class ScalingPolicy(ApiModel):
    """How many Pods may be added or removed within a period."""

    type: Literal["Pods", "Percent"]
    """Whether `value` is a number of Pods or a percentage of those that run."""
    value: Annotated[int, Field(strict=True, ge=1, le=1000)]
    """Pods or percent that may be added or removed in the period."""
    period_seconds: Annotated[int, Field(strict=True, ge=1, le=1800)]
    """Length of the period."""


_Window = Annotated[int, Field(strict=True, ge=0, le=3600)]
_Policies = Annotated[tuple[ScalingPolicy, ...], Field(min_length=1, max_length=8)]
_Select = Literal["Max", "Min", "Disabled"]


class ScaleUp(ApiModel):
    """How fast Pods are added."""

    stabilization_window_seconds: _Window = 0
    """Seconds that the metrics must ask for more Pods before some are added. Default: 0, load is answered at once."""
    select_policy: _Select = "Max"
    """Which of the policies counts: the one that allows most, `Max`, or least, `Min`; `Disabled` adds no Pods."""
    policies: _Policies = (
        ScalingPolicy(type="Percent", value=100, period_seconds=15),
        ScalingPolicy(type="Pods", value=4, period_seconds=15),
    )
    """Limits of the growth. Default: twice the Pods or 4 more, whichever is more, every 15 seconds."""


class ScaleDown(ApiModel):
    """How fast Pods are removed."""

    stabilization_window_seconds: _Window = 300
    """Seconds that the metrics must ask for fewer Pods before some are removed. Default: 300, so that a short lull
    removes nothing."""
    select_policy: _Select = "Max"
    """Which of the policies counts: the one that allows most, `Max`, or least, `Min`; `Disabled` removes no Pods."""
    policies: _Policies = (ScalingPolicy(type="Percent", value=10, period_seconds=60),)
    """Limits of the shrinking. Default: a tenth of the Pods, and at least one, every 60 seconds."""


class ScalingBehavior(ApiModel):
    """How fast the autoscaler follows its metrics. A field that is not given keeps its default."""

    scale_up: ScaleUp = ScaleUp()
    """How fast Pods are added."""
    scale_down: ScaleDown = ScaleDown()
    """How fast Pods are removed."""
