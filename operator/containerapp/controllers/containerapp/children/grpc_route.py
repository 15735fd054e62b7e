"""GRPCRoute: leads from a Gateway's hosts to an app whose port speaks gRPC (`appProtocol: grpc`).

A path other than `/` names a service, as in `/shop.v1.Orders`, or a method of one.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.api.containerapp import ContainerApp
from containerapp.api.expose import ExposedPath
from containerapp.controllers.containerapp.exposure.gateway import backend, parents, speaks_grpc
from containerapp.controllers.containerapp.exposure.route import GRPC_ROUTE
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.pods.metadata import metadata
from containerapp.core.model import Child, Manifest


def render(app: ContainerApp, inputs: Inputs) -> Iterator[Manifest]:
    """Yield the app's GRPCRoute, if it is exposed by a Gateway and speaks gRPC."""
    expose, gateway = app.spec.expose, inputs.gateway
    if expose is None or gateway is None or not speaks_grpc(app):
        return
    yield {
        "apiVersion": GRPC_ROUTE.api_version,
        "kind": GRPC_ROUTE.kind,
        "metadata": metadata(app, annotations=expose.annotations),
        "spec": {
            "parentRefs": parents(gateway),
            **({"hostnames": list(expose.hosts)} if expose.hosts else {}),
            "rules": [_rule(app, path) for path in expose.routes()],
        },
    }


def _rule(app: ContainerApp, path: ExposedPath) -> Manifest:
    service, _, method = path.path.removeprefix("/").partition("/")
    names = {"service": service, **({"method": method} if method else {})}
    return {
        **({"matches": [{"method": {"type": "Exact", **names}}]} if service else {}),
        "backendRefs": [backend(app, path.port)],
    }


CHILD = Child(resource=GRPC_ROUTE, render=render)
