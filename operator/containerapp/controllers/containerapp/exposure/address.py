"""Addresses of load balancers, and the URL that follows from them. Pure."""

from __future__ import annotations

from containerapp.api.containerapp import ContainerApp
from containerapp.api.expose import Expose
from containerapp.controllers.containerapp.exposure.alb import uses_https
from containerapp.controllers.containerapp.exposure.route import Route
from containerapp.core.model import Manifest


def addresses(child: Manifest | None) -> list[str]:
    """Return the addresses that a Service or an Ingress has by its controller."""
    ingress = (child or {}).get("status", {}).get("loadBalancer", {}).get("ingress") or []
    hosts = [item.get("hostname") or _bracketed(item.get("ip")) for item in ingress]
    return [host for host in hosts if host]


def route_url(expose: Expose, route: Route, found: list[str]) -> str | None:
    """Return the URL of the first host that is no wildcard, else of the load balancer."""
    named = (host for host in expose.hosts if not host.startswith("*."))
    host = next(named, None) or next(iter(found), None)
    if host is None:
        return None
    scheme = "https" if _uses_https(expose, route) else "http"
    path = expose.routes()[0].path
    return f"{scheme}://{host}{'' if path == '/' else path}"


def service_url(app: ContainerApp, service: Manifest | None) -> str | None:
    """Return the address of the first port: the load balancer's where there is one, else the cluster's own.

    A Service that was taken over may have ports of others before it.
    """
    first = next(iter(app.spec.container_ports()), None)
    ports = [
        port
        for port in (service or {}).get("spec", {}).get("ports", [])
        if first and port.get("name") == first.name
    ]
    if service is None or not ports:
        return None
    host: str | None = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
    if service["spec"].get("type") == "LoadBalancer":
        host = next(iter(addresses(service)), None)
    return _address(host, ports[0]) if host else None


def _uses_https(expose: Expose, route: Route) -> bool:
    """A Gateway is taken to have a certificate: its listeners are the platform's."""
    match route.via:
        case "alb":
            return uses_https(expose)
        case "ingress":
            return expose.tls_secret_name is not None
        case _:
            return True


def _bracketed(ip: str | None) -> str | None:
    return f"[{ip}]" if ip and ":" in ip else ip


def _address(host: str, port: Manifest) -> str:
    number = port["port"]
    if port.get("protocol", "TCP") != "TCP":
        return f"{port['protocol'].lower()}://{host}:{number}"
    scheme = "https" if number == 443 or port.get("appProtocol") == "https" else "http"
    return (
        f"{scheme}://{host}"
        if (scheme, number) in {("http", 80), ("https", 443)}
        else f"{scheme}://{host}:{number}"
    )
