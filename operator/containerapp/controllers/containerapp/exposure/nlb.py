"""The Service of a Network Load Balancer: its type, class and annotations.

Called by the Service. The load balancer listens on each port of the Service, with TLS where there is a certificate;
targets are the Pods' addresses.
"""

from __future__ import annotations

from containerapp.api.containerapp import ContainerApp
from containerapp.api.expose import Expose
from containerapp.controllers.containerapp.exposure.health import health_check, target_group_attributes
from containerapp.controllers.containerapp.exposure.names import SERVICE, listed, mapped
from containerapp.controllers.containerapp.exposure.route import Route, exposed_port
from containerapp.core.model import Manifest

_EXTERNAL_DNS = "external-dns.alpha.kubernetes.io/hostname"
"""ExternalDNS reads the hosts of Ingresses and routes, and of a Service this."""


def nlb_spec(expose: Expose, route: Route) -> Manifest:
    """Return what the Service's spec has for the load balancer."""
    domain = "eks.amazonaws.com" if route.auto_mode else "service.k8s.aws"
    sources = list(expose.inbound_cidrs)
    return {
        "type": "LoadBalancer",
        "loadBalancerClass": f"{domain}/{route.class_name or 'nlb'}",
        **({"loadBalancerSourceRanges": sources} if sources else {}),
    }


def nlb_annotations(app: ContainerApp, expose: Expose) -> dict[str, str]:
    """Return the annotations by their full names."""
    certificates = expose.certificates()
    values = {
        "scheme": "internet-facing" if expose.public else "internal",
        "nlb-target-type": "ip",
        "ssl-cert": listed(certificates),
        "ssl-ports": expose.port or "" if certificates else "",
        "ssl-negotiation-policy": expose.ssl_policy or "",
        "attributes": mapped(expose.attributes),
        "target-group-attributes": mapped(target_group_attributes(app)),
        **_health(app, expose),
    }
    annotations = {f"{SERVICE}{suffix}": value for suffix, value in values.items() if value}
    return annotations | ({_EXTERNAL_DNS: listed(expose.hosts)} if expose.hosts else {})


def _health(app: ContainerApp, expose: Expose) -> dict[str, str]:
    """Ask as the readiness probe does, where that is by HTTP; else whether the port accepts connections."""
    probe = app.spec.readiness_probe
    if probe is None or probe.http_get is None:
        return {}
    check = health_check(app, exposed_port(app, expose.port))
    return {
        "healthcheck-protocol": check.protocol.lower(),
        "healthcheck-port": str(check.port or ""),
        "healthcheck-path": check.path,
        "healthcheck-success-codes": check.codes,
        "healthcheck-interval": str(check.timing.interval),
        "healthcheck-timeout": str(check.timing.timeout),
        "healthcheck-healthy-threshold": str(check.timing.healthy),
        "healthcheck-unhealthy-threshold": str(check.timing.unhealthy),
    }
