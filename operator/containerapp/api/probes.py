"""What Kubernetes demands of probes, by their purpose and by the ports that they ask.

Carried by apps and by their sidecars. In a list the API server fills in no defaults, so the rules name Kubernetes' own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from containerapp.api.ports import IS_TCP
from containerapp.api.schema.kubernetes import Probe
from containerapp.api.schema.rules import Rule

_PROBES = {
    "readinessProbe": "readiness_probe",
    "livenessProbe": "liveness_probe",
    "startupProbe": "startup_probe",
}


def readiness() -> tuple[Rule, ...]:
    """What Kubernetes demands of a readiness probe."""
    return (
        Rule(
            cel="!has(self.terminationGracePeriodSeconds)",
            holds=lambda probe: probe.termination_grace_period_seconds is None,
            message="readinessProbe.terminationGracePeriodSeconds has no effect, as readiness never stops a"
            " container: remove it",
            path=".terminationGracePeriodSeconds",
        ),
    )


def liveness(name: str) -> tuple[Rule, ...]:
    """What Kubernetes demands of a probe that restarts the container."""
    return (
        Rule(
            cel="!has(self.successThreshold) || self.successThreshold == 1",
            holds=lambda probe: probe.success_threshold == 1,
            message=f"{name}.successThreshold must be 1: remove it",
            path=".successThreshold",
        ),
        Rule(
            cel="!has(self.terminationGracePeriodSeconds) || self.terminationGracePeriodSeconds >= 1",
            holds=lambda probe: probe.termination_grace_period_seconds != 0,
            message=f"{name}.terminationGracePeriodSeconds must be 1 or more: raise or remove it",
            path=".terminationGracePeriodSeconds",
        ),
    )


def granted_seconds(probe: str) -> str:
    """CEL: how long a startup probe lets its container start; as `seconds` says."""
    return (
        f"((has({probe}.initialDelaySeconds) ? {probe}.initialDelaySeconds : 0)"
        f" + (has({probe}.failureThreshold) ? {probe}.failureThreshold : 3)"
        f" * (has({probe}.periodSeconds) ? {probe}.periodSeconds : 10))"
    )


def seconds(probe: Probe | None) -> int:
    """Return how long a startup probe lets its container start; 0 without one."""
    if probe is None:
        return 0
    return (probe.initial_delay_seconds or 0) + probe.failure_threshold * probe.period_seconds


def asked_ports(*, owner: str, has_port: str, is_port: str, remedy: str, names: str) -> Iterator[Rule]:
    """Yield the rules that a probe asks a port that is there.

    `has_port` and `is_port` are CEL for a port that stands outside the list `ports`, each with `||` at its end.
    """
    has_tcp = f"{has_port}(has(self.ports) && self.ports.exists(port, {IS_TCP}))"
    for name in _PROBES:
        yield _asks_a_port(name, has_tcp, f"{owner} has no TCP port to ask: {remedy}")
    for name in _PROBES:
        for handler, attribute in (("httpGet", "http_get"), ("tcpSocket", "tcp_socket")):
            asked = f"self.{name}.{handler}.port"
            named = (
                f"{is_port.format(port=asked)}"
                f"(has(self.ports) && self.ports.exists(port, port.name == {asked} && {IS_TCP}))"
            )
            yield _names_a_port(
                name, handler, attribute, named, f"no TCP port of {owner}: use a name from {names}"
            )


def _asks_a_port(name: str, has_tcp: str, otherwise: str) -> Rule:
    """A probe that names no port needs a TCP port to fall back on."""

    def holds(owner: Any) -> bool:
        probe = getattr(owner, _PROBES[name])
        if probe is None or owner.probe_port() is not None:
            return True
        handlers = (probe.http_get, probe.tcp_socket, probe.grpc)
        return all(handler is None or handler.port is not None for handler in handlers)

    silent = " || ".join(
        f"(has(self.{name}.{handler}) && !has(self.{name}.{handler}.port))"
        for handler in ("httpGet", "tcpSocket", "grpc")
    )
    return Rule(
        cel=f"!has(self.{name}) || {has_tcp} || !({silent})",
        holds=holds,
        message=f"{name} names no port, and {otherwise}, or the probe's port, or use exec",
        path=f".{name}",
    )


def _names_a_port(name: str, handler: str, attribute: str, named: str, otherwise: str) -> Rule:
    """A port named by a probe must be a TCP port of its container."""

    def holds(owner: Any) -> bool:
        action = getattr(getattr(owner, _PROBES[name]), attribute, None)
        if action is None or not isinstance(action.port, str):
            return True
        return any(port.name == action.port and port.protocol == "TCP" for port in owner.container_ports())

    port = f"self.{name}.{handler}.port"
    return Rule(
        cel=f"!has(self.{name}) || !has(self.{name}.{handler}) || !has({port}) || type({port}) == int || {named}",
        holds=holds,
        message=f"{name}.{handler}.port names {otherwise}, or a number",
        path=f".{name}.{handler}.port",
    )
