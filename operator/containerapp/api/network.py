"""Who may reach an app, and what the app may reach: the fields of `network`.

Imported by the kinds' own modules. The docstring below each field is what `kubectl explain` shows. It knows nothing of
NetworkPolicies: `controllers/containerapp/children/network_policy.py` makes them.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from containerapp.api.schema.fields import AppName, Boolean, Cidr, NamespaceName, PortNumber
from containerapp.api.schema.rules import ApiModel, Rule

_ONE_OF_THEM = (
    "[has(self.app) || has(self.namespace), has(self.cidr), has(self.loadBalancer)]"
    ".filter(given, given).size() == 1"
)


class Source(ApiModel):
    """One kind of caller: an app, a namespace, addresses, or the load balancer."""

    app: AppName | None = None
    """Name of a ContainerApp: in the same namespace, unless `namespace` names another."""
    namespace: NamespaceName | None = None
    """Namespace: all of its Pods, or those of `app` alone."""
    cidr: Cidr | None = None
    """Addresses outside the cluster, for example `10.20.0.0/16`. Where Pods have addresses of the VPC, it means Pods,
    too."""
    load_balancer: Boolean | None = None
    """Set to true for the load balancer of `service.type: LoadBalancer`. That of `expose` may always call."""

    rules = (
        Rule(
            cel=_ONE_OF_THEM,
            holds=lambda source: (
                [source.app or source.namespace, source.cidr, source.load_balancer].count(None) == 2
            ),
            message="an item of network.allowFrom names one caller: app (with or without namespace), namespace, cidr or"
            " loadBalancer: true; give each of them an item",
        ),
        Rule(
            cel="!has(self.loadBalancer) || self.loadBalancer",
            holds=lambda source: source.load_balancer is not False,
            message="loadBalancer: false allows nothing: remove the item",
            path=".loadBalancer",
        ),
    )


class Destination(ApiModel):
    """What the app may call: an app, a namespace, or addresses; on some ports, or on all."""

    app: AppName | None = None
    """Name of a ContainerApp: in the same namespace, unless `namespace` names another."""
    namespace: NamespaceName | None = None
    """Namespace: all of its Pods, or those of `app` alone."""
    cidr: Cidr | None = None
    """Addresses, for example `10.20.0.0/16`, or `0.0.0.0/0` for all of IPv4."""
    ports: Annotated[tuple[PortNumber, ...], Field(max_length=16)] = ()
    """TCP ports of them, as the other side listens on them: an app's `port`, not its Service's. Default: every port and
    protocol."""

    rules = (
        Rule(
            cel="(has(self.app) || has(self.namespace)) != has(self.cidr)",
            holds=lambda destination: (
                ((destination.app or destination.namespace) is None) != (destination.cidr is None)
            ),
            message="an item of network.egress names one destination: app (with or without namespace), namespace or"
            " cidr; give each of them an item",
        ),
    )


class Network(ApiModel):
    """Who may reach the app's Pods, and what these may reach.

    It holds where the cluster enforces NetworkPolicies: on EKS, where the VPC CNI's network policies are turned on.
    """

    allow_from: Annotated[tuple[Source, ...], Field(max_length=32)] | None = None
    """Callers of the app's ports. With an empty list nothing but the load balancer of `expose` may call. Default: as
    the platform is set up, which is all callers or those of the same namespace."""
    egress: Annotated[tuple[Destination, ...], Field(max_length=32)] | None = None
    """What the app may call. The cluster's DNS and the address of EKS Pod Identity are always among it; with an empty
    list nothing else is. Default: everything."""
