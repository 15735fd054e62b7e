"""Ports of a container, and the Service that offers them.

Held by the specs of the custom kinds. Rules here are decidable from the ports alone; that a probe's port is one of them
is a rule of the kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import Field

from containerapp.api.schema.fields import Boolean, PortName, PortNumber, QualifiedName, ServiceAnnotations
from containerapp.api.schema.rules import ApiModel, ListMap, Rule

IS_TCP = "(!has(port.protocol) || port.protocol == 'TCP')"
"""CEL: whether `port`, an item of a list of ports, speaks TCP."""


class Port(ApiModel):
    """A port that a container listens on."""

    name: PortName
    """Name of the port, unique in the app and at most 15 characters, for example `http` or `metrics`.
    Probes and the Service refer to the port by it."""
    container_port: PortNumber
    """Port that the program listens on. Prefer one above 1023: lower ones need an added capability on some
    nodes. The containers of a Pod share one network: only one of them can listen on it."""
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    """Transport protocol. Default: `TCP`. Probes can only ask TCP ports."""


class ContainerPort(Port):
    """A port that the container listens on, and how the Service offers it."""

    service_port: PortNumber | None = None
    """Port of the Service, when it is to differ from `containerPort`: for example 80 in front of 8080. Several ports of
    the Service may lead to one `containerPort`."""
    app_protocol: QualifiedName | None = None
    """Application protocol for load balancers and meshes, for example `http`, `grpc` or
    `kubernetes.io/h2c`."""


class Service(ApiModel):
    """How the app is reached: one Service named like the app, with a port for each of its ports."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    """`ClusterIP` is reached inside the cluster, `NodePort` on a port of every node, `LoadBalancer`
    through a load balancer of its own, whose address then stands in `status.url`."""
    annotations: ServiceAnnotations = Field(default_factory=dict)
    """Annotations of the Service: settings for the load balancer's controller, for example
    `service.beta.kubernetes.io/aws-load-balancer-scheme: internet-facing`."""
    load_balancer_class: QualifiedName | None = None
    """Controller that makes the load balancer, for example `service.k8s.aws/nlb` for the AWS Load Balancer
    Controller; for type `LoadBalancer` only. Kubernetes does not let it change afterwards."""

    headless: Boolean = False
    """Whether the Service has no address of its own: its name stands for the Pods' addresses, for clients that choose
    among them. For type `ClusterIP` only. Kubernetes does not let it change afterwards."""
    session_affinity: Literal["None", "ClientIP"] | None = None
    """`ClientIP` sends a caller to the same Pod again. Default: `None`."""
    internal_traffic_policy: Literal["Cluster", "Local"] | None = None
    """`Local` sends callers in the cluster to Pods on their own node alone. Default: `Cluster`."""
    external_traffic_policy: Literal["Cluster", "Local"] | None = None
    """`Local` sends callers from outside to Pods on the node that they have come to, and keeps their addresses; for
    types `NodePort` and `LoadBalancer`. Default: `Cluster`."""
    traffic_distribution: Literal["PreferSameZone", "PreferSameNode", "PreferClose"] | None = None
    """`PreferSameZone` sends callers to Pods of their own zone, which saves the cost of traffic between zones; have
    about three Pods for each zone, or some are overloaded. `PreferSameNode`: of their own node, else of their zone.
    Kubernetes before 1.34 knows `PreferClose` alone, which is the same as `PreferSameZone`. Default: Pods of all
    zones."""
    ip_family_policy: Literal["SingleStack", "PreferDualStack", "RequireDualStack"] | None = None
    """Whether the Service has an IPv4 and an IPv6 address. Default: the cluster's first family alone."""
    ip_families: Annotated[tuple[Literal["IPv4", "IPv6"], ...], Field(max_length=2)] = ()
    """Families of the Service's addresses, the first one first. Default: the cluster's."""

    rules = (
        Rule(
            cel="!self.headless || self.type == 'ClusterIP'",
            holds=lambda service: not service.headless or service.type == "ClusterIP",
            message="service.headless goes with type ClusterIP only: remove service.type, or set headless: false",
            path=".headless",
        ),
        Rule(
            cel="!has(self.externalTrafficPolicy) || self.type != 'ClusterIP'",
            holds=lambda service: service.external_traffic_policy is None or service.type != "ClusterIP",
            message="service.externalTrafficPolicy goes with types NodePort and LoadBalancer only: set service.type, or"
            " remove it",
            path=".externalTrafficPolicy",
        ),
        Rule(
            cel="!has(self.ipFamilies) || self.ipFamilies.size() != 2 || (self.ipFamilies[0] != self.ipFamilies[1]"
            " && has(self.ipFamilyPolicy) && self.ipFamilyPolicy != 'SingleStack')",
            holds=lambda service: (
                len(service.ip_families) != 2
                or (
                    len(set(service.ip_families)) == 2
                    and service.ip_family_policy in {"PreferDualStack", "RequireDualStack"}
                )
            ),
            message="two service.ipFamilies are IPv4 and IPv6 with ipFamilyPolicy PreferDualStack or"
            " RequireDualStack: set"
            " the policy, or keep one family",
            path=".ipFamilies",
        ),
        Rule(
            cel="!has(self.loadBalancerClass) || self.type == 'LoadBalancer'",
            holds=lambda service: service.load_balancer_class is None or service.type == "LoadBalancer",
            message="service.loadBalancerClass goes with type LoadBalancer only: set service.type, or"
            " remove the class",
            path=".loadBalancerClass",
        ),
    )


# In a list the API server fills in no defaults (see `containerapp.api.crd`): a port without protocol is a TCP port.
# (`orValue` would be shorter, but the API server then reckons with a text of any length.)
SAME_PROTOCOL = "(has(a.protocol) ? a.protocol : 'TCP') == (has(b.protocol) ? b.protocol : 'TCP')"
_SAME_SERVICE_PORT = "a.?servicePort.orValue(a.containerPort) == b.?servicePort.orValue(b.containerPort)"

PORT_LIST_RULES = (
    Rule(
        cel=f"self.all(a, self.exists_one(b, {_SAME_SERVICE_PORT} && {SAME_PROTOCOL}))",
        holds=lambda ports: _distinct((_service_port(port), port.protocol) for port in ports),
        message="spec.ports has two entries with the same port of the Service: give one of them another"
        " servicePort, or remove it",
    ),
)

PortList = Annotated[tuple[ContainerPort, ...], Field(max_length=32), ListMap("name"), *PORT_LIST_RULES]


SidecarPorts = Annotated[
    tuple[Port, ...],
    Field(max_length=8),
    ListMap("name"),
    Rule(
        cel=f"self.all(a, self.exists_one(b, a.containerPort == b.containerPort && {SAME_PROTOCOL}))",
        holds=lambda ports: _distinct((port.container_port, port.protocol) for port in ports),
        message="ports has two entries of the same number: remove one of them",
    ),
]


def _distinct(values: Any) -> bool:
    listed = list(values)
    return len(set(listed)) == len(listed)


def _service_port(port: Any) -> int:
    return int(port.service_port or port.container_port)


@lru_cache(maxsize=1024)
def http(port: int) -> tuple[ContainerPort, ...]:
    """Return the ports of a container that listens on `port` alone."""
    return (ContainerPort(name="http", container_port=port),)


def listeners(ports: Iterable[Port]) -> dict[str, Port]:
    """Return the port of the container behind each port, by name: the first with that number and protocol."""
    first: dict[tuple[int, str], Port] = {}
    return {port.name: first.setdefault((port.container_port, port.protocol), port) for port in ports}


def first_tcp(ports: Iterable[Port]) -> Port | None:
    """Return the port that probes ask when they name none."""
    return next((port for port in ports if port.protocol == "TCP"), None)
