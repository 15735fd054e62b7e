"""Service: the stable address of an app with ports; none for a worker.

Ports are targeted by name, so that a change of a port's number and its rollout need no coordination.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.api.containerapp import ContainerApp, ContainerPort
from containerapp.controllers.pods.metadata import metadata, selector
from containerapp.core.model import Child, Inputs, Manifest, Resource


def render(app: ContainerApp, _inputs: Inputs) -> Iterator[Manifest]:
    """Yield the app's Service, unless it listens on no port."""
    service = app.spec.wanted_service()
    if service is None:
        return
    load_balancer_class = service.load_balancer_class
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(app, annotations=service.annotations),
        "spec": {
            "type": service.type,
            "selector": selector(app),
            "ports": [_port(port) for port in app.spec.container_ports()],
            **({"loadBalancerClass": load_balancer_class} if load_balancer_class else {}),
        },
    }


def _port(port: ContainerPort) -> Manifest:
    return {
        "name": port.name,
        "port": port.service_port or port.container_port,
        "targetPort": port.name,
        "protocol": port.protocol,
        **({"appProtocol": port.app_protocol} if port.app_protocol else {}),
    }


CHILD = Child(resource=Resource(api_version="v1", kind="Service", plural="services"), render=render)
