"""Ingress: leads from hosts and paths to the app, by an Application Load Balancer or any Ingress controller.

What a load balancer of AWS needs beyond rules is in annotations: `exposure.alb`. The user's own annotations win.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.api.containerapp import ContainerApp
from containerapp.api.expose import Expose, ExposedPath
from containerapp.controllers.containerapp.exposure.alb import alb_annotations
from containerapp.controllers.containerapp.exposure.route import INGRESS, exposed_port
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.pods.metadata import metadata
from containerapp.core.model import Child, Manifest


def render(app: ContainerApp, inputs: Inputs) -> Iterator[Manifest]:
    """Yield the app's Ingress, if it is exposed by one."""
    expose, route = app.spec.expose, inputs.route
    if expose is None or route is None or not route.leads_by("alb", "ingress"):
        return
    annotations = alb_annotations(app, expose) if route.via == "alb" else {}
    yield {
        "apiVersion": INGRESS.api_version,
        "kind": INGRESS.kind,
        "metadata": metadata(app, annotations={**annotations, **expose.annotations}),
        "spec": {
            **({"ingressClassName": route.class_name} if route.class_name else {}),
            **_tls(expose),
            "rules": [_rule(app, expose, host) for host in expose.hosts or ("",)],
        },
    }


def _tls(expose: Expose) -> Manifest:
    if expose.tls_secret_name is None:
        return {}
    hosts = {"hosts": list(expose.hosts)} if expose.hosts else {}
    return {"tls": [{**hosts, "secretName": expose.tls_secret_name}]}


def _rule(app: ContainerApp, expose: Expose, host: str) -> Manifest:
    paths = [_path(app, path) for path in expose.routes()]
    return {**({"host": host} if host else {}), "http": {"paths": paths}}


def _path(app: ContainerApp, path: ExposedPath) -> Manifest:
    port = exposed_port(app, path.port)
    return {
        "path": path.path,
        "pathType": path.type,
        "backend": {"service": {"name": app.metadata.name, "port": {"name": port.name}}},
    }


CHILD = Child(
    resource=INGRESS,
    render=render,
)
