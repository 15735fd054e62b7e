"""Rules between `expose` and an app's ports, Service and end, each with the remedy.

Listed by `containerapp_rules`. What needs the platform's settings or the cluster is for the operator to judge.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from containerapp.api.ports import IS_TCP
from containerapp.api.schema.rules import Rule
from containerapp.api.workload import pre_stop_seconds

_HAS_PORTS = "has(self.port) || (has(self.ports) && self.ports.size() > 0)"
_HAS_TCP_PORT = f"has(self.port) || (has(self.ports) && self.ports.exists(port, {IS_TCP}))"


def _is_tcp_port(name: str) -> str:
    return (
        f"((has(self.port) && {name} == 'http')"
        f" || (has(self.ports) && self.ports.exists(port, port.name == {name} && {IS_TCP})))"
    )


def _are_tcp_ports(spec: Any, names: Iterable[str | None]) -> bool:
    tcp = {port.name for port in spec.container_ports() if port.protocol == "TCP"}
    return set(names) <= {None, *tcp}


_GRACE = "self.terminationGracePeriodSeconds"

EXPOSE_RULES = (
    Rule(
        cel=f"!has(self.expose) || {_HAS_TCP_PORT} || ((has(self.expose.via) && self.expose.via == 'nlb')"
        f" && ({_HAS_PORTS}))",
        holds=lambda spec: (
            spec.expose is None
            or spec.probe_port() is not None
            or (spec.expose.via == "nlb" and bool(spec.container_ports()))
        ),
        message="spec.expose needs a TCP port to lead to (with via: nlb, any port): add spec.port, or remove"
        " spec.expose",
        path=".expose",
    ),
    Rule(
        cel=f"!has(self.expose) || !has(self.expose.port) || {_is_tcp_port('self.expose.port')}",
        holds=lambda spec: spec.expose is None or _are_tcp_ports(spec, [spec.expose.port]),
        message="expose.port names no TCP port of the app: use a name from spec.ports ('http' for spec.port)",
        path=".expose.port",
    ),
    Rule(
        cel="!has(self.expose) || !has(self.expose.paths)"
        f" || self.expose.paths.all(path, !has(path.port) || {_is_tcp_port('path.port')})",
        holds=lambda spec: (
            spec.expose is None or _are_tcp_ports(spec, (path.port for path in spec.expose.paths))
        ),
        message="expose.paths has a port that is no TCP port of the app: use a name from spec.ports ('http' for"
        " spec.port)",
        path=".expose.paths",
    ),
    Rule(
        cel="!has(self.expose) || !has(self.expose.deregistrationDelaySeconds)"
        f" || self.expose.deregistrationDelaySeconds + ({_GRACE} < 20 ? {_GRACE} / 2 : 10) <= {_GRACE}",
        holds=lambda spec: (
            spec.expose is None
            or spec.expose.deregistration_delay_seconds is None
            or spec.expose.deregistration_delay_seconds
            + pre_stop_seconds(spec.termination_grace_period_seconds)
            <= spec.termination_grace_period_seconds
        ),
        message="expose.deregistrationDelaySeconds + the pause before SIGTERM (10, or half of a grace period below 20)"
        " must be <= terminationGracePeriodSeconds, or a Pod is killed while the load balancer waits for its answers:"
        " raise terminationGracePeriodSeconds, or lower the delay",
        path=".expose.deregistrationDelaySeconds",
    ),
    Rule(
        cel="!has(self.expose) || !has(self.expose.via) || self.expose.via != 'nlb' || !has(self.service)"
        " || self.service.type == 'ClusterIP'",
        holds=lambda spec: (
            spec.expose is None or spec.expose.via != "nlb" or spec.service.type == "ClusterIP"
        ),
        message="expose.via nlb makes the Service's type itself: remove service.type",
        path=".service.type",
    ),
)
