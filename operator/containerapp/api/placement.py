"""Where an app's Pods run: kind of capacity, Fargate, architecture, and Kubernetes' own scheduling fields.

One group of the spec, shared by the kinds that run Pods. `affinity` is checked by the API server when the Deployment is
written: its schema would double the definition (docs/decisions/0018-free-objects.md). A rule here must be decidable
from the group alone; those between groups are `FARGATE_RULES`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field

from containerapp.api.schema.fields import (
    Boolean,
    LabelValue,
    NodeLabels,
    ObjectName,
    QualifiedName,
)
from containerapp.api.schema.free import FreeObject
from containerapp.api.schema.rules import ApiModel, Rule, matches

_Skew = Annotated[int, Field(strict=True, ge=1, le=1000)]
_Hold = Annotated[
    str,
    Field(max_length=32),
    matches(
        r"true|([1-9][0-9]{0,5}[smh]){1,3}",
        'must be "true" in quotes, or a time in hours, minutes and seconds, as in 30m or 1h30m',
    ),
]
_Seconds = Annotated[int, Field(strict=True, ge=0, le=2147483647)]


class Toleration(ApiModel):
    """A taint of nodes that the Pods tolerate, in Kubernetes' own terms."""

    key: QualifiedName | None = None
    """Key of the taint, for example `nvidia.com/gpu`. Default: every key, which needs `operator: Exists`."""
    operator: Literal["Exists", "Equal"] | None = None
    """`Exists` tolerates every value, `Equal` the `value` given. Default: `Equal`."""
    value: LabelValue | None = None
    """Value of the taint; for `Equal` only."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint. Default: every effect."""
    toleration_seconds: _Seconds | None = None
    """Seconds that a Pod stays on a node that gets the taint; for `NoExecute` only. Default: it stays."""

    rules = (
        Rule(
            cel="has(self.key) || (has(self.operator) && self.operator == 'Exists')",
            holds=lambda toleration: toleration.key is not None or toleration.operator == "Exists",
            message="a toleration needs a key: add it, or tolerate every taint with operator: Exists",
            path=".operator",
        ),
        Rule(
            cel="!has(self.value) || self.value == '' || !has(self.operator) || self.operator != 'Exists'",
            holds=lambda toleration: not (toleration.value and toleration.operator == "Exists"),
            message="a toleration with operator Exists tolerates every value: remove the value, or use Equal",
            path=".value",
        ),
        Rule(
            cel="!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            holds=lambda toleration: (
                toleration.toleration_seconds is None or toleration.effect == "NoExecute"
            ),
            message="tolerationSeconds goes with effect NoExecute only: set the effect, or remove the seconds",
            path=".effect",
        ),
    )


class TopologySpreadConstraint(ApiModel):
    """How evenly the Pods are spread over zones or nodes, in Kubernetes' own terms.

    The Pods that are counted are those of the app's newest version: there is no `labelSelector` to write.
    """

    topology_key: QualifiedName
    """Label of the nodes whose values are the places to spread over, for example `topology.kubernetes.io/zone`."""
    max_skew: _Skew = 1
    """How many Pods one place may have more than another. Default: 1."""
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = "ScheduleAnyway"
    """`DoNotSchedule` leaves a Pod Pending that would break the rule, `ScheduleAnyway` places it all the same.
    Default: `ScheduleAnyway`."""
    min_domains: _Skew | None = None
    """Least number of places; while there are fewer, each counts as empty. For `DoNotSchedule` only."""
    node_affinity_policy: Literal["Honor", "Ignore"] | None = None
    """Whether only nodes that the Pods may run on count as places. Default: `Honor`."""
    node_taints_policy: Literal["Honor", "Ignore"] | None = None
    """Whether nodes whose taints the Pods do not tolerate are left out. Default: `Ignore`."""

    rules = (
        Rule(
            cel="!has(self.minDomains)"
            " || (has(self.whenUnsatisfiable) && self.whenUnsatisfiable == 'DoNotSchedule')",
            holds=lambda spread: spread.min_domains is None or spread.when_unsatisfiable == "DoNotSchedule",
            message="minDomains goes with whenUnsatisfiable: DoNotSchedule only: set it, or remove minDomains",
            path=".minDomains",
        ),
    )


_WHEN = "(has({0}.whenUnsatisfiable) ? {0}.whenUnsatisfiable : 'ScheduleAnyway')"
_SPREAD_ONCE = Rule(
    cel="self.all(a, self.exists_one(b, a.topologyKey == b.topologyKey && "
    f"{_WHEN.format('a')} == {_WHEN.format('b')}))",
    holds=lambda spread: (
        len({(item.topology_key, item.when_unsatisfiable) for item in spread}) == len(spread)
    ),
    message="placement.topologySpread has two entries with the same topologyKey and whenUnsatisfiable: keep one",
)


class Affinity(ApiModel):
    """Nodes and Pods to be near or far from, in Kubernetes' own terms; checked when the Deployment is written."""

    node_affinity: FreeObject | None = None
    """Nodes by their labels: Kubernetes' NodeAffinity. What `capacity` and `architectures` ask for is added to each
    of the required terms."""
    pod_affinity: FreeObject | None = None
    """Pods to run beside: Kubernetes' PodAffinity."""
    pod_anti_affinity: FreeObject | None = None
    """Pods not to run beside: Kubernetes' PodAntiAffinity. To spread the app's own Pods prefer `topologySpread`."""


class Placement(ApiModel):
    """Where the Pods run."""

    capacity: Literal["Spot", "OnDemand"] | None = None
    """Kind of EC2 capacity. `Spot` is cheaper and is taken back with two minutes' notice. Nodes are found by the label
    of Karpenter and EKS Auto Mode (`karpenter.sh/capacity-type`) or of managed node groups
    (`eks.amazonaws.com/capacityType`). Default: any."""
    fargate: Boolean = False
    """Whether the Pods run on AWS Fargate. A Fargate profile of the cluster must select the namespace (and the labels,
    where it has some); the status says which size is billed. Default: false."""
    fargate_profile: Annotated[LabelValue, Field(min_length=1)] | None = None
    """Name of the Fargate profile, where several select the Pods. Default: the first by name."""
    architectures: Annotated[
        tuple[Literal["amd64", "arm64"], ...],
        Field(max_length=2),
        Rule(
            cel="self.size() < 2 || self[0] != self[1]",
            holds=lambda items: len(set(items)) == len(items),
            message="placement.architectures names one architecture twice: keep one of them",
        ),
    ] = ()
    """Architectures that nodes may have: `amd64`, `arm64` (Graviton) or both. An image that is not built for each of
    them is refused. Default: any node, whatever the image is built for."""
    node_selector: NodeLabels = Field(default_factory=dict)
    """Labels that a node must have, in Kubernetes' own terms."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = ()
    """Taints that the Pods tolerate. The taint of a device that `resources` ask for, such as `nvidia.com/gpu`, is
    tolerated without an entry."""
    affinity: Affinity = Affinity()
    """Nodes and Pods to be near or far from."""
    topology_spread: (
        Annotated[tuple[TopologySpreadConstraint, ...], Field(max_length=8), _SPREAD_ONCE] | None
    ) = None
    """How evenly the Pods are spread, instead of the default: over zones and nodes as far as possible, never leaving a
    Pod Pending for it. An empty list spreads nothing."""
    priority_class_name: ObjectName | None = None
    """PriorityClass of the Pods: which of them are scheduled first, and evicted last."""
    do_not_disrupt: _Hold | None = None
    """Keeps Karpenter and EKS Auto Mode from moving a Pod for consolidation or drift: `"true"` (in quotes) for as long
    as it runs, or a time from its start, as in `30m`. Spot interruptions and node expiry are not held back."""
    runtime_class_name: ObjectName | None = None
    """RuntimeClass of the Pods, for example one for gVisor or Kata Containers."""
    scheduler_name: ObjectName | None = None
    """Scheduler of the Pods. Default: Kubernetes' own."""

    rules = (
        Rule(
            cel="!has(self.fargateProfile) || self.fargate",
            holds=lambda placement: placement.fargate_profile is None or placement.fargate,
            message="placement.fargateProfile goes with fargate: true: set it, or remove the profile",
            path=".fargateProfile",
        ),
        Rule(
            cel="!self.fargate || !has(self.capacity)",
            holds=lambda placement: not placement.fargate or placement.capacity is None,
            message="Fargate on EKS is on demand and has no Spot: remove placement.capacity, or run on EC2 nodes",
            path=".capacity",
        ),
        Rule(
            cel="!self.fargate || !has(self.architectures) || !('arm64' in self.architectures)",
            holds=lambda placement: not placement.fargate or "arm64" not in placement.architectures,
            message="Fargate on EKS has no arm64: remove it from placement.architectures and build for amd64, or run"
            " on EC2 nodes",
            path=".architectures",
        ),
        Rule(
            cel="!self.fargate || !has(self.topologySpread) || self.topologySpread.size() == 0",
            holds=lambda placement: not placement.fargate or not placement.topology_spread,
            message="Fargate does not support topologySpreadConstraints: remove placement.topologySpread, or choose a"
            " zone by placement.nodeSelector",
            path=".topologySpread",
        ),
        Rule(
            cel="!self.fargate || !(has(self.runtimeClassName) || has(self.schedulerName))",
            holds=lambda placement: (
                not placement.fargate or placement.runtime_class_name is placement.scheduler_name is None
            ),
            message="Fargate has a runtime and a scheduler of its own: remove placement.runtimeClassName and"
            " schedulerName, or run on EC2 nodes",
            path=".fargate",
        ),
    )


def not_on_fargate(cel: str, breaks: Callable[[Any], bool], message: str, path: str) -> Rule:
    """Return the rule that an app on Fargate does not have what `cel` and `breaks` look for in its spec."""
    return Rule(
        cel=f"!has(self.placement) || !self.placement.fargate || !({cel})",
        holds=lambda spec: spec.placement is None or not spec.placement.fargate or not breaks(spec),
        message=message,
        path=path,
    )


def _has_device(spec: Any) -> bool:
    return any("/" in name or name.startswith("hugepages-") for name in spec.resources.limits)


FARGATE_RULES = (
    not_on_fargate(
        "has(self.security) && self.security.privileged",
        lambda spec: spec.security.privileged,
        "Fargate runs no privileged container: remove security.privileged, or run on EC2 nodes",
        ".security.privileged",
    ),
    not_on_fargate(
        "has(self.resources) && has(self.resources.limits)"
        " && self.resources.limits.exists(name, name.contains('/') || name.startsWith('hugepages-'))",
        _has_device,
        "Fargate has no GPUs, other devices or huge pages: remove them from resources, or run on EC2 nodes",
        ".resources.limits",
    ),
    not_on_fargate(
        "has(self.volumes) && self.volumes.exists(v, has(v.claim) || has(v.ephemeral) || has(v.hostPath))",
        lambda spec: any(each.claim or each.ephemeral or each.host_path for each in spec.volumes),
        "Fargate has no EBS volumes and no folders of a node: use emptyDir, or existingClaim for a claim of EFS, or run"
        " on EC2 nodes",
        ".volumes",
    ),
)
"""What an app may not ask for on Fargate, by the fields of other groups."""
