"""HTTPRoute: leads from a Gateway's hosts and paths to the app, for `expose` by the Gateway API.

The Gateway, its listeners and its certificates are the platform's. A port that speaks gRPC gets a GRPCRoute instead.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.api.containerapp import ContainerApp
from containerapp.api.expose import Expose, ExposedPath, HeaderChanges
from containerapp.controllers.containerapp.exposure.gateway import backend, parents, speaks_grpc
from containerapp.controllers.containerapp.exposure.route import HTTP_ROUTE
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.pods.metadata import metadata
from containerapp.core.model import Child, Manifest


def render(app: ContainerApp, inputs: Inputs) -> Iterator[Manifest]:
    """Yield the app's HTTPRoute, if it is exposed by a Gateway and speaks HTTP."""
    expose, gateway = app.spec.expose, inputs.gateway
    if expose is None or gateway is None or speaks_grpc(app):
        return
    yield {
        "apiVersion": HTTP_ROUTE.api_version,
        "kind": HTTP_ROUTE.kind,
        "metadata": metadata(app, annotations=expose.annotations),
        "spec": {
            "parentRefs": parents(gateway),
            **({"hostnames": list(expose.hosts)} if expose.hosts else {}),
            "rules": [_rule(app, expose, path) for path in expose.routes()],
        },
    }


def _rule(app: ContainerApp, expose: Expose, path: ExposedPath) -> Manifest:
    kind = "Exact" if path.type == "Exact" else "PathPrefix"
    filters = list(_filters(expose, exactly=path.type == "Exact"))
    seconds = expose.timeout_seconds
    return {
        "matches": [{"path": {"type": kind, "value": path.path}}],
        **({"filters": filters} if filters else {}),
        "backendRefs": [backend(app, path.port)],
        **({"timeouts": {"request": f"{seconds}s"}} if seconds else {}),
    }


def _filters(expose: Expose, *, exactly: bool) -> Iterator[Manifest]:
    if expose.rewrite_path is not None:
        kind, field = (
            ("ReplaceFullPath", "replaceFullPath")
            if exactly
            else ("ReplacePrefixMatch", "replacePrefixMatch")
        )
        yield {"type": "URLRewrite", "urlRewrite": {"path": {"type": kind, field: expose.rewrite_path}}}
    if expose.request_headers is not None:
        yield {"type": "RequestHeaderModifier", "requestHeaderModifier": _changes(expose.request_headers)}
    if expose.response_headers is not None:
        yield {"type": "ResponseHeaderModifier", "responseHeaderModifier": _changes(expose.response_headers)}


def _changes(headers: HeaderChanges) -> Manifest:
    given = [{"name": name, "value": value} for name, value in headers.set.items()]
    return {
        **({"set": given} if given else {}),
        **({"remove": list(headers.remove)} if headers.remove else {}),
    }


CHILD = Child(resource=HTTP_ROUTE, render=render)
