"""Ports of a container, and the probes that ask them.

Called by the template, for the app and for sidecars alike. A probe that names no port asks the first TCP port.
"""

from __future__ import annotations

from collections.abc import Mapping

from containerapp.api.ports import Port
from containerapp.api.schema.kubernetes import Probe
from containerapp.controllers.pods.container import plain
from containerapp.core.model import Manifest


def container_port(port: Port) -> Manifest:
    """Return the port as the container declares it."""
    return {"name": port.name, "containerPort": port.container_port, "protocol": port.protocol}


def probe(given: Probe | None, port: Port | None, listeners: Mapping[str, Port]) -> Manifest | None:
    """Return Kubernetes' probe; where it leaves the port out, `port` is meant; a name means a port of the container."""
    if given is None:
        return None
    manifest = plain(given)
    for handler in ("httpGet", "tcpSocket", "grpc"):
        if handler not in manifest:
            continue
        asked = manifest[handler].get("port")
        if asked in listeners:
            return manifest | {handler: manifest[handler] | {"port": listeners[asked].name}}
        if asked is None and port is not None:
            number = port.container_port if handler == "grpc" else port.name
            return manifest | {handler: manifest[handler] | {"port": number}}
    return manifest
