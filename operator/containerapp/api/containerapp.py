"""ContainerApp, version v1alpha1: every field with its default, bounds, rules and documentation.

The docstring below each field is what `kubectl explain` shows. Defaults that are the same for every app
stand here and so reach the CustomResourceDefinition; those that depend on a sibling (resources, the
readiness probe) are the renderer's. What the operator accepts and the API server refuses, or the other way
round, is a bug in this file.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError

from containerapp.api.containerapp_rules import SPEC_RULES
from containerapp.api.expose import Expose
from containerapp.api.files import Files
from containerapp.api.identity import Identity
from containerapp.api.network import Network
from containerapp.api.overrides import OverrideList
from containerapp.api.placement import Placement
from containerapp.api.pod import PodSettings
from containerapp.api.ports import ContainerPort, Port, PortList, Service, first_tcp, http, listeners
from containerapp.api.probes import liveness, readiness, seconds
from containerapp.api.process import Process
from containerapp.api.schema.fields import (
    Boolean,
    ChildLabels,
    GraceSeconds,
    ObjectName,
    PodAnnotations,
    PodLabels,
    PortNumber,
    Replicas,
)
from containerapp.api.schema.kubernetes import LocalObjectReference, ObjectMeta, Probe, ResourceRequirements
from containerapp.api.schema.problems import describe
from containerapp.api.schema.rules import ApiModel, ListMap, Rule
from containerapp.api.security import Security
from containerapp.api.sidecars import InitContainers, Sidecars
from containerapp.api.status import UNSEEN, ContainerAppStatus
from containerapp.api.volumes import Volumes
from containerapp.api.workload import Autoscaling, Disruption, Metrics, Rollout
from containerapp.errors import InvalidSpec

_DEADLINE_SECONDS = 600
_KEDA_NAME = 54
APP_NAME = r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"


class ContainerAppSpec(PodSettings, Process):
    """The app as it should run.

    `image` is all that is needed; everything else has a default that is fit for production.
    """

    image_pull_secrets: Annotated[
        tuple[LocalObjectReference, ...], Field(max_length=16), ListMap("name")
    ] = ()
    """Secrets of type `kubernetes.io/dockerconfigjson` for registries that ask for a password. Amazon ECR
    needs none: the nodes' own role pulls from it."""

    files: Files = ()
    """Files and folders of the container: text of this manifest, ConfigMaps and Secrets. A change of the text is a new
    version of the app."""
    volumes: Volumes = ()
    """Storage and where it is mounted: folders of the Pod's own, claims that outlive it, file systems that Pods
    share."""
    reload: Boolean = True
    """Whether a new version is rolled out when a ConfigMap or Secret changes that `files`, `env` or `envFrom` name.
    With false, Pods take the change at their next start; folders of `files` are refreshed in running Pods all the
    same."""

    port: PortNumber | None = None
    """The one port that the program listens on, over TCP, for example 8080; it is known as `http`. For
    several ports, another name or another protocol, use `ports` instead. An app with neither is a worker:
    it gets no Service and no default probe."""
    ports: PortList = ()
    """The ports that the program listens on, when there are several or one needs more said than its
    number. The first TCP port is the one that probes ask unless they name another."""

    resources: ResourceRequirements = Field(default_factory=ResourceRequirements)
    """CPU and memory, in Kubernetes' own terms. Without it each replica is promised `cpu: 100m` and
    `memory: 256Mi`, may use idle cpu beyond that, and no memory beyond it."""
    sidecars: Sidecars = ()
    """Containers that run beside the app in each Pod, for example a proxy or a log router: they start before it, in the
    order of this list, and end after it. A change restarts the Pods."""
    init_containers: InitContainers = ()
    """Containers that run to completion before the app starts, in the order of this list, for example one that writes
    a configuration. One that fails is run again, and the app waits."""

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
    expose: Expose | None = None
    """How the app is reached from outside the cluster: its hosts, and what leads to it. Default: not at all, unless
    `service` says so."""
    network: Network = Network()
    """Who may reach the app's Pods, and what these may reach. Default: as the platform is set up."""
    metrics: Metrics | None = None
    """Where the app serves metrics for Prometheus. Default: nothing scrapes it."""
    service_account_name: ObjectName | None = None
    """Existing ServiceAccount to run as, for example one with an IAM role. Default: the operator makes one
    named like the app. Its token is not mounted in either case."""
    identity: Identity | None = None
    """IAM role that the Pods act as, by EKS Pod Identity or IRSA. Default: none, and the SDKs find the node's role."""
    labels: ChildLabels = Field(default_factory=dict)
    """Further labels of everything that is made for the app but its Pods, for example `team: checkout`, as admission
    policies ask for them. A change restarts nothing. The operator's own labels cannot be set here."""
    pod_labels: PodLabels = Field(default_factory=dict)
    """Further labels of the Pods, for example `team: checkout` for cost allocation. The operator's own
    labels cannot be set here."""
    pod_annotations: PodAnnotations = Field(default_factory=dict)
    """Annotations of the Pods, read by agents and controllers in the cluster, for example
    `prometheus.io/scrape: "true"`. A change restarts the Pods."""
    placement: Placement | None = None
    """Where the Pods run: Spot or on-demand capacity, Fargate, architectures, and Kubernetes' own scheduling fields.
    Default: any node, spread over zones and nodes."""
    overrides: OverrideList = ()
    """Patches laid over the objects that are made for the app, for what no other field can say. The status lists them,
    and what the API server makes of them."""
    suspend: Boolean = False
    """Whether the app is stopped: no Pods run, while everything else (Service, address, `replicas`) stays
    as it is. Set it back to false to start again with the same number of replicas."""

    rules = SPEC_RULES

    def container_ports(self) -> tuple[ContainerPort, ...]:
        """The app's ports, whichever way they were written; empty for a worker."""
        if self.port is not None:
            return http(self.port)
        return self.ports

    def listeners(self) -> dict[str, Port]:
        """The container's port behind each of the app's ports, by name: the first with that number and protocol."""
        return listeners(self.container_ports())

    def probe_port(self) -> Port | None:
        """The port that probes ask when they name none: the first that speaks TCP."""
        return first_tcp(self.container_ports())

    def sidecar_ports(self) -> tuple[Port, ...]:
        """Ports of the sidecars, which the Service does not offer."""
        return tuple(port for sidecar in self.sidecars for port in sidecar.ports)

    def metrics_port(self) -> Port | None:
        """The port that serves metrics: one of the Pod's, or one that `metrics` alone names; none without `metrics`."""
        if self.metrics is None:
            return None
        wanted = self.metrics.port
        tcp = (port for port in (*self.container_ports(), *self.sidecar_ports()) if port.protocol == "TCP")
        found = next((port for port in tcp if wanted in {port.name, port.container_port}), None)
        if found is not None or isinstance(wanted, str):
            return found
        return Port(name="metrics", container_port=wanted)

    def fewest_pods(self) -> int:
        """How many Pods run at least, unless the app is suspended."""
        return self.autoscaling.min_replicas if self.autoscaling else self.replicas

    def most_pods(self) -> int:
        """How many Pods run at most, apart from those that a rollout adds."""
        return self.autoscaling.max_replicas if self.autoscaling else self.replicas

    def recreates(self) -> bool:
        """Whether all old Pods end before a new one starts."""
        rollout = self.rollout
        if rollout.strategy is None and rollout.max_surge is rollout.max_unavailable is None:
            return any(volume.single_writer() for volume in self.volumes)
        return rollout.strategy == "Recreate"

    def startup_seconds(self) -> int:
        """Seconds that the startup probes let the Pod start; 0 without one."""
        return sum(map(seconds, (self.startup_probe, *(sidecar.startup_probe for sidecar in self.sidecars))))

    def deadline_seconds(self) -> int:
        """Seconds without progress after which a rollout has failed: a slow start is none."""
        slow = self.startup_seconds() + (self.rollout.min_ready_seconds or 0)
        return self.rollout.progress_deadline_seconds or _DEADLINE_SECONDS + slow

    def wanted_service(self) -> Service | None:
        """The Service that the app is to have; none for a worker."""
        return self.service if self.container_ports() else None


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
        Rule(
            cel=f"self.metadata.name.size() <= {_KEDA_NAME} || !has(self.spec.autoscaling)"
            " || !has(self.spec.autoscaling.triggers) || self.spec.autoscaling.triggers.size() == 0",
            holds=lambda app: (
                len(app.metadata.name) <= _KEDA_NAME
                or app.spec.autoscaling is None
                or not app.spec.autoscaling.triggers
            ),
            message="metadata.name has more than 54 characters, the most that KEDA takes for spec.autoscaling.triggers:"
            " rename the app",
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
