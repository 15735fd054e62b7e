"""CPU and memory of containers: what of a Pod can change while it runs, and what a change of it consists of. Pure.

Called for the revisions of an app and by its resize. Kubernetes resizes containers and sidecars by these two alone, and
adds or removes none: https://kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources/
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from containerapp.api.schema.quantity import is_quantity, quantity
from containerapp.core.fingerprint import digest_of
from containerapp.core.model import Manifest
from containerapp.core.unchecked import as_map, as_maps

_AMOUNTS = ("cpu", "memory")
_PARTS = ("requests", "limits")
_LISTS = ("containers", "initContainers")


def shape_of(template: Manifest) -> str:
    """Return a hash of all of a template that needs new Pods to change: two of one hash differ in amounts alone.

    The QoS class is a part of it; and so are all amounts where a container gets them as environment variables or files,
    by `resourceFieldRef`.
    """
    reads_amounts = b'"resourceFieldRef"' in orjson.dumps(template)
    spec = as_map(template.get("spec"))
    return digest_of([_is_guaranteed(spec), template if reads_amounts else without_amounts(template)])


def without_amounts(template: Manifest) -> Manifest:
    """Return the template with its CPU and memory blanked; that there is an amount still shows."""
    spec = as_map(template.get("spec"))
    blank = {name: [_blank(each) for each in as_maps(spec[name])] for name in _LISTS if name in spec}
    return {**template, "spec": {**spec, **blank}}


def shrinks_memory(wanted: Manifest, live: Manifest) -> bool:
    """Whether a container of a Pod's spec gets a lower memory limit than it has."""
    limits = {each.get("name"): _amounts(each, "limits").get("memory") for each in _all(live)}
    return any(
        quantity(limit) < quantity(known)
        for each in _all(wanted)
        if (limit := _amounts(each, "limits").get("memory")) and (known := limits.get(each.get("name")))
    )


def template_change(wanted: Manifest, live: Manifest) -> Manifest:
    """Return the strategic merge patch that gives the spec `live` of a template the amounts of `wanted`."""
    lists = {name: _changes(as_maps(wanted.get(name)), as_maps(live.get(name))) for name in _LISTS}
    return {name: changes for name, changes in lists.items() if changes}


def pod_change(wanted: Manifest, live: Manifest) -> Manifest:
    """Return the patch that gives a Pod's spec `live` the amounts of a template's, as far as a running Pod takes them.

    A limit without a request is the request, too, as when the Pod was made. Init containers have ended.
    """
    init = as_maps(wanted.get("initContainers"))
    runs = {
        "containers": as_maps(wanted.get("containers")),
        "initContainers": [each for each in init if each.get("restartPolicy") == "Always"],
    }
    return template_change({name: list(map(_completed, each)) for name, each in runs.items()}, live)


def _changes(wanted: Iterable[Manifest], live: Iterable[Manifest]) -> list[Manifest]:
    found = {each.get("name"): each for each in live}
    return [
        {"name": each["name"], "resources": {part: _amounts(each, part) for part in _PARTS}}
        for each in wanted
        if each.get("name") in found
        and any(_differs(_amounts(each, part), _amounts(found[each["name"]], part)) for part in _PARTS)
    ]


def _differs(wanted: dict[str, str], live: dict[str, str]) -> bool:
    return any(
        name not in live or quantity(amount) != quantity(live[name]) for name, amount in wanted.items()
    )


def _completed(container: Manifest) -> Manifest:
    limits = _amounts(container, "limits")
    return {
        **container,
        "resources": {"requests": {**limits, **_amounts(container, "requests")}, "limits": limits},
    }


def _blank(container: Manifest) -> Manifest:
    resources = as_map(container.get("resources"))
    parts = {
        part: {**resources[part], **dict.fromkeys(_amounts(container, part))}
        for part in _PARTS
        if as_map(resources.get(part))
    }
    return {**container, "resources": {**resources, **parts}}


def _is_guaranteed(spec: Manifest) -> bool:
    """Whether each container has limits for both, and requests no less."""
    return all(
        len(limits := _amounts(each, "limits")) == len(_AMOUNTS)
        and not _differs(_amounts(_completed(each), "requests"), limits)
        for each in _all(spec)
    )


def _all(spec: Manifest) -> list[Manifest]:
    return [each for name in _LISTS for each in as_maps(spec.get(name))]


def _amounts(container: Manifest, part: str) -> dict[str, str]:
    """Return CPU and memory, as far as they are amounts; the API server refuses all others."""
    given = as_map(as_map(container.get("resources")).get(part))
    return {name: str(given[name]) for name in _AMOUNTS if is_quantity(str(given.get(name)))}
