"""What routes of the Gateway API have in common: their parent and their backend. Pure."""

from __future__ import annotations

from containerapp.api.containerapp import ContainerApp
from containerapp.api.expose import GatewayReference
from containerapp.controllers.containerapp.exposure.route import exposed_port
from containerapp.core.model import Manifest


def speaks_grpc(app: ContainerApp) -> bool:
    """Whether the port that serves the first path speaks gRPC."""
    expose = app.spec.expose
    name = expose.routes()[0].port if expose else None
    return exposed_port(app, name).app_protocol == "grpc"


def parents(gateway: GatewayReference) -> list[Manifest]:
    """Return a route's references of its parents: the Gateway."""
    optional = {"namespace": gateway.namespace, "sectionName": gateway.section_name}
    return [{"name": gateway.name, **{key: value for key, value in optional.items() if value}}]


def backend(app: ContainerApp, name: str | None) -> Manifest:
    """Return the Service's port behind a path."""
    port = exposed_port(app, name)
    return {"name": app.metadata.name, "port": port.service_port or port.container_port}
