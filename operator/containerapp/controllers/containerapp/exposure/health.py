"""The load balancer's health check, from the readiness probe, and how long it lets a Pod's requests finish. Pure.

A target counts as healthy by the same path, at the same pace and after as many answers as the Pod counts as ready.
Without a probe by HTTP any answer but a server error is good: that is what the default probe of a port asks for.
"""

from __future__ import annotations

from dataclasses import dataclass

from containerapp.api.containerapp import ContainerApp
from containerapp.api.ports import ContainerPort
from containerapp.api.schema.kubernetes import Probe
from containerapp.api.workload import pre_stop_seconds

DEREGISTRATION_DELAY = "deregistration_delay.timeout_seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How often targets are asked, in seconds, and how many answers count."""

    interval: int = 5
    timeout: int = 2
    healthy: int = 2
    unhealthy: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """How targets are asked; `port` is None for the one that serves."""

    protocol: str = "HTTP"
    path: str = "/"
    codes: str = "200-499"
    port: int | None = None
    timing: Timing = Timing()


def health_check(app: ContainerApp, port: ContainerPort) -> HealthCheck:
    """Return the check of the targets behind `port`."""
    probe = app.spec.readiness_probe
    timing = _timing(probe)
    if port.app_protocol == "grpc":
        asked = probe is not None and probe.grpc is not None
        path, codes = ("/grpc.health.v1.Health/Check", "0") if asked else ("/AWS.ALB/healthcheck", "12")
        return HealthCheck(path=path, codes=codes, timing=timing)
    if probe is None or probe.http_get is None:
        return HealthCheck(protocol="HTTPS" if port.app_protocol == "https" else "HTTP", timing=timing)
    action = probe.http_get
    number = _number(app, action.port)
    return HealthCheck(
        protocol=action.scheme,
        path=action.path or "/",
        codes="200-399",
        port=None if number == port.container_port else number,
        timing=timing,
    )


def target_group_attributes(app: ContainerApp) -> dict[str, str]:
    """Return the attributes of the target group.

    A leaving Pod lives for its grace period, and answers for as long as is left of it after the pause before SIGTERM.
    """
    grace, expose = app.spec.termination_grace_period_seconds, app.spec.expose
    given = expose.deregistration_delay_seconds if expose else None
    delay = grace - pre_stop_seconds(grace) if given is None else given
    return {**(expose.target_group_attributes if expose else {}), DEREGISTRATION_DELAY: str(min(delay, 3600))}


def _timing(probe: Probe | None) -> Timing:
    """Return the probe's times and counts, as far as a load balancer can have them."""
    if probe is None:
        return Timing()
    interval = _within(probe.period_seconds, 5, 300)
    return Timing(
        interval=interval,
        timeout=_within(probe.timeout_seconds, 2, min(120, interval - 1)),
        healthy=_within(probe.success_threshold, 2, 10),
        unhealthy=_within(probe.failure_threshold, 2, 10),
    )


def _within(value: int, low: int, high: int) -> int:
    return max(low, min(high, value))


def _number(app: ContainerApp, port: int | str | None) -> int:
    """Return the number of a probe's port: by name, or the one that probes ask by default."""
    if isinstance(port, int):
        return port
    ports = app.spec.container_ports()
    named = next((each for each in ports if each.name == port), app.spec.probe_port() or ports[0])
    return named.container_port
