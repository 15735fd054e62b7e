"""The annotations of an Ingress for an Application Load Balancer: by the AWS Load Balancer Controller or EKS Auto Mode.

Called by the Ingress. Targets are the Pods' addresses, so that a request takes no way over another node and a leaving
Pod is drained. What Auto Mode refuses is never written: `route` refuses the fields for it.
"""

from __future__ import annotations

import json

from containerapp.api.containerapp import ContainerApp
from containerapp.api.expose import Expose
from containerapp.controllers.containerapp.exposure.health import health_check, target_group_attributes
from containerapp.controllers.containerapp.exposure.names import INGRESS, listed, mapped
from containerapp.controllers.containerapp.exposure.route import exposed_port

_VERSIONS = {"grpc": "GRPC", "kubernetes.io/h2c": "HTTP2"}
_LOWEST = -1000
_WILDCARD, _ANY_HOST = 400, 800
"""How much later the rules of a wildcard, and of every host, come in a shared load balancer."""


def alb_annotations(app: ContainerApp, expose: Expose) -> dict[str, str]:
    """Return the annotations by their full names."""
    values = {**_listeners(expose), **_load_balancer(expose), **_targets(app, expose)}
    return {f"{INGRESS}{suffix}": value for suffix, value in values.items() if value}


def uses_https(expose: Expose) -> bool:
    """Whether the load balancer listens on 443."""
    return bool(expose.hosts or expose.certificates()) if expose.https is None else expose.https


def _listeners(expose: Expose) -> dict[str, str]:
    https = uses_https(expose)
    redirects = https and expose.redirect is not False
    ports = [{"HTTP": 80}, *([{"HTTPS": 443}] if https else [])]
    return {
        "listen-ports": json.dumps(ports, separators=(",", ":")),
        "ssl-redirect": "443" if redirects else "",
        "certificate-arn": listed(expose.certificates()),
        "ssl-policy": expose.ssl_policy or "",
    }


def _load_balancer(expose: Expose) -> dict[str, str]:
    idle = expose.idle_timeout_seconds
    attributes = {**({"idle_timeout.timeout_seconds": str(idle)} if idle else {}), **expose.attributes}
    order = _order(expose)
    return {
        "scheme": "internet-facing" if expose.public else "internal",
        "group.name": expose.group or "",
        "group.order": str(order) if order else "",
        "inbound-cidrs": listed(expose.inbound_cidrs),
        "wafv2-acl-arn": expose.waf_acl_arn or "",
        "load-balancer-attributes": mapped(attributes),
    }


def _targets(app: ContainerApp, expose: Expose) -> dict[str, str]:
    port = exposed_port(app, expose.routes()[0].port)
    check = health_check(app, port)
    return {
        "target-type": "ip",
        "backend-protocol": "HTTPS" if port.app_protocol == "https" else "",
        "backend-protocol-version": _VERSIONS.get(port.app_protocol or "", ""),
        "healthcheck-protocol": check.protocol,
        "healthcheck-port": str(check.port or ""),
        "healthcheck-path": check.path,
        "success-codes": check.codes,
        "healthcheck-interval-seconds": str(check.timing.interval),
        "healthcheck-timeout-seconds": str(check.timing.timeout),
        "healthy-threshold-count": str(check.timing.healthy),
        "unhealthy-threshold-count": str(check.timing.unhealthy),
        "target-group-attributes": mapped(target_group_attributes(app)),
    }


def _order(expose: Expose) -> int:
    """Return the place of the rules among those of other apps: the controller sorts Ingresses, not paths.

    The longer the shortest path, the earlier; exact hosts before wildcards before every host.
    """
    if expose.group_order is not None:
        return expose.group_order
    shortest = min(len(each.path) for each in expose.routes())
    later = max((_WILDCARD if host.startswith("*.") else 0 for host in expose.hosts), default=_ANY_HOST)
    return max(_LOWEST, later - (shortest - 1))
