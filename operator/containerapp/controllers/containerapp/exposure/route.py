"""The way that leads to an app: decided by the app, the platform or the cluster, and what stands against it. Pure.

Called by gather and by `claims`; the children of each way render what it says, and `condition` reports it. A route with
an obstacle is not made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from containerapp.api.containerapp import ContainerApp
from containerapp.api.expose import Expose, GatewayReference
from containerapp.api.ports import ContainerPort
from containerapp.controllers.containerapp.exposure.claims import Holder, holder
from containerapp.controllers.containerapp.exposure.names import refused_by_auto_mode
from containerapp.core.model import Resource, View
from containerapp.core.policy import ExposeDefaults
from containerapp.errors import Blocked, ContainerAppError, InvalidSpec

INGRESS = Resource(api_version="networking.k8s.io/v1", kind="Ingress", plural="ingresses")
HTTP_ROUTE = Resource(
    api_version="gateway.networking.k8s.io/v1",
    kind="HTTPRoute",
    plural="httproutes",
    optional=True,
    install="Install the Gateway API's standard definitions, v1.0 or later, and a controller for them.",
)
GRPC_ROUTE = replace(HTTP_ROUTE, kind="GRPCRoute", plural="grpcroutes")
TARGET_GROUP_CONFIGURATION = Resource(
    api_version="gateway.k8s.aws/v1",
    kind="TargetGroupConfiguration",
    plural="targetgroupconfigurations",
    optional=True,
    install="Install the AWS Load Balancer Controller's definitions for Gateways, v3.5 or later.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How an app is reached. `chosen` says who decided it; `obstacle` why it is not made, if it is not.

    `auto_mode`: load balancers are EKS Auto Mode's; `aws_gateway`: the Gateway is the AWS Load Balancer Controller's.
    """

    via: str
    chosen: str
    class_name: str | None = None
    gateway: GatewayReference | None = None
    auto_mode: bool = False
    aws_gateway: bool = False
    obstacle: ContainerAppError | None = None

    def leads_by(self, *ways: str) -> bool:
        """Whether this route is made, by one of these ways."""
        return self.obstacle is None and self.via in ways


def choose_route(view: View) -> Route | None:
    """Return the route of an app that is exposed."""
    app: ContainerApp = view.obj
    expose, defaults = app.spec.expose, view.platform.expose
    if expose is None:
        return None
    way, chosen = _way(expose, defaults, routes=HTTP_ROUTE not in view.absent)
    route = Route(
        via=way,
        chosen=chosen,
        class_name=_class_name(expose, defaults, way),
        gateway=(expose.gateway or _default_gateway(defaults)) if way == "gateway" else None,
        auto_mode=defaults.auto_mode,
        aws_gateway=defaults.aws_gateway,
    )
    return replace(route, obstacle=_unsupported(expose, route) or _taken(holder(app, view)))


def exposed_port(app: ContainerApp, name: str | None) -> ContainerPort:
    """Return the port of the app that serves a path, by the path's name for it or by that of `expose`."""
    wanted = name or (app.spec.expose.port if app.spec.expose else None)
    ports = [port for port in app.spec.container_ports() if port.protocol == "TCP"]
    return next((port for port in ports if port.name == wanted), ports[0])


def _way(expose: Expose, defaults: ExposeDefaults, *, routes: bool) -> tuple[str, str]:
    if expose.via is not None:
        return expose.via, "as expose.via says"
    if defaults.via:
        return defaults.via, "the platform's way"
    if routes and (expose.gateway or defaults.gateway):
        return "gateway", "as the cluster has HTTPRoutes and a Gateway is named"
    lacks = "no Gateway is named" if routes else "the cluster has no HTTPRoutes"
    return "ingress", f"as the platform names no way and {lacks}"


def _class_name(expose: Expose, defaults: ExposeDefaults, way: str) -> str | None:
    """Return the app's class, or the platform's where the way is the platform's, too."""
    platforms = defaults.class_name if way == defaults.via else ""
    return expose.class_name or platforms or ("alb" if way == "alb" else None)


def _default_gateway(defaults: ExposeDefaults) -> GatewayReference | None:
    if not defaults.gateway:
        return None
    namespace, name, *listener = defaults.gateway
    return GatewayReference(name=name, namespace=namespace, section_name=listener[0] if listener else None)


def _unsupported(expose: Expose, route: Route) -> ContainerAppError | None:
    """Return what to edit where the way lacks what the app asks for."""
    found = list(_problems(expose, route))
    return InvalidSpec("ExposeUnsupported", " ".join(found)) if found else None


def _problems(expose: Expose, route: Route) -> Iterator[str]:
    if lacking := expose.lacking(route.via):
        fields = " and ".join(lacking)
        yield f"{fields}: {route.via} ({route.chosen}) has no such field. Remove it, or set expose.via."
    if route.via == "gateway" and route.gateway is None:
        yield "expose.gateway is missing: name the Gateway, or have the platform team set expose.gateway."
    if route.via == "gateway" and route.aws_gateway and expose.timeout_seconds:
        yield "expose.timeoutSeconds: a Gateway of AWS has no time limit for answers. Remove it."
    if route.auto_mode and route.via == "alb" and expose.group:
        yield (
            "expose.group: EKS Auto Mode takes the group from the IngressClass. Name one in expose.className whose"
            " IngressClassParams have the group, and remove expose.group."
        )
    if route.auto_mode and (names := refused_by_auto_mode(expose.annotations)):
        yield f"expose.annotations {', '.join(names)}: EKS Auto Mode refuses them. Remove them."


def _taken(other: Holder | None) -> ContainerAppError | None:
    if other is None:
        return None
    return Blocked(
        "HostTaken",
        f"{other.place} is served by ContainerApp {other.namespace}/{other.name}, which exists since {other.since}. "
        "Choose another host or path; this app takes it over when the other one leaves it.",
    )
