"""ContainerApp, version v1alpha1: every field with its default, bounds, rules and documentation.

The docstring below each field is what `kubectl explain` shows. Defaults that are the same for every app
stand here and so reach the CustomResourceDefinition; those that depend on a sibling (resources, the
readiness probe) are the renderer's. What the operator accepts and the API server refuses, or the other way
round, is a bug in this file.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError

from containerapp.api.containerapp_rules import (
    PORT_LIST_RULES,
    SECURITY_RULES,
    SPEC_RULES,
    liveness,
    readiness,
    startup_seconds,
)
from containerapp.api.schema.fields import (
    AbsolutePath,
    Boolean,
    Capability,
    ChildLabels,
    GraceSeconds,
    Image,
    ObjectName,
    PodAnnotations,
    PodLabels,
    PortName,
    PortNumber,
    ProfilePath,
    QualifiedName,
    Replicas,
    ServiceAnnotations,
    Text,
    UserOrGroup,
)
from containerapp.api.schema.kubernetes import (
    EnvFromSource,
    EnvVar,
    LocalObjectReference,
    ObjectMeta,
    Probe,
    ResourceRequirements,
)
from containerapp.api.schema.problems import describe
from containerapp.api.schema.rules import ApiModel, ListMap, Rule, is_empty
from containerapp.api.status import UNSEEN, ContainerAppStatus
from containerapp.api.workload import Autoscaling, Disruption, Metrics, Rollout
from containerapp.errors import InvalidSpec

APP_NAME = r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"


class ContainerPort(ApiModel):
    """A port that the container listens on, and how the Service offers it."""

    name: PortName
    """Name of the port, unique in the list and at most 15 characters, for example `http` or `metrics`.
    Probes and the Service refer to the port by it."""
    container_port: PortNumber
    """Port that the program listens on. Prefer one above 1023: lower ones need an added capability on some
    nodes. Several ports of the Service may lead to the same one."""
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    """Transport protocol. Default: `TCP`. Probes can only ask TCP ports."""
    service_port: PortNumber | None = None
    """Port of the Service, when it is to differ from `containerPort`: for example 80 in front of 8080."""
    app_protocol: QualifiedName | None = None
    """Application protocol for load balancers and meshes, for example `http`, `grpc` or
    `kubernetes.io/h2c`."""


class Capabilities(ApiModel):
    """Linux capabilities of the container."""

    add: Annotated[tuple[Capability, ...], Field(max_length=64)] = Field((), exclude_if=is_empty)
    """Capabilities to add after all others were dropped. Pod Security `restricted` allows
    `NET_BIND_SERVICE` alone."""
    drop: Annotated[tuple[Capability, ...], Field(max_length=64)] = ("ALL",)
    """Capabilities to drop. Default: `ALL`, as Pod Security `restricted` demands."""


class SeccompProfile(ApiModel):
    """Filter of the system calls that the container may make."""

    type: Literal["RuntimeDefault", "Localhost", "Unconfined"] = "RuntimeDefault"
    """`RuntimeDefault` is the container runtime's own filter, `Localhost` a profile file on the node,
    `Unconfined` no filter at all (which Pod Security `restricted` refuses)."""
    localhost_profile: ProfilePath | None = None
    """File below the kubelet's seccomp folder, for example `profiles/shop.json`; for type `Localhost`
    only."""

    rules = (
        Rule(
            cel="(self.type == 'Localhost') == has(self.localhostProfile)",
            holds=lambda profile: (profile.type == "Localhost") == (profile.localhost_profile is not None),
            message="seccompProfile.localhostProfile goes with type Localhost and no other: give both,"
            " or neither",
            path=".localhostProfile",
        ),
    )


class Security(ApiModel):
    """What the container may do on its node.

    The defaults pass Pod Security `restricted`; every relaxation is spelled out.
    """

    run_as_user: UserOrGroup | None = None
    """Numeric user to run as. Default: the image's own USER, which must be numeric and not 0 (Kubernetes
    cannot tell whether a named user is root, and refuses to start it)."""
    run_as_group: UserOrGroup | None = None
    """Numeric primary group to run as. Default: the image's."""
    run_as_non_root: Boolean = True
    """Whether a container that would run as root is refused. Set it to false for an image that must run as
    root."""
    fs_group: UserOrGroup | None = None
    """Group that owns the files of mounted volumes, so that the program can write to them."""
    supplemental_groups: Annotated[tuple[UserOrGroup, ...], Field(max_length=32)] = ()
    """Further groups of the process, for example one that may read a shared file system."""
    read_only_root_filesystem: Boolean = False
    """Whether the image's files cannot be written to. Safer, but many programs want to write somewhere:
    turn it on when yours does not."""
    allow_privilege_escalation: Boolean = False
    """Whether a process may gain more privileges than its parent, as `sudo` does."""
    privileged: Boolean = False
    """Whether the container is as powerful as root on the node. Needs `allowPrivilegeEscalation: true`, and a
    namespace whose Pod Security allows it."""
    capabilities: Capabilities = Capabilities()
    """Linux capabilities. Default: all dropped, none added."""
    seccomp_profile: SeccompProfile = SeccompProfile()
    """Filter of system calls. Default: the container runtime's own."""

    rules = SECURITY_RULES


class Service(ApiModel):
    """How the app is reached: one Service named like the app, with a port for each of its ports."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    """`ClusterIP` is reached inside the cluster, `NodePort` on a port of every node, `LoadBalancer`
    through a load balancer of its own, whose address then stands in `status.url`."""
    annotations: ServiceAnnotations = Field(default_factory=dict)
    """Annotations of the Service: settings for the load balancer's controller, for example
    `service.beta.kubernetes.io/aws-load-balancer-scheme: internet-facing`."""
    load_balancer_class: QualifiedName | None = None
    """Controller that makes the load balancer, for example `service.k8s.aws/nlb` for the AWS Load Balancer
    Controller; for type `LoadBalancer` only. Kubernetes does not let it change afterwards."""

    rules = (
        Rule(
            cel="!has(self.loadBalancerClass) || self.type == 'LoadBalancer'",
            holds=lambda service: service.load_balancer_class is None or service.type == "LoadBalancer",
            message="service.loadBalancerClass goes with type LoadBalancer only: set service.type, or"
            " remove the class",
            path=".loadBalancerClass",
        ),
    )


class ContainerAppSpec(ApiModel):
    """The app as it should run.

    `image` is all that is needed; everything else has a default that is fit for production.
    """

    image: Image
    """Container image to run, for example `123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop:1.4.2`. A
    short name such as `shop:1.4.2` is looked up in the registry that the operator was set up with. The tag
    is resolved to a digest when this field changes and stays with it: a tag that is pushed again does not
    restart the app (see `status.image`)."""
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    """When a node pulls the image. As the app always runs by digest, `IfNotPresent` never runs a stale
    image; `Always` checks the pull rights at each start. `Never` wants the image put on the node by other
    means, and runs it by its tag: no registry is asked."""
    image_pull_secrets: Annotated[
        tuple[LocalObjectReference, ...], Field(max_length=16), ListMap("name")
    ] = ()
    """Secrets of type `kubernetes.io/dockerconfigjson` for registries that ask for a password. Amazon ECR
    needs none: the nodes' own role pulls from it."""

    command: Annotated[tuple[Text, ...], Field(max_length=256)] = ()
    """Program to run instead of the image's ENTRYPOINT, with no shell around it. `$(NAME)` is replaced by
    the variable NAME of `env`. Default: the image's ENTRYPOINT."""
    args: Annotated[tuple[Text, ...], Field(max_length=1024)] = ()
    """Arguments instead of the image's CMD. `$(NAME)` is replaced as in `command`. Default: the image's
    CMD, unless `command` is given."""
    working_dir: AbsolutePath | None = None
    """Folder in which the program starts. Default: the image's WORKDIR."""

    env: Annotated[tuple[EnvVar, ...], Field(max_length=512), ListMap("name")] = ()
    """Environment variables, each with a `value` or a `valueFrom` (a key of a Secret or ConfigMap, a field
    of the Pod). They win over those of `envFrom`. A Secret's changed value reaches the program at its next
    start."""
    env_from: Annotated[tuple[EnvFromSource, ...], Field(max_length=64)] = ()
    """Takes all keys of ConfigMaps and Secrets as environment variables; of two that set the same
    variable, the later one wins."""

    port: PortNumber | None = None
    """The one port that the program listens on, over TCP, for example 8080; it is known as `http`. For
    several ports, another name or another protocol, use `ports` instead. An app with neither is a worker:
    it gets no Service and no default probe."""
    ports: Annotated[tuple[ContainerPort, ...], Field(max_length=32), ListMap("name"), *PORT_LIST_RULES] = ()
    """The ports that the program listens on, when there are several or one needs more said than its
    number. The first TCP port is the one that probes ask unless they name another."""

    resources: ResourceRequirements = Field(default_factory=ResourceRequirements)
    """CPU and memory, in Kubernetes' own terms. Without it each replica is promised `cpu: 100m` and
    `memory: 256Mi`, may use idle cpu beyond that, and no memory beyond it."""
    replicas: Replicas = 1
    """Number of Pods to keep running; changed by `kubectl scale`, too, which finds it through the scale
    subresource. Use 2 or more for a service that must survive the loss of a node: they are spread over
    zones and nodes. It has no effect while `autoscaling` is given."""
    autoscaling: Autoscaling | None = None
    """Lets the load decide how many Pods run, instead of `replicas`. When it is removed, `replicas` counts
    again. Default: none."""
    disruption: Disruption | None = None
    """How many Pods a drain of nodes may take at a time. Default from two Pods on: one."""

    rollout: Rollout = Field(default_factory=Rollout)
    """How a new version replaces the one that runs. Default: new Pods start first, at most a quarter more than wanted,
    and no old Pod ends before its successor is available."""

    readiness_probe: Annotated[Probe, *readiness()] | None = None
    """When a replica gets traffic, and when a new version counts as good. Default for an app with a port:
    the first TCP port accepts connections. Prefer an `httpGet` of a path that answers only when the app
    can serve."""
    liveness_probe: Annotated[Probe, *liveness("livenessProbe")] | None = None
    """When a replica is restarted because it hangs. Default: none, for a probe that is too strict turns
    load into an outage; never let it depend on other services."""
    startup_probe: Annotated[Probe, *liveness("startupProbe")] | None = None
    """Holds the other probes back until it has succeeded once, so that a slow start (up to
    failureThreshold times periodSeconds) is not mistaken for a hang."""
    termination_grace_period_seconds: GraceSeconds = 30
    """Seconds that a replica has to end, from 0 to 7200, before it is killed. With ports, the first 10 of
    them (half, when there are fewer than 20) pass before SIGTERM, while load balancers stop sending."""

    security: Security = Security()
    """What the container may do on its node. The defaults pass Pod Security `restricted`; every relaxation
    is spelled out here."""
    service: Service = Field(default_factory=Service)
    """How the app is reached. Default for an app with a port: a `ClusterIP` Service named like the app, so
    that others in the cluster reach it as `http://<app>:<port>`."""
    metrics: Metrics | None = None
    """Where the app serves metrics for Prometheus. Default: nothing scrapes it."""
    service_account_name: ObjectName | None = None
    """Existing ServiceAccount to run as, for example one with an IAM role. Default: the operator makes one
    named like the app. Its token is not mounted in either case."""
    labels: ChildLabels = Field(default_factory=dict)
    """Further labels of everything that is made for the app but its Pods, for example `team: checkout`, as admission
    policies ask for them. A change restarts nothing. The operator's own labels cannot be set here."""
    pod_labels: PodLabels = Field(default_factory=dict)
    """Further labels of the Pods, for example `team: checkout` for cost allocation. The operator's own
    labels cannot be set here."""
    pod_annotations: PodAnnotations = Field(default_factory=dict)
    """Annotations of the Pods, read by agents and controllers in the cluster, for example
    `prometheus.io/scrape: "true"`. A change restarts the Pods."""
    suspend: Boolean = False
    """Whether the app is stopped: no Pods run, while everything else (Service, address, `replicas`) stays
    as it is. Set it back to false to start again with the same number of replicas."""

    rules = SPEC_RULES

    def container_ports(self) -> tuple[ContainerPort, ...]:
        """The app's ports, whichever way they were written; empty for a worker."""
        if self.port is not None:
            return _http(self.port)
        return self.ports

    def listeners(self) -> dict[str, ContainerPort]:
        """The container's port behind each of the app's ports, by name: the first with that number and protocol."""
        first: dict[tuple[int, str], ContainerPort] = {}
        return {
            port.name: first.setdefault((port.container_port, port.protocol), port)
            for port in self.container_ports()
        }

    def probe_port(self) -> ContainerPort | None:
        """The port that probes ask when they name none: the first that speaks TCP."""
        return next((port for port in self.container_ports() if port.protocol == "TCP"), None)

    def metrics_port(self) -> ContainerPort | None:
        """The port that serves metrics: one of the app's, or one that `metrics` alone names; none without `metrics`."""
        if self.metrics is None:
            return None
        wanted = self.metrics.port
        tcp = (port for port in self.container_ports() if port.protocol == "TCP")
        found = next((port for port in tcp if wanted in {port.name, port.container_port}), None)
        if found is not None or isinstance(wanted, str):
            return found
        return ContainerPort(name="metrics", container_port=wanted)

    def fewest_pods(self) -> int:
        """How many Pods run at least, unless the app is suspended."""
        return self.autoscaling.min_replicas if self.autoscaling else self.replicas

    def most_pods(self) -> int:
        """How many Pods run at most, apart from those that a rollout adds."""
        return self.autoscaling.max_replicas if self.autoscaling else self.replicas

    def startup_seconds(self) -> int:
        """Seconds that the startup probe lets a container start; 0 without one."""
        return startup_seconds(self)

    def wanted_service(self) -> Service | None:
        """The Service that the app is to have; none for a worker."""
        return self.service if self.container_ports() else None


@lru_cache(maxsize=1024)
def _http(port: int) -> tuple[ContainerPort, ...]:
    return (ContainerPort(name="http", container_port=port),)


class ContainerApp(ApiModel):
    """A container image kept running on the cluster.

    Covers its replicas, its address, its health and its rollouts; the smallest spec is an image.
    """

    api_version: Literal["containerapp.dev/v1alpha1"]
    """Version of the schema that this object is written in."""
    kind: Literal["ContainerApp"]
    """Kind of this object."""
    metadata: ObjectMeta
    """Name, namespace, labels and annotations."""
    spec: ContainerAppSpec
    """The app as it should run."""
    status: ContainerAppStatus = UNSEEN
    """The app as it was last seen; written by the operator alone."""

    rules = (
        Rule(
            cel=f"self.metadata.name.matches(r'^{APP_NAME}$')",
            holds=lambda app: re.fullmatch(APP_NAME, app.metadata.name) is not None,
            message="metadata.name must be a DNS label, as the Service is named like the app: at most 63"
            " lower-case"
            " letters, digits and '-', beginning with a letter; rename the app, as in shop-api",
            path=".metadata.name",
        ),
    )

    @classmethod
    def parse(cls, obj: dict[str, Any]) -> Self:
        """Read an object as the API server holds it; `InvalidSpec` says what to edit where it is wrong."""
        try:
            return cls.model_validate(obj, by_alias=True, by_name=False)
        except ValidationError as error:
            raise InvalidSpec("InvalidSpec", describe(error)) from None
