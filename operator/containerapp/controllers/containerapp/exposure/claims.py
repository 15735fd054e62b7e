"""Which hosts and paths an app asks for, and whether an older app has one of them already. Pure.

`claims` is called for every custom object as it is stored: apps that share a claim see each other in their views. The
older one has the place, whatever its namespace; of two of the same second, the first by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from containerapp.api.containerapp import ContainerApp
from containerapp.core.model import Manifest, View
from containerapp.core.policy import ExposeDefaults


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The app that has a place, and since when it exists."""

    place: str
    namespace: str
    name: str
    since: str


def claims(manifest: Manifest) -> frozenset[str]:
    """Return the places that an app asks for, host and path, and the group whose load balancer it shares."""
    expose = manifest["spec"].get("expose")
    if expose is None:
        return frozenset()
    group = {f"group {expose['group']}"} if expose.get("group") else set()
    return frozenset(group | _places(expose))


def _places(expose: Manifest) -> frozenset[str]:
    paths = expose.get("paths") or [{"path": expose.get("path", "/")}]
    return frozenset(
        f"{host or 'every host'}{path['path']}{' exactly' if path.get('type') == 'Exact' else ''}"
        for host in expose.get("hosts") or [""]
        for path in paths
    )


def holder(app: ContainerApp, view: View) -> Holder | None:
    """Return the oldest of the apps that share a place with this one on its load balancer, if one is older."""
    if not view.peers:
        return None
    defaults, mine = view.platform.expose, app.model_dump(by_alias=True, mode="json", exclude_none=True)
    way, places = listener(mine, defaults), _places(mine["spec"]["expose"])
    rivals = [
        peer
        for peer in view.peers
        if way is not None
        and age(peer) < age(mine)
        and listener(peer, defaults) == way
        and places & _places(peer["spec"]["expose"])
    ]
    if not rivals:
        return None
    first = min(rivals, key=age)
    since, namespace, name = age(first)
    place = min(places & _places(first["spec"]["expose"]))
    return Holder(place=place, namespace=namespace, name=name, since=since)


def age(manifest: Manifest) -> tuple[str, str, str]:
    """Return what sorts custom objects by their age: time, namespace, name."""
    metadata = manifest["metadata"]
    return metadata.get("creationTimestamp", ""), metadata["namespace"], metadata["name"]


def listener(manifest: Manifest, defaults: ExposeDefaults) -> tuple[Any, ...] | None:
    """Return what two apps must share to be in each other's way: way, class and group, or the Gateway.

    None for an app that has a load balancer of its own, and answers to every name that leads there.
    """
    expose = manifest["spec"]["expose"]
    via, group = expose.get("via") or defaults.via, expose.get("group", "")
    if via == "nlb" or (via == "alb" and not expose.get("hosts") and not group):
        return None
    gateway = expose.get("gateway")
    named = (
        (gateway.get("namespace", manifest["metadata"]["namespace"]), gateway["name"]) if gateway else None
    )
    return via, expose.get("className", ""), group, named or defaults.gateway[:2]
