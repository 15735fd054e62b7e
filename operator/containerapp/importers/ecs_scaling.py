"""Application Auto Scaling of a service to `autoscaling`."""

from __future__ import annotations

from typing import Any

from containerapp.importers.ecs_input import Bundle
from containerapp.importers.manifest import Draft
from containerapp.importers.source import Source

_METRICS = {"ECSServiceAverageCPUUtilization": "cpu", "ECSServiceAverageMemoryUtilization": "memory"}
_OWN = "Application Auto Scaling's own"


def put(service: Source, found: Bundle, draft: Draft) -> None:
    """Put the bounds and the targets of a service's scaling."""
    name = service.at("serviceName").text()
    targets = [each for each in found.scalable_targets if _is_of(each, name, found)]
    scaling: dict[str, Any] = {}
    for target in targets:
        least, most = target.at("minCapacity"), target.at("maxCapacity")
        scaling.update(minReplicas=max(1, least.number(1)), maxReplicas=max(1, most.number(1)))
        if least.number(1) < 1:
            least.note("autoscaling keeps at least one Pod: `suspend` stops an app")
        target.lose_rest(_OWN)
    for policy in found.scaling_policies if targets else []:
        if _is_of(policy, name, found):
            _policy(policy, scaling)
    if scaling:
        draft.put("autoscaling", scaling)
        draft.spec.pop("replicas", None)


def _is_of(part: Source, name: str, found: Bundle) -> bool:
    """Whether a target or a policy is that of the service."""
    resource = part.at("resourceId").text()
    return len(found.services) == 1 or resource.rpartition("/")[2].strip("${}").removesuffix(".Name") == name


def _policy(policy: Source, scaling: dict[str, Any]) -> None:
    tracking = policy.at("targetTrackingScalingPolicyConfiguration")
    metric = tracking.at("predefinedMetricSpecification").at("predefinedMetricType")
    field = _METRICS.get(metric.text())
    if field:
        scaling[field] = max(1, tracking.at("targetValue").number(70))
    elif tracking:
        tracking.lose("add the metric to autoscaling.metrics, from a metrics adapter or KEDA")
    policy.at("stepScalingPolicyConfiguration").lose("autoscaling follows a target: cpu, memory or metrics")
    for key, direction in (("scaleInCooldown", "scaleDown"), ("scaleOutCooldown", "scaleUp")):
        cooldown = tracking.at(key)
        if field and cooldown:
            seconds = min(cooldown.number(), 3600)
            scaling.setdefault("behavior", {})[direction] = {"stabilizationWindowSeconds": seconds}
    if tracking.at("disableScaleIn").flag():
        scaling.setdefault("behavior", {})["scaleDown"] = {"selectPolicy": "Disabled"}
    policy.lose_rest(_OWN)
