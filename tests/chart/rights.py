"""What the operator needs to be allowed: derived from CONTROLLERS, and from nothing in the chart.

The rendered roles are compared with this, and so is what a real API server answers for the chart's ServiceAccount.
A right is one (group, resource, verb); rules are only ways of writing many of them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import yaml

from containerapp.controllers import CONTROLLERS


class Right(NamedTuple):
    """One thing that somebody may do; `name` where only one object is meant."""

    group: str
    resource: str
    verb: str
    name: str = ""


CHILD_VERBS = ("get", "list", "watch", "create", "patch", "delete")


def rights(group: str, resource: str, *verbs: str, name: str = "") -> set[Right]:
    """Return one right for each verb."""
    return {Right(group, resource, verb, name) for verb in verbs}


def needed_in_namespaces() -> set[Right]:
    """Return what the operator needs in each namespace that it serves."""
    needed: set[Right] = set()
    for controller in CONTROLLERS:
        group, plural = controller.resource.group, controller.resource.plural
        needed |= rights(group, plural, "get", "list", "watch")
        needed |= rights(group, f"{plural}/status", "patch") | rights(group, f"{plural}/finalizers", "update")
        needed |= rights(group, plural, "patch") if controller.external else set()
        for child in controller.owns:
            needed |= rights(child.resource.group, child.resource.plural, *CHILD_VERBS)
            if child.writes_status:
                needed |= rights(child.resource.group, f"{child.resource.plural}/status", "patch")
        for access in controller.reaches:
            needed |= rights(access.group, access.plural, *access.verbs)
        for resource in controller.lists:
            needed |= rights(resource.group, resource.plural, "list")
        for watch in controller.watches:
            needed |= rights(watch.resource.group, watch.resource.plural, "list", "watch")
    return needed | rights("", "pods", "list") | rights("", "events", "create", "list")


def needed_in_cluster() -> set[Right]:
    """Return what it needs besides when it serves the whole cluster: to notice new CRDs, and nodes that are to go."""
    definitions = rights("apiextensions.k8s.io", "customresourcedefinitions", "list", "watch")
    return definitions | rights("", "nodes", "list", "watch") | rights("", "pods", "patch")


def needed_for_lease(name: str) -> set[Right]:
    """Return what it needs in its own namespace to take the Lease."""
    lease = ("coordination.k8s.io", "leases")
    return rights(*lease, "create") | rights(*lease, "get", "update", name=name)


def granted(rules: list[dict[str, Any]]) -> set[Right]:
    """Return the rights that RBAC rules grant."""
    return {
        Right(group, resource, verb, name)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames") or [""]
    }


def as_rules(missing: set[Right]) -> str:
    """Write rights as the rules that have to be added to the chart."""
    verbs: dict[tuple[str, str, str], list[str]] = {}
    for right in sorted(missing):
        verbs.setdefault((right.group, right.resource, right.name), []).append(right.verb)
    rules = [
        {"apiGroups": [group], "resources": [resource], "verbs": found}
        | ({"resourceNames": [name]} if name else {})
        for (group, resource, name), found in verbs.items()
    ]
    return yaml.safe_dump(rules, sort_keys=False) if rules else "none\n"


def compare(given: set[Right], wanted: set[Right]) -> str:
    """Say in YAML which rules are missing and which are too many; nothing when they are the same."""
    if given == wanted:
        return ""
    return f"\nmissing:\n{as_rules(wanted - given)}\ntoo much:\n{as_rules(given - wanted)}"
