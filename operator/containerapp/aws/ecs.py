"""A service of Amazon ECS with all that leads to it and scales it, read with the user's own credentials.

Called by `containerapp import ecs`. Every call only reads. What the user may not see beside the service itself is left
out, and said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from containerapp.aws.asking import Aws, Unasked

Document = tuple[str, Any]
"""What one call has answered, with the name of the call."""


class Unreadable(Exception):
    """The service cannot be read; the message names the remedy."""


@dataclass(slots=True, kw_only=True)
class Described:
    """The answers, and what could not be read: the name of the call, and why."""

    aws: Aws
    documents: list[Document] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def ask(self, name: str, service: str, operation: str, **arguments: Any) -> Any:
        """Return an answer that is good to have, or nothing where the call is refused."""
        try:
            return _plain(self.aws.call(service, operation, **arguments))
        except Unasked as error:
            self.unread.append(f"{name}: {_line(error)}")
            return {}

    def add(self, name: str, service: str, operation: str, **arguments: Any) -> Any:
        """Add such an answer to the documents, and return it."""
        answer = self.ask(name, service, operation, **arguments)
        if answer:
            self.documents.append((name, answer))
        return answer


def describe(cluster: str, service: str, region: str | None) -> Described:
    """Read a service and what belongs to it. `Unreadable` names the remedy where AWS refuses the service itself."""
    aws = Aws(region)
    try:
        answer = aws.call("ecs", "describe_services", cluster=cluster, services=[service], include=["TAGS"])
        found = answer["services"]
        if not found:
            raise Unreadable(
                f"There is no service {service} in the cluster {cluster} of {aws.region}: correct --cluster,"
                " --service or --region.",
            )
        definition = found[0]["taskDefinition"]
        task = aws.call("ecs", "describe_task_definition", taskDefinition=definition, include=["TAGS"])
    except Unasked as error:
        raise Unreadable(f"{_line(error)}{'' if aws.region else ', or give --region.'}") from None
    described = Described(aws=aws)
    described.documents += [
        ("service", {"services": [_plain(found[0])]}),
        (
            "task-definition",
            {"taskDefinition": {**_plain(task["taskDefinition"]), "tags": task.get("tags", [])}},
        ),
    ]
    _balancers(found[0], described)
    _scaling(found[0], described)
    _discovery(found[0], described)
    return described


def _line(error: Unasked) -> str:
    """Return what went wrong, and the remedy."""
    return f"{error}: {error.remedy}" if error.remedy else str(error)


def _balancers(service: dict[str, Any], described: Described) -> None:
    groups = [each["targetGroupArn"] for each in service.get("loadBalancers", ()) if "targetGroupArn" in each]
    if not groups:
        return
    answer = described.add("target-groups", "elbv2", "describe_target_groups", TargetGroupArns=groups)
    found = answer.get("TargetGroups", ())
    for group in found:
        attributes = described.ask(
            "attributes",
            "elbv2",
            "describe_target_group_attributes",
            TargetGroupArn=group["TargetGroupArn"],
        )
        group["TargetGroupAttributes"] = attributes.get("Attributes", [])
    balancers = sorted({arn for group in found for arn in group["LoadBalancerArns"]})
    if balancers:
        described.add("load-balancers", "elbv2", "describe_load_balancers", LoadBalancerArns=balancers)
    for balancer in balancers:
        listeners = described.add("listeners", "elbv2", "describe_listeners", LoadBalancerArn=balancer)
        for listener in listeners.get("Listeners", ()):
            described.add("rules", "elbv2", "describe_rules", ListenerArn=listener["ListenerArn"])


def _scaling(service: dict[str, Any], described: Described) -> None:
    cluster = service["clusterArn"].rpartition("/")[2]
    resource = f"service/{cluster}/{service['serviceName']}"
    targets = described.add(
        "scalable-targets",
        "application-autoscaling",
        "describe_scalable_targets",
        ServiceNamespace="ecs",
        ResourceIds=[resource],
    )
    if targets.get("ScalableTargets"):
        described.add(
            "scaling-policies",
            "application-autoscaling",
            "describe_scaling_policies",
            ServiceNamespace="ecs",
            ResourceId=resource,
        )


def _discovery(service: dict[str, Any], described: Described) -> None:
    for registry in service.get("serviceRegistries", ()):
        named = registry["registryArn"].rpartition("/")[2]
        described.add("registry", "servicediscovery", "get_service", Id=named)


def _plain(answer: Any) -> Any:
    """Return an answer without what the connection adds to it."""
    return dict(_entries(answer)) if isinstance(answer, dict) else answer


def _entries(answer: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((key, value) for key, value in answer.items() if key not in {"ResponseMetadata", "NextMarker"})
