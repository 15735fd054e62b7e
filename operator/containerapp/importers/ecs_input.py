"""What ECS' descriptions look like: registered, described, rendered for CloudFormation, in one file or in several.

Finds task definitions, services and what belongs to them in any of these, each as a `Source` that remembers what is
read. What each value means is decided by the other modules.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from containerapp.importers.cloudformation import plain
from containerapp.importers.source import Refusal, Source, source

_LISTS = {
    "targetGroups": "target_groups",
    "listeners": "listeners",
    "loadBalancers": "load_balancers",
    "scalableTargets": "scalable_targets",
    "scalingPolicies": "scaling_policies",
    "schedules": "schedules",
}
_TYPES = {
    "AWS::ECS::TaskDefinition": "tasks",
    "AWS::ECS::Service": "services",
    "AWS::ElasticLoadBalancingV2::TargetGroup": "target_groups",
    "AWS::ElasticLoadBalancingV2::Listener": "listeners",
    "AWS::ElasticLoadBalancingV2::ListenerRule": "rules",
    "AWS::ElasticLoadBalancingV2::LoadBalancer": "load_balancers",
    "AWS::ApplicationAutoScaling::ScalableTarget": "scalable_targets",
    "AWS::ApplicationAutoScaling::ScalingPolicy": "scaling_policies",
    "AWS::ServiceDiscovery::Service": "registries",
    "AWS::Events::Rule": "schedules",
    "AWS::Scheduler::Schedule": "schedules",
}
_SERVICE_KEYS = {"serviceName", "desiredCount", "serviceArn", "taskDefinition", "ServiceName", "DesiredCount"}
_NO_RESOURCE = (
    "is no ECS task or service: it stays with CloudFormation, or see the documentation of what replaces it"
)
_OF_THE_TEMPLATE = "belongs to the template, not to the service"


@dataclass(slots=True)
class Bundle:
    """What was found; `names` has the logical names of CloudFormation resources by their paths."""

    roots: list[Source] = field(default_factory=list)
    tasks: list[Source] = field(default_factory=list)
    services: list[Source] = field(default_factory=list)
    target_groups: list[Source] = field(default_factory=list)
    listeners: list[Source] = field(default_factory=list)
    rules: list[Source] = field(default_factory=list)
    load_balancers: list[Source] = field(default_factory=list)
    scalable_targets: list[Source] = field(default_factory=list)
    scaling_policies: list[Source] = field(default_factory=list)
    registries: list[Source] = field(default_factory=list)
    schedules: list[Source] = field(default_factory=list)
    targets: list[Source] = field(default_factory=list)
    """Targets of rules of EventBridge that were given apart from them."""
    names: dict[str, str] = field(default_factory=dict)

    def task_of(self, service: Source) -> Source | None:
        """Return the task definition that a service runs."""
        return self.task_named(service.at("taskDefinition").text())

    def task_named(self, wanted: str) -> Source | None:
        """Return the task definition of a family, an ARN or a logical name, else the only one."""
        for task in self.tasks:
            family = task.at("family").text()
            known = {family, self.names.get(task.path, ""), task.at("taskDefinitionArn").text()} - {""}
            last = wanted.rpartition("/")[2]
            if known & {
                wanted,
                last,
                last.partition(":")[0],
                wanted.strip("${}"),
                wanted.strip("${}").split(".")[0],
            }:
                return task
        return self.tasks[0] if len(self.tasks) == 1 else None


def bundle(documents: Sequence[tuple[str, Any]]) -> Bundle:
    """Return what is in the documents, which are file names and values. `Refusal` where there is nothing of ECS."""
    found = Bundle()
    for file, document in documents:
        prefix = file if len(documents) > 1 else ""
        for value in document if _is_several(document) else [document]:
            root = source(
                plain({"containerDefinitions": value} if isinstance(value, list) else value), prefix
            )
            found.roots.append(root)
            _sort(root, found)
    if not found.tasks and not found.services:
        raise Refusal(
            "There is no task definition and no service of ECS in the input: give what `aws ecs"
            " describe-task-definition` or `describe-services` prints, or a CloudFormation template."
            " Compose files are for `containerapp import compose`."
        )
    return found


def _is_several(document: Any) -> bool:
    return isinstance(document, list) and not any(_is_container(each) for each in document)


def _is_container(value: Any) -> bool:
    return isinstance(value, dict) and not {"image", "Image"}.isdisjoint(value)


def _sort(root: Source, found: Bundle) -> None:
    """Find the parts of one document."""
    if root.at("resources") and not root.at("containerDefinitions"):
        _template(root, found)
    elif root.at("containerDefinitions"):
        found.tasks.append(root)
    elif isinstance(root.at("taskDefinition").value, dict):
        found.tasks.append(root.at("taskDefinition"))
        if root.at("service"):
            found.services.append(root.at("service"))
    elif root.at("service").at("dnsConfig"):
        found.registries.append(root.at("service"))
    else:
        _described(root, found)


def _is_compose(root: Source) -> bool:
    """Whether the services stand by their names, as in a Compose file."""
    services = root.at("services").value
    return isinstance(services, dict) and _SERVICE_KEYS.isdisjoint(services)


def _described(root: Source, found: Bundle) -> None:
    """Find services, and what `describe-*` commands print beside them."""
    found.tasks += root.at("taskDefinitions").items()
    if not _is_compose(root):
        found.services += root.at("services").items()
    found.services += root.at("service").items()
    if isinstance(root.value, dict) and not _SERVICE_KEYS.isdisjoint(root.value):
        found.services.append(root)
        return
    for key, name in _LISTS.items():
        getattr(found, name).extend(root.at(key).items())
    for rule in root.at("rules").items():
        (found.schedules if _is_of_events(rule) else found.rules).append(rule)
    if _is_of_events(root):
        found.schedules.append(root)
    elif root.at("targets"):
        found.targets.append(root)


def _is_of_events(part: Source) -> bool:
    """Whether it is a rule of EventBridge, or a schedule, and not a rule of a listener."""
    return bool(part.at("scheduleExpression") or part.at("eventPattern"))


def _template(root: Source, found: Bundle) -> None:
    for kind, name, properties in resources(root, _TYPES):
        found.names[properties.path] = name
        getattr(found, _TYPES[kind]).append(properties)


def resources(root: Source, kinds: Collection[str]) -> Iterator[tuple[str, str, Source]]:
    """Yield type, name and properties of the resources of a template that are of these types; give up the others."""
    for key, value in root.entries():
        if key.lower() != "resources":
            value.lose(_OF_THE_TEMPLATE)
    for name, resource in root.at("resources").entries():
        kind = resource.at("type").text()
        if kind not in kinds:
            resource.lose(f"{kind} {_NO_RESOURCE}")
            continue
        for part, value in resource.entries():
            if part not in {"Type", "Properties"}:
                value.lose(_OF_THE_TEMPLATE)
        yield kind, name, resource.at("properties")


def find(parts: Sequence[Source], found: Bundle, reference: str, *keys: str) -> Iterator[Source]:
    """Yield the parts that a reference means: an ARN, a name, or a resource of the template."""
    plain_name = reference.strip("${}").split(".")[0]
    for part in parts:
        known = {part.at(key).text() for key in keys} | {found.names.get(part.path, "")}
        if {reference, plain_name} & (known - {""}):
            yield part
