"""Rules between the fields of a ContainerApp's spec, each with the remedy.

Carried by the models in `v1alpha1`. Kept apart from them so that the models read as documentation. A rule
here must be decidable from the spec alone: what needs the cluster or a registry is for the operator to
judge.
"""

from __future__ import annotations

from typing import Any

from containerapp.api.schema.rules import Rule

SECURITY_RULES = (
    Rule(
        cel="!self.privileged || self.allowPrivilegeEscalation",
        holds=lambda security: not security.privileged or security.allow_privilege_escalation,
        message="security.privileged needs allowPrivilegeEscalation: true as well: set it, or drop"
        " privileged",
        path=".allowPrivilegeEscalation",
    ),
    Rule(
        cel="!(self.runAsNonRoot && has(self.runAsUser) && self.runAsUser == 0)",
        holds=lambda security: not (security.run_as_non_root and security.run_as_user == 0),
        message="security.runAsUser 0 is root, which runAsNonRoot refuses: choose another user, or set"
        " runAsNonRoot: false",
        path=".runAsUser",
    ),
)

# In a list the API server fills in no defaults (see `containerapp.api.crd`): a port without protocol is a TCP port.
# (`orValue` would be shorter, but the API server then reckons with a text of any length.)
_SAME_PROTOCOL = "(has(a.protocol) ? a.protocol : 'TCP') == (has(b.protocol) ? b.protocol : 'TCP')"
_SAME_SERVICE_PORT = "a.?servicePort.orValue(a.containerPort) == b.?servicePort.orValue(b.containerPort)"
_IS_TCP = "(!has(port.protocol) || port.protocol == 'TCP')"

PORT_LIST_RULES = (
    Rule(
        cel=f"self.all(a, self.exists_one(b, {_SAME_SERVICE_PORT} && {_SAME_PROTOCOL}))",
        holds=lambda ports: _distinct((_service_port(port), port.protocol) for port in ports),
        message="spec.ports has two entries with the same port of the Service: give one of them another"
        " servicePort, or remove it",
    ),
)

_HAS_PORTS = "has(self.port) || (has(self.ports) && self.ports.size() > 0)"
_HAS_TCP_PORT = f"has(self.port) || (has(self.ports) && self.ports.exists(port, {_IS_TCP}))"
_PROBES = {
    "readinessProbe": "readiness_probe",
    "livenessProbe": "liveness_probe",
    "startupProbe": "startup_probe",
}


def _distinct(values: Any) -> bool:
    listed = list(values)
    return len(set(listed)) == len(listed)


def _service_port(port: Any) -> int:
    return int(port.service_port or port.container_port)


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
            cel="self.successThreshold == 1",
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


def _asks_a_port(name: str) -> Rule:
    """A probe that names no port needs a TCP port to fall back on."""

    def holds(spec: Any) -> bool:
        probe = getattr(spec, _PROBES[name])
        if probe is None or spec.probe_port() is not None:
            return True
        handlers = (probe.http_get, probe.tcp_socket, probe.grpc)
        return all(handler is None or handler.port is not None for handler in handlers)

    silent = " || ".join(
        f"(has(self.{name}.{handler}) && !has(self.{name}.{handler}.port))"
        for handler in ("httpGet", "tcpSocket", "grpc")
    )
    return Rule(
        cel=f"!has(self.{name}) || {_HAS_TCP_PORT} || !({silent})",
        holds=holds,
        message=f"{name} names no port, and the app has no TCP port to ask: add spec.port, or the"
        f" probe's port, or"
        " use exec",
        path=f".{name}",
    )


def _names_a_port(name: str, handler: str, attribute: str) -> Rule:
    """A port named by a probe must be one of the app's TCP ports."""

    def holds(spec: Any) -> bool:
        action = getattr(getattr(spec, _PROBES[name]), attribute, None)
        if action is None or not isinstance(action.port, str):
            return True
        return any(port.name == action.port and port.protocol == "TCP" for port in spec.container_ports())

    port = f"self.{name}.{handler}.port"
    return Rule(
        cel=f"!has(self.{name}) || !has(self.{name}.{handler}) || !has({port}) || type({port}) == int"
        f" || (has(self.port) && {port} == 'http')"
        f" || (has(self.ports) && self.ports.exists(port, port.name == {port} && {_IS_TCP}))",
        holds=holds,
        message=f"{name}.{handler}.port names no TCP port of the app: use a name from spec.ports ('http' for"
        " spec.port), or a number",
        path=f".{name}.{handler}.port",
    )


def _leaves_a_pod_to_evict() -> Rule:
    """A budget that allows no eviction stops the upgrade of a node group until a person deletes it."""
    least = "self.disruption.minAvailable"
    pods = "(has(self.autoscaling) ? self.autoscaling.minReplicas : self.replicas)"
    return Rule(
        cel=f"!has(self.disruption) || !has({least}) || {pods} == 0 || (type({least}) == int"
        f" ? {least} < {pods} : int(string({least}).replace('%', '')) * {pods} <= 100 * ({pods} - 1))",
        holds=lambda spec: spec.disruption is None or spec.disruption.spares_a_pod(spec.fewest_pods()),
        message="disruption.minAvailable leaves no Pod to evict, which blocks the drain of every node: lower it below"
        " replicas (with autoscaling: minReplicas), raise these, or use maxUnavailable: 1",
        path=".disruption.minAvailable",
    )


def startup_seconds(spec: Any) -> int:
    """Return how long the startup probe lets a container start; 0 without one."""
    probe = spec.startup_probe
    if probe is None:
        return 0
    return int((probe.initial_delay_seconds or 0) + probe.failure_threshold * probe.period_seconds)


def _waits_for_the_startup_probe() -> Rule:
    """A deadline that passes while the probe still allows the start calls a slow rollout a failed one."""
    deadline = "self.rollout.progressDeadlineSeconds"
    probe = "self.startupProbe"
    granted = (
        f"(has({probe}.initialDelaySeconds) ? {probe}.initialDelaySeconds : 0)"
        f" + {probe}.failureThreshold * {probe}.periodSeconds"
    )
    return Rule(
        cel=f"!has(self.rollout) || !has({deadline}) || !has({probe}) || {deadline} > {granted}",
        holds=lambda spec: (
            spec.startup_probe is None
            or spec.rollout.progress_deadline_seconds is None
            or spec.rollout.progress_deadline_seconds > startup_seconds(spec)
        ),
        message="rollout.progressDeadlineSeconds must be > startupProbe.initialDelaySeconds + failureThreshold *"
        " periodSeconds, or a rollout fails while Pods may still start: raise it, or remove it (the default is 600"
        " more than the probe grants)",
        path=".rollout.progressDeadlineSeconds",
    )


def _named_metrics_port(spec: Any) -> bool:
    return spec.metrics is None or spec.metrics_port() is not None


def _free_metrics_name(spec: Any) -> bool:
    port = spec.metrics_port()
    return port is None or all(other == port or other.name != port.name for other in spec.container_ports())


METRICS_RULES = (
    Rule(
        cel="!has(self.metrics) || type(self.metrics.port) == int || (has(self.port) && self.metrics.port == 'http')"
        f" || (has(self.ports) && self.ports.exists(port, port.name == self.metrics.port && {_IS_TCP}))",
        holds=_named_metrics_port,
        message="metrics.port names no TCP port of the app: use a name from spec.ports ('http' for spec.port), or a"
        " number",
        path=".metrics.port",
    ),
    Rule(
        cel="!has(self.metrics) || type(self.metrics.port) != int || !has(self.ports)"
        f" || self.ports.exists(port, port.containerPort == self.metrics.port && {_IS_TCP})"
        " || !self.ports.exists(port, port.name == 'metrics')",
        holds=_free_metrics_name,
        message="metrics.port is a number that no TCP port of spec.ports has, while another of them is named metrics:"
        " write metrics.port: metrics, or correct the number",
        path=".metrics.port",
    ),
)

SPEC_RULES = (
    _leaves_a_pod_to_evict(),
    _waits_for_the_startup_probe(),
    *METRICS_RULES,
    Rule(
        cel="!has(self.port) || !has(self.ports) || self.ports.size() == 0",
        holds=lambda spec: spec.port is None or not spec.ports,
        message="spec.port and spec.ports are both given: keep one; in ports, the single port is {name: http,"
        " containerPort: <port>}",
        path=".port",
    ),
    Rule(
        cel=f"!has(self.service) || {_HAS_PORTS}",
        holds=lambda spec: "service" not in spec.model_fields_set or bool(spec.container_ports()),
        message="spec.service needs a port to offer: add spec.port, or remove spec.service for a worker",
        path=".service",
    ),
    *(_asks_a_port(name) for name in _PROBES),
    *(
        _names_a_port(name, handler, attribute)
        for name in _PROBES
        for handler, attribute in (("httpGet", "http_get"), ("tcpSocket", "tcp_socket"))
    ),
)
