"""What the operator may do in a namespace that it serves: RBAC rules that follow from the controllers. Pure.

A custom kind that has children outside Kubernetes is patched itself, for their finalizer; no other is.

`containerapp rules` prints them, and the chart carries a copy that a test compares. A kind that is not in
`CONTROLLERS` is out of the operator's reach.
"""

from __future__ import annotations

from collections.abc import Iterable

from containerapp.core.model import Controller, Manifest

_CHILD_VERBS = ("get", "list", "watch", "create", "patch", "delete")


def rules(controllers: Iterable[Controller]) -> list[Manifest]:
    """Return the rules of the Role, those of one API group together."""
    found: list[Manifest] = []
    children: dict[str, set[str]] = {}
    watched = set[tuple[str, str]]()
    for controller in controllers:
        group, plural = controller.resource.group, controller.resource.plural
        found += [
            _rule(group, [plural], ["get", "list", "watch", *(["patch"] if controller.external else [])]),
            _rule(group, [f"{plural}/status"], ["patch"]),
            _rule(group, [f"{plural}/finalizers"], ["update"]),
        ]
        found += [_rule(access.group, [access.plural], access.verbs) for access in controller.reaches]
        watched |= {(watch.resource.group, watch.resource.plural) for watch in controller.watches}
        for child in controller.owns:
            children.setdefault(child.resource.group, set()).add(child.resource.plural)
    found += [_rule(group, sorted(plurals), _CHILD_VERBS) for group, plurals in sorted(children.items())]
    found += [
        _rule(group, [plural], ["list", "watch"])
        for group, plural in sorted(watched)
        if plural not in children.get(group, ())
    ]
    found += [
        _rule(group, [f"{plural}/status"], ["patch"])
        for group, plural in sorted(
            {
                (child.resource.group, child.resource.plural)
                for controller in controllers
                for child in controller.owns
                if child.writes_status
            }
        )
    ]
    listed = {(each.group, each.plural) for controller in controllers for each in controller.lists}
    found += [_rule(group, [plural], ["list"]) for group, plural in sorted(listed)]
    return [*found, _rule("", ["pods"], ["list"]), _rule("", ["events"], ["create", "list"])]


def _rule(group: str, resources: Iterable[str], verbs: Iterable[str]) -> Manifest:
    return {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
