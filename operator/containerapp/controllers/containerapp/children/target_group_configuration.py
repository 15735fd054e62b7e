"""TargetGroupConfiguration: how a Gateway of the AWS Load Balancer Controller reaches the app's Pods.

Without it the targets would be nodes, by ports that a ClusterIP Service does not have, and asked for `/` every 15 s.
"""

from __future__ import annotations

from collections.abc import Iterator

from containerapp.api.containerapp import ContainerApp
from containerapp.controllers.containerapp.exposure.gateway import speaks_grpc
from containerapp.controllers.containerapp.exposure.health import (
    HealthCheck,
    health_check,
    target_group_attributes,
)
from containerapp.controllers.containerapp.exposure.route import TARGET_GROUP_CONFIGURATION, exposed_port
from containerapp.controllers.containerapp.inputs import Inputs
from containerapp.controllers.pods.metadata import metadata
from containerapp.core.model import Child, Manifest

_VERSIONS = {"grpc": "GRPC", "kubernetes.io/h2c": "HTTP2"}


def render(app: ContainerApp, inputs: Inputs) -> Iterator[Manifest]:
    """Yield the configuration of the app's target groups, if a Gateway of AWS leads to it."""
    expose, route = app.spec.expose, inputs.route
    if expose is None or route is None or not route.leads_by("gateway") or not route.aws_gateway:
        return
    port = exposed_port(app, expose.routes()[0].port)
    version = _VERSIONS.get(port.app_protocol or "")
    attributes = sorted(target_group_attributes(app).items())
    yield {
        "apiVersion": TARGET_GROUP_CONFIGURATION.api_version,
        "kind": TARGET_GROUP_CONFIGURATION.kind,
        "metadata": metadata(app),
        "spec": {
            "targetReference": {"kind": "Service", "name": app.metadata.name},
            "defaultConfiguration": {
                "targetType": "ip",
                **({"protocol": "HTTPS"} if port.app_protocol == "https" else {}),
                **({"protocolVersion": version} if version else {}),
                "healthCheckConfig": _health(health_check(app, port), grpc=speaks_grpc(app)),
                "targetGroupAttributes": [{"key": key, "value": value} for key, value in attributes],
            },
        },
    }


def _health(check: HealthCheck, *, grpc: bool) -> Manifest:
    return {
        "healthCheckProtocol": check.protocol,
        **({"healthCheckPort": str(check.port)} if check.port else {}),
        "healthCheckPath": check.path,
        "matcher": {"grpcCode" if grpc else "httpCode": check.codes},
        "healthCheckInterval": check.timing.interval,
        "healthCheckTimeout": check.timing.timeout,
        "healthyThresholdCount": check.timing.healthy,
        "unhealthyThresholdCount": check.timing.unhealthy,
    }


CHILD = Child(resource=TARGET_GROUP_CONFIGURATION, render=render)
