"""NetworkPolicy: who may call the app's Pods, and what these may call.

Made where the app says so in `network`, or where the platform lets callers of the same namespace in alone. It names no
ports: during a rollout the old version may listen on others. The load balancer of an exposed app may always call.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from containerapp.api.containerapp import ContainerApp
from containerapp.api.network import Destination, Source
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.pods.metadata import app_selector, metadata
from containerapp.core.model import APP_LABEL, Child, Manifest, Prune, Resource
from containerapp.core.policy import NetworkDefaults

_ANY_ADDRESS = ("0.0.0.0/0", "::/0")
_POD_IDENTITY = ("169.254.170.23/32", "fd00:ec2::23/128")
"""Where EKS Pod Identity gives credentials:
https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html."""


def render(app: ContainerApp, inputs: Inputs) -> Iterator[Manifest]:
    """Yield the app's NetworkPolicy, unless nothing is restricted."""
    callers, egress = _callers(app, inputs.platform.network), app.spec.network.egress
    if callers is None and egress is None:
        return
    spec: Manifest = {"podSelector": {"matchLabels": app_selector(app)}, "policyTypes": []}
    if callers is not None:
        spec["policyTypes"].append("Ingress")
        spec["ingress"] = [{"from": callers}] if callers else []
    if egress is not None:
        spec["policyTypes"].append("Egress")
        spec["egress"] = [*_always(), *map(_egress, egress)]
    yield {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(app),
        "spec": spec,
    }


def _callers(app: ContainerApp, defaults: NetworkDefaults) -> list[Manifest] | None:
    """Return who may call; None where everyone may."""
    allowed = app.spec.network.allow_from
    if allowed is None and not defaults.same_namespace:
        return None
    named = [{"podSelector": {}}] if allowed is None else [_source(each) for each in allowed if _named(each)]
    balanced = app.spec.expose is not None or any(not _named(each) for each in allowed or ())
    return [
        *named,
        *map(_namespace, defaults.allowed_namespaces),
        *(_blocks(defaults.load_balancer_cidrs or _ANY_ADDRESS) if balanced else ()),
    ]


def _named(source: Source) -> bool:
    return source.load_balancer is None


def _source(source: Source) -> Manifest:
    return {"ipBlock": {"cidr": source.cidr}} if source.cidr else _pods(source.app, source.namespace)


def _egress(destination: Destination) -> Manifest:
    cidr = destination.cidr
    to = {"ipBlock": {"cidr": cidr}} if cidr else _pods(destination.app, destination.namespace)
    ports = [{"port": port, "protocol": "TCP"} for port in destination.ports]
    return {"to": [to], **({"ports": ports} if ports else {})}


def _always() -> list[Manifest]:
    """Names, wherever the cluster's DNS runs, and credentials."""
    return [
        {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
        {"to": _blocks(_POD_IDENTITY), "ports": [{"port": 80, "protocol": "TCP"}]},
    ]


def _pods(app: str | None, namespace: str | None) -> Manifest:
    """Select Pods of an app, of a namespace, or of an app in a namespace."""
    return {
        **(_namespace(namespace) if namespace else {}),
        **({"podSelector": {"matchLabels": {APP_LABEL: app}}} if app else {}),
    }


def _namespace(name: str) -> Manifest:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _blocks(cidrs: Iterable[str]) -> list[Manifest]:
    return [{"ipBlock": {"cidr": cidr}} for cidr in cidrs]


CHILD = Child(
    resource=Resource(
        api_version="networking.k8s.io/v1",
        kind="NetworkPolicy",
        plural="networkpolicies",
    ),
    render=render,
    prune=Prune.NOW,
)
