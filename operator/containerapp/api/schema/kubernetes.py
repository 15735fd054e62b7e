"""Kubernetes' own types as far as a ContainerApp uses them: the same names, the same meaning.

Imported by `containerapp` and by the code that renders these objects into a Pod. A field that Kubernetes has and
that is missing here was left out on purpose: where it makes no sense for the one container of an app, or
breaks Pod Security.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from containerapp.api.schema.fields import (
    Boolean,
    DataKey,
    Delay,
    EnvName,
    EnvPrefix,
    FieldPath,
    GraceSeconds,
    HeaderName,
    ObjectName,
    PortNumber,
    PortReference,
    Quantity,
    ResourceField,
    Seconds,
    Text,
    Threshold,
)
from containerapp.api.schema.quantity import BYTES_PATTERN, COUNT_PATTERN, quantity
from containerapp.api.schema.rules import ApiModel, ListMap, Rule, StatusModel, is_empty


class ObjectMeta(ApiModel):
    """The part of an object's metadata that the operator reads."""

    model_config = ConfigDict(extra="ignore")

    name: str
    """Name of the app; unique in its namespace."""
    namespace: str = ""
    """Namespace of the app and of everything that is made for it."""
    uid: str = ""
    """Identity of this very object; a successor of the same name has another."""
    generation: int = 0
    """Number of the spec's last change."""
    resource_version: str = ""
    """Version of the object, for telling newer from older."""
    creation_timestamp: str | None = None
    """When the app was made."""
    deletion_timestamp: str | None = None
    """When the app's deletion was asked for."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels of the app."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations of the app."""


class LocalObjectReference(ApiModel):
    """An object in the app's own namespace."""

    name: ObjectName
    """Name of the object, which must be in the same namespace as the app."""


# --- environment ----------------------------------------------------------------------------------


class KeySelector(ApiModel):
    """One key of a ConfigMap or a Secret in the app's namespace."""

    name: ObjectName
    """Name of the ConfigMap or Secret."""
    key: DataKey
    """Key in its data, for example `database-url`."""
    optional: Boolean | None = None
    """Whether the container may start without it. Default: false, a missing object or key keeps it
    waiting."""


class ObjectFieldSelector(ApiModel):
    """One field of the Pod itself."""

    api_version: Literal["v1"] | None = None
    """Version of the schema that `fieldPath` is written in. Default: `v1`."""
    field_path: FieldPath
    """Path of the field, for example `status.podIP` or `metadata.labels['team']`."""


_DIVISORS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")


class ResourceFieldSelector(ApiModel):
    """One of the container's own resource requests or limits."""

    resource: ResourceField
    """Which request or limit, for example `limits.memory`."""
    divisor: Quantity | None = None
    """Unit in which the number is given, for example `1Mi`; the result is rounded up. Default: 1."""

    rules = (
        Rule(
            cel="!has(self.divisor) || (self.resource.endsWith('.cpu') ? string(self.divisor) in ['1', '1m'] :"
            f" string(self.divisor) in [{', '.join(map(repr, _DIVISORS))}])",
            holds=lambda field: (
                field.divisor is None
                or field.divisor in ({"1", "1m"} if field.resource.endswith(".cpu") else _DIVISORS)
            ),
            message="divisor must be 1 or 1m for cpu, and 1, 1k, 1M, 1G, 1Ki, 1Mi, 1Gi or the like otherwise",
            path=".divisor",
        ),
    )


class EnvVarSource(ApiModel):
    """Where a variable's value comes from: exactly one of the fields."""

    field_ref: ObjectFieldSelector | None = None
    """A field of the Pod, such as its name or address."""
    resource_field_ref: ResourceFieldSelector | None = None
    """A resource request or limit of the container, for programs that size themselves by it."""
    config_map_key_ref: KeySelector | None = None
    """A key of a ConfigMap."""
    secret_key_ref: KeySelector | None = None
    """A key of a Secret."""

    rules = (
        Rule(
            cel="[has(self.fieldRef), has(self.resourceFieldRef), has(self.configMapKeyRef),"
            " has(self.secretKeyRef)].filter(given, given).size() == 1",
            holds=lambda source: (
                [
                    source.field_ref,
                    source.resource_field_ref,
                    source.config_map_key_ref,
                    source.secret_key_ref,
                ].count(None)
                == 3
            ),
            message="valueFrom needs exactly one of fieldRef, resourceFieldRef, configMapKeyRef and"
            " secretKeyRef:"
            " keep one of them",
        ),
    )


class EnvVar(ApiModel):
    """One environment variable: a name and a value, or a name and where the value comes from."""

    name: EnvName
    """Name of the variable, for example `LOG_LEVEL`: printable ASCII characters but `=`. Before Kubernetes 1.32
    only letters, digits, `_`, `-` and `.`, and no digit first; a program on .NET reads `__` for `:`."""
    value: Text | None = None
    """Value as it is. `$(OTHER)` is replaced by the variable OTHER when that stands earlier in the list;
    `$$(OTHER)` is left as `$(OTHER)`. Put a number or a boolean in quotes."""
    value_from: EnvVarSource | None = None
    """Takes the value from a Secret, a ConfigMap or the Pod itself, instead of `value`."""

    rules = (
        Rule(
            cel="!has(self.value) || self.value == '' || !has(self.valueFrom)",
            holds=lambda variable: not (variable.value and variable.value_from),
            message="env has both value and valueFrom: keep one of them",
            path=".valueFrom",
        ),
    )


class EnvFromReference(ApiModel):
    """A ConfigMap or Secret whose keys become variables."""

    name: ObjectName
    """Name of the ConfigMap or Secret in the app's namespace."""
    optional: Boolean | None = None
    """Whether the container may start without it. Default: false, a missing object keeps it waiting."""


class EnvFromSource(ApiModel):
    """A ConfigMap or a Secret, each key of which becomes an environment variable."""

    prefix: EnvPrefix | None = None
    """Put before every key, for example `DB_`."""
    config_map_ref: EnvFromReference | None = None
    """Takes every key of this ConfigMap."""
    secret_ref: EnvFromReference | None = None
    """Takes every key of this Secret."""

    rules = (
        Rule(
            cel="has(self.configMapRef) != has(self.secretRef)",
            holds=lambda source: (source.config_map_ref is None) != (source.secret_ref is None),
            message="envFrom needs exactly one of configMapRef and secretRef: keep one, and list the"
            " other apart",
        ),
    )


# --- resources ------------------------------------------------------------------------------------

_HUGE_PAGES = r"hugepages-[0-9]+[KMG]i"


def _known_resource(name: str) -> bool:
    known = name in {"cpu", "memory", "ephemeral-storage"} or "/" in name
    return known or re.fullmatch(_HUGE_PAGES, name) is not None


def _amounts(cel: str, concerns: Callable[[str], bool], pattern: str, message: str) -> Rule:
    """The amounts of the resources that the rule concerns match the pattern, unless they are no quantities."""
    compiled = re.compile(pattern)
    return Rule(
        cel=f"self.all(name, !({cel}) || !isQuantity(string(self[name]))"
        f" || string(self[name]).matches(r'^{pattern}$'))",
        holds=lambda amounts: all(
            not concerns(name) or compiled.fullmatch(amount) for name, amount in amounts.items()
        ),
        message=message,
    )


ResourceAmounts = Annotated[
    dict[str, Quantity],
    Field(max_length=16),
    Rule(
        cel="self.all(name, name in ['cpu', 'memory', 'ephemeral-storage'] || name.contains('/')"
        f" || name.matches(r'^{_HUGE_PAGES}$'))",
        holds=lambda amounts: all(_known_resource(name) for name in amounts),
        message="resources are cpu, memory, ephemeral-storage, hugepages-2Mi and the like, or a device as in"
        " nvidia.com/gpu: correct the name",
    ),
    _amounts(
        "name.contains('/')",
        lambda name: "/" in name,
        COUNT_PATTERN,
        "devices are counted in whole numbers: write 1 or more, as in nvidia.com/gpu: 1",
    ),
    _amounts(
        "name != 'cpu' && !name.contains('/')",
        lambda name: name != "cpu" and "/" not in name,
        BYTES_PATTERN,
        "memory and storage are counted in bytes, and a small m means thousandths of one: write a unit as in"
        " 256Mi or 1.5Gi",
    ),
]


class ResourceRequirements(ApiModel):
    """What the container is promised, and what it may use at most."""

    requests: ResourceAmounts = Field(default_factory=dict)
    """What is kept free for the container on its node. Without it the operator asks for a default (or for the limit,
    where only that is given), so that no container runs without a promise."""
    limits: ResourceAmounts = Field(default_factory=dict)
    """What the container may use at most. The memory limit equals the memory request unless it is given, so
    that a Pod never falls victim to its neighbours; there is no cpu limit unless it is given, because
    it slows a program down even on an idle node."""

    rules = (
        Rule(
            cel="!has(self.requests) || !has(self.limits) || self.requests.all(name, !(name in self.limits)"
            " || !isQuantity(string(self.requests[name])) || !isQuantity(string(self.limits[name]))"
            " || quantity(string(self.requests[name])).compareTo(quantity(string(self.limits[name]))) <= 0)",
            holds=lambda wanted: all(
                quantity(amount) <= quantity(wanted.limits.get(name, amount))
                for name, amount in wanted.requests.items()
            ),
            message="resources.requests is above resources.limits: lower the request or raise the limit",
            path=".requests",
        ),
        Rule(
            cel="!has(self.requests) || self.requests.all(name, !(name.contains('/')"
            " || name.startsWith('hugepages-')) || (has(self.limits) && name in self.limits"
            " && string(self.limits[name]) == string(self.requests[name])))",
            holds=lambda wanted: all(
                wanted.limits.get(name) == amount
                for name, amount in wanted.requests.items()
                if "/" in name or name.startswith("hugepages-")
            ),
            message="devices and huge pages cannot be overcommitted: give resources.limits the same amount",
            path=".limits",
        ),
    )


# --- probes ---------------------------------------------------------------------------------------


class HTTPHeader(ApiModel):
    """One header of a probe's request."""

    name: HeaderName
    """Name of the header, for example `Host`."""
    value: Text
    """Value of the header."""


class HTTPGetAction(ApiModel):
    """An HTTP GET to the container; any status from 200 to 399 is a success."""

    path: Annotated[str, Field(min_length=1, max_length=4096)] = "/"
    """Path and query of the request, for example `/healthz`."""
    port: PortReference | None = None
    """Port to ask, by its name in `ports` or by number. Default: the container's first TCP port."""
    scheme: Literal["HTTP", "HTTPS"] = "HTTP"
    """`HTTP` or `HTTPS`; the certificate is not checked."""
    http_headers: Annotated[tuple[HTTPHeader, ...], Field(max_length=32)] = Field((), exclude_if=is_empty)
    """Headers to send, for example a `Host` that the program insists on."""


class TCPSocketAction(ApiModel):
    """A TCP connection to the container; that it opens is the success."""

    port: PortReference | None = None
    """Port to connect to, by its name in `ports` or by number. Default: the container's first TCP port."""


class ExecAction(ApiModel):
    """A command run inside the container; exit code 0 is the success."""

    command: Annotated[tuple[Text, ...], Field(min_length=1, max_length=64)]
    """The command and its arguments, with no shell around it, for example `["/app/check", "--quick"]`."""


class GRPCAction(ApiModel):
    """A call of the gRPC health checking protocol; SERVING is the success."""

    port: PortNumber | None = None
    """Port to call, by number. Default: the container's first TCP port."""
    service: Annotated[str, Field(max_length=253)] | None = None
    """Service name to ask about; without it the answer is for the server as a whole."""


class Probe(ApiModel):
    """A check of the container, repeated by its node: exactly one of httpGet, tcpSocket, exec and grpc."""

    http_get: HTTPGetAction | None = None
    """Asks over HTTP; the usual choice for a web service."""
    tcp_socket: TCPSocketAction | None = None
    """Opens a TCP connection; for servers that speak no HTTP."""
    exec: ExecAction | None = None
    """Runs a command in the container; for workers and as the last resort, as it costs a process each
    time."""
    grpc: GRPCAction | None = None
    """Calls the gRPC health service."""
    initial_delay_seconds: Delay | None = None
    """Seconds after the container's start before the first check (default 0). A startupProbe is mostly the
    better way."""
    period_seconds: Seconds = 10
    """Seconds from one check to the next."""
    timeout_seconds: Seconds = 1
    """Seconds after which a check without an answer has failed."""
    success_threshold: Threshold = 1
    """Successes in a row that make a failed check good again. Must be 1 for liveness and startup."""
    failure_threshold: Threshold = 3
    """Failures in a row that count: a readiness probe takes the replica out of the Service, a liveness or
    startup probe restarts the container."""
    termination_grace_period_seconds: GraceSeconds | None = None
    """Seconds to stop in after this probe has failed, instead of the app's own; for liveness and startup
    only."""

    rules = (
        Rule(
            cel="[has(self.httpGet), has(self.tcpSocket), has(self.exec), has(self.grpc)]"
            ".filter(given, given).size() == 1",
            holds=lambda probe: [probe.http_get, probe.tcp_socket, probe.exec, probe.grpc].count(None) == 3,
            message="a probe needs exactly one of httpGet, tcpSocket, exec and grpc: keep one of them",
        ),
    )


class Condition(StatusModel):
    """One proposition about the app, with the reason for its truth or falsehood."""

    type: Annotated[str, Field(max_length=316)]
    """What the condition is about, for example `Ready`."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds: `True`, `False` or `Unknown`."""
    observed_generation: int | None = None
    """`metadata.generation` that the condition speaks of."""
    last_transition_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """When `status` last changed."""
    reason: Annotated[str, Field(max_length=1024)]
    """One word for machines, for example `RolloutInProgress`."""
    message: Annotated[str, Field(max_length=32768)]
    """A sentence for people: what is waited for, or what to do."""


ConditionList = Annotated[tuple[Condition, ...], ListMap("type")]
