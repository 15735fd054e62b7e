"""The further containers of a Pod: sidecars, which run beside the app, and init containers, which run before it.

Two fields of a custom kind's spec, with their rules. The order of a list is the order of start;
`controllers.pods.sidecars` makes one list of both. In a list the API server fills in no defaults: the rules name them.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

from pydantic import Field

from containerapp.api.ports import SAME_PROTOCOL, Port, SidecarPorts, first_tcp
from containerapp.api.probes import asked_ports, liveness, readiness
from containerapp.api.process import Process
from containerapp.api.schema.fields import Boolean, ContainerName, Image
from containerapp.api.schema.kubernetes import EnvFromSource, EnvVar, Probe, ResourceRequirements
from containerapp.api.schema.rules import ApiModel, ListMap, Rule
from containerapp.api.schema.storage import MountPath, SubPath, VolumeName
from containerapp.api.secrets import SecretVar
from containerapp.api.security import ContainerSecurity


class Named(ApiModel):
    """A container that is one of several."""

    name: ContainerName
    """Name of the container, unique among all of the app, for example `proxy`; the app's own container is `app`."""


class VolumeMount(ApiModel):
    """Where a container mounts a volume of the app."""

    name: VolumeName
    """Name of the volume, one of `spec.volumes`."""
    mount_path: MountPath
    """Path in the container."""
    sub_path: SubPath | None = None
    """Folder of the volume that is mounted instead of the whole."""
    read_only: Boolean | None = None
    """Whether the container cannot write to it. Default: false."""


def _paths_differ(mounts: tuple[VolumeMount, ...]) -> bool:
    return len({mount.mount_path for mount in mounts}) == len(mounts)


VolumeMounts = Annotated[
    tuple[VolumeMount, ...],
    Field(max_length=16),
    Rule(
        cel="self.all(a, self.exists_one(b, a.mountPath == b.mountPath))",
        holds=_paths_differ,
        message="volumeMounts has the same mountPath twice: choose another path for one of them",
    ),
]


class FurtherContainer(Process, Named):
    """A container that is not the app's own.

    The API server adds up what its rules cost at most: lists are shorter here, as there are several of each.
    """

    image: Image
    """Container image to run, written as that of the app."""
    env: Annotated[tuple[EnvVar, ...], Field(max_length=64), ListMap("name")] = ()
    """Environment variables, as those of the app; `envFrom` takes any number from a ConfigMap or a Secret."""
    env_from: Annotated[tuple[EnvFromSource, ...], Field(max_length=16)] = ()
    """Takes all keys of ConfigMaps and Secrets as environment variables; of two that set the same variable, the later
    one wins."""
    secrets: Annotated[tuple[SecretVar, ...], Field(max_length=16), ListMap("name")] = ()
    """Environment variables whose values are kept in AWS Secrets Manager or the SSM Parameter Store, as those of the
    app."""
    volume_mounts: VolumeMounts = ()
    """Volumes of the app that the container mounts too, at paths of its own."""
    security: ContainerSecurity = ContainerSecurity()
    """What the container may do on its node. The defaults pass Pod Security `restricted`."""


class Sidecar(FurtherContainer):
    """A container that runs beside the app: it starts before the app, is restarted when it ends, and ends after it.

    What follows it in the list, and the app, wait until it has started; with a `startupProbe`, until that succeeds.
    """

    resources: ResourceRequirements = Field(default_factory=ResourceRequirements)
    """CPU and memory, in Kubernetes' own terms. Without it the sidecar is promised `cpu: 50m` and `memory: 64Mi`, may
    use idle cpu beyond that, and no memory beyond it."""
    ports: SidecarPorts = ()
    """Ports that the sidecar listens on, for its probes and for `metrics`. The Service does not offer them: where a
    sidecar takes the app's requests, as a proxy does, write the port in `spec.port` instead."""
    startup_probe: Annotated[Probe, *liveness("startupProbe")] | None = None
    """When the sidecar has started: what follows it waits until then. Default: as soon as its program runs."""
    liveness_probe: Annotated[Probe, *liveness("livenessProbe")] | None = None
    """When the sidecar is restarted because it hangs. Default: never."""
    readiness_probe: Annotated[Probe, *readiness()] | None = None
    """When the Pod may get traffic as far as the sidecar is concerned. Default: always."""
    rules = (
        *Process.rules,
        *asked_ports(
            owner="the sidecar", has_port="", is_port="", remedy="add one to its ports", names="its ports"
        ),
    )

    def container_ports(self) -> tuple[Port, ...]:
        """The sidecar's ports."""
        return self.ports

    def probe_port(self) -> Port | None:
        """The port that probes ask when they name none."""
        return first_tcp(self.ports)


class InitContainer(FurtherContainer):
    """A container that runs to completion before the app starts. One that fails is run again, and the app waits."""

    resources: ResourceRequirements = Field(default_factory=ResourceRequirements)
    """CPU and memory, in Kubernetes' own terms. Default: those of the app, which does not use them yet."""
    after: ContainerName | None = None
    """Sidecar that runs already when this container starts, with all that stand before it in `sidecars`: for example a
    proxy to the database. Default: init containers come before all sidecars."""


Sidecars = Annotated[tuple[Sidecar, ...], Field(max_length=10), ListMap("name")]
InitContainers = Annotated[tuple[InitContainer, ...], Field(max_length=10), ListMap("name")]


def some_port(condition: str) -> str:
    """CEL: whether the condition holds for a `port` in a list, of the app or of a sidecar."""
    return (
        f"((has(self.ports) && self.ports.exists(port, {condition})) || (has(self.sidecars)"
        f" && self.sidecars.exists(sidecar, has(sidecar.ports) && sidecar.ports.exists(port, {condition}))))"
    )


def _names_differ(spec: Any) -> bool:
    return {each.name for each in spec.sidecars}.isdisjoint(each.name for each in spec.init_containers)


def _follows_sidecars(spec: Any) -> bool:
    names = {each.name for each in spec.sidecars}
    return all(each.after is None or each.after in names for each in spec.init_containers)


def _ports_differ(spec: Any) -> bool:
    """Several ports of the app may have one number; it is the container's one port."""
    own = {(port.container_port, port.protocol) for port in spec.container_ports()}
    numbers = [*own, *((port.container_port, port.protocol) for port in spec.sidecar_ports())]
    names = [port.name for port in (*spec.container_ports(), *spec.sidecar_ports())]
    return max([*Counter(numbers).values(), *Counter(names).values()], default=1) == 1


def _mounts_volumes(spec: Any) -> bool:
    names = {volume.name for volume in spec.volumes}
    containers = (*spec.sidecars, *spec.init_containers)
    return all(mount.name in names for each in containers for mount in each.volume_mounts)


def _mounted(containers: str) -> str:
    return (
        f"(!has(self.{containers}) || self.{containers}.all(each, !has(each.volumeMounts)"
        " || each.volumeMounts.all(mount, has(self.volumes) && self.volumes.exists(v, v.name == mount.name))))"
    )


_SAME = f"a.name == b.name || (a.containerPort == b.containerPort && {SAME_PROTOCOL})"
CONTAINER_RULES = (
    Rule(
        cel=f"{_mounted('sidecars')} && {_mounted('initContainers')}",
        holds=_mounts_volumes,
        message="volumeMounts of a sidecar or an init container names no volume of the app: use a name of spec.volumes,"
        " or add the volume there",
        path=".volumes",
    ),
    Rule(
        cel="!has(self.sidecars) || !has(self.initContainers)"
        " || !self.sidecars.exists(a, self.initContainers.exists(b, a.name == b.name))",
        holds=_names_differ,
        message="a sidecar and an init container have the same name: rename one of them",
        path=".initContainers",
    ),
    Rule(
        cel="!has(self.initContainers) || self.initContainers.all(a, !has(a.after)"
        " || (has(self.sidecars) && self.sidecars.exists(b, a.after == b.name)))",
        holds=_follows_sidecars,
        message="after of an init container names no sidecar: write the name of one, or remove it (init containers run"
        " in the order of their list)",
        path=".initContainers",
    ),
    Rule(
        cel="!has(self.sidecars) || self.sidecars.all(sidecar, !has(sidecar.ports) || sidecar.ports.all(a,"
        " !(has(self.port) && (a.name == 'http' || (a.containerPort == self.port"
        " && (!has(a.protocol) || a.protocol == 'TCP'))))"
        f" && !(has(self.ports) && self.ports.exists(b, {_SAME}))"
        " && !self.sidecars.exists(other, other.name != sidecar.name && has(other.ports)"
        f" && other.ports.exists(b, {_SAME}))))",
        holds=_ports_differ,
        message="two containers have a port of the same name, or listen on the same one, although the containers of a"
        " Pod share one network: change or remove one (spec.port may be that of a sidecar that takes the requests)",
        path=".sidecars",
    ),
)
JOB_CONTAINER_RULES = (
    *CONTAINER_RULES[:3],
    Rule(
        cel="!has(self.sidecars) || self.sidecars.all(sidecar, !has(sidecar.ports) || sidecar.ports.all(a,"
        " !self.sidecars.exists(other, other.name != sidecar.name && has(other.ports)"
        f" && other.ports.exists(b, {_SAME}))))",
        holds=_ports_differ,
        message="two sidecars have a port of the same name, or listen on the same one, although the containers of a Pod"
        " share one network: change or remove one",
        path=".sidecars",
    ),
)
"""For a kind whose own container has no ports."""
