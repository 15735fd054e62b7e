"""Why a load balancer or a Gateway does not serve an app, in a sentence with the remedy. Pure.

The AWS Load Balancer Controller's reasons are those of kubernetes-sigs/aws-load-balancer-controller,
controllers/ingress/group_controller.go; a route's those of the Gateway API, apis/v1/shared_types.go at v1.6.
"""

from __future__ import annotations

import re

from containerapp.controllers.containerapp.exposure.route import Route
from containerapp.core.model import Manifest
from containerapp.errors import Blocked, ContainerAppError, InvalidSpec, Transient

_KNOWN: tuple[tuple[str, str, str], ...] = (
    (
        r"no certificate found for host:? *(\S+)",
        "CertificateNotFound",
        (
            "No certificate of ACM in this account and Region covers {0}: request one, name one in"
            " expose.certificateArn, or"
            " set expose.https: false."
        ),
    ),
    (
        r"CertificateNotFound|UnsupportedCertificate",
        "CertificateNotFound",
        (
            "The certificate of expose.certificateArn cannot be used: it must be issued, and in the load balancer's"
            " Region."
        ),
    ),
    (
        r"(unable to resolve|couldn't auto-discover|no matching|not enough) .*subnet|subnet.*(not found|at least two)",
        "SubnetsNotFound",
        (
            "There are no two subnets for the load balancer: have the platform team tag them with"
            " kubernetes.io/role/elb (public) or kubernetes.io/role/internal-elb."
        ),
    ),
    (
        r"TooMany(LoadBalancers|Rules|Targets|TargetGroups|Listeners|Certificates)|[Qq]uota|LimitExceeded",
        "QuotaExceeded",
        (
            "A quota of Elastic Load Balancing is reached: share a load balancer by expose.group, or have the quota"
            " raised."
        ),
    ),
    (
        r"conflicting|exclusive annotation",
        "GroupConflict",
        (
            "Another app of the load balancer's group says otherwise: give all apps of the group the same public,"
            " certificates, inboundCidrs, sslPolicy and attributes."
        ),
    ),
    (
        r"AccessDenied|UnauthorizedOperation|not authorized to perform",
        "AccessDenied",
        "The load balancer's controller lacks a right of IAM: have the platform team extend its role.",
    ),
    (
        r"[Tt]hrottl|RequestLimitExceeded|Rate exceeded",
        "Throttled",
        "",
    ),
)

_ROUTE_REMEDIES = {
    "NotAllowedByListeners": "No listener of it takes routes of this namespace: have its allowedRoutes extended.",
    "NoMatchingListenerHostname": "No listener of it takes these hosts: correct expose.hosts, or have a listener"
    " added.",
    "NoMatchingParent": "It has no such listener: correct expose.gateway.sectionName.",
    "BackendNotFound": "It does not see the app's Service yet.",
    "RefNotPermitted": "It may not lead to Services of this namespace: have a ReferenceGrant made.",
    "InvalidKind": "Its controller does not lead to Services.",
}
_SHOWN = 300


def ingress_failure(warning: str, child: str) -> ContainerAppError | None:
    """Return what the newest Warning event about a child says, as `reason: message`."""
    for pattern, reason, remedy in _KNOWN:
        found = re.search(pattern, warning)
        if found is None:
            continue
        if not remedy:
            return Transient(
                reason, f"AWS limits the rate of the controller's calls for {child}; it tries again."
            )
        said = remedy.format(*found.groups()) if found.groups() else remedy
        return Blocked(reason, f"The controller reports of {child}: {said}")
    return Blocked("LoadBalancerFailed", f"The controller reports of {child}: {warning[:_SHOWN]}")


def route_failure(route_object: Manifest, route: Route) -> ContainerAppError | None:
    """Return why the Gateway does not serve the route; None once it does."""
    name = route.gateway.name if route.gateway else ""
    parents = route_object.get("status", {}).get("parents") or []
    if not parents:
        return Transient(
            "WaitingForGateway",
            f"No controller has taken the route for Gateway {name} yet. If this lasts, check that the Gateway exists"
            f" and"
            " that its controller runs.",
        )
    conditions = [condition for parent in parents for condition in parent.get("conditions", ())]
    generation = route_object["metadata"].get("generation", 0)
    for condition in conditions:
        if condition["type"] in {"Accepted", "ResolvedRefs"} and condition["status"] == "False":
            return _rejected(name, condition)
    if any(condition.get("observedGeneration", generation) < generation for condition in conditions):
        return Transient("WaitingForGateway", f"Gateway {name} has not taken the route's last change yet.")
    return None


def _rejected(gateway: str, condition: Manifest) -> ContainerAppError:
    reason = str(condition["reason"])
    remedy = _ROUTE_REMEDIES.get(reason, str(condition.get("message", ""))[:_SHOWN])
    said = f"Gateway {gateway} does not serve the route ({reason}). {remedy}"
    match reason:
        case "NoMatchingParent" | "UnsupportedValue":
            return InvalidSpec(reason, said)
        case "BackendNotFound":
            return Transient(reason, said)
        case _:
            return Blocked(reason, said)
