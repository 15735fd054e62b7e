"""Rules between the fields of a ContainerApp's spec, each with the remedy.

Carried by the models in `v1alpha1`. Kept apart from them so that the models read as documentation. A rule
here must be decidable from the spec alone: what needs the cluster or a registry is for the operator to
judge.
"""

from __future__ import annotations

from typing import Any

from containerapp.api.expose_rules import EXPOSE_RULES
from containerapp.api.identity import IDENTITY_ON_FARGATE, IDENTITY_RULES
from containerapp.api.placement import FARGATE_RULES
from containerapp.api.pod import POD_RULES
from containerapp.api.ports import IS_TCP
from containerapp.api.probes import asked_ports, granted_seconds
from containerapp.api.schema.rules import Rule
from containerapp.api.secrets import SECRET_RULES
from containerapp.api.sidecars import CONTAINER_RULES, some_port
from containerapp.api.volumes import VOLUME_RULES

_HAS_PORTS = "has(self.port) || (has(self.ports) && self.ports.size() > 0)"


def _leaves_a_pod_to_evict() -> Rule:
    """A budget that allows no eviction stops the upgrade of a node group until a person deletes it.

    One Pod may be kept where a second one starts before it goes.
    """
    least = "self.disruption.minAvailable"
    pods = "(has(self.autoscaling) ? self.autoscaling.minReplicas : self.replicas)"
    surges = "(!has(self.disruption.surge) || self.disruption.surge)"
    return Rule(
        cel=f"!has(self.disruption) || !has({least}) || {pods} == 0 || (type({least}) == int"
        f" ? {least} < {pods} || ({least} == 1 && {surges})"
        f" : int(string({least}).replace('%', '')) * {pods} <= 100 * ({pods} - 1))",
        holds=lambda spec: spec.disruption is None or spec.disruption.spares_a_pod(spec.fewest_pods()),
        message="disruption.minAvailable leaves no Pod to evict, which blocks the drain of every node: lower it below"
        " replicas (with autoscaling: minReplicas), raise these, or use maxUnavailable: 1",
        path=".disruption.minAvailable",
    )


def _keeps_a_pod_for_requests() -> Rule:
    """A Service without Pods refuses connections."""
    return Rule(
        cel=f"!has(self.autoscaling) || self.autoscaling.minReplicas > 0 || !({_HAS_PORTS})",
        holds=lambda spec: (
            spec.autoscaling is None or spec.autoscaling.min_replicas > 0 or not spec.container_ports()
        ),
        message="autoscaling.minReplicas is 0, and nothing holds a request while the first Pod of an app with a port"
        " starts: set it to 1 or more, or remove the port if the app is a worker",
        path=".autoscaling.minReplicas",
    )


def _waits_for_the_startup_probe() -> Rule:
    """A deadline that passes while the probe still allows the start calls a slow rollout a failed one."""
    deadline = "self.rollout.progressDeadlineSeconds"
    granted = (
        f"(has(self.startupProbe) ? {granted_seconds('self.startupProbe')} : 0) + (has(self.sidecars) ?"
        " self.sidecars.filter(sidecar, has(sidecar.startupProbe)).map(sidecar,"
        f" {granted_seconds('sidecar.startupProbe')}).sum() : 0)"
    )
    return Rule(
        cel=f"!has(self.rollout) || !has({deadline}) || {deadline} > {granted}",
        holds=lambda spec: (
            spec.rollout.progress_deadline_seconds is None
            or spec.rollout.progress_deadline_seconds > spec.startup_seconds()
        ),
        message="rollout.progressDeadlineSeconds must be > startupProbe.initialDelaySeconds + failureThreshold *"
        " periodSeconds (of sidecars too), or a rollout fails while Pods may still start: raise it, or remove it (the"
        " default is 600 more than the probes grant)",
        path=".rollout.progressDeadlineSeconds",
    )


def _named_metrics_port(spec: Any) -> bool:
    return spec.metrics is None or spec.metrics_port() is not None


def _free_metrics_name(spec: Any) -> bool:
    port, others = spec.metrics_port(), (*spec.container_ports(), *spec.sidecar_ports())
    return port is None or all(other == port or other.name != port.name for other in others)


METRICS_RULES = (
    Rule(
        cel="!has(self.metrics) || type(self.metrics.port) == int || (has(self.port) && self.metrics.port == 'http')"
        f" || {some_port(f'port.name == self.metrics.port && {IS_TCP}')}",
        holds=_named_metrics_port,
        message="metrics.port names no TCP port of the app: use a name from spec.ports ('http' for spec.port) or from"
        " the ports of a sidecar, or a number",
        path=".metrics.port",
    ),
    Rule(
        cel="!has(self.metrics) || type(self.metrics.port) != int"
        f" || {some_port(f'port.containerPort == self.metrics.port && {IS_TCP}')}"
        f""" || !({some_port("port.name == 'metrics'")})""",
        holds=_free_metrics_name,
        message="metrics.port is a number that no TCP port has, while another port is named metrics: write"
        " metrics.port: metrics, or correct the number",
        path=".metrics.port",
    ),
)

SPEC_RULES = (
    *SECRET_RULES,
    _leaves_a_pod_to_evict(),
    _keeps_a_pod_for_requests(),
    _waits_for_the_startup_probe(),
    *METRICS_RULES,
    *IDENTITY_RULES,
    *IDENTITY_ON_FARGATE,
    *CONTAINER_RULES,
    *VOLUME_RULES,
    *POD_RULES,
    *FARGATE_RULES,
    *EXPOSE_RULES,
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
    *asked_ports(
        owner="the app",
        has_port="has(self.port) || ",
        is_port="(has(self.port) && {port} == 'http') || ",
        remedy="add spec.port",
        names="spec.ports ('http' for spec.port)",
    ),
)
