"""The condition `Exposed`, and the URL: whether the app is reached, at what address, and why not. Pure.

A concern of the status. An Ingress controller says why it fails by Warning events alone, a Gateway's by the conditions
of the route; `address_asks` names the children whose events are needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from containerapp.api.containerapp import ContainerApp
from containerapp.api.expose import GatewayReference
from containerapp.controllers.containerapp.exposure.address import (
    addresses,
    route_url,
    service_url,
)
from containerapp.controllers.containerapp.exposure.failures import ingress_failure, route_failure
from containerapp.controllers.containerapp.exposure.gateway import speaks_grpc
from containerapp.controllers.containerapp.exposure.route import (
    GRPC_ROUTE,
    HTTP_ROUTE,
    INGRESS,
    TARGET_GROUP_CONFIGURATION,
    Route,
)
from containerapp.controllers.containerapp.facts import Facts
from containerapp.controllers.workloads.concerns import Concern
from containerapp.core.conditions import Condition
from containerapp.core.model import Manifest, ObjectRef, Resource, View
from containerapp.errors import Blocked, ContainerAppError, Transient

_TYPE = "Exposed"
ADDRESS_BOUND = timedelta(minutes=10)
"""How long a load balancer may take to have an address; an NLB takes three to five minutes."""
_ASK_AFTER = timedelta(seconds=30)
"""How long a controller may be silent before its events are asked for."""

_PLURALS = {"Ingress": "Ingresses", "Service": "Services"}
_SERVICE = Resource(api_version="v1", kind="Service", plural="services")


def exposed(facts: Facts) -> Iterator[Concern]:
    """Yield the condition of an app that is exposed, or has a load balancer by its Service."""
    route: Route | None = facts.outcome.gathered.inputs.route
    if route is None:
        yield from _load_balancer(facts)
        return
    failure = route.obstacle or _absent(facts, route)
    if failure is not None:
        yield _refused(failure)
        return
    child = facts.view.live.get(_child(facts.app, route))
    if child is None:
        yield _refused(Transient("Pending", f"The {_resource(facts.app, route).kind} is not there yet."))
    elif route.via == "gateway":
        yield _by_gateway(route, child)
    else:
        yield _by_address(facts, route, child)


def url(facts: Facts) -> str | None:
    """Return where the app answers: at its host or its load balancer, else inside the cluster."""
    route: Route | None = facts.outcome.gathered.inputs.route
    if route is None or facts.app.spec.expose is None or route.obstacle is not None:
        return service_url(facts.app, facts.service)
    child = facts.view.live.get(_child(facts.app, route))
    if route.via == "nlb":
        return service_url(facts.app, facts.service)
    return route_url(facts.app.spec.expose, route, addresses(child))


def address_asks(view: View, route: Route | None) -> tuple[ObjectRef, ...]:
    """Return the children whose Warning events say what is wrong: one that has had no address for some time."""
    if route is None or not route.leads_by("alb", "ingress", "nlb"):
        return ()
    ref = _child(view.obj, route)
    child = view.live.get(ref)
    return (ref,) if child is not None and not addresses(child) and _age(view, child) >= _ASK_AFTER else ()


def _resource(app: ContainerApp, route: Route) -> Resource:
    match route.via:
        case "nlb":
            return _SERVICE
        case "gateway":
            return GRPC_ROUTE if speaks_grpc(app) else HTTP_ROUTE
        case _:
            return INGRESS


def _child(app: ContainerApp, route: Route) -> ObjectRef:
    return _resource(app, route).ref(app.metadata.name)


def _absent(facts: Facts, route: Route) -> ContainerAppError | None:
    wanted = [_resource(facts.app, route)]
    if route.via == "gateway" and route.aws_gateway:
        wanted.append(TARGET_GROUP_CONFIGURATION)
    for resource in wanted:
        if resource in facts.view.absent:
            kind = f"{resource.kind} ({resource.api_version})"
            message = f"Nothing leads to the app. The cluster has no kind {kind}. {resource.install}"
            return Blocked("KindNotInstalled", message)
    return None


def _by_gateway(route: Route, child: Manifest) -> Concern:
    failure = route_failure(child, route)
    if failure is not None:
        return _refused(failure)
    message = f"The Gateway {_named(route.gateway)} has accepted the route, {route.chosen}."
    return _granted("RouteAccepted", message)


def _by_address(facts: Facts, route: Route, child: Manifest) -> Concern:
    found = addresses(child)
    if found:
        return _granted("AddressAssigned", f"By {route.via}, {route.chosen}. {_dns(facts.app, found[0])}")
    warning = facts.view.warnings.get(_child(facts.app, route))
    kind, name = child["kind"], child["metadata"]["name"]
    if warning is not None and (failure := ingress_failure(warning, f"{kind} {name}")) is not None:
        return _refused(failure)
    missing = f"The load balancer of {kind} {name} has no address yet."
    if route.via == "ingress":
        # Some controllers never publish one: Traefik without `publishedService`, for example.
        message = f"By ingress, {route.chosen}. The controller of {kind} {name} publishes no address."
        return Concern(condition=Condition(type=_TYPE, status="Unknown", reason="NoAddress", message=message))
    return _refused(_waiting(facts, child, missing))


def _waiting(facts: Facts, child: Manifest, missing: str) -> ContainerAppError:
    if _age(facts.view, child) < ADDRESS_BOUND:
        return Transient("WaitingForLoadBalancer", missing)
    kind, name = child["kind"].lower(), child["metadata"]["name"]
    remedy = f"See kubectl describe {kind} {name} -n {facts.app.metadata.namespace}, and check that the cluster has "
    return Blocked(
        "LoadBalancerPending", f"{missing} {remedy}a controller for such {_PLURALS[child['kind']]}."
    )


def _load_balancer(facts: Facts) -> Iterator[Concern]:
    """Yield the condition of `service.type: LoadBalancer`."""
    service = facts.service
    if service is None or service["spec"].get("type") != "LoadBalancer":
        return
    found = addresses(service)
    if found:
        yield _granted("AddressAssigned", f"The Service's load balancer has the address {found[0]}.")
        return
    name = service["metadata"]["name"]
    yield _refused(_waiting(facts, service, f"The load balancer of Service {name} has no address yet."))


def _age(view: View, child: Manifest) -> timedelta:
    return view.now - datetime.fromisoformat(child["metadata"]["creationTimestamp"])


def _dns(app: ContainerApp, address: str) -> str:
    hosts = app.spec.expose.hosts if app.spec.expose else ()
    if not hosts:
        return f"The address is {address}."
    return f"The address is {address}; {', '.join(hosts)} must lead there, which ExternalDNS sees to where it runs."


def _named(gateway: GatewayReference | None) -> str:
    return "/".join(part for part in (gateway.namespace, gateway.name) if part) if gateway else ""


def _granted(reason: str, message: str) -> Concern:
    return Concern(condition=Condition(type=_TYPE, status="True", reason=reason, message=message))


def _refused(error: ContainerAppError) -> Concern:
    condition = Condition(type=_TYPE, status="False", reason=error.reason, message=error.message)
    return Concern(condition=condition, obstacle=error, after_rollout=True)
